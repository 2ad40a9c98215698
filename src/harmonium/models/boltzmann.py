"""The Boltzmann machine: any two of its units may be tied, any of them may be visible.

    E(s) = - 1/2 s . J s - b . s,    s in {0, 1}^n ("bits") or {-1, +1}^n ("spins")

J is symmetric with a zero diagonal, dense or sparse. An RBM is the special case whose ties run between two layers.
"""

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.errors import DataError, SettingError

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Couplings: TypeAlias = Any  # Floats or scipy.sparse.csr_array, which have no type in common

ALPHABETS = {"bits": (0.0, 1.0), "spins": (-1.0, 1.0)}


@final
@dataclass(frozen=True, eq=False)
class Boltzmann:
    """Parameters of a Boltzmann machine; immutable. `machine` makes one from anything array-like, and checks it.

    Parameters
    ----------
    J : float64 array or scipy.sparse.csr_array, (n_units, n_units)
        Symmetric, zero on the diagonal; what is not stored in a sparse one is no tie at all.
    b : float64 array, (n_units,)
    visible : int array, (n_visible,)
        Indices of the visible units, in the order of the data's columns; the others are hidden.
    values : str
        "bits" or "spins".
    """

    J: Couplings
    b: Floats
    visible: Ints
    values: str = "bits"
    hidden: Ints = field(init=False, repr=False)

    def __post_init__(self) -> None:
        shown = np.zeros(len(self.b), bool)
        shown[self.visible] = True
        object.__setattr__(self, "hidden", np.flatnonzero(~shown))
        for array in (self.b, self.visible, self.hidden, *_stored(self.J)):
            array.flags.writeable = False

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.b)

    @property
    def n_visible(self) -> int:
        """Number of visible units."""
        return len(self.visible)

    @property
    def alphabet(self) -> tuple[float, float]:
        """The two values a unit takes, the lower one first."""
        return ALPHABETS[self.values]


def _stored(J: Couplings) -> tuple[npt.NDArray, ...]:
    return (J.data, J.indices, J.indptr) if sparse.issparse(J) else (J,)


def machine(J: Any, b: npt.ArrayLike, visible: npt.ArrayLike | None = None, values: str = "bits") -> Boltzmann:
    """Make a machine from array-likes, and check them.

    Parameters
    ----------
    J : array-like or SciPy sparse, (n_units, n_units)
        Kept sparse if it is.
    b : array-like, (n_units,)
    visible : array-like of int, optional
        Without it all units are visible.
    values : str
        "bits" or "spins".

    Raises
    ------
    SettingError
        J is not symmetric, its diagonal is not zero, something is not finite, or the shapes do not fit.
    """
    if values not in ALPHABETS:
        raise SettingError(f"values: {values!r} is not one of {', '.join(map(repr, ALPHABETS))}")
    bias = np.array(b, np.float64)
    if bias.ndim != 1 or not len(bias) or not np.isfinite(bias).all():
        raise SettingError(f"b: must be finite, one bias a unit; got shape {bias.shape}")
    return Boltzmann(_checked_couplings(J, len(bias)), bias, _checked_visible(visible, len(bias)), values)


def _checked_couplings(J: Any, n: int) -> Couplings:
    out: Any = sparse.csr_array(J, dtype=np.float64, copy=True) if sparse.issparse(J) else np.array(J, np.float64)
    if out.shape != (n, n):
        raise SettingError(f"J: has shape {out.shape}, but there are {n} biases; it must be ({n}, {n})")
    if sparse.issparse(out):
        out.sum_duplicates()
    entries = sparse.coo_array(out)
    row, column = entries.coords
    value = np.asarray(entries.data, np.float64)
    _refuse(row, column, value, ~np.isfinite(value), "is not finite")
    _refuse(row, column, value, (row == column) & (value != 0), "stands on the diagonal; a unit is not tied to itself")
    _refuse_asymmetry(out, row, column, value)
    return out


def _refuse_asymmetry(J: Couplings, row: Ints, column: Ints, value: Floats) -> None:
    if len(row):
        other = np.asarray(J[column, row]).ravel()
        _refuse(row, column, value, other != value, "differs from the entry across the diagonal; J must be symmetric")


def _refuse(row: Ints, column: Ints, value: Floats, wrong: npt.NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        k = int(np.argmax(wrong))
        raise SettingError(f"J: the entry at row {row[k]}, column {column[k]} is {value[k]:g}: it {why}")


def _checked_visible(visible: npt.ArrayLike | None, n: int) -> Ints:
    units = np.arange(n) if visible is None else np.array(visible)
    if units.ndim != 1 or not len(units) or units.dtype.kind not in "iu":
        raise SettingError("visible: must list at least one unit by its index")
    if len(np.unique(units)) < len(units):
        raise SettingError("visible: lists a unit twice")
    if units.min() < 0 or units.max() >= n:
        raise SettingError(f"visible: units have indices from 0 to {n - 1}; got {units.min()} to {units.max()}")
    return units.astype(np.intp)


def from_layers(W: Floats, b: Floats, c: Floats, values: str = "bits") -> Boltzmann:
    """Return the machine whose ties run between two layers only: an RBM, its visible units first.

    Parameters
    ----------
    W : floats, (n_visible, n_hidden)
    b : floats, (n_visible,)
    c : floats, (n_hidden,)
    values : str
        "bits" or "spins".
    """
    n = len(b)
    J = sparse.block_array([[None, sparse.csr_array(W)], [sparse.csr_array(W.T), None]], format="csr")
    return machine(J, np.concatenate([b, c]), np.arange(n), values)


def fields(bm: Boltzmann, s: Floats) -> Floats:
    """Fields of all units: x_i = b_i + sum_j J_ij s_j, what each unit feels from the others.

    Parameters
    ----------
    bm : Boltzmann
    s : floats, (batch, n_units)

    Returns
    -------
    float64 array, (batch, n_units)
    """
    return bm.b + np.asarray(s, np.float64) @ bm.J  # J is symmetric


def energy(bm: Boltzmann, s: Floats) -> Floats:
    """Energy of joint states: -log of the unnormalised probability.

    Parameters
    ----------
    bm : Boltzmann
    s : floats, (batch, n_units)

    Returns
    -------
    float64 array, (batch,)
        In nats.
    """
    s = np.asarray(s, np.float64)
    return -0.5 * ((s @ bm.J) * s).sum(axis=1) - s @ bm.b


def mean(bm: Boltzmann, x: Floats) -> Floats:
    """Mean of a unit given its field.

    Parameters
    ----------
    bm : Boltzmann
    x : floats, any shape
    """
    return np.tanh(x) if bm.values == "spins" else 0.5 * (1 + np.tanh(0.5 * x))


def unit_log_partition(bm: Boltzmann, x: Floats) -> Floats:
    """Log-partition of a unit alone in a field: log of e^{low x} + e^{high x}.

    Parameters
    ----------
    bm : Boltzmann
    x : floats, any shape
    """
    low, high = bm.alphabet
    return np.logaddexp(low * x, high * x)


def as_spins(bm: Boltzmann) -> tuple[Boltzmann, float]:
    """Return the machine over spins s = 2 x - 1 with the same distribution as one over bits x.

    Parameters
    ----------
    bm : Boltzmann

    Returns
    -------
    Boltzmann
    shift : float
        What the energies of the old machine lie above those of the new one, in nats.
    """
    if bm.values == "spins":
        return bm, 0.0
    pull = np.asarray(bm.J.sum(axis=1))
    shift = -0.5 * bm.b.sum() - 0.125 * pull.sum()
    return replace(bm, J=bm.J * 0.25, b=0.5 * bm.b + 0.25 * pull, values="spins"), float(shift)


def as_bits(bm: Boltzmann) -> tuple[Boltzmann, float]:
    """Return the machine over bits x = (1 + s) / 2 with the same distribution as one over spins s.

    Parameters
    ----------
    bm : Boltzmann

    Returns
    -------
    Boltzmann
    shift : float
        What the energies of the old machine lie above those of the new one, in nats.
    """
    if bm.values == "bits":
        return bm, 0.0
    pull = np.asarray(bm.J.sum(axis=1))
    shift = bm.b.sum() - 0.5 * pull.sum()
    return replace(bm, J=bm.J * 4.0, b=2 * bm.b - 2 * pull, values="bits"), float(shift)


def condition(bm: Boltzmann, units: npt.ArrayLike, value: npt.ArrayLike) -> tuple[Boltzmann, float]:
    """Return the machine of the other units when some are held at given values.

    Parameters
    ----------
    bm : Boltzmann
    units : array-like of int, (n_clamped,)
    value : array-like, (n_clamped,)

    Returns
    -------
    Boltzmann
        Over the free units in their old order, all of them visible.
    shift : float
        The clamped units' own energy, in nats.
    """
    held, at = np.atleast_1d(np.asarray(units)), np.atleast_1d(np.asarray(value, np.float64))
    free = np.setdiff1d(np.arange(bm.n_units), held)
    pull = np.asarray(bm.J[held].T @ at) if sparse.issparse(bm.J) else at @ bm.J[held]
    shift = -0.5 * float(pull[held] @ at) - float(bm.b[held] @ at)
    J = bm.J[free][:, free].copy()
    return Boltzmann(J, (bm.b + pull)[free], np.arange(len(free)), bm.values), shift


def checked_states(bm: Boltzmann, v: Any, units: Ints | None = None) -> npt.NDArray[np.float64]:
    """Return states as float64 rows after checking width, NaN and alphabet.

    Parameters
    ----------
    bm : Boltzmann
    v : array-like or SciPy sparse, (batch, n_visible)
        Or as many columns as `units`.
    units : int array, optional
        What the columns stand for; the visible units without it.

    Raises
    ------
    DataError
        Names the row, the column and the value.
    """
    width = bm.n_visible if units is None else len(units)
    out = np.asarray(v.toarray() if sparse.issparse(v) else v)
    if out.dtype.kind not in "biuf":
        raise DataError(f"states: must be numbers; got dtype {out.dtype}")
    if out.ndim != 2 or out.shape[1] != width:
        raise DataError(f"states: must be of shape (cases, {width}); got {out.shape}")
    out = out.astype(np.float64)
    low, high = bm.alphabet
    wrong = (out != low) & (out != high)
    if wrong.any():
        row, column = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        got = out[row, column]
        raise DataError(f"row {row}, column {column}: {got:g} is neither {low:g} nor {high:g} ({bm.values})")
    return out
