"""Learning of Boltzmann machines: by the exact gradient, by chains, by pseudo-likelihood.

    d log p(v) / dJ_ij = <s_i s_j> with v clamped - <s_i s_j> free,    d / db_i = <s_i> clamped - <s_i> free

Both phases are one sampler with other units held. Each is averaged by its own count.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import optimize, sparse

from harmonium.errors import DivergenceError, SettingError
from harmonium.events import BoltzmannEpoch
from harmonium.kernels.constants import ADAM
from harmonium.kernels.reference_dense import Rule, ascend
from harmonium.models import boltzmann, boltzmann_exact
from harmonium.models.boltzmann import Boltzmann, Floats, Ints
from harmonium.models.mean_field import mean_field
from harmonium.randomness import as_generator, key_of, uniforms
from harmonium.sampling import boltzmann as sampling
from harmonium.sampling import boltzmann_tempering
from harmonium.sampling.mixing import SETTLED, r_hat
from harmonium.training import ladder
from harmonium.training.boltzmann_cases import blocks, distinct
from harmonium.training.boltzmann_prediction import multi_prediction
from harmonium.training.boltzmann_state import (
    GRADIENT,
    HIDDEN_OUT,
    NEGATIVE,
    POSITIVE,
    BoltzmannLearning,
    BoltzmannState,
    Edges,
)
from harmonium.training.dense.chains import Cases, densely, size

Monitor = Callable[[Boltzmann, Any], Mapping[str, float]]
CHAINED = ("pcd", "tempered-pcd", "full-chain")  # methods that leave chains behind
SMALL = 12  # units up to which "auto" takes the exact gradient
MEAN_RATE = 0.01  # of the moving averages that hidden units are centred by (Melchior et al. 2016)
POSITIVE_SWEEPS = 3  # of hidden units that go on where the same case's last ones ended
FIRST_SWEEPS, MOST_SWEEPS = 20, 5_120  # of a full chain: doubled until it has settled
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # Adam's (Kingma & Ba 2015)
LARGEST = 100.0  # a coupling of this size has long saturated its units: learning has diverged
TOLERANCE = 1e-7  # of a gradient's largest entry at which L-BFGS stops


def chosen_method(learning: BoltzmannLearning, bm: Boltzmann) -> str:
    """Return the method, "auto" resolved.

    Parameters
    ----------
    learning : BoltzmannLearning
    bm : Boltzmann

    Raises
    ------
    SettingError
        The machine is too large for "exact", or has hidden units that "pseudo-likelihood" cannot learn.
    """
    method = learning.method
    if method == "auto":
        return "exact" if bm.n_units <= SMALL else "pcd"
    if method == "exact":
        boltzmann_exact.check_enumerable(bm)
    if method == "pseudo-likelihood" and len(bm.hidden):
        raise SettingError(f"method: pseudo-likelihood cannot learn {len(bm.hidden)} hidden units; take 'pcd'")
    return method


def train(
    state: BoltzmannState, v: Cases, learning: BoltzmannLearning, monitor: Monitor | None = None
) -> Iterator[BoltzmannEpoch]:
    """Learn, one report an epoch; `state.bm` is the model so far.

    Parameters
    ----------
    state : BoltzmannState
        Changed in place.
    v : float64 array or csr_array, (n_cases, n_visible)
    learning : BoltzmannLearning
    monitor : callable, optional
        From the model and its chains, as `v`, to what is to be reported, once an epoch.

    Yields
    ------
    BoltzmannEpoch
    """
    method = chosen_method(learning, state.bm)
    if method in ("exact", "pseudo-likelihood"):
        yield from _ascend_exactly(state, v, learning, method, monitor)
        return
    n_cases, _ = size(v)
    while state.epoch < learning.n_epochs:
        began = time.perf_counter()
        order = as_generator(int(key_of(state.seed, GRADIENT, state.epoch))).permutation(n_cases)
        sweeps, values = (0, True), []
        for first in range(0, n_cases, learning.batch_size):
            cases = order[first : first + learning.batch_size]
            progress = (state.epoch + first / n_cases) / learning.n_epochs
            if method == "multi-prediction":
                values.append(_predict(state, densely(v, cases), cases, learning, progress))
            else:
                sweeps = _update(state, densely(v, cases), cases, learning, method, progress)
        state.epoch += 1
        _check_finite(state.bm, learning)
        seconds, objective = time.perf_counter() - began, float(np.mean(values)) if values else None
        rates, chains = _swap_rates(state, learning), state.chains[: None if method in CHAINED else 0]
        yield BoltzmannEpoch(
            method, state.epoch, learning.n_epochs, seconds, objective, *sweeps, rates,
            *_monitored(monitor, state.bm, chains),
        )  # fmt: skip


def _monitored(monitor: Monitor | None, bm: Boltzmann, chains: Floats) -> tuple[dict[str, float], str]:
    """What the monitor measures, and its warning."""
    found = dict(monitor(bm, SimpleNamespace(v=chains))) if monitor else {}
    return found, getattr(monitor, "warning", "")


def _swap_rates(state: BoltzmannState, learning: BoltzmannLearning) -> tuple[float, ...]:
    """Swap rates of the epoch, the pair nearest beta = 1 first; the ladder moves by them during burn-in."""
    found = ladder.measured(state.betas, state.swaps)
    progress = state.epoch / learning.n_epochs
    state.betas = ladder.moved(state.betas, state.swaps, progress, learning.ladder_burn_in)
    state.swaps = ladder.blank(len(state.betas))
    return tuple(rate for name, rate in found.items() if name != "swap_rate_lowest")


def _check_finite(bm: Boltzmann, learning: BoltzmannLearning) -> None:
    largest = max(abs(sampling.ties(bm).data).max(initial=0), abs(bm.b).max())
    if not largest < LARGEST:  # NaN too
        rate = learning.learning_rate
        raise DivergenceError(f"learning_rate {rate:g} is too high; try {rate / 10:g}")


def objective(
    v: Cases, weight: Floats, edges: Edges, like: Boltzmann, decay: float, method: str
) -> Callable[[Floats], tuple[float, Floats]]:
    """Return the function that L-BFGS minimises: minus the penalised mean log-likelihood, and its gradient.

    Parameters
    ----------
    v : float64 array, or csr_array for "pseudo-likelihood", (n_cases, n_visible)
    weight : float64 array, (n_cases,)
        Shares of the cases.
    edges : Edges
    like : Boltzmann
        Which units are visible, and their alphabet.
    decay : float
    method : str
        "exact" or "pseudo-likelihood".
    """
    n_edges = len(edges.i)
    slopes = _exact_slopes if method == "exact" else _pseudo_slopes

    def function(parameters: Floats) -> tuple[float, Floats]:
        w, b = parameters[:n_edges], parameters[n_edges:]
        bm = replace(like, J=edges.couplings(w), b=b.copy())
        value, pair, single = slopes(bm, v, weight, edges)
        return 0.5 * decay * float(w @ w) - value, np.concatenate([decay * w - pair, -single])

    return function


def _exact_slopes(bm: Boltzmann, v: Cases, weight: Floats, edges: Edges) -> tuple[float, Floats, Floats]:
    data, model = boltzmann_exact.clamped_moments(bm, np.asarray(v), weight), boltzmann_exact.moments(bm)
    return data.log_z - model.log_z, edges.of(data.pair - model.pair), data.mean - model.mean


def _pseudo_slopes(bm: Boltzmann, v: Cases, weight: Floats, edges: Edges) -> tuple[float, Floats, Floats]:
    parts = (_pseudo_slopes_of(bm, rows, weight[which], edges) for which, rows in blocks(v))
    value, pair, single = map(sum, zip(*parts))
    return value, pair, single  # type: ignore[return-value]


def _pseudo_slopes_of(bm: Boltzmann, v: Floats, weight: Floats, edges: Edges) -> tuple[float, Floats, Floats]:
    s = np.empty((len(v), bm.n_units))
    s[:, bm.visible] = v
    x = boltzmann.fields(bm, s)
    value = weight @ (x * s - boltzmann.unit_log_partition(bm, x)).sum(axis=1)
    rest = (s - boltzmann.mean(bm, x)) * weight[:, None]  # (n_cases, n_units)
    if edges.dense:
        pair = s.T @ rest
        return float(value), edges.of(pair + pair.T), rest.sum(axis=0)
    pair = np.einsum("ce,ce->e", s[:, edges.i], rest[:, edges.j]) + np.einsum(
        "ce,ce->e", s[:, edges.j], rest[:, edges.i]
    )
    return float(value), pair, rest.sum(axis=0)


def _ascend_exactly(
    state: BoltzmannState, v: Cases, learning: BoltzmannLearning, method: str, monitor: Monitor | None
) -> Iterator[BoltzmannEpoch]:
    """L-BFGS, an event an iteration; rows that repeat are taken once, with their share, unless they are many."""
    many = method != "exact" and sparse.issparse(v)
    rows, weight = (v, np.full(size(v)[0], 1 / size(v)[0])) if many else distinct(v)
    decay, n_edges = learning.weight_decay, len(state.edges.i)
    function = objective(rows, weight, state.edges, state.bm, decay, method)
    clock, done = [time.perf_counter()], []

    def follow(intermediate_result: optimize.OptimizeResult) -> None:
        x, state.epoch = intermediate_result.x, state.epoch + 1
        state.bm = replace(state.bm, J=state.edges.couplings(x[:n_edges]), b=np.array(x[n_edges:]))
        value = 0.5 * decay * float(x[:n_edges] @ x[:n_edges]) - float(intermediate_result.fun)
        seconds = time.perf_counter() - clock[0]
        seen = _monitored(monitor, state.bm, state.chains[:0])
        done.append(BoltzmannEpoch(method, state.epoch, learning.n_epochs, seconds, value, 0, True, (), *seen))
        clock[0] = time.perf_counter()

    try:
        optimize.minimize(
            function, np.concatenate([state.edges.of(state.bm.J), state.bm.b]), jac=True, method="L-BFGS-B",
            callback=follow, options={"maxiter": learning.n_epochs, "gtol": TOLERANCE, "ftol": 0.0, "maxcor": 20},
        )  # fmt: skip
    except KeyboardInterrupt:
        yield from done
        raise
    yield from done


def _update(
    state: BoltzmannState, v: Floats, cases: Ints, learning: BoltzmannLearning, method: str, progress: float
) -> tuple[int, bool]:
    """One step of Adam along the difference of the two phases, centred; sweeps taken, and whether chains settled."""
    data = _clamped(state, v, cases, learning)
    model, n_sweeps, settled = _free(state, learning, method)
    hidden = state.bm.hidden
    state.centre[hidden] += MEAN_RATE * (data[:, hidden].mean(axis=0) - state.centre[hidden])
    edges, centre, before = state.edges, state.centre, state.edges.of(state.bm.J)
    g_w = _pairs(data - centre, edges) - _pairs(model - centre, edges) - learning.weight_decay * before
    w, b = _ascended(state, before.copy(), g_w, data.mean(axis=0) - model.mean(axis=0), learning, progress)
    b -= _times(edges, w - before, centre)  # Adam's step is of centred units; their biases turn back after it
    state.bm = replace(state.bm, J=edges.couplings(w), b=b)
    return n_sweeps, settled


def _ascended(
    state: BoltzmannState, w: Floats, g_w: Floats, g_b: Floats, learning: BoltzmannLearning, progress: float
) -> tuple[Floats, Floats]:
    """Couplings and biases after one step of Adam."""
    b = state.bm.b.copy()
    state.n_updates += 1
    rule = _rule(learning.learning_rate * min(1.0, 2 * (1 - progress)), state.n_updates)
    for name, array, gradient in (("w", w, g_w), ("b", b, g_b)):
        first, second = (state.moments.setdefault(f"{name}{k}", np.zeros_like(array)) for k in (1, 2))
        ascend(array, gradient, first, second, rule)
    return w, b


def _predict(state: BoltzmannState, v: Floats, cases: Ints, learning: BoltzmannLearning, progress: float) -> float:
    """One step of Adam on the log-probability of units left out; what it was."""
    key, w = key_of(state.seed, HIDDEN_OUT, state.n_updates), state.edges.of(state.bm.J)
    kept = uniforms(key, cases[:, None], state.bm.visible) < learning.keep
    value, g_w, g_b = multi_prediction(state.bm, v, kept, state.edges, state.order, learning.n_steps)
    w, b = _ascended(state, w, g_w - learning.weight_decay * w, g_b, learning, progress)
    state.bm = replace(state.bm, J=state.edges.couplings(w), b=b)
    return value


def _rule(rate: float, t: int) -> Any:
    numbers = rate, 0.0, BETA1, BETA2, 1 / (1 - BETA1**t), 1 / (1 - BETA2**t), EPS
    return Rule(ADAM, *(np.float64(x) for x in numbers))  # type: ignore[arg-type]


def _clamped(state: BoltzmannState, v: Floats, cases: Ints, learning: BoltzmannLearning) -> Floats:
    """States, or means of the hidden units, with the visible units at the data."""
    bm = state.bm
    s = np.empty((len(v), bm.n_units))
    s[:, bm.visible] = v
    if not len(bm.hidden):
        return s
    if learning.inference == "mean-field":
        return mean_field(bm, v, tolerance=1e-4, most_sweeps=50).mean
    s[:, bm.hidden] = state.clamped[cases]
    held = np.zeros(bm.n_units, bool)
    held[bm.visible] = True
    begun = sampling.init(bm, len(v), s=s, held=held, order=state.order)._replace(chain=cases)
    after, _ = sampling.step(bm, begun, int(key_of(state.seed, POSITIVE, state.n_updates)), POSITIVE_SWEEPS)
    state.clamped[cases] = after.s[:, bm.hidden]
    return after.s


def _free(state: BoltzmannState, learning: BoltzmannLearning, method: str) -> tuple[Floats, int, bool]:
    """States of free chains: persistent ones a few sweeps on, or fresh ones that have settled."""
    bm, key = state.bm, int(key_of(state.seed, NEGATIVE, state.n_updates))
    if method == "full-chain":
        fresh = sampling.init(bm, learning.n_chains, key, order=state.order)
        state.chains, n_sweeps, settled = settled_chains(bm, fresh, key)
        return state.chains, n_sweeps, settled
    if method == "tempered-pcd":
        return _tempered(state, key, learning.n_steps)
    begun = sampling.init(bm, len(state.chains), s=state.chains, order=state.order)
    state.chains = sampling.step(bm, begun, key, learning.n_steps)[0].s
    return state.chains, learning.n_steps, True


def _tempered(state: BoltzmannState, key: int, n_sweeps: int) -> tuple[Floats, int, bool]:
    """States at beta = 1 of replicas that have moved and exchanged."""
    n, odd = len(state.chains), bool(state.n_updates % 2)
    begun = boltzmann_tempering.State(state.betas, state.replicas, np.arange(n), state.order, odd)
    after, info = boltzmann_tempering.step(state.bm, begun, key, n_sweeps)
    ladder.count(state.swaps, info.accepted, info.offered)
    state.replicas, state.chains = after.s, after.s[:, 0].copy()
    return state.chains, n_sweeps, True


def settled_chains(bm: Boltzmann, state: sampling.State, rng: int) -> tuple[Floats, int, bool]:
    """Sweep until the chains' energies agree: the full chain, as Ackley, Hinton & Sejnowski (1985) meant it.

    Parameters
    ----------
    bm : Boltzmann
    state : State
    rng : int

    Returns
    -------
    s : float64 array, (n_chains, n_units)
    n_sweeps : int
    settled : bool
        Whether R-hat of the last half fell below 1.05 before 5,120 sweeps were over.
    """
    trace, block = [], FIRST_SWEEPS
    while len(trace) < MOST_SWEEPS:
        for _ in range(block):
            state, _ = sampling.step(bm, state, int(key_of(rng, len(trace))))
            trace.append(boltzmann.energy(bm, state.s))
        agree = r_hat(np.array(trace[len(trace) // 2 :]))
        if not agree > SETTLED:  # NaN: nothing moves, and nothing differs
            return state.s, len(trace), True
        block = len(trace)
    return state.s, len(trace), False


def _pairs(s: Floats, edges: Edges) -> Floats:
    """Mean of s_i s_j at every edge."""
    if edges.dense:
        return edges.of(s.T @ s) / len(s)
    return np.einsum("ce,ce->e", s[:, edges.i], s[:, edges.j]) / len(s)


def _times(edges: Edges, w: Floats, s: Floats) -> Floats:
    """J s for the couplings w, without building J."""
    parts = (np.bincount(a, w * s[b], edges.n_units) for a, b in ((edges.i, edges.j), (edges.j, edges.i)))
    return np.asarray(sum(parts), np.float64)
