"""Annealed importance sampling, forwards and backwards: log Z from below and from above.

Forwards, chains walk from independent units to the model; the mean of their weights is Z / Z_0 without bias, so its
logarithm lies below log Z on average. Backwards, chains start at data and walk down: how probable a chain that walks
up is to end at a row, a lower bound of the row's log-likelihood (Burda, Grosse & Salakhutdinov 2015).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.likelihood.paths import Floats, Ints, Path
from harmonium.models.boltzmann_exact import logsumexp
from harmonium.randomness import Seed, key_from, key_of

N_CHAINS = 100
N_BETAS = 10_000
PILOT_CHAINS, PILOT_BETAS = 32, 500  # of the walk that looks for a good spacing
SLOWEST = 0.05  # least share of the mean speed that the spacing reckons with, where a pilot saw none
FORWARD, BACKWARD, PILOT = range(3)  # parts of keys


class LogZ(NamedTuple):
    """What forward annealing found.

    Parameters
    ----------
    log_z : float
        In nats; below the exact one on average.
    standard_error : float
        Of log_z, in nats; to be believed only when `effective_size` is large.
    effective_size : float
        Number of equally weighted chains that would be worth as much, from 1 to n_chains (Kong 1992).
    log_weights : float64 array, (n_chains,)
        Log of each chain's estimate of Z.
    n_betas : int
    """

    log_z: float
    standard_error: float
    effective_size: float
    log_weights: Floats
    n_betas: int


def ais(
    path: Path, n_chains: int = N_CHAINS, betas: int | npt.ArrayLike = N_BETAS, rng: Seed = None, adapt: bool = True
) -> LogZ:
    """Estimate log Z by annealed importance sampling.

    Parameters
    ----------
    path : Path
        From `likelihood.path_to`.
    n_chains : int
    betas : int or floats, (n_betas,)
        How many steps, or where: rising from 0 to 1.
    rng : seed
    adapt : bool
        Whether a number of steps is spaced by a short pilot walk (`spaced`) instead of evenly.

    Returns
    -------
    LogZ

    Notes
    -----
    Neal, Statistics and Computing 11 (2001); Salakhutdinov & Murray 2008. The pilot has keys of its own, so the
    estimate of Z stays unbiased. Cost: two matrix products a step.
    """
    key = key_from(rng)
    beta = spaced(path, betas, int(key), adapt)
    chain = _chains(n_chains)
    state = path.begin(chain, key_of(int(key), FORWARD))
    log_w = path.log_z0 + walked(path, state, beta, chain, key_of(int(key), FORWARD, 1))
    return summary(log_w, len(beta))


def reverse_ais(
    path: Path, v: Floats, betas: int | npt.ArrayLike = N_BETAS, rng: Seed = None, adapt: bool = True
) -> npt.NDArray[np.float64]:
    """Walk down from visible rows: what log Z looks like from each of them.

    Parameters
    ----------
    path : Path
    v : floats, (batch, n_visible)
        Exact draws of the model, or data.
    betas : int or floats, (n_betas,)
        As for `ais`, rising.
    rng : seed
    adapt : bool

    Returns
    -------
    float64 array, (batch,)
        One value of log Z a row. From exact draws their mean lies above log Z; so does -log of the mean of e^-value.
        From data, -F(v) less its value is, for every single row, below the log-probability that annealing ends there.
    """
    key = key_from(rng)
    beta = spaced(path, betas, int(key), adapt)[::-1]
    chain = _chains(len(v))
    state = path.at(v, key_of(int(key), BACKWARD))
    _, state = path.walk(state, 1.0, 1.0, chain, key_of(int(key), BACKWARD, 1), True)
    return path.log_z0 - walked(path, state, beta, chain, key_of(int(key), BACKWARD, 2))


def walked(path: Path, state, beta: Floats, chain: Ints, key: np.uint64) -> npt.NDArray[np.float64]:
    """Log weights of chains that walk along a path, up or down: the sum of log f_next - log f over the steps.

    Parameters
    ----------
    path : Path
    state : state
        Drawn at beta[0].
    beta : floats, (n_betas,)
    chain : int array, (n_chains,)
    key : uint64

    Returns
    -------
    float64 array, (n_chains,)
    """
    log_w, down = np.zeros(len(chain)), beta[0] > beta[-1]
    for k in range(1, len(beta) - 1):
        weight, state = path.walk(state, float(beta[k - 1]), float(beta[k]), chain, key_of(int(key), k), down)
        log_w += weight
    return log_w + path.weigh(state, float(beta[-2]), float(beta[-1]))


def spaced(path: Path, betas: int | npt.ArrayLike, rng: Seed = None, adapt: bool = True) -> npt.NDArray[np.float64]:
    """Return inverse temperatures from 0 to 1, closer together where the weights scatter more.

    Parameters
    ----------
    path : Path
    betas : int or floats, (n_betas,)
        A number of them; given ones are only checked.
    rng : seed
    adapt : bool
        Whether to look, on a pilot walk, where the weights scatter; evenly spaced without.

    Raises
    ------
    SettingError
        The betas do not rise from 0 to 1.

    Notes
    -----
    The spacing is inverse to the standard deviation of d log f_t / dt, along which annealing moves at constant
    thermodynamic speed (Gelman & Meng, Statistical Science 13, 1998, section 4).
    """
    if np.ndim(betas):
        given = np.asarray(betas, np.float64)
        if len(given) < 2 or given[0] != 0 or given[-1] != 1 or (np.diff(given) <= 0).any():
            raise SettingError("betas: must rise from 0 to 1, strictly")
        return given
    n = int(betas)  # type: ignore[arg-type]
    if n < 2:
        raise SettingError(f"betas: at least 2 are needed, 0 and 1; got {n}")
    if not adapt or n <= PILOT_BETAS:
        return np.linspace(0, 1, n)
    grid = np.linspace(0, 1, PILOT_BETAS)
    speed = _speeds(path, grid, key_from(rng))
    travelled = np.concatenate([[0], np.cumsum(np.maximum(speed, SLOWEST * speed.mean()))])
    out = np.interp(np.linspace(0, travelled[-1], n), travelled, grid)
    out[0], out[-1] = 0, 1
    return out


def _speeds(path: Path, grid: Floats, key: np.uint64) -> Floats:
    """Standard deviation of log f's change on each interval of the grid, over a few chains that walk along."""
    chain = _chains(PILOT_CHAINS)
    state = path.begin(chain, key_of(int(key), PILOT))
    out = np.empty(len(grid) - 1)
    for k in range(len(out)):
        weight, state = path.walk(state, grid[k], grid[k + 1], chain, key_of(int(key), PILOT, k), False)
        out[k] = weight.std()
    return out if out.any() else np.ones(len(out))  # a model without couplings


def summary(log_w: npt.NDArray[np.float64], n_betas: int) -> LogZ:
    """Put log weights together.

    Parameters
    ----------
    log_w : float64 array, (n_chains,)
    n_betas : int
    """
    n = len(log_w)
    share = np.exp(log_w - logsumexp(log_w))
    deviation = share.std(ddof=1) * np.sqrt(n) if n > 1 else np.inf  # of the weights' mean, in units of that mean
    return LogZ(float(logsumexp(log_w) - np.log(n)), float(deviation), float(1 / (share**2).sum()), log_w, n_betas)


def _chains(n: int) -> Ints:
    if n < 1:
        raise SettingError(f"n_chains: {n} is not a whole number from 1 on")
    return np.arange(n)
