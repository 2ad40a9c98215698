"""Kernels: arrays in, arrays out. One module a backend, with the same names; `backend` chooses it once.

`reference` is NumPy and is the definition; `cpu` is Numba and `gpu` torch, and both must equal it on the same uniforms.
Which of them learning runs on, `devices` says.
"""

import importlib
import os
from functools import cache
from types import ModuleType

from harmonium.errors import SettingError

BACKENDS = ("cpu", "gpu", "reference")


@cache
def backend(name: str | None = None) -> ModuleType:
    """Return the backend's module; without a name, HARMONIUM_BACKEND's or the fastest that takes NumPy arrays.

    Parameters
    ----------
    name : str, optional
        "cpu", "gpu" or "reference".

    Raises
    ------
    SettingError
        There is no such backend.
    """
    asked = os.environ.get("HARMONIUM_BACKEND") or BACKENDS[0]
    name = name or ("cpu" if asked == "gpu" else asked)  # `gpu` takes torch's arrays: see `devices.device`
    if name not in BACKENDS:
        raise SettingError(f"HARMONIUM_BACKEND: {name!r} is not one of {', '.join(BACKENDS)}")
    return importlib.import_module(f"harmonium.kernels.{name}")
