"""The ladder of temperatures while a model learns: swap rates are counted, and it is respaced during burn-in.

Betas that move spoil a chain's law, and so does a model that moves; both settle, the ladder first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harmonium.sampling import tempering

Counts = npt.NDArray[np.float64]


def blank(n_betas: int) -> Counts:
    """Return counters of exchanges, (2, n_betas - 1): accepted and offered.

    Parameters
    ----------
    n_betas : int
    """
    return np.zeros((2, max(0, n_betas - 1)))


def count(counts: Counts, accepted: npt.NDArray[np.bool_], offered: npt.NDArray[np.bool_]) -> None:
    """Add one step's exchanges, in place.

    Parameters
    ----------
    counts : float64 array, (2, n_betas - 1)
    accepted : bool array, (n_chains, n_betas - 1)
    offered : bool array, (n_betas - 1,)
    """
    counts[0] += accepted.sum(axis=0)
    counts[1] += offered * len(accepted)


def measured(betas: Counts, counts: Counts) -> dict[str, float]:
    """Swap rates of an epoch by name, for its event: of all pairs, the one nearest beta = 1 first, and the lowest.

    Parameters
    ----------
    betas : float64 array, (n_betas,)
    counts : float64 array, (2, n_betas - 1)
    """
    if not len(betas) or not counts[1].all():
        return {}
    rates = counts[0] / counts[1]
    return {"swap_rate_lowest": float(rates.min())} | {f"swap_rate_{k}": float(r) for k, r in enumerate(rates, start=1)}


def moved(betas: Counts, counts: Counts, progress: float, burn_in: float) -> Counts:
    """Return the betas for the next epoch: respaced to equal swap rates during burn-in, afterwards as they are.

    Parameters
    ----------
    betas : float64 array, (n_betas,)
    counts : float64 array, (2, n_betas - 1)
    progress : float
        Share of the epochs that are done.
    burn_in : float
        Share of the epochs after which the ladder stays.
    """
    if not len(betas) or progress > burn_in or not counts[1].all():
        return betas
    return (betas + tempering.respaced(betas, counts[0] / counts[1])) / 2  # half way: one epoch's rates are noisy
