"""Parallel tempering of Boltzmann machines: every chain has a replica a temperature, and neighbours change places.

As `tempering` does for restricted machines; the replicas of a chain together keep prod_k exp(-beta_k E(s_k)) / Z_k.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.models import boltzmann
from harmonium.models.boltzmann import Boltzmann, Floats, Ints
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import boltzmann as sampling
from harmonium.sampling import tempering


class State(NamedTuple):
    """Replicas between two steps.

    Parameters
    ----------
    betas : float64 array, (n_betas,)
        Falling from 1.
    s : float64 array, (n_chains, n_betas, n_units)
    chain : int64 array, (n_chains,)
    classes : tuple of int arrays
        Units that are updated together, in the order of a sweep.
    odd : bool
        Whether the next exchanges are those of the odd pairs.
    """

    betas: npt.NDArray[np.float64]
    s: Floats
    chain: Ints
    classes: tuple[Ints, ...]
    odd: bool = False


class Info(NamedTuple):
    """What a step saw.

    Parameters
    ----------
    energy : float64 array, (n_chains, n_betas)
        Of the replicas before the exchanges.
    accepted : bool array, (n_chains, n_betas - 1)
    offered : bool array, (n_betas - 1,)
    """

    energy: Floats
    accepted: npt.NDArray[np.bool_]
    offered: npt.NDArray[np.bool_]


def init(
    bm: Boltzmann,
    n_chains: int,
    rng: Seed = None,
    betas: npt.ArrayLike | None = None,
    s: Floats | None = None,
    order: Sequence[Ints] | None = None,
) -> State:
    """Begin chains: replicas at states of their own by fair coins, or all of a chain at a given one.

    Parameters
    ----------
    bm : Boltzmann
    n_chains : int
    rng : seed
    betas : floats, (n_betas,), optional
        Falling from 1 to 0 or above; `tempering.ladder()` when None.
    s : floats, (n_chains, n_units), optional
    order : sequence of int arrays, optional
        From `sampling.boltzmann.update_order`, where it is known already.
    """
    ladder = tempering.checked_betas(tempering.ladder() if betas is None else betas)
    k = len(ladder)
    begun = sampling.init(bm, n_chains * k, rng, s=None if s is None else np.repeat(s, k, axis=0), order=order)
    return State(ladder, begun.s.reshape(n_chains, k, -1), np.arange(n_chains), begun.classes)


def step(bm: Boltzmann, state: State, rng: Seed, n_sweeps: int = 1) -> tuple[State, Info]:
    """Sweep every replica at its own temperature, then exchange neighbours.

    Parameters
    ----------
    bm : Boltzmann
    state : State
    rng : seed
    n_sweeps : int
        Before the exchanges.

    Returns
    -------
    state : State
    info : Info
    """
    key, (n, k) = int(key_from(rng)), state.s.shape[:2]
    numbers = (state.chain[:, None] * k + np.arange(k)).ravel()  # each replica draws its own numbers
    none = np.zeros((0, 0), bool)
    rows = sampling.State(state.s.reshape(n * k, -1), none, numbers, state.classes)
    moved, _ = sampling.step(bm, rows, int(key_of(key, 0)), n_sweeps, np.tile(state.betas, n))
    E = boltzmann.energy(bm, moved.s).reshape(n, k)
    swaps = tempering.exchanges(state.betas, E, state.odd, key_of(key, 1), state.chain)
    s = np.take_along_axis(moved.s.reshape(n, k, -1), swaps.place, axis=1)
    return state._replace(s=s, odd=not state.odd), Info(E, swaps.accepted, swaps.offered)
