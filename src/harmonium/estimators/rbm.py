"""The restricted Boltzmann machine of any two layers as an estimator."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.errors import DataError, ModelFileError
from harmonium.estimators import cases
from harmonium.estimators.dense import DenseEstimator, mean_of, seed_of
from harmonium.events import DenseEpochEnded, Ended, Event
from harmonium.kernels.devices import device as chosen
from harmonium.likelihood import Bracket, bracket, log_likelihood
from harmonium.likelihood.annealing import N_BETAS, N_CHAINS
from harmonium.likelihood.monitoring import ROWS, Monitor
from harmonium.models import rbm as rbms
from harmonium.models.rbm import INITIAL_SPREAD
from harmonium.models.rbm import RBM as Model
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import gibbs
from harmonium.training.dense import loop
from harmonium.training.dense import state as states
from harmonium.training.dense.chains import densely
from harmonium.training.dense.settings import DENSE_SETTINGS, DenseLearning
from harmonium.training.settings import check_count
from harmonium.units import Layer, layer_from, layer_of
from harmonium.units.layer import Floats

FILE_KIND = "RBM"
SCORE = "pseudo_log_likelihood"  # by which the best epoch is chosen where there are validation rows


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
    lowest_beta, fast_rate, fast_decay, keep : float
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
        watch: Callable[[Event], Any] | Iterable[Callable[[Event], Any]] = (),
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
        watchers = [watch] if callable(watch) else list(watch)
        run = self.fitting(X, validation=validation, checkpoint=checkpoint, resume=resume)
        try:
            for event in run:
                for watcher in watchers:
                    watcher(event)
        except KeyboardInterrupt:  # it came while a watcher was at work
            run.close()
            if getattr(self, "model_", None) is None:
                raise
        return self

    def fitting(
        self,
        X: Any,
        *,
        validation: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> Generator[Event, None, None]:
        """Learn, event by event; whenever it ends, `model_` holds the best model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        validation : array-like, (n, n_visible), optional
        checkpoint : path, optional
        resume : bool

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
        if resume and checkpoint is not None and os.path.exists(checkpoint):
            self._state = loop.resume(checkpoint, learning, table.X)
        else:
            mean = mean_of(table.X)
            begun = rbms.initial(visible, hidden, seed, mean, self.initial_spread)
            self._state = states.start(begun, learning, seed, mean, table.X.shape[0])  # type: ignore[index]
        self.history_: list[Event] = []
        yield from self._following(table.X, learning, held_out, checkpoint)

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
        if getattr(self, "_state", None) is None and getattr(self, "model_", None) is None:
            settings: dict[str, Any] = self.get_params() | {"n_epochs": n_epochs}
            begun = RBM(**settings).fit(X)
            vars(self).update(vars(begun) | self.get_params())
            return self
        rows = self._rows(X)
        if getattr(self, "_state", None) is None:  # read from a file: chains begin anew
            seed = seed_of(self.random_state)
            self._state = states.start(self.fitted_model, learning, seed, mean_of(rows), rows.shape[0])  # type: ignore[index]
        self._state.epoch, self._state.best_score, self._state.best_epoch = 0, -np.inf, 0
        for _ in self._following(rows, learning, None, None):
            pass
        return self

    def _following(
        self, X: Any, learning: DenseLearning, held_out: Floats | None, checkpoint: Any
    ) -> Generator[Event, None, None]:
        state, score, watch = self._state, None, None
        if self.monitor or held_out is not None:
            n = X.shape[0]
            some = densely(X, np.linspace(0, n - 1, min(n, ROWS)).astype(int))
            watch = Monitor(some, held_out, learning.n_steps, always=() if held_out is None else ("pseudo",))
            score = SCORE if held_out is not None else None
        try:
            run = {"monitor": watch, "score": score, "checkpoint": checkpoint, "device": chosen(self.device)}
            for event in loop.train(state, X, learning, **run):
                if watch is not None and isinstance(event, DenseEpochEnded):
                    event = replace(event, warning=watch.warning)
                self.history_.append(event)
                if isinstance(event, Ended) and event.reason == "diverged":
                    loop.finished(state, event.reason, event.advice)
                yield event
        except KeyboardInterrupt:  # it came between two epochs; what was learnt stays
            if state.best is None:
                raise
        finally:
            if state.best is not None:
                self.model_ = state.best

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
        rbm = self.fitted_model
        v = np.where(np.asarray(known, bool), np.asarray(X, np.float32), 0)
        return gibbs.fill_in(rbm, v, known, rng, n_steps)[0].v

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted machine to a file, whole or not at all.

        Parameters
        ----------
        path : path
        """
        rbm, settings = self.fitted_model, self.get_params()
        del settings["device"]  # of this computer
        for name in ("visible", "hidden"):
            settings[name] = getattr(rbm, name).settings()
        state = settings["random_state"]
        settings["random_state"] = int(state) if isinstance(state, int | np.integer) else None
        names = getattr(self, "feature_names_in_", None)
        header = {"settings": settings, "names": None if names is None else list(names)}
        storage.write(path, FILE_KIND, header, rbms.arrays(rbm))

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
        header, arrays = storage.read(path, FILE_KIND)
        try:
            settings, own = dict(header["settings"]), {}
            for side in ("visible", "hidden"):
                own[side] = layer_from(settings[side], storage.under(f"{side}.", arrays))
                settings[side] = layer_from(settings[side])
            model = Model(arrays["W"], arrays["b"], arrays["c"], own["visible"], own["hidden"])
            out = cls(**settings)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path}: is damaged ({error})") from error
        out.model_, out.history_, out.n_features_in_ = model, [], model.n_visible
        if header["names"] is not None:
            out.feature_names_in_ = np.array(header["names"], object)
        return out


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
