"""What a recommender answers: frozen records of plain values, ready for JSON."""

from dataclasses import dataclass
from typing import final

Ends = tuple[tuple[int | str, str, float, int], ...]  # item_id, title, weight, n_ratings


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Abstract. One item, and how one person would rate it.

    Parameters
    ----------
    item_id : int or str
    title : str
        The id where there are no titles.
    year : int or None
    genres : tuple of str
    n_ratings : int
        Training ratings of the item.
    rating : float
        Expected rating, in the ratings' own unit.
    levels, probabilities : tuple of float, (n_levels,)
        The levels of the scale, and the probability of each.
    probability_of_liking : float
        Probability of a rating that counts as liking.
    """

    item_id: int | str
    title: str
    year: int | None
    genres: tuple[str, ...]
    n_ratings: int
    rating: float
    levels: tuple[float, ...]
    probabilities: tuple[float, ...]
    probability_of_liking: float


@final
@dataclass(frozen=True, kw_only=True)
class Prediction(Predicted):
    """How one person would rate one item; its fields are those of `Predicted`."""


@final
@dataclass(frozen=True, kw_only=True)
class Recommendation(Predicted):
    """One place of a ranked list; its other fields are those of `Predicted`.

    `rank` counts from 1; `score` is what the list is ranked by: the probability of liking, drawn towards the usual one
    where few rated the item, times `probability_of_choice`, that the item is among the next choices, which is None
    where no machine of choices ranks.
    """

    rank: int
    score: float
    probability_of_choice: float | None


@final
@dataclass(frozen=True, kw_only=True)
class SimilarItem:
    """An item like another.

    Parameters
    ----------
    rank : int
        From 1.
    item_id : int or str
    title : str
    year : int or None
    genres : tuple of str
    n_ratings : int
    similarity : float
        Cosine, -1 to 1.
    score : float
        What the list is ranked by: the cosine, drawn towards 0 where few rated the item.
    """

    rank: int
    item_id: int | str
    title: str
    year: int | None
    genres: tuple[str, ...]
    n_ratings: int
    similarity: float
    score: float


@final
@dataclass(frozen=True, kw_only=True)
class Reason:
    """What one rating of the history does to a prediction.

    Parameters
    ----------
    item_id : int or str
    title : str
    rating : float or None
        None for seen, not rated.
    contribution : float
        Probability of liking with this rating, less that without it.
    rating_contribution : float
        The same of the expected rating.
    score_contribution : float
        The same of the score that lists are ranked by.
    choice_contribution : float or None
        What this entry adds to `Explanation.choice_score`; None without a machine of choices.
    by_unit : tuple of (int, float)
        Hidden units of the users machine through which this rating speaks most, the strongest first: the unit and
        its part of the difference in the item's tilt, in nats. Empty without a users machine.
    """

    item_id: int | str
    title: str
    rating: float | None
    contribution: float
    rating_contribution: float
    score_contribution: float
    choice_contribution: float | None
    by_unit: tuple[tuple[int, float], ...]


@final
@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a prediction is what it is.

    Parameters
    ----------
    item : Prediction
    baseline : Prediction
        Of the same item for someone without a history.
    reasons : tuple of Reason
        The strongest first, by the size of their contribution to the score.
    score : float
        What lists are ranked by, see `Recommendation`.
    probability_of_choice : float or None
        Its factor that the item is among the next choices; None without a machine of choices.
    choice_score : float or None
        The machine of choices' own score, before it is made a probability; in a closed form the reasons' parts of it
        add up to it.
    units : tuple of (int, float)
        Hidden units of the users machine that move the item's tilt most against the baseline, the strongest first: the
        unit and its part, in nats. Empty without a users machine.
    method : str
        How the numbers came about.
    """

    item: Prediction
    baseline: Prediction
    reasons: tuple[Reason, ...]
    score: float
    probability_of_choice: float | None
    choice_score: float | None
    units: tuple[tuple[int, float], ...]
    method: str


@final
@dataclass(frozen=True, kw_only=True)
class UnitDescription:
    """What a hidden unit of the users machine stands for.

    Parameters
    ----------
    unit : int
    positive, negative : tuple of (item_id, title, weight, n_ratings)
        The items whose liking turns the unit on, and off; the strongest first, rarely rated ones held back. A weight is
        what the unit, when on, adds to the fields of the liked levels against the others, in nats.
    bias : float
        Field of the unit before any rating, in nats.
    resting_activation : float
        Probability that the unit is on for someone without a history.
    """

    unit: int
    positive: Ends
    negative: Ends
    bias: float
    resting_activation: float
