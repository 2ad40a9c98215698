"""The deep Boltzmann machine as an estimator: layers in a row, learnt one by one and then jointly."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium import storage
from harmonium.errors import ModelFileError, SettingError
from harmonium.estimators import cases
from harmonium.estimators.base import Estimator
from harmonium.estimators.boltzmann_machine import BoltzmannMachine
from harmonium.likelihood import Bracket
from harmonium.models import boltzmann, wiring
from harmonium.models.boltzmann import Boltzmann, Floats
from harmonium.randomness import Seed
from harmonium.training import pretraining
from harmonium.training.boltzmann import BoltzmannLearning
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.settings import check_count
from harmonium.units import Bernoulli

FILE_KIND = "DeepBoltzmannMachine"
JOINT = ("n_steps", "n_chains", "inference", "n_epochs", "batch_size", "learning_rate", "weight_decay", "random_state")


@final
class DeepBoltzmannMachine(Estimator):
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
    n_steps, n_chains : int
        Of the persistent free chains; this and the settings that follow are `BoltzmannLearning`'s.
    inference : str
        How hidden units follow the data: "mean-field" or "gibbs".
    n_epochs, batch_size : int
    learning_rate, weight_decay : float
    random_state : int

    Attributes
    ----------
    model_ : harmonium.models.boltzmann.Boltzmann
        Visible units first, then the hidden layers.
    history_ : list of BoltzmannEpoch
    n_features_in_ : int

    Notes
    -----
    Salakhutdinov & Hinton, AISTATS 2009.

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
        n_steps: int = 5,
        n_chains: int = BoltzmannLearning.n_chains,
        inference: str = "mean-field",
        n_epochs: int = BoltzmannLearning.n_epochs,
        batch_size: int = BoltzmannLearning.batch_size,
        learning_rate: float = 0.005,
        weight_decay: float = BoltzmannLearning.weight_decay,
        random_state: int = 0,
    ):
        self.n_hidden = n_hidden
        self.n_pretraining_epochs = n_pretraining_epochs
        self.pretraining_rate = pretraining_rate
        self.n_steps = n_steps
        self.n_chains = n_chains
        self.inference = inference
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.random_state = random_state

    def fit(self, X: Any, y: None = None) -> DeepBoltzmannMachine:
        """Learn the layers one by one, then all of them jointly.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
            0 or 1.
        y : None
            Part of scikit-learn's contract.

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
        sizes, read = self._sizes(), cases.read(X).X
        rows = read.toarray() if sparse.issparse(read) else np.asarray(read)  # type: ignore[union-attr]
        Bernoulli(rows.shape[1]).check(rows, "X")
        check_count("n_pretraining_epochs", self.n_pretraining_epochs, 0, 1_000_000)
        inner = self._inner(rows.shape[1], sizes)
        if self.n_pretraining_epochs:
            how = DenseLearning(
                method="cd", n_steps=self.n_steps, n_epochs=self.n_pretraining_epochs, batch_size=self.batch_size,
                learning_rate=self.pretraining_rate,
            )  # fmt: skip
            inner.model_ = pretraining.assembled(pretraining.stacked(rows, sizes, how, self.random_state))
            inner.partial_fit(rows, n_epochs=self.n_epochs)
        else:
            inner.fit(rows)
        self._keep(inner, rows.shape[1])
        return self

    def _inner(self, n_visible: int, sizes: Sequence[int]) -> BoltzmannMachine:
        mask = wiring.layered(n_visible, *sizes)
        how = {name: getattr(self, name) for name in JOINT}
        return BoltzmannMachine(sum(sizes), couplings=mask, method="pcd", **how)

    def _keep(self, inner: BoltzmannMachine, n_visible: int) -> None:
        self._machine, self.model_, self.history_ = inner, inner.model_, inner.history_
        self.n_features_in_ = n_visible

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
        mean = self.machine.infer(X, "naive").mean
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
        return self.machine.score_samples(X)

    def score(self, X: Any, y: None = None) -> float:
        """Mean exact log-likelihood of rows, in nats.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        """
        return self.machine.score(X)

    def bracket(self, X: Any, *, rng: Seed = 0) -> Bracket:
        """Bound the mean log-likelihood of rows from below and from above, by annealing.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        rng : seed
        """
        return self.machine.bracket(X, rng=rng)

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
        return self.machine.fill_in(X, known, n_sweeps=n_sweeps, rng=rng)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted machine to a file, whole or not at all.

        Parameters
        ----------
        path : path
        """
        bm: Boltzmann = self.machine.fitted_model
        J = sparse.csr_array(bm.J)
        arrays = {"b": bm.b, "data": J.data, "indices": J.indices, "indptr": J.indptr}
        settings = self.get_params() | {"n_hidden": self._sizes()}
        storage.write(path, FILE_KIND, {"settings": settings, "n_visible": bm.n_visible}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DeepBoltzmannMachine:
        """Read a machine that `save` wrote.

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
            out, n = cls(**header["settings"]), len(arrays["b"])
            J = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(n, n))
            inner = out._inner(header["n_visible"], out._sizes())
            inner.model_ = boltzmann.machine(J, arrays["b"], np.arange(header["n_visible"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path}: is damaged ({error})") from error
        out._keep(inner, header["n_visible"])
        return out

    def _sizes(self) -> list[int]:
        sizes = [self.n_hidden] if isinstance(self.n_hidden, int | np.integer) else list(self.n_hidden)
        if len(sizes) < 2 or not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
            raise SettingError(f"n_hidden: {self.n_hidden!r} is not at least two whole numbers from 1 on, one a layer")
        return [int(size) for size in sizes]
