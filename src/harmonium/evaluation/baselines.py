"""Two baselines every model has to beat: what people give an item, and how generous item and user are."""

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Scale, random_split
from harmonium.training.validation import FEWEST_TO_CALIBRATE, log_loss
from harmonium.units import levels

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
VALIDATION_SHARE = 0.1
MOST_VALIDATION = 200_000  # ratings: more would not change a choice among a few
STRENGTHS = (1.0, 2.0, 5.0, 10.0, 25.0)  # tried: ratings that the prior of an item or user weighs as much as
USUAL_STRENGTH = 5.0  # where there are too few ratings to choose
SWEEPS = 10  # over all biases; the tenth moves them in the fourth digit
EDGE = 0.02  # share of the scale that expected ratings keep away from its ends, so that no level is ruled out
MOST_CURVATURE = 50.0  # a standard deviation of a tenth of half the scale
KNOTS = 257  # expected ratings at which tilts are solved for; between them they are interpolated
BISECTIONS = 40
SMOOTHING = 0.5  # pseudo-count of each level


@final
@dataclass(frozen=True, eq=False)
class Popularity:
    """Everybody's ratings of the item: its level counts, drawn towards those of all items.

    P(level | item) = (count + strength share) / (n_item + strength), with share that of all ratings. An item without
    ratings has the share.

    Parameters
    ----------
    counts : int64 array, (n_items, n_levels)
    share : float64 array, (n_levels,)
    strength : float
    """

    counts: npt.NDArray[np.int64]
    share: Floats
    strength: float

    def probabilities(self, where: Ratings) -> Floats:
        """Level probabilities (n, n_levels) at the entries of `where`; its levels are not read.

        Parameters
        ----------
        where : Ratings
        """
        counts = self.counts[where.item]
        return (counts + self.strength * self.share) / (counts.sum(axis=1, keepdims=True) + self.strength)


@final
@dataclass(frozen=True, eq=False)
class Bias:
    """Mean plus item bias plus user bias, each drawn towards 0; an unknown item or user has bias 0.

    Minimises sum (rating - mean - item - user)^2 + strength (sum item^2 + sum user^2). A prediction becomes a
    distribution over levels by P(k) proportional to share_k exp(tilt x_k - curvature x_k^2), the tilt such that the
    expected rating is the prediction; x maps the scale to [-1, 1].

    Parameters
    ----------
    mean : float
    item : float64 array, (n_items,)
    user : float64 array, (n_users,)
    share : float64 array, (n_levels,)
        Of all ratings.
    curvature : float
    scale : Scale
    """

    mean: float
    item: Floats
    user: Floats
    share: Floats
    curvature: float
    scale: Scale

    def expected(self, where: Ratings) -> Floats:
        """Predicted ratings (n,) at the entries of `where`, kept a little inside the scale.

        Parameters
        ----------
        where : Ratings
        """
        margin = EDGE * (self.scale.maximum - self.scale.minimum)
        plain = self.mean + self.item[where.item] + self.user[where.user_of()]
        return np.clip(plain, self.scale.minimum + margin, self.scale.maximum - margin)

    def probabilities(self, where: Ratings) -> Floats:
        """Level probabilities (n, n_levels) at the entries of `where`; its levels are not read.

        Parameters
        ----------
        where : Ratings
        """
        return distribution(self.expected(where), self.scale, self.share, self.curvature)


def distribution(expected: Floats, scale: Scale, share: Floats, curvature: float) -> Floats:
    """Level distributions with given means.

    Parameters
    ----------
    expected : floats, (n,)
        At least `EDGE` of the scale away from its ends.
    scale : Scale
    share : floats, (n_levels,)
        All above 0.
    curvature : float

    Returns
    -------
    floats, (n, n_levels)
        Proportional to share_k exp(tilt x_k - curvature x_k^2).
    """
    x, base = scale.x, np.log(share) - curvature * scale.x**2
    inside = 1 - 2 * EDGE
    knots = np.linspace(-inside, inside, KNOTS)
    steepest = (np.ptp(base) + np.log(len(x) / EDGE)) / np.diff(x).min()  # all but EDGE of the mass on the last level
    low, high = np.full(KNOTS, -steepest), np.full(KNOTS, steepest)
    for _ in range(BISECTIONS):
        tilt = (low + high) / 2
        below = levels.mean(base + tilt[:, None] * x) @ x < knots
        low, high = np.where(below, tilt, low), np.where(below, high, tilt)
    wanted = 2 * (expected - scale.minimum) / (scale.maximum - scale.minimum) - 1
    return levels.mean(base + np.interp(wanted, knots, (low + high) / 2)[:, None] * x)


def fit_popularity(ratings: Ratings) -> Popularity:
    """Count levels; the strength is chosen by the log-loss on a tenth of the ratings.

    Parameters
    ----------
    ratings : Ratings
    """
    parts = _validation_parts(ratings)
    strength = USUAL_STRENGTH
    if parts is not None:
        learn, asked = parts
        tried = Popularity(_level_counts(learn), _shares(learn), 0.0)
        loss = [log_loss(Popularity(tried.counts, tried.share, s).probabilities(asked), asked.level) for s in STRENGTHS]
        strength = STRENGTHS[int(np.argmin(loss))]
    return Popularity(_level_counts(ratings), _shares(ratings), strength)


def fit_bias(ratings: Ratings) -> Bias:
    """Learn biases; strength and curvature are chosen on a tenth of the ratings, by squared error and log-loss.

    Parameters
    ----------
    ratings : Ratings

    Notes
    -----
    Alternates between the closed forms of item and user biases. About 50 passes over the ratings in all.
    """
    parts, rated = _validation_parts(ratings), ratings.select(ratings.level != UNRATED)
    if parts is None:
        return _biases(rated, USUAL_STRENGTH, 0.0)
    learn, asked = parts
    tried = [_biases(learn, strength, 0.0) for strength in STRENGTHS]
    loss = [float(np.mean((asked.values() - bias.expected(asked)) ** 2)) for bias in tried]
    best = int(np.argmin(loss))
    expected = tried[best].expected(asked)

    def loss_of(curvature: float) -> float:
        return log_loss(distribution(expected, asked.scale, tried[best].share, curvature), asked.level)

    found = minimize_scalar(loss_of, bounds=(0.0, MOST_CURVATURE), method="bounded", options={"xatol": 0.01})
    return _biases(rated, STRENGTHS[best], float(found.x))


def _biases(rated: Ratings, strength: float, curvature: float) -> Bias:
    user, residual = rated.user_of(), rated.values()
    mean = float(residual.mean()) if len(residual) else (rated.scale.minimum + rated.scale.maximum) / 2
    n_user = np.bincount(user, minlength=rated.n_users) + strength
    n_item = np.bincount(rated.item, minlength=rated.n_items) + strength
    of_user, of_item = np.zeros(rated.n_users), np.zeros(rated.n_items)
    residual = residual - mean
    for _ in range(SWEEPS):
        of_item = np.bincount(rated.item, residual - of_user[user], rated.n_items) / n_item
        of_user = np.bincount(user, residual - of_item[rated.item], rated.n_users) / n_user
    return Bias(mean, of_item, of_user, _shares(rated), curvature, rated.scale)


def _validation_parts(ratings: Ratings) -> tuple[Ratings, Ratings] | None:
    """Ratings to learn from and ratings to choose by; None where there are too few."""
    rated = ratings.select(ratings.level != UNRATED)
    share = min(VALIDATION_SHARE, MOST_VALIDATION / max(1, len(rated)))
    if len(rated) * share < FEWEST_TO_CALIBRATE:
        return None
    return tuple(random_split(rated, share, rng=0))  # type: ignore[return-value]


def _level_counts(ratings: Ratings) -> npt.NDArray[np.int64]:
    """Ratings of each item at each level, (n_items, n_levels)."""
    rated = ratings.level != UNRATED
    cell = ratings.item[rated].astype(np.int64) * ratings.n_levels + ratings.level[rated]
    return np.bincount(cell, minlength=ratings.n_items * ratings.n_levels).reshape(ratings.n_items, ratings.n_levels)


def _shares(ratings: Ratings) -> Floats:
    """Share of each level among all ratings, none of them 0: (n_levels,)."""
    return smoothed_shares(np.bincount(ratings.level[ratings.level != UNRATED], minlength=ratings.n_levels))


def smoothed_shares(counts: Ints) -> Floats:
    """Shares of counts (n_levels,), each raised by a pseudo-count.

    Parameters
    ----------
    counts : int array, (n_levels,)
    """
    return (counts + SMOOTHING) / (counts + SMOOTHING).sum()
