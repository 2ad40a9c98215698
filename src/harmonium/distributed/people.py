"""Tables of histories through Ray Data: rows of one person are brought together, and actors map whole people."""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Callable, Iterator
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
    places, n_rows = _row_groups(source)
    n_parts = max(n_workers, -(-n_rows // ROWS_PER_PART))
    where = data.from_items(places, override_num_blocks=min(len(places), 4 * n_workers))
    of = {"columns": columns, "n_parts": n_parts}
    parted = where.map_batches(cast(Any, _read), batch_size=None, batch_format="pyarrow", fn_kwargs=of)
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


def _row_groups(source: list[str]) -> tuple[list[dict[str, Any]], int]:
    """Each row group's file and number, and the rows of all: what the files' footers tell."""
    from pyarrow.parquet import read_metadata

    places, n_rows = [], 0
    for file in source:
        footer = read_metadata(file)
        places += [{"file": file, "group": k} for k in range(footer.num_row_groups)]
        n_rows += footer.num_rows
    return places, n_rows


def _read(places: Any, columns: list[str], n_parts: int) -> Iterator[Any]:
    """Read row groups, and give each row the part that its person goes to: a function of the id alone.

    Files are opened here and not by Ray's own reader: the threads in which that lists them import a module at the same
    time, and now and then one of them finds it half made.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    for place in places.to_pylist():
        with ParquetFile(place["file"]) as file:
            table = file.read_row_group(place["group"], columns=columns).select(columns)
        yield table.append_column(PART, pyarrow.array(part_of(table[columns[0]].to_numpy(), n_parts)))


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
