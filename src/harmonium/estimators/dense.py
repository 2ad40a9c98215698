"""What the estimators of dense machines share: reading cases, running the loop, transforming, sampling, files."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError, DivergenceError
from harmonium.estimators import cases
from harmonium.estimators.base import Estimator
from harmonium.events import DenseEpochEnded, Ended, Event
from harmonium.kernels.devices import CPU, Device
from harmonium.kernels.devices import device as chosen
from harmonium.likelihood.monitoring import FEW, ROWS, Monitor
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM as Model
from harmonium.randomness import Seed, as_generator
from harmonium.sampling import gibbs
from harmonium.training.dense import loop
from harmonium.training.dense.chains import densely
from harmonium.training.dense.settings import MOST_STEPS, DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.engine import HERE, Engine
from harmonium.training.settings import check_count
from harmonium.units.layer import Floats, Layer

SCORE = "pseudo_log_likelihood"  # what chooses the epoch
MOST_DRAWS = 100_000_000  # rows of one call of `sample`
Cases = Any  # a float32 array or csr_array, (n_cases, n_columns)


class DenseEstimator(Estimator):
    """Abstract: an estimator of a restricted machine, read by scikit-learn as a transformer."""

    _state: Any = None  # a State, while there is something to learn on from

    @property
    def fitted_model(self) -> Model:
        """The fitted record; NotFittedError before `fit`."""
        return self._fitted("model_")

    def transform(self, X: Any) -> Floats:
        """Means of the hidden units given rows.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)

        Returns
        -------
        float32 array, (n_cases, n_hidden)
        """
        rbm = self.fitted_model
        return rbm.hidden.mean(rbms.hidden_field(rbm, self._rows(X)))

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Floats:
        """Fit, then return the means of the hidden units given the same rows.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        **fit_params
            As for `fit`.
        """
        return self.fit(X, y, **fit_params).transform(X)  # type: ignore[attr-defined]

    def free_energy(self, X: Any) -> Floats:
        """Free energy of rows, in nats; lower is more probable: (n_cases,).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        """
        return rbms.free_energy(self.fitted_model, self._rows(X))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names of what `transform` returns: the class's name and a number.

        Parameters
        ----------
        input_features : ignored
            Part of scikit-learn's contract.
        """
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{k}" for k in range(self.fitted_model.n_hidden)], object)

    def _learnt(
        self,
        X: Cases,
        learning: DenseLearning,
        start: Callable[[], State],
        *,
        monitor: Any = None,
        score: str | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        engine: Engine = HERE,
    ) -> Generator[Event, None, None]:
        """Learn from the start, or from a checkpoint on, event by event."""
        there = resume and checkpoint is not None and os.path.exists(checkpoint)
        self._state = loop.resume(checkpoint, learning, X) if there else start()  # type: ignore[arg-type]
        self.history_: list[Event] = []
        with self._as_before_where_nothing_was_learnt():
            yield from self._following(X, learning, monitor, score, checkpoint, engine)

    def _learnt_on(self, X: Cases, learning: DenseLearning, start: Callable[[], State]) -> None:
        """Learn on from where the state stands, or from `start` where there is none: a machine read from a file."""
        self._state = self._state or start()
        self._state.best, self._state.epoch, self._state.best_score, self._state.best_epoch = None, 0, -np.inf, 0
        with self._as_before_where_nothing_was_learnt():
            for _ in self._following(X, learning):
                pass

    @contextmanager
    def _as_before_where_nothing_was_learnt(self) -> Generator[None, None, None]:
        """Where learning diverges before any epoch ended well, the model of before stays, or there is none."""
        before = vars(self).pop("_before", getattr(self, "model_", None))
        try:
            yield
        except DivergenceError:
            self.model_ = before
            raise

    def _following(
        self,
        X: Cases,
        learning: DenseLearning,
        monitor: Any = None,
        score: str | None = None,
        checkpoint: Any = None,
        engine: Engine = HERE,
    ) -> Generator[Event, None, None]:
        """Events of the loop, kept in `history_`; however it ends, `model_` is the best model so far."""
        state: State = self._state
        try:
            how = {"monitor": monitor, "score": score, "checkpoint": checkpoint, "device": self._device()}
            for event in engine.train_dense(state, X, learning, **how):
                if isinstance(event, DenseEpochEnded):
                    event = replace(event, warning=getattr(monitor, "warning", ""))
                self.history_.append(event)
                if isinstance(event, Ended) and event.reason == "diverged":
                    self._state = None  # `partial_fit` begins again at the last good model
                    loop.finished(state, event.reason, event.advice)
                yield event
        except KeyboardInterrupt:  # it came between two epochs; what was learnt stays
            if state.best is None:
                raise
        finally:
            if state.best is not None:
                self.model_: Any = state.best

    def _watching(
        self, X: Cases, learning: DenseLearning, held_out: Floats | None, n_pseudo: int = FEW
    ) -> dict[str, Any]:
        """What measures while it learns, and the number that chooses the epoch, where they are asked for."""
        if not self.get_params()["monitor"] and held_out is None:
            return {}
        always = () if held_out is None else ("pseudo",)
        watch = Monitor(some_rows(X), held_out, learning.n_steps, always=always, n_pseudo=n_pseudo)
        return {"monitor": watch, "score": None if held_out is None else SCORE}

    def _device(self) -> Device:
        """What learning runs on; the processor where the constructor takes none."""
        return chosen(self.get_params()["device"]) if "device" in self._names() else CPU

    def _begin(self, table: cases.Table) -> None:
        """Keep what scikit-learn asks an estimator to know of its input."""
        self.n_features_in_ = table.X.shape[1]  # type: ignore[index]
        vars(self).pop("feature_names_in_", None)
        if table.names is not None and all(isinstance(name, str) for name in table.names):
            self.feature_names_in_ = table.names

    def _rows(self, X: Any) -> Cases:
        """Rows that the fitted machine takes, checked."""
        table = self._table(X)
        cases.check(table, self._input_layer())
        return table

    def _table(self, X: Any) -> Cases:
        """A table with the columns that the fitted machine takes."""
        layer, table = self._input_layer(), cases.read(X)
        n = table.X.shape[1]  # type: ignore[index]
        if n != layer.width:
            name = type(self).__name__
            raise DataError(f"X has {n} features, but {name} is expecting {layer.width} features as input")
        known = getattr(self, "feature_names_in_", None)
        if known is not None and table.names is not None and list(known) != list(table.names):
            raise DataError(_names_differ(list(known), list(table.names)))
        return table.X

    def _partly_known(self, X: Any, known: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Rows, 0 where they are not known, and where they are: both (n_cases, n_visible)."""
        table = self._table(X)
        rows = densely(table, np.arange(table.shape[0]))  # type: ignore[union-attr]
        mask = gibbs.mask_of(self._input_layer(), known, len(rows), "known")
        mask = np.broadcast_to(np.asarray(mask), rows.shape)
        v = np.where(mask, rows, np.float32(0))
        cases.check_finite(v)
        return v, mask

    def _input_layer(self) -> Layer:
        """Layer whose states the columns of X are."""
        return self.fitted_model.visible

    def __sklearn_is_fitted__(self) -> bool:
        return getattr(self, "model_", None) is not None

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=["float32"]),
            input_tags=InputTags(sparse=True),
        )


def _names_differ(known: list[str], given: list[str]) -> str:
    """Say so in the words that scikit-learn's users know."""
    unseen, missing = [n for n in given if n not in known], [n for n in known if n not in given]
    lines = ["The feature names should match those that were passed during fit."]
    for title, names in (
        ("Feature names unseen at fit time:", unseen),
        ("Feature names seen at fit time, yet now missing:", missing),
    ):
        if names:
            lines += [title, *(f"- {name}" for name in sorted(map(str, names)))]
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"


def check_draws(n: int, n_steps: int, name: str = "n_steps") -> None:
    """Raise SettingError unless so many rows can be drawn by so many steps.

    Parameters
    ----------
    n, n_steps : int
    name : str
        What messages call the steps.
    """
    check_count("n", n, 1, MOST_DRAWS)
    check_count(name, n_steps, 1, MOST_STEPS)


def seed_of(random_state: Any) -> int:
    """Seed of a run: an integer itself, a number drawn from a generator, or fresh entropy.

    Parameters
    ----------
    random_state : int, Generator, numpy.random.RandomState or None
    """
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, bool | int | np.integer):
        check_count("random_state", random_state, 0, 2**63 - 1)
        return int(random_state)
    seed: Seed = random_state
    return int(as_generator(seed).integers(2**62))


def mean_of(X: Cases) -> Floats:
    """Mean of every column, (n_columns,).

    Parameters
    ----------
    X : float32 array or csr_array, (n_cases, n_columns)
    """
    return np.asarray(X.mean(axis=0), np.float64).ravel()


def some_rows(X: Cases, n: int = ROWS) -> Floats:
    """So many rows at most, spread over all, dense.

    Parameters
    ----------
    X : float32 array or csr_array, (n_cases, n_columns)
    n : int
    """
    return densely(X, np.linspace(0, X.shape[0] - 1, min(n, X.shape[0])).astype(int))
