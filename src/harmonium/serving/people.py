"""Stored people in the words of the API."""

from collections.abc import Sequence
from typing import Any

from harmonium.errors import DataError, UnknownIdError
from harmonium.recommending import Recommender
from harmonium.serving.problems import ProblemError
from harmonium.serving.schemas.people import ImportRequest
from harmonium.serving.store import Row, Store


def rating(recommender: Recommender, row: Row) -> dict[str, Any]:
    """A stored rating with the item's title.

    Parameters
    ----------
    recommender : Recommender
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


def put_many(store: Store, recommender: Recommender, user_id: str, asked: ImportRequest) -> dict[str, int]:
    """Store the ratings of an import, all or none.

    Parameters
    ----------
    store : Store
    recommender : Recommender
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
        recommender.history([(item, rating) for item, rating, _ in rows])
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
