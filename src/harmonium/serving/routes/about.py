"""The model: what it is, how it was trained, how good it is, and taking over another one."""

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from harmonium.serving import answering, describing
from harmonium.serving.logs import say
from harmonium.serving.schemas import about as schemas
from harmonium.serving.service import READS, LoadedOf, RecommenderOf, ServiceOf, may_write

router = APIRouter(tags=["model"])


@router.get("/model", response_model=schemas.ModelInfo | schemas.ChoiceModelInfo, dependencies=READS)
def model(loaded: LoadedOf) -> Response:
    """Say what the model is that answers now."""
    return answering.json(describing.model(loaded))


@router.get("/model/training", response_model=schemas.TrainingAnswer, dependencies=READS)
def training(loaded: LoadedOf) -> Response:
    """The events of the training run, epoch by epoch."""
    return answering.json(describing.training(loaded))


@router.get(
    "/model/evaluation", response_model=schemas.EvaluationAnswer | schemas.ListEvaluationAnswer, dependencies=READS
)
def evaluation(loaded: LoadedOf) -> Response:
    """Scores on held-out ratings beside baselines, with standard errors and the calibration curve; or of lists."""
    return answering.json(describing.recorded(loaded, "evaluation"))


@router.get("/model/free-energies", response_model=schemas.FreeEnergies, dependencies=READS)
def free_energies(loaded: LoadedOf, _: RecommenderOf) -> Response:
    """Histograms over the training users: who is unusual."""
    return answering.json(describing.recorded(loaded, "free_energies"))


@router.post(
    "/model/reload", response_model=schemas.ModelInfo | schemas.ChoiceModelInfo, dependencies=[Depends(may_write)]
)
def reload(service: ServiceOf) -> Response:
    """Read the model file again; one that cannot be used is refused and the old model stays."""
    loaded = service.slot.reload()
    service.metrics.swapped()
    say("model taken over", name=loaded.name, fingerprint=loaded.fingerprint)
    return answering.json(describing.model(loaded))
