"""Memory: how much there is, and an error with a way out before an array that does not fit is allocated."""

import ctypes
import gc
import os
import sys
import threading
from pathlib import Path

from harmonium.errors import NotEnoughMemoryError
from harmonium.events import Allocates
from harmonium.kernels.devices import CPU, Device

GB = 1e9
CGROUP = Path("/sys/fs/cgroup")
PROCESS = Path("/proc/self")
SECONDS_BETWEEN = 0.005  # looks at the process's size, where the kernel does not keep its peak


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


class PeakMemory:
    """Measure the most memory that this process holds while a block runs, above what it held before.

    Counted is all that is resident, whoever asked for it: NumPy, BLAS, compiled code, libraries that are loaded on the
    way. What was free before, but not yet given back to the system, is given back first. Linux tells; elsewhere
    `n_bytes` stays None. Other threads' memory counts too.

    Attributes
    ----------
    n_bytes : int or None
        Once the block has ended.

    Examples
    --------
    >>> import numpy as np
    >>> with PeakMemory() as peak:
    ...     n = len(np.ones(10_000_000))
    >>> peak.n_bytes is None or 75e6 < peak.n_bytes < 95e6  # pages, and what else the process does
    True
    """

    n_bytes: int | None = None

    def __enter__(self) -> "PeakMemory":
        _give_back()
        self._before, self._most = _status_bytes("VmRSS"), 0
        self._kept = _reset_peak()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        if self._before is not None and not self._kept:
            self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._before is None:
            return
        if self._kept:
            self._most = _status_bytes("VmHWM") or 0
        else:
            self._watcher.join()
        self.n_bytes = max(0, self._most - self._before)

    def _watch(self) -> None:
        while True:
            self._most = max(self._most, _status_bytes("VmRSS") or 0)
            if self._ended.wait(SECONDS_BETWEEN):
                return


def _give_back() -> None:
    """Return freed memory to the system, where glibc can."""
    gc.collect()
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def _reset_peak() -> bool:
    """Let the kernel count the peak of this process's size anew; whether it does."""
    try:
        (PROCESS / "clear_refs").write_text("5", encoding="ascii")  # see proc(5)
    except OSError:
        return False
    now, peak = _status_bytes("VmRSS"), _status_bytes("VmHWM")
    return now is not None and peak is not None and peak - now < 1 << 20


def _status_bytes(name: str) -> int | None:
    """A line of /proc/self/status that is in kB, in bytes."""
    try:
        lines = (PROCESS / "status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
    except (OSError, StopIteration, ValueError):
        return None


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
