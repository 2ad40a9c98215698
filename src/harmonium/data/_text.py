"""Delimited text: a fast parser for whole blocks, and a careful one that finds the line of an error."""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from harmonium.data._columns import ColumnChoices, Columns, guess
from harmonium.data._encoding import Batch
from harmonium.data._files import line_blocks, open_stream
from harmonium.errors import DataError

SEPARATORS = ("::", "\t", ",", ";", "|", " ")  # the first that occurs in the first line
SAMPLE_BYTES = 1 << 16  # what is looked at to tell separator, header and the type of ids
POSITIONS = ("user", "item", "rating", "time")  # of a file without a header
LONGEST_QUOTE = 40  # characters of a wrong value that a message repeats
INT64_DIGITS = 18  # every whole number of so many digits fits in 64 bits

_WHOLE = re.compile(rf"-?(0|[1-9]\d{{0,{INT64_DIGITS - 1}}})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|NaN|Inf|NAN|INF)")


@dataclass(frozen=True)
class Layout:
    """How a text file is written.

    Parameters
    ----------
    separator : str
    names : tuple of str
        One a column.
    has_header : bool
    columns : Columns
    types : dict of str to polars type
        By column name, of the columns that are read.
    """

    separator: str
    names: tuple[str, ...]
    has_header: bool
    columns: Columns
    types: dict[str, pl.DataType]

    @property
    def quote(self) -> str | None:
        """The quote character; only commas and semicolons come with quotes."""
        return '"' if self.separator in ",;" else None


def text_batches(path: Path, choices: ColumnChoices, id_types: dict[str, pl.DataType]) -> Iterator[Batch]:
    """Read a text file block by block.

    Parameters
    ----------
    path : Path
    choices : ColumnChoices
    id_types : dict
        Type of the "user" and "item" ids where already known; filled in from the first file.

    Yields
    ------
    Batch

    Raises
    ------
    DataError
        With the file and the line.
    """
    layout = sniff(path, choices, id_types)
    n_before = 0
    empty = True
    for number, block in enumerate(line_blocks(path, (layout.quote or "").encode())):
        try:
            frame = _parse(block, layout, skip_header=layout.has_header and number == 0)
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise _fault(block, n_before, path, layout, error) from None
        written = pl.any_horizontal(pl.col("user", "item").is_not_null())
        rows = frame.select(written.arg_true()).to_series()
        n_before += block.count(b"\n")
        empty = empty and not len(rows)
        yield Batch(frame.filter(written), _placer(path, layout, number, rows))
    if empty:
        raise DataError(f"{path.name} has a header but no ratings" if layout.has_header else f"{path.name} is empty")


def sniff(path: Path, choices: ColumnChoices, id_types: dict[str, pl.DataType]) -> Layout:
    """Tell separator, header and types from the beginning of a file.

    Parameters
    ----------
    path : Path
    choices : ColumnChoices
    id_types : dict
        See `text_batches`.

    Returns
    -------
    Layout
    """
    with open_stream(path) as stream:
        sample = stream.read(SAMPLE_BYTES).decode("utf-8-sig", errors="replace")
    lines = [line for line in sample.splitlines()[: None if len(sample) < SAMPLE_BYTES else -1] if line.strip()]
    if not lines:
        lines = sample.split("\n", 1)[:1]
    if not lines[0].strip():
        raise DataError(f"{path.name} is empty")
    separator = next((mark for mark in SEPARATORS if mark in lines[0]), ",")
    rows = [_fields(line, separator) for line in lines]
    has_header = _is_header(rows[0], choices)
    if has_header:
        names = tuple(rows[0])
    else:
        n_more = len(rows[0]) - len(POSITIONS)
        names = POSITIONS[: len(rows[0])] + tuple(f"column {k + len(POSITIONS)}" for k in range(n_more))
    columns = choices.resolve(names, path.name)
    types = _types(rows[has_header:], names, columns, id_types)
    return Layout(separator, names, has_header, columns, types)


def _fields(line: str, separator: str) -> list[str]:
    if separator not in ",;" or '"' not in line:
        return line.split(separator)
    field = rf'(?:^|{separator})(?:"((?:[^"]|"")*)"|([^{separator}]*))'
    return [quoted.replace('""', '"') or plain for quoted, plain in re.findall(field, line)]


def _is_header(fields: list[str], choices: ColumnChoices) -> bool:
    named = {choices.user, choices.item, choices.rating, choices.time} & set(fields)
    if named or any(guess(role, fields) for role in POSITIONS):
        return True
    return not any(_NUMBER.fullmatch(field.strip()) for field in fields)


def _types(
    rows: list[list[str]], names: tuple[str, ...], columns: Columns, id_types: dict[str, pl.DataType]
) -> dict[str, pl.DataType]:
    """Ids are whole numbers when all of the sample are, written as numbers are; a time may be a date."""
    types = {}
    for name, role in columns.roles().items():
        sample = [row[names.index(name)] for row in rows if len(row) == len(names)]
        whole = all(_WHOLE.fullmatch(field) for field in sample)
        if role == "rating":
            types[name] = pl.Float64()
        elif role == "time":
            number = all(_NUMBER.fullmatch(field) for field in sample if field)
            types[name] = pl.Int64() if whole else pl.Float64() if number else pl.String()
        else:
            types[name] = id_types.setdefault(role, pl.Int64() if whole else pl.String())
    return types


def _parse(block: bytes, layout: Layout, skip_header: bool) -> pl.DataFrame:
    """Parse a block under a header of our own: c0, c1, ... by position."""
    if skip_header:
        block = block[_header_end(block, layout) :]
    width = len(layout.separator)  # "::" is read as ":", with an empty column between every two
    n_fields = (len(layout.names) - 1) * width + 1
    position = {f"c{layout.names.index(name) * width}": name for name in layout.types}
    mark = layout.separator[0]
    frame = pl.read_csv(
        mark.join(f"c{k}" for k in range(n_fields)).encode() + b"\n" + block,
        separator=mark,
        quote_char=layout.quote,
        columns=list(position),
        schema_overrides={f"c{k}": pl.String() for k in range(n_fields)}
        | {column: layout.types[name] for column, name in position.items()},
    )
    roles = layout.columns.roles()
    frame = frame.select(pl.col(column).alias(roles[name]) for column, name in position.items())
    return frame.with_columns(seconds(frame["time"])) if "time" in frame.columns else frame


def _header_end(block: bytes, layout: Layout) -> int:
    end = block.find(b"\n") + 1
    return end if end else len(block)


def seconds(time: pl.Series) -> pl.Series:
    """Times as whole seconds since 1970; numbers are taken as seconds, dates without a zone as UTC.

    Parameters
    ----------
    time : polars.Series
        Whole numbers, floats, text dates, dates or datetimes.

    Returns
    -------
    polars.Series of Int64

    Raises
    ------
    ValueError or polars.exceptions.PolarsError
        A text is no date.
    """
    if time.dtype == pl.String:
        has_clock = (time.str.len_chars() > len("2000-01-01")).any()
        time = time.str.to_datetime(time_unit="us") if has_clock else time.str.to_date()
    if time.dtype.is_temporal():
        return time.dt.epoch("s")
    return time.cast(pl.Int64)


def _records(block: bytes, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Line within the block, from 0, and fields of every record; bytes not UTF-8 become surrogates."""
    lines = block.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    start = 0
    while start < len(lines):
        stop = start + 1
        if layout.quote:
            n_quotes = lines[start].count(layout.quote)
            while n_quotes % 2 and stop < len(lines):
                n_quotes += lines[stop].count(layout.quote)
                stop += 1
        record = "\n".join(lines[start:stop]).removesuffix("\r")
        yield start, _fields(record, layout.separator) if record else []
        start = stop


def _placer(path: Path, layout: Layout, number: int, rows: pl.Series) -> Callable[[int], str]:
    """Say where row k of a block stands, by reading the file again up to it: only errors ask."""

    def place(k: int) -> str:
        n_before = 0
        for at, block in enumerate(line_blocks(path, (layout.quote or "").encode())):
            if at == number:
                wanted = int(rows[k]) + (layout.has_header and at == 0)
                line, _ = next(itertools.islice(_records(block, layout), wanted, None))
                return f"{path.name}, line {n_before + line + 1}"
            n_before += block.count(b"\n")
        raise DataError(f"{path.name} changed while it was read")

    return place


def _fault(block: bytes, n_before: int, path: Path, layout: Layout, error: Exception) -> DataError:
    """The first line of a block that the fast parser could not take, and what is wrong there."""
    records = _records(block, layout)
    if layout.has_header and n_before == 0:
        next(records)
    for line, fields in records:
        wrong = _wrong_field(fields, layout)
        if wrong:
            return DataError(f"{path.name}, line {n_before + line + 1}: {wrong}")
    reason = str(error).strip().splitlines()[0]
    return DataError(f"{path.name}, after line {n_before}: {reason}")


def _wrong_field(fields: list[str], layout: Layout) -> str | None:
    if len(fields) > len(layout.names):
        return f"{len(fields)} fields, where the first line has {len(layout.names)}"
    roles = layout.columns.roles()
    for name, field in zip(layout.names, fields):
        if name not in roles or not field:
            continue
        shown = repr(field if len(field) <= LONGEST_QUOTE else field[:LONGEST_QUOTE] + "...")
        if any("\ud800" <= letter <= "\udfff" for letter in field):
            return f"the {roles[name]} {shown} is not UTF-8; save the file as UTF-8"
        if not _fits(field, layout.types[name]):
            return f"{_WRONG_TYPE[roles[name]].format(shown)}"
    return None


_WRONG_TYPE = {
    "user": 'user id {} is not a whole number like those before it; pass ids="text" to read all ids as text',
    "item": 'item id {} is not a whole number like those before it; pass ids="text" to read all ids as text',
    "rating": "rating {} is not a number",
    "time": "time {} is neither a number like those before it nor a date; pass time=False to leave times out",
}


def _fits(field: str, dtype: pl.DataType) -> bool:
    """Whether the fast parser takes a field as this type."""
    try:
        pl.Series([field]).cast(dtype)
    except pl.exceptions.PolarsError:
        return False
    return dtype != pl.Int64 or (_NUMBER.fullmatch(field) is not None and "." not in field)
