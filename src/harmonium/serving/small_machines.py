"""Machines small enough to enumerate: energies, exact distributions, exact statistics, Gibbs steps.

A state is a number whose bits are the units, visible ones first: unit i is on where bit i is set. Temperature T
stands for the distribution exp(-E / T) / Z.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt

from harmonium.units import bernoulli, levels

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


class Means(NamedTuple):
    """Means of pairs and units being on: the gradient of the log-likelihood is the data's less the model's."""

    W: Floats
    b: Floats
    c: Floats | None


@final
@dataclass(frozen=True, eq=False)
class Restricted:
    """E(v, h) = - b.v - c.h - v W h.

    Parameters
    ----------
    W : floats, (n_visible, n_hidden)
    b : floats, (n_visible,)
    c : floats, (n_hidden,)
    """

    W: Floats
    b: Floats
    c: Floats

    @property
    def n_visible(self) -> int:
        """Number of visible units."""
        return len(self.b)

    @property
    def n_units(self) -> int:
        """Number of units, visible and hidden."""
        return len(self.b) + len(self.c)

    def energy(self, s: Floats) -> Floats:
        """Energy of joint states: (batch,) of (batch, n_units), in nats."""
        v, h = s[:, : self.n_visible], s[:, self.n_visible :]
        return -(v @ self.b) - h @ self.c - np.einsum("ni,ij,nj->n", v, self.W, h)

    def log_weights(self, temperature: float = 1.0) -> Floats:
        """log sum_h exp(-E(v, h) / T) of every visible state: (2^n_visible,)."""
        v = states(self.n_visible)
        return v @ self.b / temperature + bernoulli.log_partition((self.c + v @ self.W) / temperature).sum(axis=1)

    def means(self, q: Floats) -> Means:
        """Means where visible states have the probabilities q (2^n_visible,), hidden ones as the machine has them."""
        v = states(self.n_visible)
        weighted = bernoulli.mean(self.c + v @ self.W) * q[:, None]
        return Means(v.T @ weighted, q @ v, weighted.sum(axis=0))

    def means_of(self, s: Floats) -> Means:
        """Means over joint states (n_chains, n_units), the hidden units taken at their probabilities."""
        v = s[:, : self.n_visible]
        h = bernoulli.mean(self.c + v @ self.W)
        return Means(v.T @ h / len(v), v.mean(axis=0), h.mean(axis=0))

    def field(self, s: Floats, unit: int) -> Floats:
        """Field of one unit given all the others: (batch,) of (batch, n_units)."""
        n = self.n_visible
        return self.b[unit] + s[:, n:] @ self.W[unit] if unit < n else self.c[unit - n] + s[:, :n] @ self.W[:, unit - n]

    def blocks(self) -> list[list[int]]:
        """Units that are drawn together: a sweep goes through all blocks."""
        return [list(range(self.n_visible, self.n_units)), list(range(self.n_visible))]

    def fields(self, s: Floats, block: list[int]) -> Floats:
        """Fields of a block's units given the others: (batch, n_block) of (batch, n_units)."""
        n = self.n_visible
        return self.b + s[:, n:] @ self.W.T if block[0] < n else self.c + s[:, :n] @ self.W

    def moved(self, by: Means) -> "Restricted":
        """The machine with a step added."""
        assert by.c is not None
        return Restricted(self.W + by.W, self.b + by.b, self.c + by.c)


@final
@dataclass(frozen=True, eq=False)
class General:
    """E(s) = - b.s - s W s / 2.

    Parameters
    ----------
    W : floats, (n_units, n_units)
        Symmetric, with a diagonal of 0.
    b : floats, (n_units,)
    n_visible : int
    """

    W: Floats
    b: Floats
    n_visible: int

    @property
    def n_units(self) -> int:
        """Number of units, visible and hidden."""
        return len(self.b)

    def energy(self, s: Floats) -> Floats:
        """Energy of joint states: (batch,) of (batch, n_units), in nats."""
        return -(s @ self.b) - 0.5 * ((s @ self.W) * s).sum(axis=1)

    def joint_weights(self, temperature: float = 1.0) -> Floats:
        """-E / T of every joint state, hidden states as rows: (2^n_hidden, 2^n_visible)."""
        x = -self.energy(states(self.n_units)) / temperature
        return x.reshape(-1, 1 << self.n_visible)

    def log_weights(self, temperature: float = 1.0) -> Floats:
        """log sum_h exp(-E(v, h) / T) of every visible state: (2^n_visible,)."""
        return levels.log_partition(self.joint_weights(temperature).T)

    def means(self, q: Floats) -> Means:
        """Means where visible states have the probabilities q (2^n_visible,), hidden ones as the machine has them."""
        return self._weighted((levels.mean(self.joint_weights().T) * q[:, None]).T.ravel())

    def means_of(self, s: Floats) -> Means:
        """Means over joint states (n_chains, n_units)."""
        W = (s.T @ s) / len(s)
        np.fill_diagonal(W, 0)
        return Means(W, s.mean(axis=0), None)

    def field(self, s: Floats, unit: int) -> Floats:
        """Field of one unit given all the others: (batch,) of (batch, n_units)."""
        return self.b[unit] + s @ self.W[:, unit]

    def blocks(self) -> list[list[int]]:
        """Units that are drawn together: here one by one, the hidden ones first, for each is tied to every other."""
        return [[unit] for unit in (*range(self.n_visible, self.n_units), *range(self.n_visible))]

    def fields(self, s: Floats, block: list[int]) -> Floats:
        """Fields of a block's units given the others: (batch, n_block) of (batch, n_units)."""
        return self.b[block] + s @ self.W[:, block]

    def moved(self, by: Means) -> "General":
        """The machine with a step added."""
        return General(self.W + by.W, self.b + by.b, self.n_visible)

    def _weighted(self, q: Floats) -> Means:
        s = states(self.n_units)
        W = s.T @ (s * q[:, None])
        np.fill_diagonal(W, 0)
        return Means((W + W.T) / 2, q @ s, None)  # symmetric to the last bit


Machine = Restricted | General


@lru_cache(maxsize=32)
def states(n: int) -> Floats:
    """All states of n units: (2^n, n), row s holding the bits of s.

    Parameters
    ----------
    n : int
    """
    found = ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(np.float64)  # floats: products by BLAS
    found.flags.writeable = False
    return found


def distribution(machine: Machine, temperature: float = 1.0) -> tuple[Floats, float]:
    """Probability of every visible state (2^n_visible,), and log Z.

    Parameters
    ----------
    machine : Restricted or General
    temperature : float
    """
    x = machine.log_weights(temperature)
    return levels.mean(x), float(levels.log_partition(x))


def log_likelihood(machine: Machine, index: Ints) -> float:
    """Mean log-probability of visible states, in nats.

    Parameters
    ----------
    machine : Restricted or General
    index : int array, (n_patterns,)
        Their numbers.
    """
    x = machine.log_weights()
    return float(x[index].mean() - levels.log_partition(x))


def sweep(machine: Machine, s: Floats, rng: np.random.Generator) -> Floats:
    """Draw every unit once, of every chain: (n_chains, n_units).

    Parameters
    ----------
    machine : Restricted or General
    s : floats, (n_chains, n_units)
        0 or 1.
    rng : Generator
    """
    s = s.copy()
    for block in machine.blocks():
        s[:, block] = rng.random((len(s), len(block))) < bernoulli.mean(machine.fields(s, block))
    return s


def relaxation(machine: Machine, start: int, n_sweeps: int, temperature: float = 1.0) -> Floats:
    """Distance to equilibrium after 0, 1, ..., n_sweeps sweeps of a chain that begins at one visible state.

    Parameters
    ----------
    machine : Restricted or General
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
    target, _ = distribution(machine, temperature)
    if isinstance(machine, Restricted):
        p = np.zeros(len(target))
        p[start] = 1
        step = _visible_step(machine, temperature)
        found = [p]
        for _ in range(n_sweeps):
            p = p @ step
            found.append(p)
    else:
        joint = np.zeros((1 << (machine.n_units - machine.n_visible), len(target)))
        joint[:, start] = levels.mean(machine.joint_weights(temperature)[:, start])
        found = [joint.sum(axis=0)]
        on = {unit: _probability_of_on(machine, unit, temperature) for (unit,) in machine.blocks()}
        q = joint.ravel()
        for _ in range(n_sweeps):
            for unit, probability in on.items():
                q = _redrawn(q, unit, probability)
            found.append(q.reshape(joint.shape).sum(axis=0))
    return 0.5 * np.abs(np.array(found) - target).sum(axis=1)


def _visible_step(machine: Restricted, temperature: float) -> Floats:
    """Transition matrix of one sweep between visible states, (2^n_visible, 2^n_visible)."""
    v, h = states(machine.n_visible), states(len(machine.c))
    to_hidden = levels.mean((machine.c + v @ machine.W) @ h.T / temperature)  # (2^n_visible, 2^n_hidden)
    to_visible = levels.mean((machine.b + h @ machine.W.T) @ v.T / temperature)
    return to_hidden @ to_visible


def _probability_of_on(machine: General, unit: int, temperature: float) -> Floats:
    """P(unit on | the others) in every joint state, (2^n_units,)."""
    return bernoulli.mean(machine.field(states(machine.n_units), unit) / temperature)


def _redrawn(q: Floats, unit: int, on: Floats) -> Floats:
    """A joint distribution after one unit was drawn anew."""
    shape = (-1, 2, 1 << unit)
    both = q.reshape(shape).sum(axis=1)
    p = on.reshape(shape)[:, 0]  # the field does not depend on the unit itself
    return np.stack((both * (1 - p), both * p), axis=1).ravel()
