"""Log Z while learning goes on: every few updates, a bridge from the last model to the present one.

Chains of persistent contrastive divergence are draws of both models, so the ratio of their Z costs four free energies.
The errors add up, and chains that lag behind bias the estimate: it is for eyes, a bracket is for the record.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.likelihood.annealing import ais
from harmonium.likelihood.diagnostics import free_energy
from harmonium.likelihood.paths import Floats, path_to
from harmonium.models import boltzmann
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.lateral import Lateral, as_boltzmann
from harmonium.models.rbm import RBM
from harmonium.randomness import Seed

FIRST_BETAS, FIRST_CHAINS = 200, 100  # of the annealing that the run of bridges begins with
SETTLED = 1e-10  # nats
MOST_ROUNDS = 200


@final
@dataclass(frozen=True)
class Bridged:
    """Log Z of a model under training, and where it was last measured.

    Parameters
    ----------
    log_z : float
        In nats.
    error : float
        Standard error, all bridges' together; without what lagging chains add.
    overlap : float
        Of the last bridge, from 0 to 1; below about .1 it carries little: take bridges more often.
    model : RBM, Lateral or Boltzmann
    chains : floats, (n_chains, n_visible)
        Of a Boltzmann machine all units.
    """

    log_z: float
    error: float
    overlap: float
    model: RBM | Lateral | Boltzmann
    chains: Floats


def begin(model: RBM | Lateral | Boltzmann, chains: Floats, mean: Floats | None = None, rng: Seed = None) -> Bridged:
    """Measure log Z of a model by a short annealing; cheap and good before learning, while couplings are small.

    Parameters
    ----------
    model : RBM, Lateral or Boltzmann
    chains : floats, (n_chains, n_visible)
        Of a Boltzmann machine all units.
    mean : floats, (n_visible,), optional
        Of the data.
    rng : seed
    """
    whole = as_boltzmann(model) if isinstance(model, Lateral) else model
    found = ais(path_to(whole, mean, chains), FIRST_CHAINS, FIRST_BETAS, rng)
    return Bridged(found.log_z, found.standard_error, 1.0, model, np.array(chains))


def advance(last: Bridged, model: RBM | Lateral | Boltzmann, chains: Floats) -> Bridged:
    """Follow log Z to a later model.

    Parameters
    ----------
    last : Bridged
    model : RBM, Lateral or Boltzmann
        A few updates later; float32 will do.
    chains : floats, (n_chains, n_visible)
        Draws of the later model.

    Returns
    -------
    Bridged
    """
    a, b = np.asarray(last.chains), np.asarray(chains)
    ratio, error, overlap = bridge(_rise(last.model, model, a), _rise(last.model, model, b))
    return Bridged(last.log_z + ratio, float(np.hypot(last.error, error)), overlap, model, np.array(chains))


def bridge(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Log of the ratio of two Z from draws of both, with its standard error and the overlap of the two.

    Parameters
    ----------
    first, second : float64 array, (n_draws,)
        log f_2 - log f_1 of draws of the first and of the second distribution.

    Returns
    -------
    log_ratio : float
        Log Z_2 - log Z_1.
    error : float
        Of independent draws.
    overlap : float

    Notes
    -----
    The optimal bridge: Bennett, Journal of Computational Physics 22 (1976); Meng & Wong, Statistica Sinica 6 (1996).
    """
    m, n = len(first), len(second)
    shift, low, high = np.log(m / n), *_ends(first, second)
    for _ in range(MOST_ROUNDS):  # the difference below rises with the ratio: halve the interval
        middle = 0.5 * (low + high)
        up, down = _fermi(first - middle - shift).sum(), _fermi(middle + shift - second).sum()
        low, high = (middle, high) if up > down else (low, middle)
        if high - low < SETTLED:
            break
    ratio = 0.5 * (low + high)
    p, q = _fermi(first - ratio - shift), _fermi(ratio + shift - second)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = p.var() / p.mean() ** 2 / m + q.var() / q.mean() ** 2 / n
    overlap = float(p.mean() + q.mean()) if m == n else float(p.mean() * (m + n) / n)
    return float(ratio), float(np.sqrt(variance)) if np.isfinite(variance) else np.inf, min(1.0, overlap)


def _rise(old: RBM | Lateral | Boltzmann, new: RBM | Lateral | Boltzmann, states: Floats) -> npt.NDArray[np.float64]:
    a, b = (
        boltzmann.energy(m, states) if isinstance(m, Boltzmann) else free_energy(m, states) for m in (old, new)
    )  # fmt: skip
    return np.asarray(a - b, np.float64)


def _ends(first: Floats, second: Floats) -> tuple[float, float]:
    """Two values that the log ratio lies between."""
    both = np.concatenate([first, second])
    margin = 1 + abs(np.log(len(first) / len(second))) + np.log(len(both))
    return float(both.min() - margin), float(both.max() + margin)


def _fermi(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * x))
