"""Gaussian units, v real, with density e^{x v - v^2 / (2 s2)}: A(x) = s2 x^2 / 2 + log(2 pi s2) / 2.

The field is the natural parameter: the mean is s2 x, the variance s2 whatever the field. The term -v^2 / (2 s2) is the
log base measure and belongs to the energy, so sampler and energy cannot disagree on the variance.
"""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


def log_partition(x: Floats, variance: Floats) -> Floats:
    """A(x) = s2 x^2 / 2 + log(2 pi s2) / 2, elementwise.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    variance : floats, broadcast against x
        s2.
    """
    return variance * x * x / 2 + np.log(variance) / 2 + x.dtype.type(0.5 * math.log(2 * math.pi))


def mean(x: Floats, variance: Floats) -> Floats:
    """E[v] = A'(x) = s2 x, elementwise.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    variance : floats, broadcast against x
    """
    return variance * x


def sample(x: Floats, z: Floats, variance: Floats) -> Floats:
    """Draw v from standard normals: s2 x + s z.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    z : floats, the same shape
        Standard normals.
    variance : floats, broadcast against x
    """
    return (variance * x + np.sqrt(variance) * z).astype(x.dtype, copy=False)


def half_square(x: Floats, variance: Floats) -> Floats:
    """E[v^2] / (2 s2) = (1 + s2 x^2) / 2: the derivative of A by log s2.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    variance : floats, broadcast against x
    """
    return (1 + variance * x * x) / 2


def spread(x: Floats, variance: Floats) -> Floats:
    """Variance of v, A''(x) = s2, in the shape of x.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    variance : floats, broadcast against x
    """
    return np.broadcast_to(variance, x.shape)
