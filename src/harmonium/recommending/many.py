"""Many lists at once: one pass over the weights for all who ask."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.models import rating_model
from harmonium.recommending import ranking
from harmonium.recommending.history import History
from harmonium.recommending.recommender import Recommender

NOTHING = np.zeros(0, np.int64)


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
    predictor = recommender._predictor
    model = recommender.machine.fitted_model
    people = [rating_model.person(model, one.history.item, one.history.level, compiled=True) for one in wanted]
    n_ratings = model.n_item_ratings
    answers = []
    scores = ranking.shrunk(recommender._liking.probabilities(people), recommender._trust, recommender._usual)
    chosen_next = None
    if recommender._chooser is not None:
        scores, chosen_next = recommender._chooser.joint([one.history for one in wanted], scores)
    for row, (one, who) in enumerate(zip(wanted, people)):
        score, likely = scores[row], None if chosen_next is None else chosen_next[row]
        seen = one.history.item if one.exclude_seen else NOTHING
        chosen = ranking.best_but(score, n_ratings, one.candidates, seen, one.n)
        likely = likely if likely is None else likely[chosen]
        answers.append(ranking.placed(predictor.fields(who, chosen), score[chosen], likely))
    return answers
