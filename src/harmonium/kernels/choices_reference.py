"""The kernels for choices in NumPy: the definition that `choices` is tested against."""

import numpy as np

from harmonium.kernels.choice_arrays import BETA_1, BETA_2, EPS, FINE, HIDDEN, SWEEP
from harmonium.kernels.choices import Alias, Floats, Sparse
from harmonium.randomness import uniforms
from harmonium.units import bernoulli


def dense(x: Sparse, n: int) -> Floats:
    """A sparse matrix written out.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    n : int
    """
    out = np.zeros((len(x[0]) - 1, n), np.float32)
    np.add.at(out, (np.repeat(np.arange(len(out)), np.diff(x[0])), x[1]), x[2])
    return out


def sum_rows(x: Sparse, M: Floats) -> Floats:
    """See `choices.sum_rows`."""
    return dense(x, len(M)) @ M


def product(x: Sparse, of: Sparse, n_columns: int) -> Floats:
    """See `choices.product`."""
    return dense(x, len(of[0]) - 1) @ dense(of, n_columns)


def gram(x: Sparse, transposed: Sparse, out: Floats) -> Floats:
    """See `choices.gram`."""
    written = dense(x, len(out))
    out[...] = written.T @ written
    return out


def quadratic(x: Sparse, A: Floats):
    """See `choices.quadratic`."""
    written = dense(x, len(A)).astype(np.float64)
    return np.einsum("ri,ij,rj->r", written, A.astype(np.float64), written)


def top(score: Floats, leave_out: Sparse, popular, allowed, n: int):
    """See `choices.top`."""
    best = np.full((len(score), n), -1, np.int32)
    of_best = np.full((len(score), n), -np.inf, np.float32)
    for r, s in enumerate(score):
        s[leave_out[1][leave_out[0][r] : leave_out[0][r + 1]]] = -np.inf
        left = np.flatnonzero(allowed & (s > -np.inf))
        order = left[np.lexsort((left, -popular[left], -s[left]))][:n]
        best[r, : len(order)], of_best[r, : len(order)] = order, s[order]
    return best, of_best


def chains(x: Sparse, first, key, W, b, c, table: Alias, n_gibbs: int, n_moves: int):
    """See `choices.chains`."""
    indptr, item, weight = x
    p = bernoulli.mean(c + sum_rows(x, W))
    q, fantasy = p.copy(), item.copy()
    case = np.repeat(np.arange(len(p)), np.diff(indptr))
    entry = first[case] + np.arange(len(item)) - indptr[case]
    for sweep in range(n_gibbs):
        h = uniforms(key, first[:, None], HIDDEN + sweep * SWEEP + np.arange(len(c))) < q
        for m in range(n_moves):
            u = [uniforms(key, entry, 4 * (sweep * n_moves + m) + part) for part in range(4)]
            place = ((u[0].astype(np.float64) + u[1].astype(np.float64) * FINE) * len(b)).astype(np.int64)
            proposal = np.where(u[2] < table.threshold[place], place, table.other[place])
            gain = _field(proposal, h[case], W, b, table) - _field(fantasy, h[case], W, b, table)
            fantasy = np.where(u[3] < np.exp(np.minimum(gain, 0)), proposal, fantasy).astype(np.int32)
        q = bernoulli.mean(c + sum_rows((indptr, fantasy, weight), W))
    return p, q, fantasy


def _field(item, h, W, b, table: Alias):
    return b[item] + np.einsum("ej,ej->e", W[item], h) - table.log_q[item]


def sparse_step(touched, ptr, slot, sign, P, Q, W, b, square, rate: float, bias_rate: float, decay: float) -> None:
    """One Adagrad step of the rows of touched items, in place.

    Parameters
    ----------
    touched : int array, (n_touched,)
        Their items.
    ptr : int64 array, (n_touched + 1,)
        Where each one's entries begin.
    slot : int array, (n,)
        Case of each entry within the batch.
    sign : float32 array, (n,)
        Its weight; negative for an entry of a fantasy.
    P, Q : float32 arrays, (batch, n_hidden)
        Hidden means at the data and at the fantasies.
    W : float32 array, (n_items, n_hidden)
    b : float32 array, (n_items,)
    square : float32 array, (n_items, 2)
        Running sums of squared gradients: the mean of a row of W, and of b.
    rate, bias_rate, decay : float
    """
    for k, i in enumerate(touched):
        entries = slice(ptr[k], ptr[k + 1])
        s, at = sign[entries], slot[entries]
        g = s @ np.where((s > 0)[:, None], P[at], Q[at]) - np.float32(decay) * W[i]
        square[i, 0] += np.mean(g * g)
        square[i, 1] += s.sum() ** 2
        W[i] += rate / np.sqrt(square[i, 0] + EPS) * g
        b[i] += bias_rate * s.sum() / np.sqrt(square[i, 1] + EPS)


def adam(x: Floats, gradient: Floats, moments: tuple[Floats, Floats], rate: float, t: int) -> None:
    """See `choices.adam`."""
    mean, square = moments
    mean[...] = BETA_1 * mean + (1 - BETA_1) * gradient
    square[...] = BETA_2 * square + (1 - BETA_2) * gradient * gradient
    x -= rate * (mean / (1 - BETA_1**t)) / (np.sqrt(square / (1 - BETA_2**t)) + EPS)


def residual(Z: Floats, x: Sparse):
    """See `choices.residual`."""
    written = dense(x, Z.shape[1])
    log_p = Z - Z.max(axis=1, keepdims=True)
    log_p = log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    Z[...] = np.exp(log_p) * written.sum(axis=1, keepdims=True) - written
    return -(written * log_p).sum(axis=1, dtype=np.float64)


def list_spread(lists, of_item: Sparse, n_users: int):
    """See `choices.list_spread`."""
    chosen = dense((*of_item[:2], np.ones(len(of_item[1]), np.float32)), n_users)
    length = np.sqrt(chosen.sum(axis=1, keepdims=True))
    unit = np.divide(chosen, length, out=np.zeros_like(chosen), where=length > 0)
    out = []
    for items in lists:
        vectors = unit[items[items >= 0]].astype(np.float64)
        product = vectors @ vectors.T
        out.append((product.sum() - np.trace(product)) / 2)
    return np.array(out)
