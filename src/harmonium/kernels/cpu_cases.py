"""First pass of the CPU backend: over the cases of a mini-batch, each writing to rows of its own.

A case's hidden field from its own ratings, the reconstruction of the rated entries only, and what the second pass
needs: hidden vectors, and one number (or a few) an entry, in the order of the cases.

When `conditional`, feature 0 is the constant 1: it cancels in the softmax over levels, so it feeds the hidden field
and nothing else, and its part of the field is the same in both phases.
"""

import numpy as np

from harmonium.conventions import UNRATED
from harmonium.kernels.constants import LANES
from harmonium.kernels.cpu_math import add_level_fields, copy, draw, expected_feature, sigmoid, softmax_columns, uniform
from harmonium.kernels.cpu_sums import AT_ONCE, dot_rows, sum_rows
from harmonium.kernels.jit import compiled, inlined
from harmonium.kernels.vectors import item, put

f32 = np.float32


@inlined
def gather(units, codes, places, lo, hi, visible, level):
    """Copy a case's entries, the rated ones first, with their places in the case; number of rated ones."""
    front, back = 0, hi - lo
    for t in range(lo, hi):
        if level[t] == UNRATED:
            back -= 1
            units[back], places[back] = visible[t], t - lo
        else:
            units[front], codes[front], places[front] = visible[t], level[t], t - lo
            front += 1
    return front


@inlined
def level_rows(picked, scale, rows, codes, phi, f, first, last):
    """List the rows t from first to last, scaled by feature f of their levels, leaving zeros out; their number."""
    m = 0
    for t in range(first, last):
        value = item(phi, np.int64(item(codes, t)) * phi.shape[1] + f)
        put(picked, m, item(rows, t))
        put(scale, m, value)
        m += value != 0
    return m


@inlined
def data_field(field, W, phi, conditional, rows, codes, first, last, unrated, end, picked, scale):
    """field += weights of the rated entries first..last, and of the entries unrated..end known to be seen only."""
    plane = W.shape[1] * W.shape[2]
    if conditional:
        for t in range(end):
            scale[t] = f32(1)
        sum_rows(field, field, W, 0, rows, scale, first, last)
        sum_rows(field, field, W, 0, rows, scale, unrated, end)
    for f in range(1 if conditional else 0, W.shape[0]):
        m = level_rows(picked, scale, rows, codes, phi, f, first, last)
        sum_rows(field, field, W, f * plane, picked, scale, 0, m)


@inlined
def level_fields(P, z, units, rows, h, W, b, phi, start_feature, first, last):
    """P[k, t] = field of level k of entry t, first <= t < last, and z[f, t] = W[f, units[t]] . h behind it."""
    n_levels, plane = phi.shape[0], W.shape[1] * W.shape[2]
    for k in range(n_levels):
        start = k * P.shape[1]
        for t in range(first, last):
            put(P, start + t, item(b, np.int64(item(units, t)) * n_levels + k))
    for f in range(start_feature, W.shape[0]):
        dot_rows(z, f * z.shape[1], W, f * plane, rows, h, first, last)
        add_level_fields(P, z, f * z.shape[1], phi, f, first, last)


@inlined
def activate(h, field, live):
    """h = live * sigmoid(field)."""
    for j in range(h.shape[0]):
        h[j] = live[j] * sigmoid(field[j])


@inlined
def most_entries(start, stop, cases, indptr):
    """Most entries of any of the cases; at least 1."""
    n = 1
    for i in range(start, stop):
        n = max(n, indptr[cases[i] + 1] - indptr[cases[i]])
    return n


@inlined
def field_of_levels(field, data, levels, codes, W, phi, first, rows, scale, n):
    """field = the hidden field when the n rated entries show `levels`, given that of their own levels, `data`."""
    copy(field, data)
    for f in range(first, W.shape[0]):
        for t in range(n):
            scale[t] = phi[levels[t], f] - phi[codes[t], f]
        sum_rows(field, field, W, f * W.shape[1] * W.shape[2], rows, scale, 0, n)


@inlined
def field_of_means(field, data, P, codes, W, phi, first, rows, scale, begin, end, sign):
    """field = data + sign times the weights of expected less given features, of entries begin..end."""
    copy(field, data)
    for f in range(first, W.shape[0]):
        expected_feature(scale, 0, P, phi, f, begin, end)
        for t in range(begin, end):
            shown = item(phi, np.int64(item(codes, t)) * phi.shape[1] + f)
            put(scale, t, sign * (item(scale, t) - shown))
        sum_rows(field, field, W, f * W.shape[1] * W.shape[2], rows, scale, begin, end)


@inlined
def case_entries(case, indptr, visible, level, n_hidden, scratch):
    """Gather a case's entries and where their weight rows begin; number of rated ones and of all."""
    units, codes, places, rows, _, _ = scratch
    lo, hi = indptr[case], indptr[case + 1]
    n = gather(units, codes, places, lo, hi, visible, level)
    for t in range(hi - lo):
        rows[t] = units[t] * n_hidden
    for t in range(hi - lo, hi - lo + AT_ONCE):
        rows[t] = 0
    return n, hi - lo


@inlined
def cd_case(
    i, case, origin, indptr, visible, level, machine, keys, sample, chain, persistent, phase, scratch, P, z, fantasy,
    data, field, h,
):  # fmt: skip
    """One case's part of `cd_cases`."""
    W, b, c, phi, live, conditional = machine
    H0, H1, Z = phase
    units, codes, places, rows, picked, scale = scratch
    lo, first, n_hidden = indptr[case], 1 if conditional else 0, c.shape[0]
    n, n_all = case_entries(case, indptr, visible, level, n_hidden, scratch)
    copy(data, c)
    data_field(data, W, phi, conditional, rows, codes, 0, n, n, n_all, picked, scale)
    activate(h, data, live)
    for j in range(n_hidden):
        H0[i, j] = h[j]
    if persistent:
        for t in range(n):
            fantasy[t] = chain[lo + places[t]]
        field_of_levels(field, data, fantasy, codes, W, phi, first, rows, scale, n)
        activate(h, field, live)
    for half in range(0, keys.shape[0], 2):
        if sample:
            for j in range(n_hidden):
                h[j] = live[j] if uniform(keys[half], case, j) < h[j] else f32(0)
        level_fields(P, z, units, rows, h, W, b, phi, first, 0, n)
        softmax_columns(P, 0, n)
        if sample:
            for t in range(n):
                fantasy[t] = draw(P, t, uniform(keys[half + 1], case, units[t]))
                chain[lo + places[t]] = fantasy[t]
            field_of_levels(field, data, fantasy, codes, W, phi, first, rows, scale, n)
        else:
            field_of_means(field, data, P, codes, W, phi, first, rows, scale, 0, n, f32(1))
        activate(h, field, live)
    for j in range(n_hidden):
        H1[i, j] = H0[i, j] - h[j]
    for t in range(n, n_all):
        Z[origin + places[t], 0] = np.nan
    for t in range(n):
        if sample:
            Z[origin + places[t], 0] = f32(fantasy[t])
        else:
            for f in range(first, W.shape[0]):
                Z[origin + places[t], f - first] = z[f, t]


@compiled
def cd_cases(start, stop, cases, starts, indptr, visible, level, machine, keys, sample, chain, persistent, phase):
    """First pass of CD-k and PCD over cases start..stop of a batch.

    `starts` (n_cases + 1,) say where a case's rows of Z begin; `keys` (2 n_steps,) hold one key a half-sweep; `chain`
    (n_entries,) the fantasies' levels. Fills H0 (n_cases, n_hidden) with the data's hidden means, H1 with those minus
    the fantasy's, and Z as `units_step` reads it.
    """
    n_hidden, most = machine.c.shape[0], most_entries(start, stop, cases, indptr)
    n_levels, n_features = machine.phi.shape
    units, codes, places = np.empty(most, np.int32), np.empty(most, np.uint8), np.empty(most, np.int32)
    rows, picked = np.empty(most + AT_ONCE, np.int64), np.empty(most, np.int64)
    scale = np.empty(most + LANES, f32)
    scratch = units, codes, places, rows, picked, scale
    P, z = np.empty((n_levels, most + LANES), f32), np.empty((n_features, most + LANES), f32)
    data, field, h = np.empty(n_hidden, f32), np.empty(n_hidden, f32), np.empty(n_hidden, f32)
    fantasy = np.empty(most, np.uint8)
    for i in range(start, stop):
        cd_case(
            i, cases[i], starts[i], indptr, visible, level, machine, keys, sample, chain, persistent, phase, scratch,
            P, z, fantasy, data, field, h,
        )  # fmt: skip


@inlined
def keep_some(units, codes, places, rows, n, key, case, keep):
    """Move the kept ones of n rated entries to the front; their number."""
    front, back = 0, n
    while front < back:
        if uniform(key, case, units[front]) < keep:
            front += 1
        else:
            back -= 1
            units[front], units[back] = units[back], units[front]
            codes[front], codes[back] = codes[back], codes[front]
            places[front], places[back] = places[back], places[front]
            rows[front], rows[back] = rows[back], rows[front]
    return front


@inlined
def mp_case(
    i, case, origin, indptr, visible, level, machine, keys, keep, drop, phase, scratch, P, z, field, h, slope, zero
):  # fmt: skip
    """One case's part of `mp_cases`."""
    W, b, c, phi, live, conditional = machine
    H0, H1, Z = phase
    units, codes, places, rows, picked, scale = scratch
    first, n_hidden = 1 if conditional else 0, c.shape[0]
    n, n_all = case_entries(case, indptr, visible, level, n_hidden, scratch)
    m = keep_some(units, codes, places, rows, n, keys[0], case, keep)
    copy(field, c)
    data_field(field, W, phi, conditional, rows, codes, 0, m, n, n_all, picked, scale)
    for j in range(n_hidden):
        mask = live[j]
        if drop > 0:
            mask = mask / (f32(1) - drop) if uniform(keys[1], case, j) >= drop else f32(0)
        mean = sigmoid(field[j])
        h[j], slope[j] = mask * mean, mask * mean * (f32(1) - mean)
    level_fields(P, z, units, rows, h, W, b, phi, first, m, n)
    softmax_columns(P, m, n)
    field_of_means(field, zero, P, codes, W, phi, first, rows, scale, m, n, f32(-1))
    for j in range(n_hidden):
        H0[i, j], H1[i, j] = h[j], slope[j] * field[j]
    for t in range(n_all):
        if t < m or t >= n:
            Z[origin + places[t], 0] = np.nan
        else:
            for f in range(first, W.shape[0]):
                Z[origin + places[t], f - first] = z[f, t]


@compiled
def mp_cases(start, stop, cases, starts, indptr, visible, level, machine, keys, keep, drop, phase):
    """First pass of multi-prediction over cases start..stop of a batch.

    `starts` (n_cases + 1,) say where a case's rows of Z begin; `keys` (2,): one for which entries are kept, one for
    hidden dropout. Fills H0 (n_cases, n_hidden) with what is inferred from the kept entries, H1 with the gradient of
    the hidden field, and Z as `units_step` reads it.
    """
    n_hidden, most = machine.c.shape[0], most_entries(start, stop, cases, indptr)
    n_levels, n_features = machine.phi.shape
    units, codes, places = np.empty(most, np.int32), np.empty(most, np.uint8), np.empty(most, np.int32)
    rows, picked = np.empty(most + AT_ONCE, np.int64), np.empty(most, np.int64)
    scale = np.empty(most + LANES, f32)
    scratch = units, codes, places, rows, picked, scale
    P, z = np.empty((n_levels, most + LANES), f32), np.empty((n_features, most + LANES), f32)
    field, h, slope = np.empty(n_hidden, f32), np.empty(n_hidden, f32), np.empty(n_hidden, f32)
    zero = np.zeros(n_hidden, f32)
    for i in range(start, stop):
        mp_case(
            i, cases[i], starts[i], indptr, visible, level, machine, keys, keep, drop, phase, scratch, P, z, field, h,
            slope, zero,
        )  # fmt: skip
