"""Sums of scaled rows, and rows times a vector: what nearly all arithmetic of the rating machine is.

Rows are parts of a flat array, given by where they start, so that a row costs neither a view nor a copy. A sum is
taken over all rows for one tile of hidden units at a time, the tile's sum staying in registers: see `vectors`.
"""

import numpy as np

from harmonium.kernels.constants import LANES
from harmonium.kernels.jit import inlined
from harmonium.kernels.vectors import TILES, filler, item, loader, put, store, store_totals

f32 = np.float32
AT_ONCE = 8  # rows that `dot_rows` takes together: row lists are padded to a multiple of it


def over_tiles(make):
    """Return a function (j, n, ...) that applies make(lanes)(j, ...) to tiles that cover j..n; returns where it ends.

    Parameters
    ----------
    make : callable
        Returns the compiled function of one tile of so many lanes.
    """

    @inlined
    def nothing(j, n, *args):
        return j

    over = nothing
    for lanes in reversed(TILES):
        over = _before(make(lanes), lanes, over)
    return over


def _before(tile, lanes, narrower):
    @inlined
    def over(j, n, *args):
        while j + lanes <= n:
            tile(j, *args)
            j += lanes
        return narrower(j, n, *args)

    return over


def _sum_tile(lanes):
    load = loader(lanes)

    @inlined
    def sum_tile(j, out, base, data, shift, rows, scale, first, last):
        total = load(base, j)
        for t in range(first, last):
            total = total + item(scale, t) * load(data, shift + item(rows, t) + j)
        store(out, j, total)

    return sum_tile


_sum_tiles = over_tiles(_sum_tile)


@inlined
def sum_rows(out, base, data, shift, rows, scale, first, last):
    """out = base + sum over first <= t < last of scale[t] * data.flat[shift + rows[t] :][: len(out)].

    `out` may be `base`.
    """
    n = out.shape[0]
    whole = _sum_tiles(0, n, out, base, data, shift, rows, scale, first, last)
    for j in range(whole, n):  # nothing where rows are padded, as in training
        total = base[j]
        for t in range(first, last):
            total += item(scale, t) * item(data, shift + item(rows, t) + j)
        out[j] = total


_load, _fill = loader(LANES), filler(LANES)


@inlined
def dot_rows(z, start, data, shift, rows, h, first, last):
    """z.flat[start + t] = data.flat[shift + rows[t] :][: len(h)] . h, for t from first to last, eight at a time."""
    n = h.shape[0]
    whole = n - n % LANES
    for t in range(first, last, AT_ONCE):
        ra, rb, rc, rd = item(rows, t), item(rows, t + 1), item(rows, t + 2), item(rows, t + 3)
        re, rf, rg, rh = item(rows, t + 4), item(rows, t + 5), item(rows, t + 6), item(rows, t + 7)
        a = b = c = d = e = f = g = i = _fill(f32(0))
        for k in range(0, whole, LANES):
            x, j = _load(h, k), shift + k
            a, b = a + x * _load(data, ra + j), b + x * _load(data, rb + j)
            c, d = c + x * _load(data, rc + j), d + x * _load(data, rd + j)
            e, f = e + x * _load(data, re + j), f + x * _load(data, rf + j)
            g, i = g + x * _load(data, rg + j), i + x * _load(data, rh + j)
        store_totals(z, start + t, a, b, c, d, e, f, g, i)
        if whole < n:
            for s in range(t, t + AT_ONCE):
                total = item(z, start + s)
                for j in range(whole, n):
                    total += h[j] * item(data, shift + item(rows, s) + j)
                put(z, start + s, total)
