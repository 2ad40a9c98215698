"""Whole updates of small mini-batches of a Bernoulli machine in NumPy: the definition that `cpu_few` must equal."""

from typing import NamedTuple

import numpy as np

from harmonium.kernels.reference_dense import Array, draw_binary

f32 = np.float32


class Few(NamedTuple):
    """Parameters, chains and buffers of `pcd_batches`; the first six are changed."""

    W: Array  # float32 (n_visible, n_hidden)
    b: Array  # float32 (n_visible,)
    c: Array  # float32 (n_hidden,)
    H: Array  # float32 (n_chains, n_hidden): hidden states of the chains
    mu: Array  # float32 (n_visible,): offsets of centring
    lam: Array  # float32 (n_hidden,)
    V: Array  # float32 (n_chains + batch + 2, n_visible)
    M: Array  # float32 (n_chains + batch + 2, n_hidden)
    F: Array  # float32 (n_chains + batch + 2, n_hidden)
    Y: Array  # float32 (n_chains, n_visible)


class Plan(NamedTuple):
    """Numbers of `pcd_batches`."""

    batch: int
    n_steps: int
    decay: np.float32
    centring: bool
    offset_rate: np.float32


def pcd_batches(X: Array, order: Array, keys: Array, rates: Array, plan: Plan, few: Few) -> None:
    """Learn from mini-batches of cases by PCD (Tieleman 2008) and plain ascent, one after the other, in place.

    Parameters
    ----------
    X : float32 array, (n_cases, n_visible)
    order : int64 array, (n,)
        Cases; each `plan.batch` of them are a mini-batch.
    keys : uint64 array, (n_batches, 2 n_steps + 1)
        Of the data's hidden units, then of each step's visible and hidden ones.
    rates : float32 array, (n_batches,)
    plan : Plan
    few : Few
        Its last chains' visible states stand in the first rows of V.
    """
    n = len(few.H)
    chain, v_f, m_f = np.arange(n), few.V[:n], few.M[:n]
    for u, rate in enumerate(rates):
        rows = order[u * plan.batch : (u + 1) * plan.batch]
        v_d, m_d = X[rows], np.empty((len(rows), len(few.c)), f32)
        for t in range(plan.n_steps):
            draw_binary(few.H @ few.W.T, few.b, keys[u, 1 + 2 * t], chain, 0.0, None, v_f)
            if t < plan.n_steps - 1:
                draw_binary(v_f @ few.W, few.c, keys[u, 2 + 2 * t], chain, 0.0, None, few.H)
        draw_binary(v_d @ few.W, few.c, keys[u, 0], rows, 0.0, m_d, None)
        draw_binary(v_f @ few.W, few.c, keys[u, -1], chain, 0.0, m_f, few.H)
        G = v_d.T @ m_d / f32(len(rows)) - v_f.T @ m_f / f32(n)
        db, dc = v_d.mean(axis=0) - v_f.mean(axis=0), m_d.mean(axis=0) - m_f.mean(axis=0)
        if plan.centring:
            few.mu[...] += plan.offset_rate * (v_d.mean(axis=0) - few.mu)
            few.lam[...] += plan.offset_rate * (m_d.mean(axis=0) - few.lam)
            G = G - np.outer(few.mu, dc) - np.outer(db, few.lam)
            db, dc = db - G @ few.lam, dc - few.mu @ G
        few.W[...] += rate * (G - plan.decay * few.W)
        few.b[...] += rate * db
        few.c[...] += rate * dc
