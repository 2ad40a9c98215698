"""Gibbs sampling of Boltzmann machines: many chains at once, units of one colour in parallel, any units clamped."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.errors import SettingError
from harmonium.kernels import backend
from harmonium.kernels.reference_couplings import Ties
from harmonium.models.boltzmann import Boltzmann, Floats
from harmonium.models.colouring import classes, colours
from harmonium.randomness import Seed, key_from, key_of, uniforms

Ints = npt.NDArray[np.integer]
SCANS = ("coloured", "single")
DENSE = 0.5  # share of ties from which on looking for colours is not worth the time


class State(NamedTuple):
    """Chains between two steps.

    Parameters
    ----------
    s : float64 array, (n_chains, n_units)
    held : bool array, (n_chains, n_units) or (0, 0)
        Values that stay; empty when none do.
    chain : int64 array, (n_chains,)
        The chains' numbers, which with the key decide what is drawn.
    classes : tuple of int arrays
        Units that are updated together, in the order of a sweep.
    """

    s: Floats
    held: npt.NDArray[np.bool_]
    chain: Ints
    classes: tuple[Ints, ...]


class Info(NamedTuple):
    """What a step did.

    Parameters
    ----------
    flipped : float64 array, (n_chains,)
        Share of the free units that ended at another value than they began with.
    """

    flipped: Floats


def ties(bm: Boltzmann) -> Ties:
    """Couplings as the kernels take them; a view where possible.

    Parameters
    ----------
    bm : Boltzmann
    """
    if sparse.issparse(bm.J):
        return Ties(bm.J.indptr.astype(np.int64), bm.J.indices.astype(np.int32), bm.J.data)
    n = bm.n_units
    return Ties(np.arange(n + 1) * n, np.empty(0, np.int32), np.ascontiguousarray(bm.J).ravel())


def update_order(bm: Boltzmann, scan: str = "coloured") -> tuple[Ints, ...]:
    """Units that may be updated together, in the order of a sweep.

    Parameters
    ----------
    bm : Boltzmann
    scan : str
        "coloured" finds classes of units without ties among them; "single" takes one unit after the other, as does
        "coloured" where most units are tied to each other.

    Raises
    ------
    SettingError
        There is no such scan.
    """
    if scan not in SCANS:
        raise SettingError(f"scan: {scan!r} is not one of {', '.join(map(repr, SCANS))}")
    n = bm.n_units
    n_ties = bm.J.nnz if sparse.issparse(bm.J) else np.count_nonzero(bm.J)
    if scan == "single" or n_ties > DENSE * n * (n - 1):
        return tuple(np.arange(n)[:, None])
    return tuple(classes(colours(bm.J)))


def tossed(bm: Boltzmann, chain: Ints, units: Ints, rng: Seed = None) -> Floats:
    """Some units of chains at either value by a fair coin: float64 array, (n_chains, n).

    Parameters
    ----------
    bm : Boltzmann
    chain : int array, (n_chains,)
        Their numbers.
    units : int array, (n,)
    rng : seed
    """
    low, high = bm.alphabet
    return np.where(uniforms(key_from(rng), chain[:, None], units) < 0.5, low, high).astype(np.float64)


def init(
    bm: Boltzmann,
    n_chains: int,
    rng: Seed = None,
    *,
    s: Floats | None = None,
    held: npt.ArrayLike | None = None,
    scan: str = "coloured",
    order: Sequence[Ints] | None = None,
) -> State:
    """Begin chains: at given states, or each unit at either value by a fair coin.

    Parameters
    ----------
    bm : Boltzmann
    n_chains : int
    rng : seed
    s : floats, (n_chains, n_units), optional
        Where to begin; must hold the values of what is held.
    held : bool array-like, (n_units,) or (n_chains, n_units), optional
        Which values stay: one mask for all chains, or one a chain.
    scan : str
        "coloured" or "single"; see `update_order`.
    order : sequence of int arrays, optional
        From `update_order`, where it is known already.
    """
    order = tuple(order or update_order(bm, scan))
    chain = np.arange(n_chains)
    if s is None:
        s = tossed(bm, chain, np.arange(bm.n_units), rng)
    mask = np.zeros(bm.n_units, bool) if held is None else np.asarray(held, bool)
    if mask.ndim == 1:  # the same for all chains: the sweep leaves these units out
        order = tuple(part for units in order if len(part := units[~mask[units]]))
        mask = np.zeros((0, 0), bool)
    return State(np.array(s, np.float64), mask, chain, order)


def step(bm: Boltzmann, state: State, rng: Seed, n_sweeps: int = 1, beta: Floats | float = 1.0) -> tuple[State, Info]:
    """Sweep over all units that are not held, each drawn from its conditional given the others.

    Parameters
    ----------
    bm : Boltzmann
    state : State
    rng : seed
        An integer gives the same draws again; chain k draws the same whatever chains stand beside it.
    n_sweeps : int
    beta : float or float array, (n_chains,)
        Inverse temperature, of all chains or of each.

    Returns
    -------
    State, Info
    """
    key, S = key_from(rng), np.array(state.s.T, np.float64, order="C")
    beta = np.ascontiguousarray(np.broadcast_to(np.asarray(beta, np.float64), len(state.chain)))
    held = np.ascontiguousarray(state.held.T)
    arrays = ties(bm), bm.b, beta, bm.alphabet
    for sweep in range(n_sweeps):
        backend().gibbs_sweep(state.classes, *arrays, key_of(int(key), sweep), state.chain, S, held)
    s = np.ascontiguousarray(S.T)
    n_free = sum(map(len, state.classes)) * len(s) - state.held.sum()
    flipped = (s != state.s).sum(axis=1) * (len(s) / max(1, n_free))
    return state._replace(s=s), Info(flipped)


def filled_in(bm: Boltzmann, v: Floats, known: npt.NDArray[np.bool_], n_sweeps: int, rng: Seed = None) -> Floats:
    """Draw what is not known of rows, given what is, from chains that hold that: float64 array, (n, n_visible).

    Parameters
    ----------
    bm : Boltzmann
    v : floats, (n, n_visible)
        Anything of the alphabet where not known.
    known : bool array, (n, n_visible)
    n_sweeps : int
    rng : seed
    """
    key = int(key_from(rng))
    held = np.zeros((len(v), bm.n_units), bool)
    held[:, bm.visible] = known
    begun = init(bm, len(v), key)
    s = np.array(begun.s)
    s[:, bm.visible] = np.where(known, v, s[:, bm.visible])
    begun = init(bm, len(v), s=s, held=held, order=begun.classes)
    return step(bm, begun, int(key_of(key, 1)), n_sweeps)[0].s[:, bm.visible]
