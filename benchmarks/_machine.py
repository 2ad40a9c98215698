"""The machine a benchmark ran on, and its figures as one JSON object on the last line."""

import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PACKAGES = ("harmonium", "numpy", "scipy", "numba", "polars", "torch")
GEMM_SIZE = 2048  # three float32 matrices of 16 MiB: beyond the caches, as a mini-batch's are


def gemm_peak(dtype: npt.DTypeLike = np.float32, seconds: float = 2.0) -> float:
    """Return the best speed of a large matrix product, the ceiling that kernels are measured against.

    Parameters
    ----------
    dtype : dtype, optional
    seconds : float, optional
        How long to try.

    Returns
    -------
    float
        In GFLOP/s, all of NumPy's threads.
    """
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal((GEMM_SIZE, GEMM_SIZE)).astype(dtype) for _ in range(2))
    product = A @ B  # also starts the threads
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        np.matmul(A, B, out=product)
        best = min(best, time.perf_counter() - start)
    return 2 * GEMM_SIZE**3 / best / 1e9


def peak_memory_gb() -> float:
    """Return the most memory this process ever held, in GB of 10^9 bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would begin with the peak of the process that started this one
        kilobytes = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(next(kilobytes)) * 1024 / 1e9
    import resource  # not on Windows, where the other figures still work

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def describe() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, memory, versions and the date (UTC)."""
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: v for name in PACKAGES if (v := installed_version(name))},
        "date": datetime.now(UTC).date().isoformat(),
    }


def cpu_model() -> str:
    """Return the processor's name, with its family and model number where the system tells them."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or "unknown"
    pairs = (line.split(":", 1) for line in info.read_text(encoding="utf-8").split("\n\n")[0].splitlines())
    first = {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}
    numbers = ", ".join(f"{key} {first[key]}" for key in ("cpu family", "model") if key in first)
    return f"{first.get('model name', platform.machine())} ({numbers})" if numbers else platform.machine()


def memory_gb() -> float | None:
    """Return the machine's memory in GB of 10^9 bytes, or None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


def installed_version(name: str) -> str | None:
    """Return the version of a distribution, or None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def print_json(figures: Mapping[str, Any]) -> None:
    """Print the figures as one JSON object on one line, the last a benchmark prints.

    Parameters
    ----------
    figures : mapping
        NumPy numbers and arrays are written as plain ones.
    """
    print(json.dumps(dict(figures), default=_plain), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)
