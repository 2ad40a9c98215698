"""Machines small enough to list all their joint states, of whatever kind, as the suites see them.

A new kind of machine gets the suites by one more class here: how its states are listed, and which of the library's
functions say what it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.models import boltzmann, boltzmann_exact, conditional, exact, lateral
from harmonium.models import rbm as rbms
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.conditional import Conditional
from harmonium.models.lateral import Lateral
from harmonium.models.rbm import RBM
from harmonium.randomness import key_of
from harmonium.sampling import boltzmann as sweeping
from harmonium.sampling import conditional as conditional_sampling
from harmonium.sampling import gibbs
from harmonium.sampling import lateral as lateral_sampling
from harmonium.testing.exactly import joint_states
from harmonium.units import Bernoulli, Layer, Spin

Floats = npt.NDArray[np.floating]
Pair = tuple[Floats, Floats]  # visible and hidden states, (n, width) each
KINDS: dict[str, type[Layer]] = {"bits": Bernoulli, "spins": Spin}


class Block(NamedTuple):
    """Units that are drawn at once given all others.

    Parameters
    ----------
    columns : int array, (width,)
        Where they stand in rows of visible and hidden units side by side.
    layer : Layer
        Whose states they take.
    x : floats, (n, width)
        Their field.
    """

    columns: npt.NDArray[np.int64]
    layer: Layer
    x: Floats


class Listed(ABC):
    """Abstract: a machine of finitely many joint states."""

    @abstractmethod
    def states(self) -> Pair:
        """All joint states, hidden ones fastest."""

    @abstractmethod
    def visible_states(self) -> Floats:
        """All visible states, (n_states, n_visible)."""

    @abstractmethod
    def energy(self, v: Floats, h: Floats) -> Floats:
        """Energy of joint states, (n,)."""

    @abstractmethod
    def free_energy(self, v: Floats) -> Floats:
        """Free energy of visible states, (n,)."""

    @abstractmethod
    def log_partition(self) -> float:
        """Log Z."""

    @abstractmethod
    def log_likelihood(self, v: Floats) -> Floats:
        """Log-probabilities of visible states, (n,)."""

    @abstractmethod
    def arrays(self) -> dict[str, Floats]:
        """Return the numbers that may change one by one, by name: of a symmetric matrix those above its diagonal."""

    @abstractmethod
    def changed(self, name: str, a: Floats) -> Listed:
        """Return the machine with other numbers."""

    @abstractmethod
    def mean(self) -> dict[str, Floats]:
        """Averages that are derivatives of log Z, by the names of `arrays`."""

    @abstractmethod
    def slope(self, v: Floats) -> dict[str, Floats]:
        """Gradient of the mean log-likelihood, by the names of `arrays`."""

    @abstractmethod
    def blocks(self, v: Floats, h: Floats) -> list[Block]:
        """Units that are drawn at once, with their fields given the others."""

    @abstractmethod
    def sampled(
        self, n_steps: int, chain: npt.NDArray[np.int64], rng: int, start: Pair | None = None, held: Any = None
    ) -> Pair:
        """States after some steps of the machine's own sampler, `held` visible units staying."""

    @abstractmethod
    def annealed(self) -> RBM | Boltzmann:
        """Return what annealing takes for this machine."""

    def log_count(self, v: Floats, h: Floats) -> Floats:
        """Log of how many sequences stand behind a state, which no temperature changes: 0 but for counts."""
        return np.zeros(len(v))


@final
@dataclass(frozen=True)
class Restricted(Listed):
    """A restricted machine of two finite layers.

    Parameters
    ----------
    model : RBM
    """

    model: RBM

    def states(self) -> Pair:
        """All joint states."""
        v, h = joint_states(self.model.visible, self.model.hidden)
        return v, h

    def visible_states(self) -> Floats:
        """All visible states."""
        return self.model.visible.states()

    def energy(self, v: Floats, h: Floats) -> Floats:
        """Energy of joint states."""
        return rbms.energy(self.model, v, h)

    def free_energy(self, v: Floats) -> Floats:
        """Free energy of visible states."""
        return rbms.free_energy(self.model, v)

    def log_partition(self) -> float:
        """Log Z."""
        return exact.log_partition(self.model)

    def log_likelihood(self, v: Floats) -> Floats:
        """Log-probabilities."""
        return exact.log_likelihood(self.model, v)

    def arrays(self) -> dict[str, Floats]:
        """What is learnt."""
        return rbms.arrays(self.model)

    def changed(self, name: str, a: Floats) -> Listed:
        """Return the machine with another array."""
        return Restricted(rbms.with_arrays(self.model, {name: a}))

    def mean(self) -> dict[str, Floats]:
        """Averages over the model."""
        return exact.expectations(self.model)

    def slope(self, v: Floats) -> dict[str, Floats]:
        """Data's averages minus the model's."""
        data, model = rbms.statistics(self.model, v), exact.expectations(self.model)
        return {name: data[name] - model[name] for name in data}

    def blocks(self, v: Floats, h: Floats) -> list[Block]:
        """Each layer as a whole."""
        rbm, n = self.model, self.model.n_visible
        return [
            Block(np.arange(n), rbm.visible, rbms.visible_field(rbm, h)),
            Block(n + np.arange(rbm.n_hidden), rbm.hidden, rbms.hidden_field(rbm, v)),
        ]

    def sampled(
        self, n_steps: int, chain: npt.NDArray[np.int64], rng: int, start: Pair | None = None, held: Any = None
    ) -> Pair:
        """Block Gibbs sampling."""
        v = None if start is None else start[0].astype(self.model.W.dtype)
        state = gibbs.init(self.model, len(chain), rng, chain=chain, v=v, held_v=held)
        after = gibbs.step(self.model, state, key_of(rng, 1), n_steps)[0]
        return after.v, after.h

    def annealed(self) -> RBM:
        """Return itself."""
        return self.model

    def log_count(self, v: Floats, h: Floats) -> Floats:
        """Log of the sequences behind counts."""
        return self.model.visible.log_count(v) + self.model.hidden.log_count(h)


@final
@dataclass(frozen=True)
class Coupled(Listed):
    """A Boltzmann machine, deep ones included; its rows are visible units, then hidden ones.

    Parameters
    ----------
    model : Boltzmann
    """

    model: Boltzmann

    def _whole(self, v: Floats, h: Floats) -> Floats:
        s = np.empty((len(v), self.model.n_units))
        s[:, self.model.visible], s[:, self.model.hidden] = v, h
        return s

    def _apart(self, s: Floats) -> Pair:
        return s[:, self.model.visible], s[:, self.model.hidden]

    def _edges(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        i, j = sparse.coo_array(self.model.J).coords
        return i[i < j].astype(np.int64), j[i < j].astype(np.int64)

    def states(self) -> Pair:
        """All joint states."""
        return self._apart(boltzmann_exact.states(self.model.n_units, self.model.values))

    def visible_states(self) -> Floats:
        """All visible states."""
        return boltzmann_exact.states(self.model.n_visible, self.model.values)

    def energy(self, v: Floats, h: Floats) -> Floats:
        """Energy of joint states."""
        return boltzmann.energy(self.model, self._whole(v, h))

    def free_energy(self, v: Floats) -> Floats:
        """Free energy of visible states."""
        return boltzmann_exact.free_energy(self.model, v)

    def log_partition(self) -> float:
        """Log Z."""
        return boltzmann_exact.log_partition(self.model)

    def log_likelihood(self, v: Floats) -> Floats:
        """Log-probabilities."""
        return boltzmann_exact.log_likelihood(self.model, v)

    def arrays(self) -> dict[str, Floats]:
        """Biases, and a number an edge."""
        i, j = self._edges()
        return {"w": np.asarray(self.model.J[i, j]).ravel(), "b": self.model.b}

    def changed(self, name: str, a: Floats) -> Listed:
        """Return the machine with other numbers."""
        if name == "b":
            return Coupled(replace(self.model, b=np.array(a)))
        (i, j), n = self._edges(), self.model.n_units
        J = sparse.coo_array((np.tile(a, 2), (np.r_[i, j], np.r_[j, i])), shape=(n, n)).tocsr()
        return Coupled(replace(self.model, J=J if sparse.issparse(self.model.J) else J.toarray()))

    def mean(self) -> dict[str, Floats]:
        """Averages over the model."""
        found = boltzmann_exact.moments(self.model)
        return {"w": found.pair[self._edges()], "b": found.mean}

    def slope(self, v: Floats) -> dict[str, Floats]:
        """Clamped averages minus free ones."""
        data, model = boltzmann_exact.clamped_moments(self.model, v), boltzmann_exact.moments(self.model)
        return {"w": (data.pair - model.pair)[self._edges()], "b": data.mean - model.mean}

    def blocks(self, v: Floats, h: Floats) -> list[Block]:
        """Each unit on its own."""
        bm, kind = self.model, KINDS[self.model.values]
        x = boltzmann.fields(bm, self._whole(v, h))
        order = np.concatenate((bm.visible, bm.hidden))
        return [Block(np.array([k]), kind(1), x[:, [unit]]) for k, unit in enumerate(order)]

    def sampled(
        self, n_steps: int, chain: npt.NDArray[np.int64], rng: int, start: Pair | None = None, held: Any = None
    ) -> Pair:
        """Sweeps over coloured units."""
        mask = None
        if held is not None:
            mask = np.zeros(self.model.n_units, bool)
            mask[self.model.visible] = held
        s = None if start is None else self._whole(*start)
        state = sweeping.init(self.model, len(chain), rng, s=s, held=mask)._replace(chain=chain)
        return self._apart(sweeping.step(self.model, state, key_of(rng, 1), n_steps)[0].s)

    def annealed(self) -> Boltzmann:
        """Return itself."""
        return self.model


@final
@dataclass(frozen=True)
class Given(Listed):
    """A conditional machine under one condition.

    Parameters
    ----------
    model : Conditional
    u : floats, (n_conditions,)
    """

    model: Conditional
    u: Floats

    def _conditions(self, v: Floats) -> Floats:
        return np.tile(self.u, (len(v), 1))

    def states(self) -> Pair:
        """All joint states."""
        return Restricted(self.model.rbm).states()

    def visible_states(self) -> Floats:
        """All visible states."""
        return self.model.rbm.visible.states()

    def energy(self, v: Floats, h: Floats) -> Floats:
        """Energy of joint states."""
        return conditional.energy(self.model, v, h, self._conditions(v))

    def free_energy(self, v: Floats) -> Floats:
        """Free energy of visible states."""
        return conditional.free_energy(self.model, v, self._conditions(v))

    def log_partition(self) -> float:
        """Log Z of the condition."""
        return float(conditional.log_partition(self.model, self.u[None])[0])

    def log_likelihood(self, v: Floats) -> Floats:
        """Log-probabilities."""
        return conditional.log_likelihood(self.model, v, self._conditions(v))

    def arrays(self) -> dict[str, Floats]:
        """What is learnt."""
        return conditional.arrays(self.model)

    def changed(self, name: str, a: Floats) -> Listed:
        """Return the machine with another array."""
        return Given(conditional.with_arrays(self.model, {name: a}), self.u)

    def mean(self) -> dict[str, Floats]:
        """Averages over the machine that the condition makes, times the condition for what depends on it."""
        found = exact.expectations(conditional.given(self.model, self.u))
        return found | {"A": np.outer(self.u, found["b"]), "B": np.outer(self.u, found["c"])}

    def slope(self, v: Floats) -> dict[str, Floats]:
        """Gradient of the conditional log-likelihood."""
        return conditional.slope(self.model, v, self._conditions(v))

    def blocks(self, v: Floats, h: Floats) -> list[Block]:
        """Each layer as a whole."""
        rbm, u, n = self.model.rbm, self._conditions(v), self.model.rbm.n_visible
        return [
            Block(np.arange(n), rbm.visible, conditional.visible_field(self.model, h, u)),
            Block(n + np.arange(rbm.n_hidden), rbm.hidden, conditional.hidden_field(self.model, v, u)),
        ]

    def sampled(
        self, n_steps: int, chain: npt.NDArray[np.int64], rng: int, start: Pair | None = None, held: Any = None
    ) -> Pair:
        """Block Gibbs sampling given the condition."""
        u, v = np.tile(self.u, (len(chain), 1)), None if start is None else start[0]
        state = conditional_sampling.init(self.model, u, rng, chain=chain, v=v, held_v=held)
        after = conditional_sampling.step(self.model, state, key_of(rng, 1), n_steps)[0]
        return after.v, after.h

    def annealed(self) -> RBM:
        """Return the restricted machine that the condition makes."""
        return conditional.given(self.model, self.u)


@final
@dataclass(frozen=True)
class Tied(Listed):
    """A semi-restricted machine of bits or spins over any finite layer.

    Parameters
    ----------
    model : Lateral
    """

    model: Lateral

    def _edges(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        i, j = np.nonzero(np.triu(self.model.L, 1))
        return i, j

    def states(self) -> Pair:
        """All joint states."""
        return Restricted(self.model.rbm).states()

    def visible_states(self) -> Floats:
        """All visible states."""
        return self.model.rbm.visible.states()

    def energy(self, v: Floats, h: Floats) -> Floats:
        """Energy of joint states."""
        return lateral.energy(self.model, v, h)

    def free_energy(self, v: Floats) -> Floats:
        """Free energy of visible states."""
        return lateral.free_energy(self.model, v)

    def log_partition(self) -> float:
        """Log Z."""
        return lateral.log_partition(self.model)

    def log_likelihood(self, v: Floats) -> Floats:
        """Log-probabilities."""
        return lateral.log_likelihood(self.model, v)

    def arrays(self) -> dict[str, Floats]:
        """What is learnt; of the ties a number an edge."""
        return lateral.arrays(self.model) | {"L": self.model.L[self._edges()]}

    def changed(self, name: str, a: Floats) -> Listed:
        """Return the machine with other numbers."""
        if name == "L":
            i, j = self._edges()
            L = np.zeros(self.model.L.shape)
            L[i, j] = L[j, i] = a
            a = L
        return Tied(lateral.with_arrays(self.model, {name: a}))

    def mean(self) -> dict[str, Floats]:
        """Averages over the model."""
        found = lateral.expectations(self.model)
        return found | {"L": found["L"][self._edges()]}

    def slope(self, v: Floats) -> dict[str, Floats]:
        """Data's averages minus the model's."""
        found = lateral.slope(self.model, v)
        return found | {"L": found["L"][self._edges()]}

    def blocks(self, v: Floats, h: Floats) -> list[Block]:
        """The hidden layer as a whole, each visible unit on its own."""
        rbm, n = self.model.rbm, self.model.rbm.n_visible
        kind, x = type(rbm.visible), rbms.visible_field(rbm, h) + v @ self.model.L
        hidden = Block(n + np.arange(rbm.n_hidden), rbm.hidden, rbms.hidden_field(rbm, v))
        return [hidden, *(Block(np.array([k]), kind(1), x[:, [k]]) for k in range(n))]

    def sampled(
        self, n_steps: int, chain: npt.NDArray[np.int64], rng: int, start: Pair | None = None, held: Any = None
    ) -> Pair:
        """Sweeps over the visible units, the hidden layer at once."""
        v = None if start is None else start[0]
        state = lateral_sampling.init(self.model, len(chain), rng, chain=chain, v=v, held_v=held)
        if start is not None:
            state = state._replace(h=start[1])
        after = lateral_sampling.step(self.model, state, key_of(rng, 1), n_steps)[0]
        return after.v, after.h

    def annealed(self) -> Boltzmann:
        """Return the Boltzmann machine that it is."""
        return lateral.as_boltzmann(self.model)


def listed(model: Any) -> Listed:
    """Return a machine as the suites see it.

    Parameters
    ----------
    model : RBM, Boltzmann, Lateral or Listed
    """
    kinds: dict[type, type] = {RBM: Restricted, Boltzmann: Coupled, Lateral: Tied}
    return model if isinstance(model, Listed) else kinds[type(model)](model)
