"""The Boltzmann machine as an estimator."""

import os
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium import storage
from harmonium.errors import DataError, ModelFileError
from harmonium.estimators import cases
from harmonium.estimators.base import Estimator
from harmonium.events import BoltzmannEpoch
from harmonium.likelihood import Bracket, bracket, log_likelihood
from harmonium.likelihood.annealing import N_BETAS, N_CHAINS
from harmonium.models import boltzmann
from harmonium.models.boltzmann import ALPHABETS, Boltzmann, Floats
from harmonium.models.mean_field import MeanField, mean_field
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import boltzmann as sampling
from harmonium.training import boltzmann as learning_room
from harmonium.training.boltzmann import BoltzmannLearning, BoltzmannState, edges_of
from harmonium.training.settings import check_choice, check_count

FILE_KIND = "BoltzmannMachine"
MOST_HIDDEN = 65_536
_LEARNING = tuple(BoltzmannLearning.__dataclass_fields__)


@final
class BoltzmannMachine(Estimator):
    """Boltzmann machine: every unit may be tied to every other, visible or hidden.

    The columns of the data are the visible units; hidden ones come after them.

    Parameters
    ----------
    n_hidden : int
        0 for a fully visible machine.
    values : str
        "bits" for data of 0 and 1, "spins" for -1 and +1.
    couplings : array-like or SciPy sparse, (n_units, n_units), optional
        Which units may be tied: where it is not 0. A sparse one keeps the couplings sparse, and units that are not
        tied are updated together. All pairs without it.
    method : str
        "auto", "exact", "pcd", "full-chain" or "pseudo-likelihood"; this and the settings that follow are
        `BoltzmannLearning`'s.
    n_steps, n_chains : int
    inference : str
        "gibbs" or "mean-field".
    n_epochs, batch_size : int
    learning_rate, weight_decay : float
    random_state : int
        The same seed gives the same model, whatever the number of threads.

    Attributes
    ----------
    model_ : Boltzmann
        The fitted record.
    history_ : list of BoltzmannEpoch
    n_features_in_ : int

    Examples
    --------
    >>> X = np.repeat([[0, 0], [1, 1]], 50, axis=0)
    >>> machine = BoltzmannMachine().fit(X)
    >>> machine.score_samples([[1, 1]]).round(1)
    array([-0.7])
    """

    def __init__(
        self,
        n_hidden: int = 0,
        *,
        values: str = "bits",
        couplings: Any = None,
        method: str = BoltzmannLearning.method,
        n_steps: int = BoltzmannLearning.n_steps,
        n_chains: int = BoltzmannLearning.n_chains,
        inference: str = BoltzmannLearning.inference,
        n_epochs: int = BoltzmannLearning.n_epochs,
        batch_size: int = BoltzmannLearning.batch_size,
        learning_rate: float = BoltzmannLearning.learning_rate,
        weight_decay: float = BoltzmannLearning.weight_decay,
        random_state: int = 0,
    ):
        self.n_hidden = n_hidden
        self.values = values
        self.couplings = couplings
        self.method = method
        self.n_steps = n_steps
        self.n_chains = n_chains
        self.inference = inference
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.random_state = random_state
        self.model_: Boltzmann | None = None
        self.history_: list[BoltzmannEpoch] = []
        self._state: BoltzmannState | None = None

    def fit(
        self, X: Any, y: None = None, *, watch: Callable[[BoltzmannEpoch], Any] | None = None
    ) -> "BoltzmannMachine":
        """Learn from rows. Ctrl-C ends it with the model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        watch : callable, optional
            Called with every event.

        Returns
        -------
        BoltzmannMachine
            Itself.

        Raises
        ------
        DataError, SettingError
            A value is outside the alphabet, with its row and column; a setting is out of range.
        DivergenceError
            Learning diverged; the last good model is kept.
        """
        run = self.fitting(X)
        try:
            for event in run:
                if watch is not None:
                    watch(event)
        except KeyboardInterrupt:  # it came while the watcher was at work
            run.close()
            if not self.history_:
                raise
        return self

    def fitting(self, X: Any) -> Generator[BoltzmannEpoch, None, None]:
        """Learn, event by event; whenever it ends, `model_` holds the model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)

        Yields
        ------
        BoltzmannEpoch

        Raises
        ------
        DataError, SettingError, DivergenceError
            As `fit`.
        """
        settings = self._learning()
        v = self._cases(X)
        edges = edges_of(v.shape[1] + self.n_hidden, self.couplings)
        begun = learning_room.initial(v, self.n_hidden, edges, self.values, self.random_state)
        learning_room.chosen_method(settings, begun)
        self._state = learning_room.start(begun, v, edges, settings, self.random_state)
        self.model_, self.history_, self.n_features_in_ = begun, [], v.shape[1]
        yield from self._following(self._state, v, settings)

    def partial_fit(self, X: Any, y: None = None, *, n_epochs: int = 1) -> "BoltzmannMachine":
        """Learn on from the fitted model; the free chains go on where they were.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        n_epochs : int
            Passes over X.

        Returns
        -------
        BoltzmannMachine
            Itself. Without an earlier fit the machine begins here.
        """
        check_count("n_epochs", n_epochs, 1, 1_000_000)
        settings = replace(self._learning(), n_epochs=n_epochs)
        v = self._cases(X)
        if self.model_ is None:
            self.set_params(n_epochs=n_epochs)
            return self.fit(X)
        if v.shape[1] != self.model_.n_visible:
            raise DataError(f"X: has {v.shape[1]} columns, the machine {self.model_.n_visible} visible units")
        edges = edges_of(self.model_.n_units, self.couplings)
        fresh = learning_room.start(self.model_, v, edges, settings, self.random_state)
        if self._state is not None:
            fresh = replace(self._state, clamped=fresh.clamped, epoch=0)
        self._state = fresh
        for _ in self._following(fresh, v, settings):
            pass
        return self

    def _following(
        self, state: BoltzmannState, v: Floats, settings: BoltzmannLearning
    ) -> Generator[BoltzmannEpoch, None, None]:
        try:
            for event in learning_room.train(state, v, settings):
                self.model_ = state.bm
                self.history_.append(event)
                yield event
        except KeyboardInterrupt:
            return

    def _learning(self) -> BoltzmannLearning:
        check_count("n_hidden", self.n_hidden, 0, MOST_HIDDEN)
        check_choice("values", self.values, tuple(ALPHABETS))
        check_count("random_state", self.random_state, 0, 2**63 - 1)
        return BoltzmannLearning(**{name: getattr(self, name) for name in _LEARNING})

    def _cases(self, X: Any) -> Floats:
        """Rows to learn from: any table of the alphabet's values."""
        table = cases.read(X).X
        width = table.shape[1]  # type: ignore[index]
        blank = Boltzmann(np.zeros((width, width)), np.zeros(width), np.arange(width), self.values)
        return boltzmann.checked_states(blank, table)

    def _rows(self, X: Any) -> Floats:
        """Rows that the fitted machine takes."""
        return boltzmann.checked_states(self.fitted_model, cases.read(X).X)

    @property
    def fitted_model(self) -> Boltzmann:
        """The fitted record; NotFittedError before `fit`."""
        return self._fitted("model_")

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
            There are too many units to sum over all states; `bracket` estimates.
        """
        bm = self.fitted_model
        return log_likelihood(bm, self._rows(X))

    def score(self, X: Any, y: None = None) -> float:
        """Mean log-likelihood of rows, in nats.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        """
        return float(self.score_samples(X).mean())

    def bracket(self, X: Any, *, n_chains: int = N_CHAINS, n_betas: int = N_BETAS, rng: Seed = 0) -> Bracket:
        """Bound the mean log-likelihood of rows from below and above, for machines of any size.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        n_chains, n_betas : int
        rng : seed

        Returns
        -------
        Bracket
        """
        bm = self.fitted_model
        v = self._rows(X)
        return bracket(bm, v, v.mean(axis=0), n_chains, n_betas, rng=rng)

    def sample(self, n: int = 1, *, n_sweeps: int = 1_000, rng: Seed = None) -> Floats:
        """Draw visible rows from chains of their own.

        Parameters
        ----------
        n : int
        n_sweeps : int
            From a random state; longer than the chains' memory, or the draws are not the model's.
        rng : seed

        Returns
        -------
        float64 array, (n, n_visible)
        """
        bm, key = self.fitted_model, int(key_from(rng))
        state, _ = sampling.step(bm, sampling.init(bm, n, key), int(key_of(key, 1)), n_sweeps)
        return state.s[:, bm.visible]

    def fill_in(self, X: Any, known: npt.ArrayLike, *, n_sweeps: int = 1_000, rng: Seed = None) -> Floats:
        """Draw what is not known of rows, given what is.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
            Unknown places may hold any value of the alphabet.
        known : bool array-like, (n_visible,) or (n_cases, n_visible)
            The same for all rows, or one mask a row.
        n_sweeps : int
        rng : seed

        Returns
        -------
        float64 array, (n_cases, n_visible)
        """
        bm, key = self.fitted_model, int(key_from(rng))
        v = self._rows(X)
        held = np.zeros((len(v), bm.n_units), bool)
        held[:, bm.visible] = np.asarray(known, bool)
        begun = sampling.init(bm, len(v), key)
        s = np.array(begun.s)
        s[:, bm.visible] = np.where(held[:, bm.visible], v, s[:, bm.visible])
        begun = sampling.init(bm, len(v), s=s, held=held, order=begun.classes)
        return sampling.step(bm, begun, int(key_of(key, 1)), n_sweeps)[0].s[:, bm.visible]

    def transform(self, X: Any) -> Floats:
        """Return the mean of the hidden units given rows, by mean field with the reaction term.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)

        Returns
        -------
        float64 array, (n_cases, n_hidden)
            Exact where hidden units are not tied to each other.
        """
        return self.infer(X).mean[:, self.fitted_model.hidden]

    def infer(self, X: Any, method: str = "tap") -> MeanField:
        """Approximate all units' means given rows, and say whether the iteration settled.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        method : str
            "tap" or "naive".

        Returns
        -------
        MeanField
        """
        return mean_field(self.fitted_model, self._rows(X), method)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted machine to a file, whole or not at all.

        Parameters
        ----------
        path : path
        """
        bm = self.fitted_model
        settings = self.get_params() | {"couplings": None}
        arrays = {"b": bm.b, "visible": np.asarray(bm.visible, np.int64)}
        if sparse.issparse(bm.J):
            arrays |= {"data": bm.J.data, "indices": bm.J.indices, "indptr": bm.J.indptr}
        else:
            arrays["J"] = bm.J
        storage.write(path, FILE_KIND, {"settings": settings, "values": bm.values}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "BoltzmannMachine":
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
            n = len(arrays["b"])
            J = arrays["J"] if "J" in arrays else _from_parts(arrays, n)
            model = boltzmann.machine(J, arrays["b"], arrays["visible"], header["values"])
            out = cls(**header["settings"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path}: is damaged ({error})") from error
        out.couplings = _ties_of(model)
        out.model_, out.n_features_in_ = model, model.n_visible
        return out


def _from_parts(arrays: dict[str, npt.NDArray], n: int) -> Any:
    return sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(n, n))


def _ties_of(model: Boltzmann) -> Any:
    """Which units may be tied, as the constructor takes it; None for all of them."""
    if sparse.issparse(model.J):
        ties = model.J.copy()
        ties.data = np.ones(len(ties.data))
        return ties
    free = np.count_nonzero(model.J) == model.n_units * (model.n_units - 1)
    return None if free else (model.J != 0).astype(np.float64)
