"""Gibbs sweeps of Boltzmann machines, compiled: over chains where there are many, over a class's units otherwise."""

from collections.abc import Sequence

import numpy as np

from harmonium.kernels.cpu_annealing import exp_negative
from harmonium.kernels.cpu_math import uniform
from harmonium.kernels.jit import compiled, frozen, inlined, n_threads, over_rows
from harmonium.kernels.reference_couplings import Array, Ties

BLOCK = 32  # units whose fields are one matrix product
WIDE = 8  # chains a thread needs before sharing chains out pays
WORTH_SHARING = 200_000  # multiplications in a class below which one thread is as quick


def gibbs_sweep(
    classes: Sequence[Array], ties: Ties, b: Array, beta: Array, alphabet: tuple[float, float], key: np.uint64,
    chain: Array, S: Array, held: Array,
) -> None:  # fmt: skip
    """Draw every unit of the classes anew, in place; see `reference_couplings.gibbs_sweep`."""
    low, high = alphabet
    n_chains, b = S.shape[1], b.reshape(len(b), -1)
    if len(ties.data) and not len(ties.indices):
        _sweep_dense(np.concatenate([*classes, np.empty(0, np.int64)]), ties, b, beta, alphabet, key, chain, S, held)
        return
    rest = *frozen(*ties, b, beta), low, high, key, *frozen(chain), S, *frozen(held)
    if n_chains >= WIDE * n_threads():
        units = np.concatenate([*classes, np.empty(0, np.int64)])
        over_rows(_chains, np.arange(n_chains + 1), *frozen(units), *rest)
        return
    for units in classes:
        cost = np.zeros(len(units) + 1, np.int64)
        np.cumsum(ties.indptr[units + 1] - ties.indptr[units] + 1, out=cost[1:])
        if cost[-1] * n_chains < WORTH_SHARING:
            _units(0, len(units), *frozen(units), *rest)
        else:
            over_rows(_units, cost, *frozen(units), *rest)


def _sweep_dense(units, ties, b, beta, alphabet, key, chain, S, held):
    """Unit after unit, a block at a time: its fields by one matrix product, then corrected as its units change."""
    J = ties.data.reshape(len(S), len(S))
    chains = np.arange(S.shape[1] + 1)
    for first in range(0, len(units), BLOCK):
        block = units[first : first + BLOCK]
        rows = J[block]
        x = rows @ S + b[block]
        within = np.ascontiguousarray(rows[:, block])
        arrays = *frozen(block, within), x, *frozen(beta), *alphabet, key, *frozen(chain), S, *frozen(held)
        over_rows(_block, chains, *arrays)


@inlined
def _draw(x, i, first, indptr, indices, data, b, beta, low, high, key, chain, S, held):
    """Draw unit i of the chains first, first + 1, ... anew; x is room for their fields."""
    n, start, stop = x.shape[0], indptr[i], indptr[i + 1]
    for k in range(n):
        x[k] = b[i, first + k] if b.shape[1] > 1 else b[i, 0]
    for t in range(start, stop):
        row = S[indices[t]]
        w = data[t]
        if n == 1:  # no loop to vectorise
            x[0] += w * row[first]
        else:
            for k in range(n):
                x[k] += w * row[first + k]
    own = S[i]
    for k in range(n):
        c = first + k
        p = 1 / (1 + np.exp(-beta[c] * (high - low) * x[k]))
        new = high if uniform(key, chain[c], i) < p else low
        own[c] = own[c] if len(held) and held[i, c] else new


@compiled
def _chains(start, stop, units, indptr, indices, data, b, beta, low, high, key, chain, S, held):
    """Sweep over the chains start..stop, unit after unit."""
    x = np.empty(stop - start)
    for i in units:
        _draw(x, i, start, indptr, indices, data, b, beta, low, high, key, chain, S, held)


@compiled
def _units(start, stop, units, indptr, indices, data, b, beta, low, high, key, chain, S, held):
    """Draw the units start..stop of one class anew, in all chains."""
    x = np.empty(S.shape[1])
    for i in units[start:stop]:
        _draw(x, i, 0, indptr, indices, data, b, beta, low, high, key, chain, S, held)


@compiled
def _block(start, stop, block, within, x, beta, low, high, key, chain, S, held):
    """Draw a block's units one after the other in the chains start..stop; x holds their fields and follows them."""
    n, change = len(block), np.empty(stop - start)
    for u in range(n):
        i = block[u]
        own, field = S[i], x[u]
        for c in range(start, stop):
            a = beta[c] * (high - low) * field[c]
            e = exp_negative(-abs(a))
            p = 1 / (1 + e) if a >= 0 else e / (1 + e)
            new = high if uniform(key, chain[c], i) < p else low
            if len(held):
                new = own[c] if held[i, c] else new
            change[c - start] = new - own[c]
            own[c] = new
        for w in range(u + 1, n):
            tie, later = within[w, u], x[w]
            for c in range(start, stop):
                later[c] += tie * change[c - start]
