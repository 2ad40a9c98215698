"""Arrays whose first element begins a cache line.

NumPy aligns to 16 bytes, so in three processes of four every vector of a row of weights straddles two cache lines,
which takes a fifth longer in loops that do little else than load rows.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

LINE = 64  # bytes of a cache line


def room(shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """An array of unset elements at the beginning of a cache line.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype, default float32
    """
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    raw = np.empty(n_bytes + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + n_bytes].view(dtype).reshape(shape)


def aligned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy of an array at the beginning of a cache line, its rows one after the other.

    Parameters
    ----------
    array : array
    """
    out = room(array.shape, array.dtype)
    out[...] = array
    return out
