"""Kernels of torch as if they were NumPy's: arrays go to the device, and what was changed comes back."""

import importlib
import os
from types import SimpleNamespace

import numpy as np

WHERE = "cpu"  # torch's name of the device that the twins are tried on


def on_torch(function, where=WHERE):
    """The function, taking and returning NumPy arrays; what it changes in place is changed in them."""
    arrays = importlib.import_module("harmonium.kernels.gpu_arrays")

    def call(*args):
        moved = arrays.to_device(args, where)
        found = function(*moved)
        _copy_back(args, moved)
        return arrays.to_host(found)

    return call


def _copy_back(args, moved):
    for mine, theirs in zip(args, moved):
        if isinstance(mine, np.ndarray):
            if mine.flags.writeable and mine.dtype != np.uint64:
                mine[...] = theirs.cpu().numpy()
        elif isinstance(mine, tuple | list):
            _copy_back(mine, theirs)


class Twins(SimpleNamespace):
    """The functions of a module of torch's, each through `on_torch`."""

    def __init__(self, module, where=WHERE):
        module = importlib.import_module(f"harmonium.kernels.{module}")
        names = [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]
        super().__init__(**{name: on_torch(getattr(module, name), where) for name in names})


def compiled_by_torch() -> bool:
    """Whether torch's compiler is tried on the CPU as well."""
    return os.environ.get("HARMONIUM_COMPILE") == "1"
