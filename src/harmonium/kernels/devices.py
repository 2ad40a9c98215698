"""Devices that learning runs on: chosen once, by name, when a fit begins.

On "cpu" arrays are NumPy's and kernels those of `backend`. On every other device they are torch's and the kernels are
those of `gpu`; "torch" is torch's own CPU device, which takes the same path as a GPU and needs none.
"""

import importlib
import os
import re
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any, NamedTuple

from harmonium.errors import SettingError
from harmonium.kernels import backend

DEVICES = "cpu, cuda, cuda:1, ..., auto"
TORCH = "torch"
_NAMES = re.compile(r"cpu|auto|torch|cuda(:\d+)?")


class Device(NamedTuple):
    """Where the arrays of a run lie.

    Parameters
    ----------
    name : str
        "cpu", "torch" or "cuda:N".
    title : str
        What to tell people: the GPU's name beside the number.
    """

    name: str = "cpu"
    title: str = "cpu"

    @property
    def on_torch(self) -> bool:
        """Whether arrays are torch's."""
        return self.name != "cpu"

    @property
    def torch_name(self) -> str:
        """What torch calls it."""
        return "cpu" if self.name == TORCH else self.name

    @property
    def kernels(self) -> ModuleType:
        """The module of kernels that takes its arrays."""
        return importlib.import_module("harmonium.kernels.gpu") if self.on_torch else backend()

    @property
    def choices(self) -> ModuleType:
        """The module of kernels for choices that takes its arrays."""
        return importlib.import_module(f"harmonium.kernels.{'gpu_choices' if self.on_torch else 'choices'}")

    def placed(self, arrays: Any) -> Any:
        """NumPy's arrays, or bundles of them, copied to where this device has its own; the same ones on "cpu".

        Parameters
        ----------
        arrays : array, tuple or dict
        """
        return self.kernels.to_device(arrays, self.torch_name) if self.on_torch else arrays

    def fetched(self, arrays: Any) -> Any:
        """The device's arrays, or bundles of them, as NumPy has them.

        Parameters
        ----------
        arrays : array, tuple or dict
        """
        return self.kernels.to_host(arrays) if self.on_torch else arrays

    def sent(self, array: Any) -> Any:
        """As `placed`, of one small array that nobody changes or waits for.

        Parameters
        ----------
        array : array
        """
        return self.kernels.sent(array, self.torch_name) if self.on_torch else array

    def learning(self) -> AbstractContextManager[None]:
        """What learning runs within."""
        return self.kernels.learning(self.torch_name) if self.on_torch else nullcontext()


CPU = Device()


def device(name: str = "cpu") -> Device:
    """Choose a device.

    Parameters
    ----------
    name : str
        "cpu"; "cuda" or "cuda:N"; "auto" takes a GPU where there is one that works, and the CPU otherwise; "torch" is
        torch's CPU device, which "cpu" means too where HARMONIUM_BACKEND is "gpu".

    Raises
    ------
    SettingError
        There is no such device; the message says what to install or to ask for.
    """
    if not isinstance(name, str) or not _NAMES.fullmatch(name):
        raise SettingError(f"device: {name!r} is not one of {DEVICES}")
    if name == "cpu" and os.environ.get("HARMONIUM_BACKEND") == "gpu":
        name = TORCH
    if name == "cpu":
        return CPU
    try:
        arrays = importlib.import_module("harmonium.kernels.gpu_arrays")
    except ImportError:
        if name == "auto":
            return CPU
        raise SettingError(f"device: {name!r} needs torch, which is not here: pip install 'harmonium[gpu]'") from None
    if name == TORCH:
        return Device(TORCH, "torch on the cpu")
    found = arrays.gpus()
    if not found:
        if name == "auto":
            return CPU
        raise SettingError(f"device: {name!r}, but torch {arrays.cannot()}; device='cpu' or 'auto' runs without a GPU")
    number = int(name.partition(":")[2] or 0)
    if number >= len(found):
        raise SettingError(f"device: {name!r}, but the GPUs here are {_listed(len(found))}")
    return Device(f"cuda:{number}", f"cuda:{number} ({found[number]})")


def _listed(n: int) -> str:
    return ", ".join(f"cuda:{k}" for k in range(n))
