"""Numba loop for how likely items are chosen: cube roots of scores, and a calibration curve over them.

The definition is `ScoreCalibration` and `Chooser.probabilities` in NumPy.
"""

import numpy as np

from harmonium.kernels.jit import bits_from_float, compiled, float_from_bits, inlined

f32 = np.float32
_THIRD = f32(1 / 3)
_START = np.int32(709921077)  # bits / 3 + this: a cube root to 4 %, as in FreeBSD's cbrtf
_MAGNITUDE, _SIGN = np.int32(0x7FFFFFFF), np.int32(-0x80000000)


@inlined
def cube_root(x):
    """x^(1/3) of either sign to about 2 ulp, without a call: two of Halley's steps. Below 1e-36 it is 0."""
    bits = bits_from_float(x)  # pyright: ignore[reportCallIssue]
    a = float_from_bits(bits & _MAGNITUDE)
    y = float_from_bits(np.int32(f32(bits & _MAGNITUDE) * _THIRD) + _START)
    for _ in range(2):
        t = a / (y * y * y)
        y = y * ((t + t + f32(1)) / (t + f32(2)))
    y = y if a > f32(1e-36) else f32(0)
    return float_from_bits(bits_from_float(y) | (bits & _SIGN))  # pyright: ignore[reportCallIssue]


@inlined
def of_curve(x, knot, value, slope, guide, cells):
    """The curve through (knot, value) at x, flat beyond its ends; guide holds the knot to begin at of each cell."""
    last = knot.shape[0] - 1
    if not x > knot[0]:
        return value[0] if x == x else x
    if x >= knot[last]:
        return value[last]
    j = guide[np.int64((x - knot[0]) * cells)]
    while knot[j + 1] <= x:
        j += 1
    while knot[j] > x:  # rounding may have led to the next cell
        j -= 1
    return value[j] + slope[j] * (x - knot[j])


@compiled
def chances(score, empty, root, curve, popular, place, usual, chance):
    """Probability of being chosen next into chance (n_people, n_items).

    score (n_people, n_known): the model's, used up; where root is set, the curve is over their cube roots. empty
    (n_people,): who has no known choices and gets popular (n_known,). curve: knot, value, slope (n_knots,), guide
    (n_cells + 1,), cells per unit of score. place (n_items,): index among the known, -1 for an item that gets usual.
    """
    knot, value, slope, guide, cells = curve
    for who in range(chance.shape[0]):
        p, out = score[who], chance[who]
        if empty[who]:
            for k in range(p.shape[0]):
                p[k] = popular[k]
        else:
            if root:
                for k in range(p.shape[0]):
                    p[k] = cube_root(p[k])
            for k in range(p.shape[0]):
                p[k] = f32(0) if p[k] == f32(-np.inf) else f32(of_curve(p[k], knot, value, slope, guide, cells))
        for i in range(out.shape[0]):
            k = place[i]
            out[i] = p[k] if k >= 0 else usual[i]
