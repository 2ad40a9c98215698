"""Batches of raw rows become `Ratings`, one batch in memory at a time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from harmonium.data.ratings import UNRATED, DuplicateEntryError, Ratings
from harmonium.data.scale import MAX_LEVELS, Scale
from harmonium.data.vocabulary import Vocabulary
from harmonium.errors import DataError


@dataclass(frozen=True)
class Batch:
    """Some rows of a source.

    Parameters
    ----------
    frame : polars.DataFrame
        user and item (Int64 or String), rating (Float64, where read), time (Int64 seconds, where read).
    place : callable
        Says where row k of the frame stands: "ratings.csv, line 4182".
    """

    frame: pl.DataFrame
    place: Callable[[int], str]


def assemble(batches: Iterable[Batch], scale: Scale | None, missing: str, duplicates: str) -> Ratings:
    """Encode every batch and build the matrix.

    Parameters
    ----------
    batches : iterable of Batch
    scale : Scale or None
        None infers it from the distinct values.
    missing : {"error", "seen", "drop"}
        What a row without a rating becomes.
    duplicates : {"error", "first", "last"}

    Returns
    -------
    Ratings

    Raises
    ------
    DataError
        With the place of the first wrong row.
    """
    builder = _Builder(Encoder(scale, missing))
    for batch in batches:
        builder.add(batch)
    return builder.build(duplicates)


class _Codes:
    """Numbers keys in the order they are first seen."""

    def __init__(self):
        self.known = pl.DataFrame(schema={"key": pl.Null, "code": pl.Int32})

    def encode(self, keys: pl.Series) -> np.ndarray:
        """Code of each key, int32 (n,)."""
        keys = keys.rename("key")
        n_known = len(self.known)
        if n_known == 0:
            self.known = pl.DataFrame(schema={"key": keys.dtype, "code": pl.Int32})
        codes = self._lookup(keys)
        if codes.null_count():
            fresh = keys.filter(codes.is_null()).unique()
            numbers = pl.Series("code", np.arange(n_known, n_known + len(fresh), dtype=np.int32))
            self.known = pl.concat([self.known, pl.DataFrame([fresh, numbers])])
            codes = self._lookup(keys)
        return codes.to_numpy()

    def _lookup(self, keys: pl.Series) -> pl.Series:
        return keys.to_frame().join(self.known, on="key", how="left", maintain_order="left")["code"]

    def vocabulary(self) -> tuple[Vocabulary, np.ndarray]:
        """The keys sorted, and the index of every code among them, int32 (n_keys,)."""
        by_key = self.known.sort("key")
        index = np.empty(len(by_key), dtype=np.int32)
        index[by_key["code"].to_numpy()] = np.arange(len(by_key), dtype=np.int32)
        keys = by_key["key"]
        return Vocabulary(keys.to_list() if keys.dtype == pl.String else keys.to_numpy()), index


@dataclass
class Encoder:
    """Turns batches into codes: of users, items and, while the scale is not known, of distinct rating values."""

    scale: Scale | None
    missing: str
    users: _Codes = field(default_factory=_Codes)
    items: _Codes = field(default_factory=_Codes)
    values: _Codes = field(default_factory=_Codes)

    def encode(self, batch: Batch) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Code the rows of a batch that are kept.

        Parameters
        ----------
        batch : Batch

        Returns
        -------
        columns : dict of arrays
            user and item int32, level uint8, and time int64 where read.
        rows : int64 array or None
            Which rows were kept; None for all.
        """
        frame = batch.frame
        self._check_keys(batch)
        rows = self.rated_rows(batch)
        if rows is not None:
            frame = frame[rows]
        columns = {"user": self.users.encode(frame["user"]), "item": self.items.encode(frame["item"])}
        columns["level"] = self._levels(frame, rows, batch.place)
        if "time" in frame.columns:
            columns["time"] = frame["time"].to_numpy()
        return columns, rows

    def final_scale(self) -> tuple[Scale, np.ndarray | None]:
        """The scale, and what the codes of distinct values become; None where they are levels already."""
        if self.scale is not None:
            return self.scale, None
        distinct = self.values.known["key"].to_numpy()
        scale = Scale.infer(distinct)
        table = np.full(UNRATED + 1, UNRATED, dtype=np.uint8)
        table[: len(distinct)] = scale.code(distinct)
        return scale, table

    def _check_keys(self, batch: Batch):
        for role, codes in (("user", self.users), ("item", self.items)):
            keys = batch.frame[role]
            if keys.null_count():
                raise DataError(f"{batch.place(_first(keys.is_null()))}: the {role} id is missing")
            if len(codes.known) and codes.known["key"].dtype != keys.dtype:
                raise DataError(
                    f"{batch.place(0)}: {role} id {keys[0]!r} differs in type from those before; "
                    'pass ids="text" to read all ids as text'
                )
        if "time" in batch.frame.columns and batch.frame["time"].null_count():
            at = batch.place(_first(batch.frame["time"].is_null()))
            raise DataError(f"{at}: the time is missing; pass time=False to leave times out")

    def rated_rows(self, batch: Batch) -> np.ndarray | None:
        """The rows to keep where rows without a rating are dropped; None keeps all."""
        if "rating" not in batch.frame.columns or self.missing == "seen":
            return None
        rated = ~np.isnan(_values(batch.frame))
        if rated.all():
            return None
        if self.missing == "drop":
            return np.flatnonzero(rated)
        at = batch.place(int(np.argmin(rated)))
        raise DataError(f'{at}: the rating is missing; pass missing="seen" or missing="drop"')

    def _levels(self, frame: pl.DataFrame, rows: np.ndarray | None, place: Callable) -> np.ndarray:
        """Level codes; codes of the distinct values while the scale is not known."""
        if "rating" not in frame.columns:
            self.scale = Scale.like() if self.scale is None else self.scale
            return np.full(len(frame), self.scale.n_levels - 1, dtype=np.uint8)
        values = _values(frame)
        rated = ~np.isnan(values)
        right = np.isfinite(values) if self.scale is None else self.scale.on_scale(values)
        if not right[rated].all():
            wrong = int(np.argmax(rated & ~right))
            scale = "a finite number" if self.scale is None else f"on the scale {self.scale.describe()}"
            at = place(wrong if rows is None else int(rows[wrong]))
            raise DataError(f"{at}: rating {values[wrong]:g} is not {scale}")
        level = np.full(len(values), UNRATED, dtype=np.uint8)
        level[rated] = self._distinct_codes(values[rated]) if self.scale is None else self.scale.code(values[rated])
        return level

    def _distinct_codes(self, values: np.ndarray) -> np.ndarray:
        codes = self.values.encode(pl.Series(values))
        if len(self.values.known) > MAX_LEVELS:
            Scale.infer(self.values.known["key"].to_numpy())  # says why these cannot be levels
        return codes


@dataclass
class _Builder:
    """Codes of all batches so far, and where their rows came from."""

    encoder: Encoder
    columns: dict[str, list[np.ndarray]] = field(default_factory=dict)
    places: list[tuple[np.ndarray | int, Callable[[int], str]]] = field(default_factory=list)

    def add(self, batch: Batch):
        if batch.frame.is_empty():
            return
        columns, rows = self.encoder.encode(batch)
        for name, column in columns.items():
            self.columns.setdefault(name, []).append(column)
        self.places.append((len(columns["user"]) if rows is None else rows, batch.place))

    def build(self, duplicates: str) -> Ratings:
        if not self.columns:
            raise DataError("there are no ratings in the source")
        scale, table = self.encoder.final_scale()
        level = self._take("level")
        level = level if table is None else table[level]
        users, user_rank = self.encoder.users.vocabulary()
        items, item_rank = self.encoder.items.vocabulary()
        user, item = user_rank[self._take("user")], item_rank[self._take("item")]
        time = self._take("time") if "time" in self.columns else None
        try:
            return Ratings.from_arrays(user, item, level, users, items, scale, time, duplicates)
        except DuplicateEntryError as error:
            first, second = self._place(error.first), self._place(error.second)
            raise twice(users[user[error.first]], items[item[error.first]], first, second) from None

    def _take(self, name: str) -> np.ndarray:
        """All batches of one column; they are given up, so that two copies never last."""
        return np.concatenate(self.columns.pop(name))

    def _place(self, entry: int) -> str:
        """Where an entry came from, by its number among all that were kept."""
        for rows, place in self.places:
            n_rows = rows if isinstance(rows, int) else len(rows)
            if entry < n_rows:
                return place(entry if isinstance(rows, int) else int(rows[entry]))
            entry -= n_rows
        raise IndexError(entry)


def twice(user: object, item: object, first: str, second: str) -> DataError:
    """The error of a pair that occurs in two places."""
    pair = f"user {user!r} and item {item!r}"
    return DataError(f'{second}: {pair} were already in {first}; pass duplicates="last" or duplicates="first"')


def _values(frame: pl.DataFrame) -> np.ndarray:
    """Rating values, float64 (n,), NaN where missing."""
    return frame["rating"].fill_null(float("nan")).to_numpy()


def _first(mask: pl.Series) -> int:
    return int(np.argmax(mask.to_numpy()))
