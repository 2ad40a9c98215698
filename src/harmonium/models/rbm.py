"""The restricted Boltzmann machine, with any pair of layers that has a joint distribution.

    E(v, h) = -b . v - n(v) c . h - v W h - base_visible(v) - base_hidden(h)

n(v) is 1, but the number of draws of the row where the visible layer is multinomial (Salakhutdinov & Hinton 2009: a
longer document weighs more against the hidden biases). Everything else follows from the layers' log-partitions
(Welling, Rosen-Zvi & Hinton 2005): Bernoulli, Gaussian, softmax and other machines are this one with other layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.randomness import Seed, as_generator
from harmonium.units import Joined, Multinomial
from harmonium.units.layer import Floats, Layer

INITIAL_SPREAD = 0.01  # standard deviation of the initial weights (Hinton 2010, section 8)


@final
@dataclass(frozen=True, eq=False)
class RBM:
    """Parameters of a restricted Boltzmann machine; immutable.

    Parameters
    ----------
    W : floats, (n_visible, n_hidden)
        Columns of the two layers: for softmax units one a state.
    b : floats, (n_visible,)
    c : floats, (n_hidden,)
    visible, hidden : Layer

    Raises
    ------
    SettingError
        The shapes do not fit the layers, or the two layers have no joint distribution with these weights.
    """

    W: Floats
    b: Floats
    c: Floats
    visible: Layer
    hidden: Layer

    def __post_init__(self) -> None:
        shape = self.visible.width, self.hidden.width
        if self.W.shape != shape or self.b.shape != shape[:1] or self.c.shape != shape[1:]:
            raise SettingError(
                f"W {self.W.shape}, b {self.b.shape}, c {self.c.shape} do not fit a {self.visible.kind} layer of "
                f"{shape[0]} columns and a {self.hidden.kind} layer of {shape[1]}"
            )
        for name in ("W", "b", "c"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        check_normalisable(self)

    @property
    def n_visible(self) -> int:
        """Columns of the visible layer."""
        return self.b.shape[0]

    @property
    def n_hidden(self) -> int:
        """Columns of the hidden layer."""
        return self.c.shape[0]


def coupling_norm(rbm: RBM) -> float:
    """How strongly two unbounded layers pull each other up: below 1 the joint distribution exists.

    Parameters
    ----------
    rbm : RBM

    Returns
    -------
    float
        The largest singular value of s_v W s_h, negative weights left out between two layers that are never negative;
        0 unless both layers are unbounded.

    Notes
    -----
    Two Gaussian layers: the joint precision matrix is positive definite if and only if this is below 1. With a
    rectified layer the quadratic form must only be positive on non-negative states; below 1 is then sufficient, and
    necessary too between two rectified layers without negative weights.
    """
    if rbm.visible.bounded or rbm.hidden.bounded:
        return 0.0
    S = rbm.visible.deviations[:, None].astype(np.float64) * rbm.W * rbm.hidden.deviations
    if rbm.visible.nonnegative and rbm.hidden.nonnegative:
        S = np.maximum(S, 0)
    return float(np.linalg.norm(S, 2)) if np.isfinite(S).all() else np.inf


def check_normalisable(rbm: RBM) -> None:
    """Raise SettingError unless the two layers have a joint distribution with these weights.

    Parameters
    ----------
    rbm : RBM
    """
    norm = coupling_norm(rbm)
    if norm >= 1:
        raise SettingError(
            f"W: a {rbm.visible.kind} and a {rbm.hidden.kind} layer are both unbounded, and have a joint distribution "
            f"only while the weights, in standard deviations, have a norm below 1; it is {norm:.4g}. "
            "Take smaller weights, or Bernoulli hidden units"
        )


def hidden_field(rbm: RBM, v: Floats) -> Floats:
    """Fields of the hidden units: n(v) c + v W.

    Parameters
    ----------
    rbm : RBM
    v : floats or scipy.sparse array, (batch, n_visible)

    Returns
    -------
    floats, (batch, n_hidden)
    """
    total = rbm.visible.total(v)
    return v @ rbm.W + (rbm.c if total is None else np.multiply.outer(total, rbm.c))


def visible_field(rbm: RBM, h: Floats) -> Floats:
    """Fields of the visible units: b + W h.

    Parameters
    ----------
    rbm : RBM
    h : floats, (batch, n_hidden)

    Returns
    -------
    floats, (batch, n_visible)
    """
    return h @ rbm.W.T + rbm.b


def energy(rbm: RBM, v: Floats, h: Floats) -> Floats:
    """Joint energy of visible and hidden states; exp(-energy) is the unnormalised density.

    Parameters
    ----------
    rbm : RBM
    v : floats, (batch, n_visible)
    h : floats, (batch, n_hidden)

    Returns
    -------
    floats, (batch,)
        In nats.
    """
    linear = v @ rbm.b + (hidden_field(rbm, v) * h).sum(axis=-1)
    return -linear - rbm.visible.base(v) - rbm.hidden.base(h)


def free_energy(rbm: RBM, v: Floats) -> Floats:
    """Free energy of visible states: -log of the unnormalised probability, the hidden units summed out.

    Lower is more probable. Differences are exact; the level is known only up to log Z.

    Parameters
    ----------
    rbm : RBM
    v : floats, (batch, n_visible)

    Returns
    -------
    floats, (batch,)
        In nats.

    Notes
    -----
    F(v) = -v . b - base(v) - A_hidden(n(v) c + v W). One matrix product.
    """
    return -(v @ rbm.b) - rbm.visible.base(v) - rbm.hidden.log_partition(hidden_field(rbm, v))


def hidden_free_energy(rbm: RBM, h: Floats, total: Floats | None = None) -> Floats:
    """Free energy of hidden states, the visible units summed out.

    Parameters
    ----------
    rbm : RBM
    h : floats, (batch, n_hidden)
    total : floats, (batch,), optional
        Draws of a multinomial visible layer; its own `n_draws` when None.

    Returns
    -------
    floats, (batch,)
        In nats.
    """
    scale = _draws_of(rbm.visible) if total is None else total
    A = rbm.visible.log_partition(visible_field(rbm, h), total)
    return -scale * (h @ rbm.c) - rbm.hidden.base(h) - A


def _draws_of(layer: Layer) -> float:
    """Draws of every row of a multinomial layer, 1 for all others."""
    return float(layer.n_draws or 1) if isinstance(layer, Multinomial) else 1.0


def hidden_mean(rbm: RBM, v: Floats) -> Floats:
    """Mean of the hidden units given visible states, (batch, n_hidden).

    Parameters
    ----------
    rbm : RBM
    v : floats, (batch, n_visible)
    """
    return rbm.hidden.mean(hidden_field(rbm, v))


def visible_mean(rbm: RBM, h: Floats, total: Floats | None = None) -> Floats:
    """Mean of the visible units given hidden states, (batch, n_visible).

    Parameters
    ----------
    rbm : RBM
    h : floats, (batch, n_hidden)
    total : floats, (batch,), optional
        Draws of a multinomial visible layer.
    """
    return rbm.visible.mean(visible_field(rbm, h), total)


def arrays(rbm: RBM) -> dict[str, Floats]:
    """Return all that is learnt, by name: W, b, c, and what the layers add ("visible.log_variance").

    Parameters
    ----------
    rbm : RBM
    """
    own = {"W": rbm.W, "b": rbm.b, "c": rbm.c}
    own |= {f"visible.{name}": array for name, array in rbm.visible.parameters.items()}
    return own | {f"hidden.{name}": array for name, array in rbm.hidden.parameters.items()}


def with_arrays(rbm: RBM, new: Mapping[str, Floats]) -> RBM:
    """Return the machine with some of its arrays replaced.

    Parameters
    ----------
    rbm : RBM
    new : mapping of arrays
        By the names of `arrays`.
    """
    whole = arrays(rbm) | dict(new)

    def layer(name: str) -> Layer:
        old: Layer = getattr(rbm, name)
        return old.with_parameters({inner: whole[f"{name}.{inner}"] for inner in old.parameters})

    return RBM(whole["W"], whole["b"], whole["c"], layer("visible"), layer("hidden"))


def statistics(rbm: RBM, v: Floats, weight: Floats | None = None) -> dict[str, Floats]:
    """Mean of -dE/dparameter over visible states, the hidden units averaged out: of data, one phase of the gradient.

    Parameters
    ----------
    rbm : RBM
    v : floats, (batch, n_visible)
    weight : floats, (batch,), optional
        Share of each row; equal shares when None. They should sum to 1.

    Returns
    -------
    dict of floats
        By the names and of the shapes of `arrays`. The log-likelihood's gradient is this over the data less this over
        the model, each averaged by its own count.
    """
    w = np.full(len(v), 1 / len(v), v.dtype) if weight is None else weight
    x = hidden_field(rbm, v)
    p_h = rbm.hidden.mean(x)
    total = rbm.visible.total(v)
    found: dict[str, Floats] = {
        "W": (w[:, None] * v).T @ p_h,
        "b": w @ v,
        "c": (w if total is None else w * total) @ p_h,
    }
    found |= {f"visible.{name}": w @ s for name, s in rbm.visible.parameter_statistics(v).items()}
    return found | {f"hidden.{name}": w @ s for name, s in rbm.hidden.expected_statistics(x).items()}


def hidden_statistics(
    rbm: RBM, h: Floats, weight: Floats | None = None, total: Floats | None = None
) -> dict[str, Floats]:
    """The same as `statistics` from hidden states, the visible units averaged out.

    Parameters
    ----------
    rbm : RBM
    h : floats, (batch, n_hidden)
    weight : floats, (batch,), optional
    total : floats, (batch,), optional
        Draws of a multinomial visible layer.
    """
    w = np.full(len(h), 1 / len(h), h.dtype) if weight is None else weight
    x = visible_field(rbm, h)
    p_v = rbm.visible.mean(x, total)
    scale = _draws_of(rbm.visible) if total is None else total
    found: dict[str, Floats] = {"W": p_v.T @ (w[:, None] * h), "b": w @ p_v, "c": (w * scale) @ h}
    found |= {f"visible.{name}": w @ s for name, s in rbm.visible.expected_statistics(x).items()}
    return found | {f"hidden.{name}": w @ s for name, s in rbm.hidden.parameter_statistics(h).items()}


def initial(
    visible: Layer,
    hidden: Layer,
    rng: Seed = None,
    mean: Floats | None = None,
    spread: float = INITIAL_SPREAD,
    dtype: npt.DTypeLike = np.float32,
) -> RBM:
    """Return a machine before learning: small random weights, visible biases that give the data's means.

    Parameters
    ----------
    visible, hidden : Layer
    rng : seed
    mean : floats, (n_visible,), optional
        Of the data; biases are 0 when None.
    spread : float
        Standard deviation of the weights.
    dtype : dtype
    """
    W = as_generator(rng).normal(0, spread, (visible.width, hidden.width)).astype(dtype)
    b = np.zeros(visible.width) if mean is None else visible.field(np.asarray(mean, np.float64))
    return fixed_gauge(RBM(W, b.astype(dtype), np.zeros(hidden.width, dtype), visible, hidden))


def fixed_gauge(rbm: RBM) -> RBM:
    """Return the same distribution with the parameters' idle directions removed.

    Parameters
    ----------
    rbm : RBM

    Notes
    -----
    One state of a softmax unit is always on, so what its states' weights have in common is a bias of the other layer,
    and what their biases have in common is nothing; a multinomial layer is the same with n draws.
    """
    v, h = rbm.visible, rbm.hidden
    W = v.gauge(rbm.W)
    c = rbm.c + _common(v, rbm.W - W)
    W_both = h.gauge(W.T).T
    b = rbm.b + _common(h, (W - W_both).T) * _draws_of(h)
    return RBM(W_both.astype(rbm.W.dtype), v.gauge(b).astype(b.dtype), h.gauge(c).astype(c.dtype), v, h)


def _common(layer: Layer, removed: Floats) -> Floats:
    """What the columns of each unit had in common, (width, other), as the field it sends: (other,)."""
    if isinstance(layer, Joined):
        parts = [_common(part, piece.T) for part, piece in layer.pieces(removed.T)]
        return np.sum(parts, axis=0)
    n_always_on = 1 if layer.kind == "multinomial" else layer.n_units
    return removed.sum(axis=0) * (n_always_on / layer.width)


def tempered(rbm: RBM, beta: float) -> RBM:
    """Return the machine at an inverse temperature: every energy times beta.

    Parameters
    ----------
    rbm : RBM
    beta : float
        Above 0.
    """
    dtype = rbm.W.dtype.type
    W, b, c = (part * dtype(beta) for part in (rbm.W, rbm.b, rbm.c))
    return RBM(W, b, c, rbm.visible.tempered(beta), rbm.hidden.tempered(beta))


def transposed(rbm: RBM) -> RBM:
    """Return the machine with the two layers exchanged.

    Parameters
    ----------
    rbm : RBM

    Raises
    ------
    SettingError
        A multinomial visible layer scales the hidden biases, and only a visible one does.
    """
    if "multinomial" in (rbm.visible.kind, rbm.hidden.kind):
        raise SettingError("a machine with a multinomial layer cannot be turned round")
    return RBM(rbm.W.T, rbm.c, rbm.b, rbm.hidden, rbm.visible)
