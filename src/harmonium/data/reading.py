"""Ratings from files and tables."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harmonium.data._columns import ColumnChoice, ColumnChoices
from harmonium.data._files import PARQUET, expand
from harmonium.data.ratings import DUPLICATE_RULES, Ratings
from harmonium.data.scale import Scale
from harmonium.errors import SettingError

if TYPE_CHECKING:
    from harmonium.data._encoding import Batch

MISSING_RULES = ("error", "seen", "drop")
ID_RULES = ("auto", "text")


def read_ratings(
    source: Any,
    *,
    user: ColumnChoice = None,
    item: ColumnChoice = None,
    rating: ColumnChoice = None,
    time: ColumnChoice = None,
    scale: Scale | None = None,
    ids: str = "auto",
    duplicates: str = "error",
    missing: str = "error",
) -> Ratings:
    """Read ratings from files or a table.

    The result does not depend on the order of the rows, nor on how they are spread over files.

    Parameters
    ----------
    source : path, str, sequence of them, or table
        Text separated by comma, tab, ``::``, semicolon, bar or blank, with or without a header, also as .gz
        or .zst; Parquet; a glob pattern, a list of files, or a folder of Parquet files; a pandas, polars, Arrow or
        DuckDB table.
    user, item : str or int, optional
        Name or position of the column; guessed from the usual names when not given (user_id, userId, user;
        item_id, movieId, item). A text file without a header is read as user, item, rating, time.
    rating : str, int or False, optional
        Guessed when not given. False: there is none, and every row is a like.
    time : str, int or False, optional
        Kept when there is such a column; False drops it and saves 8 bytes a rating. Numbers are taken as
        seconds, dates are converted.
    scale : Scale, optional
        Inferred by `Scale.infer` when not given.
    ids : {"auto", "text"}, default "auto"
        Whole numbers are read as such unless this is "text"; "007" is text.
    duplicates : {"error", "first", "last"}, default "error"
        Which row of a user and an item that occur together twice is kept, in the order of the source.
    missing : {"error", "seen", "drop"}, default "error"
        What a row with an empty or NaN rating becomes: an error, an `UNRATED` entry, or nothing.

    Returns
    -------
    Ratings

    Raises
    ------
    DataError
        With file and line, the value and the fix.
    SettingError
        A setting is not one of those above.

    Notes
    -----
    One pass over the source, a batch at a time; the peak is about 40 bytes a rating, times not counted.
    Empty lines are skipped.

    Examples
    --------
    >>> read_ratings("ratings.csv")  # doctest: +SKIP
    Ratings(610 users, 9,724 items, 100,836 ratings, 0.5 to 5 in steps of 0.5)
    """
    check_reading(ids, duplicates, missing)
    from harmonium.data._encoding import assemble

    choices = ColumnChoices(user, item, rating, time)
    return assemble(source_batches(source, choices, ids), scale, missing, duplicates)


def check_reading(ids: str, duplicates: str, missing: str) -> None:
    """Raise SettingError unless these are rules of reading.

    Parameters
    ----------
    ids, duplicates, missing : str
        As for `read_ratings`.
    """
    _check_choice("duplicates", duplicates, DUPLICATE_RULES)
    _check_choice("missing", missing, MISSING_RULES)
    _check_choice("ids", ids, ID_RULES)


def source_batches(source: Any, choices: ColumnChoices, ids: str) -> Iterator["Batch"]:
    """Read files or a table, some rows at a time.

    Parameters
    ----------
    source : path, str, sequence of them, or table
    choices : ColumnChoices
    ids : {"auto", "text"}

    Yields
    ------
    Batch
    """
    import polars as pl

    if not isinstance(source, (str, os.PathLike, list, tuple)):
        from harmonium.data._tables import table_batches

        yield from table_batches(source, choices, ids)
        return
    id_types: dict[str, pl.DataType] = {"user": pl.String(), "item": pl.String()} if ids == "text" else {}
    for path in expand(source):
        if path.suffix in PARQUET:
            from harmonium.data._tables import parquet_batches

            yield from parquet_batches(path, choices, ids)
        else:
            from harmonium.data._text import text_batches

            yield from text_batches(path, choices, id_types)


def _check_choice(name: str, value: str, allowed: tuple[str, ...]):
    if value not in allowed:
        raise SettingError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
