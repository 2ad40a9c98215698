"""A person's history: what they rated and how, from what people write to indices and level codes."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Scale, Vocabulary
from harmonium.errors import DataError
from harmonium.recommending.catalogue import Catalogue

PAIR = (tuple, list)


@final
@dataclass(frozen=True, eq=False, repr=False)
class History:
    """What one person rated; a prediction is a function of it alone.

    Parameters
    ----------
    item : int64 array, (n,)
        Item indices, each once.
    level : uint8 array, (n,)
        Level codes; UNRATED for seen, not rated.
    items : Vocabulary
        What the indices refer to.
    """

    item: npt.NDArray[np.int64]
    level: npt.NDArray[np.uint8]
    items: Vocabulary

    def __post_init__(self) -> None:
        for array in (self.item, self.level):
            array.flags.writeable = False

    @classmethod
    def nothing(cls, items: Vocabulary) -> "History":
        """The history of someone of whom nothing is known.

        Parameters
        ----------
        items : Vocabulary
        """
        return cls(np.zeros(0, np.int64), np.zeros(0, np.uint8), items)

    @property
    def n_rated(self) -> int:
        """How many of the items are rated, not only seen."""
        return int(np.count_nonzero(self.level != UNRATED))

    def __len__(self) -> int:
        return len(self.item)

    def __repr__(self) -> str:
        return f"History({self.n_rated} rated, {len(self) - self.n_rated} only seen)"

    def without(self, position: int) -> "History":
        """Leave one entry out.

        Parameters
        ----------
        position : int
            Among the entries, not an item index.
        """
        return History(np.delete(self.item, position), np.delete(self.level, position), self.items)

    def less_each(self) -> list["History"]:
        """The history without each of its entries in turn."""
        return [self.without(position) for position in range(len(self))]


def read_history(entries: Any, catalogue: Catalogue, scale: Scale) -> History:
    """Bring ratings in people's words to indices and level codes.

    Parameters
    ----------
    entries : mapping, iterable of pairs, or Ratings
        Ids or titles with their ratings, None for seen, not rated; or the `Ratings` of one user.
    catalogue : Catalogue
    scale : Scale

    Returns
    -------
    History

    Raises
    ------
    UnknownIdError, AmbiguousTitleError
        An item is unknown, or a title fits several.
    DataError
        A rating is not on the scale, an item occurs twice, or the entries are no such thing.
    """
    pairs = _pairs(entries)
    item = np.array([catalogue.index(raw) for raw, _ in pairs], dtype=np.int64)
    level = _codes(pairs, scale)
    if len(set(item.tolist())) < len(item):
        _, first = np.unique(item, return_index=True)
        again = int(np.setdiff1d(np.arange(len(item)), first)[0])
        raise DataError(f"{catalogue.title(int(item[again]))!r} is in the history twice; keep one rating of it")
    return History(item, level, catalogue.items)


def _pairs(entries: Any) -> list[tuple[Any, Any]]:
    if isinstance(entries, Ratings):
        return _pairs_of_one_user(entries)
    if isinstance(entries, str | bytes) or not isinstance(entries, Iterable):
        raise DataError(f"a history is a mapping of items to ratings, or pairs of them, not {entries!r}")
    pairs = list(entries.items()) if isinstance(entries, Mapping) else list(entries)
    for position, pair in enumerate(pairs):
        if not isinstance(pair, PAIR) or len(pair) != 2:
            raise DataError(f"history, entry {position}: {pair!r} is not a pair of an item and its rating")
    return pairs


def _pairs_of_one_user(ratings: Ratings) -> list[tuple[Any, Any]]:
    users = np.flatnonzero(np.diff(ratings.indptr))
    if len(users) > 1:
        raise DataError(f"a history is of one person; these ratings are of {len(users):,}: pick one by rows([user])")
    return [(ratings.items[item], rating) for item, rating in zip(ratings.item.tolist(), ratings.values().tolist())]


def _codes(pairs: list[tuple[Any, Any]], scale: Scale) -> npt.NDArray[np.uint8]:
    """Level code of each pair's rating, all looked up at once."""
    value = np.array([_number(raw, rating) for raw, rating in pairs])
    level = np.full(len(pairs), UNRATED, dtype=np.uint8)
    rated = np.flatnonzero(~np.isnan(value))
    if len(rated):
        try:
            level[rated] = scale.code(value[rated])
        except DataError:
            raw, rating = pairs[int(rated[~scale.on_scale(value[rated])][0])]
            raise DataError(f"{raw!r}: rating {float(rating):g} is not on the scale {scale.describe()}") from None
    return level


def _number(raw: Any, rating: Any) -> float:
    """A rating as a float, NaN for none."""
    if type(rating) is float:
        return rating
    if rating is None:
        return math.nan
    if not isinstance(rating, Real) or isinstance(rating, bool | np.bool_):
        raise DataError(f"{raw!r}: the rating {rating!r} is not a number; for seen but not rated pass None")
    return float(rating)
