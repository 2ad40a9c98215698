"""From scores to probabilities: a rising curve, learned from what validation users chose next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError

Floats = npt.NDArray[np.floating]
N_BINS = 200
N_CELLS = 1024  # of a guided curve: few hold more than one knot
SMOOTHING = 0.5  # pseudo-choices a bin, so that no probability is 0


class GuidedCurve(NamedTuple):
    """A curve as kernels want it: where to begin looking for the knots around a score."""

    knot: npt.NDArray[np.float64]  # (n_knots,)
    value: npt.NDArray[np.float64]  # (n_knots,)
    slope: npt.NDArray[np.float64]  # (n_knots,), to the next knot; the last is 0
    guide: npt.NDArray[np.int64]  # (n_cells + 1,), the last knot at or below the start of each cell
    cells: float  # per unit of score


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
    per_choice : float
        Probability of an item for someone of whom nothing is known, over the number of people who chose it.
    """

    score: Floats
    probability: Floats
    per_choice: float

    def __call__(self, scores: Floats) -> npt.NDArray[np.float32]:
        """Probability of each score; that of -inf is 0.

        Parameters
        ----------
        scores : floats, any shape
        """
        p = np.interp(scores, self.score, self.probability).astype(np.float32)
        return np.where(np.isneginf(scores), np.float32(0), p)

    def by_popularity(self, n_users: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Probability of items by the number of people who chose them, where no score can be had.

        Parameters
        ----------
        n_users : int array, any shape
        """
        return np.minimum(1.0, self.per_choice * n_users).astype(np.float32)

    def guided(self) -> GuidedCurve:
        """The curve with a table that leads to the knots around a score."""
        knot, value = np.asarray(self.score, np.float64), np.asarray(self.probability, np.float64)
        step, width = np.diff(knot), knot[-1] - knot[0]
        slope = np.divide(np.diff(value), step, out=np.zeros(len(step)), where=step > 0)
        starts = knot[0] + width * np.arange(N_CELLS + 1) / N_CELLS
        guide = np.clip(np.searchsorted(knot, starts, side="right") - 1, 0, max(0, len(knot) - 2))
        return GuidedCurve(knot, value, np.append(slope, 0.0), guide, N_CELLS / width if width > 0 else 0.0)

    def to_arrays(self) -> dict[str, npt.NDArray]:
        """Plain arrays to store: score, probability and per_choice."""
        per_choice = np.array([self.per_choice])
        return {"score": self.score, "probability": self.probability, "per_choice": per_choice}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray]) -> "ScoreCalibration":
        """Rebuild from `to_arrays`.

        Parameters
        ----------
        arrays : mapping of arrays
        """
        score, probability = (np.asarray(arrays[name], np.float64) for name in ("score", "probability"))
        return cls(score, probability, float(arrays["per_choice"][0]))


def fit_calibration(score: Floats, chosen: npt.NDArray[np.bool_], per_choice: float) -> ScoreCalibration:
    """Learn the curve from scores and what happened.

    Parameters
    ----------
    score : floats, (n,)
    chosen : bool array, (n,)
    per_choice : float
        As for `ScoreCalibration`.

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
        while len(pooled) > 1 and _share(*pooled[-2]) >= _share(*pooled[-1]):
            last = pooled.pop()
            pooled[-1] = [a + b for a, b in zip(pooled[-1], last)]
    count, total, chose = np.array(pooled).T
    return ScoreCalibration(total / count, np.clip(_share(count, total, chose), 0, 1), per_choice)


def _share(count: Any, total: Any, chose: Any) -> Any:
    """What was chosen of a bin, smoothed; bins are pooled by this very number, or the curve would not rise."""
    return (chose + SMOOTHING) / (count + 1)
