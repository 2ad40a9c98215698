"""Scalar pieces of the CPU kernels: counter-based uniforms, exp, the softmax over levels.

Level probabilities are kept with the levels first, P (n_levels, n), so that every loop over entries runs in vector
registers.
"""

import numpy as np

from harmonium.kernels.constants import EXP_LIMIT, LANES
from harmonium.kernels.jit import float_from_bits, inlined
from harmonium.kernels.vectors import filler, larger, loader, power_of_two, smaller, store, whole
from harmonium.randomness import GOLDEN, MIX_1, MIX_2

f32 = np.float32
_GOLDEN, _MIX_1, _MIX_2 = np.uint64(GOLDEN), np.uint64(MIX_1), np.uint64(MIX_2)
_S27, _S30, _S31, _S32, _S40 = (np.uint64(s) for s in (27, 30, 31, 32, 40))
_LIMIT = f32(EXP_LIMIT)
_LOG2E = f32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)  # Cody & Waite: ln 2 in two float32 parts


@inlined
def mix(z):
    """SplitMix64's finaliser."""
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@inlined
def uniform(key, first, second):
    """The counter-based uniform of `harmonium.randomness.uniforms`."""
    bits = mix(mix(((np.uint64(first) << _S32) | np.uint64(second)) * _GOLDEN + key) ^ key)
    return f32(bits >> _S40) * f32(5.9604644775390625e-08)  # 2^-24


@inlined
def exp(x):
    """exp in float32 to about 2 ulp, without a call, so that loops over it run in vector registers.

    The argument is clipped to +-EXP_LIMIT, where float32 is still finite. Cephes' polynomial (Moshier 1989).
    """
    x = _LIMIT if x > _LIMIT else x
    x = -_LIMIT if x < -_LIMIT else x
    n = np.floor(x * _LOG2E + f32(0.5))
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = f32(1.9875691500e-4)
    p = p * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(5.0000001201e-1)
    p = p * r * r + r + f32(1)
    return p * float_from_bits((np.int32(n) + np.int32(127)) << np.int32(23))  # pyright: ignore[reportCallIssue]


@inlined
def sigmoid(x):
    """1 / (1 + e^-x)."""
    return f32(1) / (f32(1) + exp(-x))


_load, _fill = loader(LANES), filler(LANES)


@inlined
def exp_of_lanes(x):
    """`exp` of a vector."""
    x = larger(_fill(-_LIMIT), smaller(_fill(_LIMIT), x))
    n = whole(x * _LOG2E + f32(0.5))
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = _fill(f32(1.9875691500e-4))
    p = p * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(5.0000001201e-1)
    p = p * r * r + r + f32(1)
    return p * power_of_two(n)


@inlined
def softmax_columns(P, first, last):
    """Softmax over the levels of columns first..last of P (n_levels, n), in place.

    Whole vectors of columns are taken: P has `LANES` more columns than are used.
    """
    n_levels, n = P.shape
    for t in range(first, last, LANES):
        top = _load(P, t)
        for k in range(1, n_levels):
            top = larger(top, _load(P, k * n + t))
        total = _fill(f32(0))
        for k in range(n_levels):
            e = exp_of_lanes(_load(P, k * n + t) - top)
            store(P, k * n + t, e)
            total = total + e
        share = f32(1) / total
        for k in range(n_levels):
            store(P, k * n + t, share * _load(P, k * n + t))


@inlined
def add_level_fields(P, z, start, phi, f, first, last):
    """P[k, t] += phi[k, f] z.flat[start + t], for t from first to last, whole vectors of them."""
    n_levels, n = P.shape
    for t in range(first, last, LANES):
        x = _load(z, start + t)
        for k in range(n_levels):
            store(P, k * n + t, _load(P, k * n + t) + phi[k, f] * x)


@inlined
def expected_feature(scale, start, P, phi, f, first, last):
    """scale.flat[start + t] = sum over levels k of P[k, t] phi[k, f], t from first to last, whole vectors of them."""
    n_levels, n = P.shape
    for t in range(first, last, LANES):
        total = phi[0, f] * _load(P, t)
        for k in range(1, n_levels):
            total = total + phi[k, f] * _load(P, k * n + t)
        store(scale, start + t, total)


@inlined
def draw(P, t, u):
    """The level whose cumulative probability in column t first exceeds u."""
    total = f32(0)
    for k in range(P.shape[0] - 1):
        total += P[k, t]
        if u < total:
            return k
    return P.shape[0] - 1


@inlined
def longest(start, stop, ptr):
    """Most entries of any row start..stop; at least 1."""
    n = 1
    for i in range(start, stop):
        n = max(n, ptr[i + 1] - ptr[i])
    return n


@inlined
def copy(out, values):
    """out[:] = values."""
    for j in range(out.shape[0]):
        out[j] = values[j]
