"""Gradients without chains: exact sums, and objectives that need no partition function.

Each returns what is to be climbed, averaged over the cases, and its gradient by the names of `models.rbm.arrays`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.randomness import uniforms
from harmonium.units import Gaussian, Held, Joined, bernoulli
from harmonium.units.layer import Floats

Slope = dict[str, Floats]
Curve = Callable[[Floats], Floats]


def exact_slope(rbm: RBM, v: Floats) -> Slope:
    """Gradient of the mean log-likelihood, both phases exact.

    Parameters
    ----------
    rbm : RBM
    v : floats, (batch, n_visible)
    """
    positive, negative = rbms.statistics(rbm, v), exact.expectations(rbm)
    return {name: positive[name] - negative[name] for name in positive}


def pseudo_likelihood(rbm: RBM, v: Floats, tied: Floats | None = None) -> tuple[float, Slope]:
    """Log pseudo-likelihood of binary visible units: the sum over units of log p(v_i | all others), and its gradient.

    Parameters
    ----------
    rbm : RBM
        Visible units Bernoulli or spin; held units may stand beside them.
    v : floats, (batch, n_visible)
    tied : floats, (batch, n_turned), optional
        What ties add to the fields of the units that are turned. The gradient by it is then among the slopes, as
        "field", (batch, n_turned).

    Notes
    -----
    Besag 1975. One unit at a time is turned, for all cases at once: batch x n_visible x n_hidden operations, as for a
    step of Gibbs sampling with every unit a block of its own.
    """
    return _turned_one_at_a_time(rbm, v, tied, bernoulli.mean, lambda d: -bernoulli.log_partition(d))


def ratio_matching(rbm: RBM, v: Floats, tied: Floats | None = None) -> tuple[float, Slope]:
    """Ratio matching of binary visible units: minus the sum over units of p(turned | others)^2, and its gradient.

    Parameters
    ----------
    rbm : RBM
        Visible units Bernoulli or spin; held units may stand beside them.
    v : floats, (batch, n_visible)
    tied : floats, (batch, n_turned), optional
        What ties add to the fields of the units that are turned. The gradient by it is then among the slopes, as
        "field", (batch, n_turned).

    Notes
    -----
    Hyvarinen 2007: with g(u) = 1 / (1 + u), the squared ratio g(p(v) / p(turned))^2; consistent as the likelihood is.
    """

    def weight(d: Floats) -> Floats:
        p = bernoulli.mean(d)  # of the turned state
        return 2 * p * p * (1 - p)

    return _turned_one_at_a_time(rbm, v, tied, weight, lambda d: -(bernoulli.mean(d) ** 2))


def _turned_one_at_a_time(rbm: RBM, v: Floats, tied: Floats | None, weight: Curve, value: Curve) -> tuple[float, Slope]:
    """Sum over units of value(d), d = F(v) - F(v with unit i turned), and its gradient.

    `weight(d)` is |value'(d)|; value falls in d. The derivative of -d is the statistics at v less those turned.
    """
    n, n_turned, low = len(v), *_turned(rbm)
    field = rbm.b[:n_turned] + (np.zeros((n, n_turned), v.dtype) if tied is None else tied)
    change = (1 + low) - 2 * v  # (batch, n_visible): turned less v
    x = rbms.hidden_field(rbm, v)
    A, p_h = rbm.hidden.log_partition(x), rbm.hidden.mean(x)
    own = rbm.hidden.expected_statistics(x)
    slope: Slope = {name: np.zeros(a.shape, v.dtype) for name, a in rbms.arrays(rbm).items()}
    total, weights, turned_h = 0.0, np.zeros_like(v), np.zeros_like(p_h)
    for i in range(n_turned):
        x_i = x + change[:, i, None] * rbm.W[i]
        d = change[:, i] * field[:, i] + rbm.hidden.log_partition(x_i) - A  # F(v) - F(turned)
        w = weight(d) / n
        weights[:, i] = w
        total += float(value(d).sum()) / n
        p_i = rbm.hidden.mean(x_i)
        turned_h += w[:, None] * p_i
        slope["W"][i] -= (w * change[:, i]) @ p_i
        for name, s in rbm.hidden.expected_statistics(x_i).items():
            slope[f"hidden.{name}"] -= w @ s
    w = weights.sum(axis=1)
    pulled = -weights * change  # gradient by the fields of the visible units
    slope["b"] = pulled.sum(axis=0)
    if tied is not None:
        slope["field"] = pulled[:, :n_turned]
    turned_h = w[:, None] * p_h - turned_h
    slope["c"] = turned_h.sum(axis=0)
    slope["W"] += v.T @ turned_h
    for name, s in own.items():
        slope[f"hidden.{name}"] += w @ s
    return total, slope


def _turned(rbm: RBM) -> tuple[int, float]:
    """How many visible units are turned, and the lower of their two values; held ones are not."""
    layer = rbm.visible
    if isinstance(layer, Joined) and len(layer.parts) == 2 and layer.parts[1].kind == Held.kind:
        layer = layer.parts[0]
    if layer.kind not in ("bernoulli", "spin"):
        raise SettingError(f"method: this one needs binary visible units; a {layer.kind} layer has others")
    return layer.width, 0.0 if layer.kind == "bernoulli" else -1.0


def score_matching(rbm: RBM, v: Floats) -> tuple[float, Slope]:
    """Score matching of Gaussian visible units over Bernoulli or spin hidden ones, with its gradient.

    Parameters
    ----------
    rbm : RBM
    v : floats, (batch, n_visible)

    Notes
    -----
    Hyvarinen 2005, with the score psi = b + W E[h | v] - v / s2: minus the mean of |psi|^2 / 2 + div psi.
    """
    if not isinstance(rbm.visible, Gaussian) or rbm.hidden.kind not in ("bernoulli", "spin"):
        raise SettingError(
            f"method: score matching needs Gaussian visible and binary hidden units, not {rbm.visible.kind} and "
            f"{rbm.hidden.kind} ones"
        )
    n, precision = len(v), 1 / rbm.visible.variance.astype(v.dtype)
    h = rbms.hidden_mean(rbm, v)
    spread, third = _cumulants(rbm, h)  # A'' and A''' of the hidden units
    psi = rbm.b + h @ rbm.W.T - v * precision
    squares = (rbm.W**2).sum(axis=0)  # (n_hidden,)
    J = 0.5 * (psi**2).sum() / n + (spread @ squares).sum() / n - precision.sum()
    d_h = (psi @ rbm.W) * spread + third * squares  # by the hidden fields
    slope: Slope = {
        "W": (psi.T @ h + v.T @ d_h) / n + 2 * rbm.W * spread.mean(axis=0),
        "b": psi.mean(axis=0),
        "c": d_h.mean(axis=0),
        "visible.log_variance": (psi * v * precision).mean(axis=0) + precision,
    }
    return -float(J), {name: -a for name, a in slope.items()}


def _cumulants(rbm: RBM, h: Floats) -> tuple[Floats, Floats]:
    if rbm.hidden.kind == "bernoulli":
        return h * (1 - h), h * (1 - h) * (1 - 2 * h)
    return 1 - h * h, -2 * h * (1 - h * h)


def multi_prediction(
    rbm: RBM, v: Floats, key: np.uint64, chain: npt.NDArray[np.int64], keep: float
) -> tuple[float, Slope]:
    """Log-probability of units left out, inferred in one mean-field step from the others, and its gradient.

    Parameters
    ----------
    rbm : RBM
        Visible units with finitely many states.
    v : floats, (batch, n_visible)
    key : uint64
        Of what is left out.
    chain : int array, (batch,)
        Numbers of the cases.
    keep : float
        Probability that a unit is kept as evidence.

    Notes
    -----
    Goodfellow, Mirza, Courville & Bengio 2013, as the rating machine has it: h = E[h | kept], then log p(left out | h).
    Kept fields are scaled by 1 / keep, so that they have the size that whole cases give. Softmax units are kept or left
    out whole.
    """
    layer = rbm.visible
    if not layer.bounded or layer.kind == "multinomial":
        raise SettingError(f"method: multi-prediction predicts units with finitely many states, not {layer.kind} ones")
    n, group = len(v), layer.width // layer.n_units
    kept = np.repeat(uniforms(key, chain[:, None], np.arange(layer.n_units)) < keep, group, axis=1)
    evidence = np.where(kept, v, 0) / v.dtype.type(keep)
    x = evidence @ rbm.W + rbm.c
    h = rbm.hidden.mean(x)
    y = rbms.visible_field(rbm, h)
    residual = np.where(kept, 0, v - layer.mean(y))
    back = rbm.hidden.response(x, residual @ rbm.W)
    slope: Slope = {
        "W": (residual.T @ h + evidence.T @ back) / n,
        "b": residual.mean(axis=0),
        "c": back.mean(axis=0),
    }
    value = (np.where(kept, 0, v) * y).sum() - _left_out_partition(rbm, y, kept)
    return float(value) / n, slope


def _left_out_partition(rbm: RBM, y: Floats, kept: npt.NDArray[np.bool_]) -> float:
    """Log-partition of the units that were left out; a kept unit at field 0 counts a constant, taken off again."""
    layer = rbm.visible
    blank = layer.log_partition(np.zeros((1, layer.width), y.dtype))[0] / layer.n_units
    n_kept = kept.sum() * layer.n_units / layer.width
    return float(layer.log_partition(np.where(kept, 0, y)).sum() - blank * n_kept)
