"""Fitting a whole rating model: choose epochs on validation ratings, weigh the machines, learn from everything.

A `Fit` is a list of stages, each one machine's run of the loop. It is an iterator of events that can be left at any
time: `model()` gives the best model so far, and a checkpoint continues bit for bit. Machines of one kind end up as one
committee; where machines learn again from all ratings, those that chose the number of epochs stay in it.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Split, random_split
from harmonium.errors import DivergenceError, ModelFileError
from harmonium.events import Ended, EpochEnded, Event, Saved
from harmonium.kernels.devices import CPU, Device
from harmonium.models import level_rbm, rating_model
from harmonium.models.fold_in import grown
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
Machines = dict[tuple[str, int], LevelRBM]  # by kind and place in the committee


class Stage(NamedTuple):
    """One machine's run of the loop: which kind, "choose" or "final", and its place in the committee."""

    kind: str
    phase: str
    place: int = 0


@final
@dataclass(frozen=True)
class Plan:
    """What to fit, beside how a machine learns.

    Parameters
    ----------
    cases : str
        "users", "items" or "both".
    n_machines : int
        Machines of each kind that learn side by side.
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
    n_machines: int
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
        Machines to go on from, `plan.n_machines` of each kind.
    validation : Ratings, optional
        Validation ratings, instead of cutting some from `ratings`.
    place : dict of int arrays, optional
        Where the "users" and "items" of `warm` stand among those of `ratings`.
    device : Device
        What learning runs on; checkpoints do not depend on it.
    """

    def __init__(
        self,
        ratings: Ratings,
        plan: Plan,
        learning: Learning,
        warm: RatingModel | None = None,
        validation: Ratings | None = None,
        place: dict[str, npt.NDArray[np.integer]] | None = None,
        device: Device = CPU,
    ):
        self.ratings, self.plan, self.learning, self.warm = ratings, plan, learning, warm
        self.place, self.device = place or {}, device
        self.split = _validation_split(ratings, plan, validation)
        self.read = (ratings,) if validation is None else (ratings, validation)  # all that anything is chosen by
        self.chosen: Machines = {}  # best machines of the choosing stages
        self.final: Machines = {}
        self.epochs: dict[tuple[str, int], int] = {}
        self.done: list[Stage] = []
        self.blends: dict[str, Blend] = {}
        self.reason, self._advice = "finished", ""
        self._resumed: states.State | None = None
        self._saved_at = time.monotonic()

    @property
    def stages(self) -> list[Stage]:
        """Runs of the loop in order."""
        runs = [(kind, place) for kind in MACHINES[self.plan.cases] for place in range(self.plan.n_machines)]
        choose = [Stage(kind, "choose", place) for kind, place in runs] if self.split else []
        final = [Stage(kind, "final", place) for kind, place in runs] if not self.split or self.plan.refit else []
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
            if not self.blends and self._chosen_all:
                self.blends = self._fit_blends()
        if not self.chosen and not self.final and self.reason == "diverged":
            raise DivergenceError(f"learning diverged in the first epoch: {self._advice}")

    @property
    def _chosen_all(self) -> bool:
        return bool(self.split) and all(stage in self.done for stage in self.stages if stage.phase == "choose")

    def _run(self, stage: Stage, checkpoint: str | os.PathLike[str] | None) -> Iterator[Event]:
        kind, phase, place = stage
        cases = _as_cases(self._training(phase), kind)
        state = (self._start(stage, cases) if self._resumed is None else self._resumed).to(self.device)
        self._resumed, self.reason = None, "interrupted"
        name = kind if self.plan.n_machines == 1 else f"{kind} {place + 1}"
        how = {"machine": name, "phase": phase, "score": self._score(stage), "n_epochs": self.epochs.get((kind, place))}
        try:
            for event in train(state, cases, self._learning(phase), **how):
                if isinstance(event, Ended):
                    self._end(stage, state, event)
                yield event
                due = isinstance(event, EpochEnded) and time.monotonic() - self._saved_at > SAVE_EVERY
                if checkpoint is not None and (due or isinstance(event, Ended)):
                    self.save(checkpoint, stage, state)
                    yield Saved(os.fspath(checkpoint), name, phase, state.epoch)
        finally:
            if stage not in self.done and state.best is not None and (phase == "choose" or not self.chosen):
                self._machines_of(phase)[kind, place] = state.best

    def _end(self, stage: Stage, state: states.State, event: Ended) -> None:
        self.reason, self._advice = event.reason, event.advice
        if event.reason in ("finished", "early stopping") and state.best is not None:
            self.done.append(stage)
            self._machines_of(stage.phase)[stage.kind, stage.place] = state.best
            self.epochs.setdefault((stage.kind, stage.place), state.best_epoch)

    def _machines_of(self, phase: str) -> Machines:
        return self.chosen if phase == "choose" else self.final

    def _training(self, phase: str) -> Ratings:
        return self.split.train if phase == "choose" and self.split else self.ratings

    def _learning(self, phase: str) -> Learning:
        return self.learning if phase == "choose" or not self.split else replace(self.learning, patience=0)

    def _start(self, stage: Stage, cases: Ratings) -> states.State:
        seeds = [self.plan.seed, stage.kind == "items", stage.place, stage.phase == "final" and bool(self.split)]
        rng = np.random.default_rng(seeds)
        rbm = self._warm(stage, cases) or level_rbm.initial(cases, self.plan.n_hidden, self.plan.phi, rng)
        return states.start(rbm, cases, self.learning, int(rng.integers(2**62)))

    def _warm(self, stage: Stage, cases: Ratings) -> LevelRBM | None:
        """The fitted machine to go on from, with visible units for what has come since."""
        if self.warm is None:
            return None
        rbm = _machines(self.warm, stage.kind)[stage.place]
        place = self.place["items" if stage.kind == "users" else "users"]  # of its visible units
        return grown(rbm, cases, place, self.plan.weight_penalty, self.plan.bias_penalty)

    def _score(self, stage: Stage) -> Scorer | None:
        if stage.phase != "choose" or self.split is None:
            return None
        train_part, held_out = (_as_cases(part, stage.kind) for part in (self.split.train, self.split.test))
        return Scorer(train_part, held_out, self.ratings.scale.values, device=self.device)

    def _fit_blends(self) -> dict[str, Blend]:
        assert self.split is not None
        part, held_out = self.split.train, _some(self.split.test, MOST_TO_CALIBRATE, self.plan.seed)
        raw = replace(self._assembled(self.chosen, part, part), blends={})
        kinds = MACHINES[self.plan.cases]
        by = {name: rating_model.probabilities(rating_model.only(raw, name), part, held_out) for name in kinds}
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
        if not self.chosen and not self.final:
            raise DivergenceError("no epoch was completed: there is no model yet")
        both = {(kind, place, "final"): rbm for (kind, place), rbm in self.final.items()}
        both |= {(kind, place, "choose"): rbm for (kind, place), rbm in self.chosen.items()}
        return self._assembled(both, self.ratings, self.ratings if self.final else self._training("choose"))

    def _assembled(self, machines: dict[Any, LevelRBM], ratings: Ratings, learnt_from: Ratings) -> RatingModel:
        """The model of some machines, keyed by their kind first; all `ratings` are evidence."""
        plan, rated = self.plan, ratings.level != UNRATED
        groups = {kind: [rbm for key, rbm in machines.items() if key[0] == kind] for kind in ("users", "items")}
        users, side = (level_rbm.committee(group) if group else None for group in groups.values())
        penalties = plan.weight_penalty, plan.bias_penalty
        items = side and rating_model.items_side(side, ratings, learnt_from, *penalties)
        return RatingModel(
            users=users,
            items=items,
            blends=self.blends,
            values=ratings.scale.values,
            n_item_ratings=np.bincount(ratings.item[rated], minlength=ratings.n_items),
            level_counts=np.bincount(ratings.level[rated], minlength=ratings.n_levels),
        )

    def save(self, path: str | os.PathLike[str], stage: Stage, state: states.State) -> None:
        """Write a checkpoint from which `resume` goes on bit for bit.

        Parameters
        ----------
        path : path
        stage : Stage
        state : State
        """
        header, arrays = states.to_parts(state)
        arrays = storage.prefixed("state.", arrays)
        for group, machines in (("chosen", self.chosen), ("final", self.final)):
            for (kind, place), rbm in machines.items():
                parts = {"W": rbm.W, "b": rbm.b, "c": rbm.c, "phi": rbm.phi}
                arrays |= storage.prefixed(f"{group}.{kind}.{place}.", parts)
        whole = {
            "state": header,
            "stage": stage,
            "done": self.done,
            "epochs": [[kind, place, epoch] for (kind, place), epoch in self.epochs.items()],
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
            for kind, _, place in self.stages:
                parts = storage.under(f"{group}.{kind}.{place}.", arrays)
                if parts:
                    W, b, c, phi = (parts[name] for name in ("W", "b", "c", "phi"))
                    machines[kind, place] = LevelRBM(W, b, c, phi)
        self.epochs = {(kind, place): epoch for kind, place, epoch in header["epochs"]}
        self.blends = {name: Blend(*map(tuple, blend)) for name, blend in header["blends"].items()}
        self.done = [Stage(*stage) for stage in header["done"]]
        if Stage(*header["stage"]) not in self.done:
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


def _machines(model: RatingModel, kind: str) -> list[LevelRBM]:
    side: ItemsSide | None = model.items
    both = {"users": model.users, "items": side.rbm if side else None}
    rbm = both[kind]
    assert rbm is not None
    return level_rbm.members(rbm)
