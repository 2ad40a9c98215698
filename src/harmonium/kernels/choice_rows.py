"""Numba loops for choices, each over a range of rows and writing to those rows alone.

Sums of rows, Gram matrices, ranked lists, fantasies and steps.

`choices` calls them in threads; `choices_reference` holds the same functions in NumPy.
"""

import numpy as np

from harmonium.kernels.choice_arrays import EPS, FINE, HIDDEN, SWEEP
from harmonium.kernels.cpu_math import exp, sigmoid, uniform
from harmonium.kernels.jit import compiled, inlined, prefetch

f32 = np.float32
TOGETHER = 16  # entries whose proposals are fetched together
AHEAD = 8  # rows that are on their way while others are added


@inlined
def ask_for(plane, row):
    """Have a row of a matrix brought nearer; waiting for rows of large matrices takes longer than adding them."""
    stride = plane.strides[0]
    start = plane.ctypes.data + row * stride
    for line in range(0, stride, 64):
        prefetch(start + line)  # pyright: ignore[reportCallIssue]


@inlined
def ask_for_one(values, k):
    """The same for one element."""
    prefetch(values.ctypes.data + k * values.itemsize)  # pyright: ignore[reportCallIssue]


@inlined
def add_rows(out, plane, rows, scale, n):
    """out += sum over t < n of scale[t] * plane[rows[t]], four rows at a time, the next four on their way."""
    for t in range(min(AHEAD, n)):
        ask_for(plane, rows[t])
    t = 0
    while t + 4 <= n:
        for s in range(t + AHEAD, min(t + AHEAD + 4, n)):
            ask_for(plane, rows[s])
        a, p = scale[t], plane[rows[t]]
        b, q = scale[t + 1], plane[rows[t + 1]]
        c, r = scale[t + 2], plane[rows[t + 2]]
        d, s = scale[t + 3], plane[rows[t + 3]]
        for j in range(out.shape[0]):
            out[j] += (a * p[j] + b * q[j]) + (c * r[j] + d * s[j])
        t += 4
    while t < n:
        a, p = scale[t], plane[rows[t]]
        for j in range(out.shape[0]):
            out[j] += a * p[j]
        t += 1


@compiled
def sum_rows(start, stop, indptr, item, weight, M, out):
    """out[r] = sum over the entries of row r of weight * M[item]."""
    for r in range(start, stop):
        a, b = indptr[r], indptr[r + 1]
        out[r] = f32(0)
        add_rows(out[r], M, item[a:b], weight[a:b], b - a)


@compiled
def product_rows(start, stop, indptr, item, weight, of_indptr, of_item, of_value, out):
    """out[r] = sum over the entries of row r of weight * the sparse row of the item."""
    for r in range(start, stop):
        row = out[r]
        row[:] = f32(0)
        for t in range(indptr[r], indptr[r + 1]):
            w = weight[t]
            for s in range(of_indptr[item[t]], of_indptr[item[t] + 1]):
                row[of_item[s]] += w * of_value[s]


@compiled
def gram_rows(start, stop, indptr, item, weight, of_indptr, of_user, of_weight, out):
    """Rows of X'X, diagonal and left of it: out[i, j] = sum over users of x_ui x_uj, j <= i."""
    for i in range(start, stop):
        for j in range(i + 1):
            out[i, j] = f32(0)
        for e in range(of_indptr[i], of_indptr[i + 1]):
            u, w = of_user[e], of_weight[e]
            for t in range(indptr[u], indptr[u + 1]):
                j = item[t]
                if j > i:
                    break
                out[i, j] += w * weight[t]


@compiled
def quadratic_rows(start, stop, indptr, item, weight, A, out):
    """out[r] = x_r' A x_r of a symmetric matrix of which the lower triangle is read."""
    for r in range(start, stop):
        total = 0.0
        for s in range(indptr[r], indptr[r + 1]):
            row, inner = A[item[s]], 0.0
            for t in range(indptr[r], s):
                inner += weight[t] * row[item[t]]
            total += weight[s] * (2 * inner + weight[s] * row[item[s]])
        out[r] = total


@inlined
def _worse(score, popular, a, b):
    """Whether item a ranks below item b: lower score, then less popular, then larger index."""
    if score[a] != score[b]:
        return score[a] < score[b]
    if popular[a] != popular[b]:
        return popular[a] < popular[b]
    return a > b


@inlined
def _sift(heap, n, at, score, popular):
    """Restore a heap whose worst item is on top, from place `at` downwards."""
    while True:
        child = 2 * at + 1
        if child >= n:
            return
        if child + 1 < n and _worse(score, popular, heap[child + 1], heap[child]):
            child += 1
        if not _worse(score, popular, heap[child], heap[at]):
            return
        heap[at], heap[child] = heap[child], heap[at]
        at = child


@compiled
def top_rows(start, stop, score, indptr, item, popular, allowed, best, best_score):
    """The best items of each row: not its own entries, allowed ones alone; -1 where none is left.

    Scores of entries to be left out become -inf in place.
    """
    n_best = best.shape[1]
    least = f32(-np.inf)
    for r in range(start, stop):
        s, heap, n = score[r], best[r], 0
        for t in range(indptr[r], indptr[r + 1]):
            s[item[t]] = least
        for i in range(s.shape[0]):
            if n == n_best:
                if s[i] < s[heap[0]] or not allowed[i] or not _worse(s, popular, heap[0], i):
                    continue
                heap[0] = i
                _sift(heap, n, 0, s, popular)
            elif allowed[i] and s[i] > least:
                heap[n] = i
                n += 1
                if n == n_best:
                    for k in range(n // 2 - 1, -1, -1):
                        _sift(heap, n, k, s, popular)
        if n < n_best:
            for k in range(n // 2 - 1, -1, -1):
                _sift(heap, n, k, s, popular)
        for last in range(n - 1, 0, -1):
            heap[0], heap[last] = heap[last], heap[0]
            _sift(heap, last, 0, s, popular)
        for k in range(n_best):
            if k < n:
                best_score[r, k] = s[heap[k]]
            else:
                heap[k], best_score[r, k] = -1, least


@inlined
def _dot(a, b):
    total = f32(0)
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@inlined
def _propose(proposal, n, entry, key, sweep, threshold, other):
    """Draw a place of the alias table for every move of n events, both of its outcomes on their way."""
    n_moves, n_items = proposal.shape[1], threshold.shape[0]
    for t in range(n):
        for m in range(n_moves):
            at = 4 * (sweep * n_moves + m)
            u = np.float64(uniform(key, entry + t, at)) + np.float64(uniform(key, entry + t, at + 1)) * FINE
            k = min(np.int64(u * n_items), n_items - 1)
            proposal[t, m] = k
            ask_for_one(threshold, k)
            ask_for_one(other, k)


@inlined
def _settle(proposal, n, entry, key, sweep, threshold, other, W, b, log_q):
    """Turn places of the alias table into the items proposed, their weights on their way."""
    n_moves = proposal.shape[1]
    for t in range(n):
        for m in range(n_moves):
            k = proposal[t, m]
            k = k if uniform(key, entry + t, 4 * (sweep * n_moves + m) + 2) < threshold[k] else other[k]
            proposal[t, m] = k
            ask_for(W, k)
            ask_for_one(b, k)
            ask_for_one(log_q, k)


@inlined
def _move(event, proposal, n, entry, key, sweep, W, b, h, log_q):
    """Metropolis-Hastings moves of n events to the items proposed, one after the other."""
    n_moves = proposal.shape[1]
    for t in range(n):
        i = event[t]
        field = b[i] + _dot(W[i], h) - log_q[i]
        for m in range(n_moves):
            k = proposal[t, m]
            if k == i:
                continue
            there = b[k] + _dot(W[k], h) - log_q[k]
            u = uniform(key, entry + t, 4 * (sweep * n_moves + m) + 3)
            if there >= field or u < np.exp(there - field):
                i, field = k, there
        event[t] = i


@compiled
def chain_rows(
    start,
    stop,
    indptr,
    item,
    weight,
    first,
    key,
    W,
    b,
    c,
    threshold,
    other,
    log_q,
    n_gibbs,
    n_moves,
    p_data,
    p_model,
    fantasy,
):
    """Fantasies of replicated-softmax cases: sweeps of hidden units and of Metropolis-Hastings moves of every event.

    `first` is the number of each row's first entry among all, so that draws depend on the entry alone.
    """
    n_hidden = c.shape[0]
    h, proposal = np.empty(n_hidden, f32), np.empty((TOGETHER, n_moves), np.int64)
    for r in range(start, stop):
        lo, hi = indptr[r], indptr[r + 1]
        p = p_data[r]
        p[:] = c
        add_rows(p, W, item[lo:hi], weight[lo:hi], hi - lo)
        for j in range(n_hidden):
            p[j] = sigmoid(p[j])
        for t in range(lo, hi):
            fantasy[t] = item[t]
        q = p_model[r]
        q[:] = p
        for sweep in range(n_gibbs):
            for j in range(n_hidden):
                h[j] = f32(1) if uniform(key, first[r], HIDDEN + sweep * SWEEP + j) < q[j] else f32(0)
            for begin in range(lo, hi, TOGETHER):
                end = min(begin + TOGETHER, hi)
                n, entry = end - begin, first[r] + begin - lo
                _propose(proposal, n, entry, key, sweep, threshold, other)
                _settle(proposal, n, entry, key, sweep, threshold, other, W, b, log_q)
                _move(fantasy[begin:end], proposal, n, entry, key, sweep, W, b, h, log_q)
            q[:] = c
            add_rows(q, W, fantasy[lo:hi], weight[lo:hi], hi - lo)
            for j in range(n_hidden):
                q[j] = sigmoid(q[j])


@compiled
def sparse_step(start, stop, touched, ptr, slot, sign, P, Q, W, b, square, rate, bias_rate, decay):
    """One Adagrad step of the touched items' rows, with one running square a row.

    `sign` holds +weight for an entry of the data (hidden means P) and -weight for one of a fantasy (Q).
    """
    g = np.empty(W.shape[1], f32)
    for k in range(start, stop):
        i = touched[k]
        if k + AHEAD < stop:
            ask_for(W, touched[k + AHEAD])
            ask_for(square, touched[k + AHEAD])
        g[:] = f32(0)
        g_b = f32(0)
        for t in range(ptr[k], ptr[k + 1]):
            s = sign[t]
            source = P[slot[t]] if s > 0 else Q[slot[t]]
            g_b += s
            for j in range(g.shape[0]):
                g[j] += s * source[j]
        w, total = W[i], f32(0)
        for j in range(g.shape[0]):
            g[j] -= decay * w[j]
            total += g[j] * g[j]
        square[i, 0] += total / f32(g.shape[0])
        square[i, 1] += g_b * g_b
        step = rate / np.sqrt(square[i, 0] + f32(EPS))
        for j in range(g.shape[0]):
            w[j] += step * g[j]
        b[i] += bias_rate * g_b / np.sqrt(square[i, 1] + f32(EPS))


@compiled
def adam_rows(start, stop, x, gradient, mean, square, rate, beta1, beta2, correction1, correction2):
    """One Adam step (Kingma & Ba, 2015) downhill, over the rows of a matrix."""
    one = f32(1)
    for r in range(start, stop):
        p, g, m, v = x[r], gradient[r], mean[r], square[r]
        for j in range(p.shape[0]):
            m[j] = beta1 * m[j] + (one - beta1) * g[j]
            v[j] = beta2 * v[j] + (one - beta2) * g[j] * g[j]
            p[j] -= rate * (m[j] * correction1) / (np.sqrt(v[j] * correction2) + f32(EPS))


@compiled
def list_spread(start, stop, lists, of_indptr, of_user, n_users, out):
    """Sum over pairs of a list's items of the cosine between the sets of users who chose them."""
    touched = np.zeros(n_users, np.float64)
    for r in range(start, stop):
        squared, n = 0.0, 0
        for i in lists[r]:
            if i < 0:
                continue
            a, z = of_indptr[i], of_indptr[i + 1]
            if z > a:
                n += 1
            step = 1.0 / np.sqrt(max(1, z - a))
            for t in range(a, z):
                u = of_user[t]
                squared += (2 * touched[u] + step) * step
                touched[u] += step
        for i in lists[r]:
            if i >= 0:
                for t in range(of_indptr[i], of_indptr[i + 1]):
                    touched[of_user[t]] = 0.0
        out[r] = (squared - n) / 2


@compiled
def residual_rows(start, stop, Z, indptr, item, weight, loss):
    """Fields become n softmax(field) - x, row by row, n the sum of x; loss[r] = -sum x log softmax."""
    for r in range(start, stop):
        z = Z[r]
        n, agreed = f32(0), 0.0
        top = z[0]
        for i in range(z.shape[0]):
            top = z[i] if z[i] > top else top
        for t in range(indptr[r], indptr[r + 1]):
            n += weight[t]
            agreed += weight[t] * (z[item[t]] - top)
        total = f32(0)
        for i in range(z.shape[0]):
            z[i] = exp(z[i] - top)
            total += z[i]
        scale = n / total
        for i in range(z.shape[0]):
            z[i] *= scale
        for t in range(indptr[r], indptr[r + 1]):
            z[item[t]] -= weight[t]
        loss[r] = n * np.log(total) - agreed
