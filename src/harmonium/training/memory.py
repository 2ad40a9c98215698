"""Memory: how much there is, and an error with a way out before an array that does not fit is allocated."""

import os
from pathlib import Path

from harmonium.errors import NotEnoughMemoryError
from harmonium.events import Allocates
from harmonium.kernels.devices import CPU, Device

GB = 1e9
CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int | None:
    """Memory that the system, and a container's limit, can still give; None where nothing tells.

    Returns
    -------
    int or None
    """
    known = [found for found in (_system_bytes(), _container_bytes()) if found is not None]
    return min(known, default=None)


def announced(what: str, n_bytes: int, way_out: str, limit_gb: float | None = None, device: Device = CPU) -> Allocates:
    """Say what is about to be allocated, or that it does not fit.

    Parameters
    ----------
    what : str
    n_bytes : int
    way_out : str
        What needs less; ends the message of the error.
    limit_gb : float, optional
        GB of 10^9 bytes to keep below, besides what is available.
    device : Device
        Whose memory.

    Returns
    -------
    Allocates

    Raises
    ------
    NotEnoughMemoryError
        More is needed than there is.
    """
    available = device_bytes(device)
    limits = [limit for limit in (available, limit_gb and int(limit_gb * GB)) if limit is not None]
    if limits and n_bytes > min(limits):
        raise NotEnoughMemoryError(
            f"{what} need {n_bytes / GB:,.1f} GB, and {min(limits) / GB:,.1f} GB are to be had; {way_out}"
        )
    return Allocates(what, n_bytes, available)


def device_bytes(device: Device) -> int | None:
    """Memory that a device can still give; None where nothing tells.

    Parameters
    ----------
    device : Device
    """
    of_gpu = device.kernels.free_bytes(device.torch_name) if device.on_torch else None
    return available_bytes() if of_gpu is None else of_gpu


def _system_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _container_bytes() -> int | None:
    try:
        most = (CGROUP / "memory.max").read_text(encoding="utf-8").strip()
        return int(most) - int((CGROUP / "memory.current").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no container, or no limit: "max"
        return None
