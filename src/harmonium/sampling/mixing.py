"""How fast chains forget: integrated autocorrelation time, and whether chains agree with each other."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
WINDOW = 5.0  # autocorrelation times that the sum runs over (Sokal 1997, section 3)
ENOUGH = 20.0  # autocorrelation times a trace must span to measure one
SETTLED = 1.05  # largest R-hat of chains that agree


class Mixing(NamedTuple):
    """How a trace of chains mixes.

    Parameters
    ----------
    time : float
        Integrated autocorrelation time in steps, at least 1: so many steps are worth one independent draw.
    effective_size : float
        Independent draws that the whole trace is worth.
    r_hat : float
        Chains' spread against their own, 1 when they agree; NaN for traces without spread.
    reliable : bool
        Whether the trace is long enough to measure its time; if not, the time is a lower bound.
    """

    time: float
    effective_size: float
    r_hat: float
    reliable: bool


def mixing(trace: Floats) -> Mixing:
    """Measure how chains mix, on a number followed along them: an energy, say.

    Parameters
    ----------
    trace : floats, (n_steps, n_chains)

    Notes
    -----
    Sokal, Monte Carlo Methods in Statistical Mechanics (1997): the sum of autocorrelations up to the smallest window
    that is 5 times its own result. Chains share one mean, so chains stuck apart show as a long time.
    """
    x = np.asarray(trace, np.float64)
    x = x.reshape(len(x), -1)
    n_steps, n_chains = x.shape
    rho = _autocorrelation(x)
    sums = 2 * np.cumsum(rho) - 1
    within = np.flatnonzero(np.arange(len(sums)) >= WINDOW * sums)
    time = max(1.0, float(sums[within[0] if len(within) else -1]))
    reliable = bool(len(within)) and n_steps >= ENOUGH * time
    return Mixing(time, n_steps * n_chains / time, r_hat(x), reliable)


def r_hat(trace: Floats) -> float:
    """Potential scale reduction of chains, each cut in halves: 1 when they agree, above 1.05 when they do not.

    Parameters
    ----------
    trace : floats, (n_steps, n_chains)

    Notes
    -----
    Gelman & Rubin, Statistical Science 7 (1992); split as in Gelman et al., Bayesian Data Analysis 3 (2013), 11.4.
    """
    x = np.asarray(trace, np.float64)
    half = len(x) // 2
    if half < 2:
        return np.nan
    parts = np.concatenate([x[:half].reshape(half, -1), x[-half:].reshape(half, -1)], axis=1)
    within = parts.var(axis=0, ddof=1).mean()
    between = half * parts.mean(axis=0).var(ddof=1)
    if within == 0:
        return np.nan if between == 0 else np.inf
    return float(np.sqrt((half - 1) / half + between / half / within))


def advice(found: Mixing, n_steps: int) -> str:
    """Return a plain warning when chains take fewer steps between two updates than they need; empty if they do not.

    Parameters
    ----------
    found : Mixing
    n_steps : int
        Steps that learning takes between two updates.

    Notes
    -----
    Below the mixing time a machine learns out of equilibrium: its chains, not its distribution, imitate the data
    (Decelle, Furtlehner & Seoane, NeurIPS 2021).
    """
    if found.time <= n_steps:
        return ""
    bound = "" if found.reliable else "at least "
    return (
        f"chains need {bound}{found.time:.0f} steps for an independent draw and take {n_steps} between two updates: "
        "learning is out of equilibrium; raise n_steps, or do not trust samples of fresh chains"
    )


def _autocorrelation(x: Floats) -> Floats:
    """Autocorrelation at lags from 0, averaged over the chains, about their common mean."""
    n = len(x)
    centred = x - x.mean()
    spectrum = np.fft.rfft(centred, 2 * n, axis=0)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), axis=0)[:n].mean(axis=1) / n
    return covariance / covariance[0] if covariance[0] > 0 else np.eye(1, n)[0]
