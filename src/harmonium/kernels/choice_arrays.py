"""What learning of choices asks of arrays beside arithmetic, in NumPy; `gpu_choices` has the same names for torch.

Sparse matrices are (indptr, item, weight): int64, int32, float32.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Sparse = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], Floats]
FINE = 2.0**-24  # of a second uniform, which reaches the items that 24 bits leave out
HIDDEN = 1 << 31  # counters of a case's hidden units begin here, those of its entries' moves at 0
SWEEP = 1 << 16  # counters between two sweeps of hidden units
BETA_1, BETA_2 = 0.9, 0.999  # Adam's decay rates (Kingma & Ba, 2015, algorithm 1)
EPS = 1e-8  # added to its root, and below Adagrad's


def take(x: Sparse, rows: npt.NDArray[np.integer], n: int | None = None) -> tuple[Sparse, npt.NDArray[np.int64]]:
    """Some rows of a sparse matrix, in the order given, and the number of each one's first entry among all.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    rows : int array, (n_taken,)
    n : int, optional
        Their number of entries, which spares a device a wait.
    """
    first, length = x[0][rows], np.diff(x[0])[rows]
    indptr = np.concatenate(([0], np.cumsum(length)))
    entry = np.arange(indptr[-1]) + np.repeat(first - indptr[:-1], length)
    return (indptr, x[1][entry], x[2][entry]), first


def thinned(x: Sparse, kept: npt.NDArray[np.bool_]) -> Sparse:
    """Some entries of a sparse matrix.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    kept : bool array, (n_entries,)
    """
    so_far = np.concatenate(([0], np.cumsum(kept)))
    return so_far[x[0]], x[1][kept], x[2][kept]


def row_sums(x: Sparse) -> Floats:
    """Sum of the weights of each row, none of them empty: (n_rows,).

    Parameters
    ----------
    x : sparse, (n_rows, n)
    """
    return np.add.reduceat(x[2], x[0][:-1]) if len(x[1]) else np.ones(len(x[0]) - 1, np.float32)


def inner(A: Floats, B: Floats) -> Floats:
    """Sum of the products of the elements of two arrays: (1,).

    Parameters
    ----------
    A, B : float32 arrays, of one shape
    """
    return np.array([np.vdot(A, B)], np.float32)


def masked(on: npt.NDArray[np.bool_], value: float) -> Floats:
    """A value where a mask is set, and 0 elsewhere.

    Parameters
    ----------
    on : bool array
    value : float
    """
    return np.multiply(on, value, dtype=np.float32)


def clear_diagonal(A: Floats) -> None:
    """Set the diagonal of a square matrix to 0, in place.

    Parameters
    ----------
    A : float32 array, (n, n)
    """
    np.fill_diagonal(A, 0)


def largest(A: Floats) -> float:
    """Largest absolute value of an array; 0 of an empty one.

    Parameters
    ----------
    A : float32 array
    """
    return float(np.abs(A).max(initial=0))


def zeros_like(A: Floats) -> Floats:
    """Zeros of an array's shape, where it lies.

    Parameters
    ----------
    A : float32 array
    """
    return np.zeros_like(A)


def copied(A: Floats) -> Floats:
    """A copy of an array, where it lies.

    Parameters
    ----------
    A : float32 array
    """
    return A.copy()
