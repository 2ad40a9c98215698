"""Recommendations, predictions, explanations, similar items, and searching for items."""

from typing import Annotated, Literal

from pydantic import Field

from harmonium.serving.schemas.common import (
    MOST_LISTED,
    Answer,
    Count,
    Filters,
    Item,
    ItemId,
    Kind,
    PredictedItem,
    UnitPart,
    Who,
)


class RecommendRequest(Who, Filters):
    """Rank items for someone by the probability that they choose them next and like them."""

    n: Count = 10
    exclude_seen: bool = Field(default=True, strict=True, description="Leave out the items of the history.")
    rank_by: Literal["joint", "liking"] | None = Field(
        default=None,
        description="joint: likely to be chosen next and to be liked, the rule where the model can; liking: what they "
        "would like if they chose it. Of a model of choices, null.",
    )
    n_reasons: Annotated[int, Field(strict=True, ge=0, le=10)] = Field(
        default=0, description="Entries of the history that speak most for each place; each costs a fold-in."
    )
    with_hidden: bool = Field(
        default=False,
        strict=True,
        description="Also tell which hidden units of the users machine the history turns on.",
    )


class ShortReason(Answer):
    """An entry of the history that speaks for (or against) a recommendation."""

    item_id: int | str
    title: str
    rating: float | None
    contribution: float = Field(
        description="Probability of liking with this entry, less that without it; of a model of choices, the score."
    )
    score_contribution: float | None = Field(
        default=None, description="Score of the list with this entry, less that without it; null of a model of choices."
    )


class Place(PredictedItem):
    """One place of a ranked list."""

    rank: int = Field(description="From 1.")
    score: float = Field(
        description="Probability of liking, drawn towards the usual one where few rated the item; times that of being "
        "chosen next where the model knows it."
    )
    probability_of_choice: float | None = Field(
        description="That the item is among the next choices; null where no machine of choices ranks."
    )
    reasons: list[ShortReason] = Field(
        default=[], description="The strongest first, by the size of their contribution to the score."
    )


class ChosenPlace(Item):
    """One place of a ranked list of a model of choices."""

    rank: int = Field(description="From 1.")
    score: float = Field(description="What the list is ranked by; only differences within one list mean something.")
    probability: float | None = Field(
        description="That the item is among the next choices; null where the model is not calibrated."
    )
    reasons: list[ShortReason] = Field(default=[], description="The strongest first.")


class Recommendations(Answer):
    """A ranked list."""

    kind: Kind
    n_rated: int = Field(description="Ratings of the history, or choices; 0 gives the popular list.")
    recommendations: list[Place] | list[ChosenPlace]
    hidden: list[float] | None = Field(
        default=None, description="Probability of each hidden unit being on; null where not asked for or not there."
    )


class PredictRequest(Who):
    """How would someone rate these items?"""

    items: list[ItemId] = Field(min_length=1, max_length=MOST_LISTED, description="Ids or titles.")


class Predictions(Answer):
    """One prediction an item, in the order asked."""

    n_rated: int
    predictions: list[PredictedItem]


class ExplainRequest(Who):
    """Why is an item predicted as it is?"""

    item: ItemId = Field(description="An id or a title.")
    n: Count = Field(default=10, description="Reasons and hidden units to list, at most.")


class FullReason(ShortReason):
    """What one entry of the history does to a prediction, and through which hidden units."""

    rating_contribution: float = Field(description="Expected rating with this entry, less that without it.")
    choice_contribution: float | None = Field(
        description="What this entry adds to choice_score; null without a machine of choices."
    )
    by_unit: list[UnitPart] = Field(description="The strongest first; empty without a users machine.")


class ExplanationAnswer(Answer):
    """Why a prediction is what it is."""

    kind: Literal["ratings"]
    item: PredictedItem
    baseline: PredictedItem = Field(description="The same item for someone without a history.")
    reasons: list[FullReason]
    score: float = Field(description="What lists are ranked by.")
    probability_of_choice: float | None = Field(description="That the item is among the next choices.")
    choice_score: float | None = Field(
        description="The machine of choices' own score; in a closed form the entries' parts add up to it."
    )
    units: list[UnitPart] = Field(description="Hidden units that move the item most against the baseline.")
    method: str = Field(description="How the numbers came about.")


class ChoiceExplanation(Answer):
    """Why an item stands where it stands, by a model of choices."""

    kind: Literal["choices"]
    item: ChosenPlace
    reasons: list[ShortReason] = Field(description="The strongest first.")
    method: str = Field(description="How the numbers came about.")


class SimilarPlace(Item):
    """An item like another."""

    rank: int
    similarity: float | None = Field(description="Cosine, -1 to 1; null of a model of choices.")
    score: float = Field(
        description="The cosine, or what choosing the other item alone adds; drawn towards 0 where few know the item."
    )


class SimilarAnswer(Answer):
    """The items most like an item."""

    item: Item
    similar: list[SimilarPlace]


class Example(Answer):
    """A made-up taste."""

    liked: list[Item] = Field(description="The first names the taste.")
    disliked: list[Item]


class ExampleList(Answer):
    """Tastes that differ as much as well-known items allow; none where there are too few items."""

    examples: list[Example]


class ItemList(Answer):
    """Items found."""

    total: int = Field(description="How many there are without limit and offset; of a search, how many were found.")
    items: list[Item]


class Genre(Answer):
    """A genre and how many items are of it."""

    name: str
    n_items: int


class GenreList(Answer):
    """Genres, the most frequent first."""

    genres: list[Genre]
    first_year: int | None = Field(description="Of the items with a known year; null without any.")
    last_year: int | None
