"""Cases of Boltzmann machines, dense or sparse; of sparse ones some rows are made dense at a time."""

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.errors import DataError
from harmonium.models.boltzmann import Boltzmann, Floats, Ints, checked_states

Cases = Floats | sparse.csr_array  # (n_cases, n_visible)
BLOCK = 4096  # rows of a sparse table that are made dense at a time


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


def rows_of(v: Cases, which: Ints | slice) -> Floats:
    """Some cases as dense rows: float64 array, (n, n_visible).

    Parameters
    ----------
    v : float64 array or csr_array, (n_cases, n_visible)
    which : int array, (n,), or slice
    """
    found: Any = v[which]
    return found.toarray() if sparse.issparse(found) else found


def blocks(v: Cases) -> Iterator[tuple[slice, Floats]]:
    """All cases as dense rows, sparse ones some at a time, and where they are.

    Parameters
    ----------
    v : float64 array or csr_array, (n_cases, n_visible)
    """
    n = count(v)
    size = BLOCK if sparse.issparse(v) else max(n, 1)
    for start in range(0, n, size):
        part = slice(start, min(start + size, n))
        yield part, rows_of(v, part)


def some(v: Cases, n: int) -> Floats:
    """So many cases at most, spread over all, as dense rows.

    Parameters
    ----------
    v : float64 array or csr_array, (n_cases, n_visible)
    n : int
    """
    return rows_of(v, np.linspace(0, count(v) - 1, min(n, count(v))).astype(int))


def count(v: Cases) -> int:
    """How many cases there are.

    Parameters
    ----------
    v : float64 array or csr_array, (n_cases, n_visible)
    """
    return v.shape[0]  # type: ignore[index]


def mean(v: Cases) -> Floats:
    """Mean of every visible unit: float64 array, (n_visible,).

    Parameters
    ----------
    v : float64 array or csr_array, (n_cases, n_visible)
    """
    return np.asarray(v.sum(axis=0), np.float64).ravel() / count(v)  # whole numbers: the same however they are added


def distinct(v: Cases) -> tuple[Floats, Floats]:
    """The cases that differ, dense and in order, and the share of all that each is.

    Parameters
    ----------
    v : float64 array or csr_array, (n_cases, n_visible)
    """
    found = [np.unique(rows, axis=0, return_counts=True) for _, rows in blocks(v)]
    rows, place = np.unique(np.concatenate([one for one, _ in found]), axis=0, return_inverse=True)
    return rows, np.bincount(place.ravel(), np.concatenate([n for _, n in found]), len(rows)) / count(v)


def fingerprint(v: Cases) -> list[int]:
    """What tells other cases: their shape and a checksum, which do not depend on how they are kept.

    Parameters
    ----------
    v : floats or csr_array, (n_cases, n_visible)
    """
    checksum = 0
    for _, rows in blocks(v):
        checksum = zlib.crc32(np.ascontiguousarray(rows).tobytes(), checksum)
    return [*map(int, v.shape), checksum]  # type: ignore[arg-type]


def by_blocks(function: Any, v: Cases) -> npt.NDArray[np.float64]:
    """A number a case, the cases dense some at a time.

    Parameters
    ----------
    function : callable
        From float64 rows (n, n_visible) to (n,).
    v : float64 array or csr_array, (n_cases, n_visible)
    """
    return np.concatenate([function(rows) for _, rows in blocks(v)])
