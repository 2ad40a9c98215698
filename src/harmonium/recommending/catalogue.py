"""The catalogue: finding items by id or lenient title, reading histories, applying filters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data import Scale, Titles, Vocabulary
from harmonium.errors import DataError, SettingError, UnknownIdError
from harmonium.recommending.records import History

Id = int | str


@final
@dataclass(frozen=True)
class Catalogue:
    """Items with their titles and the scale people rate them on.

    Parameters
    ----------
    items : Vocabulary
    scale : Scale
    titles : Titles or None
        Aligned to `items`.
    """

    items: Vocabulary
    scale: Scale
    titles: Titles | None

    def find(self, item: Id) -> int:
        """Index of an item given by its id, or else by its title, matched leniently.

        Parameters
        ----------
        item : int or str
            "matrix" finds "Matrix, The (1999)".

        Raises
        ------
        UnknownIdError
            Nothing fits; the message names what is nearest.
        AmbiguousTitleError
            Several titles fit; the error lists them.
        """
        if isinstance(item, np.generic):
            item = item.item()
        if isinstance(item, bool) or not isinstance(item, int | str):
            raise UnknownIdError(f"{item!r} is neither an id nor a title")
        if item in self.items:
            return self.items.index(item)
        if isinstance(item, str) and self.titles is not None:
            return self.titles.match(item)
        return self.items.index(item)

    def find_all(self, items: Iterable[Id]) -> npt.NDArray[np.int64]:
        """Indices of several items, in their order.

        Parameters
        ----------
        items : iterable of int or str
        """
        if isinstance(items, str):
            items = [items]
        return np.array([self.find(item) for item in items], dtype=np.int64)

    def name(self, index: int) -> str:
        """Title of an item; its id where there are no titles.

        Parameters
        ----------
        index : int
        """
        return self.titles[index] if self.titles is not None else str(self.items[index])

    def history(self, rated: Any) -> History:
        """Read someone's ratings.

        Parameters
        ----------
        rated : History, mapping or iterable of pairs
            From id or title to rating; None means seen, not rated.

        Raises
        ------
        DataError
            A rating is off the scale, or an item occurs twice.
        """
        if isinstance(rated, History):
            return rated
        pairs = list(rated.items() if isinstance(rated, Mapping) else rated)
        index, level = [], []
        for pair in pairs:
            if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
                raise DataError(f"history: {pair!r} is not a pair of item and rating; give {{item: rating}}")
            index.append(self.find(pair[0]))
            level.append(self._code(*pair))
        self._check_once(index)
        order = np.argsort(index, kind="stable")
        return History(np.array(index, np.int64)[order], np.array(level, np.uint8)[order])

    def _code(self, item: Id, rating: float | None) -> int:
        if rating is None:
            return UNRATED
        try:
            value = float(rating)
        except (TypeError, ValueError):
            raise DataError(f"history: the rating {rating!r} of {item!r} is not a number") from None
        if not self.scale.on_scale(np.array([value])).all():
            raise DataError(f"history: the rating {rating:g} of {item!r} is not on the scale {self.scale.describe()}")
        return int(self.scale.code(np.array([value]))[0])

    def _check_once(self, index: list[int]) -> None:
        values, counts = np.unique(np.array(index, np.int64), return_counts=True)
        if (counts > 1).any():
            raise DataError(f"history: {self.name(int(values[counts > 1][0]))!r} occurs twice; keep one rating")

    def allowed(
        self,
        seen: npt.NDArray[np.int64],
        allow: Iterable[Id] | None,
        deny: Iterable[Id] | None,
        genres: Iterable[str] | None,
        years: tuple[int | None, int | None] | None,
    ) -> npt.NDArray[np.bool_]:
        """Which items may be recommended: bool (n_items,).

        Parameters
        ----------
        seen : int array
            Never recommended.
        allow, deny : iterable of int or str, optional
            Only these; none of these.
        genres : iterable of str, optional
            Only items of one of these.
        years : (from, to), optional
            Only items of these years, either end open when None; items of unknown year are left out.
        """
        mask = np.ones(len(self.items), bool)
        if allow is not None:
            mask[:] = False
            mask[self.find_all(allow)] = True
        if deny is not None:
            mask[self.find_all(deny)] = False
        if genres is not None or years is not None:
            mask &= self._of_kind(genres, years)
        mask[seen] = False
        return mask

    def _of_kind(
        self, genres: Iterable[str] | None, years: tuple[int | None, int | None] | None
    ) -> npt.NDArray[np.bool_]:
        if self.titles is None:
            raise SettingError("genres, years: this model has no titles, so nothing is known of genres and years")
        mask = np.ones(len(self.items), bool)
        if genres is not None:
            wanted = {self._genre(genre) for genre in ([genres] if isinstance(genres, str) else genres)}
            mask &= np.fromiter((not wanted.isdisjoint(of) for of in self.titles.genres), bool, len(mask))
        if years is not None:
            low, high = years
            year = self.titles.year
            mask &= (year > 0) & (year >= (low or 0)) & (year <= (high or np.iinfo(year.dtype).max))
        return mask

    def _genre(self, genre: str) -> str:
        assert self.titles is not None
        known = {name.casefold(): name for of in self.titles.genres for name in of}
        if genre.casefold() not in known:
            raise UnknownIdError(f"genre {genre!r} is not known; there are {', '.join(sorted(known.values()))}")
        return known[genre.casefold()]
