"""Second pass of the CPU backend: over visible units, whose entries of a mini-batch lie side by side.

Gradient and optimiser step of one unit's rows at once, a tile of hidden units at a time: the sums over the unit's
entries, the step and its accumulators stay in registers. Features go in pairs, so that a hidden vector is read once
for both.
"""

import numpy as np

from harmonium.conventions import UNRATED
from harmonium.kernels.constants import ADAGRAD, ADAM, LANES
from harmonium.kernels.cpu_math import add_level_fields, expected_feature, longest, softmax_columns
from harmonium.kernels.cpu_sums import over_tiles
from harmonium.kernels.jit import compiled, inlined
from harmonium.kernels.vectors import item, loader, put, root, store

f32 = np.float32
CHUNK = 256  # entries whose softmaxes are computed together, unless one unit has more


def step_tile(lanes):
    """Make the optimiser step of so many lanes of weights.

    Parameters
    ----------
    lanes : int
    """
    load = loader(lanes)

    @inlined
    def ascend(at, g, W, first_moment, second_moment, settings):
        """One optimiser step of a tile of weights that begins at `at`, uphill along g."""
        w = load(W, at)
        momentum, beta2, rate = settings.momentum, settings.beta2, settings.rate
        if settings.rule == ADAGRAD:
            v = load(second_moment, at) + g * g
            store(second_moment, at, v)
            store(W, at, w + rate * g / (root(v) + settings.eps))
        elif settings.rule == ADAM:
            m = momentum * load(first_moment, at) + (f32(1) - momentum) * g
            v = beta2 * load(second_moment, at) + (f32(1) - beta2) * g * g
            store(first_moment, at, m)
            store(second_moment, at, v)
            store(W, at, w + rate * m / (root(v * settings.correction) + settings.eps))
        else:
            m = momentum * load(first_moment, at) + g
            store(first_moment, at, m)
            store(W, at, w + rate * m)

    return ascend


def _pair_tile(lanes):
    load, step = loader(lanes), step_tile(lanes)

    @inlined
    def pair_tile(j, at, other_at, shrink, mine, H0, n0, H1, n1, W, m, v, settings):
        """Gradient and step of tile j of two rows of weights, which begin at `at` and `other_at`."""
        rows0, alpha, other_alpha, rows1, beta, other_beta, alone = mine
        g, other_g = shrink * load(W, at + j), shrink * load(W, other_at + j)
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
        step(at + j, g, W, m, v, settings)
        step(other_at + j, other_g, W, m, v, settings)

    return pair_tile


def _single_tile(lanes):
    load, step = loader(lanes), step_tile(lanes)

    @inlined
    def single_tile(j, at, shrink, mine, H0, n0, H1, n1, W, m, v, settings):
        """Gradient and step of tile j of one row of weights, which begins at `at`."""
        rows0, alpha, rows1, beta = mine
        g = shrink * load(W, at + j)
        for t in range(n1):
            g = g + item(beta, t) * load(H1, item(rows1, t) + j)
        for t in range(n0):
            g = g + item(alpha, t) * load(H0, item(rows0, t) + j)
        step(at + j, g, W, m, v, settings)

    return single_tile


pair_tiles, single_tiles = over_tiles(_pair_tile), over_tiles(_single_tile)


@inlined
def bias_step(w, g, m, v, unit, settings):
    """One optimiser step of a unit's level biases, uphill along g."""
    rate, momentum, beta2, eps = settings.bias_rate, settings.momentum, settings.beta2, settings.eps
    for k in range(g.shape[0]):
        if settings.rule == ADAGRAD:
            v[unit, k] += g[k] * g[k]
            w[unit, k] += rate * g[k] / (np.sqrt(v[unit, k]) + eps)
        elif settings.rule == ADAM:
            m[unit, k] = momentum * m[unit, k] + (f32(1) - momentum) * g[k]
            v[unit, k] = beta2 * v[unit, k] + (f32(1) - beta2) * g[k] * g[k]
            w[unit, k] += rate * m[unit, k] / (np.sqrt(v[unit, k] * settings.correction) + eps)
        else:
            m[unit, k] = momentum * m[unit, k] + g[k]
            w[unit, k] += rate * m[unit, k]


@inlined
def residuals(P, told, alpha, z, start, stop, ptr, codes, place, Z, b, phi, first, sample):
    """P[k, t] = data minus fantasy or prediction, in one-hot levels, of the entries of units start..stop.

    `told[t]` is 1, or 0 for entries that are evidence alone, whose residual is 0; alpha[f, t] are the residuals'
    features. `z` is to work in.
    """
    n_levels, lo, n, width = phi.shape[0], ptr[start], ptr[stop] - ptr[start], P.shape[1]
    for t in range(n):
        z[t] = item(Z, np.int64(item(place, lo + t)) * Z.shape[1])
        told[t] = f32(0) if np.isnan(z[t]) else f32(1)
    if sample:
        for k in range(n_levels):
            for t in range(n):
                put(P, k * width + t, f32(1) if f32(k) == z[t] else f32(0))
    else:
        for unit in range(start, stop):
            for k in range(n_levels):
                for t in range(ptr[unit] - lo, ptr[unit + 1] - lo):
                    put(P, k * width + t, b[unit, k])
        for f in range(first, phi.shape[1]):
            for t in range(n):
                x = item(Z, np.int64(item(place, lo + t)) * Z.shape[1] + f - first)
                z[t] = x if told[t] > 0 else f32(0)
            add_level_fields(P, z, 0, phi, f, 0, n)
        softmax_columns(P, 0, n)
    for k in range(n_levels):
        for t in range(n):
            data = f32(1) if k == item(codes, lo + t) else f32(0)
            put(P, k * width + t, told[t] * (data - item(P, k * width + t)))
    for f in range(phi.shape[1]):
        expected_feature(alpha, f * alpha.shape[1], P, phi, f, 0, n)


@inlined
def factors(lists, residual, n_hidden, told, skip, n, lo, case, level, phi, first, multi):
    """List whose rows of H0 and H1 a unit's n entries add, and how often: alpha and beta (n_features, n)."""
    rows0, rows1, alpha, beta = lists
    n0 = n1 = 0
    width, n_features = alpha.shape[1], phi.shape[1]
    for t in range(n):
        k, row = item(level, lo + t), np.int64(item(case, lo + t)) * n_hidden
        put(rows0, n0, row)
        put(rows1, n1, row)
        for f in range(n_features):
            a = f32(0) if f < first else item(residual, f * width + skip + t)
            data = f32(1) if f < first else f32(0)
            if k != UNRATED:
                data = item(phi, np.int64(k) * n_features + f)
            put(alpha, f * width + n0, a)
            put(beta, f * width + n1, data - a)
        evidence = item(told, skip + t) == 0
        n0 += not evidence
        n1 += evidence or not multi
    return n0, n1


@inlined
def unit_step(
    unit, lo, n, skip, case, level, multi, phase, machine, moments, settings, P, told, gb, lists, residual
):  # fmt: skip
    """One unit's part of `units_step`."""
    W, b, phi = machine.W, machine.b, machine.phi
    H0, H1, _ = phase
    mW, vW, mb, vb = moments
    n_features, n_visible, n_hidden = W.shape
    first = 1 if machine.conditional else 0
    rows0, rows1, alpha, beta = lists
    n0, n1 = factors(lists, residual, n_hidden, told, skip, n, lo, case, level, phi, first, multi)
    shrink = -settings.decay * f32(n)
    for f in range(0, n_features - 1, 2):
        at = (f * n_visible + unit) * n_hidden
        other = at + n_visible * n_hidden
        mine = rows0, alpha[f], alpha[f + 1], rows1, beta[f], beta[f + 1], f < first
        pair_tiles(0, n_hidden, at, other, shrink, mine, H0, n0, H1, n1, W, mW, vW, settings)
    if n_features % 2:
        f = n_features - 1
        single = rows0, alpha[f], rows1, beta[f]
        single_tiles(
            0, n_hidden, (f * n_visible + unit) * n_hidden, shrink, single, H0, n0, H1, n1, W, mW, vW, settings
        )
    for k in range(gb.shape[0]):
        gb[k] = f32(0)
        for t in range(skip, skip + n):
            gb[k] += item(P, k * P.shape[1] + t)
    bias_step(b, gb, mb, vb, unit, settings)


@compiled
def units_step(start, stop, ptr, case, level, place, multi, sample, phase, machine, moments, settings):
    """Second pass over visible units start..stop: gradient from the batch's entries, decay, optimiser step.

    `ptr` (n_visible + 1,) bounds each unit's entries in `case`, `level` and `place`, which say whose rows of H0 and H1
    and which row of Z are an entry's. A row of Z holds the entry's fields W[f] . h, from which its level probabilities
    are made again: that is cheaper than carrying them here. NaN marks an entry that is evidence alone; with `sample`
    the row begins with the level drawn instead. Units without entries stay as they are.
    """
    n_levels, n_features = machine.phi.shape
    first, most = 1 if machine.conditional else 0, max(CHUNK, longest(start, stop, ptr))
    width = most + LANES
    gb, P, told = np.empty(n_levels, f32), np.empty((n_levels, width), f32), np.empty(width, f32)
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
            lo, n, skip = ptr[unit], ptr[unit + 1] - ptr[unit], ptr[unit] - ptr[begin]
            if n:
                unit_step(
                    unit, lo, n, skip, case, level, multi, phase, machine, moments, settings, P, told, gb, lists,
                    residual,
                )  # fmt: skip
        begin = end


@compiled
def count_units(start, stop, indptr, cases, batch_of, counts):
    """Entries of visible units start..stop in each batch: counts (n_batches, n_visible)."""
    for unit in range(start, stop):
        for t in range(indptr[unit], indptr[unit + 1]):
            counts[batch_of[cases[t]], unit] += 1


@compiled
def bucket_units(start, stop, layout, batch_of, position, starts, origin, ptr, u_case, u_level, u_place):
    """Sort the entries of visible units start..stop by batch.

    batch_of, position and starts (n_cases,) say in which batch a case is, where there, and where its entries begin
    among the batch's in the order of cases; origin (n_batches,) where a batch's entries begin; ptr (n_batches,
    n_visible + 1) where a unit's begin within the batch. Fills u_case, u_level and u_place: the position of each
    entry's case, its level, and its place among its batch's entries in the order of cases.
    """
    cursor = np.empty(ptr.shape[0], np.int64)
    for unit in range(start, stop):
        for k in range(cursor.shape[0]):
            cursor[k] = origin[k] + ptr[k, unit]
        for t in range(layout.unit_indptr[unit], layout.unit_indptr[unit + 1]):
            case = layout.unit_case[t]
            batch = batch_of[case]
            q = cursor[batch]
            cursor[batch] = q + 1
            u_case[q], u_level[q] = position[case], layout.unit_level[t]
            u_place[q] = starts[case] + layout.unit_rank[t]
