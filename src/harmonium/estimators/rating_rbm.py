"""The rating machine as an estimator."""

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.data import Ratings
from harmonium.data.sketch import PairSketch
from harmonium.data.stored import StoredRatings
from harmonium.errors import DataError, SettingError
from harmonium.estimators.base import Estimator, Watch
from harmonium.events import Event
from harmonium.kernels.devices import device as chosen
from harmonium.models import level_rbm, rating_model
from harmonium.models.rating_model import Person, RatingModel
from harmonium.training.engine import HERE, Engine
from harmonium.training.fitting import MACHINES, Fit, Plan
from harmonium.training.settings import SETTING_NAMES, Learning, check_choice, check_count, check_share
from harmonium.units.levels import level_features

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
MOST_HIDDEN = 65_536
MOST_MACHINES = 64


@final
class RatingRBM(Estimator):
    """Restricted Boltzmann machine of ratings: softmax visible units over the levels of a rating.

    Missing ratings are left out, not filled in. The model works on the indices of a `Ratings`; `Recommender` puts
    ids and titles around it. Predictions are functions of a *history*, so a new user needs no retraining, and a
    rating that is to be predicted cannot leak in.

    Parameters
    ----------
    n_hidden : int
        Hidden units of each machine.
    n_machines : int
        Machines of each kind, learnt from different seeds and averaged; with `refit` those that chose the number of
        epochs are averaged with those that learnt from all ratings, so that there are twice as many.
    cases : str
        What a training case is: "users", "items", or "both" (machines of both kinds and their calibrated mean).
    features : str or array-like, (n_levels, n_features)
        How levels share weights: "linear" is (1, x); "identity" is Salakhutdinov, Mnih & Hinton 2007; see
        `harmonium.units.levels.level_features`.
    method : str
        "multi-prediction", "cd" or "pcd"; this and the settings from here to `patience` are `Learning`'s.
    n_steps : int or sequence of int
        Steps of CD or PCD; a sequence grows during training.
    sample : bool
        Whether CD draws its fantasies instead of taking mean-field ones.
    keep, hidden_dropout : float
    n_epochs, batch_size : int
    optimizer : str
        "adagrad", "adam" or "momentum".
    learning_rate, bias_rate : float
    schedule : str
        "constant", "linear" or "cosine".
    weight_decay, momentum, beta2 : float
    averaging : float
        How closely the model follows the last epochs' parameters.
    patience : int
        Epochs without improvement before stopping; 0 never stops early.
    validation_fraction : float
        Share of the training ratings that choose the epoch and calibrate the probabilities; 0 does neither.
    refit : bool
        Whether to learn again from all ratings for the chosen number of epochs.
    fold_in_penalty, fold_in_bias_penalty : float
        Regularisation of a new person's unit in the items machine, towards the mean weights and usual biases.
    random_state : int
        The same seed gives the same model, whatever the number of threads.
    device : str
        What learning runs on: "cpu", "cuda", "cuda:1", ..., or "auto", a GPU where there is one. Models are the same.

    Attributes
    ----------
    model_ : RatingModel
        The fitted record.
    history_ : list of Event
        What happened during the last fit.
    learned_from_ : PairSketch
        Which (user, item) pairs the model learned from, so that an evaluation can refuse them.

    Examples
    --------
    >>> from harmonium.data import load, random_split
    >>> train, test = random_split(load("movielens-small").ratings, 0.1, rng=0)
    >>> machine = RatingRBM(n_hidden=16, cases="users", n_epochs=2).fit(train)
    >>> machine.predict(train, test).shape
    (10083,)
    """

    def __init__(
        self,
        n_hidden: int = 512,
        *,
        n_machines: int = 1,
        cases: str = "both",
        features: str | npt.ArrayLike = "linear",
        method: str = Learning.method,
        n_steps: int | Sequence[int] = Learning.n_steps,
        sample: bool = Learning.sample,
        keep: float = Learning.keep,
        hidden_dropout: float = Learning.hidden_dropout,
        n_epochs: int = Learning.n_epochs,
        batch_size: int = Learning.batch_size,
        optimizer: str = Learning.optimizer,
        learning_rate: float = Learning.learning_rate,
        bias_rate: float = Learning.bias_rate,
        schedule: str = Learning.schedule,
        weight_decay: float = Learning.weight_decay,
        momentum: float = Learning.momentum,
        beta2: float = Learning.beta2,
        averaging: float = Learning.averaging,
        patience: int = Learning.patience,
        validation_fraction: float = 0.05,
        refit: bool = False,
        fold_in_penalty: float = 4.0,
        fold_in_bias_penalty: float = 1.0,
        random_state: int = 0,
        device: str = "cpu",
    ):
        self.n_hidden = n_hidden
        self.n_machines = n_machines
        self.cases = cases
        self.features = features
        self.method = method
        self.n_steps = n_steps
        self.sample = sample
        self.keep = keep
        self.hidden_dropout = hidden_dropout
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.bias_rate = bias_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.beta2 = beta2
        self.averaging = averaging
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.fold_in_penalty = fold_in_penalty
        self.fold_in_bias_penalty = fold_in_bias_penalty
        self.random_state = random_state
        self.device = device
        self.model_: RatingModel | None = None
        self.learned_from_: PairSketch | None = None
        self.history_: list[Event] = []

    def fit(
        self,
        ratings: Ratings | StoredRatings,
        y: None = None,
        *,
        validation: Ratings | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watch: Watch = (),
        engine: Engine = HERE,
    ) -> "RatingRBM":
        """Learn from ratings. Ctrl-C ends it with the best model so far.

        Parameters
        ----------
        ratings : Ratings or StoredRatings
        y : None
            Part of scikit-learn's contract.
        validation : Ratings, optional
            Validation ratings over the same vocabularies, instead of cutting some from `ratings`.
        checkpoint : path, optional
            File to write from time to time.
        resume : bool
            Go on from the checkpoint, bit for bit, when the file exists.
        watch : callable or callables
            Called with every event.
        engine : Engine
            Where to learn: in this process, or on a `harmonium.distributed.Cluster`.

        Returns
        -------
        RatingRBM
            Itself.

        Raises
        ------
        SettingError, DataError
            A setting is out of range; there are no ratings.
        DivergenceError
            Learning diverged before any epoch ended well.
        ModelFileError
            The checkpoint belongs to another fit.
        """
        run = self.fitting(ratings, validation=validation, checkpoint=checkpoint, resume=resume, engine=engine)
        return self._watched(run, watch)

    def fitting(
        self,
        ratings: Ratings | StoredRatings,
        *,
        validation: Ratings | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        engine: Engine = HERE,
    ) -> Generator[Event, None, None]:
        """Learn, event by event; whenever it ends, `model_` holds the best model so far.

        Parameters
        ----------
        ratings : Ratings or StoredRatings
        validation : Ratings, optional
        checkpoint : path, optional
        resume : bool
        engine : Engine

        Yields
        ------
        Event

        Raises
        ------
        SettingError, DataError, DivergenceError, ModelFileError
            As `fit`.
        """
        how = {"engine": engine, "device": chosen(self.device)}
        fit = Fit(ratings, self._plan(ratings), self._learning(), validation=validation, **how)
        if resume and checkpoint is not None and os.path.exists(checkpoint):
            fit.resume(checkpoint)
        yield from self._following(fit, checkpoint)

    def _following(self, fit: Fit, checkpoint: str | os.PathLike[str] | None = None) -> Generator[Event, None, None]:
        self.history_ = []
        try:
            for event in fit.events(checkpoint):
                self.history_.append(event)
                yield event
        except KeyboardInterrupt:
            fit.reason = "interrupted"  # it came between two epochs; what was learnt stays
        finally:
            if fit.chosen or fit.final:
                self.model_, self.learned_from_ = fit.model(), PairSketch.of(*fit.read)
        if fit.reason == "interrupted" and not (fit.chosen or fit.final):
            raise KeyboardInterrupt

    def partial_fit(
        self,
        ratings: Ratings,
        y: None = None,
        *,
        n_epochs: int = 5,
        users: npt.ArrayLike | None = None,
        items: npt.ArrayLike | None = None,
    ) -> "RatingRBM":
        """Learn on from the fitted model, with ratings, users and items that have come since.

        Parameters
        ----------
        ratings : Ratings
            All ratings known by now, the new ones included: hidden units are read off whole rows, so rows must be
            whole.
        y : None
            Part of scikit-learn's contract.
        n_epochs : int
            Passes over `ratings`.
        users, items : int arrays, (n_users,) and (n_items,), optional
            Where the users and items of the model stand among those of `ratings`, in their order; not needed where none
            have come.

        Returns
        -------
        RatingRBM
            Itself. Without an earlier fit, this is one.

        Raises
        ------
        SettingError, DataError
            A setting is out of range; users, items or levels of the model are missing.
        """
        if self.model_ is None:
            return self.fit(ratings)
        check_count("n_epochs", n_epochs, 1, 1_000_000)
        place = _places(self.model_, ratings, users, items)
        blends, warm = self.model_.blends, self.model_
        plan = replace(self._plan(ratings), validation_fraction=0.0, n_machines=warm.n_machines)
        learning = replace(self._learning(), n_epochs=n_epochs)
        for _ in self._following(Fit(ratings, plan, learning, warm, place=place, device=chosen(self.device))):
            pass
        self.model_ = rating_model.with_blends(self.model_, blends)
        return self

    def with_items(self, ratings: Ratings, items: npt.ArrayLike) -> "RatingRBM":
        """Return a fitted estimator that knows further items, folded in by some people's ratings; nothing is relearnt.

        Parameters
        ----------
        ratings : Ratings
            Whole histories of people who rated the new items, over all items.
        items : int array, (n_items,)
            Where the items of the model stand among those of `ratings`, in their order.

        Raises
        ------
        DataError
            Items or levels do not fit.
        """
        place = _place("items", items, self.fitted_model.n_items, ratings.n_items)
        grown = RatingRBM(**self.get_params())
        penalties = self.fold_in_penalty, self.fold_in_bias_penalty
        grown.model_ = rating_model.with_items(self.fitted_model, ratings, place, *penalties)
        grown.learned_from_ = self.learned_from_
        return grown

    def only(self, cases: str) -> "RatingRBM":
        """Return a fitted estimator of one of the machines alone, with its own calibration.

        Parameters
        ----------
        cases : str
            "users", "items", or "both" for a copy.

        Raises
        ------
        SettingError
            There is no such machine in this model.
        """
        model = self.fitted_model
        check_choice("cases", cases, tuple(MACHINES) if model.cases == "both" else (model.cases,))
        part = RatingRBM(**self.get_params()).set_params(cases=cases)
        part.model_, part.learned_from_ = rating_model.only(model, cases), self.learned_from_
        return part

    def _learning(self) -> Learning:
        return Learning(**{name: getattr(self, name) for name in SETTING_NAMES})

    def _plan(self, ratings: Ratings | StoredRatings) -> Plan:
        if not isinstance(ratings, Ratings | StoredRatings):
            raise DataError(f"ratings: a {type(ratings).__name__} is not a Ratings; use harmonium.read_ratings")
        if ratings.n_ratings == 0:
            raise DataError("ratings: there are none to learn from")
        check_count("n_hidden", self.n_hidden, 1, MOST_HIDDEN)
        check_count("n_machines", self.n_machines, 1, MOST_MACHINES)
        check_choice("cases", self.cases, tuple(MACHINES))
        check_share("validation_fraction", self.validation_fraction, 0.0, 0.9)
        check_share("fold_in_penalty", self.fold_in_penalty, 0.0, 1e3)
        check_share("fold_in_bias_penalty", self.fold_in_bias_penalty, 0.0, 1e6)
        check_count("random_state", self.random_state, 0, 2**63 - 1)
        return Plan(
            cases=self.cases,
            n_machines=int(self.n_machines),
            n_hidden=int(self.n_hidden),
            phi=level_features(self.features, ratings.scale.x),
            validation_fraction=self.validation_fraction,
            refit=self.refit,
            weight_penalty=self.fold_in_penalty,
            bias_penalty=self.fold_in_bias_penalty,
            seed=int(self.random_state),
        )

    def predict_proba(self, history: Ratings, where: Ratings) -> Floats:
        """Probability of each level at (user, item) pairs, each user known by their history alone.

        Parameters
        ----------
        history : Ratings
            One row a person, known to the model or not; columns as in training.
        where : Ratings
            The pairs to predict, rows as in `history`; the levels in it are not read.

        Returns
        -------
        float32 array, (n_pairs, n_levels)
        """
        return rating_model.probabilities(self.fitted_model, history, where)

    def predict(self, history: Ratings, where: Ratings) -> npt.NDArray[np.float64]:
        """Expected rating at (user, item) pairs, in the ratings' own unit.

        Parameters
        ----------
        history, where : Ratings
            As for `predict_proba`.

        Returns
        -------
        float64 array, (n_pairs,)
        """
        return self.predict_proba(history, where) @ self.fitted_model.values

    def probability_of_at_least(self, level: float, history: Ratings, where: Ratings) -> Floats:
        """Probability that the rating is a given one or higher: (n_pairs,).

        Parameters
        ----------
        level : float
            A rating.
        history, where : Ratings
            As for `predict_proba`.
        """
        enough = self.fitted_model.values >= level
        return self.predict_proba(history, where)[:, enough].sum(axis=1)

    def person(self, item: Ints, level: npt.NDArray[np.uint8]) -> Person:
        """Fold in someone by their history, ready for any number of predictions.

        Parameters
        ----------
        item : int array, (n,)
            Item indices, each once.
        level : uint8 array, (n,)
            Level codes, or UNRATED.
        """
        return rating_model.person(self.fitted_model, np.asarray(item), np.asarray(level, np.uint8))

    def person_probabilities(self, who: Person, item: Ints | None = None) -> Floats:
        """Probability of each level that a person would give items: (n, n_levels).

        Parameters
        ----------
        who : Person
        item : int array, (n,), optional
            All items when None.
        """
        return rating_model.person_probabilities(self.fitted_model, who, item)

    def transform(self, history: Ratings) -> Floats:
        """Hidden means of users, P(h = 1 | history), in the users machine: (n_users, n_hidden).

        Parameters
        ----------
        history : Ratings
        """
        return level_rbm.hidden_mean(self.users_machine, history)

    def free_energy(self, history: Ratings) -> npt.NDArray[np.float64]:
        """Free energy of users in the users machine, in nats; lower is more probable: (n_users,).

        Parameters
        ----------
        history : Ratings
        """
        return level_rbm.free_energy(self.users_machine, history)

    def energy(self, history: Ratings, h: Floats) -> npt.NDArray[np.float64]:
        """Joint energy of users and hidden states in the users machine, in nats: (n_users,).

        Parameters
        ----------
        history : Ratings
        h : floats, (n_users, n_hidden)
        """
        return level_rbm.energy(self.users_machine, history, h)

    @property
    def fitted_model(self) -> RatingModel:
        """The fitted record; NotFittedError before `fit`."""
        return self._fitted("model_")

    @property
    def users_machine(self) -> level_rbm.LevelRBM:
        """The machine whose cases are users; SettingError where there is none."""
        users = self.fitted_model.users
        if users is None:
            raise SettingError("cases='items' has no machine whose cases are users; fit with cases='users' or 'both'")
        return users


def _places(
    model: RatingModel, ratings: Ratings, users: npt.ArrayLike | None, items: npt.ArrayLike | None
) -> dict[str, Ints]:
    """Where the model's users and items stand among those of the ratings, checked."""
    if ratings.scale.n_levels != len(model.values):
        raise DataError(f"ratings: a scale of {ratings.scale.n_levels} levels, the model has {len(model.values)}")
    n_users = ratings.n_users if model.items is None else model.items.rbm.n_visible
    return {
        "users": _place("users", users, n_users, ratings.n_users),
        "items": _place("items", items, model.n_items, ratings.n_items),
    }


def _place(what: str, place: npt.ArrayLike | None, n: int, n_now: int) -> Ints:
    if place is None and n != n_now:
        raise DataError(
            f"ratings: {n_now:,} {what}, the model was trained on {n:,}; say where its {what} stand among them "
            f"({what}=...), or give all ratings over the vocabularies of fit"
        )
    found = np.arange(n) if place is None else np.asarray(place)
    increasing = found.ndim == 1 and found.dtype.kind in "iu" and bool((np.diff(found) > 0).all())
    if not increasing or len(found) != n or (n and not (found[0] >= 0 and found[-1] < n_now)):
        raise DataError(
            f"{what}: give {n:,} strictly increasing whole numbers below {n_now:,}, one of the model's each"
        )
    return found
