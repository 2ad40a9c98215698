"""harmonium doctor."""

import importlib.util
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

import harmonium
from harmonium.cli.console import print_json, print_table
from harmonium.cli.options import Json

LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
    "polars",
    "narwhals",
    "safetensors",
    "typer",
    "rich",
    "torch",
    "ray",
)
GIB = 2**30
app = typer.Typer(add_completion=False)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this installation consists of and runs on.

    What to paste into a report of a problem.
    """
    found = {
        "harmonium": harmonium.__version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        **{name: _version(name) for name in LIBRARIES},
        **_processor(),
        **_memory(),
        "blas": _blas(),
        **_cache(),
        "gpu": _gpu(),
    }
    if as_json:
        print_json(found)
        return
    rows = ([name.replace("_", " "), _text(value)] for name, value in found.items())
    print_table(("What", "Found"), rows, left=("What", "Found"))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> dict[str, Any]:
    from llvmlite import binding

    from harmonium.kernels.jit import n_threads

    features = binding.get_host_cpu_features()
    vector = [name for name in ("avx512f", "avx2", "avx", "sse4.2", "neon") if features.get(name)]
    return {
        "cpu": binding.get_host_cpu_name(),
        "vector_instructions": vector[0] if vector else None,
        "processors": os.cpu_count(),
        "threads": n_threads(),
    }


def _memory() -> dict[str, str | None]:
    """Memory of the machine; None where the system does not tell."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total, free = page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return {"memory": None, "memory_free": None}
    return {"memory": f"{total / GIB:.1f} GiB", "memory_free": f"{free / GIB:.1f} GiB"}


def _blas() -> str | None:
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    found = config["Build Dependencies"]["blas"]
    return f"{found.get('name')} {found.get('version')}"


def _cache() -> dict[str, Any]:
    """Where compiled kernels are kept."""
    from harmonium.kernels.jit import compiled, split

    folder = Path(compiled(split).stats.cache_path)
    while not folder.exists():
        folder = folder.parent
    return {"kernel_cache": str(folder), "kernel_cache_writable": os.access(folder, os.W_OK)}


def _gpu() -> str | None:
    """The GPU that torch sees, where torch is installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name}, {properties.total_memory / GIB:.0f} GiB"
