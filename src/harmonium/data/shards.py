"""Ratings as ranges of rows, of which one is in memory at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.data.folders import open_folder, read_header, read_span, unchecked
from harmonium.data.ratings import Ratings
from harmonium.data.scale import Scale
from harmonium.data.vocabulary import Vocabulary

Ints = npt.NDArray[np.integer]


@final
class Shards:
    """Ranges of consecutive rows of some ratings; iterating reads one after the other.

    Parameters
    ----------
    ratings : Ratings
        All of them: in memory, or mapped from a folder.
    ends : int array, (n_shards + 1,), optional
        Where the ranges begin, and the number of rows; one range when None.
    folder : Path, optional
        Read ranges from this folder instead of taking views, so that what is held does not grow.
    """

    def __init__(self, ratings: Ratings, ends: Ints | None = None, folder: Path | None = None):
        self.ratings, self.folder = ratings, folder
        self.ends = np.array([0, ratings.n_users] if ends is None else ends, np.int64)
        self._n_ratings = None if folder is None else int(read_header(folder)["n_ratings"])

    @classmethod
    def of_folder(cls, folder: Path, ends: Ints | None = None) -> "Shards":
        """Ranges of a folder of ratings.

        Parameters
        ----------
        folder : Path
        ends : int array, (n_shards + 1,), optional
        """
        return cls(open_folder(folder), ends, folder)

    @property
    def scale(self) -> Scale:
        """Scale of the ratings."""
        return self.ratings.scale

    @property
    def n_items(self) -> int:
        """Number of columns."""
        return self.ratings.n_items

    @property
    def n_entries(self) -> int:
        """Entries of all shards."""
        return self.ratings.n_entries

    @property
    def n_ratings(self) -> int:
        """Rated entries of all shards."""
        return self.ratings.n_ratings if self._n_ratings is None else self._n_ratings

    @property
    def entry_ends(self) -> npt.NDArray[np.int64]:
        """Where the entries of each shard begin, and their number: (n_shards + 1,)."""
        return self.ratings.indptr[self.ends]

    @property
    def in_memory(self) -> bool:
        """Whether there is one shard, which is in memory anyway."""
        return len(self) == 1 and self.folder is None

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __iter__(self) -> Iterator[Ratings]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, k: int) -> Ratings:
        if self.in_memory and k == 0:
            return self.ratings
        ratings, rows = self.ratings, slice(self.ends[k], self.ends[k + 1])
        first, last = (int(end) for end in self.entry_ends[k : k + 2])
        indptr = ratings.indptr[self.ends[k] : self.ends[k + 1] + 1] - first
        indptr.flags.writeable = False
        columns = {
            name: None if (column := getattr(ratings, name)) is None else self._span(name, column, first, last)
            for name in ("item", "level", "time")
        }
        users = Vocabulary(ratings.users.ids[rows])
        return unchecked(indptr=indptr, **columns, users=users, items=ratings.items, scale=ratings.scale)

    def n_busy(self, k: int) -> int:
        """Rows of a shard that have entries.

        Parameters
        ----------
        k : int
        """
        return int(np.count_nonzero(np.diff(self.ratings.indptr[self.ends[k] : self.ends[k + 1] + 1])))

    def _span(self, name: str, column: npt.NDArray, first: int, last: int) -> npt.NDArray:
        return column[first:last] if self.folder is None else read_span(self.folder, name, first, last)


def even_ends(counts: Ints, most: int) -> npt.NDArray[np.int64]:
    """Cut rows into ranges of at most so many entries, each as full as it can be, a longer row alone in its own.

    Parameters
    ----------
    counts : int array, (n_rows,)
        Entries of each row.
    most : int

    Returns
    -------
    int64 array, (n_ranges + 1,)
        From 0 to n_rows; one range at least.
    """
    total = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    ends = [0]
    while ends[-1] < len(counts):
        fits = int(np.searchsorted(total, total[ends[-1]] + most, side="right")) - 1
        ends.append(max(fits, ends[-1] + 1))
    return np.array(ends if len(ends) > 1 else [0, 0], np.int64)
