"""Parquet files and tables of pandas, polars, Arrow and DuckDB."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from harmonium.data._columns import ColumnChoices, Columns
from harmonium.data._encoding import Batch
from harmonium.data._text import seconds
from harmonium.errors import DataError

BATCH_ROWS = 1 << 20


def parquet_batches(path: Path, choices: ColumnChoices, ids: str) -> Iterator[Batch]:
    """Read a Parquet file in batches of rows.

    Parameters
    ----------
    path : Path
    choices : ColumnChoices
    ids : {"auto", "text"}

    Yields
    ------
    Batch
    """
    try:
        yield from _lazy_batches(pl.scan_parquet(path, glob=False), path.name, choices, ids)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path.name} cannot be read as Parquet: {reason}") from None


def table_batches(table: Any, choices: ColumnChoices, ids: str) -> Iterator[Batch]:
    """Read a table in memory, or a lazy one, in batches of rows.

    Parameters
    ----------
    table : table that narwhals knows
    choices : ColumnChoices
    ids : {"auto", "text"}

    Yields
    ------
    Batch

    Raises
    ------
    DataError
        The source is no table, or a column holds values of mixed types.
    """
    if isinstance(table, pl.LazyFrame):
        yield from _lazy_batches(table, "table", choices, ids)
        return
    try:
        frame = nw.from_native(table)
    except TypeError:
        raise DataError(f"cannot read ratings from a {type(table).__name__}; pass a file or a table") from None
    if isinstance(frame, nw.LazyFrame):
        columns = choices.resolve(frame.collect_schema().names(), "table")
        frame = frame.select(list(columns.roles())).collect(backend="polars")
    else:
        columns = choices.resolve(frame.columns, "table")
    for start in range(0, len(frame), BATCH_ROWS):
        part = frame.select(list(columns.roles()))[start : start + BATCH_ROWS]
        yield _batch(_to_polars(part), columns, ids, _row_placer("table", start))


def _to_polars(frame: nw.DataFrame) -> pl.DataFrame:
    """A column that Arrow cannot hold in one type is named in the error."""
    columns = []
    for name in frame.columns:
        try:
            columns.append(frame.select(name).to_polars())
        except (TypeError, ValueError, pl.exceptions.PolarsError):
            kinds = sorted({type(value).__name__ for value in frame[name].to_list() if value is not None})
            raise DataError(f"table: column {name!r} mixes {' and '.join(kinds)}; convert it to one type") from None
    return pl.concat(columns, how="horizontal")


def _lazy_batches(table: pl.LazyFrame, name: str, choices: ColumnChoices, ids: str) -> Iterator[Batch]:
    columns = choices.resolve(table.collect_schema().names(), name)
    start = 0
    chosen = table.select(list(columns.roles()))
    for frame in chosen.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        yield _batch(frame, columns, ids, _row_placer(name, start))
        start += len(frame)


def _row_placer(name: str, start: int) -> Callable[[int], str]:
    return lambda k: f"{name}, row {start + k + 1}"


def _batch(frame: pl.DataFrame, columns: Columns, ids: str, place: Callable[[int], str]) -> Batch:
    """Bring the columns of a table to the types that every batch has."""
    converted = []
    for name, role in columns.roles().items():
        column = frame[name].alias(role)
        if role == "rating":
            converted.append(_numbers(column, place))
        elif role == "time":
            converted.append(_times(column, place))
        else:
            converted.append(_ids(column, ids, place))
    return Batch(pl.DataFrame(converted), place)


def _ids(column: pl.Series, ids: str, place: Callable[[int], str]) -> pl.Series:
    if column.dtype.is_float():
        column = _whole(column, place)
    if column.dtype in (pl.Categorical, pl.Enum) or (ids == "text" and column.dtype.is_integer()):
        return column.cast(pl.String)
    if column.dtype.is_integer():
        return _cast(column, pl.Int64(), place, 'does not fit in 64 bits; pass ids="text"')
    if column.dtype in (pl.String, pl.Null):
        return column.cast(pl.String)
    raise DataError(f"{place(0)}: {column.name} ids are of type {column.dtype}; use whole numbers or text")


def _whole(column: pl.Series, place: Callable[[int], str]) -> pl.Series:
    """Floats that are whole numbers, as tables with gaps hold them."""
    column = column.fill_nan(None)
    broken = (column != column.round()).fill_null(False) | column.is_infinite().fill_null(False)
    if broken.any():
        at = int(broken.arg_max() or 0)
        raise DataError(f"{place(at)}: {column.name} id {column[at]} is not a whole number")
    return column.cast(pl.Int64)


def _numbers(column: pl.Series, place: Callable[[int], str]) -> pl.Series:
    return _cast(column, pl.Float64(), place, "is not a number")


def _times(column: pl.Series, place: Callable[[int], str]) -> pl.Series:
    try:
        return seconds(column)
    except (ValueError, pl.exceptions.PolarsError):
        raise DataError(
            f"{place(0)}: the times, {column[0]!r} and so on, are neither numbers nor dates; pass time=False"
        ) from None


def _cast(column: pl.Series, dtype: pl.DataType, place: Callable[[int], str], wrong: str) -> pl.Series:
    """Convert, or name the first value that cannot be."""
    try:
        cast = column.cast(dtype, strict=False)
    except pl.exceptions.PolarsError:
        raise DataError(f"{place(0)}: {column.name} {column[0]!r} {wrong}") from None
    lost = cast.is_null() & column.is_not_null()
    if lost.any():
        at = int(lost.arg_max() or 0)
        raise DataError(f"{place(at)}: {column.name} {column[at]!r} {wrong}")
    return cast
