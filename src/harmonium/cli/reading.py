"""Ratings from what the command line names: a file with its columns and scale, or a known data set."""

import inspect
import os
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any

import typer

from harmonium.cli.options import option
from harmonium.data import DATASETS, Dataset, Ratings, Scale, Titles, Vocabulary, load, read_ratings, read_titles
from harmonium.errors import DataError, SettingError

PANEL = "Reading the ratings"
COLUMN_HELP = "Name or position, from 0, of the {} column; guessed when not given{}."
BUNDLED = "movielens-small"
LEAVE_OUT = ("none", "false")


def _reading_option(name: str, kind: Any, default: Any, **info: Any) -> inspect.Parameter:
    return option(name, kind, default, typer.Option(rich_help_panel=PANEL, **info))


READING = (
    *(
        _reading_option(role, str | None, None, help=COLUMN_HELP.format(role, more))
        for role, more in (
            ("user", ""), ("item", ""), ("rating", "; none makes every row a like"), ("time", "; none leaves it out"),
        )
    ),
    _reading_option(
        "scale", str | None, None, metavar="LEVELS",
        help="1:5, 0.5:5:0.5, like, 1,2,3,7 or buckets:1,2,5,20; inferred when not given.",
    ),
    _reading_option("ids", str, "auto", help="auto, or text to read whole numbers as text."),
    _reading_option("duplicates", str, "error", help="A user's second rating of an item: error, first or last stays."),
    _reading_option("missing", str, "error", help="A row without a rating: error, seen or drop."),
)  # fmt: skip
PATH = _reading_option("path", Path | None, None, help="The folder with the files of a data set that is not bundled.")


def read_source(source: str | Sequence[str], path: Path | None = None, **reading: Any) -> Dataset:
    """Read files, or load a known data set.

    Parameters
    ----------
    source : str or sequence of str
        A name among `DATASETS`, otherwise files, patterns or folders.
    path : Path, optional
        The folder of a data set.
    **reading
        From `READING`.
    """
    sources = [source] if isinstance(source, str) else list(source)
    if len(sources) == 1 and (source := sources[0]) in DATASETS:
        given = [name for name, value in reading.items() if value != _DEFAULTS[name]]
        if given:
            flag = "--" + given[0].replace("_", "-")
            raise SettingError(f"{flag} is for files; {source} is a known data set (a file of that name: ./{source})")
        if path is None and source != BUNDLED:
            raise SettingError(f"{source} is not bundled: give --path, the folder with its files")
        return load(source, path)
    check_sources(sources, path)
    return Dataset(read_file(sources, **reading), None, name_of(sources), "")


def name_of(sources: Sequence[str]) -> str:
    """What messages and records call some files.

    Parameters
    ----------
    sources : sequence of str
    """
    return sources[0] if len(sources) == 1 else f"{sources[0]} and {len(sources) - 1} more"


def check_sources(sources: Sequence[str], path: Path | None) -> None:
    """Raise an error unless there are such files, and no folder of a data set is named besides.

    Parameters
    ----------
    sources : sequence of str
    path : Path, optional
    """
    for source in sources:
        if not glob(source):
            raise DataError(f"{source}: there is no such file, and no such data set ({', '.join(DATASETS)})")
    if path is not None:
        raise SettingError(f"--path is for known data sets ({', '.join(DATASETS)}), not for the file {sources[0]}")


def read_file(source: str | os.PathLike[str] | Sequence[str], fallback: Scale | None = None, **reading: Any) -> Ratings:
    """Read a file of ratings.

    Parameters
    ----------
    source : path, or sequence of them
    fallback : Scale, optional
        Where --scale is not given.
    **reading
        From `READING`.
    """
    return read_ratings(source, **reading_arguments(fallback, **reading))


def reading_arguments(fallback: Scale | None = None, **reading: Any) -> dict[str, Any]:
    """Keyword arguments of `read_ratings`.

    Parameters
    ----------
    fallback : Scale, optional
        Where --scale is not given.
    **reading
        From `READING`.
    """
    given = {**_DEFAULTS, **reading}
    return {
        "user": _column(given["user"], False),
        "item": _column(given["item"], False),
        "rating": _column(given["rating"], True),
        "time": _column(given["time"], True),
        "scale": fallback if given["scale"] is None else scale_of(given["scale"]),
        **{name: given[name] for name in ("ids", "duplicates", "missing")},
    }


def titles_for(items: Vocabulary, known: Titles | None, path: Path | None) -> Titles | None:
    """The titles of the rated items: of a file where one is named, else those known, else none.

    Parameters
    ----------
    items : Vocabulary
    known : Titles, optional
    path : Path, optional
    """
    if path is not None and not path.is_file():
        raise DataError(f"{path}: there is no such file; --titles names a file of item ids and titles")
    titles = known if path is None else read_titles(path)
    return None if titles is None else titles.aligned_to(items)


def scale_of(text: str) -> Scale:
    """Parse --scale.

    Parameters
    ----------
    text : str
        "like", "LOW:HIGH", "LOW:HIGH:STEP", "A,B,C" or "buckets:A,B,C".
    """
    if text == "like":
        return Scale.like()
    try:
        if text.startswith("buckets:"):
            return Scale.buckets([float(edge) for edge in text.removeprefix("buckets:").split(",")])
        if ":" in text:
            low, high, step = (*map(float, text.split(":")), 1.0)[:3]
            return Scale(tuple(low + k * step for k in range(1 + round((high - low) / step))))
        return Scale(tuple(float(level) for level in text.split(",")))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError(
            f"--scale: {text!r} is no scale; write 1:5, 0.5:5:0.5, like, 1,2,3,7 or buckets:1,2,5,20"
        ) from None


_DEFAULTS = {parameter.name: parameter.default for parameter in READING}


def _column(text: str | None, can_be_left_out: bool) -> str | int | bool | None:
    if text is None:
        return None
    if can_be_left_out and text.lower() in LEAVE_OUT:
        return False
    return int(text) if text.isdecimal() else text
