"""The laboratory in the words of the API: bars and stripes, landscapes, chains, learning, mixing."""

from typing import Any

import numpy as np

from harmonium.drawing.patterns import bars_and_stripes, best_likelihood
from harmonium.errors import DataError
from harmonium.laboratory import chains, machines
from harmonium.laboratory import learning as lessons
from harmonium.laboratory.machines import Floats, Machine
from harmonium.models.rbm import RBM
from harmonium.randomness import key_of
from harmonium.serving.schemas import lab as schemas

SIDE = 3
FIRST = 1  # stream of a new machine's random numbers


def patterns() -> Floats:
    """Bars and stripes: (14, 9), each once."""
    return np.array(list(dict.fromkeys(map(tuple, bars_and_stripes(SIDE).X.tolist()))))


def data() -> dict[str, Any]:
    """The patterns, and the log-likelihood that no model can beat."""
    found = patterns()
    return {
        "side": SIDE,
        "n_visible": found.shape[1],
        "patterns": found.astype(int).tolist(),
        "best_log_likelihood": best_likelihood(found),
    }


def new_machine(asked: schemas.NewMachineRequest) -> dict[str, Any]:
    """A machine with small random weights and biases of 0.

    Parameters
    ----------
    asked : NewMachineRequest
    """
    rng = int(key_of(FIRST, asked.seed))
    return plain(machines.initial(asked.kind, asked.n_visible, asked.n_hidden, asked.spread, rng))


def landscape(asked: schemas.LandscapeRequest) -> dict[str, Any]:
    """Free energies and probabilities of all visible states.

    Parameters
    ----------
    asked : LandscapeRequest
    """
    machine = machines.tempered(read(asked.machine), asked.temperature)
    p, log_z = machines.distribution(machine)
    found = patterns() if machine.n_visible == SIDE * SIDE else None
    return {
        "n_visible": machine.n_visible,
        "free_energy": asked.temperature * machines.free_energy(machine, machines.states(machine.n_visible)),
        "probability": p,
        "log_partition": log_z,
        "log_likelihood": None if found is None else machines.log_likelihood(machine, found),
        "probability_of_data": None if found is None else float(p[machines.number(found)].sum()),
    }


def gibbs(asked: schemas.LabGibbsRequest) -> dict[str, Any]:
    """Go on with a chain.

    Parameters
    ----------
    asked : LabGibbsRequest
    """
    machine = read(asked.machine)
    s, held = _joint(machine, asked.visible, asked.hidden), set(asked.clamped)
    if isinstance(machine, RBM) and asked.hidden is None and asked.step % 2:
        raise DataError("hidden: needed where the visible units are drawn next; begin with an even step")
    steps = []
    for step in range(asked.step, asked.step + asked.n_steps):
        drawn = chains.toss(machine, s, step, asked.seed, held, asked.temperature)
        s = drawn.s
        steps.append(_step(machine, step, drawn))
    return {"steps": steps, "step": asked.step + asked.n_steps}


def learn(asked: schemas.LearnRequest) -> dict[str, Any]:
    """Learn bars and stripes.

    Parameters
    ----------
    asked : LearnRequest
    """
    machine = read(asked.machine)
    how = lessons.Stepwise(asked.rule, asked.n_steps, asked.n_chains, asked.learning_rate, asked.seed)
    going_on = _chains(machine, asked) if asked.rule == "pcd" else None
    found = lessons.learn(machine, patterns(), how, asked.n_updates, asked.update, going_on, asked.record_every)
    return {
        "machine": plain(found.machine),
        "chains": None if found.chains is None else found.chains.astype(int).tolist(),
        "update": found.update,
        "curve": [point._asdict() for point in found.curve],
        "data": {"c": None, **found.data},
        "fantasy": {"c": None, **found.fantasy},
        "fantasies": found.fantasies.astype(int).tolist(),
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
    number = int(machines.number(np.array([start]))[0])
    distance = chains.relaxation(machine, number, asked.n_sweeps, asked.temperature)
    half = np.flatnonzero(distance <= distance[0] / 2)
    return {
        "start": start,
        "distance": distance,
        "half_life": float(half[0]) if len(half) else None,
        "n_sweeps": asked.n_sweeps,
        "seconds_per_sweep": chains.seconds_per_sweep(machine),
    }


def read(asked: schemas.Restricted | schemas.General) -> Machine:
    """A machine from a request.

    Parameters
    ----------
    asked : Restricted or General
    """
    if isinstance(asked, schemas.Restricted):
        return machines.restricted(asked.W, asked.b, asked.c)
    return machines.general(asked.J, asked.b, asked.n_visible)


def plain(machine: Machine) -> dict[str, Any]:
    """A machine as plain values.

    Parameters
    ----------
    machine : RBM or Boltzmann
    """
    if isinstance(machine, RBM):
        return {"kind": "restricted", "W": machine.W.tolist(), "b": machine.b.tolist(), "c": machine.c.tolist()}
    return {"kind": "general", "n_visible": machine.n_visible, "J": machine.J.tolist(), "b": machine.b.tolist()}


def _step(machine: Machine, step: int, drawn: chains.Toss) -> dict[str, Any]:
    n, s = machine.n_visible, drawn.s
    return {
        "step": step,
        "units": drawn.units,
        "probabilities": drawn.probability,
        "tosses": drawn.toss,
        "visible": s[:n].astype(int).tolist(),
        "hidden": s[n:].astype(int).tolist(),
        "energy": float(machines.energy(machine, s[None])[0]),
        "free_energy": float(machines.free_energy(machine, s[None, :n])[0]),
    }


def _joint(machine: Machine, visible: list[int], hidden: list[int] | None) -> Floats:
    n_hidden = machines.n_units(machine) - machine.n_visible
    hidden = [0] * n_hidden if hidden is None else hidden
    _check_length("visible", visible, machine.n_visible)
    _check_length("hidden", hidden, n_hidden)
    return np.array([*visible, *hidden], dtype=np.float64)


def _check_length(name: str, given: list[int], n: int) -> None:
    if len(given) != n:
        raise DataError(f"{name}: {len(given)} states were given, the machine has {n} such units")


def _chains(machine: Machine, asked: schemas.LearnRequest) -> Floats | None:
    if asked.chains is None:
        return None
    for chain in asked.chains:
        _check_length("chains", chain, machines.n_units(machine))
    if not asked.chains:
        raise DataError("chains: there are none; pass null to begin new ones")
    return np.array(asked.chains, dtype=np.float64)
