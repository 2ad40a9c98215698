"""Block Gibbs sampling of conditional restricted machines: every chain has a condition of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError, SettingError
from harmonium.models import conditional
from harmonium.models.conditional import Conditional
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import gibbs
from harmonium.sampling.gibbs import Info, Mask
from harmonium.units.layer import Floats


class State(NamedTuple):
    """Chains between two steps.

    Parameters
    ----------
    v : floats, (n_chains, n_visible)
    h : floats, (n_chains, n_hidden)
    u : floats, (n_chains, n_conditions)
        Stays as it is.
    chain : int64 array, (n_chains,)
        The chains' numbers, which with the key decide what is drawn.
    held_v : bool array, (n_chains, n_visible) or (n_visible,), or None
        Units that keep their values.
    """

    v: Floats
    h: Floats
    u: Floats
    chain: npt.NDArray[np.int64]
    held_v: Mask | None = None


def init(
    model: Conditional,
    u: Floats,
    rng: Seed = None,
    *,
    v: Floats | None = None,
    held_v: npt.ArrayLike | None = None,
    chain: npt.ArrayLike | None = None,
) -> State:
    """Begin one chain a condition: at given states, or at draws from the visible biases that the condition makes.

    Parameters
    ----------
    model : Conditional
    u : floats, (n_chains, n_conditions)
    rng : seed
    v : floats, (n_chains, n_visible), optional
    held_v : bool array-like, (n_visible,) or (n_chains, n_visible), optional
    chain : int array-like, (n_chains,), optional
        Numbers of the chains; 0, 1, ... when None.

    Raises
    ------
    DataError, SettingError
        A state is none of the layer's, a condition has another width, or part of a softmax unit is to be held.
    """
    rbm, n = model.rbm, len(u)
    if u.ndim != 2 or u.shape[1] != model.n_conditions:
        raise DataError(f"condition: the shape is {u.shape}, it must be (n, {model.n_conditions})")
    if v is not None:
        rbm.visible.check(v, "v")
    numbers = np.arange(n) if chain is None else np.asarray(chain, np.int64)
    mask, key = gibbs.mask_of(rbm.visible, held_v, n, "held_v"), int(key_from(rng))
    if v is None:
        v = gibbs.draw(rbm.visible, u @ model.A + rbm.b, key_of(key, 0), numbers)
    h = gibbs.draw(rbm.hidden, conditional.hidden_field(model, v, u), key_of(key, 1), numbers)
    return State(v, h, u, numbers, mask)


def step(model: Conditional, state: State, rng: Seed, n_steps: int = 1) -> tuple[State, Info]:
    """Draw both layers anew, visible units first; held units and conditions stay.

    Parameters
    ----------
    model : Conditional
    state : State
    rng : seed
    n_steps : int
        At least 1.

    Returns
    -------
    state : State
    info : Info
        Of the last of the steps.
    """
    if n_steps < 1:
        raise SettingError(f"n_steps: {n_steps} is not a whole number from 1 on")
    key, (v, h, u) = int(key_from(rng)), state[:3]
    rbm, x_v, x_h = model.rbm, np.empty((0, 0)), np.empty((0, 0))
    to_v, to_h = u @ model.A + rbm.b, u @ model.B + rbm.c
    for k in range(n_steps):
        x_v = h @ rbm.W.T + to_v
        drawn = gibbs.draw(rbm.visible, x_v, key_of(key, k, 0), state.chain)
        v = drawn if state.held_v is None else np.where(state.held_v, v, drawn)
        x_h = v @ rbm.W + to_h
        h = gibbs.draw(rbm.hidden, x_h, key_of(key, k, 1), state.chain)
    return state._replace(v=v, h=h), Info(x_v, x_h)
