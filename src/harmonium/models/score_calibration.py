"""From scores to probabilities: a rising curve, learned from what validation users chose next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError

Floats = npt.NDArray[np.floating]
N_BINS = 200
SMOOTHING = 0.5  # pseudo-choices a bin, so that no probability is 0


@final
@dataclass(frozen=True, eq=False)
class ScoreCalibration:
    """A piecewise linear, rising map from scores to probabilities.

    The probability is that of an item being among the choices which were held out of a validation user's, so it means
    "one of the next choices, as many as were held out".

    Parameters
    ----------
    score, probability : float64 arrays, (n_knots,)
        Both rising; beyond the ends the curve is flat.
    """

    score: Floats
    probability: Floats

    def __call__(self, scores: Floats) -> npt.NDArray[np.float32]:
        """Probability of each score; that of -inf is 0.

        Parameters
        ----------
        scores : floats, any shape
        """
        p = np.interp(scores, self.score, self.probability).astype(np.float32)
        return np.where(np.isneginf(scores), np.float32(0), p)

    def to_arrays(self) -> dict[str, npt.NDArray]:
        """Plain arrays to store: score and probability."""
        return {"score": self.score, "probability": self.probability}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray]) -> "ScoreCalibration":
        """Rebuild from `to_arrays`.

        Parameters
        ----------
        arrays : mapping of arrays
        """
        return cls(np.asarray(arrays["score"], np.float64), np.asarray(arrays["probability"], np.float64))


def fit_calibration(score: Floats, chosen: npt.NDArray[np.bool_]) -> ScoreCalibration:
    """Learn the curve from scores and what happened.

    Parameters
    ----------
    score : floats, (n,)
    chosen : bool array, (n,)

    Returns
    -------
    ScoreCalibration

    Raises
    ------
    DataError
        Nothing was chosen, or a score is not finite.

    Notes
    -----
    Isotonic regression (pool adjacent violators; Barlow et al. 1972) over bins that hold equally many choices, so that
    the few high scores are resolved as finely as the many low ones.
    """
    if not len(score) or not chosen.any() or not np.isfinite(score).all():
        raise DataError(f"calibration needs finite scores and at least one choice, not {int(chosen.sum())} choices")
    order = np.argsort(score, kind="stable")
    score, chosen = score[order].astype(np.float64), chosen[order]
    n_bins = int(min(N_BINS, chosen.sum()))
    bin_of = np.minimum((np.cumsum(chosen) - chosen) * n_bins // chosen.sum(), n_bins - 1)
    n, middle = np.bincount(bin_of), np.bincount(bin_of, score)
    happened = np.bincount(bin_of, chosen)
    kept = n > 0
    pooled: list[list[float]] = []  # number, sum of scores, choices
    for row in zip(n[kept].tolist(), middle[kept].tolist(), happened[kept].tolist()):
        pooled.append([float(value) for value in row])
        while len(pooled) > 1 and pooled[-2][2] * pooled[-1][0] >= pooled[-1][2] * pooled[-2][0]:
            last = pooled.pop()
            pooled[-1] = [a + b for a, b in zip(pooled[-1], last)]
    count, total, chose = np.array(pooled).T
    return ScoreCalibration(total / count, np.clip((chose + SMOOTHING) / (count + 1), 0, 1))
