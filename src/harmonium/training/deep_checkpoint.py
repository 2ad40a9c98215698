"""Checkpoints of a deep Boltzmann machine: layers learnt so far, and the layer or the whole that is being learnt."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from harmonium import storage
from harmonium.events import Saved
from harmonium.models import rbm as rbms
from harmonium.training import boltzmann_cases, boltzmann_state, checkpoints
from harmonium.training.boltzmann_cases import Cases
from harmonium.training.boltzmann_state import BoltzmannLearning, BoltzmannState, Edges
from harmonium.training.dense import state as dense_state
from harmonium.training.dense.records import assembled
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.pretraining import Stack
from harmonium.units import layer_from

CHECKPOINT = "deep-boltzmann-checkpoint"
MACHINE = "deep"


class Learning(NamedTuple):
    """How a deep machine learns.

    Parameters
    ----------
    sizes : sequence of int
        Hidden units of each layer.
    alone : DenseLearning or None
        How each layer learns first; None where they do not.
    jointly : BoltzmannLearning
    seed : int
    """

    sizes: Sequence[int]
    alone: DenseLearning | None
    jointly: BoltzmannLearning
    seed: int


class Progress(NamedTuple):
    """How far it has come.

    Parameters
    ----------
    stack : Stack
    joint : BoltzmannState or None
        None while layers learn on their own.
    """

    stack: Stack
    joint: BoltzmannState | None


def save(path: str | os.PathLike[str], progress: Progress, learning: Learning, X: Cases) -> Saved:
    """Write a checkpoint from which `resume` goes on bit for bit.

    Parameters
    ----------
    path : path
    progress : Progress
    learning : Learning
    X : float32 array or csr_array, (n_cases, n_visible)
    """
    (machines, state), joint = (progress.stack.machines, progress.stack.state), progress.joint
    header: dict[str, Any] = {"ask": _ask(learning, X), "layer": None, "joint": None}
    header["machines"] = [[rbm.visible.settings(), rbm.hidden.settings()] for rbm in machines]
    arrays: dict[str, npt.NDArray] = {}
    for k, rbm in enumerate(machines):
        arrays |= storage.prefixed(f"{k}.", rbms.arrays(rbm))
    for name, now, room in (("layer", state, dense_state), ("joint", joint, boltzmann_state)):
        if now is not None:
            header[name], parts = room.to_parts(now)
            arrays |= storage.prefixed(f"{name}.", parts)
    storage.write(path, CHECKPOINT, header, arrays)
    epoch = joint.epoch if joint is not None else state.epoch if state is not None else 0
    return Saved(os.fspath(path), MACHINE, "final", epoch)


def resume(path: str | os.PathLike[str], learning: Learning, X: Cases, edges: Edges) -> Progress:
    """Return how far a checkpoint of the same learning from the same cases had come.

    Parameters
    ----------
    path : path
    learning : Learning
    X : float32 array or csr_array, (n_cases, n_visible)
    edges : Edges

    Raises
    ------
    ModelFileError
        The checkpoint is of other cases or settings.
    """
    header, arrays = checkpoints.read(path, CHECKPOINT, _ask(learning, X))
    stack = Stack()
    for k, (below, above) in enumerate(header["machines"]):
        stack.machines.append(assembled(layer_from(below), layer_from(above), storage.under(f"{k}.", arrays)))
    if header["layer"] is not None:
        stack.state = dense_state.from_parts(header["layer"], storage.under("layer.", arrays))
    if header["joint"] is None:
        return Progress(stack, None)
    return Progress(stack, boltzmann_state.from_parts(header["joint"], storage.under("joint.", arrays), edges))


def _ask(learning: Learning, X: Cases) -> dict[str, Any]:
    """What a checkpoint must agree on."""
    alone = {} if learning.alone is None else {f"alone.{name}": value for name, value in vars(learning.alone).items()}
    cases = boltzmann_cases.fingerprint(X)
    own = {"n_hidden": list(learning.sizes), "random_state": learning.seed, "cases": cases}
    return vars(learning.jointly) | alone | own
