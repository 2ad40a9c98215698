"""Many lists at once: one pass over the weights for all who ask."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.models import rating_model
from harmonium.recommending import ranking
from harmonium.recommending.choosing import ranking_chooser
from harmonium.recommending.history import History
from harmonium.recommending.recommender import Recommender

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]


class Wanted(NamedTuple):
    """A ranked list that someone wants."""

    history: History
    n: int
    candidates: npt.NDArray[np.bool_] | None  # (n_items,); every item when None
    exclude_seen: bool


class Ranked(NamedTuple):
    """Lists of several people."""

    people: list[Any]  # folded in
    item: Ints  # (n_people, most places), -1 past the end of a list
    score: Floats  # of the same shape
    likely: Floats | None  # (n_people, n_items), how likely each item is chosen next, where the model tells


def rank_many(recommender: Recommender, wanted: Sequence[Wanted], rank_by: str | None = None) -> Ranked:
    """Items of several people's lists, and their scores.

    Parameters
    ----------
    recommender : Recommender
    wanted : sequence of Wanted
    rank_by : {"joint", "liking"}, optional
        As for `Recommender.recommend`.

    Raises
    ------
    SettingError
        There is no such ranking, or no machine of choices for it.
    """
    chooser = ranking_chooser(recommender._chooser, rank_by)
    model = recommender.machine.fitted_model
    people = [rating_model.person(model, one.history.item, one.history.level, compiled=True) for one in wanted]
    liking, likely = recommender._liking.probabilities(people), None
    trusted, usual = recommender._trust, recommender._usual
    if chooser is not None:
        scores = ranking.shrunk(liking, trusted, usual)
        liking, likely = chooser.joint([one.history for one in wanted], scores)
        trusted, usual = np.ones_like(trusted), 0.0  # they are the scores already
    return Ranked(
        people, *_chosen(wanted, np.ascontiguousarray(liking, np.float32), trusted, usual, model.n_item_ratings), likely
    )


def recommend_many(
    recommender: Recommender, wanted: Sequence[Wanted], rank_by: str | None = None
) -> list[list[dict[str, Any]]]:
    """Ranked lists for several people; each is what `Recommender.recommend` gives, as plain values.

    Parameters
    ----------
    recommender : Recommender
    wanted : sequence of Wanted
    rank_by : {"joint", "liking"}, optional

    Returns
    -------
    list of lists of dict
        The fields of `Recommendation`.
    """
    model, (people, chosen, score, likely) = recommender.machine.fitted_model, rank_many(recommender, wanted, rank_by)
    row, place = np.nonzero(chosen >= 0)
    item = chosen[row, place]
    told = recommender._predictor.told(rating_model.pair_probabilities(model, people, row, item), item)
    ends = np.cumsum(np.bincount(row, minlength=len(wanted)))[:-1]
    scores = np.split(score[row, place], ends)
    chances = [None] * len(wanted) if likely is None else np.split(likely[row, item], ends)
    first = [0, *ends.tolist()]
    lists = [told[start : start + len(of)] for start, of in zip(first, scores)]
    return [ranking.placed(*parts) for parts in zip(lists, scores, chances)]


def _chosen(
    wanted: Sequence[Wanted], liking: Floats, trusted: Floats, usual: float, n_ratings: Ints
) -> tuple[Ints, Floats]:
    """Items of each list (n_people, most places), -1 past its end, and their scores; `liking` is used up."""
    from harmonium.kernels import cpu_top

    places = np.array([min(one.n, liking.shape[1]) for one in wanted])
    left_out = np.zeros(liking.shape, bool)
    for mask, one in zip(left_out, wanted):
        if one.candidates is not None:
            np.logical_not(one.candidates, out=mask)
        if one.exclude_seen:
            mask[one.history.item] = True
    item = np.empty((len(wanted), places.max()), np.int64)
    score = np.empty(item.shape, np.float32)
    cpu_top.best(liking, left_out, trusted, np.float32(usual), n_ratings, places, item, score)
    return item, score
