"""Parallel tempering of restricted machines: replicas at several inverse temperatures that exchange their states.

Every chain owns one replica a temperature. A step moves each replica by block Gibbs at its own temperature, then offers
exchanges to neighbours, even pairs and odd pairs in turn. The replicas of a chain together keep the law

    prod_k exp(-beta_k E(v_k, h_k)) / Z(beta_k)

where E is the joint energy: the chains follow the tempered joint law, so an exchange is accepted with probability
min(1, exp((beta_i - beta_j) (E_i - E_j))) of joint energies. A free energy in its place is wrong.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.models import lateral
from harmonium.models import rbm as rbms
from harmonium.models.lateral import Lateral
from harmonium.models.rbm import RBM
from harmonium.randomness import Seed, key_from, key_of, uniforms
from harmonium.sampling import gibbs
from harmonium.sampling import lateral as tied
from harmonium.units.layer import Floats

LOWEST_BETA = 0.1  # of the ladder that is taken when none is given
N_BETAS = 10
SMALLEST_REJECTION = 1e-3  # a pair that never rejects still keeps some distance


class State(NamedTuple):
    """Replicas between two steps.

    Parameters
    ----------
    betas : float64 array, (n_betas,)
        Falling from 1.
    v : floats, (n_chains, n_betas, n_visible)
    h : floats, (n_chains, n_betas, n_hidden)
    chain : int64 array, (n_chains,)
    odd : bool
        Whether the next exchanges are those of the odd pairs.
    """

    betas: npt.NDArray[np.float64]
    v: Floats
    h: Floats
    chain: npt.NDArray[np.int64]
    odd: bool = False


class Info(NamedTuple):
    """What a step saw.

    Parameters
    ----------
    v, x_h : floats, (n_chains, width)
        Visible states at beta = 1 after the exchanges, and the hidden fields given them.
    energy : floats, (n_chains, n_betas)
        Of the replicas before the exchanges, what no temperature changes left out.
    accepted : bool array, (n_chains, n_betas - 1)
        Exchanges made between replicas k and k + 1.
    offered : bool array, (n_betas - 1,)
    """

    v: Floats
    x_h: Floats
    energy: Floats
    accepted: npt.NDArray[np.bool_]
    offered: npt.NDArray[np.bool_]


def ladder(n_betas: int = N_BETAS, lowest: float = LOWEST_BETA) -> npt.NDArray[np.float64]:
    """Inverse temperatures in even steps from 1 down; a first guess, to be adapted to measured rates.

    Parameters
    ----------
    n_betas : int
        At least 2.
    lowest : float
        From 0 up to, not including, 1.
    """
    if n_betas < 2 or not 0 <= lowest < 1:
        raise SettingError(f"a ladder needs at least 2 betas from 1 to below it; got {n_betas} down to {lowest}")
    return np.linspace(1, lowest, n_betas)


def init(
    model: RBM | Lateral, n_chains: int, rng: Seed = None, betas: npt.ArrayLike | None = None, v: Floats | None = None
) -> State:
    """Begin chains, all replicas of a chain at the same state.

    Parameters
    ----------
    model : RBM or Lateral
    n_chains : int
    rng : seed
    betas : floats, (n_betas,), optional
        Falling from 1; `ladder()` when None.
    v : floats, (n_chains, n_visible), optional
        Where to begin; draws from the visible biases when None.

    Raises
    ------
    SettingError
        The betas do not fall from 1, or reach 0 with a layer that has no law there.
    """
    rbm = model.rbm if isinstance(model, Lateral) else model
    ladder_betas = checked_betas(ladder() if betas is None else betas)
    unbounded = not (rbm.visible.bounded and rbm.hidden.bounded)
    if unbounded and ladder_betas[-1] == 0:
        raise SettingError("betas: real-valued units have no law at beta = 0; end above it")
    start = gibbs.init(rbm, n_chains, rng, v=v)
    v, h = (np.repeat(a[:, None], len(ladder_betas), axis=1) for a in start[:2])
    return State(ladder_betas, v, h, start.chain)


def checked_betas(betas: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a ladder as an array, or raise SettingError unless it falls from 1 to 0 or above.

    Parameters
    ----------
    betas : floats, (n_betas,)
    """
    out = np.asarray(betas, np.float64)
    if len(out) < 2 or out[0] != 1 or (np.diff(out) >= 0).any() or out[-1] < 0:
        raise SettingError(f"betas: they must fall from 1 to 0 or above; got {out}")
    return out


def step(
    model: RBM | Lateral, state: State, rng: Seed, n_steps: int = 1, order: tied.Order | None = None
) -> tuple[State, Info]:
    """Move every replica by block Gibbs, then exchange neighbours.

    Parameters
    ----------
    model : RBM or Lateral
    state : State
    rng : seed
    n_steps : int
        Gibbs steps before the exchanges.
    order : Order, optional
        How tied visible units are swept, where that is known already.

    Returns
    -------
    state : State
    info : Info
    """
    key, (n, k) = int(key_from(rng)), state.v.shape[:2]
    numbers = (state.chain[:, None] * k + np.arange(k)).ravel()  # each replica draws its own numbers
    rbm = model.rbm if isinstance(model, Lateral) else model
    rows = state.v.reshape(n * k, -1), state.h.reshape(n * k, -1), numbers
    how = key_of(key, 0), n_steps, np.tile(state.betas, n)[:, None].astype(rbm.W.dtype)
    if isinstance(model, Lateral):
        order = order or tied.order_of(rbm.visible, model.L)
        v, h = tied.step(model, tied.State(*rows, order), *how)[0][:2]
        E = lateral.energy(model, v, h)
    else:
        v, h = gibbs.step(model, gibbs.State(*rows), *how)[0][:2]
        E = rbms.energy(model, v, h)
    E = (E + rbm.visible.log_count(v) + rbm.hidden.log_count(h)).reshape(n, k).astype(np.float64)
    swaps = exchanges(state.betas, E, state.odd, key_of(key, 1), state.chain)
    v, h = (np.take_along_axis(a.reshape(n, k, -1), swaps.place, axis=1) for a in (v, h))
    info = Info(v[:, 0], rbms.hidden_field(rbm, v[:, 0]), E, swaps.accepted, swaps.offered)
    return State(state.betas, v, h, state.chain, not state.odd), info


class Exchanges(NamedTuple):
    """Which neighbours on the ladder change places.

    Parameters
    ----------
    place : int64 array, (n_chains, n_betas, 1)
        Which replica's state each place takes over.
    accepted : bool array, (n_chains, n_betas - 1)
    offered : bool array, (n_betas - 1,)
    """

    place: npt.NDArray[np.int64]
    accepted: npt.NDArray[np.bool_]
    offered: npt.NDArray[np.bool_]


def exchanges(
    betas: npt.NDArray[np.float64], E: Floats, odd: bool, key: np.uint64, chain: npt.NDArray[np.integer]
) -> Exchanges:
    """Decide on exchanges between neighbours, of even or of odd pairs.

    Parameters
    ----------
    betas : float64 array, (n_betas,)
    E : float64 array, (n_chains, n_betas)
        Joint energies of the replicas, without what no temperature changes.
    odd : bool
    key : uint64
    chain : int array, (n_chains,)
    """
    k = len(betas)
    offered = np.arange(k - 1) % 2 == odd
    u = uniforms(key, chain[:, None], np.arange(k - 1))
    log_ratio = np.diff(betas) * np.diff(E, axis=1)
    accepted = offered & (u < np.exp(np.minimum(log_ratio, 0)))
    return Exchanges(_exchanged(accepted)[:, :, None], accepted, offered)


def _exchanged(accepted: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Which replica's state each place takes over, (n_chains, n_betas)."""
    place = np.tile(np.arange(accepted.shape[1] + 1), (len(accepted), 1))
    chain, k = np.nonzero(accepted)
    place[chain, k], place[chain, k + 1] = k + 1, k
    return place


def adapt(
    model: RBM | Lateral, state: State, rng: Seed, n_steps: int = 200, n_rounds: int = 3
) -> tuple[State, npt.NDArray[np.float64]]:
    """Move the betas until all neighbours exchange about equally often, then leave them.

    Parameters
    ----------
    model : RBM or Lateral
    state : State
    rng : seed
    n_steps : int
        Steps a round over which rates are measured.
    n_rounds : int

    Returns
    -------
    state : State
        With the new betas; what was drawn while they moved is not a sample of anything.
    rates : float64 array, (n_betas - 1,)
        Share of offered exchanges accepted, measured with the new betas.
    """
    key, rates = int(key_from(rng)), np.zeros(len(state.betas) - 1)
    for k in range(n_rounds + 1):
        state, rates = swap_rates(model, state, key_of(key, k), n_steps)
        if k < n_rounds:
            state = state._replace(betas=respaced(state.betas, rates))
    return state, rates


def swap_rates(model: RBM | Lateral, state: State, rng: Seed, n_steps: int) -> tuple[State, npt.NDArray[np.float64]]:
    """Run some steps and measure how often neighbours exchange their states.

    Parameters
    ----------
    model : RBM or Lateral
    state : State
    rng : seed
    n_steps : int
    """
    key = int(key_from(rng))
    accepted = offered = np.zeros(len(state.betas) - 1)
    for t in range(n_steps):
        state, info = step(model, state, key_of(key, t))
        accepted, offered = accepted + info.accepted.mean(axis=0), offered + info.offered
    return state, accepted / np.maximum(offered, 1)


def respaced(betas: npt.NDArray[np.float64], rates: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Betas between the same ends at which every pair should reject equally often.

    Parameters
    ----------
    betas : float64 array, (n_betas,)
    rates : float64 array, (n_betas - 1,)
        Exchange rates measured with them.

    Notes
    -----
    The sum of rejection rates up to beta, the communication barrier, hardly depends on where the others stand; it is
    cut into equal parts (Syed, Bouchard-Cote, Deligiannidis & Doucet 2022).
    """
    barrier = np.concatenate(([0], np.cumsum(np.maximum(1 - rates, SMALLEST_REJECTION))))
    return np.interp(np.linspace(0, barrier[-1], len(betas)), barrier, betas)
