"""The deep Boltzmann machine as an estimator: layers in a row, learnt one by one and then jointly."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium import storage
from harmonium.errors import SettingError
from harmonium.estimators import cases, files
from harmonium.estimators.base import Watch
from harmonium.estimators.boltzmann_machine import BoltzmannMachine
from harmonium.estimators.dense import DenseEstimator
from harmonium.events import Event, Saved
from harmonium.likelihood import Bracket
from harmonium.models import boltzmann, wiring
from harmonium.models.boltzmann import Boltzmann, Floats
from harmonium.randomness import Seed
from harmonium.training import boltzmann_state as states
from harmonium.training import deep_checkpoint, pretraining
from harmonium.training.boltzmann_state import BoltzmannLearning, BoltzmannState, Edges, edges_of
from harmonium.training.deep_checkpoint import Learning, Progress
from harmonium.training.dense.chains import Cases
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.pretraining import Stack
from harmonium.training.settings import check_choice, check_count
from harmonium.units import Bernoulli, Layer

METHODS = ("pcd", "tempered-pcd", "full-chain", "multi-prediction")
JOINT = (
    "method", "n_steps", "n_chains", "inference", "n_epochs", "batch_size", "learning_rate", "weight_decay",
    "monitor", "random_state",
)  # fmt: skip


@final
class DeepBoltzmannMachine(DenseEstimator):
    """Boltzmann machine of binary units in layers, each tied to the next.

    Parameters
    ----------
    n_hidden : sequence of int
        Units of each hidden layer, from the bottom up.
    n_pretraining_epochs : int
        Passes over the data for each layer on its own, by contrastive divergence with doubled outer layers, before all
        learn jointly; 0 begins at small random weights, for which centring is often enough.
    pretraining_rate : float
        Learning rate of that.
    method : str
        How all layers learn jointly: "pcd", "tempered-pcd", "full-chain", or "multi-prediction", which learns to
        predict left-out units by mean field and takes no samples.
    n_steps, n_chains : int
        Sweeps of the free chains an update, or of mean field for "multi-prediction"; this and the settings that follow
        are `BoltzmannLearning`'s.
    inference : str
        How hidden units follow the data: "mean-field" or "gibbs".
    n_epochs, batch_size : int
    learning_rate, weight_decay : float
    monitor : bool
        Whether free energies, likelihoods and the chains' memory are measured in joint learning, in 5 % of its time.
    random_state : int

    Attributes
    ----------
    model_ : harmonium.models.boltzmann.Boltzmann
        Visible units first, then the hidden layers.
    history_ : list of Event
        Of pre-training, layer by layer, then of joint learning.
    n_features_in_ : int

    Notes
    -----
    Salakhutdinov & Hinton, AISTATS 2009; Goodfellow, Mirza, Courville & Bengio, NIPS 2013.

    Examples
    --------
    >>> X = np.repeat([[0, 0, 1], [1, 1, 0]], 50, axis=0)
    >>> DeepBoltzmannMachine((4, 2), n_epochs=5).fit(X).transform(X).shape
    (100, 2)
    """

    def __init__(
        self,
        n_hidden: Sequence[int] = (128, 64),
        *,
        n_pretraining_epochs: int = 20,
        pretraining_rate: float = 0.05,
        method: str = "pcd",
        n_steps: int = 5,
        n_chains: int = BoltzmannLearning.n_chains,
        inference: str = "mean-field",
        n_epochs: int = BoltzmannLearning.n_epochs,
        batch_size: int = BoltzmannLearning.batch_size,
        learning_rate: float = 0.005,
        weight_decay: float = BoltzmannLearning.weight_decay,
        monitor: bool = False,
        random_state: int = 0,
    ):
        self.n_hidden = n_hidden
        self.n_pretraining_epochs = n_pretraining_epochs
        self.pretraining_rate = pretraining_rate
        self.method = method
        self.n_steps = n_steps
        self.n_chains = n_chains
        self.inference = inference
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
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
    ) -> DeepBoltzmannMachine:
        """Learn the layers one by one, then all of them jointly. Ctrl-C ends it with the machine so far.

        Where it comes while layers learn on their own, those that had not begun have small random weights.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
            0 or 1.
        y : None
            Part of scikit-learn's contract.
        checkpoint : path, optional
            File to write from time to time, while layers learn on their own and jointly.
        resume : bool
            Go on from the checkpoint, bit for bit, when the file exists.
        watch : callable or callables
            Called with every event.

        Returns
        -------
        DeepBoltzmannMachine
            Itself.

        Raises
        ------
        DataError, SettingError
            A value is none of the units', by row and column; a setting is out of range.
        DivergenceError
            Learning diverged.
        """
        self._watched(self.fitting(X, checkpoint=checkpoint, resume=resume), watch)
        return self

    def fitting(
        self, X: Any, *, checkpoint: str | os.PathLike[str] | None = None, resume: bool = False
    ) -> Generator[Event, None, None]:
        """Learn, event by event; whenever it ends in joint learning, `model_` holds the model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        checkpoint : path, optional
        resume : bool

        Yields
        ------
        Event
            Those of the dense loop for each layer, then `Began`, a `BoltzmannEpoch` an epoch and `Ended`; `Saved` with
            every checkpoint.
        """
        sizes, table = self._sizes(), cases.read(X)
        rows = table.X
        check_choice("method", self.method, METHODS)
        check_count("n_pretraining_epochs", self.n_pretraining_epochs, 0, 1_000_000)
        n_visible: int = rows.shape[1]  # type: ignore[index]
        cases.check(rows, Bernoulli(n_visible), exact=True)
        inner = self._inner(n_visible, sizes)
        learning = Learning(sizes, self._alone(), inner._learning(), self.random_state, Bernoulli(n_visible))
        edges = edges_of(n_visible + sum(sizes), inner.couplings)
        there = resume and checkpoint is not None and os.path.exists(checkpoint)
        progress, history = Progress(Stack(), None), list[Event]()
        if there:
            joint_of = partial(states.from_parts, edges=edges)
            progress = deep_checkpoint.resume(str(checkpoint), learning, rows, joint_of)
        stack, joint = progress.stack, progress.joint

        def keep(joint: BoltzmannState | None) -> Saved:
            assert checkpoint is not None
            below = stack if joint is None else Stack()
            return deep_checkpoint.save(checkpoint, Progress(below, joint), learning, rows)

        saving = None if checkpoint is None else keep
        self._begin(table)
        if isinstance(joint, BoltzmannState):
            inner.model_ = joint.bm
        else:
            try:
                inner.model_ = yield from self._begun(rows, learning, stack, edges, history, saving)
            except GeneratorExit:  # whoever watches has had enough
                with suppress(KeyboardInterrupt):
                    inner.model_, self.history_ = self._so_far(stack, learning), history
                    self._keep(inner, n_visible)
                raise
        if stack.interrupted:
            self._keep(inner, n_visible)
            self.history_ = history
            return
        how = {"machine": deep_checkpoint.MACHINE, "state": joint, "keep": saving}
        yield from self._jointly(inner, inner.going_on(rows, n_epochs=self.n_epochs, **how), history)

    def _alone(self) -> DenseLearning | None:
        """How layers learn on their own, if they do."""
        if not self.n_pretraining_epochs:
            return None
        return DenseLearning(
            method="cd", n_steps=self.n_steps, n_epochs=self.n_pretraining_epochs, batch_size=self.batch_size,
            learning_rate=self.pretraining_rate,
        )  # fmt: skip

    def _begun(
        self, rows: Cases, learning: Learning, stack: Stack, edges: Edges, history: list[Event], keep: Any
    ) -> Generator[Event, None, Boltzmann]:
        """The machine before joint learning: of layers that have learnt on their own, or with small random weights."""
        if learning.alone is None:
            v: Any = rows.astype(np.float64)
            return states.initial(v, sum(learning.sizes), edges, "bits", self.random_state)
        layers = pretraining.stacking(rows, learning.sizes, learning.alone, self.random_state, history, stack)
        yield from deep_checkpoint.kept(layers, keep, history)
        return self._so_far(stack, learning)

    def _so_far(self, stack: Stack, learning: Learning) -> Boltzmann:
        """The machine of the layers that have learnt; KeyboardInterrupt where none has."""
        layers = pretraining.layers_of(learning.visible.width, learning.sizes)
        return pretraining.assembled(stack.completed(layers, self.random_state))

    def _jointly(
        self, inner: BoltzmannMachine, run: Generator[Event, None, None], history: list[Event]
    ) -> Generator[Event, None, None]:
        """Events of joint learning; however it ends, this is the machine so far."""
        try:
            for event in run:
                self._keep(inner, self.n_features_in_)
                self.history_ = [*history, *inner.history_]
                yield event
        finally:
            run.close()

    def partial_fit(self, X: Any, y: Any = None, *, n_epochs: int = 1) -> DeepBoltzmannMachine:
        """Learn on jointly from the fitted model; chains and moments go on where they were.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        n_epochs : int
            Passes over X.

        Returns
        -------
        DeepBoltzmannMachine
            Itself. Without an earlier fit the machine begins here, with pre-training.
        """
        check_count("n_epochs", n_epochs, 1, 1_000_000)
        if getattr(self, "_machine", None) is None:
            how: dict[str, Any] = self.get_params() | {"n_epochs": n_epochs}
            vars(self).update(vars(DeepBoltzmannMachine(**how).fit(X)) | self.get_params())
            return self
        inner, n_before = self.machine, len(getattr(self.machine, "history_", []))
        inner.partial_fit(self._table(X), n_epochs=n_epochs)
        self.model_ = inner.fitted_model
        self.history_ = [*self.history_, *inner.history_[n_before:]]
        return self

    def _inner(self, n_visible: int, sizes: Sequence[int]) -> BoltzmannMachine:
        mask = wiring.layered(n_visible, *sizes)
        how = {name: getattr(self, name) for name in JOINT}
        return BoltzmannMachine(sum(sizes), couplings=mask, **how)

    def _keep(self, inner: BoltzmannMachine, n_visible: int) -> None:
        self._machine, self.model_, self.n_features_in_ = inner, inner.model_, n_visible

    @property
    def machine(self) -> BoltzmannMachine:
        """The fitted machine as one without layers; NotFittedError before `fit`."""
        return self._fitted("_machine")

    def hidden_means(self, X: Any) -> list[Floats]:
        """Means of every hidden layer given rows, by mean field, from the bottom up.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        """
        mean = self.machine.infer(self._table(X), "naive").mean
        ends = np.cumsum([self.n_features_in_, *self._sizes()])
        return [mean[:, start:stop] for start, stop in itertools.pairwise(ends)]

    def transform(self, X: Any) -> Floats:
        """Means of the top layer given rows, by mean field: (n_cases, n_hidden[-1]).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        """
        return self.hidden_means(X)[-1]

    def score_samples(self, X: Any) -> Floats:
        """Exact log-likelihood of rows under a small machine, in nats: (n_cases,).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        """
        return self.machine.score_samples(self._table(X))

    def score(self, X: Any, y: None = None) -> float:
        """Mean exact log-likelihood of rows, in nats.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        """
        return self.machine.score(self._table(X))

    def bracket(self, X: Any, *, rng: Seed = 0) -> Bracket:
        """Bound the mean log-likelihood of rows from below and from above, by annealing.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        rng : seed
        """
        return self.machine.bracket(self._table(X), rng=rng)

    def sample(self, n: int = 1, *, n_sweeps: int = 1_000, rng: Seed = None) -> Floats:
        """Draw rows from chains of their own: (n, n_visible).

        Parameters
        ----------
        n, n_sweeps : int
        rng : seed
        """
        return self.machine.sample(n, n_sweeps=n_sweeps, rng=rng)

    def fill_in(self, X: Any, known: npt.ArrayLike, *, n_sweeps: int = 1_000, rng: Seed = None) -> Floats:
        """Draw what is not known of rows, given what is: (n_cases, n_visible).

        Parameters
        ----------
        X : array-like, (n_cases, n_visible)
        known : bool array-like, (n_visible,) or (n_cases, n_visible)
        n_sweeps : int
        rng : seed
        """
        return self.machine.fill_in(self._table(X), known, n_sweeps=n_sweeps, rng=rng)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted machine to a file, whole or not at all, with its chains and moments where it has them.

        Parameters
        ----------
        path : path
        """
        inner, bm = self.machine, self.fitted_model
        J, state = sparse.csr_array(bm.J), None
        arrays = {"b": bm.b, "data": J.data, "indices": J.indices, "indptr": J.indptr}
        if inner._state is not None:
            state, carried = states.to_parts(replace(inner._state, clamped=np.empty((0, 0))))
            arrays |= storage.prefixed("state.", carried)
        files.save(self, path, arrays, {"n_hidden": self._sizes()}, n_visible=bm.n_visible, state=state)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DeepBoltzmannMachine:
        """Read a machine that `save` wrote; `partial_fit` goes on with the chains it had.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            There is no such file, it is damaged, or holds something else.
        """

        def build(settings: dict[str, Any], header: Any, arrays: dict[str, npt.NDArray]) -> DeepBoltzmannMachine:
            out, n = cls(**settings), len(arrays["b"])
            J = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(n, n))
            inner = out._inner(header["n_visible"], out._sizes())
            inner.model_ = boltzmann.machine(J, arrays["b"], np.arange(header["n_visible"]))
            inner.n_features_in_ = header["n_visible"]
            if header["state"] is not None:
                edges = edges_of(n, inner.couplings)
                inner._state = states.from_parts(header["state"], storage.under("state.", arrays), edges)
            out._keep(inner, header["n_visible"])
            return out

        return files.load(path, cls.__name__, build)

    def free_energy(self, X: Any) -> Floats:
        """Free energy of rows under a small machine, the hidden units summed out, in nats: (n_cases,).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        """
        return self.machine.free_energy(self._table(X))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names of what `transform` returns: the class's name and a number.

        Parameters
        ----------
        input_features : ignored
            Part of scikit-learn's contract.
        """
        return np.array([f"deepboltzmannmachine{k}" for k in range(self._n_features_out)], object)

    @property
    def fitted_model(self) -> Boltzmann:  # type: ignore[override]
        """The fitted record; NotFittedError before `fit`."""
        return self._fitted("model_")

    @property
    def _n_features_out(self) -> int:
        return self._sizes()[-1]

    def _input_layer(self) -> Layer:
        return Bernoulli(self.fitted_model.n_visible)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags

    def _sizes(self) -> list[int]:
        sizes = [self.n_hidden] if isinstance(self.n_hidden, int | np.integer) else list(self.n_hidden)
        if len(sizes) < 2 or not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
            raise SettingError(f"n_hidden: {self.n_hidden!r} is not at least two whole numbers from 1 on, one a layer")
        return [int(size) for size in sizes]
