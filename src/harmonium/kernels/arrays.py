"""What dense learning asks of arrays beside arithmetic, in NumPy; `gpu_dense` has the same names for torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

Array = Any


def multiply(A: Array, B: Array, out: Array) -> None:
    """out = A B.

    Parameters
    ----------
    A, B, out : float32 arrays, (n, k), (k, m), (n, m)
    """
    np.matmul(A, B, out=out)


def numbers(n: int, like: Array) -> Array:
    """0, 1, ..., n - 1 as int64, where another array lies.

    Parameters
    ----------
    n : int
    like : array
    """
    return np.arange(n)


def blank(like: Array, n: int) -> Array:
    """Rows for results, as wide as those of another array.

    Parameters
    ----------
    like : float32 array, (rows, width)
    n : int
    """
    return np.empty((n, like.shape[1]), like.dtype)


def copied(A: Array) -> Array:
    """A copy of an array.

    Parameters
    ----------
    A : array
    """
    return A.copy()


def contiguous(A: Array) -> Array:
    """An array as float32, its rows one after the other.

    Parameters
    ----------
    A : floats
    """
    return np.ascontiguousarray(A, np.float32)


def take(X: Array, rows: Array, out: Array) -> None:
    """Copy some rows of cases into a buffer.

    Parameters
    ----------
    X : float32 array, (n_cases, width)
    rows : int64 array, (n,)
    out : float32 array, (n, width)
    """
    np.take(X, rows, axis=0, out=out, mode="clip")


def shorten(W: Array, longest: float) -> None:
    """Shorten columns that are longer than allowed, in place.

    Parameters
    ----------
    W : float32 array, (n, n_columns)
    longest : float
    """
    norm = np.linalg.norm(W, axis=0)
    W *= np.minimum(1, np.float32(longest) / np.maximum(norm, np.finfo(np.float32).tiny))


def to_device(array: Any, where: str) -> Any:
    """Arrays as learning takes them: as they are.

    Parameters
    ----------
    array : array, tuple or dict
    where : str
        The device's name.
    """
    return array


def cases_on(X: Any, where: str) -> Any:
    """Cases as learning takes them: as they are.

    Parameters
    ----------
    X : float32 array or scipy.sparse.csr_array, (n_cases, width)
    where : str
        The device's name.
    """
    return X


@contextmanager
def learning(where: str) -> Iterator[None]:
    """What learning runs within: nothing special.

    Parameters
    ----------
    where : str
    """
    yield


def finish(where: str) -> None:
    """Wait until all is done: it is.

    Parameters
    ----------
    where : str
    """
