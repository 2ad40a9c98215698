"""What several requests and answers share."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

MOST_ID = 200  # characters of an id that is stored; six bytes each fit into an index row of every database
MOST_TEXT = 500  # characters of a title as people type it
MOST_HISTORY = 5_000  # entries of a history
MOST_LISTED = 200  # places of a list
MOST_NAMED = 1_000  # items, genres and the like in a filter
INT64 = 2**63

ItemId = Annotated[StrictInt, Field(ge=-INT64, lt=INT64)] | Annotated[StrictStr, Field(max_length=MOST_TEXT)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(strict=True, ge=1, le=MOST_LISTED)]
Kind = Annotated[Literal["ratings", "choices"], Field(description="What the model learned from.")]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**53, description="The same seed gives the same answer.")]


class Request(BaseModel):
    """Abstract. A body: nothing unknown in it, no NaN, no infinity."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class Answer(BaseModel):
    """Abstract. What is sent back."""

    model_config = ConfigDict(from_attributes=True)


class Problem(BaseModel):
    """An error (RFC 9457): what is wrong, where, and the fix."""

    type: str = Field(description="Kind of problem, as a relative address that is the same for the same kind.")
    title: str = Field(description="The kind in words.")
    status: int
    detail: str = Field(description="What is wrong, with the value.")
    where: str = Field(description="The part of the request, such as body.history.3.rating.")
    fix: str = Field(description="What to do about it.")
    candidates: list[str] = Field(default=[], description="Titles that fit, where a title fits several items.")
    request_id: str = Field(description="Names this request in the service's log.")


class Rated(Request):
    """One entry of a history."""

    item: ItemId = Field(description="An item id, or a title as people type it.")
    rating: Number | None = Field(
        description="On the model's scale; null for seen, not rated. Of a model of choices, a weight above 0."
    )


class Who(Request):
    """Someone: a history in the request, of which nothing is kept, or the id of a stored user; nobody without both."""

    history: list[Rated] | None = Field(default=None, max_length=MOST_HISTORY)
    user_id: Annotated[StrictStr, Field(min_length=1, max_length=MOST_ID)] | None = Field(
        default=None, description="A stored user; needs a key."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Any:
        if self.history is not None and self.user_id is not None:
            raise ValueError("give history or user_id, not both")
        return self


class Years(Request):
    """A range of years, both ends included; null leaves an end open."""

    first: Annotated[int, Field(strict=True, ge=0, le=9999)] | None = None
    last: Annotated[int, Field(strict=True, ge=0, le=9999)] | None = None


class Filters(Request):
    """Which items a list may hold."""

    allow: list[ItemId] | None = Field(default=None, max_length=MOST_NAMED, description="Only these items.")
    deny: list[ItemId] | None = Field(default=None, max_length=MOST_NAMED, description="None of these items.")
    min_ratings: Annotated[int, Field(strict=True, ge=0, le=10**9)] = Field(
        default=0, description="Only items with so many training ratings."
    )
    genres: list[Annotated[StrictStr, Field(max_length=MOST_ID)]] | None = Field(
        default=None, max_length=MOST_NAMED, description="Only items of any of these genres, whatever the case."
    )
    years: Years | None = None


class Item(Answer):
    """What is known of an item."""

    item_id: int | str
    title: str = Field(description="The id as text where there are no titles.")
    year: int | None
    genres: list[str]
    n_ratings: int = Field(description="Training ratings of the item; of a model of choices, people who chose it.")


class PredictedItem(Item):
    """An item, and how one person would rate it."""

    rating: float = Field(description="Expected rating, in the ratings' own unit.")
    levels: list[float]
    probabilities: list[float] = Field(description="Of each level.")
    probability_of_liking: float


class UnitPart(Answer):
    """A hidden unit's part in something, in nats."""

    unit: int
    part: float
