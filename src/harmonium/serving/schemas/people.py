"""Stored people: their ratings and events."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt, StrictStr

from harmonium.serving.schemas.common import MOST_HISTORY, MOST_ID, Answer, Number, Request

StoredItemId = StrictInt | Annotated[StrictStr, Field(max_length=MOST_ID)]
EventKind = Literal["opened", "wanted", "dismissed"]


class RatingBody(Request):
    """A rating to store."""

    rating: Number | None = Field(description="On the model's scale, or a weight above 0; null for seen or chosen.")


class StoredRating(Answer):
    """A rating as stored."""

    item_id: int | str
    title: str | None = Field(description="Null where the present model does not know the item.")
    rating: float | None
    rated_at: datetime = Field(description="When it was given, in UTC.")


class StoredRatings(Answer):
    """The ratings of one user, the latest first."""

    user_id: str
    total: int
    ratings: list[StoredRating]


class ImportedRating(Request):
    """One rating of an import; what an export holds is read back."""

    item_id: StoredItemId
    rating: Number | None
    rated_at: datetime | None = Field(default=None, description="Now when not given.")
    title: str | None = Field(default=None, description="Not read.")


class ImportRequest(Request):
    """Ratings to store together: all of them or none."""

    ratings: list[ImportedRating] = Field(max_length=MOST_HISTORY)
    replace: bool = Field(default=False, strict=True, description="Remove the user's other ratings.")
    unknown: Literal["refuse", "skip"] = Field(
        default="refuse", description="What becomes of items that the model does not know."
    )
    user_id: str | None = Field(default=None, description="Of an export; not read: the address says whose ratings.")
    events: list[Any] | None = Field(default=None, description="Of an export; not read: events are not brought back.")


class ImportAnswer(Answer):
    """What an import did."""

    stored: int
    removed: int = Field(description="Other ratings that were replaced.")
    skipped: int = Field(description="Ratings of unknown items.")


class EventBody(Request):
    """Something that a person did with an item."""

    kind: EventKind
    item_id: StoredItemId


class StoredEvent(Answer):
    """An event as stored: ratings given and taken back are events too."""

    kind: str
    item_id: int | str | None
    rating: float | None
    happened_at: datetime


class StoredEvents(Answer):
    """The events of one user, the latest first."""

    user_id: str
    total: int
    events: list[StoredEvent]


class Export(Answer):
    """Everything stored of one user."""

    user_id: str
    ratings: list[StoredRating]
    events: list[StoredEvent]


class UserList(Answer):
    """Stored users, by when they came."""

    total: int
    users: list[str]
