"""One temperature step of annealed importance sampling for Bernoulli layers: the definition in NumPy.

Fields arrive as matrix products, so what is left to do is elementwise: weights and draws in one pass over the fields.
"""

import numpy as np
import numpy.typing as npt

from harmonium.randomness import uniforms
from harmonium.units import bernoulli

Array = npt.NDArray


def anneal_hidden(x: Array, old: float, new: float, key: np.uint64, chain: Array, h: Array) -> Array:
    """Weigh the step from one inverse temperature to the next, then draw the hidden units at the new one.

    Parameters
    ----------
    x : float64 array, (n_chains, n_hidden)
        Fields at inverse temperature 1.
    old, new : float
    key : uint64
    chain : int64 array, (n_chains,)
    h : float64 array, (n_chains, n_hidden)
        Filled with the draws.

    Returns
    -------
    float64 array, (n_chains,)
        sum_j A(new x_j) - A(old x_j).
    """
    h[:] = bernoulli.sample(new * x, uniforms(key, chain[:, None], np.arange(x.shape[1])))
    return (bernoulli.log_partition(new * x) - bernoulli.log_partition(old * x)).sum(axis=1)


def anneal_visible(
    y: Array, base: Array, b: Array, beta: float, key: np.uint64, chain: Array, v: Array
) -> Array:  # fmt: skip
    """Draw the visible units at an inverse temperature.

    Parameters
    ----------
    y : float64 array, (n_chains, n_visible)
        W h.
    base, b : float64 array, (n_visible,)
        Biases at inverse temperatures 0 and 1.
    beta : float
    key : uint64
    chain : int64 array, (n_chains,)
    v : float64 array, (n_chains, n_visible)
        Filled with the draws.

    Returns
    -------
    float64 array, (n_chains,)
        v . (b - base).
    """
    x = (1 - beta) * base + beta * (b + y)
    v[:] = bernoulli.sample(x, uniforms(key, chain[:, None], np.arange(y.shape[1])))
    return v @ (b - base)
