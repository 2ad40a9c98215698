"""Block Gibbs sampling of restricted machines: both layers in turn, many chains at once, any units clamped.

A step draws the visible units given the hidden ones, then the hidden ones given those; the state it leaves is a joint
state, and its info holds the hidden fields, from which a phase of the gradient needs no further product. What a chain
draws depends on the key of the step and the chain's own number, never on the chains beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError, SettingError
from harmonium.kernels import backend
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.randomness import Seed, key_from, key_of
from harmonium.units import Joined, Layer, Multinomial, Softmax
from harmonium.units.layer import Floats

Mask = npt.NDArray[np.bool_]
LOW = {"bernoulli": 0.0, "spin": -1.0}  # the lower value of binary units, which have a kernel of their own


class State(NamedTuple):
    """Chains between two steps.

    Parameters
    ----------
    v : floats, (n_chains, n_visible)
    h : floats, (n_chains, n_hidden)
    chain : int64 array, (n_chains,)
        The chains' numbers, which with the key decide what is drawn.
    held_v, held_h : bool arrays, (n_chains, width) or (width,), or None
        Units that keep their values; None holds none.
    """

    v: Floats
    h: Floats
    chain: npt.NDArray[np.int64]
    held_v: Mask | None = None
    held_h: Mask | None = None


class Info(NamedTuple):
    """What a step saw.

    Parameters
    ----------
    x_v : floats, (n_chains, n_visible)
        Fields that the visible units were drawn from.
    x_h : floats, (n_chains, n_hidden)
        Fields of the hidden units given the new visible ones.
    """

    x_v: Floats
    x_h: Floats


def init(
    rbm: RBM,
    n_chains: int | None = None,
    rng: Seed = None,
    *,
    v: Floats | None = None,
    h: Floats | None = None,
    held_v: npt.ArrayLike | None = None,
    held_h: npt.ArrayLike | None = None,
    chain: npt.ArrayLike | None = None,
) -> State:
    """Begin chains: at given states, or at draws from the visible biases alone.

    Parameters
    ----------
    rbm : RBM
    n_chains : int, optional
        Needed where neither v nor h says it.
    rng : seed
    v : floats, (n_chains, n_visible), optional
        Where to begin: the data, in contrastive divergence. Hidden units are drawn given it.
    h : floats, (n_chains, n_hidden), optional
        Hidden states to begin with; without v, visible units are drawn given them.
    held_v, held_h : bool array-like, (width,) or (n_chains, width), optional
        Units that keep the values they begin with.
    chain : int array-like, (n_chains,), optional
        Numbers of the chains; 0, 1, ... when None.

    Raises
    ------
    DataError, SettingError
        A state is none of the layer's, or part of a softmax unit or of a multinomial row is to be held.
    """
    for name, layer, given in (("v", rbm.visible, v), ("h", rbm.hidden, h)):
        if given is not None:
            layer.check(given, name)
    if v is not None and h is not None and len(v) != len(h):
        raise DataError(f"v has {len(v)} rows, h {len(h)}; each chain needs one of both")
    known = v if v is not None else h
    n = (n_chains if known is None else len(known)) or 1
    numbers = np.arange(n) if chain is None else np.asarray(chain, np.int64)
    masks = (mask_of(rbm.visible, held_v, n, "held_v"), mask_of(rbm.hidden, held_h, n, "held_h"))
    key = key_from(rng)
    if v is None:
        x = np.tile(rbm.b, (n, 1)) if h is None else rbms.visible_field(rbm, h)
        v = draw(rbm.visible, x, key_of(int(key), 0), numbers)
    if h is None:
        h = draw(rbm.hidden, rbms.hidden_field(rbm, v), key_of(int(key), 1), numbers)
    return State(v, h, numbers, *masks)


def step(rbm: RBM, state: State, rng: Seed, n_steps: int = 1, beta: Floats | None = None) -> tuple[State, Info]:
    """Draw both layers anew, visible units first; held units stay.

    Parameters
    ----------
    rbm : RBM
    state : State
    rng : seed
        An integer gives the same draws again; a Generator moves on by one number.
    n_steps : int
        At least 1.
    beta : floats, (n_chains, 1), optional
        Inverse temperature of each chain.

    Returns
    -------
    state : State
    info : Info
        Of the last of the steps.

    Notes
    -----
    Leaves exp(-beta energy) of each chain as it is. Two matrix products a step.
    """
    if n_steps < 1:
        raise SettingError(f"n_steps: {n_steps} is not a whole number from 1 on")
    key, (v, h) = int(key_from(rng)), state[:2]
    total = rbm.visible.total(v)
    x_v = x_h = np.empty((0, 0))
    for k in range(n_steps):
        x_v = rbms.visible_field(rbm, h)
        v = _kept(state.held_v, v, draw(rbm.visible, x_v, key_of(key, k, 0), state.chain, total, beta))
        x_h = rbms.hidden_field(rbm, v)
        h = _kept(state.held_h, h, draw(rbm.hidden, x_h, key_of(key, k, 1), state.chain, None, beta))
    return state._replace(v=v, h=h), Info(x_v, x_h)


def draw(
    layer: Layer,
    x: Floats,
    key: np.uint64,
    chain: npt.NDArray[np.integer],
    total: Floats | None = None,
    beta: Floats | None = None,
) -> Floats:
    """Draw a layer's states given its fields, by its kernel where there is one.

    Parameters
    ----------
    layer : Layer
    x : floats, (batch, width)
    key : uint64
        One a draw.
    chain : int array, (batch,)
    total : floats, (batch,), optional
        Draws of multinomial rows.
    beta : floats, (batch, 1), optional
        Inverse temperatures.

    Returns
    -------
    floats, (batch, width)
    """
    if isinstance(layer, Joined):
        pieces = enumerate(layer.pieces(x))
        parts = [draw(part, piece, layer.key(key, k), chain, None, beta) for k, (part, piece) in pieces]
        return np.concatenate(parts, axis=-1)
    if layer.kind in LOW and x.dtype == np.float32 and beta is None:
        out = np.empty(x.shape, x.dtype)
        backend().draw_binary(x, np.zeros(x.shape[1], np.float32), key, chain, LOW[layer.kind], None, out)
        return out
    return layer.sample(x, noise(layer, x.dtype, key, chain, total), total, beta)


def noise(
    layer: Layer,
    dtype: npt.DTypeLike,
    key: np.uint64,
    chain: npt.NDArray[np.integer],
    total: Floats | None = None,
) -> Floats:
    """Random numbers that a layer's `sample` needs, by the kernel of normals where it is enough.

    Parameters
    ----------
    layer : Layer
    dtype : dtype
        Of the states to be drawn; in double precision the normals are, too.
    key : uint64
    chain : int array, (batch,)
    total : floats, (batch,), optional
    """
    if layer.kind == "gaussian" and dtype == np.float32:
        return backend().normals(key, chain, layer.n_units)
    return layer.noise(key, chain, total)


def fill_in(
    rbm: RBM, v: Floats, known: npt.ArrayLike, rng: Seed = None, n_steps: int = 100, chain: npt.ArrayLike | None = None
) -> tuple[State, Floats]:
    """Fill in the rest of partly known visible states: draws given the known units, after `n_steps` steps.

    Parameters
    ----------
    rbm : RBM
    v : floats, (n, n_visible)
        The entries that are not known are not read.
    known : bool array-like, (n_visible,) or (n, n_visible)
    rng : seed
    n_steps : int
        How long the chains run; for an independent draw, several times their autocorrelation time.
    chain : int array-like, (n,), optional

    Returns
    -------
    state : State
        `state.v` holds the known entries and one draw of the others.
    mean : floats, (n, n_visible)
        Mean of the other entries given the last hidden states; the known ones as they are.
    """
    mask = mask_of(rbm.visible, known, len(v), "known")
    assert mask is not None
    key = int(key_from(rng))
    blank = init(rbm, len(v), key_of(key, 0), chain=chain)
    begun = np.where(mask, v, blank.v).astype(rbm.W.dtype)
    state = init(rbm, rng=key_of(key, 1), v=begun, held_v=mask, chain=blank.chain)
    state, info = step(rbm, state, key_of(key, 2), n_steps)
    mean = np.where(mask, begun, rbm.visible.mean(info.x_v, rbm.visible.total(begun)))
    return state, mean


def _kept(held: Mask | None, old: Floats, new: Floats) -> Floats:
    return new if held is None else np.where(held, old, new)


def mask_of(layer: Layer, held: npt.ArrayLike | None, n: int, name: str) -> Mask | None:
    """Check a mask of held units."""
    if held is None:
        return None
    mask = np.asarray(held, bool)
    if mask.shape not in ((layer.width,), (n, layer.width)):
        raise SettingError(f"{name}: the shape is {mask.shape}, it must be ({layer.width},) or ({n}, {layer.width})")
    if isinstance(layer, Joined):
        for part, piece in layer.pieces(mask):
            mask_of(part, piece, n, name)
        return mask
    whole = layer.groups(mask) if isinstance(layer, Softmax) else mask[..., None, :]
    if isinstance(layer, Softmax | Multinomial) and (whole.any(axis=-1) != whole.all(axis=-1)).any():
        raise SettingError(f"{name}: it holds part of a {layer.kind} unit; hold all of its columns or none")
    return mask
