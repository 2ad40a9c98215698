"""How the CPU kernels are compiled, and how their work is split between threads.

Kernels are plain functions over a range of rows, compiled without the GIL. Threads come from a pool of Python's own:
Numba's parallel regions abort the process when two threads enter them at once, do not survive a fork, and take longer
to compile.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.extending import intrinsic

# Sums may be reordered and contracted (that is what lets dot products use vector registers), but NaN and
# infinity keep their meaning, so that divergence can be seen.
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel on first use: no GIL, cached on disk.

    A kernel that Python calls writes to arrays that it is given and returns none: where Ctrl-C comes while Numba makes
    a Python object of an array, a `SystemError` is raised and not a `KeyboardInterrupt`.

    Where neither the package's folder nor the user's cache folder can be written, the cache goes to a
    temporary folder.
    """
    try:
        return numba.njit(nogil=True, fastmath=FASTMATH, error_model="numpy", cache=True)(function)
    except RuntimeError:  # Numba found no folder it may write to
        setattr(config, "CACHE_DIR", os.path.join(tempfile.gettempdir(), f"harmonium-cache-{os.getuid()}"))  # noqa: B010 (Numba makes its settings at run time)
        return numba.njit(nogil=True, fastmath=FASTMATH, error_model="numpy", cache=True)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a helper that kernels take into their own loops.

    It may make views but no arrays: it counts no references. Counting is an atomic instruction on memory that all
    threads share, and in a loop over entries it took as long as the second pass's arithmetic.
    """
    options: Any = {"nogil": True, "fastmath": FASTMATH, "error_model": "numpy", "_nrt": False}
    return numba.njit(**options)(function)


@intrinsic
def float_from_bits(typingctx: Any, bits: Any) -> Any:
    """Reinterpret an int32 as a float32 (no conversion)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@intrinsic
def bits_from_float(typingctx: Any, x: Any) -> Any:
    """Reinterpret a float32 as an int32 (no conversion)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@intrinsic
def double_from_bits(typingctx: Any, bits: Any) -> Any:
    """Reinterpret an int64 as a float64 (no conversion)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@intrinsic
def prefetch(typingctx: Any, address: Any) -> Any:
    """Ask for the cache line at an address (int64) to be brought into the second-level cache."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        i32 = ir.IntType(32)
        pointer = builder.inttoptr(args[0], ir.IntType(8).as_pointer())
        shape = ir.FunctionType(ir.VoidType(), [pointer.type, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0")
        builder.call(function, [pointer, i32(0), i32(2), i32(1)])  # read, keep in L2, data
        return context.get_dummy_value()

    return types.none(types.int64), codegen


_T = TypeVar("_T")
_R = TypeVar("_R")
RANGES_PER_THREAD = 4  # threads that are done early take over from slow ones
_pool: ThreadPoolExecutor | None = None
_pool_lock = threading.Lock()
_n_threads = 0


def n_threads() -> int:
    """Threads that training kernels use: HARMONIUM_THREADS, or the processors this process may run on."""
    global _n_threads
    if not _n_threads:
        asked = os.environ.get("HARMONIUM_THREADS", "")
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        _n_threads = max(1, int(asked)) if asked.isdigit() else usable
    return _n_threads


def set_n_threads(n: int) -> None:
    """Set the number of threads for the calls that follow (results do not depend on it)."""
    global _n_threads, _pool
    with _pool_lock:
        _n_threads, _pool = max(1, int(n)), None


def split(cost: np.ndarray, parts: int) -> list[tuple[int, int]]:
    """Cut rows into contiguous ranges of about equal cost.

    Parameters
    ----------
    cost : int array, (n_rows + 1,)
        Cumulative cost, starting at 0: the row pointer of a sparse matrix, say.
    parts : int
    """
    n, total = len(cost) - 1, cost[-1]
    marks = np.searchsorted(cost, total * np.arange(1, parts) / parts)
    edges = [0, *np.clip(marks, 0, n).tolist(), n]
    return [(a, b) for a, b in itertools.pairwise(edges) if b > a]


def over_rows(kernel: Callable[..., Any], cost: np.ndarray, *args: Any) -> None:
    """Call `kernel(start, stop, *args)` on ranges that together cover all rows, in several threads.

    Parameters
    ----------
    kernel : callable
        Writes only to rows of its own range, so that threads need no locks and the result does not depend on them.
    cost : int array, (n_rows + 1,)
        Cumulative cost of the rows.
    *args
        Passed on to the kernel.
    """
    ranges = deque(split(cost, n_threads() * RANGES_PER_THREAD))

    def work() -> None:
        with suppress(IndexError):  # nothing is left
            while True:
                kernel(*ranges.popleft(), *args)

    others = [_threads().submit(work) for _ in range(min(n_threads(), len(ranges)) - 1)]
    try:
        work()
    finally:  # also on Ctrl-C: nobody may still be writing when this returns
        ranges.clear()
        wait(others)
    for other in others:
        other.result()


def abreast(function: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    """Call a function on items in several threads; results come in the order of the items.

    It is for work that is mostly kernels of one thread each, many times over.

    Parameters
    ----------
    function : callable
        Must not mind others of its kind beside it.
    items : iterable
        Two a thread are taken ahead.
    """
    if n_threads() == 1:
        yield from map(function, items)
        return
    coming, rest = deque(), iter(items)
    with ThreadPoolExecutor(n_threads(), thread_name_prefix="harmonium") as threads:
        try:
            for item in itertools.islice(rest, 2 * n_threads()):
                coming.append(threads.submit(function, item))
            while coming:
                found = coming.popleft().result()
                coming.extend(threads.submit(function, item) for item in itertools.islice(rest, 1))
                yield found
        finally:  # also on Ctrl-C: what has not begun is not begun
            for one in coming:
                one.cancel()


def frozen(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Read-only views: one compiled version serves fitted models and models under training alike."""
    views = tuple(array.view() for array in arrays)
    for view in views:
        view.flags.writeable = False
    return views


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(n_threads(), thread_name_prefix="harmonium")
        return _pool


def _forget_pool() -> None:
    global _pool
    _pool = None  # a forked child has none of its parent's threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
