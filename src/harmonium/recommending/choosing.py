"""What people choose beside how they rate it: the machine of choices that a recommender of ratings ranks with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data import Interactions, Ratings, StoredRatings, Vocabulary, strong_split
from harmonium.data.splits import StrongSplit
from harmonium.errors import DataError, SettingError
from harmonium.estimators.choice import ChoiceModel
from harmonium.estimators.gaussian_boltzmann import GaussianBoltzmann
from harmonium.estimators.histories import numbered
from harmonium.models.score_calibration import GuidedCurve, ScoreCalibration
from harmonium.recommending.history import History
from harmonium.recommending.validated import fit_calibrated, n_validation_users
from harmonium.training.settings import check_choice

NOT_LIKED = 0.5  # weight of a choice that was not liked, in a history; validation users' lists gain, see the decisions
VALIDATION_SHARE = 0.1
RIDGE, DROPOUT = 200.0, 0.5
MOST_INVERTED = 8000  # rows of a matrix to invert; beyond it each item is solved on its few neighbours
N_KEPT = 400  # couplings an item: a file of a few MB; lists lose .002 of their nDCG
FEWEST_USERS = 5  # of an item that couplings are learned for; of rarer ones the number of ratings says as much
RANKINGS = ("joint", "liking")
CHUNK = 64  # people scored at once
Floats = npt.NDArray[np.floating]


class Chosen(NamedTuple):
    """What a machine of choices says of one item for one person."""

    probability: Floats  # (1 + n_entries,), of being chosen next: by the whole history, then without each entry
    score: float  # before calibration
    parts: Floats  # (n_entries,), what each entry adds to it


@final
@dataclass(frozen=True, eq=False)
class Chooser:
    """A calibrated model of choices over some of a recommender's items.

    Parameters
    ----------
    model : ChoiceModel
    items : Vocabulary
        The recommender's.
    first_liked : int
        Level code of the lowest level that counts as liking; what is rated lower counts `NOT_LIKED`.
    place : int64 array, (n_items,), or None
        Index in the model of each item, -1 where the model does not know it; None where the items are the same.
    usual : float32 array, (n_items,)
        Probability of each item for someone of whom nothing is known, of the items that the model does not know.
    """

    model: ChoiceModel
    items: Vocabulary
    first_liked: int
    place: npt.NDArray[np.int64] | None
    usual: npt.NDArray[np.float32]

    @classmethod
    def of(
        cls, model: ChoiceModel, items: Vocabulary, first_liked: int, n_ratings: npt.NDArray[np.integer]
    ) -> "Chooser":
        """Bring a model of choices to a recommender's items.

        Parameters
        ----------
        model : ChoiceModel
        items : Vocabulary
        first_liked : int
        n_ratings : int array, (n_items,)

        Raises
        ------
        DataError
            It is not calibrated, or knows items that the recommender does not.
        """
        known: Vocabulary = model._fitted("items_")
        if model.calibration_ is None:
            raise DataError("the machine of choices is not calibrated; call its calibrate(history, held_out) first")
        usual = model.calibration_.by_popularity(n_ratings)
        if known == items:
            return cls(model, items, first_liked, None, usual)
        if known.is_text != items.is_text or (items.indices(known.ids, unknown=-1) < 0).any():
            raise DataError("the machine of choices and that of ratings are over different items; fit them on the same")
        return cls(model, items, first_liked, known.indices(items.ids, unknown=-1), usual)

    def probabilities(self, histories: Sequence[History]) -> npt.NDArray[np.float32]:
        """Probability that each item is among someone's next choices: (n_people, n_items).

        Parameters
        ----------
        histories : sequence of History
        """
        found = self.model.probabilities(self._rows(histories))
        if self.place is None:
            return found
        known = self.place >= 0
        out = np.tile(self.usual, (len(histories), 1))
        out[:, known] = found[:, self.place[known]]
        return out

    def joint(self, histories: Sequence[History], liking: Floats) -> tuple[Floats, Floats]:
        """What lists are ranked by, and how likely the items are to be chosen: (n_people, n_items) each.

        Parameters
        ----------
        histories : sequence of History
        liking : floats, (n_people, n_items)
            Probability of liking, drawn towards the usual one.

        Returns
        -------
        score : floats
            p(chosen next) p(liked).
        chosen : floats
            p(chosen next).
        """
        chosen = self.probabilities(histories)
        return chosen * liking, chosen

    def chances(self, histories: Sequence[History]) -> npt.NDArray[np.float32]:
        """`probabilities` by a compiled kernel: (n_people, n_items).

        Parameters
        ----------
        histories : sequence of History
        """
        from harmonium.kernels import cpu_choosing

        rows = self._rows(histories)
        chance = np.empty((len(histories), len(self.items)), np.float32)
        score, root = self.model.before_calibration(rows)
        empty = np.diff(rows.indptr) == 0
        cpu_choosing.chances(score, empty, root, self._curve, self._popular, self._place, self.usual, chance)
        return chance

    @cached_property
    def _curve(self) -> GuidedCurve:
        return self._calibration.guided()

    @cached_property
    def _popular(self) -> npt.NDArray[np.float32]:
        return self._calibration.by_popularity(self.model._fitted("popularity_"))

    @cached_property
    def _place(self) -> npt.NDArray[np.int64]:
        return np.arange(len(self.items)) if self.place is None else self.place

    @property
    def _calibration(self) -> ScoreCalibration:
        assert self.model.calibration_ is not None  # `of` looked
        return self.model.calibration_

    def of_items(self, histories: Sequence[History], items: Any) -> Floats:
        """The same for some items, in little memory: (n_people, n_items_asked), or (n_people,) for one index.

        Parameters
        ----------
        histories : sequence of History
        items : int or int array, (n_items_asked,)
        """
        starts = range(0, len(histories), CHUNK)
        return np.concatenate([self.probabilities(histories[k : k + CHUNK])[:, items] for k in starts])

    def explained(self, history: History, item: int) -> Chosen:
        """Why an item is likely to be chosen.

        Parameters
        ----------
        history : History
        item : int
        """
        found = self.of_items([history, *history.less_each()], item)
        return Chosen(found, self.score_of(history, item), self.parts(history, item))

    def parts(self, history: History, item: int) -> Floats:
        """What each entry of a history adds to the model's score of an item, see `ChoiceModel.explain`: (n_entries,).

        Parameters
        ----------
        history : History
        item : int
        """
        found = np.zeros(len(history))
        target = item if self.place is None else int(self.place[item])
        where = np.arange(len(history)) if self.place is None else np.flatnonzero(self.place[history.item] >= 0)
        if target >= 0 and len(where):
            order = np.argsort(history.item[where])  # rows are sorted by item
            found[where[order]] = self.model.explain(self._rows([history]), target)
        return found

    def score_of(self, history: History, item: int) -> float:
        """The model's score of an item, before calibration; 0 where it does not know the item, or the person.

        Parameters
        ----------
        history : History
        item : int
        """
        target = item if self.place is None else int(self.place[item])
        rows = self._rows([history])
        return float(self.model._scores(rows)[0, target]) if target >= 0 and rows.n_entries else 0.0

    def _rows(self, histories: Sequence[History]) -> Interactions:
        row = np.repeat(np.arange(len(histories)), [len(one) for one in histories])
        item = np.concatenate([one.item for one in histories])
        weight = weights(np.concatenate([one.level for one in histories]), self.first_liked)
        item = item if self.place is None else self.place[item]
        order = np.argsort(row * len(self.items) + item)
        order = order[item[order] >= 0]
        indptr = np.concatenate(([0], np.cumsum(np.bincount(row[order], minlength=len(histories)))))
        return Interactions(indptr, item[order], numbered(len(histories)), self.model._fitted("items_"), weight[order])


def ranking_chooser(chooser: Chooser | None, rank_by: str | None) -> Chooser | None:
    """The machine of choices that ranks a list; None ranks by liking alone.

    Parameters
    ----------
    chooser : Chooser, optional
    rank_by : {"joint", "liking"}, optional

    Raises
    ------
    SettingError
        There is no such ranking, or no machine of choices for it.
    """
    if rank_by is not None:
        check_choice("rank_by", rank_by, RANKINGS)
    if rank_by == "joint" and chooser is None:
        raise SettingError("rank_by: 'joint' needs a machine of choices, which this recommender has none of")
    return None if rank_by == "liking" else chooser


def weights(level: npt.NDArray[np.integer], first_liked: int) -> npt.NDArray[np.float32]:
    """What entries of a history count: 1, or `NOT_LIKED` where they were rated below liking.

    Parameters
    ----------
    level : int array, (n,)
        Level codes; `UNRATED`, only seen, counts 1.
    first_liked : int
    """
    return np.where((level < first_liked) & (level != UNRATED), NOT_LIKED, 1.0).astype(np.float32)


def usual_model(x: Interactions) -> GaussianBoltzmann:
    """The machine of choices where none is given: a closed form with dropout, of a shape that suits the numbers.

    Parameters
    ----------
    x : Interactions

    Notes
    -----
    It never keeps what people chose: its file holds couplings alone.
    """
    shape = "auto" if min(x.n_items, x.n_users) <= MOST_INVERTED else "neighbours"
    return GaussianBoltzmann(ridge=RIDGE, dropout=DROPOUT, shape=shape, n_kept=N_KEPT)


def fit_choices(
    ratings: Ratings | StoredRatings, first_liked: int, model: ChoiceModel | None = None, random_state: int = 0
) -> ChoiceModel | None:
    """Learn what people choose from who rated what, calibrated for people who were kept out of it.

    Parameters
    ----------
    ratings : Ratings or StoredRatings
        Every entry, rated or only seen, is a choice.
    first_liked : int
        Level code of the lowest level that counts as liking.
    model : ChoiceModel, optional
        `usual_model` when not given; fitted in place.
    random_state : int
        Of the draw of the users who are kept out.

    Returns
    -------
    ChoiceModel or None
        None where there are too few users to calibrate on, or ratings are stored, and no model was asked for.

    Raises
    ------
    DataError
        There are too few users for the model that was given, or the ratings are stored: it learns in memory.
    """
    if isinstance(ratings, StoredRatings):
        if model is None:
            return None
        raise DataError(f'{ratings!r}: choices are learned in memory; where it holds them, give cases("users").ratings')
    n = n_validation_users(np.diff(ratings.indptr), VALIDATION_SHARE)
    often = np.bincount(ratings.item, minlength=ratings.n_items) >= FEWEST_USERS
    if not n or not often.any():
        if model is None:
            return None
        raise DataError(f"{ratings!r} has too few users to calibrate {type(model).__name__} on; leave choices out")
    parts = strong_split(ratings, n, rng=random_state)
    everybody, train, asked = (
        part.interactions().restricted(items=often) for part in (ratings, parts.train, parts.held_out)
    )
    known = replace(parts.fold_in.interactions(), weight=weights(parts.fold_in.level, first_liked))
    split = StrongSplit(train, known.restricted(items=often), asked)
    return fit_calibrated(model or usual_model(everybody), everybody, split)
