"""`BernoulliRBM` with scikit-learn's own arguments, methods and attributes: code moves by changing the import."""

from __future__ import annotations

import time
import warnings
import zlib
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.errors import DivergenceError, SettingError
from harmonium.estimators import cases
from harmonium.estimators.dense import Cases, DenseEstimator, seed_of
from harmonium.events import Ended
from harmonium.kernels.devices import CPU
from harmonium.kernels.devices import device as chosen
from harmonium.models import rbm as rbms
from harmonium.randomness import key_from, key_of, uniforms
from harmonium.sampling import gibbs
from harmonium.training.dense import loop
from harmonium.training.dense import state as states
from harmonium.training.dense.chains import densely
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.settings import check_count
from harmonium.units import Bernoulli, bernoulli
from harmonium.units.layer import Floats


@final
class BernoulliRBM(DenseEstimator):
    """Bernoulli restricted Boltzmann machine, learnt by persistent contrastive divergence with one step an update.

    A stand-in for `sklearn.neural_network.BernoulliRBM` with the same arguments, several times as fast; `device` is one
    more. Each phase is averaged by its own count, so that `partial_fit` with batches of any size lets no bias run away.
    Values from 0 to 1 are taken as probabilities. For other units, methods and likelihoods take `RBM`.

    Parameters
    ----------
    n_components : int
        Hidden units.
    learning_rate : float
    batch_size : int
        Cases of a mini-batch; also the number of chains.
    n_iter : int
        Passes over the data.
    verbose : int
        Above 0, one line a pass.
    random_state : int, RandomState, Generator or None
    device : str
        What learning runs on: "cpu", "cuda", "cuda:1", ..., or "auto", a GPU where there is one.

    Attributes
    ----------
    components_ : float32 array, (n_components, n_features)
    intercept_hidden_ : float32 array, (n_components,)
    intercept_visible_ : float32 array, (n_features,)
    h_samples_ : float32 array, (batch_size, n_components)
        Hidden states of the persistent chains.
    n_features_in_ : int
    feature_names_in_ : array of str, (n_features,)
        Where the data had column names.

    Examples
    --------
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> BernoulliRBM(n_components=2, random_state=0).fit(X)
    BernoulliRBM(n_components=2, random_state=0)
    """

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float = 0.1,
        batch_size: int = 10,
        n_iter: int = 10,
        verbose: int = 0,
        random_state: Any = None,
        device: str = "cpu",
    ):
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any = None) -> BernoulliRBM:
        """Learn from rows.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_samples, n_features)
            Values from 0 to 1.
        y : None
            Part of scikit-learn's contract.

        Raises
        ------
        DataError, SettingError
            A value is not from 0 to 1, by row and column; a setting is out of range.
        DivergenceError
            Learning diverged before any pass ended well; later, a warning says so and the last good model is kept.
        """
        learning, table = self._learning(), cases.read(X)
        self._start(table, learning)
        state = self._state
        began = time.perf_counter()
        for event in loop.train(state, table.X, learning, device=chosen(self.device)):
            if self.verbose and event.kind == "dense epoch":
                score = float(self._pseudo_likelihood(table.X, key_of(state.seed, 2, state.epoch)).mean())
                now = time.perf_counter()
                spent = f"time = {now - began:.2f}s"
                print(f"[BernoulliRBM] Iteration {state.epoch}, pseudo-likelihood = {score:.2f}, {spent}")
                began = now
            if isinstance(event, Ended):
                self._publish(loop.finished(state, event.reason, event.advice))
                self._after(event.reason, event.advice)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> BernoulliRBM:
        """Learn from one mini-batch of any size.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_samples, n_features)
        y : None
            Part of scikit-learn's contract.

        Raises
        ------
        DataError
            A value is not from 0 to 1, by row and column.
        DivergenceError
            Learning diverged; the last good model is kept.
        """
        table = cases.read(X)
        n = table.X.shape[0]  # type: ignore[index]
        learning = self._learning(batch_size=n, n_chains=self.batch_size, n_iter=1)
        if self._state is None:
            self._start(table, learning, getattr(self, "model_", None))
        rows, device = self._rows(X), chosen(self.device)
        held = device.kernels.cases_on(rows, device.torch_name)
        state: State = self._state  # type: ignore[assignment]
        state.to(device)
        loop.run_epoch(state, held, learning, loop.workspace(state, rows, learning))
        state.to(CPU)
        model, advice = loop.good_model(state, learning)
        if model is None:
            self._state = None  # the next mini-batch begins again at the last good model
            raise DivergenceError(f"learning diverged: {advice}")
        self._publish(model)
        return self

    def _learning(self, **changed: Any) -> DenseLearning:
        check_count("n_components", self.n_components, 1, 2**31 - 1)
        check_count("batch_size", self.batch_size, 1, 10_000_000)
        check_count("n_iter", self.n_iter, 0, 10_000_000)
        if isinstance(self.verbose, str) or not hasattr(self.verbose, "__index__"):
            raise SettingError(f"verbose: {self.verbose!r} is not a whole number")
        how: dict[str, Any] = {"batch_size": self.batch_size, "n_chains": self.batch_size} | changed
        how["n_epochs"] = max(1, how.pop("n_iter", self.n_iter))
        return DenseLearning(method="pcd", centring=False, learning_rate=self.learning_rate, **how)

    def _start(self, table: cases.Table, learning: DenseLearning, model: Any = None) -> None:
        """Begin at a model that there is, or at small random weights."""
        visible, seed = Bernoulli(table.X.shape[1]), seed_of(self.random_state)  # type: ignore[index]
        if model is None:
            cases.check(table.X, visible)
            self._begin(table)
        begun = model or rbms.initial(visible, Bernoulli(int(self.n_components)), seed)
        self._state = states.start(begun, learning, seed, np.zeros(begun.n_visible), table.X.shape[0])  # type: ignore[index]
        blank = np.zeros((learning.n_chains, begun.n_visible), np.float32)
        states.begin_chains(self._state, learning, blank)
        self.model_ = begun

    def _publish(self, model: Any) -> None:
        self.model_, self.h_samples_ = model, self._state.h

    def _after(self, reason: str, advice: str) -> None:
        """Warn of a run that diverged after a pass that ended well; what `partial_fit` learns on from is that pass."""
        if reason == "diverged":
            self._state = None
            warnings.warn(f"learning diverged, the last good model is kept: {advice}", RuntimeWarning, stacklevel=3)

    @property
    def components_(self) -> Floats:
        """Weights, (n_components, n_features)."""
        return self.fitted_model.W.T

    @property
    def intercept_hidden_(self) -> Floats:
        """Biases of the hidden units, (n_components,)."""
        return self.fitted_model.c

    @property
    def intercept_visible_(self) -> Floats:
        """Biases of the visible units, (n_features,)."""
        return self.fitted_model.b

    @property
    def _n_features_out(self) -> int:
        return self.fitted_model.n_hidden

    def gibbs(self, v: Any) -> Floats:
        """One step of Gibbs sampling: hidden units given the rows, rows given those.

        Parameters
        ----------
        v : array-like, (n_samples, n_features)

        Returns
        -------
        float32 array, (n_samples, n_features)
        """
        rbm, rows = self.fitted_model, self._rows(v)
        key, chain = int(key_from(seed_of(self.random_state))), np.arange(rows.shape[0])  # type: ignore[index]
        h = gibbs.draw(rbm.hidden, rbms.hidden_field(rbm, rows), key_of(key, 0), chain)
        return gibbs.draw(rbm.visible, rbms.visible_field(rbm, h), key_of(key, 1), chain)

    def score_samples(self, X: Any) -> npt.NDArray[np.float64]:
        """Stochastic log pseudo-likelihood of rows: one unit of each turned at random, times the number of units.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_samples, n_features)

        Returns
        -------
        float64 array, (n_samples,)
            In nats. A true likelihood, or bounds of it, is what `RBM.score_samples` and `RBM.bracket` give.
        """
        return self._pseudo_likelihood(self._rows(X), key_from(seed_of(self.random_state)))

    def _pseudo_likelihood(self, X: Cases, key: np.uint64) -> npt.NDArray[np.float64]:
        rbm = self._state.view() if self._state is not None else self.fitted_model
        v = densely(X, np.arange(X.shape[0])) if sparse.issparse(X) else np.array(X)  # type: ignore[index]
        own = [zlib.crc32(row.tobytes()) for row in v]  # a row's draw depends on it alone, not on its place
        column = (uniforms(key, own, 0) * v.shape[1]).astype(np.int64)
        turned, rows = v.copy(), np.arange(len(v))
        turned[rows, column] = 1 - turned[rows, column]
        gap = (rbms.free_energy(rbm, turned) - rbms.free_energy(rbm, v)).astype(np.float64)
        return -v.shape[1] * bernoulli.log_partition(-gap)
