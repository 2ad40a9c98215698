"""Dense layers, compiled: what is done to a matrix of fields between two matrix products, in one pass over it."""

import numpy as np

from harmonium.kernels.constants import ADAGRAD, ADAM
from harmonium.kernels.cpu_math import exp, mix, uniform
from harmonium.kernels.jit import compiled, inlined, over_rows
from harmonium.kernels.reference_dense import Array, Rule
from harmonium.randomness import FINE_BITS, GOLDEN, key_of

f32 = np.float32
_GOLDEN, _S32, _DROPPED = np.uint64(GOLDEN), np.uint64(32), np.uint64(64 - FINE_BITS)
_FINEST, _TAU = 2.0**-FINE_BITS, 2 * np.pi
# Entries that one thread is done with sooner than others would help: the linear algebra library's own threads stay
# awake for a while after a product, and two pools on the same processors wait for each other.
SMALL = 2**22
SLOW = 32  # a normal takes as long as this many uniforms
_NOTHING = np.empty((0, 0), np.float32)


def draw_binary(
    x: Array,
    bias: Array,
    key: np.uint64,
    chain: Array,
    low: float,
    mean: Array | None,
    state: Array | None,
    scale: float = 1.0,
) -> None:
    """Means and draws of binary units; see `reference_dense.draw_binary`."""
    mean, state = (_NOTHING if a is None else a for a in (mean, state))
    args = (x, bias, key, chain, f32(low), mean, state, f32(scale))
    if x.size < SMALL:
        _binary_rows(0, len(x), *args)
    else:
        over_rows(_binary_rows, np.arange(len(x) + 1), *args)


def normals(key: np.uint64, chain: Array, width: int) -> Array:
    """Standard normals of some chains; see `reference_dense.normals`."""
    out = np.empty((len(chain), width), np.float32)
    args = key, key_of(int(key), 1), np.asarray(chain, np.int64), out
    if out.size < SMALL // SLOW:
        _normal_rows(0, len(out), *args)
    else:
        over_rows(_normal_rows, np.arange(len(out) + 1), *args)
    return out


def ascend(w: Array, g: Array, first: Array, second: Array, rule: Rule) -> None:
    """One step uphill along g; see `reference_dense.ascend`."""
    flat = (w.reshape(-1), g.reshape(-1), first.reshape(-1), second.reshape(-1))
    step = {ADAGRAD: _adagrad, ADAM: _adam}.get(rule.rule, _momentum if rule.momentum else _plain)
    step(*flat, rule)


@compiled
def _plain(w, g, first, second, rule):
    keep = f32(1) - rule.rate * rule.decay
    for i in range(len(w)):
        w[i] = keep * w[i] + rule.rate * g[i]


@compiled
def _momentum(w, g, first, second, rule):
    for i in range(len(w)):
        first[i] = rule.momentum * first[i] + (g[i] - rule.decay * w[i])
        w[i] += rule.rate * first[i]


@compiled
def _adagrad(w, g, first, second, rule):
    for i in range(len(w)):
        slope = g[i] - rule.decay * w[i]
        second[i] += slope * slope
        w[i] += rule.rate * slope / (np.sqrt(second[i]) + rule.eps)


@compiled
def _adam(w, g, first, second, rule):
    for i in range(len(w)):
        slope = g[i] - rule.decay * w[i]
        first[i] = rule.momentum * first[i] + (f32(1) - rule.momentum) * slope
        second[i] = rule.beta2 * second[i] + (f32(1) - rule.beta2) * slope * slope
        w[i] += rule.rate * rule.correction1 * first[i] / (np.sqrt(second[i] * rule.correction2) + rule.eps)


@inlined
def _fine_uniform(key, first, second):
    """The counter-based uniform of `harmonium.randomness.fine_uniforms`."""
    counter = (np.uint64(first) << _S32) | np.uint64(second)
    bits = mix(mix(counter * _GOLDEN + key) ^ key) >> _DROPPED
    return (np.float64(bits) + 0.5) * _FINEST


@compiled
def _normal_rows(start, stop, key, other, chain, out):
    for i in range(start, stop):
        for j in range(out.shape[1]):
            radius = np.sqrt(-2 * np.log(_fine_uniform(key, chain[i], j)))
            out[i, j] = radius * np.cos(_TAU * _fine_uniform(other, chain[i], j))


@compiled
def _binary_rows(start, stop, x, bias, key, chain, low, mean, state, scale):
    keep_mean, keep_state = mean.shape[0] > 0, state.shape[0] > 0
    one = f32(1)
    span = one - low
    for i in range(start, stop):
        row, case = x[i], chain[i]
        for j in range(row.shape[0]):
            p = one / (one + exp(-(row[j] + bias[j]) * span))
            if keep_mean:
                mean[i, j] = (p * span + low) * scale
            if keep_state:
                state[i, j] = one if uniform(key, case, j) < p else low
