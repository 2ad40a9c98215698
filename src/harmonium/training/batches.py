"""Mini-batches of cases: ratings sorted both ways once, and anew by batch every epoch."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.data import Ratings
from harmonium.data.sorting import row_pointer, stable_order
from harmonium.kernels import backend
from harmonium.kernels.records import Layout


class Batch(NamedTuple):
    """One mini-batch: its cases, and its entries by visible unit."""

    cases: npt.NDArray[np.int32]  # (batch,)
    ptr: npt.NDArray[np.int64]  # (n_visible + 1,)
    case: npt.NDArray[np.int32]  # (batch entries,): positions in `cases`
    level: npt.NDArray[np.uint8]  # (batch entries,)
    slot: npt.NDArray[np.int32]  # (n_entries,): a rating's row among the batch's entries


def layout(cases: Ratings) -> Layout:
    """Sort ratings by case and by visible unit.

    Parameters
    ----------
    cases : Ratings
        One case a row.
    """
    order = stable_order(cases.item)
    order = np.arange(len(cases.item)) if order is None else order
    units = cases.item[order]
    return Layout(
        cases.indptr,
        cases.item,
        cases.level,
        row_pointer(units, cases.n_items),
        cases.user_of()[order],
        order,
    )


def epoch_batches(where: Layout, batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Mini-batches of one epoch: every case that has ratings once, in random order.

    Parameters
    ----------
    where : Layout
    batch_size : int
    rng : Generator
        One permutation is drawn.
    """
    n_cases = len(where.indptr) - 1
    busy = np.flatnonzero(np.diff(where.indptr)).astype(np.int32)
    order = rng.permutation(busy)
    batch_of, position = np.zeros(n_cases, np.int32), np.zeros(n_cases, np.int32)
    batch_of[order] = np.arange(len(order)) // batch_size
    position[order] = np.arange(len(order)) % batch_size
    n_batches = -(-len(order) // batch_size)
    plan = backend().schedule(where, batch_of, position, n_batches)
    for k in range(n_batches):
        span = slice(plan.origin[k], plan.origin[k + 1])
        yield Batch(
            order[k * batch_size : (k + 1) * batch_size], plan.ptr[k], plan.case[span], plan.level[span], plan.slot
        )
