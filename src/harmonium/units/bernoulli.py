"""Bernoulli units, h in {0, 1}: A(x) = log(1 + e^x)."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


def log_partition(x: Floats) -> Floats:
    """A(x) = log(1 + e^x), elementwise and without overflow.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    """
    return np.logaddexp(x, x.dtype.type(0))


def mean(x: Floats) -> Floats:
    """P(h = 1) = A'(x) = 1 / (1 + e^-x), elementwise and without overflow.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    """
    return x.dtype.type(0.5) * (1 + np.tanh(x.dtype.type(0.5) * x))


def sample(x: Floats, u: Floats) -> Floats:
    """Draw h from uniforms: 1 where u < P(h = 1).

    Parameters
    ----------
    x : floats, any shape
        Fields.
    u : floats, the same shape
        Uniforms in [0, 1).
    """
    return (u < mean(x)).astype(x.dtype)
