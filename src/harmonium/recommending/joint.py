"""Ratings and choices together: what someone will pick next, and whether they will like it."""

import os
from collections.abc import Iterable
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.data import Interactions, Ratings, Titles, Vocabulary, strong_split
from harmonium.errors import DataError, HarmoniumError, ModelFileError
from harmonium.estimators.choice import ChoiceModel, packed, unpacked
from harmonium.estimators.choice_file import MODELS
from harmonium.estimators.gaussian_boltzmann import GaussianBoltzmann
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.recommending import modelfile, ranking
from harmonium.recommending.catalogue import Years
from harmonium.recommending.history import History
from harmonium.recommending.recommender import MOST_ASKED, Entries, Recommender
from harmonium.recommending.results import Recommendation
from harmonium.training.lists import hits, ndcg
from harmonium.training.settings import check_count, check_number

KIND = "joint recommender"
WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # tried: powers of the probability of liking
VALIDATION_SHARE = 0.1
MOST_VALIDATION = 1000  # users: more would not change a choice among a few
PLACES = 100
LEAST = 1e-12  # of a probability under a logarithm
Floats = npt.NDArray[np.floating]


@final
class JointRecommender:
    """A product of two machines on rated data: one of choices, one of ratings.

    Items are ranked by p(chosen next) p(liked | chosen)^weight, the weight chosen on validation users for lists of what
    they chose and liked. At weight 0 it is the machine of choices alone; a large weight ranks like the machine of
    ratings, which knows how much an item is liked but not whether it is looked for.

    Parameters
    ----------
    recommender : Recommender
        Of ratings.
    choices : ChoiceModel
        Calibrated, over the same items.
    weight : float

    Raises
    ------
    DataError
        The two are not over the same items, or the machine of choices is not calibrated.
    """

    def __init__(self, recommender: Recommender, choices: ChoiceModel, weight: float = 1.0):
        if choices._fitted("items_") != recommender.items:
            raise DataError("the machine of choices and that of ratings are over different items; fit them on the same")
        if choices.calibration_ is None:
            raise DataError("the machine of choices is not calibrated; call its calibrate(history, held_out) first")
        check_number("weight", weight, 0.0, 1000.0)
        self.recommender, self.choices, self.weight = recommender, choices, float(weight)

    @classmethod
    def fit(
        cls,
        ratings: Ratings,
        titles: Titles | None = None,
        *,
        model: RatingRBM | None = None,
        choices: ChoiceModel | None = None,
        like: float | None = None,
        random_state: int = 0,
    ) -> "JointRecommender":
        """Learn both machines, and how to weigh them, from ratings.

        Parameters
        ----------
        ratings : Ratings
            Every entry, rated or only seen, is a choice.
        titles : Titles, optional
        model : RatingRBM, optional
        choices : ChoiceModel, optional
            A `GaussianBoltzmann` with its defaults when not given.
        like : float, optional
            As for `Recommender`.
        random_state : int
            Of the draw of validation users, a tenth of them and at most 1,000.

        Notes
        -----
        Validation users are kept out of what both machines learn from, so that calibration and weight are right for
        people nobody has seen.
        """
        n_users = int((np.diff(ratings.indptr) > 1).sum())
        n = max(1, min(MOST_VALIDATION, int(VALIDATION_SHARE * n_users)))
        parts = strong_split(ratings, n, rng=random_state)
        machine = RatingRBM(random_state=random_state) if model is None else model
        recommender = Recommender.fit(parts.train, titles, model=machine, like=like)
        chooser = GaussianBoltzmann() if choices is None else choices
        tested = np.diff(parts.held_out.indptr) > 0
        known, asked = (part.interactions().restricted(users=tested) for part in (parts.fold_in, parts.held_out))
        chooser.fit(parts.train.interactions(), validation=(known, asked)).calibrate(known, asked)
        joint = cls(recommender, chooser)
        joint.weight = joint._best_weight(parts.fold_in, parts.held_out)
        return joint

    def __repr__(self) -> str:
        return f"JointRecommender({self.recommender!r}, {self.choices!r}, weight={self.weight:g})"

    def recommend(
        self,
        history: Entries,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        allow: Iterable[Any] | None = None,
        deny: Iterable[Any] | None = None,
        min_ratings: int = 0,
        genres: Iterable[str] | None = None,
        years: Years | None = None,
    ) -> list[Recommendation]:
        """Rank items by how likely someone is to choose them next and to like them.

        Parameters
        ----------
        history : History, or what `Recommender.history` reads
        n : int
        exclude_seen : bool
        allow, deny : iterable of ids or titles, optional
        min_ratings : int
        genres : iterable of str, optional
        years : (int or None, int or None), optional
            As for `Recommender.recommend`.

        Returns
        -------
        list of Recommendation
            The best first; `score` is p(chosen next) p(liked)^weight.
        """
        check_count("n", n, 1, MOST_ASKED)
        of_ratings = self.recommender
        known = of_ratings.history(history)
        candidates = of_ratings._catalogue.left_by(allow, deny, min_ratings, genres, years)
        if exclude_seen:
            candidates[known.item] = False
        score = self._scores(known)
        chosen = ranking.best(score, of_ratings._model.n_item_ratings, candidates, n)
        fields = of_ratings._predictor.fields(of_ratings._predictor.person(known), chosen)
        places = enumerate(zip(fields, np.exp(score[chosen]).tolist()), start=1)
        return [Recommendation(rank=rank, score=value, **facts) for rank, (facts, value) in places]

    def _scores(self, known: History) -> Floats:
        return self._log_chosen(known) + self.weight * self._log_liked(known)

    def _log_chosen(self, known: History) -> Floats:
        history = Interactions.from_arrays(
            np.zeros(len(known), np.int64), known.item, Vocabulary([0]), self.recommender.items
        )
        return np.log(np.maximum(self.choices.probabilities(history)[0], LEAST))

    def _log_liked(self, known: History) -> Floats:
        of_ratings = self.recommender
        liking = of_ratings._liking.probability(of_ratings._predictor.person(known))
        drawn = ranking.shrunk(liking, of_ratings._trust, of_ratings._usual)
        return np.log(np.maximum(drawn, LEAST))

    def _best_weight(self, fold_in: Ratings, held_out: Ratings) -> float:
        """The weight whose lists hold most of what validation users chose besides and liked."""
        wanted = held_out.interactions(at_least=self.recommender.like)
        users = np.flatnonzero(np.diff(wanted.indptr))
        if not len(users):
            return 1.0
        lists = np.full((len(WEIGHTS), len(users), PLACES), -1)
        popular = self.recommender._model.n_item_ratings
        for row, user in enumerate(users):
            item, level = fold_in.history(int(user))
            known = History(item.astype(np.int64), level.copy(), self.recommender.items)
            chosen, liked = self._log_chosen(known), self._log_liked(known)
            candidates = np.ones(len(popular), bool)
            candidates[item] = False
            for k, weight in enumerate(WEIGHTS):
                best = ranking.best(chosen + weight * liked, popular, candidates, PLACES)
                lists[k, row, : len(best)] = best
        asked = wanted.restricted(users=np.diff(wanted.indptr) > 0)
        n_held = np.diff(asked.indptr)
        gained = [ndcg(hits(one, asked), n_held, PLACES).mean() for one in lists]
        return WEIGHTS[int(np.argmax(gained))]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file that holds all of it; it appears whole or not at all.

        Parameters
        ----------
        path : path
        """
        one = self.recommender
        parts = modelfile.Parts(one.machine, one.items, one.scale, one.titles, one.like, one.record)
        header, arrays = modelfile.packed(parts)
        of_choices, more = packed(self.choices)
        whole = {"ratings": header, "choices": of_choices, "class": type(self.choices).__name__, "weight": self.weight}
        storage.write(path, KIND, whole, storage.prefixed("ratings.", arrays) | storage.prefixed("choices.", more))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "JointRecommender":
        """Read what `save` wrote.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            There is no such file, it is damaged, holds something else, or is of a later version.
        """
        header, arrays = storage.read(path, KIND)
        try:
            recommender = Recommender(*modelfile.unpacked(header["ratings"], storage.under("ratings.", arrays)))
            of_choices = storage.under("choices.", arrays)
            choices = unpacked(MODELS[header["class"]](), header["choices"], of_choices)
            return cls(recommender, choices, header["weight"])
        except (HarmoniumError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path}: is incomplete or damaged ({error})") from error
