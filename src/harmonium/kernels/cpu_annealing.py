"""One temperature step of annealed importance sampling for Bernoulli layers, compiled; float64 throughout."""

import numpy as np

from harmonium.kernels.cpu_math import uniform
from harmonium.kernels.jit import compiled, double_from_bits, frozen, inlined, over_rows
from harmonium.kernels.reference_annealing import Array

f64 = np.float64
_LIMIT = f64(700)  # e^-700 is still a normal float64
_LOG2E = f64(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = f64(0.693147180369123816490), f64(1.90821492927058770002e-10)  # ln 2 in two parts (fdlibm)
_BIAS, _SHIFT = np.int64(1023), np.int64(52)  # of a float64's exponent


def anneal_hidden(x: Array, old: float, new: float, key: np.uint64, chain: Array, h: Array) -> Array:
    """Weigh a temperature step and draw the hidden units; see `reference_annealing.anneal_hidden`."""
    out = np.empty(len(x))
    over_rows(_hidden_rows, _rows(x), *frozen(x), f64(old), f64(new), key, *frozen(chain), h, out)
    return out


def anneal_visible(
    y: Array, base: Array, b: Array, beta: float, key: np.uint64, chain: Array, v: Array
) -> Array:  # fmt: skip
    """Draw the visible units; see `reference_annealing.anneal_visible`."""
    out = np.empty(len(y))
    over_rows(_visible_rows, _rows(y), *frozen(y, base, b), f64(beta), key, *frozen(chain), v, out)
    return out


def _rows(x: Array) -> Array:
    return np.arange(len(x) + 1)


@inlined
def exp_negative(x):
    """e^x of a float64 x <= 0 to about 2 ulp, without a call, so that loops over it run in vector registers.

    Taylor's polynomial of degree 13 on |r| <= ln 2 / 2, where the next term is below 2^-57.
    """
    x = -_LIMIT if x < -_LIMIT else x
    n = np.floor(x * _LOG2E + f64(0.5))
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = f64(1 / 6227020800)
    p = p * r + f64(1 / 479001600)
    p = p * r + f64(1 / 39916800)
    p = p * r + f64(1 / 3628800)
    p = p * r + f64(1 / 362880)
    p = p * r + f64(1 / 40320)
    p = p * r + f64(1 / 5040)
    p = p * r + f64(1 / 720)
    p = p * r + f64(1 / 120)
    p = p * r + f64(1 / 24)
    p = p * r + f64(1 / 6)
    p = p * r + f64(1 / 2)
    p = p * r + f64(1)
    p = p * r + f64(1)
    return p * double_from_bits((np.int64(n) + _BIAS) << _SHIFT)  # pyright: ignore[reportCallIssue]


@compiled
def _hidden_rows(start, stop, x, old, new, key, chain, h, out):
    """A(x) is max(x, 0) + log(1 + e^-|x|); the logarithms' arguments are multiplied, 512 factors at most."""
    n = x.shape[1]
    for i in range(start, stop):
        total = f64(0)
        for first in range(0, n, 512):  # the product of 512 ratios, each from 1/2 to 2, stays a normal float64
            ratio = f64(1)
            for j in range(first, min(first + 512, n)):
                a, z = new * x[i, j], old * x[i, j]
                e, g = exp_negative(-abs(a)), exp_negative(-abs(z))
                total += max(a, f64(0)) - max(z, f64(0))
                share = f64(1) / (f64(1) + e)
                ratio *= (f64(1) + e) / (f64(1) + g)
                p = share if a >= 0 else e * share
                h[i, j] = f64(1) if uniform(key, chain[i], j) < p else f64(0)
            total += np.log(ratio)
        out[i] = total


@compiled
def _visible_rows(start, stop, y, base, b, beta, key, chain, v, out):
    """Draw, and add up what the biases make of it."""
    for i in range(start, stop):
        total = f64(0)
        for j in range(y.shape[1]):
            a = (f64(1) - beta) * base[j] + beta * (b[j] + y[i, j])
            e = exp_negative(-abs(a))
            share = f64(1) / (f64(1) + e)
            p = share if a >= 0 else e * share
            on = f64(1) if uniform(key, chain[i], j) < p else f64(0)
            v[i, j] = on
            total += on * (b[j] - base[j])
        out[i] = total
