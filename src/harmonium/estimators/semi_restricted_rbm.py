"""The semi-restricted Boltzmann machine as an estimator: an RBM whose visible units are tied to each other as well."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.errors import SettingError
from harmonium.estimators import cases, files
from harmonium.estimators.base import Watch
from harmonium.estimators.dense import Cases, DenseEstimator, check_draws, mean_of, seed_of, some_rows
from harmonium.events import Event
from harmonium.likelihood import Bracket, bracket
from harmonium.likelihood.annealing import N_BETAS, N_CHAINS
from harmonium.likelihood.monitoring import ROWS
from harmonium.models import lateral
from harmonium.models import rbm as rbms
from harmonium.models.lateral import KINDS, VALUES, Lateral
from harmonium.models.rbm import INITIAL_SPREAD
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import gibbs
from harmonium.sampling import lateral as sampling
from harmonium.training.dense import state as states
from harmonium.training.dense.records import assembled
from harmonium.training.dense.settings import CHAINS, DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.settings import check_choice, check_count
from harmonium.units import Layer, layer_from, layer_of
from harmonium.units.layer import Floats

METHODS = (*CHAINS, "exact", "pseudo-likelihood", "ratio-matching")
LEARNING = (
    "method", "n_steps", "longest_chain", "n_chains", "n_betas", "lowest_beta", "ladder_burn_in", "fast_rate",
    "fast_decay", "n_epochs", "batch_size", "optimizer", "learning_rate", "schedule", "momentum", "beta2", "centring",
    "offset_rate", "weight_decay", "sparsity_target", "sparsity_cost", "max_norm", "patience",
)  # fmt: skip


@final
class SemiRestrictedRBM(DenseEstimator):
    """Restricted Boltzmann machine with ties among the visible units.

    Ties take over what neighbours say about each other, hidden units what is left. Hidden units stay independent given
    the visible ones, so `transform` and `free_energy` are exact.

    Parameters
    ----------
    n_hidden : int
    visible : str or Layer
        "bernoulli", "spin" or "gaussian".
    hidden : str or Layer
        As for `RBM`.
    lateral : array-like or SciPy sparse, (n_visible, n_visible), optional
        Which visible units may be tied, such as `harmonium.models.wiring.grid`; all pairs when None.
    method : str
        "cd", "pcd", "fast-pcd", "tempered-pcd", "full-chain", "exact", or, for binary visible units,
        "pseudo-likelihood" or "ratio-matching".
    n_steps : int
        Sampler steps an update: bits and spins are swept once, those that are not tied together; Gaussian units are one
        exact draw.
    longest_chain, n_chains, n_betas : int
        These and the settings from here to `patience` are `DenseLearning`'s.
    lowest_beta, ladder_burn_in : float
    fast_rate, fast_decay : float
        Ties of Gaussian units have no fast ones: they would leave the region where there is a law.
    n_epochs, batch_size : int
    optimizer : str
    learning_rate : float
    schedule : str
    momentum, beta2 : float
    centring : bool
    offset_rate, weight_decay, sparsity_target, sparsity_cost, max_norm : float
    patience : int
    initial_spread : float
        Standard deviation of the initial weights; ties begin at 0.
    monitor : bool
        Whether free energies, likelihoods and the chains' memory are measured while it learns, in 5 % of its time; see
        `RBM`. One pass of reconstruction means nothing where visible units are tied; log Z is followed where both
        layers are Bernoulli or both spin.
    random_state : int, Generator or None

    Attributes
    ----------
    model_ : harmonium.models.lateral.Lateral
    history_ : list of Event
    n_features_in_ : int

    Notes
    -----
    Osindero & Hinton, NIPS 2007, with Gibbs sweeps in place of their damped mean-field steps: a sweep keeps the model's
    law exactly. Gaussian units keep a law while 1 / variance - L is positive definite; learning ends as diverged before
    it leaves that region.

    Examples
    --------
    >>> X = np.repeat([[0, 0, 1], [1, 1, 0]], 50, axis=0)
    >>> machine = SemiRestrictedRBM(1, method="exact", n_epochs=200, learning_rate=0.5).fit(X)
    >>> machine.score_samples([[1, 1, 0]]).round(1)
    array([-0.7])
    """

    def __init__(
        self,
        n_hidden: int = 256,
        *,
        visible: str | Layer = "bernoulli",
        hidden: str | Layer = "bernoulli",
        lateral: Any = None,
        method: str = DenseLearning.method,
        n_steps: int = DenseLearning.n_steps,
        longest_chain: int = DenseLearning.longest_chain,
        n_chains: int = DenseLearning.n_chains,
        n_betas: int = DenseLearning.n_betas,
        lowest_beta: float = DenseLearning.lowest_beta,
        ladder_burn_in: float = DenseLearning.ladder_burn_in,
        fast_rate: float = DenseLearning.fast_rate,
        fast_decay: float = DenseLearning.fast_decay,
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
        self.lateral = lateral
        self.method = method
        self.n_steps = n_steps
        self.longest_chain = longest_chain
        self.n_chains = n_chains
        self.n_betas = n_betas
        self.lowest_beta = lowest_beta
        self.ladder_burn_in = ladder_burn_in
        self.fast_rate = fast_rate
        self.fast_decay = fast_decay
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
        validation: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        watch: Watch = (),
    ) -> SemiRestrictedRBM:
        """Learn from rows. Ctrl-C ends it with the best model so far.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        y : None
            Part of scikit-learn's contract.
        validation : array-like, (n, n_visible), optional
            Rows of binary units by whose pseudo-likelihood the best epoch is chosen.
        checkpoint : path, optional
            File to write from time to time.
        resume : bool
            Go on from the checkpoint, bit for bit, when the file exists.
        watch : callable or callables
            Called with every event.

        Returns
        -------
        SemiRestrictedRBM
            Itself.

        Raises
        ------
        DataError, SettingError
            A value is none of the layer's, by row and column; a setting is out of range.
        DivergenceError
            Learning diverged before any epoch ended well.
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
        learning = self._learning()
        rows, start = self._begun(X, learning)
        held_out = None if validation is None else self._held_out(validation)
        watch = self._watching(rows, learning, held_out, ROWS)
        yield from self._learnt(rows, learning, start, **watch, checkpoint=checkpoint, resume=resume)

    def partial_fit(self, X: Any, y: Any = None, *, n_epochs: int = 1) -> SemiRestrictedRBM:
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
        SemiRestrictedRBM
            Itself. Without an earlier fit the machine begins here.
        """
        check_count("n_epochs", n_epochs, 1, 10_000_000)
        learning = replace(self._learning(), n_epochs=n_epochs)
        if getattr(self, "model_", None) is None:
            rows, start = self._begun(X, learning)
            self.history_: list[Event] = []
        else:
            rows = self._rows(X)

            def start() -> State:
                seed, mask = seed_of(self.random_state), self._mask(rows.shape[1])
                return states.start(self.model_, learning, seed, mean_of(rows), rows.shape[0], mask)

        self._learnt_on(rows, learning, start)
        return self

    def _begun(self, X: Any, learning: DenseLearning) -> tuple[Cases, Callable[[], State]]:
        """Rows, and what makes the state before the first update; `model_` is its machine."""
        table = cases.read(X)
        n = table.X.shape[1]  # type: ignore[index]
        check_count("n_hidden", self.n_hidden, 1, 2**31 - 1)
        visible, hidden = layer_of(self.visible, n), layer_of(self.hidden, int(self.n_hidden))
        if visible.kind not in KINDS:
            raise SettingError(f"visible: {visible.kind} units cannot be tied; take {', '.join(KINDS)}")
        cases.check(table.X, visible)
        mask, seed, mean = self._mask(n), seed_of(self.random_state), mean_of(table.X)
        self._before = getattr(self, "model_", None)
        self._begin(table)
        rbm = rbms.initial(visible, hidden, seed, mean, self.initial_spread)
        begun = Lateral(rbm, np.zeros((n, n), np.float32))
        self.model_: Any = begun
        rows = table.X.shape[0]  # type: ignore[index]
        return table.X, lambda: states.start(begun, learning, seed, mean, rows, mask)

    def _mask(self, n: int) -> npt.NDArray[np.float32]:
        """1 where two visible units may be tied."""
        if self.lateral is None:
            return (1 - np.eye(n)).astype(np.float32)
        given = self.lateral.toarray() if sparse.issparse(self.lateral) else np.asarray(self.lateral)
        if given.shape != (n, n):
            raise SettingError(f"lateral: must be of shape ({n}, {n}), one row a visible unit; got {given.shape}")
        mask = ((given != 0) | (given != 0).T).astype(np.float32)
        np.fill_diagonal(mask, 0)
        return mask

    def _held_out(self, X: Any) -> Floats:
        """Some of the rows by whose pseudo-likelihood the best epoch is chosen."""
        v = some_rows(self._rows(X))
        if self._input_layer().kind not in VALUES:
            raise SettingError("validation: an epoch is chosen by pseudo-likelihood, which needs binary visible units")
        return v

    def _learning(self) -> DenseLearning:
        check_choice("method", self.method, METHODS)
        return DenseLearning(**{name: getattr(self, name) for name in LEARNING})

    def _lateral(self) -> Lateral:
        return self._fitted("model_")

    def transform(self, X: Any) -> Floats:
        """Means of the hidden units given rows: (n_cases, n_hidden).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        """
        return rbms.hidden_mean(self._lateral().rbm, self._rows(X))

    def free_energy(self, X: Any) -> Floats:
        """Free energy of rows, in nats; lower is more probable: (n_cases,).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
        """
        return lateral.free_energy(self._lateral(), _dense(self._rows(X)))

    def score_samples(self, X: Any) -> npt.NDArray[np.float64]:
        """Exact log-likelihood of rows, in nats: (n_cases,).

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)

        Raises
        ------
        SettingError
            There are too many binary visible units to list; `bracket` estimates. Gaussian ones need hidden units that
            can be listed, or Gaussian ones.
        """
        return lateral.log_likelihood(self._lateral(), _dense(self._rows(X)))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean exact log-likelihood of rows, in nats.

        Parameters
        ----------
        X : array-like, SciPy sparse or frame, (n_cases, n_visible)
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

        Raises
        ------
        SettingError
            The two layers are not both Bernoulli or both spin.
        """
        v = _dense(self._rows(X)).astype(np.float64)
        return bracket(lateral.as_boltzmann(self._lateral()), v, v.mean(axis=0), n_chains, n_betas, rng=rng)

    def sample(self, n: int = 1, *, n_steps: int = 1_000, rng: Seed = None) -> Floats:
        """Draw rows from chains of their own: (n, n_visible).

        Parameters
        ----------
        n : int
        n_steps : int
            From a draw of the biases alone; longer than the chains' memory, or the draws are not the model's.
        rng : seed
        """
        check_draws(n, n_steps)
        model, key = self._lateral(), int(key_from(rng))
        return sampling.step(model, sampling.init(model, n, key_of(key, 0)), key_of(key, 1), n_steps)[0].v

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
        model, key = self._lateral(), int(key_from(rng))
        v, mask = self._partly_known(X, known)
        blank = gibbs.init(model.rbm, len(v), key_of(key, 0)).v
        chains = sampling.init(model, rng=key_of(key, 1), v=np.where(mask, v, blank), held_v=mask)
        return sampling.step(model, chains, key_of(key, 2), n_steps)[0].v

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted machine to a file, whole or not at all.

        Parameters
        ----------
        path : path
        """
        model = self._lateral()
        settings = {"visible": model.rbm.visible, "hidden": model.rbm.hidden, "lateral": None}
        mask = {} if self.lateral is None else {"mask": self._mask(model.rbm.n_visible)}
        files.save(self, path, lateral.arrays(model) | mask, settings)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SemiRestrictedRBM:
        """Read a machine that `save` wrote; learning on from it begins new chains.

        Parameters
        ----------
        path : path

        Raises
        ------
        ModelFileError
            There is no such file, it is damaged, or holds something else.
        """

        def build(settings: dict[str, Any], header: Any, arrays: dict[str, npt.NDArray]) -> SemiRestrictedRBM:
            settings |= {side: layer_from(settings[side]) for side in ("visible", "hidden")}
            out = cls(**settings)
            out.lateral = arrays.get("mask")
            out.model_ = Lateral(assembled(settings["visible"], settings["hidden"], arrays), arrays["L"])
            out.n_features_in_ = out.model_.rbm.n_visible
            return out

        return files.load(path, cls.__name__, build)

    def _input_layer(self) -> Layer:
        return self._lateral().rbm.visible

    @property
    def _n_features_out(self) -> int:
        return int(self.n_hidden)


def _dense(X: Any) -> Floats:
    return X if isinstance(X, np.ndarray) else X.toarray()
