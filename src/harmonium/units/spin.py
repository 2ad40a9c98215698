"""Spin units, s in {-1, +1}: A(x) = log(2 cosh x)."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


def log_partition(x: Floats) -> Floats:
    """A(x) = log(e^x + e^-x), elementwise and without overflow.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    """
    return np.logaddexp(x, -x)


def mean(x: Floats) -> Floats:
    """E[s] = A'(x) = tanh x, elementwise.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    """
    return np.tanh(x)


def sample(x: Floats, u: Floats) -> Floats:
    """Draw s from uniforms: +1 where u < P(s = +1) = (1 + tanh x) / 2, else -1.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    u : floats, the same shape
        Uniforms in [0, 1).
    """
    one = x.dtype.type(1)
    return np.where(2 * u < one + np.tanh(x), one, -one)
