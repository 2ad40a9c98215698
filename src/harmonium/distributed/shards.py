"""Shards: which cases a worker holds, numbered as all cases are, so that a case draws the same wherever it is."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.data import Ratings
from harmonium.kernels.records import Layout
from harmonium.training.batches import layout

Ints = npt.NDArray[np.integer]


@final
@dataclass(eq=False)
class Shard:
    """The cases first..last of a machine for ratings, or of one chunk of its cases.

    Parameters
    ----------
    cases : Ratings
        All rows, those of other workers empty: the row pointer costs 8 bytes a case.
    first, last : int
    busy : int32 array
        Cases of all workers that have entries: the epoch's order is a permutation of them.
    """

    cases: Ratings
    first: int
    last: int
    busy: npt.NDArray[np.int32]

    @cached_property
    def where(self) -> Layout:
        """The cases as kernels take them."""
        return layout(self.cases)


def edges(indptr: Ints, n_workers: int) -> list[int]:
    """Cut cases into contiguous parts of about as many entries: where they begin, and where the last one ends.

    Parameters
    ----------
    indptr : int array, (n_cases + 1,)
    n_workers : int

    Returns
    -------
    list of int, (n_workers + 1,)
        Parts may be empty where there are few cases.
    """
    marks = np.searchsorted(indptr, int(indptr[-1]) * np.arange(1, n_workers) / n_workers)
    return [0, *np.clip(marks, 0, len(indptr) - 1).tolist(), len(indptr) - 1]


def part(ratings: Ratings, first: int, last: int) -> Ratings:
    """Rows first..last of ratings, at their place: all other rows are empty.

    Parameters
    ----------
    ratings : Ratings
    first, last : int
    """
    lo, hi = int(ratings.indptr[first]), int(ratings.indptr[last])
    indptr = np.clip(ratings.indptr, lo, hi) - lo
    return replace(ratings, indptr=indptr, item=ratings.item[lo:hi], level=ratings.level[lo:hi], time=None)


def shard_of(ratings: Ratings, cut: list[int], rank: int) -> Shard:
    """One worker's shard.

    Parameters
    ----------
    ratings : Ratings
        Of all.
    cut : list of int
        From `edges`.
    rank : int
    """
    first, last = cut[rank], cut[rank + 1]
    busy = np.flatnonzero(np.diff(ratings.indptr)).astype(np.int32)
    return Shard(part(ratings, first, last), first, last, busy)


def even(n: int, n_workers: int) -> list[int]:
    """Cut rows into contiguous parts of about the same number; see `edges`.

    Parameters
    ----------
    n, n_workers : int
    """
    return [n * k // n_workers for k in range(n_workers + 1)]
