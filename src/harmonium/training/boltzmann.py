"""Learning of Boltzmann machines: by the exact gradient, by chains, by pseudo-likelihood.

    d log p(v) / dJ_ij = <s_i s_j> with v clamped - <s_i s_j> free,    d / db_i = <s_i> clamped - <s_i> free

Both phases are one sampler with other units held. Each is averaged by its own count.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse

from harmonium.errors import DivergenceError, SettingError
from harmonium.events import BoltzmannEpoch
from harmonium.kernels.constants import ADAM
from harmonium.kernels.reference_dense import Rule, ascend
from harmonium.models import boltzmann, boltzmann_exact
from harmonium.models.boltzmann import ALPHABETS, Boltzmann, Floats, Ints
from harmonium.models.mean_field import mean_field
from harmonium.randomness import as_generator, key_of
from harmonium.sampling import boltzmann as sampling
from harmonium.sampling.mixing import SETTLED, r_hat
from harmonium.training.settings import check_choice, check_count, check_share

METHODS = ("auto", "exact", "pcd", "full-chain", "pseudo-likelihood")
INFERENCE = ("gibbs", "mean-field")
SMALL = 12  # units up to which "auto" takes the exact gradient
INITIAL_SPREAD = 0.1  # standard deviation of the couplings that hidden units begin with: 0 is a saddle point
SMOOTHING = 0.5  # pseudo-count of each value behind the initial biases
MEAN_RATE = 0.01  # of the moving averages that hidden units are centred by (Melchior et al. 2016)
POSITIVE_SWEEPS = 3  # of hidden units that go on where the same case's last ones ended
FIRST_SWEEPS, MOST_SWEEPS = 20, 5_120  # of a full chain: doubled until it has settled
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # Adam's (Kingma & Ba 2015)
LARGEST = 100.0  # a coupling of this size has long saturated its units: learning has diverged
TOLERANCE = 1e-7  # of a gradient's largest entry at which L-BFGS stops
GRADIENT, POSITIVE, NEGATIVE, FRESH = range(4)  # parts of keys


@final
@dataclass(frozen=True)
class BoltzmannLearning:
    """How a Boltzmann machine learns. Raises SettingError, by name and allowed range, on construction.

    Parameters
    ----------
    method : str
        "exact" sums all states, for about 20 units at most; "pcd" keeps chains and moves them a few sweeps an update;
        "full-chain" runs fresh chains at every update until they have settled; "pseudo-likelihood" needs a machine
        without hidden units; "auto" is "exact" for at most 12 units and "pcd" beyond.
    n_steps : int
        Sweeps of the free chains between two updates, of "pcd".
    n_chains : int
        Free chains.
    inference : str
        Where hidden units are tied to each other, their clamped states are drawn ("gibbs") or "mean-field".
    n_epochs : int
        Passes over the data; iterations of L-BFGS for "exact" and "pseudo-likelihood".
    batch_size : int
    learning_rate : float
        Of Adam; falls linearly to 0 over the second half of the epochs.
    weight_decay : float
        L2 penalty of the couplings, in nats.
    """

    method: str = "auto"
    n_steps: int = 1
    n_chains: int = 100
    inference: str = "gibbs"
    n_epochs: int = 100
    batch_size: int = 100
    learning_rate: float = 0.01
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_choice("inference", self.inference, INFERENCE)
        for name in ("n_steps", "n_chains", "n_epochs", "batch_size"):
            check_count(name, getattr(self, name), 1, 1_000_000)
        check_share("learning_rate", self.learning_rate, 0.0, 10.0)
        check_share("weight_decay", self.weight_decay, 0.0, 10.0)


class Edges(NamedTuple):
    """Pairs of units that may be tied, and how couplings are built from one number a pair.

    Parameters
    ----------
    i, j : int arrays, (n_edges,)
        i < j.
    n_units : int
    dense : bool
    """

    i: Ints
    j: Ints
    n_units: int
    dense: bool

    def couplings(self, w: Floats) -> boltzmann.Couplings:
        """Return the symmetric J with w at the edges.

        Parameters
        ----------
        w : float64 array, (n_edges,)
        """
        if self.dense:
            J = np.zeros((self.n_units, self.n_units))
            J[self.i, self.j] = J[self.j, self.i] = w
            return J
        ends = np.concatenate([self.i, self.j]), np.concatenate([self.j, self.i])
        return sparse.coo_array((np.concatenate([w, w]), ends), shape=(self.n_units,) * 2).tocsr()

    def of(self, pair: npt.NDArray) -> Floats:
        """Return a matrix's entries at the edges.

        Parameters
        ----------
        pair : float64 array or sparse, (n_units, n_units)
        """
        return np.asarray(pair[self.i, self.j]).ravel()


def edges_of(n_units: int, mask: Any = None) -> Edges:
    """Return the pairs that may be tied: all of them, or those of a mask.

    Parameters
    ----------
    n_units : int
    mask : array-like or SciPy sparse, (n_units, n_units), optional
        Where it is not 0, above or below the diagonal, two units may be tied.

    Raises
    ------
    SettingError
        The mask has another shape.
    """
    if mask is None:
        return Edges(*np.triu_indices(n_units, 1), n_units, True)
    ties = sparse.coo_array(mask)
    if ties.shape != (n_units, n_units):
        raise SettingError(f"couplings: must be of shape ({n_units}, {n_units}), one row a unit; got {ties.shape}")
    row, column = (np.asarray(c)[ties.data != 0] for c in ties.coords)
    both = np.unique(np.minimum(row, column) * n_units + np.maximum(row, column))
    i, j = both // n_units, both % n_units
    return Edges(i[i != j], j[i != j], n_units, not sparse.issparse(mask))


def initial(v: Floats, n_hidden: int, edges: Edges, values: str, rng: Any = None) -> Boltzmann:
    """Return a machine before learning: the data's frequencies, and small couplings where there are hidden units.

    Parameters
    ----------
    v : float64 array, (n_cases, n_visible)
    n_hidden : int
        They come after the visible units.
    edges : Edges
    values : str
    rng : seed
    """
    low, high = ALPHABETS[values]
    n, n_visible = v.shape
    p = ((v == high).sum(axis=0) + SMOOTHING) / (n + 2 * SMOOTHING)
    b = np.concatenate([np.log(p / (1 - p)) / (high - low), np.zeros(n_hidden)])
    w = as_generator(rng).normal(0, INITIAL_SPREAD, len(edges.i)) if n_hidden else np.zeros(len(edges.i))
    return Boltzmann(edges.couplings(w), b, np.arange(n_visible), values)


@final
@dataclass
class BoltzmannState:
    """Learning in progress; mutable, never seen outside the training room.

    Parameters
    ----------
    bm : Boltzmann
        The present model.
    edges : Edges
    seed : int
    chains : float64 array, (n_chains, n_units)
        Free chains; empty for methods without.
    clamped : float64 array, (n_cases, n_hidden)
        Hidden states of the cases, which go on from epoch to epoch.
    order : tuple of int arrays
        Of a sweep.
    epoch, n_updates : int
    centre : float64 array, (n_units,)
        What units are centred by.
    moments : dict of float64 arrays
        Adam's.
    """

    bm: Boltzmann
    edges: Edges
    seed: int
    chains: Floats
    clamped: Floats
    order: tuple[Ints, ...]
    epoch: int = 0
    n_updates: int = 0
    centre: Floats = field(default_factory=lambda: np.empty(0))
    moments: dict[str, Floats] = field(default_factory=dict)


def start(bm: Boltzmann, v: Floats, edges: Edges, learning: BoltzmannLearning, seed: int) -> BoltzmannState:
    """Return the state before the first epoch.

    Parameters
    ----------
    bm : Boltzmann
    v : float64 array, (n_cases, n_visible)
    edges : Edges
    learning : BoltzmannLearning
    seed : int
    """
    tied = replace(bm, J=edges.couplings(np.ones(len(edges.i))))  # couplings that are 0 now will not stay so
    order = sampling.update_order(tied)
    chains = sampling.init(bm, learning.n_chains, key_of(seed, FRESH), order=order).s
    clamped = sampling.init(bm, len(v), key_of(seed, FRESH, 1), order=order).s[:, bm.hidden]
    centre = np.full(bm.n_units, sum(bm.alphabet) / 2)
    centre[bm.visible] = v.mean(axis=0)
    return BoltzmannState(bm, edges, seed, chains, clamped, order, centre=centre)


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


def train(state: BoltzmannState, v: Floats, learning: BoltzmannLearning) -> Iterator[BoltzmannEpoch]:
    """Learn, one report an epoch; `state.bm` is the model so far.

    Parameters
    ----------
    state : BoltzmannState
        Changed in place.
    v : float64 array, (n_cases, n_visible)
    learning : BoltzmannLearning

    Yields
    ------
    BoltzmannEpoch
    """
    method = chosen_method(learning, state.bm)
    if method in ("exact", "pseudo-likelihood"):
        yield from _ascend_exactly(state, v, learning, method)
        return
    for _ in range(learning.n_epochs):
        began = time.perf_counter()
        order = as_generator(int(key_of(state.seed, GRADIENT, state.epoch))).permutation(len(v))
        sweeps = 0, True
        for first in range(0, len(v), learning.batch_size):
            cases = order[first : first + learning.batch_size]
            progress = (state.epoch + first / len(v)) / learning.n_epochs
            sweeps = _update(state, v[cases], cases, learning, method, progress)
        state.epoch += 1
        _check_finite(state.bm, learning)
        seconds = time.perf_counter() - began
        yield BoltzmannEpoch(method, state.epoch, learning.n_epochs, seconds, None, *sweeps)


def _check_finite(bm: Boltzmann, learning: BoltzmannLearning) -> None:
    largest = max(abs(sampling.ties(bm).data).max(initial=0), abs(bm.b).max())
    if not largest < LARGEST:  # NaN too
        rate = learning.learning_rate
        raise DivergenceError(f"learning diverged: learning_rate {rate:g} is too high; try {rate / 10:g}")


def objective(
    v: Floats, weight: Floats, edges: Edges, like: Boltzmann, decay: float, method: str
) -> Callable[[Floats], tuple[float, Floats]]:
    """Return the function that L-BFGS minimises: minus the penalised mean log-likelihood, and its gradient.

    Parameters
    ----------
    v : float64 array, (n_cases, n_visible)
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


def _exact_slopes(bm: Boltzmann, v: Floats, weight: Floats, edges: Edges) -> tuple[float, Floats, Floats]:
    data, model = boltzmann_exact.clamped_moments(bm, v, weight), boltzmann_exact.moments(bm)
    return data.log_z - model.log_z, edges.of(data.pair - model.pair), data.mean - model.mean


def _pseudo_slopes(bm: Boltzmann, v: Floats, weight: Floats, edges: Edges) -> tuple[float, Floats, Floats]:
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
    state: BoltzmannState, v: Floats, learning: BoltzmannLearning, method: str
) -> Iterator[BoltzmannEpoch]:
    """L-BFGS, an event an iteration; rows that repeat are taken once, with their share."""
    rows, counts = np.unique(v, axis=0, return_counts=True)
    decay, n_edges = learning.weight_decay, len(state.edges.i)
    function = objective(rows, counts / len(v), state.edges, state.bm, decay, method)
    began, done = time.perf_counter(), []

    def follow(intermediate_result: optimize.OptimizeResult) -> None:
        x, state.epoch = intermediate_result.x, state.epoch + 1
        state.bm = replace(state.bm, J=state.edges.couplings(x[:n_edges]), b=np.array(x[n_edges:]))
        value = 0.5 * decay * float(x[:n_edges] @ x[:n_edges]) - float(intermediate_result.fun)
        seconds = time.perf_counter() - began - sum(event.seconds for event in done)
        done.append(BoltzmannEpoch(method, state.epoch, learning.n_epochs, seconds, value, 0, True))

    optimize.minimize(
        function, np.concatenate([state.edges.of(state.bm.J), state.bm.b]), jac=True, method="L-BFGS-B",
        callback=follow, options={"maxiter": learning.n_epochs, "gtol": TOLERANCE, "ftol": 0.0, "maxcor": 20},
    )  # fmt: skip
    yield from done


def _update(
    state: BoltzmannState, v: Floats, cases: Ints, learning: BoltzmannLearning, method: str, progress: float
) -> tuple[int, bool]:
    """One step of Adam along the difference of the two phases, centred; sweeps taken, and whether chains settled."""
    data = _clamped(state, v, cases, learning)
    model, n_sweeps, settled = _free(state, learning, method)
    hidden = state.bm.hidden
    state.centre[hidden] += MEAN_RATE * (data[:, hidden].mean(axis=0) - state.centre[hidden])
    edges, centre = state.edges, state.centre
    w, b = edges.of(state.bm.J), state.bm.b.copy()
    g_w = _pairs(data - centre, edges) - _pairs(model - centre, edges) - learning.weight_decay * w
    g_b = data.mean(axis=0) - model.mean(axis=0)
    before = w.copy()
    state.n_updates += 1
    rule = _rule(learning.learning_rate * min(1.0, 2 * (1 - progress)), state.n_updates)
    for name, array, gradient in (("w", w, g_w), ("b", b, g_b)):
        first, second = (state.moments.setdefault(f"{name}{k}", np.zeros_like(array)) for k in (1, 2))
        ascend(array, gradient, first, second, rule)
    b -= _times(edges, w - before, centre)  # Adam's step is of centred units; their biases turn back after it
    state.bm = replace(state.bm, J=edges.couplings(w), b=b)
    return n_sweeps, settled


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
        return settled_chains(bm, fresh, key)
    begun = sampling.init(bm, len(state.chains), s=state.chains, order=state.order)
    state.chains = sampling.step(bm, begun, key, learning.n_steps)[0].s
    return state.chains, learning.n_steps, True


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
