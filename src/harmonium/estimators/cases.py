"""Cases from outside: arrays, lists, SciPy sparse matrices, pandas and polars frames, checked against a layer."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.errors import DataError, EntryTypeError
from harmonium.units import Layer
from harmonium.units.layer import Floats

BLOCK = 4096  # rows of a sparse matrix that are made dense at a time, where a check needs whole rows
WORDS = {"bernoulli": "0, 1 or a probability between", "relu": "numbers from 0 on", "multinomial": "whole numbers"}


class Table(NamedTuple):
    """What was read.

    Parameters
    ----------
    X : float32 array or csr_array, (n_cases, n_columns)
    names : str array, (n_columns,), or None
        Column names, where the input has them.
    """

    X: Floats | sparse.csr_array
    names: npt.NDArray[np.object_] | None


def read(X: Any, name: str = "X") -> Table:
    """Take a table of numbers from any of the usual containers; sparse ones stay sparse.

    Parameters
    ----------
    X : array-like, SciPy sparse, pandas or polars frame, (n_cases, n_columns)
    name : str
        What messages call it.

    Raises
    ------
    DataError
        It is no table of numbers, or an empty one.
    """
    if sparse.issparse(X):
        table = sparse.csr_array(X)
        _refuse_shape(table, name)
        return Table(sparse.csr_array(table.astype(np.float32)), None)
    names = _names(X)
    try:
        array = np.asarray(X.to_numpy() if names is not None else X)
        if np.iscomplexobj(array):
            raise DataError(f"{name}: Complex data not supported")
        array = np.asarray(array, None if array.dtype.kind == "f" else np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise EntryTypeError(
            f"{name}: its entries are not all numbers: an argument must be a string of a number, or a number ({error})"
        ) from error
    _refuse_shape(array, name)
    return Table(np.ascontiguousarray(array, np.float32), names)


def _names(X: Any) -> npt.NDArray[np.object_] | None:
    columns = getattr(X, "columns", None)
    if columns is None or not callable(getattr(X, "to_numpy", None)):
        return None
    return np.array(list(columns), object)


def _refuse_shape(table: Any, name: str) -> None:
    if table.ndim != 2:
        raise DataError(
            f"{name}: Expected 2D array, got {table.ndim}D array instead. Reshape your data: one row a case, such as "
            "with array.reshape(1, -1) for a single one"
        )
    for size, what in zip(table.shape, ("sample(s)", "feature(s)")):
        if not size:
            raise DataError(f"{name}: 0 {what} (shape={table.shape}) while a minimum of 1 is required.")


def check(X: Floats | sparse.csr_array, layer: Layer, name: str = "X", exact: bool = False) -> None:
    """Raise DataError, naming row and column, unless the rows are states of the layer.

    Bernoulli units also take probabilities, unless `exact`: they enter as means of what they stand for.

    Parameters
    ----------
    X : float32 array or csr_array, (n_cases, width)
    layer : Layer
    name : str
    exact : bool
    """
    check_finite(X, name)
    if sparse.issparse(X):
        (_check_in_blocks if exact else _check_sparse)(sparse.csr_array(X), layer, name)
        return
    dense = np.asarray(X)
    if layer.kind == "bernoulli" and not exact:
        _refuse(dense, (dense < 0) | (dense > 1), layer, name)
        return
    layer.check(dense, name)


def check_finite(X: Floats | sparse.csr_array, name: str = "X") -> None:
    """Raise DataError, naming row and column, unless all numbers are finite.

    Parameters
    ----------
    X : float32 array or csr_array, (n_cases, width)
    name : str
    """
    value = X.data if isinstance(X, sparse.csr_array) else np.asarray(X)
    bad = ~np.isfinite(value)
    if bad.any():
        at = _place(X, int(np.flatnonzero(bad)[0])) if isinstance(X, sparse.csr_array) else np.argwhere(bad)[0]
        kind = "NaN" if np.isnan(value[bad][0]) else "infinity"
        raise DataError(f"{name}: row {at[0]}, column {at[1]} is {kind}; only finite numbers can be learnt from")


def _place(X: sparse.csr_array, k: int) -> tuple[int, int]:
    """Row and column of a stored entry."""
    return int(np.searchsorted(X.indptr, k, side="right")) - 1, int(X.indices[k])


def _check_sparse(X: sparse.csr_array, layer: Layer, name: str) -> None:
    if layer.kind == "spin":
        raise DataError(f"{name}: a sparse matrix has zeros, and spin units are -1 or 1; give it dense")
    if layer.kind in ("softmax", "multinomial", "joined"):
        _check_in_blocks(X, layer, name)
    low, high = {"bernoulli": (0, 1), "relu": (0, np.inf)}.get(layer.kind, (-np.inf, np.inf))
    bad = (X.data < low) | (X.data > high)
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        (row, column), words = _place(X, k), WORDS.get(layer.kind, "finite numbers")
        raise DataError(f"{name}: row {row}, column {column} is {X.data[k]:g}; a {layer.kind} unit takes {words}")


def _check_in_blocks(X: sparse.csr_array, layer: Layer, name: str) -> None:
    for start in range(0, len(X.indptr) - 1, BLOCK):
        try:
            layer.check(X[start : start + BLOCK].toarray(), name)
        except DataError as error:
            told = re.sub(r"\brow (\d+)", lambda found: f"row {int(found[1]) + start}", str(error), count=1)  # noqa: B023
            raise DataError(told) from None


def _refuse(v: Floats, bad: npt.NDArray[np.bool_], layer: Layer, name: str) -> None:
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"{name}: row {row}, column {column} is {v[row, column]:g}; a {layer.kind} unit takes {WORDS[layer.kind]}"
        )
