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
from harmonium.data import Ratings
from harmonium.data.shards import Shards
from harmonium.data.stored import StoredRatings
from harmonium.errors import DivergenceError
from harmonium.events import Ended, EpochEnded, Event, Saved
from harmonium.kernels.devices import CPU, Device
from harmonium.models import level_rbm, rating_model
from harmonium.models.fold_in import grown
from harmonium.models.level_rbm import LevelRBM
from harmonium.models.rating_model import Blend, ItemsSide, RatingModel
from harmonium.training import checkpoints
from harmonium.training import state as states
from harmonium.training.engine import HERE, Engine
from harmonium.training.settings import Learning
from harmonium.training.sources import source_of
from harmonium.training.validation import Scorer, fit_blend

CHECKPOINT = "checkpoint"
MOST_TO_CALIBRATE = 50_000  # validation ratings: more would not move a dozen numbers
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
    ratings : Ratings or StoredRatings
        Users as rows.
    plan : Plan
    learning : Learning
    warm : RatingModel, optional
        Machines to go on from, `plan.n_machines` of each kind.
    validation : Ratings, optional
        Validation ratings, instead of cutting some from `ratings`.
    place : dict of int arrays, optional
        Where the "users" and "items" of `warm` stand among those of `ratings`.
    engine : Engine
        Where the machines learn.
    device : Device
        What learning runs on; checkpoints do not depend on it.
    """

    def __init__(
        self,
        ratings: Ratings | StoredRatings,
        plan: Plan,
        learning: Learning,
        warm: RatingModel | None = None,
        validation: Ratings | None = None,
        place: dict[str, npt.NDArray[np.integer]] | None = None,
        engine: Engine = HERE,
        device: Device = CPU,
    ):
        self.engine, self.device = engine, device
        self.plan, self.learning, self.warm, self.place = plan, learning, warm, place or {}
        self.data, self.validated = source_of(ratings, plan.validation_fraction, plan.seed, validation)
        more = [] if validation is None else [Shards(validation)]
        self.read = (self.data.cases("users"), *more)  # all that anything is chosen by
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
        choose = [Stage(kind, "choose", place) for kind, place in runs] if self.validated else []
        final = [Stage(kind, "final", place) for kind, place in runs] if not self.validated or self.plan.refit else []
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
        fraction = self.plan.validation_fraction if self.validated else 0.0
        yield from self.data.prepare(MACHINES[self.plan.cases], fraction, self.plan.seed)
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
        return self.validated and all(stage in self.done for stage in self.stages if stage.phase == "choose")

    def _run(self, stage: Stage, checkpoint: str | os.PathLike[str] | None) -> Iterator[Event]:
        kind, phase, place = stage
        cases = self._training(phase, kind)
        state = (self._start(stage, cases) if self._resumed is None else self._resumed).to(self.device)
        self._resumed, self.reason = None, "interrupted"
        name = kind if self.plan.n_machines == 1 else f"{kind} {place + 1}"
        how = {"machine": name, "phase": phase, "score": self._score(stage), "n_epochs": self.epochs.get((kind, place))}
        try:
            for event in self.engine.train_ratings(state, cases, self._learning(phase), **how):
                if isinstance(event, Ended):
                    self._end(stage, state, event)
                yield event
                if checkpoint is not None and state.whole and self._due(event, state):
                    self.save(checkpoint, stage, state)
                    yield Saved(os.fspath(checkpoint), name, phase, state.epoch)
        finally:
            if stage not in self.done and state.best is not None and (phase == "choose" or not self.chosen):
                self._machines_of(phase)[kind, place] = state.best

    def _due(self, event: Event, state: states.State) -> bool:
        """Whether a checkpoint is to be written; an engine may have an older epoch at hand than the one that ended."""
        if not isinstance(event, EpochEnded):
            return isinstance(event, Ended)
        return time.monotonic() - self._saved_at > checkpoints.SAVE_EVERY and self.engine.bring_up(state)

    def _end(self, stage: Stage, state: states.State, event: Ended) -> None:
        self.reason, self._advice = event.reason, event.advice
        if event.reason in ("finished", "early stopping") and state.best is not None:
            self.done.append(stage)
            self._machines_of(stage.phase)[stage.kind, stage.place] = state.best
            self.epochs.setdefault((stage.kind, stage.place), state.best_epoch)

    def _machines_of(self, phase: str) -> Machines:
        return self.chosen if phase == "choose" else self.final

    def _training(self, phase: str, kind: str) -> Shards:
        return self.data.cases(kind, "known" if phase == "choose" and self.validated else "all")

    def _learning(self, phase: str) -> Learning:
        return self.learning if phase == "choose" or not self.validated else replace(self.learning, patience=0)

    def _start(self, stage: Stage, cases: Shards) -> states.State:
        seeds = [self.plan.seed, stage.kind == "items", stage.place, stage.phase == "final" and self.validated]
        rng = np.random.default_rng(seeds)
        rbm = self._warm(stage, cases) or self._initial(cases, rng)
        return states.start(rbm, cases, self.learning, int(rng.integers(2**62)))

    def _initial(self, cases: Shards, rng: np.random.Generator) -> LevelRBM:
        counts = sum(level_rbm.level_counts(part) for part in cases)
        assert isinstance(counts, np.ndarray)
        return level_rbm.initial_of(counts, self.data.scale.x, self.plan.n_hidden, self.plan.phi, rng)

    def _warm(self, stage: Stage, cases: Shards) -> LevelRBM | None:
        """The fitted machine to go on from, with visible units for what has come since."""
        if self.warm is None:
            return None
        rbm = _machines(self.warm, stage.kind)[stage.place]
        place = self.place["items" if stage.kind == "users" else "users"]  # of its visible units
        return grown(rbm, cases.ratings, place, self.plan.weight_penalty, self.plan.bias_penalty)

    def _score(self, stage: Stage) -> Scorer | None:
        if stage.phase != "choose" or not self.validated:
            return None
        known, held_out = (self.data.cases(stage.kind, part) for part in ("known", "held"))
        return Scorer(known, held_out, self.data.scale.values, device=self.device)

    def _fit_blends(self) -> dict[str, Blend]:
        held_out = self.data.cases("users", "held")
        raw = replace(self._assembled(self.chosen, "known", "known"), blends={})
        kinds, asked = MACHINES[self.plan.cases], _some(held_out.n_entries, MOST_TO_CALIBRATE, self.plan.seed)
        parts: list[dict[str, Any]] = []
        for k, known in enumerate(self.data.cases("users", "known")):
            first, last = held_out.entry_ends[k : k + 2].tolist()
            some = held_out[k].select(asked[first:last])
            if some.n_entries or len(held_out) == 1:
                parts.append(
                    _predicted(rating_model.for_users(raw, *held_out.ends[k : k + 2].tolist()), kinds, known, some)
                )
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        by, (n_user, n_item, level) = {name: found.pop(name) for name in kinds}, found.values()
        groups = {name: {name: by[name]} for name in by} | ({"both": by} if len(by) == 2 else {})
        return {
            name: fit_blend(group.get("users"), group.get("items"), n_user, n_item, level)
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
        return self._assembled(both, "all", "all" if self.final or not self.validated else "known")

    def _assembled(self, machines: dict[Any, LevelRBM], known: str, learnt_from: str) -> RatingModel:
        """The model of some machines, keyed by their kind first; all ratings of the part `known` are evidence."""
        plan = self.plan
        n_item_ratings, level_counts = _counts(self.data.cases("users", known))
        groups = {kind: [rbm for key, rbm in machines.items() if key[0] == kind] for kind in ("users", "items")}
        users, side = (level_rbm.committee(group) if group else None for group in groups.values())
        penalties = plan.weight_penalty, plan.bias_penalty
        items = side and rating_model.items_side(
            side, self.data.cases("items", known), self.data.cases("users", learnt_from), level_counts, *penalties
        )
        return RatingModel(
            users=users,
            items=items,
            blends=self.blends,
            values=self.data.scale.values,
            n_item_ratings=n_item_ratings,
            level_counts=level_counts,
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
        header, arrays = checkpoints.read(path, CHECKPOINT, self._ask(), "another fit")
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
        learning, shards = dict(vars(self.learning).items()), self.data.cases("users")
        data = {
            "users": self.data.users.fingerprint,
            "items": self.data.items.fingerprint,
            "ratings": int(np.bitwise_xor.reduce([_history_key(part) for part in shards])),
            "shards": shards.ends.tolist(),
            "phi": self.plan.phi.tolist(),
        }
        learning["n_steps"] = list(self.learning.steps)
        return plan | learning | data


def _counts(shards: Shards) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ratings of each item, and at each level."""
    n_item, n_level = np.zeros(shards.n_items, np.int64), np.zeros(shards.scale.n_levels, np.int64)
    for part in shards:
        rated = part.level != UNRATED
        n_item += np.bincount(part.item[rated], minlength=len(n_item))
        n_level += np.bincount(part.level[rated], minlength=len(n_level))
    return n_item, n_level


def _predicted(model: RatingModel, kinds: tuple[str, ...], known: Ratings, asked: Ratings) -> dict[str, npt.NDArray]:
    """Level probabilities by each kind of machine, then what they are weighed by, and the true levels."""
    found = {kind: rating_model.probabilities(rating_model.only(model, kind), known, asked) for kind in kinds}
    return found | {
        "n_user": rating_model.n_rated(known)[asked.user_of()],
        "n_item": model.n_item_ratings[asked.item].astype(np.float64),
        "level": asked.level,
    }


def _history_key(ratings: Ratings) -> np.uint64:
    return np.bitwise_xor.reduce(rating_model.history_keys(ratings), initial=0)


def _some(n_entries: int, n: int, seed: int) -> npt.NDArray[np.bool_]:
    """Mask of n entries, of all where there are fewer."""
    if n_entries <= n:
        return np.ones(n_entries, bool)
    mask = np.zeros(n_entries, bool)
    mask[np.random.default_rng(seed).choice(n_entries, n, replace=False)] = True
    return mask


def _machines(model: RatingModel, kind: str) -> list[LevelRBM]:
    side: ItemsSide | None = model.items
    both = {"users": model.users, "items": side.rbm if side else None}
    rbm = both[kind]
    assert rbm is not None
    return level_rbm.members(rbm)
