"""Layers with finitely many states: Bernoulli, spin, softmax, multinomial."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError, SettingError
from harmonium.randomness import uniforms
from harmonium.units import bernoulli, levels, multinomial, spin
from harmonium.units.layer import Floats, Layer, check_size, grid, scaled

SMALLEST_SHARE = 1e-4  # of means that are turned into fields: log-odds stay within +-9.2


@final
@dataclass(frozen=True, eq=False)
class Bernoulli(Layer):
    """Units that are 0 or 1.

    Parameters
    ----------
    n_units : int
    """

    kind: ClassVar[str] = "bernoulli"

    def log_partition(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return bernoulli.log_partition(scaled(x, beta)).sum(axis=-1)

    def mean(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return bernoulli.mean(scaled(x, beta))

    def sample(self, x: Floats, noise: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return bernoulli.sample(scaled(x, beta), noise)

    def response(self, x: Floats, g: Floats, total: Floats | None = None) -> Floats:
        p = bernoulli.mean(x)
        return p * (1 - p) * g

    def field(self, mean: Floats) -> Floats:
        p = np.clip(mean, SMALLEST_SHARE, 1 - SMALLEST_SHARE)
        return np.log(p / (1 - p))

    @property
    def n_configurations(self) -> int:
        return 2**self.n_units

    def _states(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        return grid((0, 1), self.n_units, start, stop)

    def _check_domain(self, v: Floats, name: str) -> None:
        self._refuse(v, (v != 0) & (v != 1), name, "0 or 1")


@final
@dataclass(frozen=True, eq=False)
class Spin(Layer):
    """Units that are -1 or +1.

    Parameters
    ----------
    n_units : int
    """

    kind: ClassVar[str] = "spin"
    nonnegative: ClassVar[bool] = False

    def log_partition(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return spin.log_partition(scaled(x, beta)).sum(axis=-1)

    def mean(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return spin.mean(scaled(x, beta))

    def sample(self, x: Floats, noise: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return spin.sample(scaled(x, beta), noise)

    def response(self, x: Floats, g: Floats, total: Floats | None = None) -> Floats:
        m = spin.mean(x)
        return (1 - m * m) * g

    def field(self, mean: Floats) -> Floats:
        return np.arctanh(np.clip(mean, 2 * SMALLEST_SHARE - 1, 1 - 2 * SMALLEST_SHARE))

    @property
    def n_configurations(self) -> int:
        return 2**self.n_units

    def _states(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        return grid((-1, 1), self.n_units, start, stop)

    def _check_domain(self, v: Floats, name: str) -> None:
        self._refuse(v, (v != -1) & (v != 1), name, "-1 or 1")


@final
@dataclass(frozen=True, eq=False)
class Softmax(Layer):
    """Units with one of `n_states` states each (Potts units); a state is written as n_states columns, one of them 1.

    Parameters
    ----------
    n_units : int
    n_states : int
    """

    n_states: int = 2

    kind: ClassVar[str] = "softmax"

    def __post_init__(self) -> None:
        check_size("n_units", self.n_units)
        check_size("n_states", self.n_states, 2)

    @property
    def width(self) -> int:
        return self.n_units * self.n_states

    def settings(self) -> dict[str, Any]:
        return {"kind": self.kind, "n_units": int(self.n_units), "n_states": int(self.n_states)}

    def groups(self, x: Floats) -> Floats:
        """Return rows with one axis for the units and one for their states: (..., n_units, n_states).

        Parameters
        ----------
        x : floats, (..., width)
        """
        return x.reshape(*x.shape[:-1], self.n_units, self.n_states)

    def log_partition(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return levels.log_partition(self.groups(scaled(x, beta))).sum(axis=-1)

    def mean(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return levels.mean(self.groups(scaled(x, beta))).reshape(x.shape)

    def sample(self, x: Floats, noise: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        below = np.cumsum(levels.mean(self.groups(scaled(x, beta))), axis=-1)[..., :-1]
        level = (noise[..., None] >= below).sum(axis=-1)  # not `levels.sample`: there may be more than 255 states
        return (level[..., None] == np.arange(self.n_states)).astype(x.dtype).reshape(x.shape)

    def response(self, x: Floats, g: Floats, total: Floats | None = None) -> Floats:
        p, g = levels.mean(self.groups(x)), self.groups(g)
        return (p * (g - (p * g).sum(axis=-1, keepdims=True))).reshape(x.shape)

    def field(self, mean: Floats) -> Floats:
        x = np.log(np.maximum(self.groups(mean), SMALLEST_SHARE))
        return (x - x.mean(axis=-1, keepdims=True)).reshape(mean.shape)

    def gauge(self, a: Floats) -> Floats:
        """Make the states of every unit sum to 0: adding a constant to all of them changes nothing.

        Parameters
        ----------
        a : floats, (width, ...)
        """
        grouped = a.reshape(self.n_units, self.n_states, *a.shape[1:])
        return (grouped - grouped.mean(axis=1, keepdims=True)).reshape(a.shape)

    @property
    def n_configurations(self) -> int:
        return self.n_states**self.n_units

    def _states(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        level = grid(np.arange(self.n_states), self.n_units, start, stop)
        return (level[..., None] == np.arange(self.n_states)).astype(np.float64).reshape(len(level), -1)

    def _check_domain(self, v: Floats, name: str) -> None:
        self._refuse(v, (v != 0) & (v != 1), name, "0 or 1 in each column")
        wrong = self.groups(v).sum(axis=-1) != 1
        if wrong.any():
            row, unit = np.argwhere(wrong)[0]
            first = unit * self.n_states
            raise DataError(
                f"{name}: row {row}, columns {first} to {first + self.n_states - 1} have "
                f"{self.groups(v)[row, unit].sum():g} ones; a softmax unit has exactly one"
            )


@final
@dataclass(frozen=True, eq=False)
class Multinomial(Layer):
    """Counts of draws among `n_units` columns: a bag of words; the visible layer of a replicated softmax.

    Parameters
    ----------
    n_units : int
        Columns: words of the vocabulary.
    n_draws : int, optional
        Draws of every row. None takes each row's own number, which sampling keeps; a likelihood is then one given it.
    """

    n_draws: int | None = None

    kind: ClassVar[str] = "multinomial"

    def __post_init__(self) -> None:
        check_size("n_units", self.n_units, 2)
        if self.n_draws is not None:
            check_size("n_draws", self.n_draws)

    def settings(self) -> dict[str, Any]:
        return {"kind": self.kind, "n_units": int(self.n_units), "n_draws": self.n_draws}

    def log_partition(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return multinomial.log_partition(scaled(x, beta), self._n(x, total))

    def mean(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return multinomial.mean(scaled(x, beta), self._n(x, total))

    def noise(self, key: np.uint64, chain: npt.NDArray[np.integer], total: Floats | None = None) -> Floats:
        most = int(self._n(np.asarray(chain, np.float64)[:, None], total).max(initial=0))
        return uniforms(key, np.asarray(chain)[:, None], np.arange(most))

    def sample(self, x: Floats, noise: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return multinomial.sample(scaled(x, beta), noise, self._n(x, total))

    def response(self, x: Floats, g: Floats, total: Floats | None = None) -> Floats:
        p = levels.mean(x)
        return self._n(x, total)[..., None] * p * (g - (p * g).sum(axis=-1, keepdims=True))

    def field(self, mean: Floats) -> Floats:
        share = mean / np.maximum(mean.sum(axis=-1, keepdims=True), np.finfo(np.float32).tiny)
        x = np.log(np.maximum(share, SMALLEST_SHARE / self.n_units))
        return x - x.mean(axis=-1, keepdims=True)

    def base(self, v: Floats) -> Floats:
        return self.log_count(v)

    def log_count(self, v: Floats) -> Floats:
        return multinomial.log_count(v).astype(v.dtype, copy=False)

    def total(self, v: Floats) -> Floats | None:
        return v.sum(axis=-1)

    def gauge(self, a: Floats) -> Floats:
        """Make the columns sum to 0: adding a constant to all of them changes nothing but the hidden biases.

        Parameters
        ----------
        a : floats, (width, ...)
        """
        return a - a.mean(axis=0)

    def _n(self, x: Floats, total: Floats | None) -> Floats:
        if total is None:
            if self.n_draws is None:
                raise SettingError("n_draws: a multinomial layer without it needs the rows whose totals are meant")
            return np.full(x.shape[:-1], self.n_draws, x.dtype)
        return total

    @property
    def n_configurations(self) -> int:
        if self.n_draws is None:
            self._not_finite()
        return math.comb(self.n_draws + self.n_units - 1, self.n_units - 1)

    def _states(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        assert self.n_draws is not None
        places = self.n_draws + self.n_units - 1  # stars and bars
        chosen = itertools.islice(itertools.combinations(range(places), self.n_units - 1), start, stop)
        bars = np.array(list(chosen), np.float64)
        edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, places)))
        return np.diff(edges, axis=1) - 1

    def _check_domain(self, v: Floats, name: str) -> None:
        self._refuse(v, (v < 0) | (v != np.floor(v)), name, "whole numbers from 0 on")
        totals = v.sum(axis=1)
        if self.n_draws is not None and (totals != self.n_draws).any():
            row = int(np.flatnonzero(totals != self.n_draws)[0])
            raise DataError(f"{name}: row {row} sums to {totals[row]:g}, the layer has n_draws={self.n_draws}")
