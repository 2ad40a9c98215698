"""The classification RBM as an estimator: labels are visible units beside the features."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.errors import SettingError
from harmonium.estimators import cases, files, labels
from harmonium.estimators.base import Watch
from harmonium.estimators.dense import Cases, DenseEstimator, check_draws, mean_of, seed_of, some_rows
from harmonium.events import Event
from harmonium.likelihood.monitoring import Monitor
from harmonium.models import labelled
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM as Model
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import gibbs
from harmonium.training.dense import state as states
from harmonium.training.dense.records import assembled
from harmonium.training.dense.settings import CHAINS, DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.settings import check_choice, check_count
from harmonium.units import Joined, Layer, Softmax, layer_from, layer_of, levels
from harmonium.units.layer import Floats

SCORE = "validation_log_probability"
LEARNING = (
    "method", "n_steps", "n_chains", "n_epochs", "batch_size", "optimizer", "learning_rate", "schedule", "momentum",
    "beta2", "centring", "offset_rate", "weight_decay", "max_norm", "patience", "discrimination",
)  # fmt: skip


@final
class ClassificationRBM(DenseEstimator):
    """Restricted Boltzmann machine of features and labels, which tells classes by their free energies.

    Parameters
    ----------
    n_hidden : int
    visible : str or Layer
        Kind of the features: "bernoulli", "spin", "gaussian", "relu" or "softmax:N".
    hidden : str or Layer
    discrimination : float
        0 learns the joint law of features and labels (generative), 1 the law of labels given features
        (discriminative, its gradient exact), a number between both in these shares (hybrid).
    method : str
        Where the generative gradient comes from: "cd", "pcd", "fast-pcd", "tempered-pcd", "full-chain" or "exact".
    n_steps, n_chains, n_epochs, batch_size : int
        These and the settings from here to `patience` are `DenseLearning`'s.
    optimizer : str
    learning_rate : float
    schedule : str
    momentum, beta2 : float
    centring : bool
    offset_rate, weight_decay, max_norm : float
    patience : int
    initial_spread : float
        Standard deviation of the initial weights; larger than elsewhere, as near 0 all labels look alike.
    monitor : bool
        Whether free energies, likelihoods and the chains' memory of features and labels together are measured while it
        learns, in 5 % of its time; see `RBM`.
    random_state : int, Generator or None

    Attributes
    ----------
    classes_ : array, (n_classes,)
    model_ : harmonium.models.rbm.RBM
        Its visible layer is the features joined with one softmax unit.
    history_ : list of Event
    n_features_in_ : int

    Notes
    -----
    Larochelle & Bengio, ICML 2008. Probabilities are exact: the cost is one hidden layer a class.

    Examples
    --------
    >>> X = np.repeat([[0, 0, 1], [1, 1, 0]], 50, axis=0)
    >>> machine = ClassificationRBM(n_hidden=4, n_epochs=50).fit(X, np.repeat(["cold", "warm"], 50))
    >>> machine.predict([[1, 1, 0]])
    array(['warm'], dtype='<U4')
    """

    def __init__(
        self,
        n_hidden: int = 256,
        *,
        visible: str | Layer = "bernoulli",
        hidden: str | Layer = "bernoulli",
        discrimination: float = 0.99,
        method: str = DenseLearning.method,
        n_steps: int = DenseLearning.n_steps,
        n_chains: int = DenseLearning.n_chains,
        n_epochs: int = DenseLearning.n_epochs,
        batch_size: int = 20,
        optimizer: str = DenseLearning.optimizer,
        learning_rate: float = 0.1,
        schedule: str = "linear",
        momentum: float = 0.9,
        beta2: float = DenseLearning.beta2,
        centring: bool = DenseLearning.centring,
        offset_rate: float = DenseLearning.offset_rate,
        weight_decay: float = DenseLearning.weight_decay,
        max_norm: float = DenseLearning.max_norm,
        patience: int = DenseLearning.patience,
        initial_spread: float = 0.1,
        monitor: bool = False,
        random_state: Any = 0,
    ):
        self.n_hidden = n_hidden
        self.visible = visible
        self.hidden = hidden
        self.discrimination = discrimination
        self.method = method
        self.n_steps = n_steps
        self.n_chains = n_chains
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.momentum = momentum
        self.beta2 = beta2
        self.centring = centring
        self.offset_rate = offset_rate
        self.weight_decay = weight_decay
        self.max_norm = max_norm
        self.patience = patience
        self.initial_spread = initial_spread
        self.monitor = monitor
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        validation: tuple[Any, Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watch: Watch = (),
    ) -> ClassificationRBM:
        """Learn from rows and their labels. Ctrl-C ends it with the best model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_features)
        y : array-like, (n_cases,)
            Classes: strings or whole numbers.
        validation : pair of X and y, optional
            Rows by whose labels' log-probability the best epoch is chosen.
        checkpoint : path, optional
            File to write from time to time.
        resume : bool
            Go on from the checkpoint, bit for bit, when the file exists.
        watch : callable or callables
            Called with every event.

        Returns
        -------
        ClassificationRBM
            Itself.

        Raises
        ------
        DataError, SettingError
            A value is none of the layer's, by row and column; a label or a setting cannot be used.
        DivergenceError
            Learning diverged before any epoch ended well.
        """
        self._watched(self.fitting(X, y, validation=validation, checkpoint=checkpoint, resume=resume), watch)
        return self

    def fitting(
        self,
        X: Any,
        y: Any,
        *,
        validation: tuple[Any, Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> Generator[Event, None, None]:
        """Learn, event by event; whenever it ends, `model_` holds the best model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_features)
        y : array-like, (n_cases,)
        validation : pair of X and y, optional
        checkpoint : path, optional
        resume : bool

        Yields
        ------
        Event
        """
        learning, table = self._learning(), cases.read(X)
        found = labels.read(y, table.X.shape[0])  # type: ignore[index]
        classes = labels.classes_of(found)
        rows, start = self._begun(table, labels.numbers_of(found, classes), classes, learning)
        told = None if validation is None else self._told(*validation)
        measured = Monitor(some_rows(rows), None, learning.n_steps) if self.monitor else None
        watch: dict[str, Any] = {"monitor": _Both(measured, told) if measured or told else None}
        watch["score"] = SCORE if told else None
        yield from self._learnt(rows, learning, start, **watch, checkpoint=checkpoint, resume=resume)

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, *, n_epochs: int = 1) -> ClassificationRBM:
        """Learn on from the fitted model; chains, moments and offsets go on where they were.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_features)
        y : array-like, (n_cases,)
        classes : array-like, (n_classes,), optional
            All classes there will be; needed at the first call if y lacks any.
        n_epochs : int
            Passes over X.

        Returns
        -------
        ClassificationRBM
            Itself.
        """
        check_count("n_epochs", n_epochs, 1, 10_000_000)
        learning, table = replace(self._learning(), n_epochs=n_epochs), cases.read(X)
        found = labels.read(y, table.X.shape[0])  # type: ignore[index]
        if getattr(self, "model_", None) is None:
            named = labels.classes_of(found if classes is None else np.asarray(classes))
            rows, start = self._begun(table, labels.numbers_of(found, named), named, learning)
            self.history_: list[Event] = []
        else:
            rows = _beside(self._rows(X), labels.numbers_of(found, self.classes_), self.classes_)

            def start() -> State:
                seed = seed_of(self.random_state)
                return states.start(self.fitted_model, learning, seed, mean_of(rows), rows.shape[0])

        self._learnt_on(rows, learning, start)
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable class of each row: (n_cases,).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_features)
        """
        number = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[number]

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Log-probabilities of the classes given rows, exact, in nats: (n_cases, n_classes), as `classes_` orders them.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_features)
        """
        rbm = self.fitted_model
        log_weights = labelled.label_log_weights(rbm, self._rows(X)).astype(np.float64)
        return log_weights - levels.log_partition(log_weights)[:, None]

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities of the classes given rows, exact: (n_cases, n_classes), in the order of `classes_`.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_features)
        """
        return np.exp(self.predict_log_proba(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of rows whose class is predicted.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_features)
        y : array-like, (n_cases,)
        sample_weight : array-like, (n_cases,), optional
        """
        predicted = self.predict(X)
        right = predicted == labels.read(y, len(predicted))
        return float(np.average(right, weights=None if sample_weight is None else np.asarray(sample_weight)))

    def transform(self, X: Any) -> Floats:
        """Means of the hidden units given rows whose labels are not known: (n_cases, n_hidden).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_features)
        """
        return labelled.hidden_mean(self.fitted_model, self._rows(X))

    def free_energy(self, X: Any) -> Floats:
        """Free energy of rows, labels summed out, in nats; lower is more probable: (n_cases,).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_features)
        """
        return labelled.free_energy(self.fitted_model, self._rows(X))

    def sample(self, y: Any, *, n_steps: int = 1_000, rng: Seed = None) -> Floats:
        """Draw rows of given classes from chains of their own: (n, n_features).

        Parameters
        ----------
        y : array-like, (n,)
            Their classes; generative or hybrid learning is needed for them to look like the data.
        n_steps : int
        rng : seed
        """
        rbm, key = self.fitted_model, int(key_from(rng))
        found = labels.read(y, len(np.atleast_1d(y)))
        check_draws(len(found), n_steps)
        label = labelled.one_hot(labels.numbers_of(found, self.classes_), len(self.classes_)).astype(rbm.W.dtype)
        n = labelled.features(rbm).width
        v = gibbs.init(rbm, len(label), key_of(key, 0)).v
        v[:, n:] = label
        held = np.arange(rbm.n_visible) >= n
        chains = gibbs.init(rbm, rng=key_of(key, 1), v=v, held_v=held)
        return gibbs.step(rbm, chains, key_of(key, 2), n_steps)[0].v[:, :n]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted machine to a file, whole or not at all.

        Parameters
        ----------
        path : path
        """
        rbm, classes = self.fitted_model, self.classes_
        settings = {"visible": labelled.features(rbm), "hidden": rbm.hidden}
        kind = {"classes": classes.tolist(), "class_type": classes.dtype.str}
        files.save(self, path, rbms.arrays(rbm), settings, **kind)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClassificationRBM:
        """Read a machine that `save` wrote; learning on from it begins new chains.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            There is no such file, it is damaged, or holds something else.
        """

        def build(settings: dict[str, Any], header: Any, arrays: dict[str, npt.NDArray]) -> ClassificationRBM:
            settings |= {side: layer_from(settings[side]) for side in ("visible", "hidden")}
            out = cls(**settings)
            out.classes_ = np.array(header["classes"], header["class_type"])
            visible = Joined([settings["visible"], Softmax(1, len(out.classes_))])
            out.model_ = assembled(visible, settings["hidden"], arrays)
            out.n_features_in_ = settings["visible"].width
            return out

        return files.load(path, cls.__name__, build)

    def _learning(self) -> DenseLearning:
        check_choice("method", self.method, (*CHAINS, "exact"))
        learning = DenseLearning(**{name: getattr(self, name) for name in LEARNING})
        return replace(learning, method="discriminative") if self.discrimination == 1 else learning

    def _begun(
        self, table: cases.Table, label: npt.NDArray[np.int64], classes: labels.Classes, learning: DenseLearning
    ) -> tuple[Cases, Callable[[], State]]:
        """Features beside labels, and what makes the state before the first update; `model_` is its machine."""
        check_count("n_hidden", self.n_hidden, 1, 2**31 - 1)
        features = layer_of(self.visible, table.X.shape[1])  # type: ignore[index]
        if features.kind == "multinomial":
            raise SettingError("visible: counts of a multinomial layer cannot stand beside labels; take another kind")
        cases.check(table.X, features)
        self._before = getattr(self, "model_", None)
        self._begin(table)
        self.classes_, seed = classes, seed_of(self.random_state)
        share = np.bincount(label, minlength=len(classes)) / len(label)
        mean = np.concatenate((mean_of(table.X), share))
        visible, hidden = Joined([features, Softmax(1, len(classes))]), layer_of(self.hidden, int(self.n_hidden))
        self.model_ = begun = rbms.initial(visible, hidden, seed, mean, self.initial_spread)
        return _beside(table.X, label, classes), lambda: states.start(begun, learning, seed, mean, len(label))

    def _told(self, X: Any, y: Any) -> Callable[[Model, State], Mapping[str, float]]:
        """What reports how well labels of held-out rows are told."""
        rows = self._rows(X)
        label = labels.numbers_of(labels.read(y, rows.shape[0], "validation"), self.classes_, "validation")

        def told(rbm: Model, state: State) -> dict[str, float]:
            p = labelled.label_probabilities(rbm, rows).astype(np.float64)
            own = np.maximum(p[np.arange(len(label)), label], np.finfo(np.float64).tiny)
            return {SCORE: float(np.log(own).mean()), "validation_accuracy": float((p.argmax(axis=1) == label).mean())}

        return told

    def _input_layer(self) -> Layer:
        return labelled.features(self.fitted_model)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        tags.target_tags.required = True
        return tags


@final
@dataclass
class _Both:
    """A monitor: what is measured of the machine, and how well it tells labels.

    Parameters
    ----------
    measured : Monitor, optional
    told : callable, optional
    """

    measured: Monitor | None
    told: Callable[[Model, State], Mapping[str, float]] | None

    @property
    def warning(self) -> str:
        """The measuring one's."""
        return self.measured.warning if self.measured else ""

    def __call__(self, rbm: Model, state: State) -> dict[str, float]:
        """Numbers of both, by name.

        Parameters
        ----------
        rbm : RBM
        state : State
        """
        found = self.measured(rbm, state) if self.measured else {}
        return {**found, **(self.told(rbm, state) if self.told else {})}


def _beside(X: Cases, label: npt.NDArray[np.int64], classes: labels.Classes) -> Cases:
    """Features and the labels' columns."""
    columns = labelled.one_hot(label, len(classes))
    if sparse.issparse(X):
        return sparse.csr_array(sparse.hstack((X, sparse.csr_array(columns)), format="csr"))
    return np.hstack((X, columns))
