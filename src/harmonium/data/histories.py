"""Parquet files of histories, and of what is made for them: which columns they have, and folders of parts."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harmonium.data._columns import ColumnChoice, ColumnChoices
from harmonium.data._files import expand
from harmonium.errors import DataError

PART_NAME = "part-{:05d}.parquet"


def history_files(
    source: Any, user: ColumnChoice = None, item: ColumnChoice = None, rating: ColumnChoice = None
) -> tuple[list[str], dict[str, str | bool]]:
    """The Parquet files that hold histories, and which of their columns are what.

    Parameters
    ----------
    source : path, glob pattern or sequence of them
    user, item, rating : str, int or False, optional
        As of `read_ratings`; they must be named alike in all files.

    Returns
    -------
    files : list of str
    columns : dict
        Names of the columns "user", "item" and "rating", the last False where every row is a like.

    Raises
    ------
    DataError
        A file is missing, is no Parquet file, or lacks a column.
    """
    import polars as pl

    files, choices = expand(source), ColumnChoices(user, item, rating, False)
    found: dict[str, str | bool] = {}
    for path in files:
        try:
            names = list(pl.read_parquet_schema(path))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{path}: cannot be read as Parquet: {str(error).strip().splitlines()[0]}") from None
        columns = choices.resolve(names, path.name)
        mine = {"user": columns.user, "item": columns.item, "rating": columns.rating or False}
        if found and mine != found:
            raise DataError(f"{path}: its columns are {mine}, those of {files[0]} {found}; name them alike")
        found = mine
    return [os.fspath(path.absolute()) for path in files], found


@contextmanager
def new_folder(output: str | os.PathLike[str], force: bool = False) -> Iterator[Path]:
    """A folder that appears whole or not at all: it is filled under a temporary name beside its place.

    Parameters
    ----------
    output : path
    force : bool
        Replace a folder that exists.

    Raises
    ------
    DataError
        It exists, or cannot be made.
    """
    output = Path(os.path.abspath(output))
    if output.exists() and not force:
        raise DataError(f"{output}: exists already; --force (force=True) replaces it")
    if not output.parent.is_dir():
        raise DataError(f"{output}: there is no folder {output.parent}; make it first")
    temporary = output.parent / f".{output.name}.{os.getpid()}"
    try:
        yield temporary
        if output.is_dir():
            shutil.rmtree(output)
        os.replace(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_parts(folder: Path, tables: Iterable[dict[str, Any]], rows: int = 1_000_000) -> None:
    """Write tables as Parquet files of about so many rows.

    Parameters
    ----------
    folder : Path
        Made here.
    tables : iterable of dict
        Columns by name.
    rows : int
    """
    import polars as pl

    folder.mkdir()
    waiting: list[Any] = []
    count = 0
    for table in tables:
        waiting.append(pl.DataFrame(table))
        if sum(map(len, waiting)) >= rows:
            pl.concat(waiting).write_parquet(folder / PART_NAME.format(count))
            waiting, count = [], count + 1
    if waiting:
        pl.concat(waiting).write_parquet(folder / PART_NAME.format(count))
