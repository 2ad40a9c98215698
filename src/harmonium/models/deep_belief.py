"""Deep belief networks: directed layers under one restricted machine (Hinton, Osindero & Teh 2006).

    p(v, h_1, ..., h_L) = p(v | h_1) p(h_1 | h_2) ... p_RBM(h_{L-1}, h_L)

Each layer is kept as the restricted machine it was learnt as; going up, its hidden units given the layer below stand in
for the true posterior.
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
    """

    machines: tuple[RBM, ...]

    def __post_init__(self) -> None:
        if not self.machines:
            raise SettingError("machines: there is none")
        for k, (below, above) in enumerate(zip(self.machines, self.machines[1:]), start=1):
            mine, its = above.visible.settings(), below.hidden.settings()
            if mine != its:
                raise SettingError(
                    f"machines: the visible layer of number {k} is {mine}, the hidden one below it {its}"
                )

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
    for rbm in dbn.machines:
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
    if len(dbn.machines) == 1:
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
    for rbm, h in zip(dbn.machines, hidden):
        out += log_conditional(rbm, v, h) - log_posterior(rbm, v, h)
        v = h
    return out - rbms.free_energy(dbn.top, v) - log_z
