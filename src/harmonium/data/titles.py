"""What people call the items: titles, years and genres."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np

from harmonium.data._matching import (
    TrigramIndex,
    names_of,
    normalise,
    split_year,
    typed_year,
    without_article,
)
from harmonium.data.vocabulary import Vocabulary, pack_text, unpack_text
from harmonium.errors import AmbiguousTitleError, DataError, UnknownIdError

GENRE_SEPARATOR = "|"
YEAR_BONUS = 0.5  # a title of the year typed, against one of another year


@final
@dataclass(frozen=True, repr=False)
class Titles:
    """Titles by item index.

    Parameters
    ----------
    ids : Vocabulary
        The items.
    title : tuple of str, (n_items,)
        As in the source, with its year: "Matrix, The (1999)".
    year : int array, (n_items,)
        0 where unknown.
    genres : tuple of tuple of str, (n_items,)

    Raises
    ------
    DataError
        The lengths differ.
    """

    ids: Vocabulary
    title: tuple[str, ...]
    year: np.ndarray
    genres: tuple[tuple[str, ...], ...]

    def __post_init__(self):
        year = np.array(self.year, dtype=np.int64)
        year.setflags(write=False)
        object.__setattr__(self, "year", year)
        if not len(self.ids) == len(self.title) == len(year) == len(self.genres):
            raise DataError(
                f"{len(self.ids)} items need as many titles, years and genres, "
                f"not {len(self.title)}, {len(year)} and {len(self.genres)}"
            )

    @classmethod
    def from_rows(
        cls, ids: Sequence[int | str], title: Sequence[str], genres: Sequence[Sequence[str]] | None = None
    ) -> "Titles":
        """Build from rows in any order; the year is taken from the end of the title.

        Parameters
        ----------
        ids : sequence of int or str, (n_items,)
        title : sequence of str, (n_items,)
        genres : sequence of sequences of str, (n_items,), optional

        Returns
        -------
        Titles

        Raises
        ------
        DataError
            An id occurs twice.
        """
        vocabulary = Vocabulary.from_ids(ids)
        if len(vocabulary) < len(ids):
            seen = set()
            twice = next(raw for raw in ids if raw in seen or seen.add(raw))
            raise DataError(f"item {twice!r} has two titles; keep one")
        order = np.argsort(vocabulary.indices(ids))
        named = tuple(str(title[k]) for k in order)
        listed = tuple(tuple(map(str, genres[k])) if genres is not None else () for k in order)
        years = np.array([split_year(name)[1] for name in named], dtype=np.int64)
        return cls(vocabulary, named, years, listed)

    def __len__(self) -> int:
        return len(self.title)

    def __getitem__(self, item: int) -> str:
        return self.title[item]

    def __repr__(self) -> str:
        return f"Titles({len(self):,} items, {len(set().union(*self.genres)) if self.genres else 0} genres)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Titles):
            return NotImplemented
        return (self.ids, self.title, self.genres) == (
            other.ids,
            other.title,
            other.genres,
        ) and np.array_equal(self.year, other.year)

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # equality compares every title

    def aligned_to(self, items: Vocabulary) -> "Titles":
        """The titles of these items in their order; an item without one is called by its id.

        Parameters
        ----------
        items : Vocabulary

        Returns
        -------
        Titles
        """
        found = self.ids.indices(list(items), unknown=-1)
        return Titles(
            items,
            tuple(self.title[k] if k >= 0 else str(raw) for k, raw in zip(found, items)),
            np.array([self.year[k] if k >= 0 else 0 for k in found], dtype=np.int64),
            tuple(self.genres[k] if k >= 0 else () for k in found),
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays to store; the vocabulary is stored by itself.

        Returns
        -------
        dict of str to array
            title_text, title_offsets, genres_text, genres_offsets and year.
        """
        title = pack_text(self.title)
        genres = pack_text(GENRE_SEPARATOR.join(listed) for listed in self.genres)
        return {
            "title_text": title["text"],
            "title_offsets": title["offsets"],
            "genres_text": genres["text"],
            "genres_offsets": genres["offsets"],
            "year": self.year,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], ids: Vocabulary) -> "Titles":
        """Rebuild titles from `to_arrays`.

        Parameters
        ----------
        arrays : mapping of str to array
        ids : Vocabulary

        Returns
        -------
        Titles

        Raises
        ------
        DataError
            The arrays are not those of titles.
        """
        stored = {}
        for name in ("title", "genres"):
            parts = {part: arrays[f"{name}_{part}"] for part in ("text", "offsets") if f"{name}_{part}" in arrays}
            stored[name] = unpack_text(parts)
        if "year" not in arrays:
            raise DataError("stored titles are incomplete: array 'year' is missing")
        genres = tuple(tuple(joined.split(GENRE_SEPARATOR)) if joined else () for joined in stored["genres"])
        return cls(ids, stored["title"], arrays["year"], genres)

    def match(self, text: str, *, n_candidates: int = 8) -> int:
        """The one item that a person means; case, accents, punctuation and the article's place do not matter.

        Parameters
        ----------
        text : str
            A title, with or without its year.
        n_candidates : int, default 8
            How many titles an error lists.

        Returns
        -------
        int
            Item index.

        Raises
        ------
        AmbiguousTitleError
            Several titles fit equally well; `candidates` lists them with their years.
        UnknownIdError
            None fits; the message names the nearest.

        Notes
        -----
        The first rule that any title meets decides: the whole title as it stands; a whole name; the name but for its
        article; the beginning of the name; words within the name. With a year, only items of that year count.
        """
        whole = self._whole.get(normalise(text), [])
        if len(whole) > 1:
            raise self._ambiguous(text, whole, n_candidates)
        if whole:
            return whole[0]
        readings = [(text, 0)]
        if typed_year(text) != (text, 0):
            readings.append(typed_year(text))
        for name, year in readings if normalise(text) else ():
            for rule in (self._named, self._named_bare, self._beginning, self._holding):
                found = [item for item in rule(normalise(name)) if not year or self.year[item] == year]
                if len(found) == 1:
                    return found[0]
                if found:
                    raise self._ambiguous(text, found, n_candidates)
        raise self._unknown(text, n_candidates)

    def search(self, text: str, n: int = 10) -> list[int]:
        """Items whose titles are nearest to a text, typing errors allowed.

        Parameters
        ----------
        text : str
        n : int, default 10

        Returns
        -------
        list of int
            Item indices, best first; empty when nothing is near.
        """
        name, year = typed_year(text)
        wanted = without_article(normalise(name))
        if not wanted or not len(self):
            return []
        owners = self._names[0]
        scored = self._trigrams.nearest(wanted, 4 * n)  # an item can have several names
        best = {}
        for position, score in scored:
            item = owners[position]
            best[item] = max(best.get(item, 0.0), score + YEAR_BONUS * (year > 0 and self.year[item] == year))
        return sorted(best, key=lambda item: (-best[item], item))[:n]

    @cached_property
    def _names(self) -> tuple[list[int], list[str], list[str]]:
        """Item, normalised name, and that name without its article, of every name of every item."""
        owners, names = [], []
        for item, title in enumerate(self.title):
            for name in names_of(title):
                owners.append(item)
                names.append(name)
        return owners, names, [without_article(name) for name in names]

    @cached_property
    def _whole(self) -> dict[str, list[int]]:
        """Items by their normalised title, other names and year included."""
        found: dict[str, list[int]] = {}
        for item, title in enumerate(self.title):
            found.setdefault(normalise(title), []).append(item)
        return found

    @cached_property
    def _trigrams(self) -> TrigramIndex:
        return TrigramIndex(self._names[2])

    def _named(self, name: str) -> list[int]:
        owners, names, _ = self._names
        return _unique(item for item, known in zip(owners, names) if known == name)

    def _named_bare(self, name: str) -> list[int]:
        owners, _, bare = self._names
        return _unique(item for item, known in zip(owners, bare) if known == without_article(name))

    def _beginning(self, name: str) -> list[int]:
        owners, _, bare = self._names
        start = f"{without_article(name)} "
        return _unique(item for item, known in zip(owners, bare) if known.startswith(start))

    def _holding(self, name: str) -> list[int]:
        owners, names, _ = self._names
        return _unique(item for item, known in zip(owners, names) if f" {name} " in f" {known} ")

    def _ambiguous(self, text: str, found: list[int], n_candidates: int) -> AmbiguousTitleError:
        shown = [self.title[item] for item in found[:n_candidates]]
        way_out = "add the year or more words"
        if len(set(shown)) < len(shown):  # only their ids tell them apart
            shown = [f"{title} [id {self.ids[item]}]" for item, title in zip(found, shown)]
            way_out = "give the id"
        more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
        message = f"{text!r} fits {len(found)} titles: {'; '.join(shown)}{more}; {way_out}"
        return AmbiguousTitleError(message, tuple(shown))

    def _unknown(self, text: str, n_candidates: int) -> UnknownIdError:
        nearest = "; ".join(self.title[item] for item in self.search(text, n_candidates))
        return UnknownIdError(f"no title fits {text!r}; the nearest: {nearest or 'none'}")


def _unique(items: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(items))


def read_titles(path: str | os.PathLike[str]) -> Titles:
    """Read titles, years and genres.

    Parameters
    ----------
    path : path
        MovieLens movies.csv, movies.dat (``::``, latin-1) or u.item (bars, latin-1); or a CSV or Parquet file
        with an item and a title column, and perhaps genres separated by bars. Text may end in .gz or .zst.

    Returns
    -------
    Titles

    Raises
    ------
    DataError
        With file and line.
    """
    from harmonium.data._title_files import title_rows

    return Titles.from_rows(*title_rows(Path(path)))
