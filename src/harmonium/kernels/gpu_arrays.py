"""torch's arrays: to a device and back, what it can give, and elementwise functions that are one kernel there."""

import functools
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from harmonium.errors import SettingError

PRECISIONS = {"float32": False, "tf32": True}
Tensor = torch.Tensor


def gpus() -> list[str]:
    """Names of the GPUs that torch can use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a driver that is too old, say: `cannot` tells
        n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [torch.cuda.get_device_name(k) for k in range(n)]


def cannot() -> str:
    """Why torch can use no GPU, for the end of a sentence."""
    if torch.version.cuda is None and torch.version.hip is None:
        return f"{torch.__version__} is built without CUDA: install a build with it, see https://pytorch.org"
    return f"{torch.__version__} finds no GPU: see whether nvidia-smi lists one, and CUDA_VISIBLE_DEVICES hides none"


def free_bytes(where: str) -> int | None:
    """Memory that a device can still give; None for torch's CPU device.

    Parameters
    ----------
    where : str
        torch's name of the device.
    """
    return torch.cuda.mem_get_info(where)[0] if where.startswith("cuda") else None


def to_device(array: Any, where: str) -> Any:
    """Copy an array, or every array of a tuple, list or dict, to a device; anything else stays as it is.

    Parameters
    ----------
    array : NumPy array, tuple, list or dict
    where : str
        torch's name of the device.
    """
    if isinstance(array, np.ndarray):
        own = np.array(array, order="C")  # what learns must not share memory with the caller's array
        return torch.from_numpy(own.view(np.int64) if own.dtype == np.uint64 else own).to(where)
    return _mapped(array, lambda part: to_device(part, where))


def sent(array: np.ndarray, where: str) -> Tensor:
    """Copy a small array to a device in the order of its work: nobody waits for it, and it may not change meanwhile.

    Parameters
    ----------
    array : NumPy array
    where : str
    """
    own = torch.from_numpy(array)
    return own.pin_memory().to(where, non_blocking=True) if where.startswith("cuda") else own


def to_host(array: Any) -> Any:
    """Copy a tensor, or every tensor of a tuple, list or dict, to a NumPy array; anything else stays as it is.

    Parameters
    ----------
    array : Tensor, tuple, list or dict
    """
    if isinstance(array, Tensor):
        return array.detach().to("cpu", copy=True).numpy()
    return _mapped(array, to_host)


def _mapped(array: Any, copy: Callable[[Any], Any]) -> Any:
    if isinstance(array, dict):
        return {name: copy(part) for name, part in array.items()}
    if isinstance(array, tuple) and hasattr(array, "_fields"):
        return type(array)(*map(copy, array))
    return type(array)(map(copy, array)) if isinstance(array, tuple | list) else array


def finish(where: str) -> None:
    """Wait until the device has done all it was asked.

    Parameters
    ----------
    where : str
    """
    if where.startswith("cuda"):
        torch.cuda.synchronize(where)


@contextmanager
def learning(where: str) -> Iterator[None]:
    """What learning runs within: no gradients kept, and the precision of products that HARMONIUM_PRECISION asks for.

    Parameters
    ----------
    where : str

    Raises
    ------
    SettingError
        There is no such precision.

    Notes
    -----
    "float32", the default, multiplies in full. "tf32" lets tensor cores round the factors of matrix products to 11
    significant bits and add in float32: states that are 0 or 1 are exact in it, weights and means are off by less than
    one part in 2000, well below what a sampled gradient varies by. The setting of the process comes back afterwards.
    """
    name = os.environ.get("HARMONIUM_PRECISION") or "float32"
    if name not in PRECISIONS:
        raise SettingError(f"HARMONIUM_PRECISION: {name!r} is not one of {', '.join(PRECISIONS)}")
    with _products("high" if PRECISIONS[name] and where.startswith("cuda") else "highest"):
        yield


@contextmanager
def exactly() -> Iterator[None]:
    """What closed forms are solved within: as `learning`, with products in full whatever HARMONIUM_PRECISION asks for.

    An inverse of a matrix with a condition number of a million has no digit left of three.
    """
    with _products("highest"):
        yield


@contextmanager
def _products(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: one kernel on a GPU for a function of many elementwise operations, where torch can compile there.

    The function's first argument is a tensor; the others may be numbers, which are compiled in as variables.
    """
    compiled: list[Callable[..., Any]] = []

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if not _compiles(args[0].device.type):
            return function(*args)
        if not compiled:
            compiled.append(torch.compile(function, dynamic=True))
        return compiled[0](*args)

    return call


@functools.cache
def _compiles(kind: str) -> bool:
    """Whether torch's compiler works on a kind of device, found out once; HARMONIUM_COMPILE=0 leaves it alone."""
    asked = os.environ.get("HARMONIUM_COMPILE", "")
    if asked == "0" or (kind == "cpu" and asked != "1"):
        return False
    x = torch.arange(1000, device=kind)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(torch.equal(torch.compile(_probe, dynamic=True)(x), _probe(x)))
    except Exception:  # no C compiler, no Triton, an old driver: whatever torch says, plain operations still work
        return False


def _probe(x: Tensor) -> Tensor:
    return ((x ^ (x >> 3)) * -4658895280553007687) & 1023
