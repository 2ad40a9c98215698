"""Greedy pre-training: layers learn one by one, each as the hidden layer of a restricted machine.

In a deep Boltzmann machine a hidden layer feels the layers on both its sides, in a restricted one only that below. So
while the layers are learnt one by one, the missing side is made up for by a second copy of the other, with tied
weights: a layer of binomial units with two trials (Salakhutdinov & Hinton, AISTATS 2009).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, final

import numpy as np
from scipy import sparse

from harmonium.events import DenseEpochEnded, Event
from harmonium.models import boltzmann
from harmonium.models import rbm as rbms
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.rbm import RBM
from harmonium.training.dense import loop, state
from harmonium.training.dense.chains import BLOCK, Cases, densely
from harmonium.training.dense.records import restricted
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.dense.state import State
from harmonium.units import Bernoulli, Binomial, Layer
from harmonium.units.layer import Floats

SPREAD = 0.05  # of the initial weights


def stacked(X: Floats, sizes: Sequence[int], learning: DenseLearning, seed: int) -> list[RBM]:
    """Learn restricted machines from the bottom up, the lower layer of all but the top doubled, the upper of all but
    the bottom.

    Parameters
    ----------
    X : float32 array, (n_cases, n_visible)
        0, 1 or probabilities.
    sizes : sequence of int
        Hidden units of each layer.
    learning : DenseLearning
    seed : int
    """
    run = stacking(X, sizes, learning, seed)
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value


@final
@dataclass
class Stack:
    """Pre-training in progress; mutable.

    Parameters
    ----------
    machines : list of RBM
        Learnt so far, from the bottom up.
    state : State or None
        Of the layer that is being learnt.
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    machines: list[RBM] = field(default_factory=list)
    state: State | None = None
    interrupted: bool = False

    def completed(self, layers: Sequence[tuple[Layer, Layer]], seed: int) -> list[RBM]:
        """Machines of all layers: the one that was learning as far as it had come, those above with small weights.

        Parameters
        ----------
        layers : sequence of (Layer, Layer)
            Visible and hidden units of each.
        seed : int

        Raises
        ------
        KeyboardInterrupt
            Nothing was learnt yet.
        """
        machines = list(self.machines)
        if self.state is not None and self.state.best is not None:
            machines.append(restricted(self.state.best))
        if not machines:
            raise KeyboardInterrupt
        rest = range(len(machines), len(layers))
        return machines + [rbms.initial(*layers[k], seed + k, spread=SPREAD) for k in rest]


def stacking(
    X: Cases,
    sizes: Sequence[int],
    learning: DenseLearning,
    seed: int,
    history: list[Event] | None = None,
    stack: Stack | None = None,
) -> Generator[Event, None, list[RBM]]:
    """Learn as `stacked` does, event by event; the machines are what the generator returns.

    Parameters
    ----------
    X : float32 array or csr_array, (n_cases, n_visible)
    sizes : sequence of int
    learning : DenseLearning
    seed : int
    history : list of Event, optional
        Where events are kept.
    stack : Stack, optional
        Where to go on, and where what was learnt is kept.

    Yields
    ------
    Event
    """
    rows, events = X.astype(np.float32, copy=False), [] if history is None else history
    stack = stack or Stack()
    for k, (visible, hidden) in enumerate(layers_of(rows.shape[1], sizes)):  # type: ignore[index]
        v = rows * np.float32(_trials(visible))
        if k == len(stack.machines):
            mean = np.asarray(v.mean(axis=0, dtype=np.float64)).ravel()
            begun = partial(rbms.initial, visible, hidden, seed + k, mean, SPREAD)
            yield from learning_layer(v, begun, mean, learning, seed + k, events, stack)
        if stack.interrupted:
            break
        rows = _means_above(stack.machines[k], v) / np.float32(_trials(hidden))
    return stack.machines


def _means_above(rbm: RBM, v: Cases) -> Floats:
    """Hidden means given cases, of which some are made dense at a time where they are sparse."""
    n, at_once = v.shape[0], BLOCK if sparse.issparse(v) else v.shape[0]  # type: ignore[index]
    parts = (densely(v, np.arange(start, min(start + at_once, n))) for start in range(0, n, at_once))
    return np.concatenate([rbms.hidden_mean(rbm, part) for part in parts])


def layers_of(n_visible: int, sizes: Sequence[int]) -> list[tuple[Layer, Layer]]:
    """Units of the machines: the lower layer of all but the top doubled, the upper of all but the bottom.

    Parameters
    ----------
    n_visible : int
    sizes : sequence of int
        Hidden units of each layer.
    """
    widths = [n_visible, *sizes]
    return [(_layer(widths[k], k < len(sizes) - 1), _layer(n, k > 0)) for k, n in enumerate(sizes)]


def _layer(n_units: int, doubled: bool) -> Layer:
    return Binomial(n_units, 2) if doubled else Bernoulli(n_units)


def _trials(layer: Layer) -> int:
    return layer.n_trials if isinstance(layer, Binomial) else 1


def learning_layer(
    rows: Cases, begun: Callable[[], RBM], mean: Floats, learning: DenseLearning, seed: int, history: list[Event],
    stack: Stack, monitor: Any = None,
) -> Generator[Event, None, None]:  # fmt: skip
    """Learn one layer, event by event, and put its machine on the stack; Ctrl-C leaves the stack as far as it came.

    Parameters
    ----------
    rows : float32 array or csr_array, (n_cases, n_visible)
    begun : callable
        Makes the machine before learning.
    mean : floats, (n_visible,)
        Of the rows.
    learning : DenseLearning
    seed : int
    history : list of Event
        Where events are kept.
    stack : Stack
        Its `state` is gone on with where there is one.
    monitor : Monitor, optional

    Yields
    ------
    Event
        Those of the dense loop.

    Raises
    ------
    DivergenceError
        No epoch ended well.
    """
    if stack.state is None:
        stack.state = state.start(begun(), learning, seed, mean, rows.shape[0])  # type: ignore[index]
    reason, advice = "ended", ""
    for event in loop.train(stack.state, rows, learning, monitor=monitor):
        reason, advice = getattr(event, "reason", reason), getattr(event, "advice", advice)
        if isinstance(event, DenseEpochEnded) and monitor is not None:
            event = replace(event, warning=monitor.warning)
        history.append(event)
        yield event
    stack.interrupted = reason == "interrupted"
    if not stack.interrupted:
        stack.machines.append(restricted(loop.finished(stack.state, reason, advice)))
        stack.state = None


def assembled(machines: Sequence[RBM]) -> Boltzmann:
    """Return the deep machine of a stack, its visible units first; a layer's bias is the mean of both machines' own.

    Parameters
    ----------
    machines : sequence of RBM
    """
    n = len(machines) + 1
    blocks: list[list[sparse.csr_array | None]] = [[None] * n for _ in range(n)]
    for k, rbm in enumerate(machines):
        W = sparse.csr_array(rbm.W.astype(np.float64))
        blocks[k][k + 1], blocks[k + 1][k] = W, sparse.csr_array(W.T)
    shared = [(below.c + above.b) / 2 for below, above in itertools.pairwise(machines)]
    b = np.concatenate([machines[0].b, *shared, machines[-1].c])
    J = sparse.block_array(blocks, format="csr")
    return boltzmann.machine(J, b, np.arange(machines[0].n_visible))
