"""One chain toss by toss, many chains sweep by sweep, and how fast either forgets where it began."""

import time
from typing import NamedTuple

import numpy as np

from harmonium.laboratory.machines import Floats, Ints, Machine, distribution, number, states, tempered
from harmonium.laboratory.machines import n_units as count_units
from harmonium.models import boltzmann, boltzmann_exact
from harmonium.models import rbm as rbms
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.rbm import RBM
from harmonium.randomness import key_of, uniforms
from harmonium.sampling import boltzmann as sampling
from harmonium.sampling import gibbs
from harmonium.units import bernoulli, levels

N_TIMED = 100  # chains whose sweep is timed
TIMED_SWEEPS = 20


class Toss(NamedTuple):
    """Units drawn together.

    Parameters
    ----------
    units : int array, (n,)
        Visible units counted first.
    probability : floats, (n,)
        Of being on.
    toss : floats, (n,)
        Uniform: on where it is below the probability.
    s : floats, (n_units,)
        Joint state afterwards.
    """

    units: Ints
    probability: Floats
    toss: Floats
    s: Floats


def blocks(machine: Machine) -> list[Ints]:
    """Units that are drawn together, the hidden ones first: a layer at once, or one unit of a general machine.

    Parameters
    ----------
    machine : RBM or Boltzmann
    """
    n, hidden = machine.n_visible, np.arange(machine.n_visible, count_units(machine))
    if isinstance(machine, RBM):
        return [hidden, np.arange(n)]
    return list(np.concatenate((hidden, np.arange(n)))[:, None])


def fields(machine: Machine, s: Floats, units: Ints) -> Floats:
    """Fields of a block's units given the others: (batch, n) of (batch, n_units).

    Parameters
    ----------
    machine : RBM or Boltzmann
    s : floats, (batch, n_units)
    units : int array, (n,)
        One of `blocks`.
    """
    n = machine.n_visible
    if isinstance(machine, Boltzmann):
        return boltzmann.fields(machine, s)[:, units]
    return rbms.visible_field(machine, s[:, n:]) if units[0] < n else rbms.hidden_field(machine, s[:, :n])


def toss(machine: Machine, s: Floats, step: int, seed: int, held: set[int], temperature: float = 1.0) -> Toss:
    """Draw the block whose turn it is.

    Parameters
    ----------
    machine : RBM or Boltzmann
    s : floats, (n_units,)
    step : int
        Blocks drawn before.
    seed : int
    held : set of int
        Units that keep their states.
    temperature : float
        At 0 a unit goes where its field pulls it.
    """
    turns = blocks(machine)
    units = turns[step % len(turns)]
    x = fields(machine, s[None], units)[0]
    p = bernoulli.mean(x / temperature) if temperature else 0.5 * (np.sign(x) + 1)
    u = uniforms(key_of(seed, step), 0, units).astype(np.float64)
    free = np.array([unit not in held for unit in units.tolist()])
    after = s.copy()
    after[units[free]] = (u < p)[free]
    return Toss(units, p, u, after)


def swept(machine: Machine, s: Floats, rng: int, n_sweeps: int = 1) -> Floats:
    """Chains after some sweeps by the library's samplers: (n_chains, n_units).

    Parameters
    ----------
    machine : RBM or Boltzmann
    s : floats, (n_chains, n_units)
    rng : int
    n_sweeps : int
    """
    n = machine.n_visible
    if isinstance(machine, RBM):
        begun = gibbs.init(machine, v=s[:, :n], h=s[:, n:])
        after, _ = gibbs.step(machine, begun, rng, n_sweeps)
        return np.hstack((after.v, after.h))
    begun = sampling.init(machine, len(s), s=s, order=blocks(machine))
    return sampling.step(machine, begun, rng, n_sweeps)[0].s


def relaxation(machine: Machine, start: int, n_sweeps: int, temperature: float = 1.0) -> Floats:
    """Distance to equilibrium after 0, 1, ..., n_sweeps sweeps of a chain that begins at one visible state.

    Parameters
    ----------
    machine : RBM or Boltzmann
    start : int
        Number of the visible state; the hidden units begin as the machine has them there.
    n_sweeps : int
    temperature : float

    Returns
    -------
    floats, (n_sweeps + 1,)
        Total variation over visible states.

    Notes
    -----
    Exact: the distribution is stepped, no chain is drawn.
    """
    machine = tempered(machine, temperature)
    target, _ = distribution(machine)
    walk = _layers_walk if isinstance(machine, RBM) else _units_walk
    found = walk(machine, start, n_sweeps)  # type: ignore[arg-type]
    return 0.5 * np.abs(np.array(found) - target).sum(axis=1)


def seconds_per_sweep(machine: Machine) -> float:
    """Measured: one sweep of 100 chains, the best of a few.

    Parameters
    ----------
    machine : RBM or Boltzmann
    """
    s = (uniforms(key_of(0), np.arange(N_TIMED)[:, None], np.arange(count_units(machine))) < 0.5).astype(np.float64)
    best = np.inf
    for k in range(TIMED_SWEEPS):
        began = time.perf_counter()
        s = swept(machine, s, k)
        best = min(best, time.perf_counter() - began)
    return float(best)


def _layers_walk(rbm: RBM, start: int, n_sweeps: int) -> list[Floats]:
    """Distributions over visible states, by the transition matrix of one sweep."""
    v, h = states(rbm.n_visible), states(rbm.n_hidden)
    to_hidden = levels.mean(rbms.hidden_field(rbm, v) @ h.T)  # (2^n_visible, 2^n_hidden)
    step = to_hidden @ levels.mean(rbms.visible_field(rbm, h) @ v.T)
    found = [np.eye(1, len(v), start)[0]]
    for _ in range(n_sweeps):
        found.append(found[-1] @ step)
    return found


def _units_walk(bm: Boltzmann, start: int, n_sweeps: int) -> list[Floats]:
    """The same of a general machine, unit after unit redrawn in the joint distribution."""
    n, all_states = bm.n_visible, states(bm.n_units)
    at_start = number(all_states[:, :n]) == start
    q = np.where(at_start, np.exp(-boltzmann.energy(bm, all_states) + _free_energy_at(bm, start)), 0.0)
    on = {int(unit): bernoulli.mean(fields(bm, all_states, np.array([unit]))[:, 0]) for (unit,) in blocks(bm)}
    shape = (-1, 1 << n)  # hidden states as rows: their bits are the higher ones
    found = [q.reshape(shape).sum(axis=0)]
    for _ in range(n_sweeps):
        for unit, probability in on.items():
            q = _redrawn(q, unit, probability)
        found.append(q.reshape(shape).sum(axis=0))
    return found


def _free_energy_at(bm: Boltzmann, start: int) -> float:
    return float(boltzmann_exact.free_energy(bm, states(bm.n_visible)[start][None])[0])


def _redrawn(q: Floats, unit: int, on: Floats) -> Floats:
    """A joint distribution after one unit was drawn anew."""
    shape = (-1, 2, 1 << unit)
    both = q.reshape(shape).sum(axis=1)
    p = on.reshape(shape)[:, 0]  # the field does not depend on the unit itself
    return np.stack((both * (1 - p), both * p), axis=1).ravel()
