"""Deep belief networks: directed layers under one restricted machine (Hinton, Osindero & Teh 2006).

    p(v, h_1, ..., h_L) = p(v | h_1) p(h_1 | h_2) ... p_RBM(h_{L-1}, h_L)

Each layer is kept as the restricted machine it was learnt as; going up, its hidden units given the layer below stand in
for the true posterior. Once all layers have learnt together, going up has weights of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from harmonium.errors import SettingError
from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.units.layer import Floats


@final
@dataclass(frozen=True)
class DeepBelief:
    """Restricted machines on top of each other; immutable.

    Parameters
    ----------
    machines : tuple of RBM
        From the bottom up; the visible layer of each is the hidden layer of the one below.
    recognition : tuple of RBM, optional
        Where going up through the directed layers is not the way down turned round: machines of which only the hidden
        units given the visible ones count, one for each but the top.
    """

    machines: tuple[RBM, ...]
    recognition: tuple[RBM, ...] = ()

    def __post_init__(self) -> None:
        if not self.machines:
            raise SettingError("machines: there is none")
        for k, (below, above) in enumerate(zip(self.machines, self.machines[1:]), start=1):
            mine, its = above.visible.settings(), below.hidden.settings()
            if mine != its:
                raise SettingError(
                    f"machines: the visible layer of number {k} is {mine}, the hidden one below it {its}"
                )

        sizes = [(rbm.n_visible, rbm.n_hidden) for rbm in self.recognition]
        if sizes and sizes != [(rbm.n_visible, rbm.n_hidden) for rbm in self.machines[:-1]]:
            raise SettingError(f"recognition: machines of {sizes} columns do not go up through these layers")

    @property
    def upward(self) -> tuple[RBM, ...]:
        """The machines whose hidden units given the visible ones lead up to the top one."""
        return self.recognition or self.machines[:-1]

    @property
    def top(self) -> RBM:
        """The machine that is not directed."""
        return self.machines[-1]


def hidden_means(dbn: DeepBelief, v: Floats) -> list[Floats]:
    """Means of every hidden layer going up from visible states, each given the means below.

    Parameters
    ----------
    dbn : DeepBelief
    v : floats or scipy.sparse array, (batch, n_visible)
    """
    means: list[Floats] = []
    for rbm in (*dbn.upward, dbn.top):
        v = rbms.hidden_mean(rbm, v)
        means.append(v)
    return means


def log_conditional(rbm: RBM, v: Floats, h: Floats) -> Floats:
    """log p(v | h) of one directed layer, in nats: (batch,).

    Parameters
    ----------
    rbm : RBM
    v, h : floats, (batch, width)
    """
    x = rbms.visible_field(rbm, h)
    return (v * x).sum(axis=-1) + rbm.visible.base(v) - rbm.visible.log_partition(x)


def log_posterior(rbm: RBM, v: Floats, h: Floats) -> Floats:
    """log q(h | v) going up through one layer, in nats: (batch,).

    Parameters
    ----------
    rbm : RBM
    v, h : floats, (batch, width)
    """
    x = rbms.hidden_field(rbm, v)
    return (h * x).sum(axis=-1) + rbm.hidden.base(h) - rbm.hidden.log_partition(x)


def log_likelihood(dbn: DeepBelief, v: Floats) -> Floats:
    """Exact log-probability of visible states, all hidden layers but the top one listed: (batch,), in nats.

    Parameters
    ----------
    dbn : DeepBelief
        Small: the cost is the product of the states of neighbouring layers.
    v : floats, (batch, n_visible)
    """
    rbm, v = exact.in_float64(dbn.machines[0]), np.asarray(v, np.float64)
    if len(dbn.machines) == 1:  # going up does not matter here
        return exact.log_likelihood(rbm, v)
    h = rbm.hidden.states()
    x = rbms.visible_field(rbm, h)
    log_p_h = log_likelihood(DeepBelief(dbn.machines[1:]), h)
    log_joint = v @ x.T + rbm.visible.base(v)[:, None] + (log_p_h - rbm.visible.log_partition(x))
    return np.logaddexp.reduce(log_joint, axis=1)


def bound(dbn: DeepBelief, v: Floats, hidden: list[Floats], log_z: float) -> Floats:
    """One draw of the variational bound of the log-likelihood: its mean over draws lies below, in nats: (batch,).

    Parameters
    ----------
    dbn : DeepBelief
    v : floats, (batch, n_visible)
    hidden : list of floats, (batch, width)
        Draws of all hidden layers but the top one, each given the one below.
    log_z : float
        Of the top machine.
    """
    out = np.zeros(len(v))
    for down, up, h in zip(dbn.machines, dbn.upward, hidden):
        out += log_conditional(down, v, h) - log_posterior(up, v, h)
        v = h
    return out - rbms.free_energy(dbn.top, v) - log_z


def wake_slopes(dbn: DeepBelief, states: list[Floats], weight: Floats | None = None) -> list[dict[str, Floats]]:
    """Gradient of the mean log p(layer | layer above) of the directed layers, given states of all of them.

    With states drawn going up from data, and the top machine's own gradient, it is the gradient of `bound` with respect
    to what generates.

    Parameters
    ----------
    dbn : DeepBelief
    states : list of floats, (batch, width)
        Of the visible layer and of all hidden ones but the top.
    weight : floats, (batch,), optional
        Share of each row; equal shares when None.

    Returns
    -------
    list of dict of floats
        One a directed layer, by the names of `models.rbm.arrays`; c is not among them.
    """
    return [_down_slope(rbm, v, h, weight) for rbm, v, h in zip(dbn.machines[:-1], states, states[1:])]


def _down_slope(rbm: RBM, v: Floats, h: Floats, weight: Floats | None) -> dict[str, Floats]:
    w = _shares(v, weight)
    x = rbms.visible_field(rbm, h)
    rest = w[:, None] * (v - rbm.visible.mean(x))
    known, expected = rbm.visible.parameter_statistics(v), rbm.visible.expected_statistics(x)
    out: dict[str, Floats] = {"W": rest.T @ h, "b": rest.sum(axis=0)}
    return out | {f"visible.{name}": w @ (known[name] - expected[name]) for name in known}


def sleep_slopes(dbn: DeepBelief, states: list[Floats], weight: Floats | None = None) -> list[dict[str, Floats]]:
    """Gradient of the mean log q(layer | layer below) with respect to what recognises, given states of all layers.

    With states that the network generates it is minus the gradient of the divergence of the way up from the posterior.

    Parameters
    ----------
    dbn : DeepBelief
    states : list of floats, (batch, width)
        Of the visible layer and of all hidden ones but the top.
    weight : floats, (batch,), optional
        Share of each row; equal shares when None.

    Returns
    -------
    list of dict of floats
        W and c, one a directed layer.
    """
    out: list[dict[str, Floats]] = []
    for rbm, v, h in zip(dbn.upward, states, states[1:]):
        w = _shares(h, weight)
        rest = w[:, None] * (h - rbms.hidden_mean(rbm, v))
        out.append({"W": v.T @ rest, "c": rest.sum(axis=0)})
    return out


def _shares(rows: Floats, weight: Floats | None) -> Floats:
    """Share of each row: equal ones where none are given."""
    return np.full(len(rows), 1 / len(rows), rows.dtype) if weight is None else weight
