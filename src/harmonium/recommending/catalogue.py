"""The items of a recommender as people name them: by id, by title, by genre and year."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.data import Titles, Vocabulary
from harmonium.errors import DataError, SettingError
from harmonium.training.settings import check_count

Mask = npt.NDArray[np.bool_]
Years = tuple[int | None, int | None]
N_LISTED = 30  # genres that an error lists
MOST_RATINGS = 1_000_000_000  # of one item


@final
@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items, found by id or title.

    Parameters
    ----------
    items : Vocabulary
    titles : Titles or None
        Over the same items.
    n_ratings : int64 array, (n_items,)
        Training ratings of each item.
    """

    items: Vocabulary
    titles: Titles | None
    n_ratings: npt.NDArray[np.int64]

    def index(self, raw: Any) -> int:
        """Index of an item by its id or, where that is unknown text, by its title.

        Parameters
        ----------
        raw : int or str
            An id as in the ratings, or a title as people type it (see `Titles.match`).

        Returns
        -------
        int

        Raises
        ------
        UnknownIdError
            Nothing has this id or title; the message names the nearest.
        AmbiguousTitleError
            Several titles fit.
        DataError
            It is neither a number nor text.
        """
        if type(raw) is int:
            return self.items.index(raw)
        is_text = isinstance(raw, str)
        if not is_text and (not isinstance(raw, Real) or isinstance(raw, bool | np.bool_)):
            raise DataError(f"an item is an id or a title, not {raw!r}, a {type(raw).__name__}")
        if is_text and self.titles is not None and raw not in self.items:
            return self.titles.match(raw)
        return self.items.index(raw)  # pyright: ignore[reportArgumentType]

    def indices(self, raws: Any) -> npt.NDArray[np.int64]:
        """Indices of several items, or of one.

        Parameters
        ----------
        raws : iterable of int or str, or one of them

        Returns
        -------
        int64 array, (n,)

        Raises
        ------
        UnknownIdError, AmbiguousTitleError, DataError
            As `index`.
        """
        return np.array([self.index(raw) for raw in listed(raws)], dtype=np.int64)

    def title(self, item: int) -> str:
        """Title of an item, or its id as text.

        Parameters
        ----------
        item : int
        """
        return str(self.items[item]) if self.titles is None else self.titles[item]

    def facts(self, item: int) -> dict[str, Any]:
        """What is known of an item: item_id, title, year, genres, n_ratings.

        Parameters
        ----------
        item : int
        """
        year = 0 if self.titles is None else int(self.titles.year[item])
        return {
            "item_id": self.items[item],
            "title": self.title(item),
            "year": year or None,
            "genres": () if self.titles is None else self.titles.genres[item],
            "n_ratings": int(self.n_ratings[item]),
        }

    def of_genres(self, genres: Iterable[str] | str) -> Mask:
        """Which items are of any of these genres, whatever the case: (n_items,).

        Parameters
        ----------
        genres : iterable of str, or str

        Raises
        ------
        SettingError
            No item is of such a genre; the message lists those there are.
        """
        mask = np.zeros(len(self.items), dtype=bool)
        for genre in listed(genres):
            found = self._genres.get(str(genre).casefold())
            if found is None:
                known = ", ".join(sorted(name for name, _ in self._genres.values())[:N_LISTED])
                raise SettingError(f"genres: {genre!r} is none of {known or 'these items, which have none'}")
            mask |= found[1]
        return mask

    def of_years(self, years: Years) -> Mask:
        """Which items are of these years, those of an unknown year left out: (n_items,).

        Parameters
        ----------
        years : (int or None, int or None)
            The first and the last year, both included; None leaves that end open.

        Raises
        ------
        SettingError
            They are no such pair, or no item's year is known.
        """
        first, last = _checked_years(years)
        if self.titles is None or not self.titles.year.any():
            raise SettingError(f"years: {years!r} cannot be asked for: the year of no item is known")
        year = self.titles.year
        since = year > 0 if first is None else (year > 0) & (year >= first)
        return since if last is None else since & (year <= last)

    def left_by(
        self,
        allow: Iterable[Any] | None,
        deny: Iterable[Any] | None,
        min_ratings: int,
        genres: Iterable[str] | None,
        years: Years | None,
    ) -> Mask:
        """Which items the filters of `Recommender.recommend` leave: (n_items,).

        Parameters
        ----------
        allow, deny : iterable of ids or titles, optional
        min_ratings : int
        genres : iterable of str, optional
        years : (int or None, int or None), optional

        Raises
        ------
        SettingError, UnknownIdError, AmbiguousTitleError
            A filter is out of range; an item is unknown, or a title fits several.
        """
        check_count("min_ratings", min_ratings, 0, MOST_RATINGS)
        mask = self.n_ratings >= min_ratings
        if allow is not None:
            allowed = np.zeros(len(self.items), dtype=bool)
            allowed[self.indices(allow)] = True
            mask &= allowed
        if deny is not None:
            mask[self.indices(deny)] = False
        if genres is not None:
            mask &= self.of_genres(genres)
        return mask if years is None else mask & self.of_years(years)

    @cached_property
    def _genres(self) -> dict[str, tuple[str, Mask]]:
        """By folded name: the name and which items are of it, (n_items,)."""
        found: dict[str, tuple[str, Mask]] = {}
        for item, genres in enumerate(() if self.titles is None else self.titles.genres):
            for genre in genres:
                found.setdefault(genre.casefold(), (genre, np.zeros(len(self.items), dtype=bool)))[1][item] = True
        return found


def listed(values: Any) -> list[Any]:
    """Several values as a list; one number or text is a list of one.

    Parameters
    ----------
    values : iterable, number or str

    Raises
    ------
    DataError
        It is none of these.
    """
    if isinstance(values, str | Real):
        return [values]
    if not isinstance(values, Iterable):
        raise DataError(f"{values!r} is not a list of ids, titles or genres")
    return list(values)


def _checked_years(years: Any) -> Years:
    good = isinstance(years, tuple | list) and len(years) == 2
    good = good and all(year is None or (hasattr(year, "__index__") and not isinstance(year, bool)) for year in years)
    if not good or (None not in years and years[0] > years[1]):
        raise SettingError(f"years: {years!r} is not a pair (first, last) of rising years, None for an open end")
    return years[0], years[1]
