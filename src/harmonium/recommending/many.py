"""Many lists at once: one pass over the weights for all who ask."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.models import rating_model
from harmonium.recommending import ranking
from harmonium.recommending.choosing import Chooser, ranking_chooser
from harmonium.recommending.history import History
from harmonium.recommending.recommender import Recommender

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
ALMOST_ONE = 1 + 1e-5  # the most that a probability is, rounding allowed for


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
    if chooser is not None:
        return _ranked_jointly(recommender, chooser, people, wanted)
    liking = recommender._liking.probabilities(people)
    trusted, usual = recommender._trust, recommender._usual
    places = np.array([min(one.n, liking.shape[1]) for one in wanted])
    found = _best(liking, _left_out(wanted, liking.shape), trusted, usual, model.n_item_ratings, places)
    return Ranked(people, *found, None)


def _ranked_jointly(recommender: Recommender, chooser: Chooser, people: list[Any], wanted: Sequence[Wanted]) -> Ranked:
    """Lists by p(chosen) p(liked), liking only of items that can be among the best.

    The likeliest items' products say what the last place takes at least; an item whose p(chosen), times the most that
    liking can be, stays below that has no place.
    """
    chance = chooser.chances([one.history for one in wanted])
    left_out = _left_out(wanted, chance.shape)
    n_ratings = recommender.machine.fitted_model.n_item_ratings
    places = np.array([min(one.n, chance.shape[1]) for one in wanted])
    likely, _ = _best(chance, left_out, 1, 0, n_ratings, np.minimum(2 * places, chance.shape[1]))
    row, at = np.nonzero(likely >= 0)
    _, score = _best_products(recommender, people, chance, row, likely[row, at], places)
    least = score[np.arange(len(wanted)), places - 1, None]  # -inf where there are fewer
    most = ranking.shrunk(np.full(chance.shape[1], ALMOST_ONE, np.float32), recommender._trust, recommender._usual)
    row, able = np.nonzero((chance * most >= least) & ~left_out)
    return Ranked(people, *_best_products(recommender, people, chance, row, able, places), chance)


def _best_products(
    recommender: Recommender, people: list[Any], chance: Floats, row: Ints, item: Ints, places: Ints
) -> tuple[Ints, Floats]:
    """The best among pairs of people and items, by p(chosen) p(liked): items and scores, as of `_best`."""
    items, where = np.unique(item, return_inverse=True)
    items = items if len(items) else np.zeros(1, np.int64)
    both = np.zeros((len(people), len(items)), np.float32)
    left_out = np.ones(both.shape, bool)
    liking = recommender._liking.probabilities(people, items)[row, where]
    both[row, where] = chance[row, item] * ranking.shrunk(liking, recommender._trust[item], recommender._usual)
    left_out[row, where] = False
    n_ratings = recommender.machine.fitted_model.n_item_ratings[items]
    found, score = _best(both, left_out, 1, 0, n_ratings, places)
    return np.where(found >= 0, items[found], -1), score


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


def _left_out(wanted: Sequence[Wanted], shape: tuple[int, ...]) -> Bools:
    """Which items have no place in each list, (n_people, n_items)."""
    left_out = np.zeros(shape, bool)
    for mask, one in zip(left_out, wanted):
        if one.candidates is not None:
            np.logical_not(one.candidates, out=mask)
        if one.exclude_seen:
            mask[one.history.item] = True
    return left_out


def _best(
    value: Floats, left_out: Bools, trusted: Floats | float, usual: float, n_ratings: Ints, places: Ints
) -> tuple[Ints, Floats]:
    """Items of each list (n_people, most places), -1 past its end, and their scores, -inf there.

    `value` becomes the scores.
    """
    from harmonium.kernels import cpu_top

    trusted = np.full(value.shape[1], trusted, np.float32) if np.isscalar(trusted) else trusted
    item = np.empty((len(places), places.max()), np.int64)
    score = np.full(item.shape, -np.inf, np.float32)
    cpu_top.best(value, left_out, trusted, np.float32(usual), n_ratings, places, item, score)
    return item, score
