"""Rectified Gaussian units, h >= 0, with density e^{x h - h^2 / (2 s2)}: rectified linear units with an exact law.

    A(x) = s2 x^2 / 2 + log Phi(s x) + log(2 pi s2) / 2,    E[h] = s (a + phi(a) / Phi(a)),    a = s x

The law is a normal one with mean s2 x and variance s2, cut off below 0; the mean goes from 0 for very negative fields
to s2 x for large ones. The noisy rectified linear unit of Nair & Hinton (ICML 2010), max(0, x + N(0, sigmoid(x))), is
another thing: a fast approximation to a stack of binary units that share weights, for which no energy is known. Here
energy, mean and sampler are one law, so that likelihoods mean something; what is drawn is the truncated normal itself.
"""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
_LOG_ROOT_TAU = 0.5 * math.log(2 * math.pi)


def log_partition(x: Floats, variance: Floats) -> Floats:
    """A(x), elementwise; the two large terms that cancel for negative fields are summed in float64.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    variance : floats, broadcast against x
        s2.
    """
    from scipy.special import log_ndtr

    a = _scaled(x, variance)
    return (a * a / 2 + log_ndtr(a) + np.log(variance) / 2 + _LOG_ROOT_TAU).astype(x.dtype, copy=False)


def mean(x: Floats, variance: Floats) -> Floats:
    """E[h] = A'(x), elementwise.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    variance : floats, broadcast against x
    """
    a = _scaled(x, variance)
    return (np.sqrt(variance) * _mean(a)).astype(x.dtype, copy=False)


def sample(x: Floats, u: Floats, variance: Floats) -> Floats:
    """Draw h from uniforms by inverting the distribution function of the truncated normal, exact in both tails.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    u : float64 array, the same shape
        Uniforms in (0, 1).
    variance : floats, broadcast against x
    """
    from scipy.special import log_ndtr, ndtri_exp

    a = _scaled(x, variance)
    z = -ndtri_exp(np.log(u) + log_ndtr(a))  # P(Z > z | Z > -a) = u
    return (np.sqrt(variance) * np.maximum(a + z, 0)).astype(x.dtype, copy=False)


def half_square(x: Floats, variance: Floats) -> Floats:
    """E[h^2] / (2 s2): the derivative of A by log s2.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    variance : floats, broadcast against x
    """
    a = _scaled(x, variance)
    return ((1 + a * _mean(a)) / 2).astype(x.dtype, copy=False)


def spread(x: Floats, variance: Floats) -> Floats:
    """Variance of h, A''(x), elementwise.

    Parameters
    ----------
    x : floats, any shape
        Fields.
    variance : floats, broadcast against x
    """
    a = _scaled(x, variance)
    m = _mean(a)
    return (variance * np.maximum(1 + a * m - m * m, 0)).astype(x.dtype, copy=False)


def _scaled(x: Floats, variance: Floats) -> Floats:
    return np.sqrt(variance).astype(np.float64) * x


def _mean(a: Floats) -> Floats:
    from scipy.special import log_ndtr

    return a + np.exp(-a * a / 2 - _LOG_ROOT_TAU - log_ndtr(a))
