"""Model files of estimators: settings and column names in the header, what was learnt as arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.errors import ModelFileError
from harmonium.estimators.base import Estimator
from harmonium.units import Layer

E = TypeVar("E", bound=Estimator)
Arrays = Mapping[str, npt.NDArray]
Build = Callable[[dict[str, Any], dict[str, Any], dict[str, npt.NDArray]], E]


def save(estimator: Estimator, path: str | os.PathLike[str], arrays: Arrays, settings: Any = (), **more: Any) -> None:
    """Write a fitted estimator to a file named after its class, whole or not at all.

    Parameters
    ----------
    estimator : Estimator
    path : path
    arrays : mapping of arrays
    settings : mapping
        What stands in the file in place of the constructor's arguments; layers are written as their settings.
    **more
        Further plain values of the header.
    """
    own = estimator.get_params() | dict(settings)
    own.pop("device", None)  # of this computer
    own = {name: value.settings() if isinstance(value, Layer) else value for name, value in own.items()}
    if "random_state" in own:
        seed = own["random_state"]
        own["random_state"] = int(seed) if isinstance(seed, int | np.integer) else None
    names = getattr(estimator, "feature_names_in_", None)
    header = {"settings": own, "names": None if names is None else list(names), **more}
    storage.write(path, type(estimator).__name__, header, arrays)


def load(path: str | os.PathLike[str], kind: str, build: Build[E]) -> E:
    """Read an estimator that `save` wrote; its history is empty.

    Parameters
    ----------
    path : path
    kind : str
        Name of its class.
    build : callable
        From the settings, the whole header and the arrays to the estimator.

    Raises
    ------
    ModelFileError
        There is no such file, it is damaged, or holds something else.
    """
    header, arrays = storage.read(path, kind)
    try:
        out = build(dict(header["settings"]), header, arrays)
        names = header["names"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path}: is damaged ({error})") from error
    vars(out)["history_"] = []
    if names is not None:
        vars(out)["feature_names_in_"] = np.array(names, object)
    return out
