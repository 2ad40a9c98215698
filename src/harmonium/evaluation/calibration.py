"""Calibration: whether what is said to happen with probability p happens in a share p of the cases."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
N_BINS = 15


class ReliabilityBin(NamedTuple):
    """Ratings with about the same predicted probability of liking."""

    predicted: float  # mean predicted probability
    observed: float  # share of them that were liked
    n: int


class Calibration(NamedTuple):
    """Expected calibration error, what chance alone would make of it, and the reliability table behind it."""

    ece: float
    ece_by_chance: float
    reliability: tuple[ReliabilityBin, ...]


def calibration(p: Floats, happened: npt.NDArray[np.bool_]) -> Calibration:
    """Expected calibration error of probabilities over bins of equal mass.

    Parameters
    ----------
    p : floats, (n,)
        Predicted probabilities.
    happened : bool array, (n,)

    Returns
    -------
    Calibration
        `ece` is 0 for perfect probabilities of infinitely many cases. `ece_by_chance` is about what perfect
        probabilities would show with as many cases as these.

    Notes
    -----
    ECE = sum_b n_b / n |mean predicted_b - share observed_b|. The bins hold a fifteenth of the cases each, in the order
    of p; equal probabilities share a bin, so that the order of the cases does not matter. By chance the difference
    within a bin is about normal around 0 with variance mean(p (1 - p)) / n_b, of expected size sqrt(2 / pi) times its
    root.
    """
    _, tie, count = np.unique(p, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2  # rank of the middle of each group of equal probabilities
    _, bin_of = np.unique((middle * N_BINS / len(p)).astype(np.int64)[tie], return_inverse=True)
    n = np.bincount(bin_of)
    predicted = np.bincount(bin_of, weights=p) / n
    observed = np.bincount(bin_of, weights=happened) / n
    scatter = np.sqrt(2 / np.pi * np.bincount(bin_of, weights=p * (1 - p)) / n**2)
    rows = zip(predicted.tolist(), observed.tolist(), n.tolist())
    return Calibration(
        ece=float(n @ np.abs(predicted - observed) / n.sum()),
        ece_by_chance=float(n @ scatter / n.sum()),
        reliability=tuple(ReliabilityBin(*row) for row in rows),
    )
