"""A Gibbs chain on the users machine over chosen items: half-steps that show every probability and every toss.

Which items are rated is given, as everywhere in a rating machine; the chain draws their levels and the hidden units.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.models import level_rbm
from harmonium.models.level_rbm import LevelRBM
from harmonium.randomness import key_of, uniforms
from harmonium.units import bernoulli
from harmonium.units import levels as softmax

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Side = Literal["hidden", "visible"]
HIDDEN, VISIBLE = 1, 2  # counters that keep the two sides' tosses apart


class HalfStep(NamedTuple):
    """One half-step: the new state, and what it was drawn from."""

    drawn: Side
    probabilities: Floats  # (n_hidden, 1) of being on, or (n_items, n_levels)
    tosses: Floats  # a uniform number a unit drawn
    levels: Ints  # (n_items,), after it
    hidden: Ints  # (n_hidden,), after it
    energy: float  # E(v, h) in nats
    free_energy: float  # F(v) in nats


class Exact(NamedTuple):
    """What a chain's frequencies close in on."""

    n_states: int
    levels: Floats  # (n_items, n_levels)
    hidden: Floats  # (n_hidden,)
    log_partition: float


@final
@dataclass(frozen=True, eq=False)
class Chain:
    """A users machine cut to some items, with what is held.

    Parameters
    ----------
    rbm : LevelRBM
        Over the chosen items alone.
    held_levels : bool array, (n_items,)
        Which items keep their level.
    held_hidden : dict of int to int
        Hidden units and the state they keep.
    temperature : float
        0 takes the most probable state of every unit.
    """

    rbm: LevelRBM
    held_levels: npt.NDArray[np.bool_]
    held_hidden: dict[int, int]
    temperature: float = 1.0

    @classmethod
    def of(
        cls,
        rbm: LevelRBM,
        item: Ints,
        held_levels: npt.NDArray[np.bool_],
        held_hidden: dict[int, int],
        temperature: float = 1.0,
    ) -> "Chain":
        """Cut a machine to some items.

        Parameters
        ----------
        rbm : LevelRBM
        item : int array, (n_items,)
        held_levels : bool array, (n_items,)
        held_hidden : dict of int to int
        temperature : float

        Raises
        ------
        SettingError
            There is no such hidden unit.
        """
        n_hidden = rbm.n_hidden // rbm.n_machines
        for unit in held_hidden:
            if not 0 <= unit < n_hidden:
                raise SettingError(f"unit: {unit} is not from 0 to {n_hidden - 1}")
        one = level_rbm.members(rbm)[0]  # a committee has no chain of its own
        W, b, c, phi = (a.astype(np.float64) for a in (one.W[:, item], one.b[item], one.c, one.phi))
        return cls(LevelRBM(W, b, c, phi), held_levels, held_hidden, temperature)

    def resting_levels(self) -> Ints:
        """The most probable level of each item while the hidden units rest: (n_items,)."""
        return self._level_fields(bernoulli.mean(self.rbm.c)).argmax(axis=1)

    def half_step(self, drawn: Side, levels: Ints, hidden: Ints, seed: int, step: int) -> HalfStep:
        """Draw all free units of one side, given the other.

        Parameters
        ----------
        drawn : {"hidden", "visible"}
        levels : int array, (n_items,)
        hidden : int array, (n_hidden,)
        seed, step : int
            They decide the tosses.
        """
        n = self.rbm.n_hidden if drawn == "hidden" else self.rbm.n_visible
        side = HIDDEN if drawn == "hidden" else VISIBLE
        toss = uniforms(key_of(seed, side, step), 0, np.arange(n)).astype(np.float64)
        if drawn == "hidden":
            p = self._hidden_probabilities(levels)
            hidden = (toss < p).astype(np.int64)
            hidden[list(self.held_hidden)] = list(self.held_hidden.values())
            p = p[:, None]
        else:
            p = _tempered(self._level_fields(hidden), self.temperature)
            new = (toss[:, None] >= np.cumsum(p, axis=1)[:, :-1]).sum(axis=1)
            levels = np.where(self.held_levels, levels, new)
        return HalfStep(drawn, p, toss, levels, hidden, self.energy(levels, hidden), self.free_energy(levels))

    def energy(self, levels: Ints, hidden: Ints) -> float:
        """E(v, h) in nats.

        Parameters
        ----------
        levels : int array, (n_items,)
        hidden : int array, (n_hidden,)
        """
        return float(-self._bias(levels) - self._hidden_field(levels) @ hidden)

    def free_energy(self, levels: Ints) -> float:
        """F(v) in nats, all hidden units summed out.

        Parameters
        ----------
        levels : int array, (n_items,)
        """
        return float(-self._bias(levels) - bernoulli.log_partition(self._hidden_field(levels)).sum())

    def n_states(self) -> int:
        """Joint levels of the items that are free."""
        return self.rbm.n_levels ** int((~self.held_levels).sum())

    def exact(self, levels: Ints) -> Exact:
        """Exact frequencies, by enumerating all levels of the free items.

        Parameters
        ----------
        levels : int array, (n_items,)
            The held ones are read.

        Raises
        ------
        SettingError
            At temperature 0 there is no distribution.
        """
        if self.temperature <= 0:
            raise SettingError("temperature: 0 has no frequencies to enumerate; use one above 0")
        free = np.flatnonzero(~self.held_levels)
        states = np.tile(levels, (self.n_states(), 1))  # (n_states, n_items)
        if len(free):
            states[:, free] = np.indices((self.rbm.n_levels,) * len(free)).reshape(len(free), -1).T
        push = np.einsum("kf,fij->ikj", self.rbm.phi, self.rbm.W)  # (n_items, n_levels, n_hidden)
        place = np.arange(self.rbm.n_visible)
        field = (self.rbm.c + push[place, states].sum(axis=1)) / self.temperature  # (n_states, n_hidden)
        log_hidden, mean = bernoulli.log_partition(field), bernoulli.mean(field)
        for unit, state in self.held_hidden.items():
            log_hidden[:, unit], mean[:, unit] = field[:, unit] * state, state
        x = self.rbm.b[place, states].sum(axis=1) / self.temperature + log_hidden.sum(axis=1)
        p = softmax.mean(x)
        marginal = np.stack([np.bincount(column, p, self.rbm.n_levels).astype(np.float64) for column in states.T])
        return Exact(len(states), marginal, p @ mean, float(softmax.log_partition(x)))

    def _hidden_probabilities(self, levels: Ints) -> Floats:
        field = self._hidden_field(levels)
        if self.temperature <= 0:
            return 0.5 * (np.sign(field) + 1)
        return bernoulli.mean(field / self.temperature)

    def _hidden_field(self, levels: Ints) -> Floats:
        return self.rbm.c + np.einsum("if,fij->j", self.rbm.phi[levels], self.rbm.W)

    def _level_fields(self, hidden: Floats | Ints) -> Floats:
        return self.rbm.b + (self.rbm.W @ hidden).T @ self.rbm.phi.T

    def _bias(self, levels: Ints) -> float:
        return float(self.rbm.b[np.arange(self.rbm.n_visible), levels].sum())


def _tempered(x: Floats, temperature: float) -> Floats:
    """Softmax of x / temperature over the last axis; at 0 all on the highest, shared where several are."""
    if temperature <= 0:
        top = (x == x.max(axis=-1, keepdims=True)).astype(np.float64)
        return top / top.sum(axis=-1, keepdims=True)
    return softmax.mean(x / temperature)
