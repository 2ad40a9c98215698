"""The laboratory: machines small enough to enumerate. The service keeps none; each request brings its own."""

from fastapi import APIRouter
from fastapi.responses import Response

from harmonium.serving import answering, laboratory
from harmonium.serving.schemas import lab as schemas
from harmonium.serving.service import READS

router = APIRouter(prefix="/lab", tags=["laboratory"], dependencies=READS)


@router.get("/data", response_model=schemas.LabData)
def data() -> Response:
    """Bars and stripes on a 3 by 3 grid."""
    return answering.json(laboratory.data())


@router.post("/machine", response_model=schemas.NewMachine)
def machine(asked: schemas.NewMachineRequest) -> Response:
    """Make a machine with small random weights, restricted or general."""
    return answering.json({"machine": laboratory.new_machine(asked)})


@router.post("/landscape", response_model=schemas.Landscape)
def landscape(asked: schemas.LandscapeRequest) -> Response:
    """Free energy and exact probability of every visible state."""
    return answering.json(laboratory.landscape(asked))


@router.post("/gibbs", response_model=schemas.LabGibbs)
def gibbs(asked: schemas.LabGibbsRequest) -> Response:
    """Steps of a chain, with every probability and toss."""
    return answering.json(laboratory.gibbs(asked))


@router.post("/learn", response_model=schemas.Learnt)
def learn(asked: schemas.LearnRequest) -> Response:
    """Learn by exact gradients, contrastive divergence or persistent chains, scored by the exact likelihood."""
    return answering.json(laboratory.learn(asked))


@router.post("/mixing", response_model=schemas.Mixing)
def mixing(asked: schemas.MixingRequest) -> Response:
    """How far a chain's distribution is from the machine's after each sweep, exactly."""
    return answering.json(laboratory.mixing(asked))
