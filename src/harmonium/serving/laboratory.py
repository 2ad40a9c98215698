"""The laboratory in the words of the API: bars and stripes, landscapes, chains, learning, mixing."""

import time
from typing import Any

import numpy as np

from harmonium.errors import DataError
from harmonium.randomness import key_of, uniforms
from harmonium.serving import small_machines as small
from harmonium.serving.schemas import lab as schemas
from harmonium.units import bernoulli

SIDE = 3
N_TIMED = 100  # chains whose sweep is timed
TIMED_SWEEPS = 20
POSITIVE, CHAINS, FIRST = 1, 2, 3  # streams of random numbers


def patterns() -> np.ndarray:
    """Bars and stripes: (14, 9), each once, rows first."""
    rows = small.states(SIDE).astype(np.int64)
    bars = np.repeat(rows, SIDE, axis=1)
    stripes = np.tile(rows, (1, SIDE))
    return np.array(list(dict.fromkeys(map(tuple, np.vstack((bars, stripes)).tolist()))))


def data() -> dict[str, Any]:
    """The patterns, and the log-likelihood that no model can beat."""
    found = patterns()
    return {
        "side": SIDE,
        "n_visible": found.shape[1],
        "patterns": found.tolist(),
        "best_log_likelihood": -float(np.log(len(found))),
    }


def new_machine(asked: schemas.NewMachineRequest) -> dict[str, Any]:
    """A machine with small random weights and biases of 0.

    Parameters
    ----------
    asked : NewMachineRequest
    """
    rng = np.random.default_rng((FIRST, asked.seed))
    if asked.kind == "restricted":
        W = asked.spread * rng.standard_normal((asked.n_visible, asked.n_hidden))
        return plain(small.Restricted(W, np.zeros(asked.n_visible), np.zeros(asked.n_hidden)))
    n = asked.n_visible + asked.n_hidden
    upper = np.triu(asked.spread * rng.standard_normal((n, n)), 1)
    return plain(small.General(upper + upper.T, np.zeros(n), asked.n_visible))


def landscape(asked: schemas.LandscapeRequest) -> dict[str, Any]:
    """Free energies and probabilities of all visible states.

    Parameters
    ----------
    asked : LandscapeRequest
    """
    machine, temperature = read(asked.machine), asked.temperature
    p, log_z = small.distribution(machine, temperature)
    index = _pattern_index() if machine.n_visible == SIDE * SIDE else None
    x = machine.log_weights(temperature)
    return {
        "n_visible": machine.n_visible,
        "free_energy": (-temperature * x).tolist(),
        "probability": p.tolist(),
        "log_partition": log_z,
        "log_likelihood": None if index is None else float(x[index].mean() - log_z),
        "probability_of_data": None if index is None else float(p[index].sum()),
    }


def gibbs(asked: schemas.LabGibbsRequest) -> dict[str, Any]:
    """Go on with a chain.

    Parameters
    ----------
    asked : LabGibbsRequest
    """
    machine = read(asked.machine)
    s, held = _joint(machine, asked.visible, asked.hidden), set(asked.clamped)
    blocks = machine.blocks()
    restricted = isinstance(machine, small.Restricted)
    if restricted and asked.hidden is None and asked.step % len(blocks):
        raise DataError("hidden: needed where the visible units are drawn next; begin with an even step")
    steps = []
    for step in range(asked.step, asked.step + asked.n_steps):
        block = blocks[step % len(blocks)]
        field = machine.fields(s, block)[0]
        if asked.temperature > 0:
            p = bernoulli.mean(field / asked.temperature)
        else:
            p = 0.5 * (np.sign(field) + 1)
        toss = uniforms(key_of(asked.seed, step), 0, np.array(block)).astype(np.float64)
        free = [k for k, unit in enumerate(block) if unit not in held]
        s[0, np.array(block)[free]] = (toss < p)[free]
        steps.append(_step(machine, s, step, block, p, toss))
    return {"steps": steps, "step": asked.step + asked.n_steps}


def learn(asked: schemas.LearnRequest) -> dict[str, Any]:
    """Learn bars and stripes.

    Parameters
    ----------
    asked : LearnRequest
    """
    machine, index = read(asked.machine), _pattern_index()
    q = np.zeros(1 << machine.n_visible)
    q[index] = 1 / len(index)
    chains = _chains(machine, asked) if asked.rule == "pcd" else None
    curve = [{"update": asked.update, "log_likelihood": small.log_likelihood(machine, index), "seconds": 0.0}]
    seconds, update, fantasies = 0.0, asked.update, np.zeros((0, machine.n_visible))
    of_data = of_fantasy = machine.means(q)
    for update in range(asked.update + 1, asked.update + asked.n_updates + 1):
        began = time.perf_counter()
        of_data = machine.means(q)
        if asked.rule == "exact":
            of_fantasy = machine.means(small.distribution(machine)[0])
        else:
            rng = np.random.default_rng((CHAINS, asked.seed, update))
            s = _at_data(machine, rng) if chains is None else chains
            for _ in range(asked.n_steps):
                s = small.sweep(machine, s, rng)
            chains = s if asked.rule == "pcd" else None
            of_fantasy, fantasies = machine.means_of(s), s[:, : machine.n_visible]
        machine = machine.moved(_scaled(of_data, of_fantasy, asked.learning_rate))
        seconds += time.perf_counter() - began
        if (update - asked.update) % asked.record_every == 0 or update == asked.update + asked.n_updates:
            scored = small.log_likelihood(machine, index)
            curve.append({"update": update, "log_likelihood": scored, "seconds": seconds})
    return {
        "machine": plain(machine),
        "chains": None if chains is None else chains.astype(int).tolist(),
        "update": update,
        "curve": curve,
        "data": _listed(of_data),
        "fantasy": _listed(of_fantasy),
        "fantasies": fantasies.astype(int).tolist(),
    }


def mixing(asked: schemas.MixingRequest) -> dict[str, Any]:
    """How a chain's distribution nears the machine's.

    Parameters
    ----------
    asked : MixingRequest
    """
    machine = read(asked.machine)
    start = [0] * machine.n_visible if asked.start is None else asked.start
    _check_length("start", start, machine.n_visible)
    distance = small.relaxation(machine, _number(np.array([start]))[0], asked.n_sweeps, asked.temperature)
    half = np.flatnonzero(distance <= distance[0] / 2)
    return {
        "start": start,
        "distance": distance.tolist(),
        "half_life": float(half[0]) if len(half) else None,
        "n_sweeps": asked.n_sweeps,
        "seconds_per_sweep": _seconds_per_sweep(machine),
    }


def read(asked: schemas.Restricted | schemas.General) -> small.Machine:
    """A machine from a request.

    Parameters
    ----------
    asked : Restricted or General
    """
    W, b = np.array(asked.W, np.float64), np.array(asked.b, np.float64)
    if isinstance(asked, schemas.Restricted):
        return small.Restricted(W, b, np.array(asked.c, np.float64))
    return small.General(W, b, asked.n_visible)


def plain(machine: small.Machine) -> dict[str, Any]:
    """A machine as plain values.

    Parameters
    ----------
    machine : Restricted or General
    """
    if isinstance(machine, small.Restricted):
        return {"kind": "restricted", "W": machine.W.tolist(), "b": machine.b.tolist(), "c": machine.c.tolist()}
    return {"kind": "general", "n_visible": machine.n_visible, "W": machine.W.tolist(), "b": machine.b.tolist()}


def _step(machine: small.Machine, s: np.ndarray, step: int, block: list[int], p: Any, toss: Any) -> dict[str, Any]:
    n = machine.n_visible
    number = _number(s[:, :n])[0]
    return {
        "step": step,
        "units": block,
        "probabilities": p.tolist(),
        "tosses": toss.tolist(),
        "visible": s[0, :n].astype(int).tolist(),
        "hidden": s[0, n:].astype(int).tolist(),
        "energy": float(machine.energy(s)[0]),
        "free_energy": -float(machine.log_weights()[number]),
    }


def _joint(machine: small.Machine, visible: list[int], hidden: list[int] | None) -> np.ndarray:
    n_hidden = machine.n_units - machine.n_visible
    hidden = [0] * n_hidden if hidden is None else hidden
    _check_length("visible", visible, machine.n_visible)
    _check_length("hidden", hidden, n_hidden)
    return np.array([[*visible, *hidden]], dtype=np.float64)


def _check_length(name: str, given: list[int], n: int) -> None:
    if len(given) != n:
        raise DataError(f"{name}: {len(given)} states were given, the machine has {n} such units")


def _chains(machine: small.Machine, asked: schemas.LearnRequest) -> np.ndarray:
    if asked.chains is None:
        rng = np.random.default_rng((POSITIVE, asked.seed))
        return rng.integers(0, 2, (asked.n_chains, machine.n_units)).astype(np.float64)
    for chain in asked.chains:
        _check_length("chains", chain, machine.n_units)
    if not asked.chains:
        raise DataError("chains: there are none; pass null to begin new ones")
    return np.array(asked.chains, dtype=np.float64)


def _at_data(machine: small.Machine, rng: np.random.Generator) -> np.ndarray:
    """One chain a pattern, its hidden units drawn from their exact distribution given the pattern."""
    v = patterns()
    n_hidden = machine.n_units - machine.n_visible
    s = np.hstack((v, np.zeros((len(v), n_hidden))))
    if isinstance(machine, small.Restricted) or not n_hidden:
        return s  # the first half-step draws them
    p = np.exp(machine.joint_weights()[:, _number(v)] - machine.log_weights()[_number(v)])  # (2^n_hidden, n_patterns)
    below = np.cumsum(p, axis=0)[:-1]
    drawn = (rng.random(len(v)) >= below).sum(axis=0)
    s[:, machine.n_visible :] = small.states(n_hidden)[drawn]
    return s


def _scaled(data: small.Means, fantasy: small.Means, rate: float) -> small.Means:
    c = None if data.c is None or fantasy.c is None else rate * (data.c - fantasy.c)
    return small.Means(rate * (data.W - fantasy.W), rate * (data.b - fantasy.b), c)


def _listed(means: small.Means) -> dict[str, Any]:
    return {"W": means.W.tolist(), "b": means.b.tolist(), "c": None if means.c is None else means.c.tolist()}


def _number(v: np.ndarray) -> np.ndarray:
    """Numbers of visible states: (n,) of (n, n_visible)."""
    return (v @ (1 << np.arange(v.shape[1]))).astype(np.int64)


def _pattern_index() -> np.ndarray:
    return _number(patterns())


def _seconds_per_sweep(machine: small.Machine) -> float:
    rng = np.random.default_rng(0)
    s, best = rng.integers(0, 2, (N_TIMED, machine.n_units)).astype(np.float64), np.inf
    for _ in range(TIMED_SWEEPS):
        began = time.perf_counter()
        s = small.sweep(machine, s, rng)
        best = min(best, time.perf_counter() - began)
    return float(best)
