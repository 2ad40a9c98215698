"""The fully visible Gaussian machine: couplings between items in closed form, in three shapes.

With X^ the interactions, rows weighted and columns divided by the root of their ridge D, and M = (I + X^'X^)^-1, the
machine that pseudo-likelihood learns predicts item j from the others by

    B_ij = -D_i^-1/2 M_ij D_j^1/2 / M_jj,   B_jj = 0,   score = x B.

`Dense` holds B; `Dual` holds A = (I + X^X^')^-1 over users, with M = I - X^'A X^; `Neighbours` holds few couplings an
item, each item's solved on its own neighbourhood.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.kernels import choices as kernels
from harmonium.kernels.choices import Sparse
from harmonium.kernels.devices import CPU, Device
from harmonium.kernels.linear import BLOCK, invert

Floats = npt.NDArray[np.float32]
Gram = Callable[[Sparse, Sparse, Floats], Floats]
DENSE_CHUNK = 1 << 24  # elements of a temporary
OVERSAMPLED = 20  # vectors beyond those wanted
POWER_STEPS = 3


@final
@dataclass(frozen=True, eq=False)
class Scaled:
    """Interactions ready for the closed form.

    Parameters
    ----------
    x : sparse, (n_users, n_items)
        X^.
    columns : sparse, (n_items, n_users)
        The same by columns.
    ridge : float64 array, (n_items,)
        D.
    out : float64 array, (n_items,)
        What the score of each item is multiplied by at the end.
    user_weight : float64 array, (n_users,)
        What the rows were multiplied by.
    """

    x: Sparse
    columns: Sparse
    ridge: npt.NDArray[np.float64]
    out: npt.NDArray[np.float64]
    user_weight: npt.NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of items that act as one more variable: third-order terms.

    Parameters
    ----------
    first, second : int32 arrays, (n_pairs,)
        Item indices.
    """

    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]

    def of(self, x: Sparse, n_items: int) -> Floats:
        """Which pairs each row has whole, with the product of their weights: (n_rows, n_pairs).

        Parameters
        ----------
        x : sparse, (n_rows, n_items)
        n_items : int
        """
        columns = kernels.matrix(x, n_items).tocsc()
        return columns[:, self.first].multiply(columns[:, self.second]).toarray().astype(np.float32)


@final
@dataclass(frozen=True, eq=False)
class Dense:
    """Every coupling.

    Parameters
    ----------
    B : float32 array, (n_items + n_pairs, n_items)
    pairs : Pairs or None
    """

    B: Floats
    pairs: Pairs | None = None

    def scores(self, x: Sparse) -> Floats:
        """x B: (n_rows, n_items).

        Parameters
        ----------
        x : sparse, (n_rows, n_items)
        """
        n = self.B.shape[1]
        found = kernels.sum_rows(x, self.B[:n])
        if self.pairs is not None:
            found += self.pairs.of(x, n) @ self.B[n:]
        return found


@final
@dataclass(frozen=True, eq=False)
class Neighbours:
    """Few couplings an item.

    Parameters
    ----------
    indptr : int64 array, (n_items + 1,)
    item : int32 array, (n_couplings,)
    value : float32 array, (n_couplings,)
        Row i holds what item i adds to the scores of others.
    """

    indptr: npt.NDArray[np.int64]
    item: npt.NDArray[np.int32]
    value: Floats

    def scores(self, x: Sparse) -> Floats:
        """x B: (n_rows, n_items).

        Parameters
        ----------
        x : sparse, (n_rows, n_items)
        """
        return kernels.product(x, (self.indptr, self.item, self.value), len(self.indptr) - 1)


@final
@dataclass(frozen=True, eq=False)
class Dual:
    """The inverse over users, and what they chose.

    Parameters
    ----------
    A : float32 array, (n_users, n_users)
    scaled : Scaled
    diagonal : float64 array, (n_items,)
        M_jj.
    """

    A: Floats
    scaled: Scaled
    diagonal: npt.NDArray[np.float64]

    def scores(self, x: Sparse, learned: npt.NDArray[np.int64]) -> Floats:
        """Scores of histories: (n_rows, n_items).

        Parameters
        ----------
        x : sparse, (n_rows, n_items)
        learned : int64 array, (n_rows,)
            The training user whose row this is, entry for entry; -1 for others.

        Notes
        -----
        X^M = A X^ for training users: one sparse product. Others cost 2 n_users^2 operations each.
        """
        s, n = self.scaled, len(self.diagonal)
        part = np.empty((n, len(learned)), np.float32)  # x^M, transposed
        known = np.flatnonzero(learned >= 0)
        if len(known):
            rows = np.ascontiguousarray(self.A[:, learned[known]])  # A is symmetric
            part[:, known] = kernels.sum_rows(s.columns, rows) / s.user_weight[learned[known]].astype(np.float32)
        new = np.flatnonzero(learned < 0)
        scale = (1 / np.sqrt(s.ridge)).astype(np.float32)
        row = np.repeat(np.arange(len(learned)), np.diff(x[0]))
        if len(new):
            asked = np.zeros((n, len(new)), np.float32)
            place = np.full(len(learned), -1)
            place[new] = np.arange(len(new))
            of_new = place[row] >= 0
            asked[x[1][of_new], place[row[of_new]]] = (x[2] * scale[x[1]])[of_new]
            through = self.A @ kernels.sum_rows(s.x, asked)
            part[:, new] = asked - kernels.sum_rows(s.columns, through)
        factor = (-np.sqrt(s.ridge) / self.diagonal * s.out).astype(np.float32)
        found = np.ascontiguousarray((part * factor[:, None]).T)
        found[row, x[1]] += x[2] * s.out[x[1]].astype(np.float32)
        return found


Couplings = Dense | Neighbours | Dual


@final
@dataclass(frozen=True, eq=False)
class Factors:
    """Linear hidden units beside the couplings: what is common to many items, whatever lies between.

    Their weights are the first right singular vectors V of the interactions, rows divided by the root of the user's sum
    of weights and columns by the root s of the item's; the score gains x s^-1 V V' s.

    Parameters
    ----------
    V : float32 array, (n_items, n_factors)
    before, after : float32 arrays, (n_items,)
        1 / s, and s times the share that the hidden units have.
    """

    V: Floats
    before: Floats
    after: Floats

    def scores(self, x: Sparse) -> Floats:
        """What the hidden units add to the scores: (n_rows, n_items).

        Parameters
        ----------
        x : sparse, (n_rows, n_items)
        """
        found = kernels.sum_rows((x[0], x[1], x[2] * self.before[x[1]]), self.V) @ self.V.T
        found *= self.after
        return found


def factors(x: Sparse, n_items: int, n_factors: int, share: float, out: npt.NDArray[np.float64], seed: int) -> Factors:
    """Principal directions of the degree-normalised interactions (the low-pass filter of Shen et al., CIKM 2021).

    Parameters
    ----------
    x : sparse, (n_users, n_items)
    n_items, n_factors : int
    share : float
        What their scores are multiplied by.
    out : float64 array, (n_items,)
        As that of `Scaled`.
    seed : int

    Notes
    -----
    Randomised subspace iteration (Halko, Martinsson & Tropp, SIAM Review 2011, algorithm 4.4): sparse products with a
    block of n_factors + `OVERSAMPLED` vectors, `POWER_STEPS` times both ways.
    """
    indptr, item, weight = x
    user = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    of_user = np.sqrt(np.maximum(np.bincount(user, weight, len(indptr) - 1), 1e-12))
    root = np.sqrt(np.maximum(np.bincount(item, weight, n_items), 1))
    rows = indptr, item, (weight / of_user[user] / root[item]).astype(np.float32)
    columns = kernels.transposed(rows, n_items)
    n = min(n_factors + OVERSAMPLED, n_items, len(indptr) - 1)
    block = np.random.default_rng(seed).standard_normal((n_items, n), dtype=np.float32)
    for _ in range(POWER_STEPS + 1):
        block = np.linalg.qr(kernels.sum_rows(rows, block))[0]
        block = np.linalg.qr(kernels.sum_rows(columns, block))[0]
    _, _, right = np.linalg.svd(kernels.sum_rows(rows, block), full_matrices=False)
    V = np.ascontiguousarray(block @ right[: min(n_factors, n)].T, dtype=np.float32)
    return Factors(V, (1 / root).astype(np.float32), (share * root * out).astype(np.float32))


def scaled(
    x: Sparse,
    n_items: int,
    ridge: float,
    dropout: float,
    variance_power: float,
    user_degree: float,
    item_degree: float,
    output_degree: float,
) -> Scaled:
    """Weight rows and columns as the settings say; see `GaussianBoltzmann` for what they mean.

    Parameters
    ----------
    x : sparse, (n_users, n_items)
    n_items : int
    ridge, dropout, variance_power, user_degree, item_degree, output_degree : float
    """
    indptr, item, weight = x
    n_users = len(indptr) - 1
    user = np.repeat(np.arange(n_users), np.diff(indptr))
    user_weight = np.maximum(np.bincount(user, weight, n_users), 1e-12) ** -user_degree
    degree = np.bincount(item, weight, n_items)
    mean = degree / n_users
    variance = np.maximum(np.bincount(item, weight.astype(np.float64) ** 2, n_items) / n_users - mean**2, 1e-12)
    rows = weight * user_weight[user]
    square = np.bincount(item, rows**2, n_items)
    D = ridge * np.maximum(degree, 1) ** (2 * item_degree) * variance**variance_power
    D += dropout / (1 - dropout) * square
    out = np.maximum(degree, 1) ** output_degree
    values = (rows / np.sqrt(D)[item]).astype(np.float32)
    ready = indptr, item, values
    return Scaled(ready, kernels.transposed(ready, n_items), D, out, user_weight)


def dense(s: Scaled, gram: Gram | None = None, device: Device = CPU) -> Dense:
    """Every coupling, by an inverse over items; in place, one n x n array.

    Parameters
    ----------
    s : Scaled
    gram : callable, optional
        As `kernels.choices.gram`, where the matrix is made elsewhere.
    device : Device
        Where the matrix is inverted.
    """
    M, _ = _inverse(s.x, s.columns, len(s.ridge), gram, device)
    factor = -np.sqrt(s.ridge) / np.diag(M) * s.out
    M /= np.sqrt(s.ridge).astype(np.float32)[:, None]
    M *= factor.astype(np.float32)
    np.fill_diagonal(M, 0)
    return Dense(M)


def _inverse(
    x: Sparse, columns: Sparse, n: int, gram: Gram | None, device: Device, forms: bool = False
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """(I + X'X)^-1, and with `forms` the quadratic forms of the rows of X in it: (n, n) and (n_rows,)."""
    if gram is not None or not device.on_torch:
        A = (gram or kernels.gram)(x, columns, np.empty((n, n), np.float32))
        A[np.diag_indices(n)] += 1
        _invert(A, device)
        return A, kernels.quadratic(x, A) if forms else np.empty(0)
    torch = device.kernels
    with torch.exactly():
        there: Any = torch.to_device(x, device.torch_name)
        M = torch.gram(there, None, there[2].new_empty(n, n))
        M.diagonal().add_(1)
        torch.invert(M)
        return torch.to_host((M, torch.quadratic(there, M) if forms else np.empty(0)))


def _invert(A: Floats, device: Device) -> None:
    """Replace a symmetric positive definite matrix by its inverse, in place."""
    if not device.on_torch:
        invert(A)
        return
    with device.kernels.exactly():
        there = device.kernels.to_device(A, device.torch_name)
        device.kernels.invert(there)
        A[...] = device.kernels.to_host(there)


def with_pairs(
    s: Scaled, x: Sparse, n_pairs: int, ridge: float, gram: Gram | None = None, device: Device = CPU
) -> Dense:
    """Every coupling, and those of the most frequent pairs of items to all others.

    Parameters
    ----------
    s : Scaled
    x : sparse, (n_users, n_items)
        As given, not scaled.
    n_pairs : int
        At most.
    ridge : float
        Of a pair.
    gram : callable, optional
    device : Device
        As of `dense`.

    Notes
    -----
    Pairs are further columns of X. What predicts item j leaves out S, j itself and the pairs that hold it: with P the
    inverse over all columns, b = e_j - P[:, S] P[S, S]^-1 e_j, of which P[:, j] / P_jj is the case without pairs.
    """
    n = len(s.ridge)
    pairs = _frequent_pairs(s, x, n_pairs)
    m = len(pairs.first)
    Z = pairs.of(x, n) * (s.user_weight / np.sqrt(ridge)).astype(np.float32)[:, None]
    M = np.empty((n + m, n + m), np.float32)
    left = np.empty((n, n), np.float32)
    M[:n, :n] = (gram or kernels.gram)(s.x, s.columns, left)
    M[n:, :n] = kernels.sum_rows(s.columns, Z).T
    M[n:, n:] = Z.T @ Z
    M[np.diag_indices(n + m)] += 1
    del left, Z
    _invert(M, device)
    root = np.sqrt(np.concatenate((s.ridge, np.full(m, ridge))))
    holding: list[list[int]] = [[] for _ in range(n)]
    for k, (i, j) in enumerate(zip(pairs.first.tolist(), pairs.second.tolist())):
        holding[i].append(n + k)
        holding[j].append(n + k)
    B = np.empty((n + m, n), np.float32)
    for j in range(n):
        S = np.array([j, *holding[j]])
        first = np.zeros(len(S))
        first[0] = 1
        share = np.linalg.solve(M[np.ix_(S, S)].astype(np.float64), first)
        B[:, j] = -(M[:, S] @ share) * root[j] * s.out[j] / root
        B[S, j] = 0
    return Dense(B, pairs)


def dual(s: Scaled, gram: Gram | None = None, device: Device = CPU) -> Dual:
    """The inverse over users; in place, one n_users x n_users array.

    Parameters
    ----------
    s : Scaled
    gram : callable, optional
    device : Device
        As of `dense`.
    """
    A, form = _inverse(s.columns, s.x, len(s.x[0]) - 1, gram, device, forms=True)
    return Dual(A, s, 1 - form)


def neighbours(s: Scaled, n_neighbours: int) -> Neighbours:
    """Few couplings an item: those to the items it goes with most, solved on them alone.

    Parameters
    ----------
    s : Scaled
    n_neighbours : int

    Notes
    -----
    The items of largest |x_i . x_j| / sqrt(1 + |x_j|^2). Exact where n_neighbours is all items. The cost an item is
    the entries of its neighbours and n_neighbours^3 / 3; the memory n_neighbours couplings an item.
    """
    from harmonium.kernels import neighbour_rows
    from harmonium.kernels.jit import over_rows

    n = len(s.ridge)
    k = min(n_neighbours, max(1, n - 1))
    square = np.bincount(s.x[1], s.x[2].astype(np.float64) ** 2, n).astype(np.float32)
    chosen, value = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
    cost = np.arange(n + 1) * k**2 + s.columns[0] * k
    over_rows(neighbour_rows.neighbour_rows, cost, *s.x, *s.columns, square, chosen, value)
    at, kept = np.nonzero(chosen >= 0)
    given = chosen[at, kept]
    values = value[at, kept] / np.sqrt(s.ridge)[given] * (np.sqrt(s.ridge) * s.out)[at]
    indptr = np.concatenate(([0], np.cumsum(np.bincount(at, minlength=n))))
    return Neighbours(*kernels.transposed((indptr, given, values.astype(np.float32)), n))


def strongest(machine: Couplings, n_items: int, n_kept: int) -> Neighbours:
    """The largest couplings of each item to others, by size; what is left is a sum over them.

    Parameters
    ----------
    machine : Dense, Neighbours or Dual
    n_items : int
    n_kept : int
        Couplings an item, at most.

    Notes
    -----
    Rows of B are scores of histories of one item, so that no shape need be told apart.
    """
    k, size = min(n_kept, n_items), max(1, DENSE_CHUNK // n_items)
    parts: list[tuple[npt.NDArray, ...]] = []
    for start in range(0, n_items, size):
        own = np.arange(start, min(start + size, n_items), dtype=np.int32)
        x = np.arange(len(own) + 1), own, np.ones(len(own), np.float32)
        B = machine.scores(x, np.full(len(own), -1)) if isinstance(machine, Dual) else machine.scores(x)
        B[np.arange(len(own)), own] = 0
        column = np.sort(np.argpartition(-np.abs(B), k - 1, axis=1)[:, :k], axis=1)
        value = np.take_along_axis(B, column, axis=1)
        kept = value != 0
        parts.append((kept.sum(axis=1), column[kept].astype(np.int32), value[kept]))
    count, item, found = (np.concatenate(columns) for columns in zip(*parts))
    return Neighbours(np.concatenate(([0], np.cumsum(count))), item, found)


def needed_bytes(shape: str, n_users: int, n_items: int, n_neighbours: int, n_pairs: int) -> int:
    """Memory that learning allocates, besides the interactions.

    Parameters
    ----------
    shape : {"dense", "dual", "neighbours"}
    n_users, n_items, n_neighbours, n_pairs : int
    """
    if shape == "neighbours":
        return 4 * 8 * n_items * n_neighbours
    n = n_users if shape == "dual" else n_items + n_pairs
    pairs = 4 * (n_items**2 + n * n_items + n_users * n_pairs) if n_pairs else 0
    return 4 * n * n + 8 * n * BLOCK + pairs


def _frequent_pairs(s: Scaled, x: Sparse, n_pairs: int) -> Pairs:
    """The pairs of items that most users have both of."""
    n = len(s.ridge)
    has = kernels.matrix((x[0], x[1], np.ones(len(x[1]), np.float32)), n)
    best = np.zeros((0, 3))
    for start in range(0, n, max(1, DENSE_CHUNK // n)):  # a part of X'X at a time
        together = (has[:, start : start + max(1, DENSE_CHUNK // n)].T @ has).toarray()
        together[np.tril_indices(len(together), start, n)] = 0
        most = np.argpartition(-together, min(n_pairs, together.size - 1), axis=None)[:n_pairs]
        i, j = np.unravel_index(most, together.shape)
        best = np.vstack((best, np.column_stack((together[i, j], i + start, j))))
        best = best[np.lexsort((best[:, 2], best[:, 1], -best[:, 0]))][:n_pairs]
    best = best[best[:, 0] > 0]
    return Pairs(best[:, 1].astype(np.int32), best[:, 2].astype(np.int32))
