"""Labels from outside: any column of classes, turned into numbers of classes and back."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError

Classes = npt.NDArray[Any]


def read(y: Any, n_cases: int, name: str = "y") -> npt.NDArray[Any]:
    """Take one label a case from any container, (n_cases,).

    Parameters
    ----------
    y : array-like, (n_cases,) or (n_cases, 1)
    n_cases : int
    name : str
        What messages call it.

    Raises
    ------
    DataError
        There is none, their number is another one, or they are no classes.
    """
    if y is None:
        raise DataError(f"{name}: a classifier requires y to be passed, but the target y is None")
    labels = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        message = "A column-vector y was passed when a 1d array was expected; change its shape with ravel()"
        warnings.warn(message, _conversion_warning(), stacklevel=2)
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{name}: y should be a 1d array, one label a case, got an array of shape {labels.shape} instead"
        )
    if len(labels) != n_cases:
        raise DataError(f"{name}: there are {len(labels)} labels for {n_cases} cases; each case needs one")
    if labels.dtype.kind == "f":
        _refuse_numbers(labels, name)
    return labels


def _refuse_numbers(labels: npt.NDArray[np.floating], name: str) -> None:
    """Raise DataError unless these numbers can be names of classes."""
    for bad, what in ((np.isnan(labels), "NaN"), (np.isinf(labels), "infinity")):
        if bad.any():
            raise DataError(f"{name}: Input y contains {what}, in row {int(np.flatnonzero(bad)[0])}")
    broken = labels != np.floor(labels)
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        raise DataError(f"{name}: row {row} is {labels[row]:g}. Unknown label type: continuous; classes are needed")


def _conversion_warning() -> type[Warning]:
    try:
        from sklearn.exceptions import DataConversionWarning
    except ImportError:
        return UserWarning
    return DataConversionWarning


def classes_of(labels: npt.NDArray[Any], name: str = "y") -> Classes:
    """The different labels, sorted.

    Parameters
    ----------
    labels : array, (n_cases,)
    name : str

    Raises
    ------
    DataError
        There is only one.
    """
    try:
        found = np.unique(labels)
    except TypeError as error:
        raise DataError(f"{name}: its classes cannot be put in order ({error}); use strings or whole numbers") from None
    if len(found) < 2:
        raise DataError(
            f"{name}: there is only one class, {found[0]!r}; a classifier learns to tell at least two apart"
        )
    return found


def numbers_of(labels: npt.NDArray[Any], classes: Classes, name: str = "y") -> npt.NDArray[np.int64]:
    """Numbers of the labels' classes, (n_cases,).

    Parameters
    ----------
    labels : array, (n_cases,)
    classes : array, (n_classes,)
        Sorted.
    name : str

    Raises
    ------
    DataError
        A label is none of the classes, by row.
    """
    place = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    strange = classes[place] != labels
    if strange.any():
        row = int(np.flatnonzero(strange)[0])
        known = ", ".join(map(str, classes[:10]))
        raise DataError(f"{name}: row {row} is {labels[row]!r}, which is none of the known classes {known}")
    return place.astype(np.int64)
