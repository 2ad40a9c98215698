"""Measure predictions of ratings that were held out, beside baselines that saw the same."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
import numpy.typing as npt

from harmonium.conventions import LIKED_SHARE, UNRATED
from harmonium.data import Ratings, Scale, Vocabulary, check_disjoint
from harmonium.data.sketch import PairSketch
from harmonium.errors import DataError, LeakError, NotFittedError, SettingError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.evaluation.alignment import aligned, brought_to
from harmonium.evaluation.baselines import fit_bias, fit_popularity, smoothed_shares
from harmonium.evaluation.scores import Difference, Score, difference, losses, score

Floats = npt.NDArray[np.floating]


@runtime_checkable
class ModelWithItems(Protocol):
    """A fitted machine with the ids of its items and its scale: a `Recommender`, say."""

    @property
    def machine(self) -> RatingRBM:
        """The fitted estimator."""
        ...

    @property
    def items(self) -> Vocabulary:
        """What its columns stand for."""
        ...

    @property
    def scale(self) -> Scale:
        """What its levels stand for."""
        ...


@final
@dataclass(frozen=True)
class Evaluation:
    """How a model and two baselines predict the same ratings.

    Parameters
    ----------
    model : Score
    baselines : dict of Score
        "popularity" and "bias"; see `Popularity` and `Bias` in `harmonium.evaluation.baselines`.
    differences : dict of Difference
        The model's scores minus each baseline's.
    n_users : int
        Users whose ratings were predicted.
    n_without_history : int
        Those of them of whom no rating was known.
    n_unknown_items : int
        Ratings of items that the model does not know, which it predicts by the level shares of its training ratings.
    like : float
        Ratings of at least this count as liking, in `ece` and `reliability`.
    leak_checked : bool
        Whether the model remembers what it learned from, so that the ratings were looked up there.
    """

    model: Score
    baselines: dict[str, Score]
    differences: dict[str, Difference]
    n_users: int
    n_without_history: int
    n_unknown_items: int
    like: float
    leak_checked: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "model": self.model.to_dict(),
            "baselines": {name: one.to_dict() for name, one in self.baselines.items()},
            "differences": {name: one.to_dict() for name, one in self.differences.items()},
            "n_users": self.n_users,
            "n_without_history": self.n_without_history,
            "n_unknown_items": self.n_unknown_items,
            "like": self.like,
            "leak_checked": self.leak_checked,
        }

    def table(self) -> str:
        """Plain text in aligned columns, with standard errors: scores, then the model's differences."""
        header = ("", "RMSE", "MAE", "log-loss", "ECE")
        rows = [(name, *_cells(one), f"{one.ece:.4f}") for name, one in {"model": self.model, **self.baselines}.items()]
        rows += [(f"model - {name}", *_cells(one, "+"), "") for name, one in self.differences.items()]
        widths = [max(len(row[k]) for row in (header, *rows)) for k in range(len(header))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (header, *rows)]
        return "\n".join((*lines, self._footer()))

    def _footer(self) -> str:
        parts = [f"{self.model.n:,} ratings of {self.n_users:,} users"]
        if self.n_without_history:
            parts.append(f"{self.n_without_history:,} of them without history")
        if self.n_unknown_items:
            parts.append(f"{self.n_unknown_items:,} ratings of items unknown to the model")
        parts.append(f"ECE of {self.like:g} or more, by chance alone {self.model.ece_by_chance:.4f}")
        return "; ".join(parts)


def evaluate(
    model: RatingRBM | ModelWithItems,
    train: Ratings,
    test: Ratings,
    *,
    like: float | None = None,
    learned_from: Ratings | None = None,
) -> Evaluation:
    """Measure how well a fitted model predicts held-out ratings, each user known by their history alone.

    Parameters
    ----------
    model : RatingRBM or Recommender
        A `RatingRBM` takes the items of `train` for its own. A `Recommender` finds its items by their ids: entries of
        others are left out of histories, and predicted by the level shares of its training ratings.
    train : Ratings
        The users' history, which predictions and baselines read.
    test : Ratings
        What is predicted; entries without a rating are left out.
    like : float, optional
        Ratings of at least this count as liking, for the calibration error. When not given, the lowest level at least
        three quarters of the way from the lowest rating to the highest.
    learned_from : Ratings, optional
        What the model learned from, where that is not `train`: the baselines then learn from both, so that they know as
        much as the model when whole users are held out.

    Returns
    -------
    Evaluation

    Raises
    ------
    LeakError
        A test rating is in `train` or `learned_from` too, or is among those that the model learned from.
    NotFittedError, DataError, SettingError
        The model is not fitted; ratings do not fit together or there are none; no level is at least `like`.

    Examples
    --------
    >>> from harmonium.data import load, random_split
    >>> train, test = random_split(load("movielens-small").ratings, 0.1, rng=0)
    >>> machine = RatingRBM(n_hidden=16, cases="users", n_epochs=2).fit(train)
    >>> found = evaluate(machine, train, test)
    >>> found.model.n
    10083
    """
    parts = {"train": train, "test": test} | ({} if learned_from is None else {"learned_from": learned_from})
    for name, part in parts.items():
        if not isinstance(part, Ratings):
            raise DataError(f"{name}: a {type(part).__name__} is not a Ratings; use harmonium.read_ratings")
    machine, items, scale = _opened(model, train)
    parts = aligned(scale, items, **parts | {"test": test.select(test.level != UNRATED)})
    if not parts["test"].n_ratings:
        raise DataError("test: there are no ratings to predict")
    _check_leaks(machine, parts)
    history, asked = parts["train"], parts["test"]
    first_liked = _first_liked(scale, like)
    p, unknown = _predicted(machine, items, history, asked)
    pooled = _pooled(history, parts.get("learned_from"))
    by_baseline = {
        "popularity": fit_popularity(pooled).probabilities(asked),
        "bias": fit_bias(pooled).probabilities(asked),
    }
    given = (asked.level, scale.values)
    user = asked.user_of()
    mine = losses(p, *given)
    tested, with_history = (np.diff(part.indptr) > 0 for part in (asked, history))
    return Evaluation(
        model=score(p, *given, user, first_liked),
        baselines={name: score(q, *given, user, first_liked) for name, q in by_baseline.items()},
        differences={name: difference(mine, losses(q, *given), user) for name, q in by_baseline.items()},
        n_users=int(tested.sum()),
        n_without_history=int((tested & ~with_history).sum()),
        n_unknown_items=int(unknown.sum()),
        like=scale.levels[first_liked],
        leak_checked=machine.learned_from_ is not None,
    )


def _opened(model: RatingRBM | ModelWithItems, train: Ratings) -> tuple[RatingRBM, Vocabulary, Scale]:
    """The fitted machine, what its columns and what its levels stand for."""
    if isinstance(model, RatingRBM):
        machine, items, scale = model, train.items, train.scale
    elif isinstance(model, ModelWithItems):
        machine, items, scale = model.machine, model.items, model.scale
    else:
        raise DataError(f"model: a {type(model).__name__} is neither a RatingRBM nor a Recommender")
    if machine.model_ is None:
        raise NotFittedError("this RatingRBM is not fitted yet; call fit(ratings) first")
    if machine.model_.n_items != len(items) or not np.array_equal(machine.model_.values, scale.values):
        raise DataError(
            f"train: {len(items):,} items rated {scale.describe()}, but the model has {machine.model_.n_items:,} items "
            f"of {len(machine.model_.values)} levels; give ratings over its own vocabulary, or a Recommender"
        )
    return machine, items, scale


def _check_leaks(machine: RatingRBM, parts: dict[str, Ratings]) -> None:
    test = parts["test"]
    for name, part in parts.items():
        if name != "test":
            check_disjoint(**{name: part, "test": test})
    sketch: PairSketch | None = machine.learned_from_
    if sketch is None:
        return
    learned = np.flatnonzero(sketch.found(test))
    if len(learned):
        user, item = test.users[int(test.user_of()[learned[0]])], test.items[int(test.item[learned[0]])]
        number = f"about {sketch.share_in(test) * test.n_ratings:,.0f}" if sketch.bits else f"{len(learned):,}"
        raise LeakError(
            f"the model learned from {number} of the {test.n_ratings:,} test ratings, that of user {user!r} for item "
            f"{item!r} among them; hold the test ratings out before fit"
        )


def _first_liked(scale: Scale, like: float | None) -> int:
    """Level code of the lowest level that counts as liking."""
    least = scale.minimum + LIKED_SHARE * (scale.maximum - scale.minimum) if like is None else like
    if isinstance(least, bool) or not isinstance(least, Real) or not scale.minimum < least <= scale.maximum:
        raise SettingError(f"like: {like!r} is not a rating above {scale.minimum:g} and up to {scale.maximum:g}")
    return int(np.searchsorted(scale.values, least))


def _predicted(
    machine: RatingRBM, items: Vocabulary, history: Ratings, asked: Ratings
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Level probabilities (n, n_levels) at the asked entries, and which entries' items the model does not know."""
    model = machine.model_
    assert model is not None
    unknown = items.indices(asked.items.ids, unknown=-1)[asked.item] < 0
    if unknown.all():
        raise DataError(f"test: the model knows none of its items, such as {asked.items[asked.item[0]]!r}")
    read = [brought_to(part, part.users, items, part.scale) for part in (history, asked)]
    p = np.empty((len(asked), asked.n_levels), np.float32)
    p[~unknown] = machine.predict_proba(*read)
    p[unknown] = smoothed_shares(model.level_counts)
    return p, unknown


def _pooled(history: Ratings, learned_from: Ratings | None) -> Ratings:
    """Both parts' entries, once each."""
    if learned_from is None:
        return history
    parts = (history, learned_from)
    user, item, level = (
        np.concatenate(columns) for columns in zip(*((part.user_of(), part.item, part.level) for part in parts))
    )
    return Ratings.from_arrays(user, item, level, history.users, history.items, history.scale, duplicates="last")


def _cells(one: Score | Difference, sign: str = "") -> tuple[str, ...]:
    pairs = ((one.rmse, one.rmse_se), (one.mae, one.mae_se), (one.log_loss, one.log_loss_se))
    return tuple(f"{value:{sign}.4f} ± {error:.4f}" for value, error in pairs)
