"""Dense layers in NumPy: the definition that `cpu_dense` must equal."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium import randomness
from harmonium.kernels.constants import ADAGRAD, ADAM
from harmonium.randomness import uniforms
from harmonium.units import bernoulli

Array = npt.NDArray


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
    """Means and draws of units that are `low` or 1, from their fields without the bias.

    Parameters
    ----------
    x : float32 array, (batch, width)
    bias : float32 array, (width,)
    key : uint64
    chain : int64 array, (batch,)
        A chain's number: what it draws depends on this, not on its row.
    low : float
        0 for Bernoulli units, -1 for spins.
    mean, state : float32 array, (batch, width), or None
        Where means and draws go; None leaves them out.
    scale : float
        What the means are multiplied with.
    """
    span = np.float32(1 - low)
    p = bernoulli.mean(((x + bias) * span).astype(np.float32))
    if mean is not None:
        mean[...] = (p * span + np.float32(low)) * np.float32(scale)
    if state is not None:
        u = uniforms(key, chain[:, None], np.arange(x.shape[1]))
        state[...] = np.where(u < p, np.float32(1), np.float32(low))


def normals(key: np.uint64, chain: Array, width: int) -> Array:
    """Standard normals of some chains: a pure function of the key, the chain and the column.

    Parameters
    ----------
    key : uint64
    chain : int64 array, (batch,)
    width : int

    Returns
    -------
    float32 array, (batch, width)
    """
    return randomness.normals(key, chain[:, None], np.arange(width)).astype(np.float32)


class Rule(NamedTuple):
    """Numbers of one optimiser step of an array."""

    rule: int
    rate: np.float32
    decay: np.float32  # of the parameters, per step of size `rate`
    momentum: np.float32
    beta2: np.float32
    correction1: np.float32  # 1 / (1 - momentum^t) and 1 / (1 - beta2^t), Adam's
    correction2: np.float32
    eps: np.float32


def ascend(w: Array, g: Array, first: Array, second: Array, rule: Rule) -> None:
    """One step uphill along g, in place: momentum, Adagrad (Duchi 2011) or Adam (Kingma & Ba 2015), after weight decay.

    Parameters
    ----------
    w, g, first, second : float32 arrays of one shape
        Parameters, gradient, and the optimiser's moments.
    rule : Rule
    """
    g = g - rule.decay * w
    if rule.rule == ADAGRAD:
        second += g * g
        w += rule.rate * g / (np.sqrt(second) + rule.eps)
    elif rule.rule == ADAM:
        first[...] = rule.momentum * first + (1 - rule.momentum) * g
        second[...] = rule.beta2 * second + (1 - rule.beta2) * g * g
        w += rule.rate * rule.correction1 * first / (np.sqrt(second * rule.correction2) + rule.eps)
    elif rule.momentum:
        first[...] = rule.momentum * first + g
        w += rule.rate * first
    else:
        w += rule.rate * g
