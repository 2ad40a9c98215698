"""Cases of Boltzmann machines, dense or sparse; of sparse ones some rows are made dense at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.errors import DataError
from harmonium.models.boltzmann import Boltzmann, Floats, checked_states
from harmonium.training.dense.chains import BLOCK, Cases, densely, size


def checked(bm: Boltzmann, X: Any) -> Cases:
    """Return cases after checking width, NaN and alphabet: float64 rows, sparse where they came so.

    Parameters
    ----------
    bm : Boltzmann
        Of which only the visible units and the alphabet count.
    X : array-like or SciPy sparse, (n_cases, n_visible)

    Raises
    ------
    DataError
        Names the row, the column and the value.
    """
    low, high = bm.alphabet
    if not sparse.issparse(X) or low != 0:  # spins are never 0: a sparse table of them saves nothing
        return checked_states(bm, X)
    out = sparse.csr_array(X, dtype=np.float64, copy=True)
    out.sum_duplicates()
    out.eliminate_zeros()
    if out.shape[1] != bm.n_visible:  # type: ignore[index]
        raise DataError(f"states: must be of shape (cases, {bm.n_visible}); got {out.shape}")
    wrong = np.flatnonzero(out.data != high)
    if len(wrong):
        row, k = int(np.searchsorted(out.indptr, wrong[0], side="right")) - 1, wrong[0]
        raise DataError(
            f"row {row}, column {out.indices[k]}: {out.data[k]:g} is neither {low:g} nor {high:g} ({bm.values})"
        )
    return out


def blocks(v: Cases) -> Iterator[tuple[slice, Floats]]:
    """All cases as dense rows, sparse ones some at a time, and where they are.

    Parameters
    ----------
    v : float64 array or csr_array, (n_cases, n_visible)
    """
    n, _ = size(v)
    if not sparse.issparse(v):
        yield slice(0, n), v  # type: ignore[misc]
        return
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        yield slice(start, stop), densely(v, np.arange(start, stop))


def mean(v: Cases) -> Floats:
    """Mean of every visible unit: float64 array, (n_visible,).

    Parameters
    ----------
    v : float64 array or csr_array, (n_cases, n_visible)
    """
    return np.asarray(v.sum(axis=0), np.float64).ravel() / size(v)[0]  # whole numbers: the same however they are added


def distinct(v: Cases) -> tuple[Floats, Floats]:
    """The cases that differ, dense and in order, and the share of all that each is.

    Parameters
    ----------
    v : float64 array or csr_array, (n_cases, n_visible)
    """
    found = [np.unique(rows, axis=0, return_counts=True) for _, rows in blocks(v)]
    rows, place = np.unique(np.concatenate([one for one, _ in found]), axis=0, return_inverse=True)
    return rows, np.bincount(place.ravel(), np.concatenate([n for _, n in found]), len(rows)) / size(v)[0]


def by_blocks(function: Any, v: Cases) -> npt.NDArray[np.float64]:
    """A number a case, the cases dense some at a time.

    Parameters
    ----------
    function : callable
        From float64 rows (n, n_visible) to (n,).
    v : float64 array or csr_array, (n_cases, n_visible)
    """
    return np.concatenate([function(rows) for _, rows in blocks(v)])
