"""The users machine from inside: hidden units, dreams, Gibbs steps, energies."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from harmonium.recommending import inside
from harmonium.serving import answering, chains
from harmonium.serving.schemas import machines as schemas
from harmonium.serving.schemas.common import MOST_LISTED
from harmonium.serving.service import READS, AnyRecommenderOf, Credentials, RecommenderOf, ServiceOf, ratings_of

router = APIRouter(tags=["inside the machine"], dependencies=READS)


@router.get("/units", response_model=schemas.UnitList)
def units(recommender: AnyRecommenderOf, n: Annotated[int, Query(ge=1, le=20)] = 3) -> Response:
    """Describe all hidden units by their strongest items at both ends."""
    found = [answering.unit(recommender.describe_unit(j, n)) for j in range(recommender.n_units)]
    return answering.json({"n_units": recommender.n_units, "units": found})


@router.get("/units/{unit}", response_model=schemas.Unit)
def unit(
    unit: Annotated[int, Path(ge=0, lt=65_536)],
    recommender: AnyRecommenderOf,
    n: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 10,
) -> Response:
    """Describe one hidden unit by the items whose liking turns it on, and off."""
    return answering.json(answering.unit(recommender.describe_unit(unit, n)))


@router.post("/activations", response_model=schemas.Activations)
def activations(
    asked: schemas.ActivationsRequest, service: ServiceOf, recommender: RecommenderOf, credentials: Credentials
) -> Response:
    """Say which hidden units a history turns on."""
    history = ratings_of(service, recommender, asked, credentials)
    return answering.json({"n_rated": history.n_rated, "units": inside.activations(recommender, history)})


@router.post("/dream", response_model=schemas.Dream)
def dream(
    asked: schemas.DreamRequest, service: ServiceOf, recommender: RecommenderOf, credentials: Credentials
) -> Response:
    """Switch hidden units on or off and see which items rise and fall."""
    history = ratings_of(service, recommender, asked, credentials)
    held = {switch.unit: float(switch.on) for switch in asked.units}
    candidates = answering.candidates(recommender, asked)
    return answering.json(inside.dream(recommender, history, held, candidates, asked.n))


@router.post("/gibbs", response_model=schemas.GibbsAnswer)
def gibbs(asked: schemas.GibbsRequest, recommender: RecommenderOf) -> Response:
    """Sample ratings of some items and hidden units by turns; the service keeps no chain, send its state along."""
    return answering.json(chains.gibbs(recommender, asked))


@router.post("/energy", response_model=schemas.EnergyAnswer)
def energy(
    asked: schemas.EnergyRequest, service: ServiceOf, recommender: RecommenderOf, credentials: Credentials
) -> Response:
    """Weigh a history: its free energy, the surprise of each rating, and its place among the training users."""
    history = ratings_of(service, recommender, asked, credentials)
    return answering.json(answering.energy(recommender, history))
