"""Ratings sorted by visible unit, by counting: one pass over the entries, nothing in memory but the result."""

import numpy as np

from harmonium.kernels.jit import compiled
from harmonium.kernels.records import Layout


@compiled
def place_entries(indptr, visible, level, free, unit_case, unit_level, unit_rank):
    """Write every entry behind those of its unit so far; `free` (n_visible,) says where that is, and moves on."""
    for case in range(indptr.shape[0] - 1):
        for t in range(indptr[case], indptr[case + 1]):
            place = free[visible[t]]
            free[visible[t]] = place + 1
            unit_case[place], unit_level[place], unit_rank[place] = case, level[t], t - indptr[case]


def lay_out(indptr, visible, level, n_visible: int) -> Layout:
    """Sort ratings by case and by visible unit; see `reference.lay_out`."""
    n = len(visible)
    unit_indptr = np.zeros(n_visible + 1, np.int64)
    np.cumsum(np.bincount(visible, minlength=n_visible), out=unit_indptr[1:])
    mine = np.empty(n, np.int32), np.empty(n, np.uint8), np.empty(n, np.int32)
    place_entries(indptr, visible, level, unit_indptr[:-1].copy(), *mine)
    return Layout(indptr, visible, level, unit_indptr, *mine)
