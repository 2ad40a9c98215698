"""CPU loops over cases that are given whole: hidden fields, and level probabilities of entries."""

import numpy as np

from harmonium.kernels.constants import LANES
from harmonium.kernels.cpu_cases import data_field, gather, level_fields
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
def _case_probabilities(i, indptr, visible, H, W, b, phi, first, out, units, rows, P, z, h):
    lo, n = indptr[i], indptr[i + 1] - indptr[i]
    for t in range(n):
        units[t] = visible[lo + t]
        rows[t] = units[t] * W.shape[2]
    for t in range(n, n + AT_ONCE):
        rows[t] = 0
    copy(h, H[i])
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
        _case_probabilities(i, indptr, visible, H, W, b, phi, first, out, units, rows, P, z, h)
