"""Items: finding them, and finding others like them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.serving import answering, choosing, finding
from harmonium.serving.addresses import raw_item
from harmonium.serving.schemas import asking as schemas
from harmonium.serving.schemas.common import MOST_LISTED, MOST_TEXT, Item
from harmonium.serving.service import READS, AnyRecommenderOf, ItemIdInPath

router = APIRouter(tags=["items"], dependencies=READS)
Year = Annotated[int | None, Query(ge=0, le=9999)]


@router.get("/items", response_model=schemas.ItemList)
def items(
    recommender: AnyRecommenderOf,
    q: Annotated[str, Query(max_length=MOST_TEXT, description="A title; typing errors are allowed.")] = "",
    genre: Annotated[list[str], Query(max_length=100, description="Any of these.")] = [],  # noqa: B006
    year_from: Year = None,
    year_to: Year = None,
    sort: Annotated[
        Literal["popular", "title", "year"], Query(description="Without q; with it, the nearest title first.")
    ] = "popular",
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 20,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Response:
    """Find items by title, genre and year; without a title, list them, the most rated first."""
    return answering.json(finding.items(recommender, q, genre, (year_from, year_to), sort, limit, offset))


@router.get("/genres", response_model=schemas.GenreList)
def genres(recommender: AnyRecommenderOf) -> Response:
    """List the genres that items have, the most frequent first, and the span of their years."""
    return answering.json(finding.genres(recommender))


@router.get("/examples", response_model=schemas.ExampleList)
def examples(recommender: AnyRecommenderOf) -> Response:
    """Made-up tastes to begin with: well-known items far from each other, with what is most and least like each."""
    return answering.json(finding.examples(recommender))


@router.get("/items/{item_id}", response_model=Item)
def item(item_id: ItemIdInPath, recommender: AnyRecommenderOf) -> Response:
    """What is known of one item."""
    index = recommender.items.index(raw_item(item_id, recommender.items))
    return answering.json(finding.facts(recommender, index))


@router.get("/items/{item_id}/similar", response_model=schemas.SimilarAnswer)
def similar(
    item_id: ItemIdInPath, recommender: AnyRecommenderOf, n: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 10
) -> Response:
    """List the items whose ratings depend on the hidden units alike, or that choosing this one speaks for."""
    index = recommender.items.index(raw_item(item_id, recommender.items))
    if isinstance(recommender, ChoiceRecommender):
        return answering.json(choosing.similar(recommender, index, n))
    found = recommender.similar_items(recommender.items[index], n)
    return answering.json({"item": finding.facts(recommender, index), "similar": found})
