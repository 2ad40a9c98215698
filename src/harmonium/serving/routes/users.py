"""Stored people: their ratings and events. Everything here needs a key."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from harmonium.serving import answering, people
from harmonium.serving.addresses import raw_item
from harmonium.serving.problems import ProblemError
from harmonium.serving.schemas import people as schemas
from harmonium.serving.service import WRITES, AnyRecommenderOf, ItemIdInPath, ServiceOf, UserId

router = APIRouter(tags=["people"], dependencies=WRITES)
Limit = Annotated[int, Query(ge=1, le=10_000)]
Offset = Annotated[int, Query(ge=0, le=10**9)]


@router.get("/users", response_model=schemas.UserList)
def users(service: ServiceOf, limit: Limit = 100, offset: Offset = 0) -> Response:
    """List the stored users."""
    found = service.store.users(limit, offset)
    return answering.json({"total": found.total, "users": found.rows})


@router.delete("/users/{user_id}", status_code=204, response_class=Response)
def forget(user_id: UserId, service: ServiceOf) -> Response:
    """Remove a user with all that is stored of them."""
    if not service.store.forget(user_id):
        raise people.nothing_of(user_id)
    return Response(status_code=204)


@router.get("/users/{user_id}/ratings", response_model=schemas.StoredRatings)
def ratings(
    user_id: UserId, service: ServiceOf, recommender: AnyRecommenderOf, limit: Limit = 1_000, offset: Offset = 0
) -> Response:
    """List a user's ratings, the latest first; a user of whom nothing is stored has none."""
    found = service.store.ratings(user_id, limit, offset)
    rows = [people.rating(recommender, row) for row in found.rows]
    return answering.json({"user_id": user_id, "total": found.total, "ratings": rows})


@router.post("/users/{user_id}/ratings", response_model=schemas.ImportAnswer)
def put_ratings(
    user_id: UserId, body: schemas.ImportRequest, service: ServiceOf, recommender: AnyRecommenderOf
) -> Response:
    """Store many ratings together, all or none; reads what the export holds."""
    return answering.json(people.put_many(service.store, recommender, user_id, body))


@router.put("/users/{user_id}/ratings/{item_id}", response_model=schemas.StoredRating)
def put_rating(
    user_id: UserId, item_id: ItemIdInPath, body: schemas.RatingBody, service: ServiceOf, recommender: AnyRecommenderOf
) -> Response:
    """Store a rating in place of an earlier one; it is on the disk before this is answered."""
    raw = raw_item(item_id, recommender.items)
    recommender.items.index(raw)
    people.known_history(recommender, [(raw, body.rating)])  # refuses what is not on the scale
    return answering.json(people.rating(recommender, service.store.put(user_id, raw, body.rating)))


@router.delete("/users/{user_id}/ratings/{item_id}", status_code=204, response_class=Response)
def remove_rating(
    user_id: UserId, item_id: ItemIdInPath, service: ServiceOf, recommender: AnyRecommenderOf
) -> Response:
    """Remove a rating."""
    if not service.store.remove(user_id, raw_item(item_id, recommender.items)):
        detail = f"user {user_id!r} has no stored rating of item {item_id!r}"
        raise ProblemError(404, "no-such-rating", detail, "path", "GET the user's ratings to see which there are")
    return Response(status_code=204)


@router.get("/users/{user_id}/events", response_model=schemas.StoredEvents)
def events(user_id: UserId, service: ServiceOf, limit: Limit = 100, offset: Offset = 0) -> Response:
    """List what a user did, the latest first."""
    found = service.store.events(user_id, limit, offset)
    return answering.json({"user_id": user_id, "total": found.total, "events": people.plain(found.rows)})


@router.post("/users/{user_id}/events", status_code=201, response_model=schemas.StoredEvent)
def note(user_id: UserId, body: schemas.EventBody, service: ServiceOf) -> Response:
    """Store that a user opened, wanted or dismissed an item."""
    row = service.store.note(user_id, body.kind, body.item_id)
    return answering.json(people.plain([row])[0], 201)


@router.get("/users/{user_id}/export", response_model=schemas.Export)
def export(user_id: UserId, service: ServiceOf, recommender: AnyRecommenderOf) -> Response:
    """Everything stored of a user, as a file that the import reads."""
    stored = service.store.ratings(user_id), service.store.events(user_id)
    if not (stored[0].total or stored[1].total):
        raise people.nothing_of(user_id)
    rows = [people.rating(recommender, row) for row in stored[0].rows]
    body = {"user_id": user_id, "ratings": rows, "events": people.plain(stored[1].rows)}
    return answering.json(body, headers={"Content-Disposition": "attachment; filename=ratings.json"})
