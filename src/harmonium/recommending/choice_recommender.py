"""The recommender of choices: a fitted model with the ids and titles of its items."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium._version import __version__
from harmonium.data import Interactions, Titles, Vocabulary
from harmonium.errors import DataError, HarmoniumError, ModelFileError, SettingError
from harmonium.estimators import choice_file
from harmonium.estimators.choice import ChoiceModel, Watch
from harmonium.estimators.gaussian_boltzmann import GaussianBoltzmann
from harmonium.estimators.histories import Validation
from harmonium.estimators.multinomial_rbm import MultinomialRBM, SemiRestricted
from harmonium.events import Ended
from harmonium.models.multinomial_rbm import MultinomialMachine
from harmonium.recommending import explaining, ranking
from harmonium.recommending.catalogue import Catalogue, Years
from harmonium.recommending.results import UnitDescription
from harmonium.recommending.validated import fit_calibrated, split_users
from harmonium.training.settings import check_choice, check_count, check_share

KIND = "choice recommender"
UNKNOWN_RULES = ("error", "drop")
MOST_ASKED = 1_000_000  # places of a list
Chosen = Mapping[Any, float] | Iterable[Any] | Interactions


@final
@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One place of a ranked list of choices.

    Parameters
    ----------
    rank : int
        From 1.
    item_id : int or str
    title : str
        The id where there are no titles.
    year : int or None
    genres : tuple of str
    n_users : int
        People of the training data who chose the item.
    score : float
        What the list is ranked by; only differences within one list mean something.
    probability : float or None
        That the item is among the next choices, where the model is calibrated.
    """

    rank: int
    item_id: int | str
    title: str
    year: int | None
    genres: tuple[str, ...]
    n_users: int
    score: float
    probability: float | None


@final
@dataclass(frozen=True, kw_only=True)
class ChoiceReason:
    """What one choice of the history does to the score of an item.

    Parameters
    ----------
    item_id : int or str
    title : str
    contribution : float
        Score with this choice, less that without it.
    """

    item_id: int | str
    title: str
    contribution: float


@final
@dataclass(frozen=True, kw_only=True)
class SimilarChoice:
    """An item that another speaks for.

    Parameters
    ----------
    rank : int
        From 1.
    item_id : int or str
    title : str
    year : int or None
    genres : tuple of str
    n_users : int
    score : float
        What the list is ranked by; only differences within one list mean something.
    """

    rank: int
    item_id: int | str
    title: str
    year: int | None
    genres: tuple[str, ...]
    n_users: int
    score: float


@final
class ChoiceRecommender:
    """A fitted model of choices with the ids and titles of its items; safe to use from any number of threads.

    A person is known by their history alone, which is given with every question: items they chose, by id or title, or a
    mapping of these to weights above 0. An item named twice counts with the sum of its weights.

    Parameters
    ----------
    model : ChoiceModel
        Fitted.
    titles : Titles, optional
        Of any items; brought to the model's.
    record : dict, optional
        How it was learned and evaluated, as plain values; kept in its file.

    Examples
    --------
    >>> from harmonium.data import load
    >>> films = load("movielens-small")
    >>> recommender = ChoiceRecommender.fit(films.ratings.interactions(at_least=4), films.titles)
    >>> recommender.recommend(["Matrix, The (1999)", "alien 1979"], n=2)[0].title
    'Aliens (1986)'
    """

    def __init__(self, model: ChoiceModel, titles: Titles | None = None, record: dict[str, Any] | None = None):
        items = model._fitted("items_")
        if titles is not None and titles.ids != items:
            titles = titles.aligned_to(items)
        self.model, self.items, self.titles, self.record = model, items, titles, record
        self._popularity: npt.NDArray[np.int64] = model._fitted("popularity_")
        self._catalogue = Catalogue(items, titles, self._popularity)

    @classmethod
    def fit(
        cls,
        interactions: Interactions,
        titles: Titles | None = None,
        *,
        model: ChoiceModel | None = None,
        validation: Validation | float | None = None,
        random_state: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watch: Watch = (),
    ) -> "ChoiceRecommender":
        """Learn from choices. Ctrl-C ends it with the best model so far, which may not be calibrated.

        Parameters
        ----------
        interactions : Interactions
        titles : Titles, optional
        model : ChoiceModel, optional
            A `GaussianBoltzmann` with its defaults when not given.
        validation : (Interactions, Interactions) or float, optional
            What is known of people who are not learned from, and what they chose besides, see `ChoiceModel.fit`; or a
            share of the users, to be kept out for that (at most 1,000; a closed form learns again from all of them).
            The model is calibrated on them. None, or 0, does not calibrate.
        random_state : int
            Of the draw of those users.
        checkpoint : path, optional
            File to write from time to time, by a model that learns in epochs; see `ChoiceModel.fit`.
        resume : bool
            Go on from the checkpoint, bit for bit, when the file exists.
        watch : callable or callables
            Called with every event.

        Raises
        ------
        DataError
            There is nothing to learn from, or there are too few users to calibrate on.
        """
        machine = GaussianBoltzmann() if model is None else model
        how: dict[str, Any] = {} if checkpoint is None else {"checkpoint": checkpoint, "resume": resume}
        how["watch"] = watchers = [watch] if callable(watch) else list(watch)
        machine.calibration_ = None
        try:
            _fit(machine, interactions, validation, random_state, how)
        except KeyboardInterrupt:  # it came after learning, or while a closed form was learned again
            if machine.calibration_ is None and not machine._has_model():
                raise
            for look in watchers:
                look(Ended("choices", "final", "interrupted", 0, 0))
        return cls(machine, titles)

    def __repr__(self) -> str:
        calibrated = "" if self.model.calibration_ is None else ", calibrated"
        return f"ChoiceRecommender({self.model!r}, {len(self.items):,} items{calibrated})"

    def history(self, chosen: Chosen, unknown: str = "error") -> Interactions:
        """Read what someone chose.

        Parameters
        ----------
        chosen : iterable of ids or titles, mapping of them to weights, or Interactions of one user
        unknown : {"error", "drop"}
            What becomes of an item the model does not know.

        Returns
        -------
        Interactions
            Of one row.

        Raises
        ------
        UnknownIdError, AmbiguousTitleError
            An item is unknown, or a title fits several.
        DataError
            A weight is not above 0, or this is no history.
        """
        check_choice("unknown", unknown, UNKNOWN_RULES)
        if isinstance(chosen, Interactions):
            if (np.diff(chosen.indptr) > 0).sum() > 1:
                raise DataError(f"a history is of one person; these interactions are of {chosen.n_users:,}")
            return _one_row(chosen.item, chosen.weights(), chosen.items).brought_to(self.items)
        if isinstance(chosen, str | bytes) or not isinstance(chosen, Iterable):
            raise DataError(f"a history is a list of items, or a mapping of items to weights, not {chosen!r}")
        pairs = list(chosen.items()) if isinstance(chosen, Mapping) else [(raw, 1.0) for raw in chosen]
        for raw, weight in pairs:
            if not isinstance(weight, Real) or isinstance(weight, bool) or not weight > 0 or weight == np.inf:
                raise DataError(f"{raw!r}: the weight {weight!r} is not a number above 0")
        if unknown == "drop":
            pairs = [(raw, weight) for raw, weight in pairs if self._knows(raw)]
        item = np.array([self._catalogue.index(raw) for raw, _ in pairs], dtype=np.int64)
        return _one_row(item, np.array([weight for _, weight in pairs], np.float64), self.items)

    def recommend(
        self,
        history: Chosen,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        allow: Iterable[Any] | None = None,
        deny: Iterable[Any] | None = None,
        genres: Iterable[str] | None = None,
        years: Years | None = None,
        unknown: str = "error",
    ) -> list[Suggestion]:
        """Rank what someone is likely to choose next; without a history, what most people chose.

        Parameters
        ----------
        history : what `history` reads
        n : int
            Places of the list; all are filled wherever the filters leave as many items.
        exclude_seen : bool
            Whether to leave out the items of the history.
        allow, deny : iterable of ids or titles, optional
            Only these items; none of these.
        genres : iterable of str, optional
        years : (int or None, int or None), optional
            As for `Recommender.recommend`.
        unknown : {"error", "drop"}

        Returns
        -------
        list of Suggestion
            The best first; of equal scores the more popular goes first, then the smaller id.
        """
        check_count("n", n, 1, MOST_ASKED)
        known = self.history(history, unknown)
        candidates = self._candidates(allow, deny, genres, years)
        if exclude_seen:
            candidates[known.item] = False
        score = self.model.scores(known)[0]
        chosen = ranking.best(score, self._popularity, candidates, n)
        likely = None if self.model.calibration_ is None else self.model.probabilities(known)[0]
        return [self._suggestion(rank, k, score, likely) for rank, k in enumerate(chosen.tolist(), start=1)]

    def explain(self, history: Chosen, item: Any, n: int = 10, *, unknown: str = "error") -> list[ChoiceReason]:
        """Say which choices speak for an item, and how strongly: the largest parts first.

        Parameters
        ----------
        history : what `history` reads
        item : id or title
        n : int
        unknown : {"error", "drop"}

        Notes
        -----
        Exact, see `ChoiceModel.explain`: the parts of a `GaussianBoltzmann` add up to the score.
        """
        check_count("n", n, 1, MOST_ASKED)
        known = self.history(history, unknown)
        parts = self.model.explain(known, self._catalogue.index(item))
        order = np.argsort(-np.abs(parts), kind="stable")[:n].tolist()
        named = ((int(known.item[k]), float(parts[k])) for k in order)
        return [
            ChoiceReason(item_id=self.items[k], title=self._catalogue.title(k), contribution=part) for k, part in named
        ]

    def similar_items(self, item: Any, n: int = 10) -> list[SimilarChoice]:
        """List the items that an item speaks for most.

        Parameters
        ----------
        item : id or title
        n : int

        Returns
        -------
        list of SimilarChoice
            The best first, the item itself left out.

        Notes
        -----
        The score is that of someone who chose this item alone, less that of someone who chose nothing, so that popular
        items are not like everything; drawn towards 0 where few people chose the item.
        """
        check_count("n", n, 1, MOST_ASKED)
        asked = self._catalogue.index(item)
        rows = Interactions(np.array([0, 1, 1]), np.array([asked]), Vocabulary([0, 1]), self.items)
        alone, nothing = self.model._scores(rows)
        score = ranking.shrunk(alone - nothing, ranking.trust(self._popularity), 0.0)
        others = np.arange(len(self.items)) != asked
        chosen = ranking.best(score, self._popularity, others, n).tolist()
        return [SimilarChoice(rank=k, score=float(score[i]), **self._facts(i)) for k, i in enumerate(chosen, start=1)]

    @property
    def n_units(self) -> int:
        """Hidden units that `describe_unit` describes, those of the first machine; 0 for a closed form."""
        machine = self._first_machine()
        return 0 if machine is None else len(machine.c)

    def describe_unit(self, j: int, n: int = 8) -> UnitDescription:
        """Say what a hidden unit stands for: the items whose being chosen turns it on, and off.

        Parameters
        ----------
        j : int
            From 0 to `n_units` - 1.
        n : int
            Items at each end, at most.

        Raises
        ------
        SettingError
            There are no hidden units, or no such one, or `n` is out of range.
        """
        machine = self._first_machine()
        if machine is None:
            raise SettingError("a GaussianBoltzmann has no hidden units; learn a MultinomialRBM or a SemiRestricted")
        check_count("unit", j, 0, len(machine.c) - 1)
        check_count("n", n, 1, MOST_ASKED)
        trusted = ranking.trust(self._popularity)
        return explaining.described(self._catalogue, int(j), machine.W[:, j], machine.c[j], trusted, n)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file that holds all of it; it appears whole or not at all.

        Parameters
        ----------
        path : path
        """
        header, arrays = choice_file.to_parts(self.model)
        arrays = storage.prefixed("machine.", arrays)
        if self.titles is not None:
            arrays |= storage.prefixed("titles.", self.titles.to_arrays())
        whole = {"library": __version__, "machine": header, "has_titles": self.titles is not None}
        storage.write(path, KIND, {**whole, "record": self.record}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "ChoiceRecommender":
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
            machine = choice_file.from_parts(header["machine"], storage.under("machine.", arrays))
            titles = None
            if header["has_titles"]:
                titles = Titles.from_arrays(storage.under("titles.", arrays), machine._fitted("items_"))
            return cls(machine, titles, header["record"])
        except (HarmoniumError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path}: is incomplete or damaged ({error})") from error

    def _knows(self, raw: Any) -> bool:
        try:
            self._catalogue.index(raw)
        except KeyError:
            return False
        return True

    def _candidates(
        self,
        allow: Iterable[Any] | None,
        deny: Iterable[Any] | None,
        genres: Iterable[str] | None,
        years: Years | None,
    ) -> npt.NDArray[np.bool_]:
        """Which items the filters leave, (n_items,)."""
        candidates = np.ones(len(self.items), dtype=bool)
        if allow is not None:
            candidates[:] = False
            candidates[self._catalogue.indices(allow)] = True
        if deny is not None:
            candidates[self._catalogue.indices(deny)] = False
        if genres is not None:
            candidates &= self._catalogue.of_genres(genres)
        return candidates if years is None else candidates & self._catalogue.of_years(years)

    def _suggestion(self, rank: int, k: int, score: npt.NDArray, likely: npt.NDArray | None) -> Suggestion:
        probability = None if likely is None else float(likely[k])
        return Suggestion(rank=rank, score=float(score[k]), probability=probability, **self._facts(k))

    def _facts(self, k: int) -> dict[str, Any]:
        facts = self._catalogue.facts(k)
        facts["n_users"] = facts.pop("n_ratings")
        return facts

    def _first_machine(self) -> MultinomialMachine | None:
        return self.model._fitted("machines_")[0] if isinstance(self.model, MultinomialRBM | SemiRestricted) else None


def _fit(
    machine: ChoiceModel, x: Interactions, validation: Validation | float | None, seed: int, how: dict[str, Any]
) -> None:
    """Learn, and calibrate where there are validation users; `how` is for `ChoiceModel.fit`."""
    if isinstance(validation, tuple):
        machine.fit(x, validation=validation, **how).calibrate(*validation)
    elif validation:
        check_share("validation", validation, 0.0, 1.0)
        parts = split_users(x, validation, seed)
        if parts is None:
            raise DataError(
                f"{x!r} has too few users to keep a share of {validation:g} of them out; "
                "validation=None learns without probabilities"
            )
        fit_calibrated(machine, x, parts, **how)
    else:
        machine.fit(x, **how)


def _one_row(item: npt.NDArray, weight: npt.NDArray, items: Vocabulary) -> Interactions:
    if len(item) and len(weight) != len(item):
        raise SettingError("every item of a history needs one weight")
    return Interactions.from_arrays(np.zeros(len(item), np.int64), item, Vocabulary([0]), items, weight)
