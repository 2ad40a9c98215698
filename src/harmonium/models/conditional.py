"""The conditional restricted machine: biases that depend on a condition, case by case (Taylor & Hinton 2006).

    E(v, h | u) = -(b + u A) . v - (c + u B) . h - v W h - base_visible(v) - base_hidden(h)

Given u it is a restricted machine with other biases, so every condition has a partition function of its own. A joint
law of the conditions themselves is neither known nor asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.units import Held, Joined
from harmonium.units.layer import Floats


@final
@dataclass(frozen=True, eq=False)
class Conditional:
    """Parameters of a conditional restricted machine; immutable.

    Parameters
    ----------
    rbm : RBM
        The machine where the condition is 0; its visible layer is not multinomial.
    A : floats, (n_conditions, n_visible)
        From conditions to visible biases.
    B : floats, (n_conditions, n_hidden)
        From conditions to hidden biases.

    Raises
    ------
    SettingError
        The shapes do not fit, or the visible layer is multinomial.
    """

    rbm: RBM
    A: Floats
    B: Floats

    def __post_init__(self) -> None:
        n = len(self.A)
        if self.A.shape != (n, self.rbm.n_visible) or self.B.shape != (n, self.rbm.n_hidden) or not n:
            raise SettingError(
                f"A {self.A.shape} and B {self.B.shape} do not take the same conditions to {self.rbm.n_visible} "
                f"visible and {self.rbm.n_hidden} hidden columns"
            )
        if self.rbm.visible.kind == "multinomial":
            raise SettingError("visible: counts of a multinomial layer cannot be conditional; take another kind")
        for name in ("A", "B"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @property
    def n_conditions(self) -> int:
        """Columns of a condition."""
        return len(self.A)


def given(model: Conditional, u: Floats) -> RBM:
    """Return the restricted machine that a condition makes.

    Parameters
    ----------
    model : Conditional
    u : floats, (n_conditions,)
    """
    rbm = model.rbm
    return rbms.with_arrays(rbm, {"b": rbm.b + u @ model.A, "c": rbm.c + u @ model.B})


def hidden_field(model: Conditional, v: Floats, u: Floats) -> Floats:
    """Fields of the hidden units: c + u B + v W.

    Parameters
    ----------
    model : Conditional
    v : floats or scipy.sparse array, (batch, n_visible)
    u : floats or scipy.sparse array, (batch, n_conditions)

    Returns
    -------
    floats, (batch, n_hidden)
    """
    return v @ model.rbm.W + u @ model.B + model.rbm.c


def visible_field(model: Conditional, h: Floats, u: Floats) -> Floats:
    """Fields of the visible units: b + u A + W h.

    Parameters
    ----------
    model : Conditional
    h : floats, (batch, n_hidden)
    u : floats or scipy.sparse array, (batch, n_conditions)

    Returns
    -------
    floats, (batch, n_visible)
    """
    return h @ model.rbm.W.T + u @ model.A + model.rbm.b


def energy(model: Conditional, v: Floats, h: Floats, u: Floats) -> Floats:
    """Joint energy of visible and hidden states given conditions: (batch,), in nats.

    Parameters
    ----------
    model : Conditional
    v, h, u : floats, (batch, width)
    """
    linear = ((u @ model.A + model.rbm.b) * v).sum(axis=-1) + (hidden_field(model, v, u) * h).sum(axis=-1)
    return -linear - model.rbm.visible.base(v) - model.rbm.hidden.base(h)


def free_energy(model: Conditional, v: Floats, u: Floats) -> Floats:
    """Free energy of visible states given conditions, the hidden units summed out: (batch,), in nats.

    Comparable between states under one condition only.

    Parameters
    ----------
    model : Conditional
    v : floats, (batch, n_visible)
    u : floats, (batch, n_conditions)
    """
    rbm = model.rbm
    linear = ((u @ model.A + rbm.b) * v).sum(axis=-1)
    return -linear - rbm.visible.base(v) - rbm.hidden.log_partition(hidden_field(model, v, u))


def log_partition(model: Conditional, u: Floats) -> npt.NDArray[np.float64]:
    """log Z of every condition, exact: (batch,), in nats.

    Parameters
    ----------
    model : Conditional
    u : floats, (batch, n_conditions)

    Raises
    ------
    SettingError
        Neither layer can be listed.

    Notes
    -----
    One sum over the states of the smaller layer for each condition that occurs.
    """
    model, (rows, place) = in_float64(model), distinct(u)
    return np.array([exact.log_partition(given(model, row)) for row in rows])[place]


def log_likelihood(model: Conditional, v: Floats, u: Floats) -> npt.NDArray[np.float64]:
    """Exact log-probability (density, for real-valued units) of visible states given conditions: (batch,), in nats.

    Parameters
    ----------
    model : Conditional
    v : floats, (batch, n_visible)
    u : floats, (batch, n_conditions)
    """
    v, u = np.asarray(v, np.float64), np.asarray(u, np.float64)
    return -free_energy(in_float64(model), v, u) - log_partition(model, u)


def distinct(u: Floats) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The conditions that occur, and which of them each row has.

    Parameters
    ----------
    u : floats, (batch, n_conditions)

    Returns
    -------
    rows : float64 array, (n, n_conditions)
    place : int64 array, (batch,)
    """
    rows, place = np.unique(np.asarray(u, np.float64), axis=0, return_inverse=True)
    return rows, place.ravel()


def slope(model: Conditional, v: Floats, u: Floats) -> dict[str, Floats]:
    """Gradient of the mean exact log-likelihood of visible states given conditions.

    Parameters
    ----------
    model : Conditional
    v : floats, (batch, n_visible)
    u : floats, (batch, n_conditions)

    Returns
    -------
    dict of float64 arrays
        By the names and of the shapes of `arrays`.
    """
    model, v, (rows, place) = in_float64(model), np.asarray(v, np.float64), distinct(u)
    out: dict[str, Floats] = {name: np.zeros(a.shape) for name, a in arrays(model).items()}
    for k, row in enumerate(rows):
        rbm, mine = given(model, row), v[place == k]
        data, negative = rbms.statistics(rbm, mine), exact.expectations(rbm)
        share = len(mine) / len(v)
        for name in data:
            out[name] += share * (data[name] - negative[name])
        out["A"] += share * np.outer(row, data["b"] - negative["b"])
        out["B"] += share * np.outer(row, data["c"] - negative["c"])
    return out


def arrays(model: Conditional) -> dict[str, Floats]:
    """Return all that is learnt, by name: the restricted machine's own, A and B.

    Parameters
    ----------
    model : Conditional
    """
    return rbms.arrays(model.rbm) | {"A": model.A, "B": model.B}


def with_arrays(model: Conditional, new: Mapping[str, Floats]) -> Conditional:
    """Return the machine with some of its arrays replaced.

    Parameters
    ----------
    model : Conditional
    new : mapping of arrays
        By the names of `arrays`.
    """
    whole = arrays(model) | dict(new)
    A, B = whole.pop("A"), whole.pop("B")
    return Conditional(rbms.with_arrays(model.rbm, whole), A, B)


def in_float64(model: Conditional) -> Conditional:
    """Return the machine with its parameters in double precision.

    Parameters
    ----------
    model : Conditional
    """
    return with_arrays(model, {name: a.astype(np.float64) for name, a in arrays(model).items()})


def initial(rbm: RBM, n_conditions: int) -> Conditional:
    """Return a machine that conditions do not matter to yet.

    Parameters
    ----------
    rbm : RBM
    n_conditions : int
    """
    sizes = ((n_conditions, rbm.n_visible), (n_conditions, rbm.n_hidden))
    return Conditional(rbm, *(np.zeros(size, rbm.W.dtype) for size in sizes))


def beside(model: Conditional) -> RBM:
    """Return the machine with its conditions as held units beside the visible ones; A is left out.

    To the hidden units a condition is one more visible unit whose value is given: (v, u) meets (W, B).

    Parameters
    ----------
    model : Conditional
    """
    rbm, held = model.rbm, Held(model.n_conditions)
    b = np.concatenate((rbm.b, np.zeros(held.width, rbm.b.dtype)))
    return RBM(np.concatenate((rbm.W, model.B)), b, rbm.c, Joined([rbm.visible, held]), rbm.hidden)


def apart(rbm: RBM, A: Floats) -> Conditional:
    """Return the conditional machine that `beside` wrote as one with held units.

    Parameters
    ----------
    rbm : RBM
    A : floats, (n_conditions, n_visible)
    """
    assert isinstance(rbm.visible, Joined)
    visible = rbm.visible.parts[0]
    n = visible.width
    return Conditional(RBM(rbm.W[:n], rbm.b[:n], rbm.c, visible, rbm.hidden), A, rbm.W[n:])
