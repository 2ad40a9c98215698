"""Fitting machines for choices one after the other, so that it can be left at any time and gone on with bit for bit."""

import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.errors import DivergenceError
from harmonium.events import ChoiceEpochEnded, Ended, Event, Saved
from harmonium.kernels.choices import Sparse
from harmonium.kernels.devices import CPU, Device
from harmonium.training import checkpoints
from harmonium.training import choice_state as states
from harmonium.training.choice_state import ChoiceState, Learnt, first_state
from harmonium.training.choices import ChoiceLearning, Lateral, train

CHECKPOINT = "choice-checkpoint"
DONE = ("finished", "early stopping")  # reasons after which the next machine learns
Floats = npt.NDArray[np.float32]


class Stage(NamedTuple):
    """One run of the loop: which machine, and whether couplings learn too."""

    place: int
    joint: bool


@final
@dataclass(frozen=True)
class ChoicePlan:
    """What to fit, beside how a machine learns.

    Parameters
    ----------
    n_machines : int
        Learned one after the other, from different seeds.
    seed : int
    scale : float
        Of the lateral field, at first.
    lateral_of : callable, optional
        From a state to what gives the lateral fields of histories.
    score_of : callable, optional
        From a state to what gives its nDCG@100 on validation users.
    couplings : float32 array, (n_items, n_items), optional
        Those that learn too in a further run of each machine.
    joint : ChoiceLearning, optional
        How that run learns; there is none without it.
    coupling_rate : float
    device : Device
        Where machines learn.
    """

    n_machines: int
    seed: int
    scale: float = 0.0
    lateral_of: Callable[[ChoiceState], Lateral] | None = None
    score_of: Callable[[ChoiceState], Callable[[], float]] | None = None
    couplings: Floats | None = None
    joint: ChoiceLearning | None = None
    coupling_rate: float = 0.0
    device: Device = CPU


class ChoiceFit:
    """A fit in progress.

    Parameters
    ----------
    x : sparse, (n_users, n_items)
    popularity : int array, (n_items,)
    plan : ChoicePlan
    learning : ChoiceLearning
    ask : dict
        What a checkpoint must agree on, as plain values.
    """

    def __init__(
        self,
        x: Sparse,
        popularity: npt.NDArray[np.integer],
        plan: ChoicePlan,
        learning: ChoiceLearning,
        ask: dict[str, Any],
    ):
        self.x, self.popularity, self.plan, self.learning, self.ask = x, popularity, plan, learning, ask
        self.done: list[Learnt] = []
        self.reason, self._advice = "finished", ""
        self._at = 0
        self._state: ChoiceState | None = None
        self._saved_at = time.monotonic()

    @property
    def stages(self) -> list[Stage]:
        """Runs of the loop in order."""
        runs = (False,) if self.plan.joint is None else (False, True)
        return [Stage(place, joint) for place in range(self.plan.n_machines) for joint in runs]

    def learnt(self) -> list[Learnt]:
        """What there is by now: the machines whose learning ended; before the first did, the best of it so far."""
        if self.done or self._state is None or self._state.best is None:
            return self.done
        return [self._state.best]

    def events(self, checkpoint: str | os.PathLike[str] | None = None) -> Iterator[Event]:
        """Run the stages, writing a checkpoint from time to time.

        Parameters
        ----------
        checkpoint : path, optional

        Raises
        ------
        DivergenceError
            Learning diverged before any epoch ended well.
        KeyboardInterrupt
            It was interrupted before that.
        """
        for at, stage in list(enumerate(self.stages))[self._at :]:
            self._at = at
            try:
                yield from self._run(stage, checkpoint)
            except KeyboardInterrupt:  # it came between two epochs
                self.reason = "interrupted"
                yield Ended(self._name(stage), self._phase(stage), "interrupted", *self._epochs())
            if self.reason not in DONE:
                break
        if not self.learnt() and self.reason == "diverged":
            raise DivergenceError(f"learning diverged in the first epoch: {self._advice}")
        if not self.learnt() and self.reason == "interrupted":
            raise KeyboardInterrupt

    def _run(self, stage: Stage, checkpoint: str | os.PathLike[str] | None) -> Iterator[Event]:
        plan, seed = self.plan, self.plan.seed + stage.place
        if self._state is None:
            self._state = first_state(self.popularity, self.learning.n_hidden, seed, plan.scale).to(plan.device)
        state = self._state
        if stage.joint and state.couplings is None:
            assert plan.couplings is not None
            state.goes_on_from_best(plan.couplings.copy())
        learning = plan.joint if stage.joint and plan.joint else self.learning
        lateral = None if plan.lateral_of is None else plan.lateral_of(state)
        score = None if plan.score_of is None else plan.score_of(state)
        rate, first = (plan.coupling_rate, self.learning.n_epochs) if stage.joint else (0.0, 0)
        how = {"machine": self._name(stage), "phase": self._phase(stage)}
        for event in train(state, self.x, self.popularity, learning, seed, lateral, score, rate, first, **how):
            if isinstance(event, Ended):
                self.reason, self._advice = event.reason, event.advice
            yield event
            ended = isinstance(event, Ended) and event.reason in DONE
            due = isinstance(event, ChoiceEpochEnded) and time.monotonic() - self._saved_at > checkpoints.SAVE_EVERY
            if checkpoint is not None and (due or ended):
                self.save(checkpoint)
                yield Saved(os.fspath(checkpoint), **how, epoch=state.epoch)
        if self.reason in DONE and stage.joint == (plan.joint is not None):
            assert state.best is not None
            self.done.append(state.best)
            self._state = None

    def _name(self, stage: Stage) -> str:
        return "choices" if self.plan.n_machines == 1 else f"choices {stage.place + 1}"

    def _phase(self, stage: Stage) -> str:
        return "joint" if stage.joint else "final" if self.plan.score_of is None else "choose"

    def _epochs(self) -> tuple[int, int]:
        return (0, 0) if self._state is None else (self._state.epoch, self._state.best_epoch)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint from which `resume` goes on bit for bit; only between two epochs.

        Parameters
        ----------
        path : path
        """
        assert self._state is not None
        header, arrays = states.to_parts(self._state)
        arrays = storage.prefixed("state.", arrays)
        for place, learnt in enumerate(self.done):
            arrays |= storage.prefixed(f"done.{place}.", states.named(learnt))
        storage.write(path, CHECKPOINT, {"state": header, "at": self._at, "ask": self.ask}, arrays)
        self._saved_at = time.monotonic()

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint of the same fit.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            The checkpoint is of other choices or settings, or damaged.
        """
        header, arrays = checkpoints.read(path, CHECKPOINT, self.ask, "another fit")
        self._at = header["at"]
        done = [storage.under(f"done.{place}.", arrays) for place in range(self.stages[self._at].place)]
        self.done = [states.learnt_of(parts) for parts in done]
        self._state = states.from_parts(header["state"], storage.under("state.", arrays)).to(self.plan.device)


def fingerprint(*arrays: npt.NDArray | None) -> list[int]:
    """What tells whether arrays are the same: their sizes and check sums.

    Parameters
    ----------
    *arrays : arrays or None
    """
    found = []
    for array in arrays:
        known = np.empty(0) if array is None else np.ascontiguousarray(array)
        found += [known.size, zlib.crc32(known.tobytes())]
    return found
