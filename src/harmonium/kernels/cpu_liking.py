"""Numba loops for ranking all items for several people at once: one pass over the weights serves them all.

Blocks of items lie at fixed places and every person is computed by the same instructions, so that an answer does not
depend on who else asks. The definition is `LikingTables.probability` in NumPy.
"""

import numpy as np

from harmonium.kernels.cpu_math import exp
from harmonium.kernels.jit import bits_from_float, compiled, float_from_bits, inlined

f32 = np.float32
BLOCK = 128  # items: their weights stay in the second-level cache while person after person is computed
_HALF_ROOT = f32(0.70710678118654752)
_LN2_HIGH, _LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)  # Cody & Waite: ln 2 in two float32 parts
_SMALLEST = f32(1.1754943508222875e-38)  # normal float32
_LARGEST_LOG = f32(3.0)  # as in `harmonium.models.rating_model`, which lies above; a test compares the two


@inlined
def log(x):
    """log in float32 of normal positive numbers to about 2 ulp, without a call. Cephes' polynomial (Moshier 1989)."""
    bits = bits_from_float(x)  # pyright: ignore[reportCallIssue]
    e = f32(((bits >> np.int32(23)) & np.int32(255)) - np.int32(126))
    m = float_from_bits((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000))  # in [.5, 1)
    low = m < _HALF_ROOT
    e = e - f32(1) if low else e
    z = m + m - f32(1) if low else m - f32(1)
    p = f32(7.0376836292e-2)
    p = p * z - f32(1.1514610310e-1)
    p = p * z + f32(1.1676998740e-1)
    p = p * z - f32(1.2420140846e-1)
    p = p * z + f32(1.4249322787e-1)
    p = p * z - f32(1.6668057665e-1)
    p = p * z + f32(2.0000714765e-1)
    p = p * z - f32(2.4999993993e-1)
    p = p * z + f32(3.3333331174e-1)
    y = p * z * z * z + e * _LN2_LOW - f32(0.5) * z * z
    return z + y + e * _LN2_HIGH


@inlined
def dots(z, plane, start, n, q, r):
    """z[0, t] = plane[start + t] . q and z[1, t] = plane[start + t] . r for t < n, four rows at a time."""
    t = 0
    while t + 4 <= n:
        p0, p1, p2, p3 = plane[start + t], plane[start + t + 1], plane[start + t + 2], plane[start + t + 3]
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = f32(0)
        for j in range(q.shape[0]):
            a0 += p0[j] * q[j]
            a1 += p1[j] * q[j]
            a2 += p2[j] * q[j]
            a3 += p3[j] * q[j]
            b0 += p0[j] * r[j]
            b1 += p1[j] * r[j]
            b2 += p2[j] * r[j]
            b3 += p3[j] * r[j]
        z[0, t], z[0, t + 1], z[0, t + 2], z[0, t + 3] = a0, a1, a2, a3
        z[1, t], z[1, t + 1], z[1, t + 2], z[1, t + 3] = b0, b1, b2, b3
        t += 4
    while t < n:
        p0 = plane[start + t]
        a0 = b0 = f32(0)
        for j in range(q.shape[0]):
            a0 += p0[j] * q[j]
            b0 += p0[j] * r[j]
        z[0, t], z[1, t] = a0, b0
        t += 1


@inlined
def tops(x, top, n):
    """top[t] = the largest of x[:, t]."""
    for t in range(n):
        top[t] = x[0, t]
    for k in range(1, x.shape[0]):
        row = x[k]
        for t in range(n):
            top[t] = row[t] if row[t] > top[t] else top[t]


@inlined
def exponentials(x, top, total, n):
    """x = exp(x - top), and their sums."""
    for t in range(n):
        total[t] = f32(0)
    for k in range(x.shape[0]):
        row = x[k]
        for t in range(n):
            row[t] = exp(row[t] - top[t])
            total[t] += row[t]


@inlined
def user_fields(x, bias, first, z, phi, n):
    """x[k] = bias[k, first:] + sum_f phi[k, f] z[f]."""
    for k in range(x.shape[0]):
        row, of_level, a, of_first = x[k], bias[k], phi[k, 0], z[0]
        for t in range(n):
            row[t] = of_level[first + t] + a * of_first[t]
    add_features(x, z, phi, n)


@inlined
def item_fields(x, bias, z, phi, n):
    """x[k] = bias[k] + sum_f phi[k, f] z[f]."""
    for k in range(x.shape[0]):
        row, of_level, a, of_first = x[k], bias[k], phi[k, 0], z[0]
        for t in range(n):
            row[t] = of_level + a * of_first[t]
    add_features(x, z, phi, n)


@inlined
def add_features(x, z, phi, n):
    """x[k] += phi[k, f] z[f] of all features but the first."""
    for f in range(1, z.shape[0]):
        for k in range(x.shape[0]):
            row, a, of_feature = x[k], phi[k, f], z[f]
            for t in range(n):
                row[t] += a * of_feature[t]


@inlined
def mixed(x, y, a, b, n):
    """x = log(a x + b y)."""
    for k in range(x.shape[0]):
        p, q = x[k], y[k]
        for t in range(n):
            both = a[t] * p[t] + b[t] * q[t]
            p[t] = log(both if both > _SMALLEST else _SMALLEST)


@inlined
def sharpened(x, sharpness, level_bias, n):
    """x = sharpness x + level_bias."""
    for k in range(x.shape[0]):
        row, a = x[k], level_bias[k]
        for t in range(n):
            row[t] = row[t] * sharpness[t] + a


@inlined
def share_of_liked(x, top, liked, others, first_liked, n, line, first):
    """line[first + t] = the softmax's share of the levels from first_liked on."""
    for t in range(n):
        liked[t], others[t] = f32(0), f32(0)
    for k in range(x.shape[0]):
        row, into = x[k], liked if k >= first_liked else others
        for t in range(n):
            into[t] += exp(row[t] - top[t])
    for t in range(n):
        line[first + t] = liked[t] / (liked[t] + others[t])


@compiled
def liking(start, stop, users, items, blend, log_evidence, first_liked, out):
    """Probability of liking items start..stop, start a multiple of BLOCK, into out (n_people, n_items).

    users: W (n_features, n_items, n_hidden), bias (n_levels, n_items), phi (n_levels, n_features), hidden means
    (n_people, n_hidden). items: hidden (n_items, n_hidden), phi, weights (n_people, n_features, n_hidden), biases
    (n_people, n_levels). A machine that is not there has no features. blend: share and sharpness at no training ratings
    (n_people,) and their slopes, level biases (n_levels,).
    """
    W, bias, phi, h = users
    G, phi_g, w, b = items
    share, share_slope, sharpness, sharpness_slope, level_bias = blend
    n_levels = level_bias.shape[0]
    x, y = np.empty((n_levels, BLOCK), f32), np.empty((n_levels, BLOCK), f32)
    z, top, total, other_total = np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    of_users, of_items = np.empty((2, W.shape[0], BLOCK), f32), np.empty((2, w.shape[1], BLOCK), f32)
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        for pair in range(0, out.shape[0], 2):  # two at a time share the loads; one alone is its own partner
            other = min(pair + 1, out.shape[0] - 1)
            for f in range(W.shape[0]):
                dots(of_users[:, f], W[f], first, n, h[pair], h[other])
            for f in range(w.shape[1]):
                dots(of_items[:, f], G, first, n, w[pair, f], w[other, f])
            for side in range(1 + other - pair):
                who = pair + side
                if W.shape[0]:
                    user_fields(x, bias, first, of_users[side], phi, n)
                if w.shape[1]:
                    item_fields(y if W.shape[0] else x, b[who], of_items[side], phi_g, n)
                if W.shape[0] and w.shape[1]:
                    tops(x, top, n)
                    exponentials(x, top, total, n)
                    tops(y, top, n)
                    exponentials(y, top, other_total, n)
                    for t in range(n):
                        s = f32(1) / (f32(1) + exp(-(share[who] + share_slope * log_evidence[first + t])))
                        total[t] = (f32(1) - s) / total[t]
                        other_total[t] = s / other_total[t]
                    mixed(x, y, total, other_total, n)
                for t in range(n):
                    s = sharpness[who] + sharpness_slope * log_evidence[first + t]
                    s = _LARGEST_LOG if s > _LARGEST_LOG else s
                    z[t] = exp(-_LARGEST_LOG if s < -_LARGEST_LOG else s)
                sharpened(x, z, level_bias, n)
                tops(x, top, n)
                share_of_liked(x, top, total, other_total, first_liked, n, out[who], first)
