"""Ratings in memory: a compressed sparse row matrix of level codes."""

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from harmonium.conventions import UNRATED
from harmonium.data import _entries as entries
from harmonium.data._entries import (
    DUPLICATE_RULES as DUPLICATE_RULES,
)
from harmonium.data._entries import entries_to_keep, frozen, index_array
from harmonium.data.scale import Scale
from harmonium.data.sorting import row_pointer, stable_order
from harmonium.data.vocabulary import Vocabulary
from harmonium.errors import DataError

if TYPE_CHECKING:
    import polars

    from harmonium.data.interactions import Interactions


ARRAY_TYPES = {"indptr": np.int64, "item": np.int32, "level": np.uint8, "time": np.int64}
COLUMNS = ("item", "level", "time")


class DuplicateEntryError(DataError):
    """A user and an item occur together twice; `first` and `second` are the positions of the entries.

    Parameters
    ----------
    message : str
    first, second : int
    """

    def __init__(self, message: str, first: int, second: int):
        super().__init__(message)
        self.first, self.second = first, second


@final
@dataclass(frozen=True, eq=False, repr=False)
class Ratings:
    """Who rated what, and how: one row a user, sorted by item, 5 bytes a rating (13 with times).

    Immutable; every method returns a new object or a read-only view. An entry whose level is `UNRATED` is an
    item the user is known to have seen, without a rating.

    Parameters
    ----------
    indptr : int64 array, (n_users + 1,)
        Row u holds the entries ``indptr[u]:indptr[u + 1]``.
    item : int32 array, (n,)
        Item index, strictly increasing within a row.
    level : uint8 array, (n,)
        Level code, below ``scale.n_levels`` or `UNRATED`.
    users, items : Vocabulary
    scale : Scale
    time : int64 array, (n,), optional
        Seconds since 1970.

    Raises
    ------
    DataError
        The arrays do not make such a matrix.
    """

    indptr: np.ndarray
    item: np.ndarray
    level: np.ndarray
    users: Vocabulary
    items: Vocabulary
    scale: Scale
    time: np.ndarray | None = None

    def __post_init__(self):
        for name, dtype in ARRAY_TYPES.items():
            array = getattr(self, name)
            if array is not None:
                object.__setattr__(self, name, frozen(array, dtype))
        _check(self)

    @classmethod
    def from_arrays(
        cls,
        user_index: Any,
        item_index: Any,
        level: Any,
        users: Vocabulary,
        items: Vocabulary,
        scale: Scale,
        time: Any = None,
        duplicates: str = "error",
    ) -> "Ratings":
        """Build from indices and level codes in any order.

        Parameters
        ----------
        user_index, item_index : ints, (n,)
        level : ints, (n,)
            Level codes; `UNRATED` for seen, not rated.
        users, items : Vocabulary
        scale : Scale
        time : ints, (n,), optional
            Seconds since 1970.
        duplicates : {"error", "first", "last"}, default "error"
            Which entry of a user and an item that occur together twice is kept, in the order given.

        Returns
        -------
        Ratings

        Raises
        ------
        DataError
            An index is out of range, or a pair occurs twice and `duplicates` is "error".

        Notes
        -----
        A radix sort, O(n).
        """
        user_index = index_array("user", user_index, len(users))
        item_index = index_array("item", item_index, len(items))
        columns = {"item": item_index, "level": np.asarray(level)}
        if time is not None:
            columns["time"] = np.asarray(time)
        for name, column in columns.items():
            if column.shape != user_index.shape:
                raise DataError(f"{name} has shape {column.shape}, the users {user_index.shape}; give one each")
        order = stable_order(user_index, item_index)
        kept = entries_to_keep(user_index, item_index, order, duplicates)
        if isinstance(kept, tuple):
            user, item = users[user_index[kept[0]]], items[item_index[kept[0]]]
            raise DuplicateEntryError(
                f"user {user!r} and item {item!r} occur together twice, at {kept[0]} and {kept[1]}; "
                'pass duplicates="last" or duplicates="first"',
                *kept,
            )
        counted = user_index if duplicates == "error" else user_index[kept]
        indptr, ordered = row_pointer(counted, len(users)), {k: a[kept] for k, a in columns.items()}
        for column in ordered.values():
            if not isinstance(kept, slice):
                column.setflags(write=False)  # it is nobody else's: kept without another copy
        return cls(indptr, users=users, items=items, scale=scale, **ordered)

    @classmethod
    def from_triples(
        cls,
        users: Any,
        items: Any,
        ratings: Any,
        *,
        scale: Scale | None = None,
        time: Any = None,
        duplicates: str = "error",
    ) -> "Ratings":
        """Build from raw ids and rating values in memory.

        Parameters
        ----------
        users, items : array-like of int or str, (n,)
            Raw ids.
        ratings : floats, (n,)
            NaN for seen, not rated.
        scale : Scale, optional
            Inferred by `Scale.infer` when not given.
        time : ints, (n,), optional
            Seconds since 1970.
        duplicates : {"error", "first", "last"}, default "error"

        Returns
        -------
        Ratings

        Raises
        ------
        DataError
            A rating is off the scale, ids are of mixed types, or a pair occurs twice.

        Examples
        --------
        >>> Ratings.from_triples(["ann", "bob"], [7, 7], [5, 3])
        Ratings(2 users, 1 items, 2 ratings, 1 to 5)
        """
        values = np.asarray(ratings, dtype=np.float64)
        rated = ~np.isnan(values)
        scale = Scale.infer(values[rated]) if scale is None else scale
        level = np.full(len(values), UNRATED, dtype=np.uint8)
        level[rated] = scale.code(values[rated])
        user_vocabulary, item_vocabulary = Vocabulary.from_ids(users), Vocabulary.from_ids(items)
        return cls.from_arrays(
            user_vocabulary.indices(users),
            item_vocabulary.indices(items),
            level,
            user_vocabulary,
            item_vocabulary,
            scale,
            time,
            duplicates,
        )

    @property
    def n_users(self) -> int:
        """Number of rows, users without entries included."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Number of columns, items without entries included."""
        return len(self.items)

    @property
    def n_entries(self) -> int:
        """Number of stored entries, rated or only seen."""
        return len(self.item)

    @property
    def n_ratings(self) -> int:
        """Number of rated entries."""
        return int(np.count_nonzero(self.level != UNRATED))

    @property
    def n_levels(self) -> int:
        """Number of levels of the scale."""
        return self.scale.n_levels

    @property
    def nbytes(self) -> int:
        """Bytes in the arrays, without the vocabularies."""
        return sum(a.nbytes for a in (self.indptr, self.item, self.level, self.time) if a is not None)

    @property
    def axes(self) -> tuple[Vocabulary, Vocabulary, Scale]:
        """What parts of the same ratings share: the two vocabularies and the scale."""
        return self.users, self.items, self.scale

    def __len__(self) -> int:
        return self.n_entries

    def __repr__(self) -> str:
        return (
            f"Ratings({self.n_users:,} users, {self.n_items:,} items, {self.n_ratings:,} ratings, "
            f"{self.scale.describe()})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ratings):
            return NotImplemented
        return entries.equal(self, other, ARRAY_TYPES)

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # equality compares every entry

    def user_of(self) -> np.ndarray:
        """User index of every entry.

        Returns
        -------
        int32 array, (n,)
        """
        return entries.user_of(self)

    def values(self) -> np.ndarray:
        """Rating value of every entry.

        Returns
        -------
        float64 array, (n,)
            NaN where not rated.
        """
        table = np.full(UNRATED + 1, np.nan)
        table[: self.n_levels] = self.scale.values
        return table[self.level]

    def history(self, user: int) -> tuple[np.ndarray, np.ndarray]:
        """One user's items and levels.

        Parameters
        ----------
        user : int
            User index.

        Returns
        -------
        item : int32 array, (n_history,)
        level : uint8 array, (n_history,)

        Raises
        ------
        DataError
            The index is out of range.
        """
        if not 0 <= user < self.n_users:
            raise DataError(f"user index {user} is outside 0..{self.n_users - 1}")
        row = slice(self.indptr[user], self.indptr[user + 1])
        return self.item[row], self.level[row]

    def select(self, mask: np.ndarray) -> "Ratings":
        """Keep some entries; vocabularies and shape stay.

        Parameters
        ----------
        mask : bool array, (n,)

        Returns
        -------
        Ratings

        Raises
        ------
        SettingError
            The mask is not one truth value an entry.
        """
        return entries.selected(self, mask, COLUMNS)

    def rows(self, users: Any) -> "Ratings":
        """Keep the entries of some users; the other rows become empty, vocabularies and shape stay.

        Parameters
        ----------
        users : ints, (n_kept,)
            User indices.

        Returns
        -------
        Ratings
        """
        return entries.of_users(self, users, COLUMNS)

    def columns(self, items: Any) -> "Ratings":
        """Return the ratings of some items.

        Parameters
        ----------
        items : ints, (n,)
            Item indices, strictly increasing.

        Raises
        ------
        DataError
            An index is out of range, or they do not increase.
        """
        items = index_array("item", items, len(self.items))
        if not (np.diff(items) > 0).all():
            raise DataError("items: the indices of columns must be strictly increasing, as a vocabulary's ids are")
        place = np.full(self.n_items, -1, np.int64)
        place[items] = np.arange(len(items))
        kept = self.select(place[self.item] >= 0)
        ids = self.items.ids
        chosen = Vocabulary(ids[items] if isinstance(ids, np.ndarray) else [ids[k] for k in items.tolist()])
        return replace(kept, item=place[kept.item], items=chosen)

    def transposed(self) -> "Ratings":
        """The same entries with items as rows: users and items change places.

        Returns
        -------
        Ratings

        Notes
        -----
        A radix sort, O(n).
        """
        return entries.turned(self, COLUMNS)

    def interactions(self, at_least: float | None = None) -> "Interactions":
        """Who chose what: the entries without their ratings, over the same vocabularies.

        Parameters
        ----------
        at_least : float, optional
            Only ratings of at least this; every entry, rated or only seen, when None.

        Returns
        -------
        Interactions
        """
        from harmonium.data.interactions import Interactions

        chosen = self if at_least is None else self.select(self.values() >= at_least)
        return Interactions(chosen.indptr, chosen.item, chosen.users, chosen.items, time=chosen.time)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a folder that `open` maps into memory; it appears whole or not at all.

        Parameters
        ----------
        path : path
            A folder of ratings that is there is replaced.

        Raises
        ------
        DataError
            It cannot be written, or something else is there.
        """
        from harmonium.data.folders import write_folder

        write_folder(self, path)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Ratings":
        """Open what `save` wrote without reading it; processes that have it open share one copy in memory.

        Parameters
        ----------
        path : path

        Returns
        -------
        Ratings

        Raises
        ------
        DataError
            There is no such folder, it is cut off, holds something else, or is of a later version.
        """
        from harmonium.data.folders import open_folder

        return open_folder(path)

    def to_frame(self) -> "polars.DataFrame":
        """Raw ids and rating values as a table.

        Returns
        -------
        polars.DataFrame
            Columns user_id, item_id, rating (null where not rated), and timestamp when times are kept.
        """
        import polars as pl

        columns = {
            "user_id": pl.Series(self.users.ids).gather(self.user_of()),
            "item_id": pl.Series(self.items.ids).gather(self.item),
            "rating": pl.Series(self.values(), nan_to_null=True),
        }
        if self.time is not None:
            columns["timestamp"] = pl.Series(self.time)
        return pl.DataFrame(columns)


def _check(ratings: Ratings) -> None:
    n, level, time = len(ratings.item), ratings.level, ratings.time
    entries.check_rows(ratings)
    if level.shape != (n,) or (time is not None and time.shape != (n,)):
        raise DataError(f"{n:,} items need as many levels and times")
    entries.check_items(ratings)
    wrong = (level >= ratings.n_levels) & (level != UNRATED)
    if wrong.any():
        raise DataError(f"level {level[wrong][0]} is not below the scale's {ratings.n_levels} levels")
