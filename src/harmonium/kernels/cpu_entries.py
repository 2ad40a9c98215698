"""CPU loops over cases outside training's passes: hidden fields, and level probabilities of entries."""

import numpy as np

from harmonium.kernels.constants import LANES
from harmonium.kernels.cpu_cases import activate, case_entries, data_field, gather, level_fields
from harmonium.kernels.cpu_math import copy, longest, softmax_columns
from harmonium.kernels.cpu_sums import AT_ONCE
from harmonium.kernels.jit import compiled, inlined

f32 = np.float32


@inlined
def _hidden_field(
    i, indptr, visible, level, phi, conditional, W, c, out, field, units, codes, places, rows, picked, scale
):
    lo, hi = indptr[i], indptr[i + 1]
    n = gather(units, codes, places, lo, hi, visible, level)
    for t in range(hi - lo):
        rows[t] = units[t] * c.shape[0]
    copy(field, c)
    data_field(field, W, phi, conditional, rows, codes, 0, n, n, hi - lo, picked, scale)
    copy(out[i], field)


@compiled
def hidden_fields(start, stop, indptr, visible, level, phi, conditional, W, c, out):
    """Hidden fields of cases start..stop: out (n_cases, n_hidden) = c + sum of their entries' weights."""
    most = longest(start, stop, indptr)
    units, codes, places = np.empty(most, np.int32), np.empty(most, np.uint8), np.empty(most, np.int32)
    rows, picked, scale = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, f32)
    field = np.empty(c.shape[0], f32)
    scratch = field, units, codes, places, rows, picked, scale
    for i in range(start, stop):
        _hidden_field(i, indptr, visible, level, phi, conditional, W, c, out, *scratch)


@inlined
def _entry_levels(i, indptr, visible, W, b, phi, first, out, units, rows, P, z, h):
    lo, n = indptr[i], indptr[i + 1] - indptr[i]
    for t in range(n):
        units[t] = visible[lo + t]
        rows[t] = units[t] * W.shape[2]
    for t in range(n, n + AT_ONCE):
        rows[t] = 0
    level_fields(P, z, units, rows, h, W, b, phi, first, 0, n)
    softmax_columns(P, 0, n)
    for t in range(n):
        for k in range(phi.shape[0]):
            out[lo + t, k] = P[k, t]


@compiled
def entry_probabilities(start, stop, indptr, visible, H, W, b, phi, conditional, out):
    """Level probabilities of the entries of cases start..stop, given their hidden units H: out (n, n_levels)."""
    most, first = longest(start, stop, indptr), 1 if conditional else 0
    units, rows = np.empty(most, np.int32), np.empty(most + AT_ONCE, np.int64)
    P, z = np.empty((phi.shape[0], most + LANES), f32), np.empty((phi.shape[1], most + LANES), f32)
    h = np.empty(W.shape[2], f32)
    for i in range(start, stop):
        for j in range(h.shape[0]):
            h[j] = H[i, j]
        _entry_levels(i, indptr, visible, W, b, phi, first, out, units, rows, P, z, h)


@inlined
def _predict_case(i, known, asked, phi, conditional, W, b, c, out, field, h, live, scratch, more, P, z):
    _, codes, _, rows, picked, scale = scratch
    indptr, visible, level = known
    n, n_all = case_entries(i, indptr, visible, level, c.shape[0], scratch)
    copy(field, c)
    data_field(field, W, phi, conditional, rows, codes, 0, n, n, n_all, picked, scale)
    activate(h, field, live)
    indptr, visible = asked
    units, rows = more
    _entry_levels(i, indptr, visible, W, b, phi, 1 if conditional else 0, out, units, rows, P, z, h)


@compiled
def predictions(start, stop, known, asked, phi, conditional, W, b, c, out):
    """Level probabilities out (n, n_levels) of the entries asked of cases start..stop, given their known ones."""
    most, most_asked = longest(start, stop, known[0]), longest(start, stop, asked[0])
    units, codes, places = np.empty(most, np.int32), np.empty(most, np.uint8), np.empty(most, np.int32)
    rows, picked = np.empty(most + AT_ONCE, np.int64), np.empty(most, np.int64)
    scratch = units, codes, places, rows, picked, np.empty(most + LANES, f32)
    more = np.empty(most_asked, np.int32), np.empty(most_asked + AT_ONCE, np.int64)
    P, z = np.empty((phi.shape[0], most_asked + LANES), f32), np.empty((phi.shape[1], most_asked + LANES), f32)
    field, h, live = np.empty(c.shape[0], f32), np.empty(c.shape[0], f32), np.ones(c.shape[0], f32)
    for i in range(start, stop):
        if asked[0][i + 1] > asked[0][i]:
            _predict_case(i, known, asked, phi, conditional, W, b, c, out, field, h, live, scratch, more, P, z)
