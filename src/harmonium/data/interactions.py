"""Interactions in memory: who chose what, how often and when, as a compressed sparse row matrix without ratings."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from harmonium.data import _entries as entries
from harmonium.data._entries import frozen, index_array
from harmonium.data.sorting import row_pointer, stable_order
from harmonium.data.vocabulary import Vocabulary
from harmonium.errors import DataError, SettingError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ARRAY_TYPES = {"indptr": np.int64, "item": np.int32, "weight": np.float32, "time": np.int64, "row": np.int64}
OPTIONAL = ("weight", "time", "row")
COLUMNS = ("item", *OPTIONAL)
MERGE_RULES = ("sum", "first", "last", "error")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """Who chose what: one row a user, sorted by item, 4 bytes an entry and what optional columns add.

    Immutable; every method returns a new object or a read-only view. A user and an item occur together once; repeated
    events are merged on building.

    Parameters
    ----------
    indptr : int64 array, (n_users + 1,)
        Row u holds the entries ``indptr[u]:indptr[u + 1]``.
    item : int32 array, (n,)
        Item index, strictly increasing within a row.
    users, items : Vocabulary
    weight : float32 array, (n,), optional
        Above 0: how often, or how much. None is 1 everywhere.
    time : int64 array, (n,), optional
        Seconds since 1970.
    row : int64 array, (n,), optional
        Place of the entry in its source, which published protocols depend on.

    Raises
    ------
    DataError
        The arrays do not make such a matrix.

    Examples
    --------
    >>> Interactions.from_pairs(["ann", "bob", "ann"], [7, 7, 9])
    Interactions(2 users, 2 items, 3 entries)
    """

    indptr: np.ndarray
    item: np.ndarray
    users: Vocabulary
    items: Vocabulary
    weight: np.ndarray | None = None
    time: np.ndarray | None = None
    row: np.ndarray | None = None

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
        users: Vocabulary,
        items: Vocabulary,
        weight: Any = None,
        time: Any = None,
        row: Any = None,
        duplicates: str = "sum",
    ) -> "Interactions":
        """Build from indices in any order.

        Parameters
        ----------
        user_index, item_index : ints, (n,)
        users, items : Vocabulary
        weight : floats, (n,), optional
        time : ints, (n,), optional
            Seconds since 1970.
        row : ints, (n,), optional
        duplicates : {"sum", "first", "last", "error"}, default "sum"
            What becomes of a user and an item that occur together more than once. "sum" keeps one entry with the sum
            of the weights, where there are weights, the last time and the first row; "first" and "last" keep that
            event, in the order given.

        Returns
        -------
        Interactions

        Raises
        ------
        DataError
            An index is out of range, a weight is not above 0, or a pair occurs twice and `duplicates` is "error".

        Notes
        -----
        A radix sort, O(n).
        """
        user_index = index_array("user", user_index, len(users))
        item_index = index_array("item", item_index, len(items))
        given = {"weight": weight, "time": time, "row": row}
        columns = {name: np.asarray(column) for name, column in given.items() if column is not None}
        for name, column in {"item": item_index, **columns}.items():
            if column.shape != user_index.shape:
                raise DataError(f"{name} has shape {column.shape}, the users {user_index.shape}; give one each")
        order = stable_order(user_index, item_index)
        if order is not None:
            user_index, item_index = user_index[order], item_index[order]
            columns = {name: column[order] for name, column in columns.items()}
        again = np.zeros(len(user_index), dtype=bool)
        again[1:] = (user_index[1:] == user_index[:-1]) & (item_index[1:] == item_index[:-1])
        if again.any():
            if duplicates == "error":
                at = int(np.argmax(again))
                user, item = users[user_index[at]], items[item_index[at]]
                raise DataError(f'user {user!r} and item {item!r} occur together twice; pass duplicates="sum"')
            user_index, item_index, columns = _merged(user_index, item_index, columns, again, duplicates)
        _check_rule(duplicates)
        return cls(row_pointer(user_index, len(users)), item_index, users, items, **columns)

    @classmethod
    def from_pairs(
        cls, users: Any, items: Any, weight: Any = None, time: Any = None, *, duplicates: str = "sum"
    ) -> "Interactions":
        """Build from raw ids in memory.

        Parameters
        ----------
        users, items : array-like of int or str, (n,)
            Raw ids.
        weight : floats, (n,), optional
        time : ints, (n,), optional
            Seconds since 1970.
        duplicates : {"sum", "first", "last", "error"}, default "sum"

        Returns
        -------
        Interactions

        Raises
        ------
        DataError
            Ids are of mixed types, or a weight is not above 0.
        """
        of_users, of_items = Vocabulary.from_ids(users), Vocabulary.from_ids(items)
        row = np.arange(len(of_users.indices(users)))
        where = of_users.indices(users), of_items.indices(items), of_users, of_items
        return cls.from_arrays(*where, weight, time, row, duplicates)

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
        """Number of stored entries: distinct pairs of user and item."""
        return len(self.item)

    @property
    def nbytes(self) -> int:
        """Bytes in the arrays, without the vocabularies."""
        return sum(getattr(self, name).nbytes for name in ARRAY_TYPES if getattr(self, name) is not None)

    @property
    def axes(self) -> tuple[Vocabulary, Vocabulary]:
        """What parts of the same interactions share: the two vocabularies."""
        return self.users, self.items

    def __len__(self) -> int:
        return self.n_entries

    def __repr__(self) -> str:
        more = [f"with {name}" for name in ("weight", "time") if getattr(self, name) is not None]
        shape = f"{self.n_users:,} users, {self.n_items:,} items, {self.n_entries:,} entries"
        return f"Interactions({', '.join([shape, *more])})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Interactions):
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

    def weights(self) -> np.ndarray:
        """Weight of every entry, 1 where none is kept.

        Returns
        -------
        float32 array, (n,)
        """
        return np.ones(self.n_entries, np.float32) if self.weight is None else self.weight

    def popularity(self) -> np.ndarray:
        """Users of every item.

        Returns
        -------
        int64 array, (n_items,)
        """
        return np.bincount(self.item, minlength=self.n_items)

    def to_csr(self) -> "csr_matrix":
        """The weights as a SciPy matrix.

        Returns
        -------
        csr_matrix of float32, (n_users, n_items)
        """
        from scipy.sparse import csr_matrix

        return csr_matrix((self.weights(), self.item, self.indptr), shape=(self.n_users, self.n_items))

    def select(self, mask: np.ndarray) -> "Interactions":
        """Keep some entries; vocabularies and shape stay.

        Parameters
        ----------
        mask : bool array, (n,)

        Returns
        -------
        Interactions

        Raises
        ------
        SettingError
            The mask is not one truth value an entry.
        """
        return entries.selected(self, mask, COLUMNS)

    def rows(self, users: Any) -> "Interactions":
        """Keep the entries of some users; the other rows become empty, vocabularies and shape stay.

        Parameters
        ----------
        users : ints, (n_kept,)
            User indices.

        Returns
        -------
        Interactions
        """
        return entries.of_users(self, users, COLUMNS)

    def restricted(self, users: Any = None, items: Any = None) -> "Interactions":
        """Keep some users and items alone: the vocabularies shrink to them.

        Parameters
        ----------
        users, items : bool array, (n_users,) and (n_items,), optional
            Which to keep; all when None.

        Returns
        -------
        Interactions
        """
        keep = [
            np.ones(len(vocabulary), dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
            for mask, vocabulary in ((users, self.users), (items, self.items))
        ]
        inside = self.select(np.repeat(keep[0], np.diff(self.indptr)) & keep[1][self.item])
        kept_users, kept_items = (_part(vocabulary, mask) for vocabulary, mask in zip(self.axes, keep))
        new_item = np.cumsum(keep[1], dtype=np.int32) - 1
        indptr = np.concatenate(([0], np.cumsum(np.diff(inside.indptr)[keep[0]])))
        return replace(inside, indptr=indptr, item=new_item[inside.item], users=kept_users, items=kept_items)

    def brought_to(self, items: Vocabulary) -> "Interactions":
        """The same interactions over other items; entries of items that are not there are left out.

        Parameters
        ----------
        items : Vocabulary

        Returns
        -------
        Interactions
        """
        if items is self.items or items == self.items:
            return self
        index = items.indices(self.items.ids, unknown=-1).astype(np.int32)
        inside = self.select(index[self.item] >= 0)
        return replace(inside, item=index[inside.item], items=items)  # vocabularies are sorted: entries stay in order

    def transposed(self) -> "Interactions":
        """The same entries with items as rows: users and items change places.

        Returns
        -------
        Interactions

        Notes
        -----
        A radix sort, O(n).
        """
        return entries.turned(self, COLUMNS)


def _merged(user, item, columns, again, duplicates: str):
    """One entry a pair of what is sorted by pair; `again` marks an entry of the same pair as the one before."""
    first = np.flatnonzero(~again)
    last = np.append(first[1:], len(user)) - 1
    _check_rule(duplicates)
    kept = {name: column[last if duplicates == "last" else first] for name, column in columns.items()}
    if duplicates == "sum":
        if "weight" in columns:
            kept["weight"] = np.add.reduceat(columns["weight"].astype(np.float64), first)
        if "time" in columns:
            kept["time"] = np.maximum.reduceat(columns["time"], first)
        if "row" in columns:
            kept["row"] = np.minimum.reduceat(columns["row"], first)
    return user[first], item[first], kept


def _check_rule(duplicates: str) -> None:
    if duplicates not in MERGE_RULES:
        raise SettingError(f"duplicates must be one of {', '.join(MERGE_RULES)}, not {duplicates!r}")


def _part(vocabulary: Vocabulary, mask: np.ndarray) -> Vocabulary:
    if mask.all():
        return vocabulary
    ids = vocabulary.ids
    return Vocabulary(ids[mask] if isinstance(ids, np.ndarray) else [ids[k] for k in np.flatnonzero(mask)])


def _check(x: Interactions) -> None:
    n, indptr = len(x.item), x.indptr
    entries.check_rows(x)
    for name in OPTIONAL:
        column = getattr(x, name)
        if column is not None and column.shape != (n,):
            raise DataError(f"{n:,} items need as many values of {name}, not {len(column):,}")
    entries.check_items(x)
    if x.weight is not None:
        wrong = ~(np.isfinite(x.weight) & (x.weight > 0))
        if wrong.any():
            at = int(np.argmax(wrong))
            user, item = x.users[int(np.searchsorted(indptr, at, "right")) - 1], x.items[int(x.item[at])]
            raise DataError(f"the weight {x.weight[at]} of user {user!r} with item {item!r} is not a number above 0")
