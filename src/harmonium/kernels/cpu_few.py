"""Whole updates of small mini-batches of a Bernoulli machine, compiled: PCD by plain ascent, centred or not.

With a few dozen rows a matrix product spends its time on packing the weights, and Python on calling it. Here one call
goes through many mini-batches, passes once over the weights for each product, and leaves out entries that are 0: most
of binary data are.
"""

import numpy as np

from harmonium.kernels.cpu_dense import _binary_rows
from harmonium.kernels.jit import compiled

f32 = np.float32
TOGETHER = 32  # rows of weights that are held close while all cases pass over them


@compiled
def pcd_batches(X, order, keys, rates, plan, few):
    """Learn from mini-batches of cases, one after the other; see `reference_few.pcd_batches`."""
    chain, nothing = np.arange(few.H.shape[0]), few.V[:0]
    n_chains, zero = few.H.shape[0], f32(0)
    for u in range(len(rates)):
        rows = order[u * plan.batch : (u + 1) * plan.batch]
        n = n_chains + len(rows)
        for t in range(plan.n_steps):
            _down(few.H, few.W, few.Y)
            _binary_rows(0, n_chains, few.Y, few.b, keys[u, 1 + 2 * t], chain, zero, nothing, few.V, f32(1))
            if t < plan.n_steps - 1:
                _up(few.V, n_chains, few.W, few.F)
                _binary_rows(0, n_chains, few.F, few.c, keys[u, 2 + 2 * t], chain, zero, nothing, few.H, f32(1))
        for i in range(len(rows)):
            few.V[n_chains + i] = X[rows[i]]
        _up(few.V, n, few.W, few.F)
        share = f32(1) / f32(len(rows)), f32(-1) / f32(n_chains)
        _binary_rows(0, len(rows), few.F[n_chains:], few.c, keys[u, 0], rows, zero, few.M[n_chains:], nothing, share[0])
        _binary_rows(0, n_chains, few.F, few.c, keys[u, -1], chain, zero, few.M, few.H, share[1])
        _ascend(n_chains, n, rates[u], plan, few)


@compiled
def _ascend(n_chains, n, rate, plan, few):
    """Plain ascent along the gradient, whose rows lie in V and M."""
    v_d, h_d = _sum(few.V, n_chains, n) / f32(n - n_chains), _sum(few.M, n_chains, n)
    dv, dh = v_d - _sum(few.V, 0, n_chains) / f32(n_chains), h_d + _sum(few.M, 0, n_chains)
    if plan.centring:
        for i in range(len(dv)):
            few.mu[i] += plan.offset_rate * (v_d[i] - few.mu[i])
        for j in range(len(dh)):
            few.lam[j] += plan.offset_rate * (h_d[j] - few.lam[j])
        few.V[n], few.M[n] = few.mu, -dh
        few.V[n + 1], few.M[n + 1] = dv, -few.lam
        n += 2
        for r in range(n):
            along, across = f32(0), f32(0)
            for j in range(len(dh)):
                along += few.M[r, j] * few.lam[j]
            for i in range(len(dv)):
                across += few.V[r, i] * few.mu[i]
            for i in range(len(dv)):
                few.Y[0, i] = (few.Y[0, i] if r else f32(0)) + few.V[r, i] * along
            for j in range(len(dh)):
                few.F[0, j] = (few.F[0, j] if r else f32(0)) + few.M[r, j] * across
        dv, dh = dv - few.Y[0], dh - few.F[0]
    _outer(few.V, few.M, n, rate, f32(1) - rate * plan.decay, few.W)
    for i in range(len(dv)):
        few.b[i] += rate * dv[i]
    for j in range(len(dh)):
        few.c[j] += rate * dh[j]


@compiled
def _sum(A, start, stop):
    """Sum of some rows."""
    out = np.zeros(A.shape[1], f32)
    for r in range(start, stop):
        for j in range(A.shape[1]):
            out[j] += A[r, j]
    return out


@compiled
def _up(V, n, W, X):
    """V[:n] W into X: TOGETHER rows of W at a time, for all rows of V, four at once that are not 0."""
    X[:n] = 0
    n_visible, n_hidden = W.shape
    at, by = np.zeros(TOGETHER + 4, np.int64), np.zeros(TOGETHER + 4, f32)
    for first in range(0, n_visible, TOGETHER):
        for i in range(n):
            found = 0
            for k in range(first, min(first + TOGETHER, n_visible)):
                at[found], by[found] = k, V[i, k]
                found += V[i, k] != 0
            by[found : found + 3] = 0
            at[found : found + 3] = first
            out = X[i]
            for t in range(0, found, 4):
                w0, w1, w2, w3 = W[at[t]], W[at[t + 1]], W[at[t + 2]], W[at[t + 3]]
                s0, s1, s2, s3 = by[t], by[t + 1], by[t + 2], by[t + 3]
                for j in range(n_hidden):
                    out[j] += s0 * w0[j] + s1 * w1[j] + s2 * w2[j] + s3 * w3[j]


@compiled
def _down(H, W, Y):
    """H W' into Y: five rows of H at once, the last five again where their number is no multiple of it."""
    n, n_hidden = H.shape
    last = max(n - 5, 0)
    for start in range(0, n, 5):
        i = min(start, last)
        h0, h1, h2, h3, h4 = (
            H[i],
            H[min(i + 1, n - 1)],
            H[min(i + 2, n - 1)],
            H[min(i + 3, n - 1)],
            H[min(i + 4, n - 1)],
        )
        for k in range(W.shape[0]):
            row = W[k]
            s0, s1, s2, s3, s4 = f32(0), f32(0), f32(0), f32(0), f32(0)
            for j in range(n_hidden):
                w = row[j]
                s0 += h0[j] * w
                s1 += h1[j] * w
                s2 += h2[j] * w
                s3 += h3[j] * w
                s4 += h4[j] * w
            Y[min(i + 4, n - 1), k] = s4
            Y[min(i + 3, n - 1), k] = s3
            Y[min(i + 2, n - 1), k] = s2
            Y[min(i + 1, n - 1), k] = s1
            Y[i, k] = s0


@compiled
def _outer(V, M, n, scale, keep, W):
    """keep * W + scale * V[:n]' M, in place, a row of W at a time; entries of V that are 0 left out."""
    at, by = np.zeros(n + 4, np.int64), np.zeros(n + 4, f32)
    for k in range(W.shape[0]):
        row, found = W[k], 0
        for i in range(n):
            at[found], by[found] = i, V[i, k] * scale
            found += V[i, k] != 0
        by[found : found + 3] = 0
        at[found : found + 3] = 0
        if keep != 1:
            for j in range(len(row)):
                row[j] *= keep
        for t in range(0, found, 4):
            m0, m1, m2, m3 = M[at[t]], M[at[t + 1]], M[at[t + 2]], M[at[t + 3]]
            s0, s1, s2, s3 = by[t], by[t + 1], by[t + 2], by[t + 3]
            for j in range(len(row)):
                row[j] += s0 * m0[j] + s1 * m1[j] + s2 * m2[j] + s3 * m3[j]
