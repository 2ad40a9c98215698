"""Stored people in the words of the API."""

from collections.abc import Sequence
from typing import Any

from harmonium.data import Interactions
from harmonium.errors import DataError, UnknownIdError
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.history import History
from harmonium.serving import choosing
from harmonium.serving.finding import AnyRecommender
from harmonium.serving.problems import ProblemError
from harmonium.serving.schemas.people import ImportRequest
from harmonium.serving.store import Row, Store

AnyHistory = History | Interactions


def rating(recommender: AnyRecommender, row: Row) -> dict[str, Any]:
    """A stored rating with the item's title.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    row : Row
    """
    item, items, titles = row.item_id, recommender.items, recommender.titles
    known = items.is_text == isinstance(item, str) and item in items
    title = (str(item) if titles is None else titles[items.index(item)]) if known else None
    return {"item_id": item, "title": title, "rating": row.rating, "rated_at": row.rated_at}


def plain(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of the store as plain values.

    Parameters
    ----------
    rows : sequence of named tuples
    """
    return [row._asdict() for row in rows]


def known_history(recommender: AnyRecommender, rated: Sequence[tuple[Any, float | None]]) -> AnyHistory:
    """A history over items by id, for either kind of model.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    rated : sequence of (item id, rating or None)
        In a model of choices a number is a weight, above 0.

    Raises
    ------
    DataError, UnknownIdError
        A rating is not on the scale or no weight, an item is unknown, or there twice.
    """
    if not isinstance(recommender, ChoiceRecommender):
        return recommender.history(rated)
    seen: set[Any] = set()
    for item, _ in rated:
        if item in seen:
            raise DataError(f"item {item!r} is there twice; keep one entry of it")
        seen.add(item)
    return choosing.history(recommender, rated)


def fits(recommender: AnyRecommender, rating: float | None) -> bool:
    """Whether a stored rating means something to the model.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    rating : float or None
    """
    if rating is None:
        return True
    return (
        rating > 0 if isinstance(recommender, ChoiceRecommender) else bool(recommender.scale.on_scale([rating]).all())
    )


def put_many(store: Store, recommender: AnyRecommender, user_id: str, asked: ImportRequest) -> dict[str, int]:
    """Store the ratings of an import, all or none.

    Parameters
    ----------
    store : Store
    recommender : Recommender or ChoiceRecommender
    user_id : str
    asked : ImportRequest

    Raises
    ------
    UnknownIdError, DataError
        An item is unknown, twice there, or its rating not on the scale.
    """
    rows, skipped = [], 0
    for place, one in enumerate(asked.ratings):
        known = recommender.items.is_text == isinstance(one.item_id, str) and one.item_id in recommender.items
        if not known and asked.unknown == "refuse":
            way_out = 'pass "unknown": "skip" to leave such out'
            raise UnknownIdError(f"ratings.{place}.item_id: the model knows no item {one.item_id!r}; {way_out}")
        if known:
            rows.append((one.item_id, one.rating, one.rated_at))
        skipped += not known
    try:
        known_history(recommender, [(item, rating) for item, rating, _ in rows])
    except DataError as error:
        raise DataError(f"ratings: {error}") from error
    removed = store.put_many(user_id, rows, asked.replace)
    return {"stored": len(rows), "removed": removed, "skipped": skipped}


def nothing_of(user_id: str) -> ProblemError:
    """The error that nothing is stored of a user.

    Parameters
    ----------
    user_id : str
    """
    detail = f"nothing is stored of user {user_id!r}"
    return ProblemError(404, "no-such-user", detail, "path", "GET /api/v1/users lists the stored users")
