"""Checks and orders of the entries of a compressed sparse row matrix."""

from typing import TYPE_CHECKING, Any

import numpy as np

from harmonium.conventions import UNRATED
from harmonium.data.sorting import BLOCK
from harmonium.errors import DataError, SettingError

if TYPE_CHECKING:
    from harmonium.data.ratings import Ratings

DUPLICATE_RULES = ("error", "first", "last")


def span_index(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Positions of all entries of some rows, int64, given where each begins and how many it has."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)


def entries_to_keep(
    user: np.ndarray, item: np.ndarray, order: np.ndarray | None, duplicates: str
) -> np.ndarray | slice | tuple[int, int]:
    """Sorted positions of the entries to keep, one a pair; the two of a pair where that is an error."""
    if duplicates not in DUPLICATE_RULES:
        raise SettingError(f"duplicates must be one of {', '.join(DUPLICATE_RULES)}, not {duplicates!r}")
    kept = slice(None) if order is None else order
    same_as_next = np.concatenate([_repeats(user, item, order, start) for start in range(0, len(user), BLOCK)] or [[]])
    if not same_as_next.any():
        return kept
    if order is None:
        order = np.arange(len(user))
    if duplicates == "error":
        at = int(np.argmax(same_as_next))
        return int(order[at]), int(order[at + 1])
    keep = np.ones(len(user), dtype=bool)
    (keep[1:] if duplicates == "first" else keep[:-1])[same_as_next] = False
    return order[keep]


def _repeats(user: np.ndarray, item: np.ndarray, order: np.ndarray | None, start: int) -> np.ndarray:
    """Whether each entry of a block, in order, is of the same pair as the next one."""
    block = slice(start, start + BLOCK + 1) if order is None else order[start : start + BLOCK + 1]
    user, item = user[block], item[block]
    return (user[1:] == user[:-1]) & (item[1:] == item[:-1])


def frozen(array: Any, dtype: Any) -> np.ndarray:
    """A read-only array of this type; copied unless it already is one."""
    array = np.asarray(array)
    if array.flags.writeable or array.dtype != dtype:
        array = array.astype(dtype)
        array.setflags(write=False)
    return array


def index_array(name: str, index: Any, n: int) -> np.ndarray:
    index = np.asarray(index)
    if index.dtype.kind not in "iu" and index.size:
        raise DataError(f"{name} indices must be whole numbers, not {index.dtype}")
    if index.size and (int(index.min()) < 0 or int(index.max()) >= n):
        wrong = index[(index < 0) | (index >= n)][0]
        raise DataError(f"{name} index {wrong} is outside 0..{n - 1}")
    return index.astype(np.int32, copy=False)


def check_shape(ratings: "Ratings"):
    indptr, n = ratings.indptr, len(ratings.item)
    if indptr.shape != (len(ratings.users) + 1,):
        raise DataError(f"{len(ratings.users):,} users need one row start more, not {len(indptr):,}")
    if indptr[0] != 0 or indptr[-1] != n or (np.diff(indptr) < 0).any():
        raise DataError(f"row starts must rise from 0 to the number of entries, {n:,}")
    if ratings.level.shape != (n,) or (ratings.time is not None and ratings.time.shape != (n,)):
        raise DataError(f"{n:,} items need as many levels and times")


def check_entries(ratings: "Ratings"):
    item, level = ratings.item, ratings.level
    if not len(item):
        return
    if item.min() < 0 or item.max() >= len(ratings.items):
        raise DataError(f"an item index lies outside 0..{len(ratings.items) - 1}")
    wrong = (level >= ratings.n_levels) & (level != UNRATED)
    if wrong.any():
        raise DataError(f"level {level[wrong][0]} is not below the scale's {ratings.n_levels} levels")
    falls = np.flatnonzero(item[1:] <= item[:-1]) + 1
    if not np.isin(falls, ratings.indptr).all():
        raise DataError("the items of a row must be strictly increasing; use Ratings.from_arrays")
