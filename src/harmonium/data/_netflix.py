"""The layout of the Netflix prize: a line "movie:", then a line "user,rating,date" a rating."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from harmonium.data._encoding import Batch
from harmonium.data._files import BLOCK_BYTES, line_blocks, open_stream
from harmonium.data._text import seconds
from harmonium.errors import DataError

_LINE = re.compile(rb"\d+:|\d+,\d+,\d{4}-\d\d-\d\d")


def netflix_batches(paths: list[Path]) -> Iterator[Batch]:
    """Read combined_data files or mv files, many small ones at a time.

    Parameters
    ----------
    paths : list of Path

    Yields
    ------
    Batch

    Raises
    ------
    DataError
        With file and line.
    """
    movie: int | None = None
    for block, origins in _joined_blocks(paths):
        try:
            frame, rows, movie = _parse(block, movie)
        except (pl.exceptions.PolarsError, ValueError):
            raise _fault(block, origins) from None
        yield Batch(frame, _Placer(origins, rows))


class _Placer:
    """Says from which file and line row k of a joined block came.

    Parameters
    ----------
    origins : list of (int, Path, int)
        First line within the block, file, and first line within the file, of every piece.
    rows : int array, (n,), or None
        Line within the block of every row; None when rows are lines.
    """

    def __init__(self, origins: list[tuple[int, Path, int]], rows: np.ndarray | None = None):
        self.origins = origins
        self.rows = rows

    def __call__(self, k: int) -> str:
        line = k if self.rows is None else int(self.rows[k])
        start, path, first = next(origin for origin in reversed(self.origins) if origin[0] <= line)
        return f"{path.name}, line {first + line - start + 1}"


def _joined_blocks(paths: list[Path]) -> Iterator[tuple[bytes, list[tuple[int, Path, int]]]]:
    """Blocks of whole lines, small files joined, with the origin of every piece."""
    pieces, origins, n_bytes, n_lines = [], [], 0, 0
    for path in paths:
        first = 0
        for block in line_blocks(path):
            piece = block if block.endswith(b"\n") else block + b"\n"
            pieces.append(piece)
            origins.append((n_lines, path, first))
            n_new = piece.count(b"\n")
            first, n_lines, n_bytes = first + n_new, n_lines + n_new, n_bytes + len(piece)
            if n_bytes >= BLOCK_BYTES:
                yield b"".join(pieces), origins
                pieces, origins, n_bytes, n_lines = [], [], 0, 0
    if pieces:
        yield b"".join(pieces), origins


def _parse(block: bytes, movie: int | None) -> tuple[pl.DataFrame, np.ndarray, int | None]:
    """Ratings of a block, their lines, and the movie that the next block goes on with."""
    types = {"first": pl.String(), "rating": pl.Float64(), "date": pl.String()}
    lines = pl.read_csv(b"first,rating,date\n" + block, schema_overrides=types, quote_char=None)
    is_movie = pl.col("first").str.ends_with(":") & pl.col("rating").is_null()
    lines = lines.with_columns(
        pl.when(is_movie).then(pl.col("first").str.strip_suffix(":")).cast(pl.Int64).forward_fill().alias("item"),
        is_movie.alias("is_movie"),
    ).with_columns(pl.col("item").fill_null(pl.lit(movie, dtype=pl.Int64)))
    rows = lines.select((~pl.col("is_movie")).arg_true()).to_series().to_numpy()
    rated = lines.filter(~pl.col("is_movie"))
    time = seconds(rated["date"]).alias("time")
    if rated["item"].null_count() or rated["rating"].null_count() or time.null_count():
        raise ValueError("a line has too few fields, or ratings stand before the first movie")
    frame = rated.select(pl.col("first").cast(pl.Int64).alias("user"), "item", "rating").with_columns(time)
    return frame, rows, lines["item"][-1]


def _fault(block: bytes, origins: list[tuple[int, Path, int]]) -> DataError:
    place = _Placer(origins)
    for number, line in enumerate(block.split(b"\n")[:-1]):
        if not _LINE.fullmatch(line.rstrip(b"\r")):
            shown = line[:40].decode("latin-1")
            return DataError(f'{place(number)}: {shown!r} is neither "movie:" nor "user,rating,date"')
    return DataError(f"{place(0)}: ratings stand before the first movie, or a date does not exist")


def netflix_title_rows(path: Path) -> tuple[list[int | str], list[str], None]:
    """Ids and titles of movie_titles: "movie,year,title" in latin-1, with commas in titles as they are.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ids : list of int
    title : list of str
        With the year in parentheses where known.
    genres : None
    """
    ids, titles = [], []
    with open_stream(path) as stream:
        lines = stream.read().decode("latin-1").splitlines()
    for number, line in enumerate(lines, start=1):
        movie, _, rest = line.partition(",")
        year, _, title = rest.partition(",")
        if not movie.isdecimal() or not title:
            raise DataError(f'{path.name}, line {number}: {line[:40]!r} is not "movie,year,title"')
        ids.append(int(movie))
        titles.append(f"{title} ({year})" if year.isdecimal() else title)
    return ids, titles, None
