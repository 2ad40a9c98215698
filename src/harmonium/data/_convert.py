"""Batches of raw rows become a folder of ratings sorted by user, in memory that does not grow with their number."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harmonium.conventions import UNRATED
from harmonium.data._encoding import Batch, Encoder, twice
from harmonium.data._partition import BLOCK, PLAIN, TIMED, Regions, Spill, records_of
from harmonium.data.folders import RatingsWriter
from harmonium.data.ratings import DuplicateEntryError
from harmonium.data.shards import Shards, even_ends
from harmonium.errors import DataError
from harmonium.events import Stored

Batches = Callable[[], Iterator[Batch]]


@dataclass(frozen=True)
class Conversion:
    """What becomes what.

    Parameters
    ----------
    batches : callable
        Begins reading the source, each time anew.
    encoder : Encoder
        Fresh.
    duplicates : {"error", "first", "last"}
    shard_ratings : int
        Ratings a shard, at most.
    n_rows : int or None
        Rows of the source, where known.
    """

    batches: Batches
    encoder: Encoder
    duplicates: str
    shard_ratings: int
    n_rows: int | None


def convert(what: Conversion, folder: Path, facts: dict) -> Iterator[Stored]:
    """Write the folder; it appears whole or not at all.

    Parameters
    ----------
    what : Conversion
    folder : Path
        Of the ratings; scratch files without a name lie beside it.
    facts : dict
        For its header.

    Raises
    ------
    DataError
        With the place of the first wrong row.

    Notes
    -----
    Two passes. The rows are read once and written down as codes in the order in which ids are first seen; by then the
    ids are known, and with them the row of every entry and where each shard of rows begins. The codes go to the shards'
    regions of a second file, and each region is sorted in memory.
    """
    spill = None
    try:
        began = time.monotonic()
        for batch in what.batches():
            if batch.frame.is_empty():
                continue
            columns, _ = what.encoder.encode(batch)
            spill = Spill(folder.parent, TIMED if "time" in columns else PLAIN) if spill is None else spill
            if ("time" in columns) != (spill.dtype == TIMED):
                less = "has no times, as others have" if spill.dtype == TIMED else "has times, as others have not"
                raise DataError(f"{batch.place(0)}: {less}; pass time=False to leave times out")
            level, when = columns["level"], columns.get("time")
            spill.append(records_of(columns["user"], columns["item"], level, when))
            yield Stored("reading", spill.length, what.n_rows, time.monotonic() - began)
        if spill is None or not spill.length:
            raise DataError("there are no ratings in the source")
        yield from _sorted(what, spill, folder, facts)
    finally:
        if spill is not None:
            spill.close()


def _sorted(what: Conversion, spill: Spill, folder: Path, facts: dict) -> Iterator[Stored]:
    scale, table = what.encoder.final_scale()
    (users, user_rank), (items, item_rank) = what.encoder.users.vocabulary(), what.encoder.items.vocabulary()
    began, counts = time.monotonic(), np.zeros(len(users), np.int64)
    for records in spill.blocks():
        counts += np.bincount(user_rank[records["row"]], minlength=len(users))
    ends = even_ends(counts, what.shard_ratings)
    regions = Regions(folder.parent, counts, ends, spill.dtype)
    try:
        for records in spill.blocks():
            level = records["level"] if table is None else table[records["level"]]
            when = records["time"] if spill.dtype == TIMED else None
            regions.add(records_of(user_rank[records["row"]], item_rank[records["column"]], level, when))
        spill.close()
        facts = facts | {"ends": ends.tolist()}
        with RatingsWriter(folder, users, items, scale, spill.dtype == TIMED, facts) as writer:
            for done in regions.write_sorted(writer, what.duplicates):
                yield Stored("sorting by user", done, spill.length, time.monotonic() - began)
    except DuplicateEntryError as error:
        raise _twice(what, users[error.first], items[error.second]) from None
    finally:
        regions.close()


def _twice(what: Conversion, user: object, item: object) -> DataError:
    """The error of a pair that occurs twice: its places are looked up by reading once more."""
    places: list[str] = []
    for batch in what.batches():
        rows = what.encoder.rated_rows(batch)
        here = ((batch.frame["user"] == user) & (batch.frame["item"] == item)).to_numpy()
        for k in np.flatnonzero(here).tolist():
            if rows is None or k in rows:
                places.append(batch.place(k))
        if len(places) > 1:
            break
    return twice(user, item, *places[:2])


def transpose(shards: Shards, ends: np.ndarray, folder: Path, facts: dict) -> Iterator[Stored]:
    """Write a folder with items as rows; it appears whole or not at all.

    Parameters
    ----------
    shards : Shards
        With users as rows.
    ends : int array, (n_shards + 1,)
        At which items shards begin.
    folder : Path
    facts : dict
        For its header.
    """
    began, counts = time.monotonic(), item_counts(shards)
    regions = Regions(folder.parent, counts, ends, PLAIN)
    ratings = shards.ratings
    try:
        for shard, first in zip(shards, shards.ends.tolist()):
            user = shard.user_of() + np.int32(first)
            for start in range(0, shard.n_entries, BLOCK):
                part = slice(start, start + BLOCK)
                regions.add(records_of(shard.item[part], user[part], shard.level[part]))
        facts = facts | {"ends": np.asarray(ends).tolist()}
        with RatingsWriter(folder, ratings.items, ratings.users, ratings.scale, facts=facts) as writer:
            for done in regions.write_sorted(writer, "error"):
                yield Stored("sorting by item", done, shards.n_entries, time.monotonic() - began)
    finally:
        regions.close()


def item_counts(shards: Shards) -> np.ndarray:
    """Entries of each column: int64 (n_items,)."""
    counts = np.zeros(shards.n_items, np.int64)
    for shard in shards:
        counts += np.bincount(shard.item, minlength=shards.n_items)
    return counts


def hold_out(
    shards: Shards, masks: Callable[[int, int], np.ndarray], known: Path, held: Path, facts: dict
) -> Iterator[Stored]:
    """Write two folders, of the entries that are learnt from and of those held out.

    Parameters
    ----------
    shards : Shards
    masks : callable
        Takes the number of a shard and of its entries; True for those held out.
    known, held : Path
    facts : dict
        For their headers.
    """
    began, ratings = time.monotonic(), shards.ratings
    facts, done = facts | {"ends": shards.ends.tolist()}, 0
    about = ratings.users, ratings.items, ratings.scale, False, facts
    with RatingsWriter(known, *about) as rest, RatingsWriter(held, *about) as out:
        for k, shard in enumerate(shards):
            mask = masks(k, shard.n_entries) & (shard.level != UNRATED)  # nothing can be measured on these
            user = shard.user_of()
            for writer, part in ((rest, ~mask), (out, mask)):
                counts = np.bincount(user[part], minlength=shard.n_users)
                writer.append(counts, shard.item[part], shard.level[part])
            done += shard.n_entries
            yield Stored("holding out", done, shards.n_entries, time.monotonic() - began)
