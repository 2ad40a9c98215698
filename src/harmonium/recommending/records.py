"""What a recommender takes and gives: frozen records of plain values."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class History(NamedTuple):
    """Someone's ratings, as the model reads them."""

    item: npt.NDArray[np.int64]  # (n,) item indices, ascending, each once
    level: npt.NDArray[np.uint8]  # (n,) level codes; UNRATED for seen, not rated


@dataclass(frozen=True, slots=True)
class Prediction:
    """How someone would rate an item.

    Parameters
    ----------
    item_id : int or str
    title : str
        The id where there are no titles.
    rating : float
        Expected rating.
    probability_of_liking : float
        Probability of a rating of at least the recommender's `like`.
    levels, probabilities : tuple of float, (n_levels,)
    n_ratings : int
        Training ratings of the item.
    year : int or None
    genres : tuple of str
    """

    item_id: int | str
    title: str
    rating: float
    probability_of_liking: float
    levels: tuple[float, ...]
    probabilities: tuple[float, ...]
    n_ratings: int
    year: int | None
    genres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recommendation(Prediction):
    """A prediction with its place in a ranking.

    Parameters
    ----------
    rank : int
        From 1.
    score : float
        What the ranking goes by: the probability of liking, drawn towards the average where few people rated.
    """

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Similar:
    """An item like another.

    Parameters
    ----------
    item_id : int or str
    title : str
    similarity : float
        Cosine between the items' weights, drawn towards 0 where few people rated either.
    n_ratings : int
    """

    item_id: int | str
    title: str
    similarity: float
    n_ratings: int


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rating of the history does to a prediction.

    Parameters
    ----------
    item_id : int or str
    title : str
    rating : float or None
        None for an item that was seen but not rated.
    contribution : float
        Probability of liking with the whole history, less that without this rating; exact.
    rating_contribution : float
        The same difference in expected rating.
    by_unit : tuple of (int, float)
        The hidden units through which it acts most, with the mean-field change of the item's tilt through each.
    """

    item_id: int | str
    title: str
    rating: float | None
    contribution: float
    rating_contribution: float
    by_unit: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why someone is predicted to like an item, or not.

    Parameters
    ----------
    item : Prediction
    baseline : Prediction
        For someone of whom nothing is known.
    reasons : tuple of Reason
        Strongest first.
    units : tuple of (int, float)
        Hidden units that tilt the item's ratings most, against an empty history (mean field).
    method : str
        What the numbers are.
    """

    item: Prediction
    baseline: Prediction
    reasons: tuple[Reason, ...]
    units: tuple[tuple[int, float], ...]
    method: str


@dataclass(frozen=True, slots=True)
class UnitDescription:
    """A hidden unit in words: the items that define it, at both ends.

    Parameters
    ----------
    unit : int
    positive, negative : tuple of (item_id, title, weight, n_ratings)
        Items that a high rating of turns the unit on, and off; strongest first. The weight is per step from the
        middle of the scale to its end, drawn towards 0 where few people rated.
    mean_activation : float
        P(h = 1) for someone of whom nothing is known.
    """

    unit: int
    positive: tuple[tuple[int | str, str, float, int], ...]
    negative: tuple[tuple[int | str, str, float, int], ...]
    mean_activation: float
