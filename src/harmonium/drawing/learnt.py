"""Machines that the pictures are of, and how they learnt: one place for their settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from harmonium.drawing.patterns import Images, Rows
from harmonium.events import DenseEpochEnded, Ended, Event
from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.training.dense import loop, state
from harmonium.training.dense.records import restricted
from harmonium.training.dense.settings import DenseLearning
from harmonium.units import Bernoulli

N_POINTS = 60  # at which a learning curve is measured
SMALL_SPREAD = 0.1  # of the initial weights of machines with a few units


class Ask(NamedTuple):
    """What pictures are wanted of.

    Parameters
    ----------
    images : Images
        For the pictures of a larger machine.
    n_hidden : int
        Its hidden units.
    effort : float
        Share of the usual learning and sampling; 1 takes a minute or two in all.
    seed : int
    """

    images: Images
    n_hidden: int
    effort: float
    seed: int

    def times(self, n: int, least: int = 1) -> int:
        """A number of epochs or steps, cut to the effort.

        Parameters
        ----------
        n, least : int
        """
        return max(least, round(n * self.effort))


class Curve(NamedTuple):
    """How a machine learnt.

    Parameters
    ----------
    rbm : RBM
        At the end.
    updates, seconds : float array, (n_points,)
        Done and spent until each point; measuring not counted.
    likelihood : float array, (n_points,)
        Exact, in nats a case.
    n_steps : float
        Sampler steps an update, on average.
    """

    rbm: RBM
    updates: np.ndarray
    seconds: np.ndarray
    likelihood: np.ndarray
    n_steps: float


def of_images(ask: Ask) -> RBM:
    """The machine of filters, fantasies and free energies.

    Parameters
    ----------
    ask : Ask
    """
    X = ask.images.X
    learning = DenseLearning("pcd", n_epochs=ask.times(150), batch_size=50, learning_rate=0.05, schedule="linear")
    begun = rbms.initial(Bernoulli(X.shape[1]), Bernoulli(ask.n_hidden), ask.seed, X.mean(axis=0))
    now = state.start(begun, learning, ask.seed, X.mean(axis=0), len(X))
    for _ in _uninterrupted(loop.train(now, X, learning)):
        pass
    return restricted(loop.finished(now, "ended", ""))


def _uninterrupted(events: Iterator[Event]) -> Iterator[Event]:
    """The events of a learning that nobody ended by Ctrl-C: a machine that has half learned is not to be drawn."""
    for event in events:
        if isinstance(event, Ended) and event.reason == "interrupted":
            raise KeyboardInterrupt
        yield event


def small(X: Rows, n_hidden: int, seed: int) -> RBM:
    """A small machine before learning.

    Parameters
    ----------
    X : float32 array, (n, n_visible)
    n_hidden, seed : int
    """
    return rbms.initial(Bernoulli(X.shape[1]), Bernoulli(n_hidden), seed, X.mean(axis=0), SMALL_SPREAD)


def curve(begun: RBM, X: Rows, learning: DenseLearning, seed: int) -> Curve:
    """Learn all cases at once, an update an epoch, and measure the exact likelihood on the way.

    Parameters
    ----------
    begun : RBM
    X : float32 array, (n, n_visible)
    learning : DenseLearning
    seed : int
    """
    now = state.start(begun, learning, seed, X.mean(axis=0), len(X))
    first = float(exact.log_likelihood(begun, X).mean())
    updates, seconds, likelihood, spent, steps = [0], [0.0], [first], 0.0, 0.0
    points = set(np.unique(np.geomspace(1, learning.n_epochs, N_POINTS).astype(int)))
    for event in _uninterrupted(loop.train(now, X, learning)):
        if isinstance(event, DenseEpochEnded):
            spent, steps = spent + event.seconds, steps + event.n_steps
            if event.epoch in points:
                updates.append(event.epoch)
                seconds.append(spent)
                likelihood.append(float(exact.log_likelihood(restricted(now.model()), X).mean()))
    points_of = (np.array(values) for values in (updates, seconds, likelihood))
    return Curve(restricted(now.model()), *points_of, n_steps=steps / max(1, now.epoch))  # type: ignore[call-arg]
