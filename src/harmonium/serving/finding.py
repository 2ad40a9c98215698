"""Finding items by title, genre and year."""

from typing import Any

import numpy as np

from harmonium.recommending import Recommender, inside
from harmonium.recommending.catalogue import Years
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.examples import tastes

AnyRecommender = Recommender | ChoiceRecommender
MOST_FOUND = 500  # items that a search by title looks at


def items(
    recommender: AnyRecommender, q: str, genres: list[str], years: Years, sort: str, limit: int, offset: int
) -> dict[str, Any]:
    """Items by title, or all of them in some order.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    q : str
        A title as people type it; empty for all items.
    genres : list of str
    years : (int or None, int or None)
    sort : {"popular", "title", "year"}
        Without `q`.
    limit, offset : int
    """
    asked_years = None if years == (None, None) else years
    mask = inside.candidates_of(recommender, genres=genres or None, years=asked_years)
    if q.strip():
        order = np.array([k for k in _nearest(recommender, q) if mask[k]], dtype=np.int64)
    else:
        order = _sorted(recommender, np.flatnonzero(mask), sort)
    shown = [facts(recommender, int(k)) for k in order[offset : offset + limit]]
    return {"total": len(order), "items": shown}


def facts(recommender: AnyRecommender, item: int) -> dict[str, Any]:
    """What is known of an item.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    item : int
        Its index.
    """
    return inside.facts(recommender, item)


def n_ratings(recommender: AnyRecommender) -> np.ndarray:
    """Training ratings of each item, or people who chose it: (n_items,).

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    """
    return recommender._catalogue.n_ratings


def genres(recommender: AnyRecommender) -> dict[str, Any]:
    """Genres with how many items are of them, and the span of the years.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    """
    titles = recommender.titles
    counts: dict[str, int] = {}
    for listed in () if titles is None else titles.genres:
        for name in listed:
            counts[name] = counts.get(name, 0) + 1
    rows = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    known = np.zeros(0, np.int64) if titles is None else titles.year[titles.year > 0]
    first, last = (int(known.min()), int(known.max())) if len(known) else (None, None)
    return {
        "genres": [{"name": name, "n_items": n} for name, n in rows],
        "first_year": first,
        "last_year": last,
    }


def plain(value: Any) -> Any:
    """A setting as a plain value.

    Parameters
    ----------
    value : object
    """
    to_list = getattr(value, "tolist", None)
    return value if to_list is None else to_list()


def examples(recommender: AnyRecommender) -> dict[str, Any]:
    """Example tastes.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    """
    return {"examples": [
        {end: [facts(recommender, k) for k in getattr(one, end)] for end in ("liked", "disliked")}
        for one in tastes(recommender)
    ]}  # fmt: skip


def _nearest(recommender: AnyRecommender, q: str) -> list[int]:
    """Items whose titles are nearest, or whose id it is where there are no titles."""
    if recommender.titles is not None:
        return recommender.titles.search(q, MOST_FOUND)
    wanted = q.casefold().strip()
    return [k for k, raw in enumerate(recommender.items) if wanted in str(raw).casefold()]


def _sorted(recommender: AnyRecommender, found: np.ndarray, sort: str) -> np.ndarray:
    popular = n_ratings(recommender)[found]
    titles = recommender.titles
    if sort == "popular" or titles is None:
        return found[np.lexsort((found, -popular))]
    if sort == "year":
        return found[np.lexsort((found, -popular, -titles.year[found]))]
    return np.array(sorted(found.tolist(), key=lambda k: (titles[k].casefold(), k)), dtype=np.int64)
