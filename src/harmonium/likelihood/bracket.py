"""A log-likelihood one can trust: exact where the states can be summed, otherwise a bracket with its errors.

Forward annealing overestimates a model's likelihood, and silently: where chains miss a mode its weight is missing from
Z. Backward annealing from the data underestimates it. The gap between the two says how far either can be trusted.
"""

from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.likelihood import annealing
from harmonium.likelihood.paths import Floats, path_to
from harmonium.models import boltzmann_exact, exact
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.rbm import RBM
from harmonium.randomness import Seed, as_generator, key_from, key_of

SMALL_SIZE = 0.05  # share of the chains below which few of them carry the estimate
WIDE_GAP = 2.0  # nats
ROWS = 100


@final
@dataclass(frozen=True)
class Bracket:
    """Mean log-likelihood of data, from below and from above, in nats a row.

    Parameters
    ----------
    lower, upper : float
        By backward and forward annealing; equal when exact. Each holds on average, up to its standard error.
    lower_error, upper_error : float
        Standard errors from the annealing alone, in nats; the data are taken as given.
    log_z : float
        The forward estimate, or the exact value.
    effective_size : float
        How many of the forward chains the upper bound rests on.
    n_chains, n_rows, n_betas : int
        Forward chains, rows walked down from, temperatures; 0 when exact.
    exact : bool
    """

    lower: float
    upper: float
    lower_error: float
    upper_error: float
    log_z: float
    effective_size: float
    n_chains: int
    n_rows: int
    n_betas: int
    exact: bool

    @property
    def gap(self) -> float:
        """Width of the bracket, in nats; it can be slightly negative by chance."""
        return self.upper - self.lower

    @property
    def warning(self) -> str:
        """What speaks against trusting the bracket, in a plain sentence; empty if nothing does."""
        if self.exact:
            return ""
        if self.gap > WIDE_GAP:
            return (
                f"the bounds are {self.gap:.2f} nats apart: the true value may lie anywhere between; raise n_betas "
                f"from {self.n_betas:,}"
            )
        if self.effective_size < SMALL_SIZE * self.n_chains:
            few = f"{self.effective_size:.1f} of {self.n_chains} chains"
            return f"the upper bound rests on {few}: raise n_chains or n_betas"
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Return the bracket as plain values, with its gap and its warning; None for what an exact one lacks."""
        size = None if self.exact else self.effective_size
        return asdict(self) | {"effective_size": size, "gap": self.gap, "warning": self.warning}


def log_partition(model: RBM | Boltzmann) -> float:
    """Exact log Z, by summing over the smaller layer, or over all units of a machine without layers.

    Parameters
    ----------
    model : RBM or Boltzmann

    Returns
    -------
    float
        In nats, float64.

    Raises
    ------
    SettingError
        There are too many states to sum; the message says what to do instead.
    """
    return exact.log_partition(model) if isinstance(model, RBM) else boltzmann_exact.log_partition(model)


def log_likelihood(model: RBM | Boltzmann, v: Floats) -> Floats:
    """Exact log probability of visible rows, in nats.

    Parameters
    ----------
    model : RBM or Boltzmann
    v : floats, (batch, n_visible)

    Returns
    -------
    float64 array, (batch,)
    """
    if isinstance(model, RBM):
        return exact.log_likelihood(model, v)
    return boltzmann_exact.log_likelihood(model, v)


def bracket(
    model: RBM | Boltzmann,
    v: Floats,
    mean: Floats | None = None,
    n_chains: int = annealing.N_CHAINS,
    betas: int | npt.ArrayLike = annealing.N_BETAS,
    n_rows: int = ROWS,
    rng: Seed = None,
    allow_exact: bool = True,
) -> Bracket:
    """Bound the mean log-likelihood of visible rows from below and from above.

    Parameters
    ----------
    model : RBM or Boltzmann
    v : floats, (batch, n_visible)
    mean : floats, (n_visible,), optional
        Mean of the training data, where annealing starts; better than starting at the model's own biases.
    n_chains : int
        Forward chains.
    betas : int or floats, (n_betas,)
        Temperatures of both directions; the gap shrinks about as 1 / n_betas.
    n_rows : int
        Rows to walk down from, drawn without replacement; all when there are fewer.
    rng : seed
    allow_exact : bool
        Whether to sum exactly where that is possible.

    Returns
    -------
    Bracket

    Notes
    -----
    The free energies of all rows are exact; only log Z is estimated, from below by `ais`, from above by `reverse_ais`
    from some rows. For those rows this is RAISE (Burda, Grosse & Salakhutdinov, AISTATS 2015) with one chain a row:
    a lower bound of the log-probability that annealing ends at the row, which approaches the model's as betas grow.
    """
    if not len(v):
        raise SettingError("v: there are no rows")
    if allow_exact and is_summable(model):
        value, log_z = float(log_likelihood(model, v).mean()), log_partition(model)
        return Bracket(value, value, 0.0, 0.0, log_z, np.inf, 0, 0, 0, True)
    key = int(key_from(rng))
    path = path_to(model, mean, v)
    energy = float(np.mean(path.free_energy(v)))
    beta = annealing.spaced(path, betas, key)
    up = annealing.ais(path, n_chains, beta, key)
    some = as_generator(int(key_of(key, 1))).permutation(len(v))[:n_rows]
    down = annealing.reverse_ais(path, np.asarray(v)[np.sort(some)], beta, key)
    error = float(down.std(ddof=1) / np.sqrt(len(down))) if len(down) > 1 else np.inf
    return Bracket(
        -energy - float(down.mean()), -energy - up.log_z, error, up.standard_error, up.log_z, up.effective_size,
        n_chains, len(down), len(beta), False,
    )  # fmt: skip


def is_summable(model: RBM | Boltzmann, most_states: int = 2**20) -> bool:
    """Whether the exact sum takes about a second or less.

    Parameters
    ----------
    model : RBM or Boltzmann
    most_states : int
    """
    if isinstance(model, Boltzmann):
        return 2**model.n_units <= most_states
    sizes = [exact.size_of(layer) for layer in (model.visible, model.hidden)]
    return exact.both_gaussian(model) or min(sizes) <= most_states
