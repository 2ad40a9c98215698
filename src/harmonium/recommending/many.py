"""Many lists at once: one pass over the weights for all who ask."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.models import rating_model
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


def recommend_many(recommender: Recommender, wanted: Sequence[Wanted]) -> list[list[dict[str, Any]]]:
    """Ranked lists for several people; each is what `Recommender.recommend` gives, as plain values.

    Parameters
    ----------
    recommender : Recommender
    wanted : sequence of Wanted

    Returns
    -------
    list of lists of dict
        The fields of `Recommendation`.
    """
    model = recommender.machine.fitted_model
    people = [rating_model.person(model, one.history.item, one.history.level, compiled=True) for one in wanted]
    chosen, score = _chosen(recommender, wanted, recommender._liking.probabilities(people))
    row, place = np.nonzero(chosen >= 0)
    item = chosen[row, place]
    told = iter(recommender._predictor.told(rating_model.pair_probabilities(model, people, row, item), item))
    scores = iter(score[row, place].tolist())
    sizes = np.bincount(row, minlength=len(wanted)).tolist()
    return [[{"rank": k, "score": next(scores), **next(told)} for k in range(1, n + 1)] for n in sizes]


def _chosen(recommender: Recommender, wanted: Sequence[Wanted], liking: Floats) -> tuple[Ints, Floats]:
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
    n_ratings = recommender.machine.fitted_model.n_item_ratings
    usual = np.float32(recommender._usual)
    cpu_top.best(liking, left_out, recommender._trust, usual, n_ratings, places, item, score)
    return item, score
