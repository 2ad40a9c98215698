"""Mini-batches of cases: ratings sorted both ways once, and anew by batch every epoch."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.data import Ratings
from harmonium.data.shards import Shards
from harmonium.kernels import backend
from harmonium.kernels.records import Layout


class Batch(NamedTuple):
    """One mini-batch: its cases, and its entries by visible unit."""

    cases: npt.NDArray[np.int32]  # (batch,)
    ptr: npt.NDArray[np.int64]  # (n_visible + 1,)
    case: npt.NDArray[np.int32]  # (batch entries,): positions in `cases`
    level: npt.NDArray[np.uint8]  # (batch entries,)
    place: npt.NDArray[np.int32]  # (batch entries,): positions among the batch's entries in the order of cases


class Chunk(NamedTuple):
    """Some of an epoch's cases, laid out when their turn comes: all of them, or as many as memory is to hold."""

    n_busy: int  # cases that have entries
    first_entry: int  # where its entries begin among those of all chunks: whose persistent chains are kept together
    load: Callable[[], Layout]

    @classmethod
    def all_of(cls, cases: Shards) -> list["Chunk"]:
        """One chunk a shard; cases in memory are laid out once, others anew each time.

        Parameters
        ----------
        cases : Shards
        """
        if cases.in_memory:
            return [cls.of(layout(cases[0]))]
        starts = cases.entry_ends.tolist()
        return [cls(cases.n_busy(k), starts[k], lambda k=k: layout(cases[k])) for k in range(len(cases))]

    @classmethod
    def of(cls, where: Layout) -> "Chunk":
        """The only chunk, of cases that stay in memory.

        Parameters
        ----------
        where : Layout
        """
        return cls(int((np.diff(where.indptr) > 0).sum()), 0, lambda: where)

    def n_batches(self, batch_size: int) -> int:
        """Number of mini-batches.

        Parameters
        ----------
        batch_size : int
            Cases of one, the last of the chunk being what is left.
        """
        return -(-self.n_busy // batch_size)


def layout(cases: Ratings) -> Layout:
    """Sort ratings by case and by visible unit.

    Parameters
    ----------
    cases : Ratings
        One case a row.
    """
    return backend().lay_out(cases.indptr, cases.item, cases.level, cases.n_items)


def epoch_batches(where: Layout, batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Mini-batches of one epoch: every case that has ratings once, in random order.

    Parameters
    ----------
    where : Layout
    batch_size : int
    rng : Generator
        One permutation is drawn.
    """
    busy = np.flatnonzero(np.diff(where.indptr)).astype(np.int32)
    order = rng.permutation(busy)
    plan = backend().schedule(where, order, batch_size)
    for k in range(len(plan.ptr)):
        span = slice(plan.origin[k], plan.origin[k + 1])
        cases = order[k * batch_size : (k + 1) * batch_size]
        yield Batch(cases, plan.ptr[k], plan.case[span], plan.level[span], plan.place[span])
