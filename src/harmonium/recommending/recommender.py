"""The recommender: a fitted model with the ids and titles of its items."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import numpy as np

from harmonium.data import Ratings, Scale, StoredRatings, Titles, Vocabulary
from harmonium.errors import DataError, HarmoniumError, ModelFileError, NotFittedError, SettingError
from harmonium.estimators.choice import ChoiceModel
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.events import Event
from harmonium.models.rating_model import RatingModel
from harmonium.recommending import explaining, growing, modelfile, ranking, similarity
from harmonium.recommending.catalogue import Catalogue, Years
from harmonium.recommending.choosing import Chooser, fit_choices, ranking_chooser
from harmonium.recommending.history import History, read_history
from harmonium.recommending.liking import LikingTables, default_like, first_liked_level
from harmonium.recommending.predicting import Predictor
from harmonium.recommending.results import Explanation, Prediction, Recommendation, SimilarItem, UnitDescription
from harmonium.training.settings import check_count

Watch = Callable[[Event], Any] | Iterable[Callable[[Event], Any]]
Entries = History | Ratings | Mapping[Any, float | None] | Iterable[tuple[Any, float | None]]
MOST_ASKED = 1_000_000  # places of a list


@final
class Recommender:
    """A fitted model with the ids and titles of its items; safe to use from any number of threads.

    A person is known by their history alone, which is given with every question: nothing is stored or learned.
    Wherever a history is asked for, what `history` reads will do, and wherever an item, its id or title.

    Parameters
    ----------
    model : RatingRBM
        Fitted.
    items : Vocabulary
        What its columns stand for.
    scale : Scale
    titles : Titles, optional
        Of any items; brought to `items`.
    like : float, optional
        Ratings of at least this count as liking. When not given, the lowest level at least three quarters of the way
        from the lowest rating to the highest: 4 of 1 to 5 and of 0.5 to 5.
    record : dict, optional
        How it was trained and evaluated, as plain values; kept in its file.
    choices : ChoiceModel, optional
        What people choose, calibrated, over some of the items; lists are ranked by it too. Without it by liking alone.

    Raises
    ------
    NotFittedError, SettingError, DataError
        The model is not fitted; no rating, or every one, is at least `like`; the parts do not fit together.

    Examples
    --------
    >>> from harmonium.data import load
    >>> films = load("movielens-small")
    >>> recommender = Recommender.fit(films.ratings, films.titles, cases="users", n_hidden=16, n_epochs=2)
    >>> recommender.recommend({"Matrix, The (1999)": 5, "alien 1979": 4.5}, n=3)[0].rank
    1
    """

    def __init__(
        self,
        model: RatingRBM,
        items: Vocabulary,
        scale: Scale,
        titles: Titles | None = None,
        like: float | None = None,
        record: dict[str, Any] | None = None,
        choices: ChoiceModel | None = None,
    ):
        if model.model_ is None:
            raise NotFittedError("this RatingRBM is not fitted yet; call fit(ratings) first")
        self._model: RatingModel = model.model_
        if self._model.n_items != len(items) or not np.array_equal(self._model.values, scale.values):
            raise DataError(
                f"the model has {self._model.n_items:,} items of the levels {self._model.values.tolist()}, not "
                f"{len(items):,} of {list(scale.levels)}; give the vocabulary and scale it was fitted on"
            )
        if titles is not None and titles.ids != items:
            titles = titles.aligned_to(items)
        self.machine, self.items, self.scale, self.titles = model, items, scale, titles
        self.record = record
        self.like = default_like(scale) if like is None else like
        first_liked = first_liked_level(scale, self.like)
        self._catalogue = Catalogue(items, titles, self._model.n_item_ratings)
        self._predictor = Predictor(self._model, self._catalogue, scale, first_liked)
        self._liking = LikingTables.of(self._model, first_liked)
        self._trust = ranking.trust(self._model.n_item_ratings)
        counts = self._model.level_counts
        self._usual = float(counts[first_liked:].sum() / counts.sum())
        self.choices = choices
        self._chooser = choices and Chooser.of(choices, items, first_liked, self._model.n_item_ratings)

    @classmethod
    def fit(
        cls,
        ratings: Ratings | StoredRatings,
        titles: Titles | None = None,
        *,
        model: RatingRBM | None = None,
        like: float | None = None,
        watch: Watch = (),
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        choices: ChoiceModel | bool = True,
        **settings: Any,
    ) -> "Recommender":
        """Learn from ratings.

        Parameters
        ----------
        ratings : Ratings or StoredRatings
        titles : Titles, optional
        model : RatingRBM, optional
            The estimator to fit, instead of settings.
        like : float, optional
            As for the constructor.
        watch : callable or callables
            Called with every event.
        checkpoint : path, optional
        resume : bool
            As for `RatingRBM.fit`.
        choices : ChoiceModel or bool
            The machine of choices to fit beside it, see `choosing.fit_choices`; True takes the usual one, a closed form
            (none where there are fewer than 50 users, or ratings are stored), False none.
        **settings
            Of the `RatingRBM`.

        Returns
        -------
        Recommender

        Raises
        ------
        SettingError
            A setting is unknown or out of range, or there are settings besides a model.
        DataError, DivergenceError, ModelFileError
            As `RatingRBM.fit`.
        """
        if model is not None and settings:
            raise SettingError(f"{', '.join(settings)}: pass a model or its settings, not both")
        machine = RatingRBM().set_params(**settings) if model is None else model
        assert isinstance(machine, RatingRBM)
        machine.fit(ratings, watch=watch, checkpoint=checkpoint, resume=resume)
        found = cls(machine, ratings.items, ratings.scale, titles, like)
        return found if choices is False else found.with_choices(ratings, None if choices is True else choices)

    def __repr__(self) -> str:
        return (
            f"Recommender({len(self.items):,} items, {self._model.level_counts.sum():,} training ratings, "
            f"{self.scale.describe()}, cases={self._model.cases!r})"
        )

    @property
    def n_units(self) -> int:
        """Hidden units of the users machine that `describe_unit` describes; 0 without that machine."""
        return 0 if self._model.users is None else self._model.users.n_hidden

    def history(self, ratings: Entries) -> History:
        """Read what someone rated.

        Parameters
        ----------
        ratings : mapping, iterable of pairs, or Ratings
            Items (ids, or titles as people type them) with their ratings, None for seen but not rated; or the
            `Ratings` of one user.

        Returns
        -------
        History

        Raises
        ------
        UnknownIdError, AmbiguousTitleError
            An item is unknown, or a title fits several.
        DataError
            A rating is not on the scale, or an item is there twice.
        """
        if not isinstance(ratings, History):
            return read_history(ratings, self._catalogue, self.scale)
        if ratings.items is not self.items and ratings.items != self.items:
            raise DataError("this History was read by a recommender of other items; read it again by this one")
        return ratings

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
        rank_by: str | None = None,
    ) -> list[Recommendation]:
        """Rank items for someone by the probability that they choose them next and like them.

        Without a history, the list is that of well-liked items which many rated.

        Parameters
        ----------
        history : History, or what `history` reads
        n : int
            Places of the list; all are filled wherever the filters leave as many items.
        exclude_seen : bool
            Whether to leave out the items of the history.
        allow, deny : iterable of ids or titles, optional
            Only these items; none of these.
        min_ratings : int
            Only items with so many training ratings.
        genres : iterable of str, optional
            Only items of any of these genres.
        years : (int or None, int or None), optional
            Only items of these years, both included; None is an open end.
        rank_by : {"joint", "liking"}, optional
            "joint" needs the machine of choices, and is the rule where there is one; "liking" asks what they would like
            if they chose it.

        Returns
        -------
        list of Recommendation
            The best first.

        Raises
        ------
        SettingError
            `n` or a filter is out of range.
        UnknownIdError, AmbiguousTitleError, DataError
            An item is unknown or a title fits several; the history is wrong.

        Notes
        -----
        By liking, the score is (n_i p_i + k p0) / (n_i + k): p_i the probability of liking the item, n_i its training
        ratings, p0 the share of likes among all training ratings, k = `ranking.PSEUDO_RATINGS`. The joint score is that
        times the probability that the item is among the next choices. Of equal scores the item with more ratings goes
        first, then the smaller id.
        """
        chooser = ranking_chooser(self._chooser, rank_by)
        check_count("n", n, 1, MOST_ASKED)
        known = self.history(history)
        candidates = self._catalogue.left_by(allow, deny, min_ratings, genres, years)
        if exclude_seen:
            candidates[known.item] = False
        who = self._predictor.person(known)
        score, likely = ranking.shrunk(self._liking.probability(who), self._trust, self._usual), None
        if chooser is not None:
            score, likely = (row[0] for row in chooser.joint([known], score[None]))
        chosen = ranking.best(score, self._model.n_item_ratings, candidates, n)
        likely = likely if likely is None else likely[chosen]
        return [Recommendation(**p) for p in ranking.placed(self._predictor.fields(who, chosen), score[chosen], likely)]

    def predict(self, history: Entries, items: Iterable[Any]) -> list[Prediction]:
        """Predict how someone would rate items.

        Parameters
        ----------
        history : History, or what `history` reads
            An item asked about that is in it is predicted with its own rating known.
        items : iterable of ids or titles

        Returns
        -------
        list of Prediction
            In the order asked.

        Raises
        ------
        UnknownIdError, AmbiguousTitleError, DataError
            As `history`.
        """
        who = self._predictor.person(self.history(history))
        return [Prediction(**fields) for fields in self._predictor.fields(who, self._catalogue.indices(items))]

    def similar_items(self, item: Any, n: int = 10) -> list[SimilarItem]:
        """List the items most like an item.

        Parameters
        ----------
        item : id or title
        n : int

        Returns
        -------
        list of SimilarItem
            The most similar first, the item itself left out.

        Raises
        ------
        SettingError, UnknownIdError, AmbiguousTitleError
            `n` is out of range; the item is unknown, or a title fits several.

        Notes
        -----
        The cosine is that of `similarity.cosines`; the score, as `recommend`'s, draws it towards 0 where few rated.
        """
        check_count("n", n, 1, MOST_ASKED)
        asked = self._catalogue.index(item)
        cosine = similarity.cosines(self._model, asked)
        score = ranking.shrunk(cosine, self._trust, 0.0)
        others = np.arange(len(self.items)) != asked
        chosen = ranking.best(score, self._model.n_item_ratings, others, n).tolist()
        return [
            SimilarItem(rank=rank, similarity=float(cosine[k]), score=float(score[k]), **self._catalogue.facts(k))
            for rank, k in enumerate(chosen, start=1)
        ]

    def explain(self, history: Entries, item: Any, n: int = 10) -> Explanation:
        """Say which ratings of the history speak for or against an item, and how strongly.

        Parameters
        ----------
        history : History, or what `history` reads
        item : id or title
        n : int
            Reasons and hidden units to list, at most.

        Returns
        -------
        Explanation

        Raises
        ------
        SettingError, UnknownIdError, AmbiguousTitleError, DataError
            As `recommend`.

        Notes
        -----
        Exact: the person is folded in once for every rating left out. Parts of the choice score add up to it in a
        closed form.
        """
        check_count("n", n, 1, MOST_ASKED)
        known, target = self.history(history), self._catalogue.index(item)
        who, nobody = self._predictor.person(known), self._predictor.person(History.nothing(self.items))
        prediction = self._predictor.prediction(who, target)
        choice = self._chooser and self._chooser.explained(known, target)
        score, reasons = explaining.scored(
            self._predictor.reasons(known, target, who), prediction.probability_of_liking,
            lambda liking: ranking.shrunk(liking, self._trust[target], self._usual), choice,
        )  # fmt: skip
        return Explanation(
            item=prediction,
            baseline=self._predictor.prediction(nobody, target),
            reasons=reasons[:n],
            score=score,
            probability_of_choice=choice and float(choice.probability[0]),
            choice_score=choice and choice.score,
            units=explaining.strongest(self._predictor.unit_parts(target, who, nobody), n),
            method=explaining.METHOD + (explaining.CHOICE_METHOD if choice else ""),
        )

    def describe_unit(self, j: int, n: int = 8) -> UnitDescription:
        """Say what a hidden unit of the users machine stands for: the items whose liking turns it on, and off.

        Parameters
        ----------
        j : int
            From 0 to `n_units` - 1.
        n : int
            Items at each end, at most.

        Returns
        -------
        UnitDescription

        Raises
        ------
        SettingError
            There is no such unit, or `n` is out of range.
        """
        users = self._model.users
        if users is None:
            raise SettingError("cases='items' has no machine whose cases are users; fit with cases='users' or 'both'")
        check_count("unit", j, 0, users.n_hidden - 1)
        check_count("n", n, 1, MOST_ASKED)
        weight = explaining.tilts(users, self._predictor.first_liked, unit=j)
        return explaining.described(self._catalogue, int(j), weight, users.c[j], self._trust, n)

    def free_energy(self, history: Entries) -> float:
        """Free energy of a history in the users machine, in nats; lower is more probable.

        Only differences between histories of the same items mean something.

        Parameters
        ----------
        history : History, or what `history` reads

        Raises
        ------
        SettingError
            There is no users machine.
        """
        return float(self.machine.free_energy(self._predictor.rows([self.history(history)]))[0])

    def energy(self, history: Entries) -> dict[str, Any]:
        """Weigh a history: its free energy, what each rating adds to it, and the hidden units it turns on.

        Parameters
        ----------
        history : History, or what `history` reads

        Returns
        -------
        dict
            free_energy and free_energy_per_rating (0 without ratings), in nats; n_rated; ratings, a list of item_id,
            title, rating and free_energy (the whole less that without the rating); hidden, a list of means (n_hidden,).

        Raises
        ------
        SettingError
            There is no users machine.
        """
        return self._predictor.energy(self.machine, self.history(history))

    def with_choices(self, ratings: Ratings | StoredRatings, model: ChoiceModel | None = None) -> "Recommender":
        """Return a recommender that ranks by what people choose too, learned from who rated what.

        Parameters
        ----------
        ratings : Ratings or StoredRatings
            Over the same items.
        model : ChoiceModel, optional
            As for `choosing.fit_choices`.
        """
        choices = fit_choices(ratings, self._predictor.first_liked, model)
        return Recommender(self.machine, self.items, self.scale, self.titles, self.like, self.record, choices)

    def with_items(self, ratings: Ratings, titles: Titles | None = None) -> "Recommender":
        """Return a recommender that also knows the items of some ratings that it did not; nothing is relearnt.

        Parameters
        ----------
        ratings : Ratings
            Whole histories of people, known to the model or not, who rated the new items.
        titles : Titles, optional
            Of any items, the new ones among them.

        Raises
        ------
        DataError
            There are no new items, the ids are of another kind, or the scale is another.
        """
        return Recommender(
            *growing.with_items(self.machine, self.items, self.scale, ratings, self.titles, titles), self.like,
            choices=self.choices,
        )  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file that holds all of it; it appears whole or not at all.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            The folder cannot be written to.
        """
        parts = self.machine, self.items, self.scale, self.titles, self.like, self.record, self.choices
        modelfile.write(path, modelfile.Parts(*parts))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Recommender":
        """Read what `save` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        Recommender
            Its answers are bit for bit those of the one that was saved.

        Raises
        ------
        ModelFileError
            There is no such file, it is damaged, holds something else, or is of a later version.
        """
        parts = modelfile.read(path)
        try:
            return cls(*parts)
        except HarmoniumError as error:
            raise ModelFileError(f"{path}: its parts do not fit together ({error})") from error
