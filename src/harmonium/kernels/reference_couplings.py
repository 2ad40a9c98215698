"""Gibbs sweeps of Boltzmann machines in NumPy: the definition that `cpu_couplings` must equal."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.randomness import uniforms
from harmonium.units import bernoulli

Array = npt.NDArray


class Ties(NamedTuple):
    """Couplings by rows; a dense matrix has its rows one after the other and no `indices`."""

    indptr: Array  # int64 (n_units + 1,)
    indices: Array  # int32 (n_ties,), or empty when dense
    data: Array  # float64 (n_ties,)


def gibbs_sweep(
    classes: Sequence[Array], ties: Ties, b: Array, beta: Array, alphabet: tuple[float, float], key: np.uint64,
    chain: Array, S: Array, held: Array,
) -> None:  # fmt: skip
    """Draw every unit of the classes anew from its conditional, class after class, in place.

    Parameters
    ----------
    classes : list of int64 arrays
        Units of one class are not tied to each other, so their order does not matter.
    ties : Ties
    b : float64 array, (n_units,) or (n_units, n_chains)
        Biases, the same for all chains or one a chain.
    beta : float64 array, (n_chains,)
        Inverse temperatures.
    alphabet : tuple of float
    key : uint64
    chain : int64 array, (n_chains,)
        A chain's number: what it draws depends on this, not on its place.
    S : float64 array, (n_units, n_chains)
    held : bool array, (n_units, n_chains) or (0, 0)
        Values that stay as they are; empty when none do.
    """
    low, high = alphabet
    for units in classes:
        x = b.reshape(len(b), -1)[units] + _product(ties, units, S)  # (class, n_chains)
        u = uniforms(key, chain, units[:, None])
        new = np.where(u < bernoulli.mean(beta * (high - low) * x), high, low)
        S[units] = np.where(held[units], S[units], new) if held.size else new


def _product(ties: Ties, units: Array, S: Array) -> Array:
    if not len(ties.indices):
        return ties.data.reshape(len(S), -1)[units] @ S if len(ties.data) else np.zeros((len(units), S.shape[1]))
    out = np.zeros((len(units), S.shape[1]))
    for row, i in enumerate(units):
        part = slice(ties.indptr[i], ties.indptr[i + 1])
        out[row] = ties.data[part] @ S[ties.indices[part]]
    return out
