"""Greedy pre-training of deep Boltzmann machines: restricted machines whose outer layers are doubled.

In the deep machine a hidden layer feels the layers on both its sides, in a restricted one only that below. So while the
layers are learnt one by one, the missing side is made up for by a second copy of the other, with tied weights: a layer
of binomial units with two trials (Salakhutdinov & Hinton, AISTATS 2009).
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from scipy import sparse

from harmonium.events import Event
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
        Whether Ctrl-C ended it; the layers that it did not come to have small random weights.
    """

    machines: list[RBM] = field(default_factory=list)
    state: State | None = None
    interrupted: bool = False


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
    for k in range(len(sizes)):
        visible, hidden = _layers(rows.shape[1], sizes, k)  # type: ignore[index]
        v = rows * np.float32(_trials(visible))
        if k == len(stack.machines):
            yield from _learnt(v, visible, hidden, learning, seed + k, events, stack)
        if stack.interrupted:
            rest = (_layers(sizes[j - 1], sizes, j) for j in range(k + 1, len(sizes)))
            stack.machines += [rbms.initial(*layers, seed + j, spread=SPREAD) for j, layers in enumerate(rest, k + 1)]
            break
        rows = _means_above(stack.machines[k], v) / np.float32(_trials(hidden))
    return stack.machines


def _means_above(rbm: RBM, v: Cases) -> Floats:
    """Hidden means given cases, of which some are made dense at a time where they are sparse."""
    n, at_once = v.shape[0], BLOCK if sparse.issparse(v) else v.shape[0]  # type: ignore[index]
    parts = (densely(v, np.arange(start, min(start + at_once, n))) for start in range(0, n, at_once))
    return np.concatenate([rbms.hidden_mean(rbm, part) for part in parts])


def _layers(n_visible: int, sizes: Sequence[int], k: int) -> tuple[Layer, Layer]:
    """Units of the k-th machine: the lower layer of all but the top doubled, the upper of all but the bottom."""
    return _layer(n_visible, k < len(sizes) - 1), _layer(sizes[k], k > 0)


def _layer(n_units: int, doubled: bool) -> Layer:
    return Binomial(n_units, 2) if doubled else Bernoulli(n_units)


def _trials(layer: Layer) -> int:
    return layer.n_trials if isinstance(layer, Binomial) else 1


def _learnt(
    rows: Cases, visible: Layer, hidden: Layer, learning: DenseLearning, seed: int, history: list[Event], stack: Stack
) -> Generator[Event, None, None]:
    mean = np.asarray(rows.mean(axis=0, dtype=np.float64)).ravel()
    if stack.state is None:
        begun = rbms.initial(visible, hidden, seed, mean, SPREAD)
        stack.state = state.start(begun, learning, seed, mean, rows.shape[0])  # type: ignore[index]
    now, reason, advice = stack.state, "ended", ""
    for event in loop.train(now, rows, learning):
        reason, advice = getattr(event, "reason", reason), getattr(event, "advice", advice)
        history.append(event)
        yield event
    stack.interrupted = reason == "interrupted"
    if stack.interrupted and now.best is None:
        raise KeyboardInterrupt
    stack.machines.append(restricted(loop.finished(now, reason, advice)))
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
