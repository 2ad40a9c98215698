"""How a Boltzmann machine learns: settings, which pairs may be tied, and what one update leaves to the next."""

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium import storage
from harmonium.errors import SettingError
from harmonium.events import Saved
from harmonium.models import boltzmann
from harmonium.models.boltzmann import ALPHABETS, Boltzmann, Floats, Ints
from harmonium.randomness import as_generator, key_of
from harmonium.sampling import boltzmann as sampling
from harmonium.sampling import tempering
from harmonium.training import boltzmann_cases, checkpoints, ladder
from harmonium.training.dense.chains import Cases, fingerprint, size
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.settings import check_choice, check_count, check_share

METHODS = ("auto", "exact", "pcd", "tempered-pcd", "full-chain", "pseudo-likelihood", "multi-prediction")
INFERENCE = ("gibbs", "mean-field")
INITIAL_SPREAD = 0.1  # standard deviation of the couplings that hidden units begin with: 0 is a saddle point
SMOOTHING = 0.5  # pseudo-count of each value behind the initial biases
GRADIENT, POSITIVE, NEGATIVE, FRESH, HIDDEN_OUT = range(5)  # parts of keys
CHECKPOINT = "boltzmann-checkpoint"


@final
@dataclass(frozen=True)
class BoltzmannLearning:
    """How a Boltzmann machine learns. Raises SettingError, by name and allowed range, on construction.

    Parameters
    ----------
    method : str
        "exact" sums all states, for about 20 units at most; "pcd" keeps chains and moves them a few sweeps an update;
        "tempered-pcd" adds replicas at lower inverse temperatures that chains exchange states with (Desjardins et al.
        2010); "full-chain" runs fresh chains at every update until they have settled; "pseudo-likelihood" needs a
        machine without hidden units; "multi-prediction" learns to predict left-out units by mean field from the others
        (Goodfellow et al. 2013); "auto" is "exact" for at most 12 units and "pcd" beyond.
    n_steps : int
        Sweeps of the free chains between two updates, of "pcd"; mean-field sweeps of "multi-prediction".
    n_chains : int
        Free chains.
    n_betas, lowest_beta : int, float
        Ladder of "tempered-pcd".
    ladder_burn_in : float
        Share of the epochs after each of which the ladder moves towards equal swap rates; then it stays.
    keep : float
        Probability that "multi-prediction" keeps a visible unit as evidence.
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
    n_betas: int = DenseLearning.n_betas
    lowest_beta: float = DenseLearning.lowest_beta
    ladder_burn_in: float = DenseLearning.ladder_burn_in
    keep: float = DenseLearning.keep
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
        check_count("n_betas", self.n_betas, 2, 1000)
        for name in ("lowest_beta", "keep"):
            check_share(name, getattr(self, name), 0.0, 1.0)
        share = self.ladder_burn_in
        if isinstance(share, bool) or not (isinstance(share, int | float) and 0 <= share <= 1):
            raise SettingError(f"ladder_burn_in: {share!r} is not a number from 0 to 1")
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


def initial(v: Cases, n_hidden: int, edges: Edges, values: str, rng: Any = None) -> Boltzmann:
    """Return a machine before learning: the data's frequencies, and small couplings where there are hidden units.

    Parameters
    ----------
    v : float64 array or csr_array, (n_cases, n_visible)
    n_hidden : int
        They come after the visible units.
    edges : Edges
    values : str
    rng : seed
    """
    low, high = ALPHABETS[values]
    n, n_visible = size(v)
    n_high = np.rint(n * (boltzmann_cases.mean(v) - low) / (high - low))
    p = (n_high + SMOOTHING) / (n + 2 * SMOOTHING)
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
        Free chains.
    clamped : float64 array, (n_cases, n_hidden)
        Hidden states of the cases, which go on from epoch to epoch.
    order : tuple of int arrays
        Of a sweep.
    epoch, n_updates : int
    centre : float64 array, (n_units,)
        What units are centred by.
    moments : dict of float64 arrays
        Adam's.
    betas : float64 array, (n_betas,)
        Ladder of "tempered-pcd".
    replicas : float64 array, (n_chains, n_betas, n_units)
        Its replicas; the first ones are the chains.
    swaps : float64 array, (2, n_betas - 1)
        Exchanges accepted and offered in this epoch.
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
    betas: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    replicas: Floats = field(default_factory=lambda: np.empty((0, 0, 0)))
    swaps: npt.NDArray[np.float64] = field(default_factory=lambda: ladder.blank(0))


def start(bm: Boltzmann, v: Cases, edges: Edges, learning: BoltzmannLearning, seed: int) -> BoltzmannState:
    """Return the state before the first epoch.

    Parameters
    ----------
    bm : Boltzmann
    v : float64 array or csr_array, (n_cases, n_visible)
    edges : Edges
    learning : BoltzmannLearning
    seed : int
    """
    tied = replace(bm, J=edges.couplings(np.ones(len(edges.i))))  # couplings that are 0 now will not stay so
    order = sampling.update_order(tied)
    chains = sampling.init(bm, learning.n_chains, key_of(seed, FRESH), order=order).s
    clamped = sampling.tossed(bm, np.arange(size(v)[0]), bm.hidden, key_of(seed, FRESH, 1))
    centre = np.full(bm.n_units, sum(bm.alphabet) / 2)
    centre[bm.visible] = boltzmann_cases.mean(v)
    state = BoltzmannState(bm, edges, seed, chains, clamped, order, centre=centre)
    begin_ladder(state, learning)
    return state


def begin_ladder(state: BoltzmannState, learning: BoltzmannLearning) -> None:
    """Give every free chain its replicas, where the method has them and there are none yet.

    Parameters
    ----------
    state : BoltzmannState
    learning : BoltzmannLearning
    """
    if learning.method != "tempered-pcd" or len(state.betas):
        return
    state.betas = tempering.ladder(learning.n_betas, learning.lowest_beta)
    state.replicas = np.repeat(state.chains[:, None], learning.n_betas, axis=1)
    state.swaps = ladder.blank(learning.n_betas)


_ARRAYS = ("chains", "clamped", "centre", "betas", "replicas", "swaps")


def to_parts(state: BoltzmannState) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
    """Return a state as plain values and arrays, exactly.

    Parameters
    ----------
    state : BoltzmannState
    """
    header = {"seed": state.seed, "epoch": state.epoch, "n_updates": state.n_updates, "values": state.bm.values}
    arrays = {name: getattr(state, name) for name in _ARRAYS} | {f"moments.{k}": a for k, a in state.moments.items()}
    arrays |= {"w": state.edges.of(state.bm.J), "b": state.bm.b, "visible": np.asarray(state.bm.visible, np.int64)}
    return header, arrays


def from_parts(header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray], edges: Edges) -> BoltzmannState:
    """Return the state that `to_parts` took apart.

    Parameters
    ----------
    header : mapping
    arrays : mapping of arrays
    edges : Edges
        Which units may be tied.
    """
    bm = Boltzmann(edges.couplings(arrays["w"]), arrays["b"].copy(), arrays["visible"].copy(), header["values"])
    tied = replace(bm, J=edges.couplings(np.ones(len(edges.i))))
    moments = {name.removeprefix("moments."): a.copy() for name, a in arrays.items() if name.startswith("moments.")}
    own = {name: arrays[name].copy() for name in _ARRAYS}
    numbers = {name: header[name] for name in ("seed", "epoch", "n_updates")}
    return BoltzmannState(bm=bm, edges=edges, order=sampling.update_order(tied), moments=moments, **own, **numbers)


def save(path: str | os.PathLike[str], state: BoltzmannState, learning: BoltzmannLearning, v: Cases) -> Saved:
    """Write a checkpoint from which `resume` goes on bit for bit.

    Parameters
    ----------
    path : path
    state : BoltzmannState
    learning : BoltzmannLearning
    v : float64 array or csr_array, (n_cases, n_visible)
    """
    header, arrays = to_parts(state)
    storage.write(path, CHECKPOINT, {"state": header, "ask": _ask(state.edges, learning, v)}, arrays)
    return Saved(os.fspath(path), "boltzmann", "final", state.epoch)


def resume(path: str | os.PathLike[str], learning: BoltzmannLearning, v: Cases, edges: Edges) -> BoltzmannState:
    """Return the state of a checkpoint of the same learning from the same cases.

    Parameters
    ----------
    path : path
    learning : BoltzmannLearning
    v : float64 array or csr_array, (n_cases, n_visible)
    edges : Edges

    Raises
    ------
    ModelFileError
        The checkpoint is of other cases or settings.
    """
    header, arrays = checkpoints.read(path, CHECKPOINT, _ask(edges, learning, v))
    return from_parts(header["state"], arrays, edges)


def _ask(edges: Edges, learning: BoltzmannLearning, v: Cases) -> dict[str, Any]:
    """What a checkpoint must agree on."""
    ties = [edges.n_units, zlib.crc32(edges.i.tobytes()), zlib.crc32(edges.j.tobytes())]
    return {**vars(learning), "cases": fingerprint(v), "couplings": ties}
