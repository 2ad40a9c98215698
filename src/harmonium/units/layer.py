"""A layer of units of one kind: an exponential family over whole rows, and what a model needs to know of it.

    p(v | x) = exp(v . x + base(v) - log_partition(x))

The field x has one column a state column: as many as units, or n_states for each softmax unit. `beta` is an inverse
temperature: the density becomes exp(beta (v . x + base(v) - log_count(v)) + log_count(v)), broadcast over rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError, SettingError
from harmonium.randomness import uniforms

Floats = npt.NDArray[np.floating]
MOST_CONFIGURATIONS = 2**22  # states of a layer that `states` lists: 4 million rows


@dataclass(frozen=True, eq=False)
class Layer(ABC):
    """Abstract: a layer of units of one kind.

    Parameters
    ----------
    n_units : int
    """

    n_units: int

    kind: ClassVar[str]
    bounded: ClassVar[bool] = True  # whether the layer has finitely many states
    nonnegative: ClassVar[bool] = True  # whether every state is >= 0

    def __post_init__(self) -> None:
        check_size("n_units", self.n_units)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layer) or self.settings() != other.settings():
            return NotImplemented if not isinstance(other, Layer) else False
        mine, theirs = self.parameters, other.parameters
        return all(np.array_equal(mine[name], theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]

    @property
    def width(self) -> int:
        """Columns of a state: one a unit, n_states for a softmax unit."""
        return self.n_units

    @property
    def parameters(self) -> dict[str, Floats]:
        """Arrays of the layer itself that are learnt beside the biases, by name; empty for most kinds."""
        return {}

    @property
    def deviations(self) -> Floats:
        """Standard deviation of every column of a real-valued layer before any field, 0 where states are bounded."""
        own = self.parameters.get("log_variance")
        return np.zeros(self.width) if own is None else np.exp(own / 2)

    def with_parameters(self, parameters: Mapping[str, Floats]) -> Self:
        """Return the layer with other parameters.

        Parameters
        ----------
        parameters : mapping of arrays
            As `parameters` gives them.
        """
        return self

    def settings(self) -> dict[str, Any]:
        """Return kind and sizes as plain values, from which `units.layer_from` builds the layer again."""
        return {"kind": self.kind, "n_units": int(self.n_units)}

    @abstractmethod
    def log_partition(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        """Log-partition A of rows of fields, summed over the units.

        Parameters
        ----------
        x : floats, (batch, width)
            Fields.
        total : floats, (batch,), optional
            Draws of each row of a multinomial layer; the layer's own `n_draws` when None.
        beta : floats, (batch, 1), optional
            Inverse temperature; 1 when None.

        Returns
        -------
        floats, (batch,)
            In nats.
        """

    @abstractmethod
    def mean(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        """Mean state given the fields: the gradient of `log_partition` by x.

        Parameters
        ----------
        x : floats, (batch, width)
        total : floats, (batch,), optional
        beta : floats, (batch, 1), optional

        Returns
        -------
        floats, (batch, width)
        """

    @abstractmethod
    def sample(self, x: Floats, noise: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        """Draw states given the fields: exact and independent draws.

        Parameters
        ----------
        x : floats, (batch, width)
        noise : floats, (batch, n)
            From `noise`.
        total : floats, (batch,), optional
        beta : floats, (batch, 1), optional

        Returns
        -------
        floats, (batch, width)
        """

    def noise(self, key: np.uint64, chain: npt.NDArray[np.integer], total: Floats | None = None) -> Floats:
        """Random numbers that `sample` needs: a pure function of the key, the chain and the unit.

        Parameters
        ----------
        key : uint64
            One a draw.
        chain : int array, (batch,)
            Which chain each row belongs to.
        total : floats, (batch,), optional

        Returns
        -------
        floats, (batch, n)
        """
        return uniforms(key, np.asarray(chain)[:, None], np.arange(self.n_units))

    @abstractmethod
    def response(self, x: Floats, g: Floats, total: Floats | None = None) -> Floats:
        """Change of the mean when the fields move along g: the Hessian of `log_partition` times g.

        Parameters
        ----------
        x, g : floats, (batch, width)
        total : floats, (batch,), optional

        Returns
        -------
        floats, (batch, width)
        """

    @abstractmethod
    def field(self, mean: Floats) -> Floats:
        """Field that has a given mean: the inverse of `mean`, clipped inside the possible means.

        Parameters
        ----------
        mean : floats, (..., width)

        Returns
        -------
        floats, (..., width)
        """

    def base(self, v: Floats) -> Floats:
        """Log base measure of states, summed over the units; it belongs to the energy with the other sign.

        Parameters
        ----------
        v : floats, (batch, width)

        Returns
        -------
        floats, (batch,)
        """
        return np.zeros(v.shape[0], v.dtype)

    def log_count(self, v: Floats) -> Floats:
        """Log of the number of microstates behind each state: the part of `base` that no temperature changes.

        Parameters
        ----------
        v : floats, (batch, width)

        Returns
        -------
        floats, (batch,)
        """
        return np.zeros(v.shape[0], v.dtype)

    def total(self, v: Floats) -> Floats | None:
        """Draws of each row, which sampling keeps, (batch,); None for all layers but the multinomial one.

        Parameters
        ----------
        v : floats, (batch, width)
        """
        return None

    def parameter_statistics(self, v: Floats) -> dict[str, Floats]:
        """Derivative of `base(v)` by each of `parameters`, one row a state.

        Parameters
        ----------
        v : floats, (batch, width)
        """
        return {}

    def expected_statistics(self, x: Floats) -> dict[str, Floats]:
        """Mean of `parameter_statistics` given the fields: the derivative of `log_partition` by each of `parameters`.

        Parameters
        ----------
        x : floats, (batch, width)
        """
        return {}

    def tempered(self, beta: float) -> Self:
        """Return the layer at an inverse temperature; its fields are to be multiplied as well.

        Parameters
        ----------
        beta : float
        """
        return self

    def gauge(self, a: Floats) -> Floats:
        """Remove the directions of biases or weights along which nothing changes; the same array for most kinds.

        Parameters
        ----------
        a : floats, (width, ...)
        """
        return a

    @property
    def n_configurations(self) -> int:
        """Number of states of the layer; SettingError where there are infinitely many."""
        self._not_finite()

    def states(self, start: int = 0, stop: int | None = None) -> npt.NDArray[np.float64]:
        """States of the layer in a fixed order, or a range of them.

        Parameters
        ----------
        start, stop : int
            Which ones; all of them by default.

        Returns
        -------
        float64 array, (stop - start, width)

        Raises
        ------
        SettingError
            There are infinitely many, or more than `MOST_CONFIGURATIONS` are asked for.
        """
        stop = self.n_configurations if stop is None else min(stop, self.n_configurations)
        if stop - start > MOST_CONFIGURATIONS:
            raise SettingError(
                f"a {self.kind} layer of {self.n_units:,} units has {self.n_configurations:,} states, more than the "
                f"{MOST_CONFIGURATIONS:,} that can be listed at once; take fewer units"
            )
        return self._states(start, stop)

    def _states(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        self._not_finite()

    def _not_finite(self) -> NoReturn:
        raise SettingError(f"a {self.kind} layer has infinitely many states; sum over the other layer")

    def check(self, v: Floats, name: str = "v") -> None:
        """Raise DataError, naming row and column, unless these are states of the layer.

        Parameters
        ----------
        v : floats, (batch, width)
        name : str
            What the message calls the array.
        """
        if v.ndim != 2 or v.shape[1] != self.width:
            raise DataError(f"{name}: the shape is {v.shape}, it must be (n, {self.width})")
        if not len(v):
            raise DataError(f"{name}: there are no rows")
        self._refuse(v, ~np.isfinite(v), name, "a finite number")
        self._check_domain(v, name)

    @abstractmethod
    def _check_domain(self, v: Floats, name: str) -> None: ...

    def _refuse(self, v: Floats, bad: npt.NDArray[np.bool_], name: str, wanted: str) -> None:
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise DataError(
                f"{name}: row {row}, column {column} is {v[row, column]:g}; a {self.kind} unit takes {wanted}"
            )


def check_size(name: str, value: Any, low: int = 1) -> None:
    """Raise SettingError unless the value is a whole number from `low` on.

    Parameters
    ----------
    name : str
    value : object
    low : int
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise SettingError(f"{name}: {value!r} is not a whole number from {low} on")


def scaled(x: Floats, beta: Floats | None) -> Floats:
    """Fields times the inverse temperature, in the type of the fields.

    Parameters
    ----------
    x : floats, (batch, width)
    beta : floats, (batch, 1), or None
    """
    return x if beta is None else (beta * x).astype(x.dtype, copy=False)


def grid(values: npt.ArrayLike, n: int, start: int, stop: int) -> npt.NDArray[np.float64]:
    """Rows `start` to `stop` of all those with n entries taken from some values, the last entry fastest.

    Parameters
    ----------
    values : floats, (n_values,)
    n, start, stop : int

    Returns
    -------
    float64 array, (stop - start, n)
    """
    values = np.asarray(values, np.float64)
    places = np.array([len(values) ** k for k in range(n - 1, -1, -1)], np.int64)
    return values[np.arange(start, stop)[:, None] // places % len(values)]
