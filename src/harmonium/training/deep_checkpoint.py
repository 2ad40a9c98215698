"""Checkpoints of deep machines: layers learnt so far, and the layer or the whole that is being learnt."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from harmonium import storage
from harmonium.events import Event, Saved
from harmonium.models import rbm as rbms
from harmonium.training import boltzmann_state, checkpoints, up_down
from harmonium.training.boltzmann_state import BoltzmannLearning, BoltzmannState
from harmonium.training.dense import state as dense_state
from harmonium.training.dense.chains import Cases, fingerprint
from harmonium.training.dense.records import assembled
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.pretraining import Stack
from harmonium.training.up_down import UpDown
from harmonium.units import Layer, layer_from

CHECKPOINT = "deep-checkpoint"
MACHINE = "deep"
JointOf = Callable[[dict[str, Any], dict[str, npt.NDArray]], Any]


class Learning(NamedTuple):
    """How a deep machine learns.

    Parameters
    ----------
    sizes : sequence of int
        Hidden units of each layer.
    alone : DenseLearning or None
        How each layer learns first; None where they do not.
    jointly : BoltzmannLearning or DenseLearning
        How all layers learn together; of a belief network by wake and sleep.
    seed : int
    visible : Layer
    """

    sizes: Sequence[int]
    alone: DenseLearning | None
    jointly: BoltzmannLearning | DenseLearning
    seed: int
    visible: Layer


class Progress(NamedTuple):
    """How far it has come.

    Parameters
    ----------
    stack : Stack
    joint : BoltzmannState, UpDown or None
        None while layers learn on their own.
    """

    stack: Stack
    joint: BoltzmannState | UpDown | None


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
    together: Any = up_down if isinstance(joint, UpDown) else boltzmann_state
    for name, now, room in (("layer", state, dense_state), ("joint", joint, together)):
        if now is not None:
            header[name], parts = room.to_parts(now)
            arrays |= storage.prefixed(f"{name}.", parts)
    storage.write(path, CHECKPOINT, header, arrays)
    epoch = joint.epoch if joint is not None else state.epoch if state is not None else 0
    return Saved(os.fspath(path), MACHINE, "final", epoch)


def kept(
    events: Iterator[Event], keep: Callable[[None], Saved] | None, history: list[Event]
) -> Generator[Event, None, None]:
    """The events of layers that learn on their own, and of the checkpoints that are written from time to time.

    Parameters
    ----------
    events : iterator of Event
    keep : callable, optional
        Writes a checkpoint.
    history : list of Event
        Where what it tells goes too.

    Yields
    ------
    Event
    """
    saved = time.monotonic()
    for event in events:
        yield event
        if keep and event.kind == "dense epoch" and time.monotonic() - saved > checkpoints.SAVE_EVERY:
            saved = time.monotonic()
            history.append(keep(None))
            yield history[-1]


def resume(path: str | os.PathLike[str], learning: Learning, X: Cases, joint_of: JointOf) -> Progress:
    """Return how far a checkpoint of the same learning from the same cases had come.

    Parameters
    ----------
    path : path
    learning : Learning
    X : float32 array or csr_array, (n_cases, n_visible)
    joint_of : callable
        From the header and the arrays of what learnt together to its state.

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
    return Progress(stack, joint_of(header["joint"], storage.under("joint.", arrays)))


def _ask(learning: Learning, X: Cases) -> dict[str, Any]:
    """What a checkpoint must agree on."""
    alone = {} if learning.alone is None else {f"alone.{name}": value for name, value in vars(learning.alone).items()}
    cases = fingerprint(X)
    own = {"n_hidden": list(learning.sizes), "random_state": learning.seed, "cases": cases}
    own["visible"] = learning.visible.settings()
    return vars(learning.jointly) | alone | own
