"""All that can be known of a model while it learns, at a bounded share of the time: a monitor for the dense loop.

A monitor is called once an epoch with the model and the learning state, and returns numbers by name, which leave in
the epoch's event. It watches its own clock: what does not fit into its share of the time waits for a later epoch.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, final

import numpy as np

from harmonium.likelihood import online
from harmonium.likelihood.diagnostics import (
    Model,
    free_energies,
    free_energy,
    pseudo_log_likelihood,
    reconstruction_error,
    restricted,
)
from harmonium.likelihood.online import Bridged
from harmonium.likelihood.paths import Floats
from harmonium.models import boltzmann
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.conditional import Conditional
from harmonium.models.lateral import Lateral, is_boltzmann
from harmonium.models.rbm import RBM
from harmonium.randomness import key_of
from harmonium.sampling import boltzmann as sweeping
from harmonium.sampling import gibbs
from harmonium.sampling import lateral as tied
from harmonium.sampling.mixing import advice, mixing
from harmonium.units import Bernoulli, Multinomial, Softmax, Spin

SHARE = 0.05  # of the time that learning takes
ROWS = 500  # of training, validation and fantasies that free energies are averaged over
FEW = 64  # rows for pseudo-likelihood, which costs a free energy a column
TRACED, TRACE = 16, 400  # chains and steps that an autocorrelation time is measured on
SAFETY = 1.5  # what a measurement is expected to cost, against what it cost last


class Learning(Protocol):
    """What a monitor reads of the learning state."""

    v: Floats
    """Chains, (n_chains, n_visible), of a Boltzmann machine (n_chains, n_units); empty where the method has none."""


@final
@dataclass
class Monitor:
    """Numbers about a model under training, once an epoch; call it with the model and the learning state.

    Parameters
    ----------
    train : float32 array, (n, n_visible)
        Of a conditional machine the conditions stand behind, here and in validation.
    validation : float32 array, (n, n_visible), optional
    n_steps : int
        Sampler steps between two updates, against which the autocorrelation time is held.
    share : float
        Largest share of the time since the monitor was made that measuring may take.
    seed : int
    always : tuple of str
        Measurements that are taken at every call, whatever they cost: what chooses a model must not depend on the
        machine's speed. Of "free_energies", "reconstruction", "log_z", "mixing", "pseudo".
    n_pseudo : int
        Rows for pseudo-likelihood.
    clock : callable
        Seconds.
    warning : str
        A plain sentence when chains take fewer steps than they need; empty otherwise.
    spent : float
        Seconds spent on measuring.
    """

    train: Floats
    validation: Floats | None = None
    n_steps: int = 1
    share: float = SHARE
    seed: int = 0
    always: tuple[str, ...] = ()
    n_pseudo: int = FEW
    clock: Callable[[], float] = time.perf_counter
    warning: str = ""
    spent: float = 0.0
    _began: float = 0.0
    _calls: int = 0
    _costs: dict[str, float] = field(default_factory=dict)
    _due: list[str] = field(default_factory=list)
    _log_z: Bridged | None = None

    def __post_init__(self) -> None:
        self._began = self.clock()

    def __call__(self, model: Model, state: Learning) -> dict[str, float]:
        """Measure what fits into the share of the time, what has waited longest first.

        Parameters
        ----------
        model : RBM, Lateral, Conditional or Boltzmann
        state : State
        """
        self._calls += 1
        general = isinstance(model, Boltzmann)
        found, parts = {}, dict(self._general_parts(model, state.v) if general else self._parts(model, state.v))
        order = [name for name in self._due if name in parts] + [name for name in parts if name not in self._due]
        for name in order:
            if name in self.always or self._affordable(name):
                began = self.clock()
                found |= parts[name]()
                self._costs[name] = self.clock() - began
                self.spent += self._costs[name]
                order = [other for other in order if other != name] + [name]
        self._due = order
        return {name: value for name, value in found.items() if value is not None}

    def _affordable(self, name: str) -> bool:
        """Whether a measurement, at SAFETY times its last cost, stays within the share; a first one is tried."""
        elapsed = self.clock() - self._began
        expected = SAFETY * self._costs.get(name, self.share * elapsed / 8)
        return self.spent + expected <= self.share * elapsed

    def _parts(
        self, model: RBM | Lateral | Conditional, chains: Floats
    ) -> Iterator[tuple[str, Callable[[], dict[str, float | None]]]]:
        """Each condition has a partition function and chains of its own: of those nothing is told."""
        some, layer = self._some(self.train, ROWS), restricted(model).visible
        held_out = None if self.validation is None else self._some(self.validation, ROWS)
        own = model if len(chains) and not isinstance(model, Conditional) else None
        fantasies = None if own is None else chains[:ROWS]
        yield "free_energies", lambda: _prefixed(free_energies(model, some, held_out, fantasies, self._calls).to_dict())
        if not isinstance(model, Lateral):
            yield "reconstruction", lambda: {"reconstruction_error": reconstruction_error(model, some)}
        if own is not None and not isinstance(layer, Multinomial):
            if isinstance(own, RBM) or is_boltzmann(own):
                yield "log_z", lambda: self._follow(own, chains, some, held_out)
            yield "mixing", lambda: self._mixing(own, chains[:TRACED])
        if isinstance(layer, Bernoulli | Spin | Softmax):
            rows = (some if held_out is None else held_out)[: self.n_pseudo]
            yield "pseudo", lambda: {"pseudo_log_likelihood": float(pseudo_log_likelihood(model, rows).mean())}

    def _general_parts(
        self, bm: Boltzmann, chains: Floats
    ) -> Iterator[tuple[str, Callable[[], dict[str, float | None]]]]:
        """Of a Boltzmann machine, whose chains are joint states."""
        some = self._some(self.train, ROWS)
        held_out = None if self.validation is None else self._some(self.validation, ROWS)
        fantasies = chains[:ROWS, bm.visible] if len(chains) else None
        yield "free_energies", lambda: _prefixed(free_energies(bm, some, held_out, fantasies, self._calls).to_dict())
        if len(chains):
            yield "log_z", lambda: self._follow(bm, chains, some, held_out)
            yield "mixing", lambda: self._general_mixing(bm, chains[:TRACED])
        if not len(bm.hidden):
            rows = some if held_out is None else held_out
            yield "pseudo", lambda: {"pseudo_log_likelihood": float(pseudo_log_likelihood(bm, rows[:FEW]).mean())}

    def _some(self, v: Floats, n: int) -> Floats:
        """The same rows at every call, so that changes are the model's."""
        return v[np.linspace(0, len(v) - 1, min(n, len(v))).astype(int)]

    def _follow(
        self, model: RBM | Lateral | Boltzmann, chains: Floats, train: Floats, held_out: Floats | None
    ) -> dict[str, float | None]:
        """Log Z, carried on from the last call, and the log-likelihoods that follow from it."""
        if self._log_z is None:
            self._log_z = online.begin(model, chains, train.mean(axis=0), self.seed)
        else:
            self._log_z = online.advance(self._log_z, model, chains)
        log_z = self._log_z.log_z
        out: dict[str, float | None] = {
            "log_z": log_z,
            "log_z_error": self._log_z.error,
            "log_z_overlap": self._log_z.overlap,
        }
        for name, rows in (("train", train), ("validation", held_out)):
            if rows is not None:
                energy = float(np.mean(free_energy(model, rows), dtype=np.float64))
                out[f"log_likelihood_{name}"] = -energy - log_z
        return out

    def _mixing(self, model: RBM | Lateral, chains: Floats) -> dict[str, float | None]:
        """Autocorrelation time of the free energy along a few chains that go on from where learning's stand."""
        key, trace = int(key_of(self.seed, self._calls)), np.empty((TRACE, len(chains)))
        room: Any = tied if isinstance(model, Lateral) else gibbs
        state = room.init(model, rng=key, v=chains)
        for k in range(TRACE):
            state, _ = room.step(model, state, int(key_of(key, k)))
            trace[k] = free_energy(model, state.v)
        return self._mixed(trace)

    def _general_mixing(self, bm: Boltzmann, chains: Floats) -> dict[str, float | None]:
        """The same of a Boltzmann machine's energy."""
        key, trace = int(key_of(self.seed, self._calls)), np.empty((TRACE, len(chains)))
        state = sweeping.init(bm, len(chains), s=chains)
        for k in range(TRACE):
            state, _ = sweeping.step(bm, state, int(key_of(key, k)))
            trace[k] = boltzmann.energy(bm, state.s)
        return self._mixed(trace)

    def _mixed(self, trace: Floats) -> dict[str, float | None]:
        found = mixing(trace)
        self.warning = advice(found, self.n_steps)
        return {"autocorrelation_time": found.time, "r_hat": found.r_hat}


def _prefixed(numbers: dict[str, float | None]) -> dict[str, float | None]:
    return {f"free_energy_{name}": value for name, value in numbers.items()}
