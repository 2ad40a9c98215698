"""The deep belief network as an estimator: restricted machines learnt one on top of the other."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.errors import DivergenceError, SettingError
from harmonium.estimators import cases, files
from harmonium.estimators.base import Watch
from harmonium.estimators.dense import DenseEstimator, check_draws, mean_of, seed_of, some_rows
from harmonium.events import DenseEpochEnded, Ended, Event, Saved
from harmonium.likelihood import log_partition
from harmonium.likelihood.monitoring import Monitor
from harmonium.models import deep_belief
from harmonium.models import rbm as rbms
from harmonium.models.deep_belief import DeepBelief
from harmonium.models.rbm import RBM as Model
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import gibbs
from harmonium.training import checkpoints, deep_checkpoint, pretraining, up_down
from harmonium.training.deep_checkpoint import Learning, Progress
from harmonium.training.dense.records import assembled
from harmonium.training.dense.settings import DENSE_SETTINGS, DenseLearning
from harmonium.training.pretraining import Stack
from harmonium.training.settings import check_count
from harmonium.training.up_down import UpDown
from harmonium.units import Layer, layer_from, layer_of
from harmonium.units.layer import Floats


@final
class DeepBeliefNetwork(DenseEstimator):
    """Restricted machines, each learnt from what the one below makes of the data.

    Parameters
    ----------
    n_hidden : sequence of int
        Units of each hidden layer, from the bottom up.
    visible : str or Layer
        Kind of the data's layer, as for `RBM`; the hidden layers are Bernoulli.
    method : str
        This and the settings from here to `weight_decay` are `DenseLearning`'s, the same for all layers.
    n_steps, n_chains, n_epochs, batch_size : int
    optimizer : str
    learning_rate : float
    schedule : str
    momentum, weight_decay : float
    n_fine_tuning_epochs : int
        Passes over the data in which all layers learn together by wake and sleep, after each has learnt on its own: the
        network generates better, and going up gets weights of its own.
    fine_tuning_rate : float
        Learning rate of that, and of `partial_fit`.
    monitor : bool
        Whether free energies, likelihoods and the chains' memory of each layer's machine are measured while it learns
        on its own, in 5 % of its time; see `RBM`. Of all layers together there is no free energy.
    random_state : int, Generator or None

    Attributes
    ----------
    model_ : harmonium.models.deep_belief.DeepBelief
    history_ : list of Event
        Of all layers, one after the other, then of wake and sleep.
    n_features_in_ : int

    Notes
    -----
    Hinton, Osindero & Teh, Neural Computation 18 (2006), appendix B for wake and sleep.

    Examples
    --------
    >>> X = np.repeat([[0, 0, 1], [1, 1, 0]], 50, axis=0)
    >>> network = DeepBeliefNetwork((4, 3), n_epochs=5).fit(X)
    >>> network.transform(X).shape
    (100, 3)
    """

    def __init__(
        self,
        n_hidden: Sequence[int] = (256, 256),
        *,
        visible: str | Layer = "bernoulli",
        method: str = DenseLearning.method,
        n_steps: int = DenseLearning.n_steps,
        n_chains: int = DenseLearning.n_chains,
        n_epochs: int = DenseLearning.n_epochs,
        batch_size: int = DenseLearning.batch_size,
        optimizer: str = DenseLearning.optimizer,
        learning_rate: float = DenseLearning.learning_rate,
        schedule: str = DenseLearning.schedule,
        momentum: float = DenseLearning.momentum,
        weight_decay: float = DenseLearning.weight_decay,
        n_fine_tuning_epochs: int = 0,
        fine_tuning_rate: float = 0.001,
        monitor: bool = False,
        random_state: Any = 0,
    ):
        self.n_hidden = n_hidden
        self.visible = visible
        self.method = method
        self.n_steps = n_steps
        self.n_chains = n_chains
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.n_fine_tuning_epochs = n_fine_tuning_epochs
        self.fine_tuning_rate = fine_tuning_rate
        self.monitor = monitor
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watch: Watch = (),
    ) -> DeepBeliefNetwork:
        """Learn the layers one after the other, then together where that is asked for. Ctrl-C ends it with the network
        so far: layers that had not begun have small random weights.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        checkpoint : path, optional
            File to write from time to time.
        resume : bool
            Go on from the checkpoint, bit for bit, when the file exists.
        watch : callable or callables
            Called with every event.

        Returns
        -------
        DeepBeliefNetwork
            Itself.

        Raises
        ------
        DataError, SettingError, DivergenceError
            As `RBM.fit`.
        """
        return self._watched(self.fitting(X, checkpoint=checkpoint, resume=resume), watch)

    def fitting(
        self, X: Any, *, checkpoint: str | os.PathLike[str] | None = None, resume: bool = False
    ) -> Generator[Event, None, None]:
        """Learn, event by event; whenever it ends, `model_` holds the network so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        checkpoint : path, optional
        resume : bool

        Yields
        ------
        Event
            Those of the dense loop for each layer, then those of wake and sleep; `Saved` with every checkpoint.
        """
        sizes, seed, table = self._sizes(), seed_of(self.random_state), cases.read(X)
        check_count("n_fine_tuning_epochs", self.n_fine_tuning_epochs, 0, 1_000_000)
        tuning = self._tuning(max(1, self.n_fine_tuning_epochs))
        visible = layer_of(self.visible, table.X.shape[1])  # type: ignore[index]
        cases.check(table.X, visible)
        learning = Learning(sizes, self._learning(), tuning, seed, visible)
        progress = Progress(Stack(), None)
        if resume and checkpoint is not None and os.path.exists(checkpoint):
            progress = deep_checkpoint.resume(checkpoint, learning, table.X, up_down.from_parts)
        self._begin(table)
        self.history_: list[Event] = []

        def keep(joint: UpDown | None) -> Saved:
            assert checkpoint is not None
            stack = progress.stack if joint is None else Stack()
            return deep_checkpoint.save(checkpoint, Progress(stack, joint), learning, table.X)

        self._state, saving = progress.joint, keep if checkpoint is not None else None
        if self._state is None:
            yield from self._layers(table.X, learning, progress.stack, saving)
        if self.n_fine_tuning_epochs and not progress.stack.interrupted:
            yield from self._together(table.X, tuning, saving)

    def _layers(self, X: Any, learning: Learning, stack: Stack, keep: Any) -> Generator[Event, None, None]:
        """Events of the layers learning on their own; however it ends, `model_` is the network so far."""
        layers = self._pairs(learning.visible, learning.sizes)

        def events() -> Generator[Event, None, None]:
            rows = X
            for k, pair in enumerate(layers):
                if k == len(stack.machines):
                    mean, seed = mean_of(rows), learning.seed + k
                    begun = partial(rbms.initial, *pair, seed, mean)
                    how = learning.alone, seed, self.history_, stack, self._monitor(rows)
                    yield from pretraining.learning_layer(rows, begun, mean, *how)  # type: ignore[arg-type]
                if stack.interrupted:
                    return
                rows = stack.machines[k].hidden.mean(rbms.hidden_field(stack.machines[k], rows))

        try:
            yield from deep_checkpoint.kept(events(), keep, self.history_)
        except GeneratorExit:  # whoever watches has had enough
            with suppress(KeyboardInterrupt):
                self.model_ = DeepBelief(tuple(stack.completed(layers, learning.seed)))
            raise
        self.model_: DeepBelief | None = DeepBelief(tuple(stack.completed(layers, learning.seed)))

    def _pairs(self, visible: Layer, sizes: Sequence[int]) -> list[tuple[Layer, Layer]]:
        """Visible and hidden units of each machine."""
        layers = [visible, *(layer_of("bernoulli", n) for n in sizes)]
        return list(itertools.pairwise(layers))

    def _monitor(self, rows: Any) -> Monitor | None:
        if not self.monitor:
            return None
        return Monitor(some_rows(rows), None, self.n_steps)

    def partial_fit(self, X: Any, y: Any = None, *, n_epochs: int = 1) -> DeepBeliefNetwork:
        """Learn on with all layers together, by wake and sleep; the top machine's chains go on where they were.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        n_epochs : int
            Passes over X.

        Returns
        -------
        DeepBeliefNetwork
            Itself. Without an earlier fit the network begins here, layer by layer with `n_epochs` each.

        Raises
        ------
        DivergenceError
            Learning diverged before any epoch ended well; the last good network is kept.
        """
        check_count("n_epochs", n_epochs, 1, 1_000_000)
        if getattr(self, "model_", None) is None:
            how: dict[str, Any] = self.get_params() | {"n_epochs": n_epochs}
            vars(self).update(vars(DeepBeliefNetwork(**how).fit(X)) | self.get_params())
            return self
        if self._state is not None:
            self._state.epoch = 0
        for _ in self._together(self._rows(X), self._tuning(n_epochs)):
            pass
        return self

    def _learning(self) -> DenseLearning:
        return DenseLearning(**{name: getattr(self, name) for name in DENSE_SETTINGS if name in self._names()})

    def _tuning(self, n_epochs: int) -> DenseLearning:
        return replace(self._learning(), n_epochs=n_epochs, learning_rate=self.fine_tuning_rate)

    def _together(self, X: Any, learning: DenseLearning, keep: Any = None) -> Generator[Event, None, None]:
        """Events of wake and sleep, kept in `history_`; however it ends, `model_` is the last good network."""
        begun = self._state or up_down.start(self.network, X, learning, seed_of(self.random_state))
        self._state, saved = begun, time.monotonic()
        for event in up_down.train(begun, X, learning):
            self.model_ = begun.best
            self.history_.append(event)
            yield event
            done = isinstance(event, DenseEpochEnded) and event.epoch == event.n_epochs
            if keep and event.kind == "dense epoch" and (done or time.monotonic() - saved > checkpoints.SAVE_EVERY):
                saved = time.monotonic()
                self.history_.append(keep(begun))
                yield self.history_[-1]
            if isinstance(event, Ended) and event.reason == "diverged":
                self._state = None  # `partial_fit` begins again at the last good network
                if not event.best_epoch:
                    raise DivergenceError(f"learning diverged before any epoch ended well: {event.advice}")

    def transform(self, X: Any) -> Floats:
        """Means of the top layer's units going up from rows: (n_cases, n_hidden[-1]).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        """
        return np.asarray(deep_belief.hidden_means(self.network, self._rows(X))[-1])

    def sample(self, n: int = 1, *, n_steps: int = 1_000, rng: Seed = None) -> Floats:
        """Draw rows: chains in the top machine, then one draw a layer on the way down: (n, n_visible).

        Parameters
        ----------
        n : int
        n_steps : int
        rng : seed
        """
        check_draws(n, n_steps)
        network, key = self.network, int(key_from(rng))
        chains = gibbs.step(network.top, gibbs.init(network.top, n, key_of(key, 0)), key_of(key, 1), n_steps)[0]
        v = chains.v
        for k, rbm in enumerate(reversed(network.machines[:-1])):
            v = gibbs.draw(rbm.visible, rbms.visible_field(rbm, v), key_of(key, 2, k), chains.chain)
        return v

    def score_samples(self, X: Any) -> Floats:
        """Exact log-likelihood of rows under a small network, in nats: (n_cases,).

        Parameters
        ----------
        X : array-like, (n_cases, n_visible)

        Raises
        ------
        SettingError
            A hidden layer has too many states to list; `bound` estimates from below.
        """
        return deep_belief.log_likelihood(self.network, _dense(self._rows(X)))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean exact log-likelihood of rows, in nats.

        Parameters
        ----------
        X : array-like, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        """
        return float(self.score_samples(X).mean())

    def bound(self, X: Any, *, log_z: float | None = None, n_draws: int = 20, rng: Seed = 0) -> npt.NDArray[np.float64]:
        """Estimate a lower bound of the log-likelihood of rows, in nats: (n_cases,).

        Parameters
        ----------
        X : array-like, (n_cases, n_visible)
        log_z : float, optional
            Of the top machine, where it is too large for the exact sum that is taken otherwise.
        n_draws : int
            Over which the bound is averaged.
        rng : seed
        """
        network, key = self.network, int(key_from(rng))
        v = _dense(self._rows(X)).astype(np.float64)
        log_z = log_partition(network.top) if log_z is None else log_z
        out = np.zeros(len(v))
        for t in range(n_draws):
            hidden, below = [], v
            for k, rbm in enumerate(network.upward):
                below = gibbs.draw(rbm.hidden, rbms.hidden_field(rbm, below), key_of(key, t, k), np.arange(len(v)))
                hidden.append(below)
            out += deep_belief.bound(network, v, hidden, log_z)
        return out / n_draws

    @property
    def network(self) -> DeepBelief:
        """The fitted record; NotFittedError before `fit`."""
        return self._fitted("model_")

    def free_energy(self, X: Any) -> Floats:
        """Refuse: a directed network has no free energy of its visible units; `bound` is what comes next to it.

        Parameters
        ----------
        X : array-like, (n_cases, n_visible)
        """
        raise SettingError("a deep belief network has no free energy of its visible units; see bound and score_samples")

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names of what `transform` returns.

        Parameters
        ----------
        input_features : ignored
            Part of scikit-learn's contract.
        """
        return np.array([f"deepbeliefnetwork{k}" for k in range(self.network.top.n_hidden)], object)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted network to a file, whole or not at all.

        Parameters
        ----------
        path : path
        """
        network = self.network
        settings = {"n_hidden": self._sizes(), "visible": network.machines[0].visible}
        arrays: dict[str, npt.NDArray] = {}
        for k, rbm in enumerate(network.machines):
            arrays |= storage.prefixed(f"{k}.", rbms.arrays(rbm))
        for k, rbm in enumerate(network.recognition):
            arrays |= storage.prefixed(f"up.{k}.", rbms.arrays(rbm))
        files.save(self, path, arrays, settings, tied=not network.recognition)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DeepBeliefNetwork:
        """Read a network that `save` wrote.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            There is no such file, it is damaged, or holds something else.
        """

        def build(settings: dict[str, Any], header: Any, arrays: dict[str, npt.NDArray]) -> DeepBeliefNetwork:
            settings["visible"] = below = layer_from(settings["visible"])
            machines: list[Model] = []
            upward: list[Model] = []
            for k, size in enumerate(settings["n_hidden"]):
                above = layer_from({"kind": "bernoulli", "n_units": size})
                machines.append(assembled(below, above, storage.under(f"{k}.", arrays)))
                if not header["tied"] and k < len(settings["n_hidden"]) - 1:
                    upward.append(assembled(below, above, storage.under(f"up.{k}.", arrays)))
                below = above
            out = cls(**settings)
            out.model_, out.n_features_in_ = DeepBelief(tuple(machines), tuple(upward)), machines[0].n_visible
            return out

        return files.load(path, cls.__name__, build)

    def _sizes(self) -> list[int]:
        sizes = [self.n_hidden] if isinstance(self.n_hidden, int | np.integer) else list(self.n_hidden)
        if not sizes or not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
            raise SettingError(f"n_hidden: {self.n_hidden!r} is not one whole number from 1 on for each hidden layer")
        return [int(size) for size in sizes]

    def _input_layer(self) -> Layer:
        return self.network.machines[0].visible


def _dense(X: Any) -> Floats:
    return X if isinstance(X, np.ndarray) else X.toarray()
