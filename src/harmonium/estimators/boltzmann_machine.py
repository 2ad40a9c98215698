"""The Boltzmann machine as an estimator."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.errors import SettingError
from harmonium.estimators import boltzmann_file, cases, files
from harmonium.estimators.base import Watch
from harmonium.estimators.dense import DenseEstimator, check_draws, some_rows
from harmonium.events import BoltzmannEpoch, Ended, Event
from harmonium.likelihood import Bracket, bracket, log_partition
from harmonium.likelihood.annealing import N_BETAS, N_CHAINS
from harmonium.likelihood.monitoring import Monitor
from harmonium.models import boltzmann, boltzmann_exact
from harmonium.models.boltzmann import ALPHABETS, Boltzmann, Floats
from harmonium.models.mean_field import MeanField, mean_field
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import boltzmann as sampling
from harmonium.training import boltzmann as learning_room
from harmonium.training import boltzmann_cases, boltzmann_fitting
from harmonium.training import boltzmann_state as states
from harmonium.training.boltzmann_fitting import Keep
from harmonium.training.boltzmann_state import BoltzmannLearning, BoltzmannState, edges_of
from harmonium.training.dense.chains import Cases
from harmonium.training.settings import check_choice, check_count
from harmonium.units import Bernoulli, Layer, Spin

MOST_HIDDEN = 65_536
WHOLE = ("exact", "pseudo-likelihood")  # methods that L-BFGS climbs in one piece
_LEARNING = tuple(BoltzmannLearning.__dataclass_fields__)


@final
class BoltzmannMachine(DenseEstimator):
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
        "auto", "exact", "pcd", "tempered-pcd", "full-chain", "pseudo-likelihood" or "multi-prediction"; this and the
        settings that follow are `BoltzmannLearning`'s.
    n_steps, n_chains, n_betas : int
    lowest_beta, ladder_burn_in, keep : float
    inference : str
        "gibbs" or "mean-field".
    n_epochs, batch_size : int
    learning_rate, weight_decay : float
    monitor : bool
        Whether free energies, likelihoods and the chains' memory are measured while learning, in 5 % of its time.
    random_state : int
        The same seed gives the same model, whatever the number of threads.

    Attributes
    ----------
    model_ : Boltzmann
        The fitted record.
    history_ : list of Event
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
        n_betas: int = BoltzmannLearning.n_betas,
        lowest_beta: float = BoltzmannLearning.lowest_beta,
        ladder_burn_in: float = BoltzmannLearning.ladder_burn_in,
        keep: float = BoltzmannLearning.keep,
        inference: str = BoltzmannLearning.inference,
        n_epochs: int = BoltzmannLearning.n_epochs,
        batch_size: int = BoltzmannLearning.batch_size,
        learning_rate: float = BoltzmannLearning.learning_rate,
        weight_decay: float = BoltzmannLearning.weight_decay,
        monitor: bool = False,
        random_state: int = 0,
    ):
        self.n_hidden = n_hidden
        self.values = values
        self.couplings = couplings
        self.method = method
        self.n_steps = n_steps
        self.n_chains = n_chains
        self.n_betas = n_betas
        self.lowest_beta = lowest_beta
        self.ladder_burn_in = ladder_burn_in
        self.keep = keep
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
        validation: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watch: Watch = (),
    ) -> BoltzmannMachine:
        """Learn from rows. Ctrl-C ends it with the model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        validation : array-like, (n, n_visible), optional
            Rows that the monitor holds against the training rows; makes one where there is none.
        checkpoint : path, optional
            File to write from time to time; "exact" and "pseudo-likelihood" (also as "auto"), which climb in one piece,
            refuse it.
        resume : bool
            Go on from the checkpoint, bit for bit, when the file exists.
        watch : callable or callables
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
            Learning diverged before any epoch ended well; later than that it ends with the last good model.
        """
        self._watched(self.fitting(X, validation=validation, checkpoint=checkpoint, resume=resume), watch)
        return self

    def fitting(
        self,
        X: Any,
        *,
        validation: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> Generator[Event, None, None]:
        """Learn, event by event; whenever it ends, `model_` holds the model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        validation : array-like, (n, n_visible), optional
        checkpoint : path, optional
        resume : bool

        Yields
        ------
        Event
            `Began`, a `BoltzmannEpoch` an epoch, `Saved` with every checkpoint, `Ended`.

        Raises
        ------
        DataError, SettingError, DivergenceError
            As `fit`.
        """
        settings, table = self._learning(), cases.read(X)
        v = self._cases(table.X)
        width = table.X.shape[1]  # type: ignore[index]
        held_out = None if validation is None else self._cases(cases.read(validation, "validation").X, width)
        edges = edges_of(width + self.n_hidden, self.couplings)
        begun = states.initial(v, self.n_hidden, edges, self.values, self.random_state)
        method = learning_room.chosen_method(settings, begun)
        if checkpoint is not None and method in WHOLE:
            raise SettingError(
                f"checkpoint: {method!r} learns in one piece; take a method with chains, or save the model"
            )
        if resume and checkpoint is not None and os.path.exists(checkpoint):
            state = states.resume(checkpoint, settings, v, edges)
            self.model_ = state.bm
        else:
            state = states.start(begun, v, edges, settings, self.random_state)
        self._begin(table)
        self._state, self.history_ = state, []
        keep = None if checkpoint is None else partial(states.save, checkpoint, learning=settings, v=v)
        yield from self._epochs(v, settings, keep, held_out)

    def partial_fit(self, X: Any, y: Any = None, *, n_epochs: int = 1) -> BoltzmannMachine:
        """Learn on from the fitted model; the free chains and Adam's moments go on where they were.

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
        if getattr(self, "model_", None) is None:
            how: dict[str, Any] = self.get_params() | {"n_epochs": n_epochs}
            vars(self).update(vars(BoltzmannMachine(**how).fit(X)) | self.get_params())
            return self
        for _ in self.going_on(X, n_epochs=n_epochs):
            pass
        return self

    def going_on(
        self,
        X: Any,
        *,
        n_epochs: int = 1,
        state: BoltzmannState | None = None,
        keep: Keep | None = None,
        machine: str = boltzmann_fitting.MACHINE,
    ) -> Generator[Event, None, None]:
        """Learn on from the model there is, event by event; `partial_fit` in steps.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        n_epochs : int
        state : BoltzmannState, optional
            Where the same run was when it was kept.
        keep : callable, optional
            Writes a state to a file from time to time.
        machine : str
            What events call it.

        Yields
        ------
        Event
        """
        settings = replace(self._learning(), n_epochs=n_epochs)
        v, bm = self._rows(X), self.fitted_model
        fresh = state or states.start(bm, v, edges_of(bm.n_units, self.couplings), settings, self.random_state)
        if state is None and self._state is not None:
            fresh = replace(self._state, bm=bm, clamped=fresh.clamped, epoch=0)
            states.begin_ladder(fresh, settings)
        self._state, self.history_ = fresh, getattr(self, "history_", [])
        yield from self._epochs(v, settings, keep, machine=machine)

    def _epochs(
        self, v: Cases, settings: BoltzmannLearning, keep: Keep | None = None, held_out: Cases | None = None,
        machine: str = boltzmann_fitting.MACHINE,
    ) -> Generator[Event, None, None]:  # fmt: skip
        """Events of a run, kept in `history_`; however it ends, `model_` is the last good model."""
        state: BoltzmannState = self._state
        first, monitor = state.epoch, None
        if self.monitor or held_out is not None:
            rows = (None if part is None else some_rows(part) for part in (v, held_out))
            monitor = Monitor(*rows, settings.n_steps)  # type: ignore[arg-type]
        for event in boltzmann_fitting.run(state, v, settings, monitor=monitor, keep=keep, machine=machine):
            self.history_.append(event)
            if isinstance(event, BoltzmannEpoch):
                self.model_: Boltzmann | None = state.bm
            if isinstance(event, Ended):
                if event.reason == "diverged":
                    self._state = None  # `partial_fit` begins again at the last good model
                boltzmann_fitting.check_learnt(event, first)
            yield event

    def _learning(self) -> BoltzmannLearning:
        check_count("n_hidden", self.n_hidden, 0, MOST_HIDDEN)
        check_choice("values", self.values, tuple(ALPHABETS))
        check_count("random_state", self.random_state, 0, 2**63 - 1)
        return BoltzmannLearning(**{name: getattr(self, name) for name in _LEARNING})

    def _cases(self, X: Any, width: int | None = None) -> Cases:
        """Rows to learn from: any table of the alphabet's values."""
        cases.check_finite(X)
        n: int = width or X.shape[1]
        blank = Boltzmann(sparse.csr_array((n, n)), np.zeros(n), np.arange(n), self.values)
        return boltzmann_cases.checked(blank, X)

    def _rows(self, X: Any) -> Cases:
        """Rows that the fitted machine takes, sparse ones as they are."""
        table = self._table(X)
        cases.check_finite(table)
        return boltzmann_cases.checked(self.fitted_model, table)

    def _dense_rows(self, X: Any) -> Floats:
        v = self._rows(X)
        return v.toarray() if isinstance(v, sparse.csr_array) else v

    def _input_layer(self) -> Layer:
        return (Bernoulli if self.values == "bits" else Spin)(self.fitted_model.n_visible)

    @property
    def _n_features_out(self) -> int:
        return len(self.fitted_model.hidden)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags

    def free_energy(self, X: Any) -> Floats:
        """Free energy of rows, the hidden units summed out, in nats: (n_cases,).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)

        Raises
        ------
        SettingError
            Hidden units are tied to each other, and are too many to list.
        """
        bm = self.fitted_model
        return boltzmann_cases.by_blocks(partial(boltzmann_exact.free_energy, bm), self._rows(X))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names of what `transform` returns: the class's name and a number.

        Parameters
        ----------
        input_features : ignored
            Part of scikit-learn's contract.
        """
        return np.array([f"boltzmannmachine{k}" for k in range(self._n_features_out)], object)

    @property
    def fitted_model(self) -> Boltzmann:  # type: ignore[override]
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
        return -self.free_energy(X) - log_partition(self.fitted_model)

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
        """
        bm = self.fitted_model
        v = self._dense_rows(X)
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
        check_draws(n, n_sweeps, "n_sweeps")
        bm, key = self.fitted_model, int(key_from(rng))
        state, _ = sampling.step(bm, sampling.init(bm, n, key), int(key_of(key, 1)), n_sweeps)
        return state.s[:, bm.visible]

    def fill_in(self, X: Any, known: npt.ArrayLike, *, n_sweeps: int = 1_000, rng: Seed = None) -> Floats:
        """Draw what is not known of rows, given what is: float64 array, (n_cases, n_visible).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
            What is not known may hold anything, NaN too.
        known : bool array-like, (n_visible,) or (n_cases, n_visible)
            The same for all rows, or one mask a row.
        n_sweeps : int
        rng : seed
        """
        check_draws(1, n_sweeps, "n_sweeps")
        bm, key = self.fitted_model, int(key_from(rng))
        rows, mask = self._partly_known(X, known)
        v = boltzmann.checked_states(bm, np.where(mask, rows, bm.alphabet[0]))
        return sampling.filled_in(bm, v, mask, n_sweeps, key)

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
        return mean_field(self.fitted_model, self._dense_rows(X), method)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted machine to a file, whole or not at all, with its chains and moments where it has them.

        Parameters
        ----------
        path : path
        """
        arrays, settings, more = boltzmann_file.parts(self.fitted_model, self.couplings, self._state)
        files.save(self, path, arrays, settings, **more)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> BoltzmannMachine:
        """Read a machine that `save` wrote; `partial_fit` goes on with the chains it had.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            There is no such file, it is damaged, or holds something else.
        """

        def build(settings: dict[str, Any], header: Any, arrays: dict[str, npt.NDArray]) -> BoltzmannMachine:
            out = cls(**settings)
            out.model_, couplings, out._state = boltzmann_file.read(header, arrays)
            out.couplings = couplings if couplings is not None else out.couplings
            out.n_features_in_ = out.model_.n_visible
            return out

        return files.load(path, cls.__name__, build)
