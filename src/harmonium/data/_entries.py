"""What `Ratings` and `Interactions` share: entries of a compressed sparse row matrix, their checks and their orders."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from harmonium.data.sorting import BLOCK, row_pointer, stable_order
from harmonium.errors import DataError, SettingError

if TYPE_CHECKING:
    from harmonium.data.interactions import Interactions
    from harmonium.data.ratings import Ratings

Entries = TypeVar("Entries", bound="Ratings | Interactions")
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


def selected(x: Entries, mask: Any, columns: Sequence[str]) -> Entries:
    """Some entries of a matrix; its columns beside the row starts are named."""
    mask = np.asarray(mask)
    if mask.shape != x.item.shape or mask.dtype != bool:
        raise SettingError(f"mask must be a bool array of shape ({len(x.item)},), not {mask.dtype} of {mask.shape}")
    kept = np.zeros(len(x.item) + 1, dtype=np.int64)
    np.cumsum(mask, out=kept[1:])
    return replace(x, indptr=kept[x.indptr], **taken(x, mask, columns))


def of_users(x: Entries, users: Any, columns: Sequence[str]) -> Entries:
    """The entries of some users; the other rows become empty."""
    n_users = len(x.indptr) - 1
    users = np.unique(index_array("user", users, n_users))
    counts = np.zeros(n_users, dtype=np.int64)
    counts[users] = np.diff(x.indptr)[users]
    kept = span_index(x.indptr[users], counts[users])
    return replace(x, indptr=np.concatenate(([0], np.cumsum(counts))), **taken(x, kept, columns))


def turned(x: Entries, columns: Sequence[str]) -> Entries:
    """The same entries with items as rows: users and items change places; a radix sort, O(n)."""
    order = stable_order(x.item)
    order = slice(None) if order is None else order
    more = taken(x, order, columns) | {"item": x.user_of()[order]}
    return replace(x, indptr=row_pointer(x.item, len(x.items)), users=x.items, items=x.users, **more)


def taken(x: "Ratings | Interactions", kept: Any, columns: Sequence[str]) -> dict[str, np.ndarray | None]:
    """Some entries of each column; None where there is none."""
    return {name: None if (column := getattr(x, name)) is None else column[kept] for name in columns}


def user_of(x: "Ratings | Interactions") -> np.ndarray:
    """User index of every entry, (n,) int32."""
    return np.repeat(np.arange(len(x.indptr) - 1, dtype=np.int32), np.diff(x.indptr))


def equal(x: Entries, other: Entries, columns: Iterable[str]) -> bool:
    """Whether two of a kind have the same axes and entries."""
    pairs = ((getattr(x, name), getattr(other, name)) for name in columns)
    return x.axes == other.axes and all(
        (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b)) for a, b in pairs
    )


def check_rows(x: "Ratings | Interactions") -> None:
    """Raise DataError unless the row starts are those of a matrix of these users and entries."""
    indptr, n = x.indptr, len(x.item)
    if indptr.shape != (len(x.users) + 1,):
        raise DataError(f"{len(x.users):,} users need one row start more, not {len(indptr):,}")
    if indptr[0] != 0 or indptr[-1] != n or (np.diff(indptr) < 0).any():
        raise DataError(f"row starts must rise from 0 to the number of entries, {n:,}")


def check_items(x: "Ratings | Interactions") -> None:
    """Raise DataError unless the items are known and increase strictly within each row."""
    item = x.item
    if not len(item):
        return
    if item.min() < 0 or item.max() >= len(x.items):
        raise DataError(f"an item index lies outside 0..{len(x.items) - 1}")
    falls = np.flatnonzero(item[1:] <= item[:-1]) + 1
    if not np.isin(falls, x.indptr).all():
        raise DataError(f"the items of a row must be strictly increasing; use {type(x).__name__}.from_arrays")
