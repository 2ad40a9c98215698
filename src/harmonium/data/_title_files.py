"""The layouts in which titles come."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from harmonium.data._columns import guess
from harmonium.data._files import BYTE_ORDER_MARK, expand, open_stream
from harmonium.errors import DataError

GENRES_OF_U_ITEM = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War"),
    "Western",
)
N_FIELDS_OF_U_ITEM = 24  # id, title, three dates and links, 19 genre flags
NO_GENRES = ("(no genres listed)", "unknown", "")

Rows = tuple[list[int | str], list[str], list[tuple[str, ...]]]


def title_rows(path: Path) -> Rows:
    """Ids, titles and genres of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ids : list of int or str
    title : list of str
    genres : list of tuple of str

    Raises
    ------
    DataError
        With file and line.
    """
    (path,) = expand(path)
    if path.suffix in (".parquet", ".pq"):
        rows = _parquet_rows(path)
    else:
        rows = _text_rows(path)
    places, ids, title, genres = [], [], [], []
    for place, raw, name, listed in rows:
        if raw in (None, "") or not name:
            raise DataError(f"{path.name}, {place}: the item id or the title is missing")
        places.append(place)
        ids.append(raw)
        title.append(name)
        genres.append(listed)
    if not ids:
        raise DataError(f"{path.name} holds no titles")
    return _whole_ids(ids), title, genres


def _whole_ids(ids: list[int | str]) -> list[int | str]:
    """Ids as numbers when all are written as whole numbers are."""
    texts = [str(raw) for raw in ids]
    if all(text == "0" or (text.isascii() and text.isdecimal() and text[0] != "0") for text in texts):
        return [int(text) for text in texts]
    return list(texts)


def _genres(joined: str | None) -> tuple[str, ...]:
    return tuple(genre for genre in (joined or "").split("|") if genre not in NO_GENRES)


def _parquet_rows(path: Path) -> Iterator[tuple[str, int | str, str, tuple[str, ...]]]:
    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path.name} cannot be read as Parquet: {reason}") from None
    item, title, genres = _title_columns(frame.columns, path)
    listed = frame[genres].to_list() if genres else [None] * len(frame)
    for row, (raw, name, joined) in enumerate(zip(frame[item], frame[title], listed), start=1):
        yield f"row {row}", raw, name, tuple(joined) if isinstance(joined, list) else _genres(joined)


def _text_rows(path: Path) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    with open_stream(path) as stream:
        raw = stream.read().removeprefix(BYTE_ORDER_MARK)
    if not raw.strip():
        raise DataError(f"{path.name} is empty")
    text = _decoded(raw, path)
    first = text.split("\n", 1)[0].rstrip("\r")
    if "::" in first:
        yield from _split_rows(path, text, "::", 3)
    elif first.count("|") == N_FIELDS_OF_U_ITEM - 1:
        yield from _split_rows(path, text, "|", N_FIELDS_OF_U_ITEM)
    else:
        yield from _csv_rows(path, text, "\t" if "\t" in first else ",")


def _decoded(raw: bytes, path: Path) -> str:
    """UTF-8; the .dat and .item files of MovieLens are older and in latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        if {".dat", ".item"} & set(path.suffixes):
            return raw.decode("latin-1")
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path.name}, line {line}: not UTF-8; save the file as UTF-8") from None


def _split_rows(
    path: Path, text: str, separator: str, n_fields: int
) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    for line, record in enumerate(text.splitlines(), start=1):
        if not record.strip():
            continue
        fields = record.split(separator)
        if len(fields) != n_fields:
            raise DataError(f"{path.name}, line {line}: {len(fields)} fields, where {n_fields} are expected")
        if separator == "::":
            yield f"line {line}", fields[0], fields[1], _genres(fields[2])
        else:
            flags = zip(GENRES_OF_U_ITEM, fields[-len(GENRES_OF_U_ITEM) :])
            genres = tuple(genre for genre, flag in flags if flag == "1" and genre not in NO_GENRES)
            yield f"line {line}", fields[0], fields[1], genres


def _csv_rows(path: Path, text: str, separator: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        header = next(reader)
        item, title, genres = (header.index(name) if name else None for name in _title_columns(header, path))
        for fields in reader:
            if fields:
                if len(fields) != len(header):
                    place = f"{path.name}, line {reader.line_num}"
                    raise DataError(f"{place}: {len(fields)} fields, the header has {len(header)}")
                listed = _genres(fields[genres]) if genres is not None else ()
                yield f"line {reader.line_num}", fields[item or 0], fields[title or 0], listed
    except csv.Error as error:
        raise DataError(f"{path.name}, line {reader.line_num}: {error}") from None


def _title_columns(names: list[str], path: Path) -> tuple[str, str, str | None]:
    item = guess("item", names)
    by_name = {name.lower(): name for name in names}
    title = next((by_name[usual] for usual in ("title", "name", "item_name") if usual in by_name), None)
    if item is None or title is None:
        missing = "item" if item is None else "title"
        raise DataError(f"{path.name}: no {missing} column among {', '.join(names)}; call it {missing}_id or title")
    return (
        item,
        title,
        next((by_name[usual] for usual in ("genres", "genre", "tags") if usual in by_name), None),
    )
