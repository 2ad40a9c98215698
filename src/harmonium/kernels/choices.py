"""Kernels for choices: sparse sums, Gram matrices, ranked lists, fantasies; compiled, rows shared out between threads.

`choices_reference` is NumPy and is the definition. Sparse matrices are (indptr, item, weight): int64, int32, float32.
Numba loads with the first that needs it: a short answer does not.
"""

import sys
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.data.sorting import row_pointer, stable_order
from harmonium.kernels.choice_arrays import BETA_1, BETA_2, HIDDEN
from harmonium.kernels.choice_arrays import Floats as Floats
from harmonium.kernels.choice_arrays import Sparse as Sparse
from harmonium.kernels.choice_arrays import clear_diagonal as clear_diagonal
from harmonium.kernels.choice_arrays import copied as copied
from harmonium.kernels.choice_arrays import inner as inner
from harmonium.kernels.choice_arrays import largest as largest
from harmonium.kernels.choice_arrays import masked as masked
from harmonium.kernels.choice_arrays import row_sums as row_sums
from harmonium.kernels.choice_arrays import take as take
from harmonium.kernels.choice_arrays import thinned as thinned
from harmonium.kernels.choice_arrays import zeros_like as zeros_like
from harmonium.randomness import uniforms
from harmonium.units import bernoulli

LITTLE = 200_000  # multiplications that take less time than handing them to threads


class Alias(NamedTuple):
    """Draws from a fixed distribution in constant time (Walker 1974; Vose 1991)."""

    threshold: Floats  # (n,): below it a place stands for itself
    other: npt.NDArray[np.int32]  # (n,): for what it stands above
    log_q: Floats  # (n,): log probability of each outcome


def alias(probability: npt.NDArray[np.floating]) -> Alias:
    """Build an alias table.

    Parameters
    ----------
    probability : floats, (n,)
        Above 0; brought to sum 1.

    Notes
    -----
    O(n): every place takes its fill from one place that has too much.
    """
    p = np.asarray(probability, np.float64)
    p = p / p.sum()
    share, other = p * len(p), np.arange(len(p), dtype=np.int32)
    small, large = [index.tolist() for index in (np.flatnonzero(share < 1), np.flatnonzero(share >= 1))]
    threshold = np.ones(len(p))
    while small and large:
        low, high = small.pop(), large[-1]
        threshold[low], other[low] = share[low], high
        share[high] -= 1 - share[low]
        if share[high] < 1:
            small.append(large.pop())
    return Alias(threshold.astype(np.float32), other, np.log(p).astype(np.float32))


def matrix(x: Sparse, n: int) -> Any:
    """The same as a SciPy matrix, without a copy.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    n : int
    """
    from scipy.sparse import csr_matrix

    return csr_matrix((x[2], x[1], x[0]), shape=(len(x[0]) - 1, n))


def transposed(x: Sparse, n: int) -> Sparse:
    """The same by columns.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    n : int

    Returns
    -------
    sparse, (n, n_rows)
    """
    row = np.repeat(np.arange(len(x[0]) - 1, dtype=np.int32), np.diff(x[0]))
    order = stable_order(x[1]) if len(x[1]) else None
    where = slice(None) if order is None else order
    return row_pointer(x[1], n), row[where], x[2][where]


def sum_rows(x: Sparse, M: Floats) -> Floats:
    """Sparse times dense: X M.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    M : float32 array, (n, n_columns)

    Returns
    -------
    float32 array, (n_rows, n_columns)
    """
    out = np.empty((len(x[0]) - 1, M.shape[1]), np.float32)
    _over_rows("sum_rows", _cost(x[0]), *x, M, out)
    return out


def hidden_means(x: Sparse, W: Floats, c: Floats) -> Floats:
    """Means of hidden Bernoulli units, sigmoid(c + X W): (n_rows, n_hidden).

    Parameters
    ----------
    x : sparse, (n_rows, n_items)
    W : float32 array, (n_items, n_hidden)
    c : float32 array, (n_hidden,)
    """
    return bernoulli.mean(sum_rows(x, W) + c).astype(np.float32)


def product(x: Sparse, of: Sparse, n_columns: int) -> Floats:
    """Sparse times sparse, written out: X M.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    of : sparse, (n, n_columns)
    n_columns : int

    Returns
    -------
    float32 array, (n_rows, n_columns)
    """
    out = np.empty((len(x[0]) - 1, n_columns), np.float32)
    if len(out) == 1 and "numba" not in sys.modules:
        return _one_product(x, of, out)
    if len(x[1]) * len(of[1]) < LITTLE * len(of[0]):  # of rows of usual length
        from harmonium.kernels import choice_rows

        choice_rows.product_rows(0, len(out), *x, *of, out)
    else:
        _over_rows("product_rows", _cost(x[0]), *x, *of, out)
    return out


def gram(x: Sparse, transposed: Sparse, out: Floats) -> Floats:
    """X'X, written to `out`.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    transposed : sparse, (n, n_rows)
        The same by columns.
    out : float32 array, (n, n)

    Notes
    -----
    sum over rows of the square of their number of entries, halved; nothing but `out` is allocated.
    """
    length = np.diff(x[0])
    work = np.concatenate(([0], np.cumsum(length[transposed[1]])))[transposed[0]] + np.arange(len(transposed[0]))
    _over_rows("gram_rows", work, *x, *transposed, out)
    mirror(out)
    return out


def mirror(A: Floats, block: int = 1024) -> None:
    """Copy the lower triangle of a square matrix onto the upper one, in place and in blocks.

    Parameters
    ----------
    A : float32 array, (n, n)
    block : int
    """
    n = len(A)
    for a in range(0, n, block):
        z = min(a + block, n)
        A[a:z, z:] = A[z:, a:z].T
        square = A[a:z, a:z]
        square[...] = np.tril(square) + np.tril(square, -1).T


def quadratic(x: Sparse, A: Floats) -> npt.NDArray[np.float64]:
    """x' A x of every row of X.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    A : float32 array, (n, n)
        Symmetric.

    Returns
    -------
    float64 array, (n_rows,)

    Notes
    -----
    sum over rows of the square of their number of entries, halved.
    """
    out = np.empty(len(x[0]) - 1)
    _over_rows("quadratic_rows", np.concatenate(([0], np.cumsum(np.diff(x[0]) ** 2 + 1))), *x, A, out)
    return out


def top(
    score: Floats, leave_out: Sparse, popular: npt.NDArray[np.int64], allowed: npt.NDArray[np.bool_], n: int
) -> tuple[npt.NDArray[np.int32], Floats]:
    """The best items of each row, the best first.

    Parameters
    ----------
    score : float32 array, (n_rows, n_items)
        Scores of entries to be left out become -inf in place.
    leave_out : sparse, (n_rows, n_items)
    popular : int64 array, (n_items,)
        Of equal scores the item with more goes first, then the smaller index.
    allowed : bool array, (n_items,)
    n : int

    Returns
    -------
    best : int32 array, (n_rows, n)
        -1 where nothing is left.
    score : float32 array, (n_rows, n)
        -inf there.
    """
    best, of_best = np.empty((len(score), n), np.int32), np.empty((len(score), n), np.float32)
    _over_rows("top_rows", np.arange(len(score) + 1), score, *leave_out[:2], popular, allowed, best, of_best)
    return best, of_best


def chains(
    x: Sparse, first: npt.NDArray[np.int64], key: np.uint64, W: Floats, b: Floats, c: Floats, table: Alias,
    n_gibbs: int, n_moves: int,
) -> tuple[Floats, Floats, npt.NDArray[np.int32]]:  # fmt: skip
    """Fantasies of replicated-softmax cases at a cost that does not depend on the number of items.

    Parameters
    ----------
    x : sparse, (batch, n_items)
    first : int64 array, (batch,)
        Number of each case's first entry among all: what is drawn depends on it alone.
    key : uint64
        From `randomness.key_of`.
    W : float32 array, (n_items, n_hidden)
    b, c : float32 arrays, (n_items,) and (n_hidden,)
    table : Alias
        Of the proposals.
    n_gibbs, n_moves : int
        Sweeps, and Metropolis-Hastings moves of every event in a sweep.

    Returns
    -------
    p_data, p_model : float32 arrays, (batch, n_hidden)
        Hidden means at the case and at its fantasy.
    fantasy : int32 array, (n,)
        The item in place of that of each entry.

    Notes
    -----
    A move from i to k, drawn from q, is accepted with probability min(1, exp(f_k - f_i) q_i / q_k), f the items' fields
    b + W h. That leaves the softmax of f invariant; each move costs two products of n_hidden.
    """
    shape = len(x[0]) - 1, len(c)
    p, q, fantasy = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(len(x[1]), np.int32)
    _over_rows("chain_rows", _cost(x[0]), *x, first, key, W, b, c, *table, n_gibbs, n_moves, p, q, fantasy)
    return p, q, fantasy


def exact_chains(
    x: Sparse, first: npt.NDArray[np.int64], key: np.uint64, W: Floats, b: Floats, c: Floats, n_gibbs: int
) -> tuple[Floats, Floats, npt.NDArray[np.int32]]:
    """Fantasies by block Gibbs sampling, every choice drawn anew from the exact softmax; see `chains`.

    Parameters
    ----------
    x : sparse, (batch, n_items)
    first : int64 array, (batch,)
    key : uint64
    W, b, c : float32 arrays, (n_items, n_hidden), (n_items,), (n_hidden,)
    n_gibbs : int
    """
    indptr, item, weight = x
    p = hidden_means(x, W, c)
    q, fantasy = p, item.copy()
    for sweep in range(n_gibbs):
        h = (uniforms(key, first[:, None], HIDDEN + sweep * len(c) + np.arange(len(c))) < q).astype(np.float32)
        rising = h @ W.T + b
        rising = np.exp(rising - rising.max(axis=1, keepdims=True)).astype(np.float64).cumsum(axis=1)
        for r in range(len(p)):
            entries = slice(indptr[r], indptr[r + 1])
            u = uniforms(key, first[r] + np.arange(indptr[r + 1] - indptr[r]), sweep)
            fantasy[entries] = np.minimum(np.searchsorted(rising[r], u * rising[r, -1], side="right"), len(b) - 1)
        q = hidden_means((indptr, fantasy, weight), W, c)
    return p, q, fantasy


def touched_step(
    x: Sparse, fantasy: npt.NDArray[np.int32], p: Floats, q: Floats, W: Floats, b: Floats, square: Floats,
    rate: float, decay: float,
) -> npt.NDArray[np.int32] | None:  # fmt: skip
    """One Adagrad step of contrastive divergence, of the rows of items that data or fantasies have and no others.

    Parameters
    ----------
    x : sparse, (batch, n_items)
    fantasy : int32 array, (n_entries,)
    p, q : float32 arrays, (batch, n_hidden)
        Hidden means at the data and at the fantasies.
    W, b : float32 arrays, (n_items, n_hidden) and (n_items,)
        Changed in place, as is the next.
    square : float32 array, (n_items, 2)
        Running squares of each row of W and of each bias.
    rate, decay : float

    Returns
    -------
    int32 array, or None
        The items whose rows have changed; None where nobody has waited to know.
    """
    slot = np.repeat(np.arange(len(p), dtype=np.int32), np.diff(x[0]))
    item = np.concatenate((x[1], fantasy))
    order = stable_order(item)
    order = slice(None) if order is None else order
    item, sign = item[order], np.concatenate((x[2], -x[2]))[order]
    ptr = np.append(np.flatnonzero(np.diff(item, prepend=-1)), len(item))
    touched = item[ptr[:-1]]
    sparse_step(touched, ptr, np.concatenate((slot, slot))[order], sign, p, q, W, b, square, rate, rate, decay)
    return touched


def sparse_step(touched, ptr, slot, sign, P, Q, W, b, square, rate: float, bias_rate: float, decay: float) -> None:
    """One Adagrad step of the rows of touched items, in place; see `choices_reference.sparse_step`."""
    rates = (np.float32(value) for value in (rate, bias_rate, decay))
    _over_rows("sparse_step", ptr, touched, ptr, slot, sign, P, Q, W, b, square, *rates)


def adam(x: Floats, gradient: Floats, moments: tuple[Floats, Floats], rate: float, t: int) -> None:
    """One Adam step downhill, in place (Kingma & Ba, 2015, algorithm 1, with its default decay rates).

    Parameters
    ----------
    x, gradient : float32 arrays, any shape
    moments : float32 arrays, as x
        Running means of the gradient and of its square.
    rate : float
    t : int
        Steps done, this one included.
    """
    flat = [array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1) for array in (x, gradient, *moments)]
    corrections = 1 / (1 - BETA_1**t), 1 / (1 - BETA_2**t)
    numbers = (np.float32(value) for value in (rate, BETA_1, BETA_2, *corrections))
    _over_rows("adam_rows", np.arange(len(flat[0]) + 1), *flat, *numbers)


def residual(Z: Floats, x: Sparse) -> npt.NDArray[np.float64]:
    """Turn fields into the gradient of the softmax's loss: n softmax(field) - x, in place; n is the sum of a row of x.

    Parameters
    ----------
    Z : float32 array, (n_rows, n_items)
    x : sparse, (n_rows, n_items)

    Returns
    -------
    float64 array, (n_rows,)
        -sum x log softmax(field), in nats.
    """
    loss = np.empty(len(Z))
    _over_rows("residual_rows", np.arange(len(Z) + 1), Z, *x, loss)
    return loss


def list_spread(lists: npt.NDArray[np.int32], of_item: Sparse, n_users: int) -> npt.NDArray[np.float64]:
    """Sum over the pairs of each list's items of the cosine between the sets of users who chose them.

    Parameters
    ----------
    lists : int32 array, (n_lists, n)
        -1 is no item.
    of_item : sparse, (n_items, n_users)
    n_users : int

    Returns
    -------
    float64 array, (n_lists,)
    """
    out = np.empty(len(lists))
    _over_rows("list_spread", np.arange(len(lists) + 1), lists, *of_item[:2], n_users, out)
    return out


def _cost(indptr: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Cumulative cost of rows, an empty one not free."""
    return indptr - indptr[0] + np.arange(len(indptr))


def _over_rows(kernel: str, cost: npt.NDArray[np.int64], *arguments: Any) -> None:
    """Run a kernel of `choice_rows`, rows shared out between threads."""
    from harmonium.kernels import choice_rows
    from harmonium.kernels.jit import over_rows

    over_rows(getattr(choice_rows, kernel), cost, *arguments)


def _one_product(x: Sparse, of: Sparse, out: Floats) -> Floats:
    """`product` of one row in NumPy, in the kernel's order: for it alone Numba need not load."""
    indptr, item, value = of
    out[:] = 0
    for k, weight in zip(x[1].tolist(), x[2]):
        given = slice(indptr[k], indptr[k + 1])
        out[0, item[given]] += weight * value[given]
    return out
