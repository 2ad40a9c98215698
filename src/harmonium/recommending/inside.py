"""The users machine seen from inside, in people's words: activations, dreams, and many reasons at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.models import rating_model
from harmonium.models.rating_model import Person
from harmonium.models.weighing import weigh
from harmonium.recommending import ranking
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.choosing import ranking_chooser
from harmonium.recommending.history import History
from harmonium.recommending.recommender import Recommender
from harmonium.training.settings import check_count
from harmonium.units import bernoulli

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


def activations(recommender: Recommender, history: History) -> list[dict[str, Any]]:
    """Field and probability of every hidden unit under a history, and its probability without one.

    Parameters
    ----------
    recommender : Recommender
    history : History

    Returns
    -------
    list of dict
        unit, field (nats), probability, resting.

    Raises
    ------
    SettingError
        There is no users machine.
    """
    rbm = recommender.machine.users_machine
    field = rating_model.history_field(rbm, history.item, history.level)
    rows = zip(field.tolist(), bernoulli.mean(field).tolist(), bernoulli.mean(rbm.c).tolist())
    return [{"unit": j, "field": x, "probability": p, "resting": rest} for j, (x, p, rest) in enumerate(rows)]


def dream(
    recommender: Recommender,
    history: History,
    held: Mapping[int, float],
    candidates: npt.NDArray[np.bool_],
    n: int = 10,
) -> dict[str, list[dict[str, Any]]]:
    """Hold hidden units on or off and list the items whose probability of liking rises and falls most.

    Parameters
    ----------
    recommender : Recommender
    history : History
        What the other hidden units are read off.
    held : mapping of int to float
        Unit to state, 0 or 1.
    candidates : bool array, (n_items,)
        Which items may be listed.
    n : int
        Items at each end, at most.

    Returns
    -------
    dict
        rising and falling: lists of the fields of `Predicted` with rank, before and rise, the largest change first.

    Raises
    ------
    SettingError
        There is no users machine, or no such unit.

    Notes
    -----
    In the users machine alone. The rise is drawn towards 0 where few people rated the item.
    """
    rbm = recommender.machine.users_machine
    for unit in held:
        check_count("unit", unit, 0, rbm.n_hidden - 1)
    users = rating_model.only(recommender.machine.fitted_model, "users")
    first_liked = recommender._predictor.first_liked
    hidden = rating_model.history_hidden(rbm, history.item, history.level)
    free = Person(hidden, None, history.n_rated)
    hidden = hidden.copy()
    hidden[list(held)] = list(held.values())
    fixed = Person(hidden, None, history.n_rated)
    p = rating_model.person_probabilities(users, fixed)
    before = rating_model.person_probabilities(users, free)[:, first_liked:].sum(axis=1)
    rise = ranking.shrunk(p[:, first_liked:].sum(axis=1) - before, recommender._trust, 0.0)

    def end(strength: Any) -> list[dict[str, Any]]:
        chosen = ranking.best(strength, users.n_item_ratings, candidates & (strength > 0), n)
        return [
            {
                **recommender._catalogue.facts(k),
                "rating": float(p[k] @ recommender.scale.values),
                "levels": recommender.scale.levels,
                "probabilities": p[k].tolist(),
                "probability_of_liking": float(p[k, first_liked:].sum()),
                "rank": rank,
                "before": float(before[k]),
                "rise": float(rise[k]),
            }
            for rank, k in enumerate(chosen.tolist(), start=1)
        ]

    return {"rising": end(rise), "falling": end(-rise)}


def contributions(recommender: Recommender, history: History, items: Ints) -> Floats:
    """What each entry of a history does to the probability of liking items: with the entry, less without it.

    Parameters
    ----------
    recommender : Recommender
    history : History
    items : int array, (n_items_asked,)

    Returns
    -------
    floats, (n_entries, n_items_asked)

    Notes
    -----
    The same numbers as `Recommender.explain`'s, but one fold-in an entry for all items together.
    """
    liking = _liking_without(recommender, history, items)
    return liking[0] - liking[1:]


def reasons(
    recommender: Recommender, history: History, items: Ints, rank_by: str | None = None
) -> tuple[Floats, Floats]:
    """What each entry of a history does to items: to the probability of liking them, and to the score of lists.

    Parameters
    ----------
    recommender : Recommender
    history : History
    items : int array, (n_items_asked,)
    rank_by : {"joint", "liking"}, optional
        As for `Recommender.recommend`.

    Returns
    -------
    liking, score : floats, (n_entries, n_items_asked)

    Notes
    -----
    The same numbers as `Recommender.explain`'s where lists are ranked by the usual rule.
    """
    chooser = ranking_chooser(recommender._chooser, rank_by)
    liking = _liking_without(recommender, history, items)  # (1 + n_entries, n_items_asked)
    score = ranking.shrunk(liking, recommender._trust[items], recommender._usual)
    if chooser is not None:
        score = score * chooser.of_items([history, *history.less_each()], items)
    return liking[0] - liking[1:], score[0] - score[1:]


def candidates_of(recommender: Recommender | ChoiceRecommender, **filters: Any) -> npt.NDArray[np.bool_]:
    """Which items filters leave: (n_items,).

    Parameters
    ----------
    recommender : Recommender
    **filters
        allow, deny, min_ratings, genres and years, as for `Recommender.recommend`.

    Raises
    ------
    SettingError, UnknownIdError, AmbiguousTitleError
        As `Recommender.recommend`.
    """
    allow, deny, genres, years = (filters.pop(name, None) for name in ("allow", "deny", "genres", "years"))
    min_ratings = filters.pop("min_ratings", 0)
    if filters:
        raise SettingError(f"{', '.join(filters)}: no such filter; there are allow, deny, min_ratings, genres, years")
    return recommender._catalogue.left_by(allow, deny, min_ratings, genres, years)


def _liking_without(recommender: Recommender, history: History, items: Ints) -> Floats:
    """Probability of liking items, by the whole history, then without each entry: (1 + n_entries, n_items_asked)."""
    model, first = recommender.machine.fitted_model, recommender._predictor.first_liked
    people = [recommender._predictor.person(one) for one in (history, *history.less_each())]
    rows = [rating_model.person_probabilities(model, who, items)[:, first:].sum(axis=1) for who in people]
    return np.array(rows).reshape(len(people), len(items))


def entries(recommender: Recommender, history: History) -> list[dict[str, Any]]:
    """item_id, title and rating (None for seen, not rated) of every entry.

    Parameters
    ----------
    recommender : Recommender
    history : History
    """
    return recommender._predictor.entries(history)


def weighed(recommender: Recommender, history: History) -> dict[str, Any]:
    """Free energy of a history, what each entry does to it, and how surprising each rating is given the others.

    Parameters
    ----------
    recommender : Recommender
    history : History

    Returns
    -------
    dict
        free_energy, free_energy_per_rating, surprise_per_rating (None without ratings), n_rated, ratings and hidden;
        all energies in nats.

    Raises
    ------
    SettingError
        There is no users machine.
    """
    rbm = recommender.machine.users_machine
    found = weigh(rbm, history.item, history.level)
    rated = np.isfinite(found.surprise)
    rows = zip(entries(recommender, history), found.part.tolist(), found.surprise.tolist(), rated.tolist())
    return {
        "free_energy": found.free_energy,
        "free_energy_per_rating": found.free_energy / max(1, history.n_rated),
        "surprise_per_rating": float(found.surprise[rated].mean()) if rated.any() else None,
        "n_rated": history.n_rated,
        "ratings": [
            {**entry, "free_energy": part, "surprise": surprise if known else None}
            for entry, part, surprise, known in rows
        ],
        "hidden": bernoulli.mean(found.field).tolist(),
    }


def facts(recommender: Recommender | ChoiceRecommender, item: int) -> dict[str, Any]:
    """What is known of an item: item_id, title, year, genres, n_ratings.

    Parameters
    ----------
    recommender : Recommender
    item : int
        Its index.
    """
    return recommender._catalogue.facts(item)
