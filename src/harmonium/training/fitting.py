"""Fitting a whole rating model: choose epochs on validation ratings, weigh the machines, learn from everything.

A `Fit` is a list of stages, each one machine's run of the loop. It is an iterator of events that can be left at any
time: `model()` gives the best model so far, and a checkpoint continues bit for bit.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Split, random_split
from harmonium.errors import DivergenceError, ModelFileError
from harmonium.events import Ended, EpochEnded, Event, Saved
from harmonium.models import level_rbm, rating_model
from harmonium.models.level_rbm import LevelRBM
from harmonium.models.rating_model import Blend, ItemsSide, RatingModel
from harmonium.training import state as states
from harmonium.training.loop import train
from harmonium.training.settings import Learning
from harmonium.training.validation import Scorer, fit_blend

CHECKPOINT = "checkpoint"
MOST_TO_CALIBRATE = 50_000  # validation ratings: more would not move a dozen numbers
SAVE_EVERY = 20.0  # seconds between checkpoints
MACHINES = {"users": ("users",), "items": ("items",), "both": ("users", "items")}


@final
@dataclass(frozen=True)
class Plan:
    """What to fit, beside how a machine learns.

    Parameters
    ----------
    cases : str
        "users", "items" or "both".
    n_hidden : int
    phi : float32 array, (n_levels, n_features)
    validation_fraction : float
        Share of the ratings cut off to choose the epoch and the blend; 0 runs all epochs.
    refit : bool
        Whether to learn again from all ratings once the number of epochs is chosen.
    weight_penalty, bias_penalty : float
        Of a new person's unit in the items machine.
    seed : int
    """

    cases: str
    n_hidden: int
    phi: npt.NDArray[np.float32]
    validation_fraction: float
    refit: bool
    weight_penalty: float
    bias_penalty: float
    seed: int


class Fit:
    """A fit in progress.

    Parameters
    ----------
    ratings : Ratings
        Users as rows.
    plan : Plan
    learning : Learning
    warm : RatingModel, optional
        Machines to go on from.
    validation : Ratings, optional
        Validation ratings, instead of cutting some from `ratings`.
    """

    def __init__(
        self,
        ratings: Ratings,
        plan: Plan,
        learning: Learning,
        warm: RatingModel | None = None,
        validation: Ratings | None = None,
    ):
        self.ratings, self.plan, self.learning, self.warm = ratings, plan, learning, warm
        self.split = _validation_split(ratings, plan, validation)
        self.read = (ratings,) if validation is None else (ratings, validation)  # all that anything is chosen by
        self.chosen: dict[str, LevelRBM] = {}  # best machines of the choosing stages
        self.final: dict[str, LevelRBM] = {}
        self.epochs: dict[str, int] = {}
        self.done: list[tuple[str, str]] = []
        self.blends: dict[str, Blend] = {}
        self.reason, self._advice = "finished", ""
        self._resumed: states.State | None = None
        self._saved_at = time.monotonic()

    @property
    def stages(self) -> list[tuple[str, str]]:
        """Runs of the loop in order, each (machine, phase)."""
        machines = MACHINES[self.plan.cases]
        choose = [(machine, "choose") for machine in machines] if self.split else []
        final = [(machine, "final") for machine in machines] if not self.split or self.plan.refit else []
        return choose + final

    def events(self, checkpoint: str | os.PathLike[str] | None = None) -> Iterator[Event]:
        """Run the stages, writing a checkpoint from time to time.

        Parameters
        ----------
        checkpoint : path, optional

        Raises
        ------
        DivergenceError
            Learning diverged before any epoch ended well.
        """
        for stage in self.stages:
            if stage not in self.done:
                yield from self._run(stage, checkpoint)
            if self.reason in ("interrupted", "diverged"):
                break
            if stage == self._last_choice and not self.blends:
                self.blends = self._fit_blends()
        if not self.chosen and not self.final and self.reason == "diverged":
            raise DivergenceError(f"learning diverged in the first epoch: {self._advice}")

    @property
    def _last_choice(self) -> tuple[str, str]:
        return MACHINES[self.plan.cases][-1], "choose"

    def _run(self, stage: tuple[str, str], checkpoint: str | os.PathLike[str] | None) -> Iterator[Event]:
        machine, phase = stage
        cases = _as_cases(self._training(phase), machine)
        learning = self._learning(machine, phase)
        state = self._start(machine, cases) if self._resumed is None else self._resumed
        self._resumed, self.reason = None, "interrupted"
        how = {"machine": machine, "phase": phase, "score": self._score(stage), "n_epochs": self.epochs.get(machine)}
        try:
            for event in train(state, cases, learning, **how):
                if isinstance(event, Ended):
                    self._end(stage, state, event)
                yield event
                due = isinstance(event, EpochEnded) and time.monotonic() - self._saved_at > SAVE_EVERY
                if checkpoint is not None and (due or isinstance(event, Ended)):
                    self.save(checkpoint, stage, state)
                    yield Saved(os.fspath(checkpoint), machine, phase, state.epoch)
        finally:
            if stage not in self.done and state.best is not None and (phase == "choose" or not self.chosen):
                self._machines_of(phase)[machine] = state.best

    def _end(self, stage: tuple[str, str], state: states.State, event: Ended) -> None:
        self.reason, self._advice = event.reason, event.advice
        if event.reason in ("finished", "early stopping") and state.best is not None:
            self.done.append(stage)
            self._machines_of(stage[1])[stage[0]] = state.best
            self.epochs.setdefault(stage[0], state.best_epoch)

    def _machines_of(self, phase: str) -> dict[str, LevelRBM]:
        return self.chosen if phase == "choose" else self.final

    def _training(self, phase: str) -> Ratings:
        return self.split.train if phase == "choose" and self.split else self.ratings

    def _learning(self, machine: str, phase: str) -> Learning:
        return self.learning if phase == "choose" or not self.split else replace(self.learning, patience=0)

    def _start(self, machine: str, cases: Ratings) -> states.State:
        rng = np.random.default_rng([self.plan.seed, machine == "items"])
        warm = None if self.warm is None else _machines(self.warm).get(machine)
        rbm = warm or level_rbm.initial(cases, self.plan.n_hidden, self.plan.phi, rng)
        return states.start(rbm, cases, self.learning, int(rng.integers(2**62)))

    def _score(self, stage: tuple[str, str]) -> Scorer | None:
        if stage[1] != "choose" or self.split is None:
            return None
        train_part, held_out = (_as_cases(part, stage[0]) for part in (self.split.train, self.split.test))
        return Scorer(train_part, held_out, self.ratings.scale.values)

    def _fit_blends(self) -> dict[str, Blend]:
        assert self.split is not None
        part, held_out = self.split.train, _some(self.split.test, MOST_TO_CALIBRATE, self.plan.seed)
        raw = replace(self._assembled(self.chosen, part, part), blends={})
        by = {name: rating_model.probabilities(rating_model.only(raw, name), part, held_out) for name in self.chosen}
        n_user = rating_model.n_rated(part)[held_out.user_of()]
        n_item = raw.n_item_ratings[held_out.item].astype(np.float64)
        groups = {name: {name: by[name]} for name in by} | ({"both": by} if len(by) == 2 else {})
        return {
            name: fit_blend(group.get("users"), group.get("items"), n_user, n_item, held_out.level)
            for name, group in groups.items()
        }

    def model(self) -> RatingModel:
        """Return the best model so far.

        Raises
        ------
        DivergenceError
            No epoch has ended well yet.
        """
        if set(self.final) == set(MACHINES[self.plan.cases]) or not self.chosen:
            if not self.final:
                raise DivergenceError("no epoch was completed: there is no model yet")
            return self._assembled(self.final, self.ratings, self.ratings)
        return self._assembled(self.chosen, self.ratings, self._training("choose"))  # all ratings are evidence

    def _assembled(self, machines: dict[str, LevelRBM], ratings: Ratings, learnt_from: Ratings) -> RatingModel:
        plan, rated = self.plan, ratings.level != UNRATED
        side = machines.get("items")
        penalties = plan.weight_penalty, plan.bias_penalty
        items = side and rating_model.items_side(side, ratings, learnt_from, *penalties)
        return RatingModel(
            users=machines.get("users"),
            items=items,
            blends=self.blends,
            values=ratings.scale.values,
            n_item_ratings=np.bincount(ratings.item[rated], minlength=ratings.n_items),
            level_counts=np.bincount(ratings.level[rated], minlength=ratings.n_levels),
        )

    def save(self, path: str | os.PathLike[str], stage: tuple[str, str], state: states.State) -> None:
        """Write a checkpoint from which `resume` goes on bit for bit.

        Parameters
        ----------
        path : path
        stage : tuple of str
        state : State
        """
        header, arrays = states.to_parts(state)
        arrays = storage.prefixed("state.", arrays)
        for group, machines in (("chosen", self.chosen), ("final", self.final)):
            for machine, rbm in machines.items():
                parts = {"W": rbm.W, "b": rbm.b, "c": rbm.c, "phi": rbm.phi}
                arrays |= storage.prefixed(f"{group}.{machine}.", parts)
        whole = {
            "state": header,
            "stage": stage,
            "done": self.done,
            "epochs": self.epochs,
            "blends": self.blends,
            "ask": self._ask(),
        }
        storage.write(path, CHECKPOINT, whole, arrays)
        self._saved_at = time.monotonic()

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint of the same fit.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            The checkpoint is of other ratings or settings.
        """
        header, arrays = storage.read(path, CHECKPOINT)
        mine = self._ask()
        differs = sorted(name for name in mine if header["ask"].get(name) != mine[name])
        if differs:
            raise ModelFileError(f"{path}: is a checkpoint of another fit; these differ: {', '.join(differs)}")
        for group, machines in (("chosen", self.chosen), ("final", self.final)):
            for machine in MACHINES[self.plan.cases]:
                parts = storage.under(f"{group}.{machine}.", arrays)
                if parts:
                    machines[machine] = LevelRBM(**parts)
        self.epochs = header["epochs"]
        self.blends = {name: Blend(*map(tuple, blend)) for name, blend in header["blends"].items()}
        self.done = [(machine, phase) for machine, phase in header["done"]]
        if tuple(header["stage"]) not in self.done:
            self._resumed = states.from_parts(header["state"], storage.under("state.", arrays))

    def _ask(self) -> dict[str, Any]:
        """What a checkpoint must agree on."""
        plan = {name: value for name, value in vars(self.plan).items() if name != "phi"}
        learning = dict(vars(self.learning).items())
        data = {
            "users": self.ratings.users.fingerprint,
            "items": self.ratings.items.fingerprint,
            "ratings": int(np.bitwise_xor.reduce(rating_model.history_keys(self.ratings), initial=0)),
            "phi": self.plan.phi.tolist(),
        }
        learning["n_steps"] = list(self.learning.steps)
        return plan | learning | data


def _validation_split(ratings: Ratings, plan: Plan, validation: Ratings | None) -> Split | None:
    if validation is not None:
        return Split(ratings, validation)
    if not plan.validation_fraction or ratings.n_ratings * plan.validation_fraction < 1:
        return None
    return random_split(ratings, plan.validation_fraction, plan.seed)


def _some(ratings: Ratings, n: int, seed: int) -> Ratings:
    if ratings.n_entries <= n:
        return ratings
    mask = np.zeros(ratings.n_entries, bool)
    mask[np.random.default_rng(seed).choice(ratings.n_entries, n, replace=False)] = True
    return ratings.select(mask)


def _as_cases(ratings: Ratings, machine: str) -> Ratings:
    return ratings if machine == "users" else ratings.transposed()


def _machines(model: RatingModel) -> dict[str, LevelRBM]:
    side: ItemsSide | None = model.items
    both = {"users": model.users, "items": side.rbm if side else None}
    return {name: rbm for name, rbm in both.items() if rbm is not None}
