"""The second pass of the CPU backend in two: gradients of visible units as rows of a matrix, and the step along them.

Between the two the rows can be added up over workers. `cpu_units` does both at once, which saves writing them.
"""

import numpy as np

from harmonium.kernels.constants import LANES
from harmonium.kernels.cpu_math import longest
from harmonium.kernels.cpu_sums import over_tiles
from harmonium.kernels.cpu_units import CHUNK, bias_step, factors, residuals, step_tile
from harmonium.kernels.jit import compiled, inlined
from harmonium.kernels.vectors import filler, item, loader, put, store

f32 = np.float32


def _pair_tile(lanes):
    load, fill = loader(lanes), filler(lanes)

    @inlined
    def pair_tile(j, at, other_at, mine, H0, n0, H1, n1, out):
        """Gradient of tile j of two rows of weights, written where `at` and `other_at` say."""
        rows0, alpha, other_alpha, rows1, beta, other_beta, alone = mine
        g = other_g = fill(f32(0))
        for t in range(n1):
            h = load(H1, item(rows1, t) + j)
            g, other_g = g + item(beta, t) * h, other_g + item(other_beta, t) * h
        if alone:
            for t in range(n0):
                other_g = other_g + item(other_alpha, t) * load(H0, item(rows0, t) + j)
        else:
            for t in range(n0):
                h = load(H0, item(rows0, t) + j)
                g, other_g = g + item(alpha, t) * h, other_g + item(other_alpha, t) * h
        store(out, at + j, g)
        store(out, other_at + j, other_g)

    return pair_tile


def _single_tile(lanes):
    load, fill = loader(lanes), filler(lanes)

    @inlined
    def single_tile(j, at, mine, H0, n0, H1, n1, out):
        """Gradient of tile j of one row of weights, written where `at` says."""
        rows0, alpha, rows1, beta = mine
        g = fill(f32(0))
        for t in range(n1):
            g = g + item(beta, t) * load(H1, item(rows1, t) + j)
        for t in range(n0):
            g = g + item(alpha, t) * load(H0, item(rows0, t) + j)
        store(out, at + j, g)

    return single_tile


def _descent_tile(lanes):
    load, step = loader(lanes), step_tile(lanes)

    @inlined
    def descent_tile(j, at, source, shrink, W, m, v, gradient, settings):
        """Step of tile j of one row of weights along its gradient, which begins at `source`, and its decay."""
        step(at + j, load(gradient, source + j) + shrink * load(W, at + j), W, m, v, settings)

    return descent_tile


pair_tiles, single_tiles, step_tiles = (over_tiles(make) for make in (_pair_tile, _single_tile, _descent_tile))


@inlined
def unit_gradient(to, lo, n, skip, case, level, multi, phase, machine, out, P, told, lists, residual):  # fmt: skip
    """One unit's row of `units_gradient`, which begins at `to` of `out`."""
    W, phi = machine.W, machine.phi
    H0, H1, _ = phase
    n_features, n_hidden = W.shape[0], W.shape[2]
    first = 1 if machine.conditional else 0
    rows0, rows1, alpha, beta = lists
    n0, n1 = factors(lists, residual, n_hidden, told, skip, n, lo, case, level, phi, first, multi)
    for f in range(0, n_features - 1, 2):
        at = to + f * n_hidden
        mine = rows0, alpha[f], alpha[f + 1], rows1, beta[f], beta[f + 1], f < first
        pair_tiles(0, n_hidden, at, at + n_hidden, mine, H0, n0, H1, n1, out)
    if n_features % 2:
        f = n_features - 1
        single_tiles(0, n_hidden, to + f * n_hidden, (rows0, alpha[f], rows1, beta[f]), H0, n0, H1, n1, out)
    for k in range(phi.shape[0]):
        total = f32(0)
        for t in range(skip, skip + n):
            total += item(P, k * P.shape[1] + t)
        put(out, to + n_features * n_hidden + k, total)


@compiled
def units_gradient(start, stop, first_unit, ptr, case, level, place, multi, sample, phase, machine, row, out):
    """Gradients of visible units start..stop, counted from `first_unit`, from the entries of a mini-batch.

    As `cpu_units.units_step` without the step: out[row[unit]] holds the unit's dW, feature by feature, then its db.
    Units whose row is negative are left out; one without entries gets zeros.
    """
    start, stop = start + first_unit, stop + first_unit
    n_levels, n_features = machine.phi.shape
    first, most = 1 if machine.conditional else 0, max(CHUNK, longest(start, stop, ptr))
    width = most + LANES
    P, told = np.empty((n_levels, width), f32), np.empty(width, f32)
    residual, z = np.empty((n_features, width), f32), np.empty(width, f32)
    alpha, beta = np.empty((n_features, width), f32), np.empty((n_features, width), f32)
    lists = np.empty(width, np.int64), np.empty(width, np.int64), alpha, beta
    begin = start
    while begin < stop:
        end = begin + 1
        while end < stop and ptr[end + 1] - ptr[begin] <= CHUNK:
            end += 1
        residuals(P, told, residual, z, begin, end, ptr, level, place, phase.Z, machine.b, machine.phi, first, sample)
        for unit in range(begin, end):
            if row[unit] >= 0:
                lo, n, skip = ptr[unit], ptr[unit + 1] - ptr[unit], ptr[unit] - ptr[begin]
                to = np.int64(row[unit]) * out.shape[1]
                unit_gradient(to, lo, n, skip, case, level, multi, phase, machine, out, P, told, lists, residual)
        begin = end


@compiled
def rows_step(start, stop, first_row, unit, n_entries, gradient, machine, moments, settings):
    """Decay and optimiser step of the units of rows start..stop, counted from `first_row`, along the rows."""
    W, b = machine.W, machine.b
    n_features, n_visible, n_hidden = W.shape
    mW, vW, mb, vb = moments
    gb = np.empty(b.shape[1], f32)
    for r in range(start + first_row, stop + first_row):
        shrink, source = -settings.decay * f32(n_entries[r]), np.int64(r) * gradient.shape[1]
        for f in range(n_features):
            at = (f * n_visible + np.int64(unit[r])) * n_hidden
            step_tiles(0, n_hidden, at, source + f * n_hidden, shrink, W, mW, vW, gradient, settings)
        for k in range(gb.shape[0]):
            gb[k] = item(gradient, source + n_features * n_hidden + k)
        bias_step(b, gb, mb, vb, unit[r], settings)
