"""Numba loops of the fully visible machine on few neighbours: each item's couplings to the items it goes with most."""

import numpy as np

from harmonium.kernels.jit import compiled, inlined

f32 = np.float32


@compiled
def _strongest(strength, touched, n_touched, n_best, chosen):
    """The touched items of largest strength, in no order; returns how many."""
    if n_touched <= n_best:
        for k in range(n_touched):
            chosen[k] = touched[k]
        return n_touched
    values = np.empty(n_touched, f32)
    for k in range(n_touched):
        values[k] = strength[touched[k]]
    least = np.partition(values, n_touched - n_best)[n_touched - n_best]
    n = 0
    for k in range(n_touched):
        if strength[touched[k]] > least:
            chosen[n] = touched[k]
            n += 1
    for k in range(n_touched):
        if n < n_best and strength[touched[k]] == least:
            chosen[n] = touched[k]
            n += 1
    return n


@compiled
def _local_gram(chosen, n, of_indptr, of_user, of_weight, start_of, filled, users, G):
    """G[a, b] = x_a . x_b of the chosen items, the lower triangle; `start_of` and `filled` are 0 before and after."""
    n_users = 0
    for a in range(n):
        for t in range(of_indptr[chosen[a]], of_indptr[chosen[a] + 1]):
            u = of_user[t]
            if start_of[u] == 0:
                users[n_users] = u
                n_users += 1
            start_of[u] += 1
    total = 1  # 0 says that a user has not been met
    for k in range(n_users):
        u = users[k]
        total, start_of[u] = total + start_of[u], total
    member, value = np.empty(total, np.int32), np.empty(total, f32)
    for a in range(n):
        for t in range(of_indptr[chosen[a]], of_indptr[chosen[a] + 1]):
            u = of_user[t]
            at = start_of[u] + filled[u]
            member[at], value[at] = a, of_weight[t]
            filled[u] += 1
    for k in range(n_users):
        u = users[k]
        first = start_of[u]
        for s in range(first, first + filled[u]):
            row, w = G[member[s]], np.float64(value[s])
            for t in range(first, s + 1):
                row[member[t]] += w * value[t]
        start_of[u], filled[u] = 0, 0


@inlined
def _solve(G, b, n):
    """Solve G x = b for a symmetric positive definite G by Cholesky, in place; the lower triangle is read."""
    for j in range(n):
        for i in range(j, n):
            total = G[i, j]
            for k in range(j):
                total -= G[i, k] * G[j, k]
            G[i, j] = np.sqrt(total) if i == j else total / G[j, j]
    for i in range(n):
        total = b[i]
        for k in range(i):
            total -= G[i, k] * b[k]
        b[i] = total / G[i, i]
    for i in range(n - 1, -1, -1):
        total = b[i]
        for k in range(i + 1, n):
            total -= G[k, i] * b[k]
        b[i] = total / G[i, i]


@compiled
def neighbour_rows(start, stop, indptr, item, weight, of_indptr, of_user, of_weight, square, chosen, value):
    """Couplings of items start..stop - 1 to the items each goes with most: indices (-1 is none) and values.

    Minimises |x_i - X_N b|^2 + |b|^2 over the neighbourhood N, whose Gram matrix is made from the users of its items.
    """
    n_items, n_best = len(of_indptr) - 1, chosen.shape[1]
    inner, strength = np.zeros(n_items, f32), np.zeros(n_items, f32)
    touched = np.empty(n_items, np.int32)
    start_of, filled = np.zeros(len(indptr) - 1, np.int64), np.zeros(len(indptr) - 1, np.int32)
    users = np.empty(len(indptr) - 1, np.int32)
    G, b = np.empty((n_best, n_best)), np.empty(n_best)
    for i in range(start, stop):
        n_touched = 0
        for e in range(of_indptr[i], of_indptr[i + 1]):
            u, w = of_user[e], of_weight[e]
            for t in range(indptr[u], indptr[u + 1]):
                j = item[t]
                if inner[j] == 0 and j != i:
                    touched[n_touched] = j
                    n_touched += 1
                inner[j] += w * weight[t]
        for k in range(n_touched):
            j = touched[k]
            strength[j] = inner[j] / np.sqrt(f32(1) + square[j])
        n = _strongest(strength, touched, n_touched, n_best, chosen[i])
        chosen[i, :n] = np.sort(chosen[i, :n])
        for a in range(n):
            b[a] = inner[chosen[i, a]]
            G[a, : a + 1] = 0
        _local_gram(chosen[i], n, of_indptr, of_user, of_weight, start_of, filled, users, G)
        for a in range(n):
            G[a, a] += 1
        _solve(G, b, n)
        for a in range(n):
            value[i, a] = b[a]
        for a in range(n, n_best):
            chosen[i, a], value[i, a] = -1, f32(0)
        inner[i] = 0
        for k in range(n_touched):
            inner[touched[k]] = 0
