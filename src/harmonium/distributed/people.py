"""Tables of histories through Ray Data: rows of one person are brought together, and actors map whole people."""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from harmonium.kernels.jit import set_n_threads
from harmonium.randomness import mix

PART = "__part__"
ROWS_PER_PART = 2_000_000  # of a table that an actor is given: 100 MB at most in Arrow


def map_people(
    source: list[str],
    output: str | os.PathLike[str],
    columns: list[str],
    actor: Callable[..., Any],
    settings: dict[str, Any],
    n_workers: int,
    n_cpus: int = 1,
) -> None:
    """Map the rows of Parquet files, whole people at a time, and write what comes out as Parquet files.

    Parameters
    ----------
    source : list of str
        Parquet files; a person's rows may lie in several.
    output : path
        Folder; must not exist.
    columns : list of str
        Those to read, the person's first.
    actor : class
        Made once on each worker with `settings`; called with Arrow tables, it returns columns by name.
    settings : dict
    n_workers, n_cpus : int
        Actors, and processors of each.
    """
    from ray import data

    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = data.read_parquet(source).select_columns(columns)
    n_parts = max(n_workers, -(-rows.count() // ROWS_PER_PART))
    place = {"person": columns[0], "n_parts": n_parts}
    parted = rows.map_batches(cast(Any, _with_part), batch_format="pyarrow", fn_kwargs=place)
    groups = parted.groupby(PART, num_partitions=min(n_parts, 4 * n_workers))
    made = {"actor": actor, "settings": settings, "n_cpus": n_cpus}
    how = {"batch_format": "pyarrow", "concurrency": n_workers, "num_cpus": n_cpus}
    lists = groups.map_groups(Mapped, fn_constructor_kwargs=made, **how)
    lists.write_parquet(os.fspath(output))


class Mapped:
    """What Ray Data keeps on a worker: the actor, made once.

    Parameters
    ----------
    actor : class
    settings : dict
    n_cpus : int
        Threads of its kernels.
    """

    def __init__(self, actor: Callable[..., Any], settings: dict[str, Any], n_cpus: int):
        set_n_threads(n_cpus)

        self._actor = actor(**settings)

    def __call__(self, table: Any) -> Any:
        """Map one table of whole people.

        Parameters
        ----------
        table : pyarrow.Table
        """
        import pyarrow

        return pyarrow.table(self._actor(table.drop_columns([PART])))


def _with_part(table: Any, person: str, n_parts: int) -> Any:
    """Add the part that a person's rows go to: a function of the id alone."""
    import pyarrow

    return table.append_column(PART, pyarrow.array(part_of(table[person].to_numpy(), n_parts)))


def part_of(ids: npt.NDArray[Any], n_parts: int) -> npt.NDArray[np.int64]:
    """Which part each id goes to, as if at random, the same on every machine.

    Parameters
    ----------
    ids : array, (n,)
        Whole numbers or text.
    n_parts : int
    """
    one, inverse = np.unique(ids, return_inverse=True)
    if np.issubdtype(one.dtype, np.integer):
        with np.errstate(over="ignore"):  # wrapping is the algorithm
            numbers = mix(one.astype(np.int64).view(np.uint64))
    else:
        numbers = np.array([zlib.crc32(str(name).encode()) for name in one.tolist()], np.uint64)
    return (numbers % np.uint64(n_parts)).astype(np.int64)[inverse]
