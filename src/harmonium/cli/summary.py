"""What a set of ratings looks like, in numbers."""

from dataclasses import dataclass

import numpy as np

from harmonium.conventions import UNRATED
from harmonium.data import Ratings

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


@dataclass(frozen=True)
class Summary:
    """Ratings in numbers.

    Parameters
    ----------
    n_users, n_items : int
        Those with at least one entry.
    n_ratings, n_seen_only : int
        Entries with and without a rating.
    density : float
        Share of all pairs of a user and an item that are entries.
    scale : str
    mean, deviation : float or None
        Of the ratings; None without any.
    levels : dict of float to int
        Ratings at each level.
    per_user, per_item : dict of str to float
        Quantiles of the entries of a user, and of an item.
    first, last : str or None
        Times of the first and the last entry, in UTC; None without times.
    """

    n_users: int
    n_items: int
    n_ratings: int
    n_seen_only: int
    density: float
    scale: str
    mean: float | None
    deviation: float | None
    levels: dict[float, int]
    per_user: dict[str, float]
    per_item: dict[str, float]
    first: str | None
    last: str | None


def summary(ratings: Ratings) -> Summary:
    """Summarise ratings.

    Parameters
    ----------
    ratings : Ratings
    """
    per_user = np.diff(ratings.indptr)
    per_item = np.bincount(ratings.item, minlength=ratings.n_items)
    per_user, per_item = per_user[per_user > 0], per_item[per_item > 0]
    rated = ratings.level != UNRATED
    values = ratings.values()[rated]
    counts = np.bincount(ratings.level[rated], minlength=ratings.n_levels)
    first, last = _span(ratings)
    return Summary(
        n_users=len(per_user),
        n_items=len(per_item),
        n_ratings=len(values),
        n_seen_only=len(rated) - len(values),
        density=ratings.n_entries / max(1, len(per_user) * len(per_item)),
        scale=ratings.scale.describe(),
        mean=float(values.mean()) if len(values) else None,
        deviation=float(values.std()) if len(values) else None,
        levels=dict(zip(ratings.scale.levels, counts.tolist())),
        per_user=_quantiles(per_user),
        per_item=_quantiles(per_item),
        first=first,
        last=last,
    )


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    if not len(counts):
        return {}
    return {f"{100 * q:g} %": value for q, value in zip(QUANTILES, np.quantile(counts, QUANTILES).tolist())}


def _span(ratings: Ratings) -> tuple[str | None, str | None]:
    if ratings.time is None or not len(ratings.time):
        return None, None
    ends = (int(ratings.time.min()), int(ratings.time.max()))
    first, last = (str(np.datetime64(end, "s")).replace("T", " ") for end in ends)
    return first, last
