"""The conditional RBM as an estimator: a law of rows given conditions, case by case."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError, SettingError
from harmonium.estimators import cases, conditions, files
from harmonium.estimators.base import Watch
from harmonium.estimators.dense import Cases, DenseEstimator, mean_of, seed_of, some_rows
from harmonium.estimators.rbm import RBM
from harmonium.events import Event
from harmonium.likelihood.monitoring import ROWS
from harmonium.models import conditional, exact
from harmonium.models import rbm as rbms
from harmonium.models.conditional import Conditional
from harmonium.models.rbm import INITIAL_SPREAD
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import conditional as sampling
from harmonium.sampling import gibbs
from harmonium.training.dense import state as states
from harmonium.training.dense.records import Model, assembled
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.settings import check_choice, check_count
from harmonium.units import Layer, layer_from, layer_of
from harmonium.units.layer import Floats

METHODS = ("cd", "pcd", "exact", "pseudo-likelihood", "ratio-matching")
LEARNING = (
    "method", "n_steps", "n_epochs", "batch_size", "optimizer", "learning_rate", "schedule", "momentum", "beta2",
    "centring", "offset_rate", "weight_decay", "sparsity_target", "sparsity_cost", "max_norm", "patience",
)  # fmt: skip


@final
class ConditionalRBM(DenseEstimator):
    """Restricted Boltzmann machine whose biases depend on a condition: p(row | condition).

    Conditions are numbers of any kind that are known wherever rows are asked for: the frames before this one in a
    series, the pixels around a hole, properties of a person. Their own law is not learnt.

    Parameters
    ----------
    n_hidden : int
    visible, hidden : str or Layer
        As for `RBM`; the visible layer is not multinomial.
    method : str
        "cd"; "pcd", which keeps a chain for every case, as each condition has a law of its own; "exact", a sum over all
        states for every condition that occurs; "pseudo-likelihood" or "ratio-matching", of binary visible units.
    n_steps, n_epochs, batch_size : int
        These and the settings from here to `patience` are `DenseLearning`'s.
    optimizer : str
    learning_rate : float
    schedule : str
    momentum, beta2 : float
    centring : bool
        Of conditions too.
    offset_rate, weight_decay, sparsity_target, sparsity_cost, max_norm : float
    patience : int
    initial_spread : float
        Standard deviation of the initial weights between the layers; those from conditions begin at 0.
    monitor : bool
        Whether free energies, reconstruction and pseudo-likelihood given the conditions are measured while it learns,
        in 5 % of its time; see `RBM`. Every condition has a partition function and chains of its own: of log Z and of
        the chains' memory nothing is told where there are conditions.
    random_state : int, Generator or None

    Attributes
    ----------
    model_ : harmonium.models.conditional.Conditional
        The fitted record; a `harmonium.models.rbm.RBM` where it was fitted without conditions.
    history_ : list of Event
    n_features_in_, n_conditions_ : int

    Notes
    -----
    Taylor, Hinton & Roweis, NIPS 2006; Mnih, Larochelle & Hinton, UAI 2011. Without conditions it is `RBM`, bit for
    bit.

    Examples
    --------
    >>> condition = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> X = np.hstack((condition, 1 - condition))
    >>> machine = ConditionalRBM(4, method="exact", n_epochs=100, learning_rate=1.0).fit(X, condition=condition)
    >>> machine.score_samples([[1, 0], [0, 1]], [[1], [1]]).round(1)
    array([-0.1, -6.4])
    """

    def __init__(
        self,
        n_hidden: int = 256,
        *,
        visible: str | Layer = "bernoulli",
        hidden: str | Layer = "bernoulli",
        method: str = "cd",
        n_steps: int = DenseLearning.n_steps,
        n_epochs: int = DenseLearning.n_epochs,
        batch_size: int = DenseLearning.batch_size,
        optimizer: str = DenseLearning.optimizer,
        learning_rate: float = DenseLearning.learning_rate,
        schedule: str = DenseLearning.schedule,
        momentum: float = DenseLearning.momentum,
        beta2: float = DenseLearning.beta2,
        centring: bool = DenseLearning.centring,
        offset_rate: float = DenseLearning.offset_rate,
        weight_decay: float = DenseLearning.weight_decay,
        sparsity_target: float = DenseLearning.sparsity_target,
        sparsity_cost: float = DenseLearning.sparsity_cost,
        max_norm: float = DenseLearning.max_norm,
        patience: int = DenseLearning.patience,
        initial_spread: float = INITIAL_SPREAD,
        monitor: bool = False,
        random_state: Any = 0,
    ):
        self.n_hidden = n_hidden
        self.visible = visible
        self.hidden = hidden
        self.method = method
        self.n_steps = n_steps
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
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
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
        condition: Any = None,
        validation: tuple[Any, Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watch: Watch = (),
    ) -> ConditionalRBM:
        """Learn from rows and their conditions. Ctrl-C ends it with the best model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        condition : array-like, SciPy sparse or frame, (n_cases, n_conditions), optional
            Finite numbers; better of a size near 1. Without it this is `RBM`.
        validation : pair of X and condition, optional
            Rows of binary units by whose pseudo-likelihood the best epoch is chosen.
        checkpoint : path, optional
            File to write from time to time.
        resume : bool
            Go on from the checkpoint, bit for bit, when the file exists.
        watch : callable or callables
            Called with every event.

        Returns
        -------
        ConditionalRBM
            Itself.

        Raises
        ------
        DataError, SettingError
            A value is none of the layer's, or a condition no finite number, by row and column; or a setting is out of
            range.
        DivergenceError
            Learning diverged before any epoch ended well.
        """
        how: dict[str, Any] = {"validation": validation, "checkpoint": checkpoint, "resume": resume}
        self._watched(self.fitting(X, condition=condition, **how), watch)
        return self

    def fitting(
        self,
        X: Any,
        *,
        condition: Any = None,
        validation: tuple[Any, Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> Generator[Event, None, None]:
        """Learn, event by event; whenever it ends, `model_` holds the best model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        condition : array-like, SciPy sparse or frame, (n_cases, n_conditions), optional
        validation : pair of X and condition, optional
        checkpoint : path, optional
        resume : bool

        Yields
        ------
        Event
        """
        learning = self._learning()
        rows, start = self._begun(X, condition, learning)
        held_out = None if validation is None else self._held_out(*validation)
        watch = self._watching(rows, learning, held_out, ROWS)
        yield from self._learnt(rows, learning, start, **watch, checkpoint=checkpoint, resume=resume)

    def partial_fit(self, X: Any, y: Any = None, *, condition: Any = None, n_epochs: int = 1) -> ConditionalRBM:
        """Learn on from the fitted model; moments and offsets go on where they were, chains begin at the new cases.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        condition : array-like, SciPy sparse or frame, (n_cases, n_conditions)
        n_epochs : int
            Passes over X.

        Returns
        -------
        ConditionalRBM
            Itself. Without an earlier fit the machine begins here.
        """
        check_count("n_epochs", n_epochs, 1, 10_000_000)
        learning = replace(self._learning(), n_epochs=n_epochs)
        if getattr(self, "model_", None) is None:
            rows, start = self._begun(X, condition, learning)
            self.history_: list[Event] = []
        else:
            v, u = self._asked(X, condition)
            rows = conditions.beside(v, u)

            def start() -> State:
                return states.start(self.model_, learning, seed_of(self.random_state), mean_of(rows), rows.shape[0])

        if self._state is not None and self.n_conditions_:
            self._state.h = np.empty((0, 0), np.float32)  # chains of other cases, which have other conditions
        self._learnt_on(rows, learning, start)
        return self

    def _begun(self, X: Any, condition: Any, learning: DenseLearning) -> tuple[Cases, Callable[[], State]]:
        """Rows with their conditions behind them, and what makes the state before the first update."""
        table, u = cases.read(X), None if condition is None else conditions.read(condition)
        check_count("n_hidden", self.n_hidden, 1, 2**31 - 1)
        visible = layer_of(self.visible, table.X.shape[1])  # type: ignore[index]
        hidden = layer_of(self.hidden, int(self.n_hidden))
        if visible.kind == "multinomial" and u is not None:
            raise SettingError("visible: counts of a multinomial layer cannot be conditional; take another kind")
        cases.check(table.X, visible)
        conditions.check_rows(table.X, u)
        self._before = getattr(self, "model_", None)
        self._begin(table)
        self.n_conditions_, seed = 0 if u is None else u.shape[1], seed_of(self.random_state)
        rows = conditions.beside(table.X, u)
        begun: Model = rbms.initial(visible, hidden, seed, mean_of(table.X), self.initial_spread)
        if u is not None:
            begun = conditional.initial(begun, self.n_conditions_)
        self.model_: Any = begun
        return rows, lambda: states.start(begun, learning, seed, mean_of(rows), rows.shape[0])

    def _held_out(self, X: Any, condition: Any) -> Floats:
        """Some of the rows, conditions behind them, by whose pseudo-likelihood the best epoch is chosen."""
        rows = some_rows(conditions.beside(*self._asked(X, condition)))
        if self._input_layer().kind not in ("bernoulli", "spin"):
            raise SettingError("validation: an epoch is chosen by pseudo-likelihood, which needs binary visible units")
        return rows

    def _learning(self) -> DenseLearning:
        check_choice("method", self.method, METHODS)
        return DenseLearning(**{name: getattr(self, name) for name in LEARNING})

    def _asked(self, X: Any, condition: Any) -> tuple[Cases, Cases | None]:
        """Rows and conditions that the fitted machine takes, checked."""
        model: Any = self._fitted("model_")
        v = self._rows(X)
        u = self._conditions(condition) if isinstance(model, Conditional) or condition is not None else None
        conditions.check_rows(v, u)
        return v, u

    def _conditions(self, condition: Any) -> Cases:
        self._fitted("model_")
        if condition is None:
            raise DataError(
                f"condition: this machine was fitted with {self.n_conditions_} conditions a case; give them"
            )
        u = conditions.read(condition)
        if u.shape[1] != self.n_conditions_:
            raise DataError(f"condition has {u.shape[1]} columns, this machine was fitted with {self.n_conditions_}")
        return u

    def given(self, condition: Any) -> RBM:
        """Return the restricted machine that one condition makes, as a fitted `RBM`: to bracket, to draw from.

        Parameters
        ----------
        condition : array-like, (n_conditions,) or (1, n_conditions)
        """
        u = _dense(self._conditions(np.atleast_2d(np.asarray(condition))))
        if len(u) != 1:
            raise DataError(f"condition: has {len(u)} rows, one makes a machine")
        out = RBM(int(self.n_hidden), visible=self.visible, hidden=self.hidden)
        out.model_, out.history_, out.n_features_in_ = conditional.given(self.model_, u[0]), [], self.n_features_in_
        return out

    def transform(self, X: Any, condition: Any = None) -> Floats:
        """Means of the hidden units given rows and conditions: (n_cases, n_hidden).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        condition : array-like, SciPy sparse or frame, (n_cases, n_conditions)
        """
        v, u = self._asked(X, condition)
        if u is None:
            return rbms.hidden_mean(self.model_, v)
        return self.model_.rbm.hidden.mean(conditional.hidden_field(self.model_, v, u))

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Floats:
        """Fit, then return the means of the hidden units given the same rows and conditions.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        **fit_params
            As for `fit`.
        """
        return self.fit(X, y, **fit_params).transform(X, fit_params.get("condition"))

    def free_energy(self, X: Any, condition: Any = None) -> Floats:
        """Free energy of rows given conditions, in nats; comparable under one condition only: (n_cases,).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        condition : array-like, SciPy sparse or frame, (n_cases, n_conditions)
        """
        v, u = self._asked(X, condition)
        return rbms.free_energy(self.model_, v) if u is None else conditional.free_energy(self.model_, _dense(v), u)

    def score_samples(self, X: Any, condition: Any = None) -> npt.NDArray[np.float64]:
        """Exact log-likelihood of rows given conditions, in nats: (n_cases,).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        condition : array-like, SciPy sparse or frame, (n_cases, n_conditions)

        Raises
        ------
        SettingError
            Neither layer's states can be summed; `given(condition).bracket` estimates.

        Notes
        -----
        One sum over the smaller layer's states for every condition that occurs.
        """
        v, u = self._asked(X, condition)
        v = _dense(v).astype(np.float64)
        if u is None:
            return np.asarray(exact.log_likelihood(self.model_, v), np.float64)
        return conditional.log_likelihood(self.model_, v, _dense(u))

    def score(self, X: Any, y: Any = None, *, condition: Any = None) -> float:
        """Mean exact log-likelihood of rows given conditions, in nats.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        condition : array-like, SciPy sparse or frame, (n_cases, n_conditions)
        """
        return float(self.score_samples(X, condition).mean())

    def sample(self, condition: Any, *, n_steps: int = 1_000, rng: Seed = None) -> Floats:
        """Draw one row a condition from chains of their own: (n, n_visible).

        Parameters
        ----------
        condition : array-like, SciPy sparse or frame, (n, n_conditions)
        n_steps : int
            Longer than the chains' memory, or the draws are not the model's.
        rng : seed
        """
        u, key = _dense(self._conditions(condition)), int(key_from(rng))
        chains = sampling.init(self.model_, u, key_of(key, 0))
        return sampling.step(self.model_, chains, key_of(key, 1), n_steps)[0].v

    def fill_in(
        self, X: Any, known: npt.ArrayLike, condition: Any = None, *, n_steps: int = 100, rng: Seed = None
    ) -> Floats:
        """Draw what is not known of rows, given what is and conditions: (n_cases, n_visible).

        Parameters
        ----------
        X : array-like, (n_cases, n_visible)
            What is not known may hold anything, NaN too.
        known : bool array-like, (n_visible,) or (n_cases, n_visible)
        condition : array-like, SciPy sparse or frame, (n_cases, n_conditions)
        n_steps : int
        rng : seed
        """
        model: Any = self._fitted("model_")
        v, mask = self._partly_known(X, known)
        if not isinstance(model, Conditional) and condition is None:
            return gibbs.fill_in(model, v, mask, rng, n_steps)[0].v
        u, key = _dense(self._conditions(condition)), int(key_from(rng))
        conditions.check_rows(v, u)
        blank = sampling.init(model, u, key_of(key, 0)).v
        chains = sampling.init(model, u, key_of(key, 1), v=np.where(mask, v, blank), held_v=mask)
        return sampling.step(model, chains, key_of(key, 2), n_steps)[0].v

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted machine to a file, whole or not at all.

        Parameters
        ----------
        path : path
        """
        model: Any = self._fitted("model_")
        rbm = model.rbm if isinstance(model, Conditional) else model
        ties = {"A": model.A, "B": model.B} if isinstance(model, Conditional) else {}
        files.save(self, path, rbms.arrays(rbm) | ties, {"visible": rbm.visible, "hidden": rbm.hidden})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ConditionalRBM:
        """Read a machine that `save` wrote; learning on from it begins new chains.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            There is no such file, it is damaged, or holds something else.
        """

        def build(settings: dict[str, Any], header: Any, arrays: dict[str, npt.NDArray]) -> ConditionalRBM:
            settings |= {side: layer_from(settings[side]) for side in ("visible", "hidden")}
            out, rbm = cls(**settings), assembled(settings["visible"], settings["hidden"], arrays)
            out.model_ = Conditional(rbm, arrays["A"], arrays["B"]) if "A" in arrays else rbm
            out.n_features_in_, out.n_conditions_ = rbm.n_visible, len(arrays.get("A", ()))
            return out

        return files.load(path, cls.__name__, build)

    def _input_layer(self) -> Layer:
        model: Any = self._fitted("model_")
        return model.rbm.visible if isinstance(model, Conditional) else model.visible

    @property
    def _n_features_out(self) -> int:
        return int(self.n_hidden)


def _dense(X: Any) -> Floats:
    return X if isinstance(X, np.ndarray) else X.toarray()
