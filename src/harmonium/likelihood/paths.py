"""Paths of distributions from one whose log Z is known to a model: what annealed importance sampling walks along.

    log f_t(s) = s . b_0 + t (log f_1(s) - s . b_0),    0 <= t <= 1

At t = 0 the units are independent, at t = 1 they follow the model. A path weighs a state's step from one t to
another, and moves states by a transition that leaves f_t as it is.
"""

from typing import Any, NamedTuple, Protocol, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError, SettingError
from harmonium.kernels import backend
from harmonium.models import boltzmann, boltzmann_exact, exact
from harmonium.models import rbm as rbms
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.rbm import RBM
from harmonium.randomness import key_of, uniforms
from harmonium.sampling import boltzmann as gibbs
from harmonium.units import Bernoulli, Layer, Multinomial, bernoulli

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
SMALLEST_SHARE = 1e-4  # of a value among a unit's data: log-odds stay within +-9.2


class Path(Protocol):
    """What annealing needs to know of a model. Keys come from `harmonium.randomness.key_of`."""

    log_z0: float
    """Log Z at t = 0, in nats."""

    def begin(self, chain: Ints, key: np.uint64) -> Any:
        """Draw states at t = 0, one a chain."""
        ...

    def at(self, v: Floats, key: np.uint64) -> Any:
        """Return the state of given visible rows, hidden units drawn where the path has any."""
        ...

    def free_energy(self, v: Floats) -> Floats:
        """Free energy of visible rows under the model, (batch,), in nats."""
        ...

    def weigh(self, state: Any, old: float, new: float) -> Floats:
        """Return log f_new - log f_old of each state, (n_chains,)."""
        ...

    def walk(self, state: Any, old: float, new: float, chain: Ints, key: np.uint64, down: bool) -> tuple[Floats, Any]:
        """Weigh the step from old to new, then move at new; `down` reverses the move."""
        ...


class Pair(NamedTuple):
    """State on an RBM's path: visible states and what follows from them.

    Parameters
    ----------
    v : float64 array, (n_chains, n_visible)
    x : float64 array, (n_chains, n_hidden)
        Fields of the hidden units at t = 1.
    tilt : float64 array, (n_chains,)
        v . (b - b_0).
    total : float64 array, (n_chains,), or None
        Draws of multinomial rows.
    """

    v: Floats
    x: Floats
    tilt: Floats
    total: Floats | None


@final
class RBMPath:
    """Path to an RBM of any two layers, the hidden units summed out of the weights.

    Parameters
    ----------
    rbm : RBM
    base : floats, (n_visible,)
        Visible biases at t = 0; hidden units have none there.
    n_draws : float, optional
        Draws of every row of a multinomial layer.
    """

    def __init__(self, rbm: RBM, base: Floats, n_draws: float | None = None):
        self.rbm, self.base, self.n_draws = exact.in_float64(rbm), np.asarray(base, np.float64), n_draws
        self._fused = isinstance(rbm.visible, Bernoulli) and isinstance(rbm.hidden, Bernoulli)
        self._down = np.ascontiguousarray(self.rbm.W.T)
        A_visible = self.rbm.visible.log_partition(self.base[None], self._totals(1))
        self.log_z0 = float(A_visible[0] + self.rbm.hidden.log_partition(np.zeros((1, rbm.n_hidden)))[0])

    def begin(self, chain: Ints, key: np.uint64) -> Pair:
        """Draw independent visible units.

        Parameters
        ----------
        chain : int array, (n_chains,)
        key : uint64
        """
        layer, total = self.rbm.visible, self._totals(len(chain))
        x = np.broadcast_to(self.base, (len(chain), len(self.base)))
        return self._pair(layer.sample(x, layer.noise(key, chain, total), total), total)

    def at(self, v: Floats, key: np.uint64) -> Pair:
        """Return the state of given visible rows; nothing is drawn.

        Parameters
        ----------
        v : floats, (n_chains, n_visible)
        key : uint64
        """
        v = np.array(v, np.float64)
        return self._pair(v, self.rbm.visible.total(v))

    def free_energy(self, v: Floats) -> Floats:
        """Free energy of visible rows under the model.

        Parameters
        ----------
        v : floats, (batch, n_visible)
        """
        return rbms.free_energy(self.rbm, np.asarray(v, np.float64))

    def weigh(self, state: Pair, old: float, new: float) -> Floats:
        """Return log f_new(v) - log f_old(v).

        Parameters
        ----------
        state : Pair
        old, new : float
        """
        A = self.rbm.hidden.log_partition
        return (new - old) * state.tilt + A(new * state.x) - A(old * state.x)

    def walk(self, state: Pair, old: float, new: float, chain: Ints, key: np.uint64, down: bool) -> tuple[Floats, Pair]:
        """Weigh, then draw hidden and visible units at `new`; the move is its own reverse.

        Parameters
        ----------
        state : Pair
        old, new : float
        chain : int array, (n_chains,)
        key : uint64
        down : bool
        """
        keys = key_of(int(key), 0), key_of(int(key), 1)
        if self._fused:
            return self._walk_bits(state, old, new, chain, keys)
        visible, hidden = self.rbm.visible, self.rbm.hidden
        weight = self.weigh(state, old, new)
        h = hidden.sample(new * state.x, hidden.noise(keys[0], chain))
        x = (1 - new) * self.base + new * rbms.visible_field(self.rbm, h)
        v = visible.sample(x, visible.noise(keys[1], chain, state.total), state.total)
        return weight, self._pair(v, state.total)

    def _walk_bits(
        self, state: Pair, old: float, new: float, chain: Ints, keys: tuple[np.uint64, np.uint64]
    ) -> tuple[Floats, Pair]:
        rbm, h, v = self.rbm, np.empty_like(state.x), np.empty_like(state.v)
        weight = backend().anneal_hidden(state.x, old, new, keys[0], chain, h)
        tilt = backend().anneal_visible(h @ self._down, self.base, rbm.b, new, keys[1], chain, v)
        return weight + (new - old) * state.tilt, Pair(v, v @ rbm.W + rbm.c, tilt, None)

    def _pair(self, v: Floats, total: Floats | None) -> Pair:
        return Pair(v, rbms.hidden_field(self.rbm, v), v @ (self.rbm.b - self.base), total)

    def _totals(self, n: int) -> Floats | None:
        return None if self.n_draws is None else np.full(n, self.n_draws, np.float64)


@final
class BoltzmannPath:
    """Path to a Boltzmann machine: all units are states, moved by Gibbs sweeps; reversed sweeps walk down.

    Parameters
    ----------
    bm : Boltzmann
    base : floats, (n_visible,)
        Visible biases at t = 0; hidden units have none there.
    """

    def __init__(self, bm: Boltzmann, base: Floats):
        self.bm, self.base = bm, np.zeros(bm.n_units)
        self.base[bm.visible] = base
        self.ties, self.order = gibbs.ties(bm), gibbs.update_order(bm)
        self.log_z0 = float(boltzmann.unit_log_partition(bm, self.base).sum())

    def begin(self, chain: Ints, key: np.uint64) -> Floats:
        """Draw independent units.

        Parameters
        ----------
        chain : int array, (n_chains,)
        key : uint64
        """
        low, high = self.bm.alphabet
        p_high = bernoulli.mean((high - low) * self.base)
        return np.where(uniforms(key, chain[:, None], np.arange(self.bm.n_units)) < p_high, high, low)

    def at(self, v: Floats, key: np.uint64) -> Floats:
        """Return whole states of given visible rows, the hidden units drawn from their exact conditional.

        Parameters
        ----------
        v : floats, (n_chains, n_visible)
        key : uint64
        """
        return boltzmann_exact.completed(self.bm, np.asarray(v, np.float64), key)

    def free_energy(self, v: Floats) -> Floats:
        """Free energy of visible rows under the model.

        Parameters
        ----------
        v : floats, (batch, n_visible)
        """
        return boltzmann_exact.free_energy(self.bm, v)

    def weigh(self, state: Floats, old: float, new: float) -> Floats:
        """Return log f_new(s) - log f_old(s).

        Parameters
        ----------
        state : float64 array, (n_chains, n_units)
        old, new : float
        """
        return (new - old) * (-boltzmann.energy(self.bm, state) - state @ self.base)

    def walk(
        self, state: Floats, old: float, new: float, chain: Ints, key: np.uint64, down: bool
    ) -> tuple[Floats, Floats]:
        """Weigh, then sweep over all units at `new`, backwards when `down`.

        Parameters
        ----------
        state : float64 array, (n_chains, n_units)
        old, new : float
        chain : int array, (n_chains,)
        key : uint64
        down : bool
        """
        weight = self.weigh(state, old, new)
        S = np.array(state.T, order="C")
        ties = self.ties._replace(data=self.ties.data * new)
        b = (1 - new) * self.base + new * self.bm.b
        order = self.order[::-1] if down else self.order
        rest = b, np.ones(len(chain)), self.bm.alphabet, key, np.asarray(chain), S, np.zeros((0, 0), bool)
        backend().gibbs_sweep(order, ties, *rest)
        return weight, np.ascontiguousarray(S.T)


def path_to(model: RBM | Boltzmann, mean: Floats | None = None, like: Floats | None = None) -> RBMPath | BoltzmannPath:
    """Return the path to a model.

    Parameters
    ----------
    model : RBM or Boltzmann
    mean : floats, (n_visible,), optional
        Mean of the data: at t = 0 the visible units have it. Without it they have the model's own biases, a worse
        start (Salakhutdinov & Murray 2008, section 4.1).
    like : floats, (batch, n_visible), optional
        Rows a multinomial layer without `n_draws` should imitate; their totals must all be the same.

    Raises
    ------
    DataError, SettingError
        The mean does not fit; a multinomial layer's totals are unknown or differ.
    """
    n = model.n_visible
    if mean is not None and (np.shape(mean) != (n,) or not np.isfinite(mean).all()):
        raise DataError(f"mean: must hold {n} finite numbers, one a visible column; got shape {np.shape(mean)}")
    if isinstance(model, RBM):
        base = model.b if mean is None else model.visible.field(np.asarray(mean, np.float64))
        return RBMPath(model, base, _same_total(model.visible, like))
    low, high = model.alphabet
    base = model.b[model.visible]
    if mean is not None:
        p = np.clip((np.asarray(mean) - low) / (high - low), SMALLEST_SHARE, 1 - SMALLEST_SHARE)
        base = np.log(p / (1 - p)) / (high - low)
    return BoltzmannPath(model, base)


def _same_total(layer: Layer, like: Floats | None) -> float | None:
    if not isinstance(layer, Multinomial):
        return None
    totals = np.array([layer.n_draws or 0]) if like is None else np.unique(np.asarray(like).sum(axis=1))
    if len(totals) != 1 or totals[0] < 1:
        raise SettingError(
            "n_draws: log Z of a multinomial layer is that of rows with one number of draws; "
            "set n_draws, or give rows of one total at a time"
        )
    return float(totals[0])
