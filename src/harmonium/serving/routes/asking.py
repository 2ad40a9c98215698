"""Recommendations, predictions, explanations."""

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from harmonium.data import Interactions
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.history import History
from harmonium.serving import answering, choosing
from harmonium.serving.answering import Question
from harmonium.serving.schemas import asking as schemas
from harmonium.serving.service import (
    READS,
    AnyRecommenderOf,
    Credentials,
    RecommenderOf,
    ServiceOf,
    history_of,
    may_read,
    ratings_of,
    service_of,
)

router = APIRouter(tags=["recommending"])
JSON = "application/json"


@router.post("/recommend", response_model=schemas.Recommendations)
async def recommend(asked: schemas.RecommendRequest, request: Request, credentials: Credentials) -> Response:
    """Rank items for someone by the probability that they like or choose them; the popular list for nobody.

    New people need no training: a history of one rating will do.
    """
    service = service_of(request)
    if service.settings.reading == "closed":
        await run_in_threadpool(may_read, request, credentials)
    recommender, history = service.slot.current.recommender, None
    if asked.user_id is not None:
        history = await run_in_threadpool(history_of, service, recommender, asked, credentials)
    question = Question(recommender, asked, history)
    if answering.is_quick(question):
        return Response(await service.batcher.ask(question), media_type=JSON)
    answer = (await run_in_threadpool(answering.recommendations, [question]))[0]
    if isinstance(answer, Exception):
        raise answer
    return Response(answer, media_type=JSON)


@router.post("/predict", response_model=schemas.Predictions, dependencies=READS)
def predict(
    asked: schemas.PredictRequest, service: ServiceOf, recommender: RecommenderOf, credentials: Credentials
) -> Response:
    """Predict how someone would rate items: the whole distribution over the levels."""
    history = ratings_of(service, recommender, asked, credentials)
    found = recommender.predict(history, asked.items)
    return answering.json({"n_rated": history.n_rated, "predictions": found})


@router.post("/explain", response_model=schemas.ExplanationAnswer | schemas.ChoiceExplanation, dependencies=READS)
def explain(
    asked: schemas.ExplainRequest, service: ServiceOf, recommender: AnyRecommenderOf, credentials: Credentials
) -> Response:
    """Say what each rating or choice contributes (leave-one-out), and through which hidden units."""
    history = history_of(service, recommender, asked, credentials)
    answering.check_weighable(history)
    if isinstance(recommender, ChoiceRecommender):
        assert isinstance(history, Interactions)
        return answering.json(choosing.explanation(recommender, asked, history))
    assert isinstance(history, History)
    return answering.json(answering.explanation(recommender.explain(history, asked.item, asked.n)))
