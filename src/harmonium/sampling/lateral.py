"""Gibbs sampling of semi-restricted machines: hidden units as one block, visible units by what ties them.

Bits and spins are swept one after the other, those of one colour together, each drawn from its conditional given all
others; Gaussian units are one exact draw from their joint normal law. Both leave the machine's law as it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import solve_triangular

from harmonium.errors import SettingError
from harmonium.kernels import backend
from harmonium.kernels.reference_couplings import Ties
from harmonium.models import rbm as rbms
from harmonium.models.boltzmann import Boltzmann, Ints
from harmonium.models.lateral import Lateral
from harmonium.randomness import Seed, key_from, key_of, normals
from harmonium.sampling import boltzmann, gibbs
from harmonium.sampling.gibbs import Info, Mask
from harmonium.units.layer import Floats, Layer

ALPHABETS = {"bernoulli": (0.0, 1.0), "spin": (-1.0, 1.0)}


class Order(NamedTuple):
    """How visible units are swept.

    Parameters
    ----------
    classes : tuple of int arrays
        Units that are not tied to each other, in the order of a sweep; empty for Gaussian units.
    indptr, indices : int arrays, or None
        Where ties may be, by rows; None where most of them may.
    """

    classes: tuple[Ints, ...]
    indptr: Ints | None = None
    indices: Ints | None = None


class State(NamedTuple):
    """Chains between two steps.

    Parameters
    ----------
    v : floats, (n_chains, n_visible)
    h : floats, (n_chains, n_hidden)
    chain : int64 array, (n_chains,)
    order : Order
    held_v : bool array, (n_chains, n_visible) or (n_visible,), or None
        Units that keep their values.
    """

    v: Floats
    h: Floats
    chain: npt.NDArray[np.int64]
    order: Order
    held_v: Mask | None = None


def order_of(layer: Layer, mask: Floats) -> Order:
    """Find out which visible units may be drawn together.

    Parameters
    ----------
    layer : Layer
    mask : array, (n_visible, n_visible)
        Not 0 where two units may be tied.
    """
    if layer.kind == "gaussian":
        return Order(())
    n, ties = len(mask), sparse.csr_array(mask != 0)
    dense = ties.nnz > boltzmann.DENSE * n * (n - 1)
    tied = Boltzmann(ties.astype(np.float64), np.zeros(n), np.arange(n))
    classes = boltzmann.update_order(tied)
    return Order(classes) if dense else Order(classes, ties.indptr.astype(np.int64), ties.indices.astype(np.int32))


def init(
    model: Lateral,
    n_chains: int | None = None,
    rng: Seed = None,
    *,
    v: Floats | None = None,
    held_v: npt.ArrayLike | None = None,
    chain: npt.ArrayLike | None = None,
) -> State:
    """Begin chains: at given states, or at draws from the visible biases alone.

    Parameters
    ----------
    model : Lateral
    n_chains : int, optional
        Needed where v does not say it.
    rng : seed
    v : floats, (n_chains, n_visible), optional
    held_v : bool array-like, (n_visible,) or (n_chains, n_visible), optional
    chain : int array-like, (n_chains,), optional
        Numbers of the chains; 0, 1, ... when None.
    """
    begun = gibbs.init(model.rbm, n_chains, rng, v=v, held_v=held_v, chain=chain)
    return State(begun.v, begun.h, begun.chain, order_of(model.rbm.visible, model.L), begun.held_v)


def step(model: Lateral, state: State, rng: Seed, n_steps: int = 1, beta: Floats | None = None) -> tuple[State, Info]:
    """Draw the visible units anew, then the hidden ones; held units stay.

    Parameters
    ----------
    model : Lateral
    state : State
    rng : seed
    n_steps : int
        At least 1.
    beta : floats, (n_chains, 1), optional
        Inverse temperature of each chain; 1 when None.

    Returns
    -------
    state : State
    info : Info
        Of the last of the steps; its visible fields are those from the hidden units, without the ties.
    """
    if n_steps < 1:
        raise SettingError(f"n_steps: {n_steps} is not a whole number from 1 on")
    key, (v, h), rbm = int(key_from(rng)), state[:2], model.rbm
    x_v = x_h = np.empty((0, 0))
    for k in range(n_steps):
        x_v = rbms.visible_field(rbm, h)
        v = draw_visible(rbm.visible, model.L, state.order, x_v, v, key_of(key, k, 0), state.chain, state.held_v, beta)
        x_h = rbms.hidden_field(rbm, v)
        h = gibbs.draw(rbm.hidden, x_h, key_of(key, k, 1), state.chain, None, beta)
    return state._replace(v=v, h=h), Info(x_v, x_h)


def draw_visible(
    layer: Layer,
    L: Floats,
    order: Order,
    x: Floats,
    v: Floats,
    key: np.uint64,
    chain: npt.NDArray[np.integer],
    held: Mask | None = None,
    beta: Floats | None = None,
) -> Floats:
    """Draw the visible units given the hidden ones: (n_chains, n_visible).

    Parameters
    ----------
    layer : Layer
        Bernoulli, spin or Gaussian.
    L : floats, (n_visible, n_visible)
    order : Order
    x : floats, (n_chains, n_visible)
        Fields from biases and hidden units.
    v : floats, (n_chains, n_visible)
        States that a sweep of bits or spins goes on from.
    key : uint64
    chain : int array, (n_chains,)
    held : bool array, (n_chains, n_visible) or (n_visible,), optional
    beta : floats, (n_chains, 1), optional
    """
    betas = np.ones(len(v)) if beta is None else np.asarray(beta, np.float64).ravel()
    if layer.kind == "gaussian":
        return _block_draws(layer, L, x, v, key, chain, held, betas)
    mask = np.zeros((0, 0), bool) if held is None else np.ascontiguousarray(np.broadcast_to(held, v.shape).T)
    S, field = (np.array(a.T, np.float64, order="C") for a in (v, x))
    n = len(L)
    if order.indptr is None or order.indices is None:
        ties = Ties(np.arange(n + 1) * n, np.empty(0, np.int32), np.ascontiguousarray(L, np.float64).ravel())
    else:
        row = np.repeat(np.arange(n), np.diff(order.indptr))
        ties = Ties(order.indptr, order.indices, L[row, order.indices].astype(np.float64))
    backend().gibbs_sweep(order.classes, ties, field, betas, ALPHABETS[layer.kind], key, chain, S, mask)
    return np.ascontiguousarray(S.T, v.dtype)


def _block_draws(
    layer: Layer, L: Floats, x: Floats, v: Floats, key: np.uint64, chain: npt.NDArray[np.integer], held: Mask | None,
    betas: npt.NDArray[np.float64],
) -> Floats:  # fmt: skip
    """Draw tied Gaussian units at once; rows that hold the same units share one factorisation."""
    P = np.diag(np.exp(-layer.parameters["log_variance"].astype(np.float64))) - L
    z = normals(key, np.asarray(chain)[:, None], np.arange(len(P))) / np.sqrt(betas)[:, None]  # precisions are beta P
    if held is None or not held.any():
        return _normal(P, x.astype(np.float64), z).astype(v.dtype)
    out = np.array(v, np.float64)
    masks, place = np.unique(np.broadcast_to(held, v.shape), axis=0, return_inverse=True)
    for k, mask in enumerate(masks):
        if mask.all():
            continue
        rows, free = np.flatnonzero(place.ravel() == k), ~mask
        field = x[np.ix_(rows, free)] + out[np.ix_(rows, mask)] @ L[np.ix_(mask, free)]
        out[np.ix_(rows, free)] = _normal(P[np.ix_(free, free)], field, z[np.ix_(rows, free)])
    return out.astype(v.dtype)


def _normal(P: Floats, x: Floats, z: Floats) -> Floats:
    """Draws of a normal law with inverse covariance P and natural parameters x: P^-1 x + R^-1 z with P = R'R."""
    R = np.linalg.cholesky(P).T  # (free, free), upper
    half = solve_triangular(R, x.T, trans=1, lower=False)
    return solve_triangular(R, half + z.T, lower=False).T
