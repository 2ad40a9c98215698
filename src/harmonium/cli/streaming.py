"""Ratings for training: read into memory, or, where they are more than it holds, streamed from shards on disk."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import typer

from harmonium.cli.options import option
from harmonium.cli.reading import check_sources, name_of, read_source, reading_arguments
from harmonium.cli.screen import watching
from harmonium.data import DATASETS, Ratings, Titles
from harmonium.data.stored import SHARD_RATINGS, StoredRatings, source_rows, store_ratings
from harmonium.errors import SettingError
from harmonium.training.memory import GB, available_bytes

PANEL = "Ratings that memory does not hold"
READING_BYTES = 45  # of a rating while it is read into memory, divided and learnt from
SHARE_OF_MEMORY = 0.8  # that reading may take
STREAMING = (
    option(
        "stream", bool | None, None,
        typer.Option("--stream/--no-stream", rich_help_panel=PANEL, help="Sort the ratings into shards on disk and "
                     "learn from one at a time; when not given, where memory would not hold them."),
    ),
    option(
        "work", Path | None, None,
        typer.Option(metavar="DIR", rich_help_panel=PANEL, help="Keep the shards there, ready for another run; "
                     "otherwise they lie beside the model while it learns."),
    ),
    option(
        "shard_ratings", int, SHARD_RATINGS,
        typer.Option(rich_help_panel=PANEL, help="Ratings a shard, at most; memory grows with it, 25 bytes a rating."),
    ),
)  # fmt: skip


class Training(NamedTuple):
    """What is learnt from, and what is known about it."""

    ratings: Ratings | StoredRatings
    titles: Titles | None
    name: str
    terms: str


@contextmanager
def opened(
    sources: Sequence[str], output: Path, quiet: bool, narrate: Callable[[str], None], **options: Any
) -> Iterator[Training]:
    """Ratings to learn from, in memory or in shards; shards without a place of their own are removed at the end.

    Parameters
    ----------
    sources : sequence of str
        Files, patterns, folders; or the name of a data set.
    output : Path
        Of the model.
    quiet : bool
    narrate : callable
    **options
        From `STREAMING` and `READING`, and the path of a data set.
    """
    stream, work, most = (options.pop(name) for name in ("stream", "work", "shard_ratings"))
    known = len(sources) == 1 and sources[0] in DATASETS
    if stream is False and work is not None:
        raise SettingError("--work keeps the shards of --stream; leave out --no-stream or --work")
    if known and (stream or work is not None):
        raise SettingError(f"--stream is for files; {sources[0]} is a known data set, which memory holds")
    if not known:
        check_sources(sources, options["path"])
    if stream is None and not known:
        stream = work is not None or _too_many(sources, narrate)
    if not stream:
        dataset = read_source(sources, **options)
        yield Training(dataset.ratings, dataset.titles, dataset.name, dataset.licence)
        return
    with _folder(work, output) as folder:
        options.pop("path")
        with watching(quiet) as show:
            how: dict[str, Any] = {**reading_arguments(**options), "time": False}  # which learning does not read
            stored = store_ratings(list(sources), folder, **how, shard_ratings=most, watch=show)
        yield Training(stored, None, name_of(sources), "")


@contextmanager
def _folder(work: Path | None, output: Path) -> Iterator[Path]:
    if work is not None:
        yield work
        return
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.shards.") as folder:
        yield Path(folder)


def _too_many(sources: Sequence[str], narrate: Callable[[str], None]) -> bool:
    """Whether memory would not hold the ratings of some files, where that can be told without reading them."""
    there, n_rows = available_bytes(), source_rows(sources)
    if there is None or n_rows is None or n_rows * READING_BYTES < SHARE_OF_MEMORY * there:
        return False
    narrate(
        f"{n_rows:,} ratings need about {n_rows * READING_BYTES / GB:.1f} GB in memory, and {there / GB:.1f} GB are "
        "to be had: they are streamed from shards on disk (--no-stream reads them all the same)"
    )
    return True
