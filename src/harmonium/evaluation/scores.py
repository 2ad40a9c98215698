"""Scores of predicted ratings, with standard errors that allow for ratings of one user being alike."""

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from harmonium.evaluation.calibration import ReliabilityBin, calibration
from harmonium.training.validation import errors

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Levels = npt.NDArray[np.uint8]
TINY = np.finfo(np.float32).tiny


class Losses(NamedTuple):
    """What every single prediction costs: arrays (n,)."""

    squared: Floats  # of the expected rating, in squared rating units
    absolute: Floats  # of the expected rating, in rating units
    log: Floats  # -log probability of the level given, in nats


@final
@dataclass(frozen=True)
class Score:
    """How good some predictions are; less is better throughout.

    Parameters
    ----------
    rmse, mae : float
        Root mean square and mean absolute error of the expected rating, in rating units.
    log_loss : float
        Mean of -log probability of the level given, in nats.
    ece : float
        Expected calibration error of the probability of liking; see `calibration`.
    ece_by_chance : float
        About what perfectly calibrated probabilities would show with as many ratings.
    n : int
        Ratings predicted.
    rmse_se, mae_se, log_loss_se : float
        Standard errors; infinite for a single rating.
    reliability : tuple of ReliabilityBin
        The table behind `ece`, by rising probability.
    """

    rmse: float
    mae: float
    log_loss: float
    ece: float
    ece_by_chance: float
    n: int
    rmse_se: float
    mae_se: float
    log_loss_se: float
    reliability: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; an infinite standard error is None."""
        plain = {field.name: _finite(getattr(self, field.name)) for field in fields(self)}
        return plain | {"reliability": [row._asdict() for row in self.reliability]}


@final
@dataclass(frozen=True)
class Difference:
    """One model's scores minus another's on the same ratings: below 0, the first is better.

    Parameters
    ----------
    rmse, mae, log_loss : float
        As in `Score`.
    rmse_se, mae_se, log_loss_se : float
        Standard errors of the differences, smaller than those of the scores as both face the same ratings.
    """

    rmse: float
    mae: float
    log_loss: float
    rmse_se: float
    mae_se: float
    log_loss_se: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; an infinite standard error is None."""
        return {field.name: _finite(getattr(self, field.name)) for field in fields(self)}


def losses(p: Floats, level: Levels, values: Floats) -> Losses:
    """What each prediction costs.

    Parameters
    ----------
    p : floats, (n, n_levels)
    level : uint8 array, (n,)
    values : float64 array, (n_levels,)
    """
    error = p @ values - values[level]
    chosen = p[np.arange(len(level)), level].astype(np.float64)
    return Losses(error * error, np.abs(error), -np.log(np.maximum(chosen, TINY)))


def score(p: Floats, level: Levels, values: Floats, user: Ints, first_liked: int) -> Score:
    """Score predicted level probabilities.

    Parameters
    ----------
    p : floats, (n, n_levels)
    level : uint8 array, (n,)
        Level codes given.
    values : float64 array, (n_levels,)
    user : int array, (n,)
        Who gave them.
    first_liked : int
        Lowest level code that counts as liking.

    Notes
    -----
    Standard errors are those of means of clusters, see `standard_error`; that of the RMSE follows by the delta method:
    se(MSE) / (2 RMSE).
    """
    each = losses(p, level, values)
    rmse, log_loss = errors(p, level, values)
    liked = calibration(p[:, first_liked:].sum(axis=1, dtype=np.float64), level >= first_liked)
    return Score(
        rmse=rmse,
        mae=float(each.absolute.mean()),
        log_loss=log_loss,
        ece=liked.ece,
        ece_by_chance=liked.ece_by_chance,
        n=len(level),
        rmse_se=standard_error(_linearised(each.squared), user),
        mae_se=standard_error(each.absolute, user),
        log_loss_se=standard_error(each.log, user),
        reliability=liked.reliability,
    )


def difference(first: Losses, second: Losses, user: Ints) -> Difference:
    """Compare two models on the same ratings.

    Parameters
    ----------
    first, second : Losses
        Of the same n ratings in the same order.
    user : int array, (n,)
        Who gave them.

    Notes
    -----
    Standard errors are those of the mean of paired differences, clustered by user; for the RMSE those of
    squared_first / (2 RMSE_first) - squared_second / (2 RMSE_second), the delta method's influence of each rating.
    """
    mae, log = first.absolute - second.absolute, first.log - second.log
    return Difference(
        rmse=math.sqrt(first.squared.mean()) - math.sqrt(second.squared.mean()),
        mae=float(mae.mean()),
        log_loss=float(log.mean()),
        rmse_se=standard_error(_linearised(first.squared) - _linearised(second.squared), user),
        mae_se=standard_error(mae, user),
        log_loss_se=standard_error(log, user),
    )


def standard_error(loss: Floats, cluster: Ints) -> float:
    """Return the standard error of the mean of a loss whose values within a cluster may be alike.

    Parameters
    ----------
    loss : floats, (n,)
    cluster : int array, (n,)
        Which values belong together.

    Returns
    -------
    float
        Infinite for a single value. Where all values are of one cluster they count as independent, for want of better.

    Notes
    -----
    With G clusters, m the mean and r_g the sum of loss - m over a cluster: sqrt(G / (G - 1) sum_g r_g^2) / n, the
    linearised ratio estimator of survey sampling (Cochran, Sampling Techniques, 1977, section 9A.1).
    """
    n = len(loss)
    _, cluster = np.unique(cluster, return_inverse=True)
    if not cluster.any():
        cluster = np.arange(n)
    residual = np.bincount(cluster, weights=loss - loss.mean())
    n_clusters = len(residual)
    if n_clusters < 2:
        return math.inf
    return math.sqrt(n_clusters / (n_clusters - 1) * float(residual @ residual)) / n


def _linearised(squared: Floats) -> Floats:
    """Influence of each rating on the RMSE, up to a constant."""
    rmse = math.sqrt(squared.mean())
    return squared / (2 * rmse) if rmse else squared


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
