"""The restricted Boltzmann machine of any two layers as an estimator."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError
from harmonium.estimators import cases, files
from harmonium.estimators.base import Watch
from harmonium.estimators.dense import DenseEstimator, check_draws, mean_of, seed_of
from harmonium.events import Event
from harmonium.likelihood import Bracket, bracket, log_likelihood
from harmonium.likelihood.annealing import N_BETAS, N_CHAINS
from harmonium.models import rbm as rbms
from harmonium.models.rbm import INITIAL_SPREAD
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import gibbs
from harmonium.training.dense import state as states
from harmonium.training.dense.records import assembled
from harmonium.training.dense.settings import DENSE_SETTINGS, DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.engine import HERE, Engine
from harmonium.training.settings import check_count
from harmonium.units import Layer, layer_from, layer_of
from harmonium.units.layer import Floats


@final
class RBM(DenseEstimator):
    """Restricted Boltzmann machine with any two layers of units.

    Parameters
    ----------
    n_hidden : int
        Columns of the hidden layer; for softmax units, their number times their states.
    visible, hidden : str or Layer
        "bernoulli", "spin", "gaussian", "relu", "softmax:N" or "multinomial"; or a layer of `harmonium.units`.
    method : str
        How the negative phase is come by; this and the settings from here to `patience` are `DenseLearning`'s.
    n_steps, longest_chain, n_chains, n_betas : int
    lowest_beta, ladder_burn_in, fast_rate, fast_decay, keep : float
    n_epochs, batch_size : int
    optimizer : str
    learning_rate : float
    schedule : str
    momentum, beta2 : float
    centring : bool
    offset_rate, weight_decay, sparsity_target, sparsity_cost, max_norm : float
    patience : int
    initial_spread : float
        Standard deviation of the initial weights.
    monitor : bool
        Whether likelihoods, free energies and the chains' memory are measured while learning, in 5 % of its time.
    random_state : int, Generator or None
        The same integer gives the same model, whatever the number of threads.
    device : str
        What learning by cd, pcd or fast-pcd runs on: "cpu", "cuda", "cuda:1", ..., or "auto", a GPU where there is one.

    Attributes
    ----------
    model_ : harmonium.models.rbm.RBM
        The fitted record.
    history_ : list of Event
    n_features_in_ : int

    Examples
    --------
    >>> X = np.repeat([[0, 0, 1], [1, 1, 0]], 50, axis=0)
    >>> machine = RBM(n_hidden=4, method="exact", n_epochs=300, learning_rate=0.5).fit(X)
    >>> machine.score_samples([[1, 1, 0]]).round(1)
    array([-0.7])
    """

    def __init__(
        self,
        n_hidden: int = 256,
        *,
        visible: str | Layer = "bernoulli",
        hidden: str | Layer = "bernoulli",
        method: str = DenseLearning.method,
        n_steps: int = DenseLearning.n_steps,
        longest_chain: int = DenseLearning.longest_chain,
        n_chains: int = DenseLearning.n_chains,
        n_betas: int = DenseLearning.n_betas,
        lowest_beta: float = DenseLearning.lowest_beta,
        ladder_burn_in: float = DenseLearning.ladder_burn_in,
        fast_rate: float = DenseLearning.fast_rate,
        fast_decay: float = DenseLearning.fast_decay,
        keep: float = DenseLearning.keep,
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
        device: str = "cpu",
    ):
        self.n_hidden = n_hidden
        self.visible = visible
        self.hidden = hidden
        self.method = method
        self.n_steps = n_steps
        self.longest_chain = longest_chain
        self.n_chains = n_chains
        self.n_betas = n_betas
        self.lowest_beta = lowest_beta
        self.ladder_burn_in = ladder_burn_in
        self.fast_rate = fast_rate
        self.fast_decay = fast_decay
        self.keep = keep
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
        self.device = device

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        validation: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watch: Watch = (),
        engine: Engine = HERE,
    ) -> RBM:
        """Learn from rows. Ctrl-C ends it with the best model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        validation : array-like, (n, n_visible), optional
            Rows whose pseudo-likelihood chooses the best epoch, and is held against the training rows'.
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
        RBM
            Itself.

        Raises
        ------
        DataError, SettingError
            A value is none of the layer's, by row and column; a setting is out of range.
        DivergenceError
            Learning diverged before any epoch ended well; later, the last good model is kept.
        """
        run = self.fitting(X, validation=validation, checkpoint=checkpoint, resume=resume, engine=engine)
        return self._watched(run, watch)

    def fitting(
        self,
        X: Any,
        *,
        validation: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        engine: Engine = HERE,
    ) -> Generator[Event, None, None]:
        """Learn, event by event; whenever it ends, `model_` holds the best model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        validation : array-like, (n, n_visible), optional
        checkpoint : path, optional
        resume : bool
        engine : Engine

        Yields
        ------
        Event
        """
        learning, table = self._learning(), cases.read(X)
        visible = layer_of(self.visible, table.X.shape[1])  # type: ignore[index]
        check_count("n_hidden", self.n_hidden, 1, 2**31 - 1)
        hidden = layer_of(self.hidden, int(self.n_hidden))
        cases.check(table.X, visible)
        held_out = None if validation is None else densely_read(validation, visible)
        self._begin(table)
        seed = seed_of(self.random_state)

        def start() -> State:
            mean = mean_of(table.X)
            begun = rbms.initial(visible, hidden, seed, mean, self.initial_spread)
            return states.start(begun, learning, seed, mean, table.X.shape[0])  # type: ignore[index]

        how = {**self._watching(table.X, learning, held_out), "engine": engine}
        yield from self._learnt(table.X, learning, start, **how, checkpoint=checkpoint, resume=resume)

    def partial_fit(self, X: Any, y: Any = None, *, n_epochs: int = 1) -> RBM:
        """Learn on from the fitted model; chains, moments and offsets go on where they were.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        n_epochs : int
            Passes over X.

        Returns
        -------
        RBM
            Itself. Without an earlier fit the machine begins here.
        """
        check_count("n_epochs", n_epochs, 1, 10_000_000)
        learning = replace(self._learning(), n_epochs=n_epochs)
        if self._state is None and getattr(self, "model_", None) is None:
            settings: dict[str, Any] = self.get_params() | {"n_epochs": n_epochs}
            begun = RBM(**settings).fit(X)
            vars(self).update(vars(begun) | self.get_params())
            return self
        rows = self._rows(X)

        def start() -> State:
            seed = seed_of(self.random_state)
            return states.start(self.fitted_model, learning, seed, mean_of(rows), rows.shape[0])  # type: ignore[index]

        self._learnt_on(rows, learning, start)
        return self

    def _learning(self) -> DenseLearning:
        return DenseLearning(**{name: getattr(self, name) for name in DENSE_SETTINGS})

    def inverse_transform(self, H: Any) -> Floats:
        """Means of the visible units given hidden ones: (n_cases, n_visible).

        Parameters
        ----------
        H : array-like, (n_cases, n_hidden)
        """
        rbm, table = self.fitted_model, cases.read(H, "H")
        if table.X.shape[1] != rbm.n_hidden:  # type: ignore[index]
            raise DataError(f"H has {table.X.shape[1]} columns, the machine {rbm.n_hidden} hidden ones")  # type: ignore[index]
        return rbms.visible_mean(rbm, np.asarray(table.X))

    def score_samples(self, X: Any) -> Floats:
        """Exact log-likelihood of rows, in nats.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)

        Returns
        -------
        float64 array, (n_cases,)

        Raises
        ------
        SettingError
            Neither layer's states can be summed; `bracket` estimates.
        """
        return log_likelihood(self.fitted_model, _dense(self._rows(X)).astype(np.float64))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean exact log-likelihood of rows, in nats.

        Parameters
        ----------
        X : array-like, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        """
        return float(self.score_samples(X).mean())

    def bracket(self, X: Any, *, n_chains: int = N_CHAINS, n_betas: int = N_BETAS, rng: Seed = 0) -> Bracket:
        """Bound the mean log-likelihood of rows from below and from above, for machines of any size.

        Parameters
        ----------
        X : array-like, (n_cases, n_visible)
        n_chains, n_betas : int
        rng : seed
        """
        v = _dense(self._rows(X)).astype(np.float64)
        return bracket(self.fitted_model, v, v.mean(axis=0), n_chains, n_betas, rng=rng)

    def sample(self, n: int = 1, *, n_steps: int = 1_000, rng: Seed = None) -> Floats:
        """Draw visible rows from chains of their own: (n, n_visible).

        Parameters
        ----------
        n : int
        n_steps : int
            From a draw of the biases alone; longer than the chains' memory, or the draws are not the model's.
        rng : seed
        """
        check_draws(n, n_steps)
        rbm, key = self.fitted_model, int(key_from(rng))
        return gibbs.step(rbm, gibbs.init(rbm, n, key_of(key, 0)), key_of(key, 1), n_steps)[0].v

    def fill_in(self, X: Any, known: npt.ArrayLike, *, n_steps: int = 100, rng: Seed = None) -> Floats:
        """Draw what is not known of rows, given what is: (n_cases, n_visible).

        Parameters
        ----------
        X : array-like, (n_cases, n_visible)
            What is not known may hold anything, NaN too.
        known : bool array-like, (n_visible,) or (n_cases, n_visible)
        n_steps : int
        rng : seed
        """
        v, mask = self._partly_known(X, known)
        return gibbs.fill_in(self.fitted_model, v, mask, rng, n_steps)[0].v

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted machine to a file, whole or not at all.

        Parameters
        ----------
        path : path
        """
        rbm = self.fitted_model
        files.save(self, path, rbms.arrays(rbm), {"visible": rbm.visible, "hidden": rbm.hidden})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RBM:
        """Read a machine that `save` wrote; learning on from it begins new chains.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            There is no such file, it is damaged, or holds something else.
        """

        def build(settings: dict[str, Any], header: Any, arrays: dict[str, npt.NDArray]) -> RBM:
            settings |= {side: layer_from(settings[side]) for side in ("visible", "hidden")}
            out = cls(**settings)
            out.model_ = assembled(settings["visible"], settings["hidden"], arrays)
            out.n_features_in_ = out.model_.n_visible
            return out

        return files.load(path, cls.__name__, build)


def _dense(X: Any) -> Floats:
    return X if isinstance(X, np.ndarray) else X.toarray()


def densely_read(X: Any, layer: Layer) -> Floats:
    """Read rows as a dense array and check them against a layer.

    Parameters
    ----------
    X : array-like, SciPy sparse or frame, (n_cases, width)
    layer : Layer
    """
    table = cases.read(X, "validation")
    cases.check(table.X, layer, "validation")
    return _dense(table.X)
