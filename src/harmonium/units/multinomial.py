"""Multinomial units: counts of n draws among the columns, A(x) = n log sum_k e^{x_k}.

They are the visible layer of a replicated softmax (Salakhutdinov & Hinton, NIPS 2009): n softmax units that share their
weights, only the counts kept. The number of sequences behind a count vector, n! / prod v_k!, is part of its measure.
"""

import numpy as np
import numpy.typing as npt

from harmonium.units import levels

Floats = npt.NDArray[np.floating]


def log_partition(x: Floats, n: Floats) -> Floats:
    """A(x) = n log sum_k e^{x_k} over the last axis, without overflow.

    Parameters
    ----------
    x : floats, (..., n_columns)
        Fields.
    n : floats, (...)
        Draws of each row.

    Returns
    -------
    floats, (...)
    """
    return n * levels.log_partition(x)


def mean(x: Floats, n: Floats) -> Floats:
    """E[v] = n softmax(x) over the last axis.

    Parameters
    ----------
    x : floats, (..., n_columns)
        Fields.
    n : floats, (...)
        Draws of each row.
    """
    return n[..., None] * levels.mean(x)


def sample(x: Floats, u: Floats, n: Floats) -> Floats:
    """Draw counts from one uniform a draw: each falls into the column where the cumulative probability passes it.

    Parameters
    ----------
    x : floats, (batch, n_columns)
        Fields.
    u : floats, (batch, at least the largest n)
        Uniforms in [0, 1); a row uses its first n.
    n : floats, (batch,)
        Draws of each row.
    """
    edges = np.cumsum(levels.mean(x.astype(np.float64)), axis=1)
    edges[:, -1] = 1  # whatever the rounding: the last column takes what is left
    size = np.asarray(n).astype(np.int64)
    row = np.repeat(np.arange(len(x)), size)
    used = u[np.arange(u.shape[1]) < size[:, None]]
    start = np.arange(len(x))[:, None]  # rows one after the other: the edges of row r lie between r and r + 1
    cell = np.searchsorted((edges + start).ravel(), used + row, side="right")
    cell = np.clip(cell, row * x.shape[1], (row + 1) * x.shape[1] - 1)
    return np.bincount(cell, minlength=x.size).reshape(x.shape).astype(x.dtype)


def log_count(v: Floats) -> Floats:
    """Log of the number of sequences with these counts: log(n! / prod v_k!).

    Parameters
    ----------
    v : floats, (..., n_columns)
        Counts.

    Returns
    -------
    float64 array, (...)
    """
    from scipy.special import gammaln

    v = v.astype(np.float64)
    return gammaln(v.sum(axis=-1) + 1) - gammaln(v + 1).sum(axis=-1)
