"""Learning one update at a time, for eyes: what each update saw, and the machine it left.

The updates are those of the loops, without momentum, centring or mini-batches: every case takes part in each. A run can
be left after any update and gone on with later, from the machine, the chains and the number of updates done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np

from harmonium.models import boltzmann_exact
from harmonium.models.boltzmann import Boltzmann, Floats
from harmonium.models.rbm import RBM
from harmonium.randomness import key_of
from harmonium.sampling import boltzmann as sampling
from harmonium.training.dense import loop, records, state, update
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.settings import check_choice, check_count, check_share

RULES = ("exact", "cd", "pcd")
FIRST, DATA, FANTASY = range(3)  # parts of keys


@final
@dataclass(frozen=True)
class Stepwise:
    """How to learn. Raises SettingError, by name and allowed range, on construction.

    Parameters
    ----------
    rule : str
        "exact" sums all states; "cd" runs a chain from every case; "pcd" lets chains go on from update to update.
    n_steps : int
        Sampler steps of a chain an update.
    n_chains : int
        Of "pcd"; they begin at the cases, one after the other.
    learning_rate : float
    seed : int
    """

    rule: str = "cd"
    n_steps: int = 1
    n_chains: int = 14
    learning_rate: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, RULES)
        check_count("n_steps", self.n_steps, 1, 1_000_000)
        check_count("n_chains", self.n_chains, 1, 1_000_000)
        check_share("learning_rate", self.learning_rate, 0.0, 100.0)


class Update(NamedTuple):
    """One update.

    Parameters
    ----------
    before, after : RBM or Boltzmann
    fantasies : floats, (n, n_visible)
        Visible states of the negative phase, joint ones (n, n_units) of a general machine; none where it was summed.
    chains : floats, (n_chains, n_units), or None
        Of "pcd", visible units first: where the next update goes on.
    seconds : float
        What the update took.
    """

    before: RBM | Boltzmann
    after: RBM | Boltzmann
    fantasies: Floats
    chains: Floats | None
    seconds: float


def updates(
    machine: RBM | Boltzmann, v: Floats, how: Stepwise, done: int = 0, chains: Floats | None = None
) -> Iterator[Update]:
    """Learn on and on from all cases together.

    Parameters
    ----------
    machine : RBM or Boltzmann
        Learns in single precision where it is restricted.
    v : floats, (n_cases, n_visible)
    how : Stepwise
    done : int
        Updates before this one: what is drawn depends on it.
    chains : floats, (n_chains, n_units), optional
        From which "pcd" goes on.

    Yields
    ------
    Update
        Without end.
    """
    return (_restricted if isinstance(machine, RBM) else _general)(machine, v, how, done, chains)  # type: ignore[arg-type]


def _restricted(rbm: RBM, v: Floats, how: Stepwise, done: int, chains: Floats | None) -> Iterator[Update]:
    """By the updates of the dense loop."""
    n_chains = how.n_chains if chains is None else len(chains)
    learning = DenseLearning(
        how.rule, how.n_steps, n_chains=n_chains, batch_size=len(v), learning_rate=how.learning_rate, centring=False
    )
    X, rows = np.ascontiguousarray(v, np.float32), np.arange(len(v))
    now = state.start(rbm, learning, how.seed, X.mean(axis=0), len(X))
    now.n_updates, work = done, loop.workspace(now, X, learning)
    if chains is not None and how.rule == "pcd":
        now.v, now.h = (np.array(part, np.float32) for part in np.split(chains, [rbm.n_visible], axis=1))
    state.begin_chains(now, learning, X[np.arange(n_chains) % len(X)])
    before = records.restricted(now.model())
    while True:
        began = time.perf_counter()
        update.update(now, X, rows, learning, work, how.learning_rate)
        seconds, after = time.perf_counter() - began, records.restricted(now.model())
        fantasies = work.V[: {"exact": 0, "cd": len(X), "pcd": n_chains}[how.rule]].copy()
        yield Update(before, after, fantasies, np.hstack((fantasies, now.h)) if how.rule == "pcd" else None, seconds)
        before = after


def _general(bm: Boltzmann, v: Floats, how: Stepwise, done: int, chains: Floats | None) -> Iterator[Update]:
    """Both phases by enumeration, or the free one by chains; plain gradient ascent."""
    order, none = sampling.update_order(bm, "single"), np.empty((0, bm.n_units))
    if how.rule == "pcd" and chains is None:
        chains = boltzmann_exact.completed(bm, v[np.arange(how.n_chains) % len(v)], key_of(how.seed, FIRST))
    while True:
        began, done = time.perf_counter(), done + 1
        data = boltzmann_exact.clamped_moments(bm, v)
        if how.rule == "exact":
            model, s = boltzmann_exact.moments(bm), none
            pair, single = model.pair, model.mean
        else:
            key = int(key_of(how.seed, FANTASY, done))
            first = boltzmann_exact.completed(bm, v, key_of(how.seed, DATA, done)) if chains is None else chains
            s = sampling.step(bm, sampling.init(bm, len(first), s=first, order=order), key, how.n_steps)[0].s
            pair, single = s.T @ s / len(s), s.mean(axis=0)
        J = bm.J + how.learning_rate * _hollow(data.pair - pair)
        after = replace(bm, J=J, b=bm.b + how.learning_rate * (data.mean - single))
        chains = s if how.rule == "pcd" else None
        yield Update(bm, after, s, chains, time.perf_counter() - began)
        bm = after


def _hollow(pair: Floats) -> Floats:
    """Symmetric to the last bit, with a diagonal of 0."""
    out = (pair + pair.T) / 2
    np.fill_diagonal(out, 0)
    return out
