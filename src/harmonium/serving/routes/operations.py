"""Health, readiness, figures, documentation, and the page."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from harmonium.errors import HarmoniumError
from harmonium.serving import answering
from harmonium.serving.schemas import about as schemas
from harmonium.serving.service import service_of

router = APIRouter(tags=["operations"])


@router.get("/healthz", response_model=schemas.Health)
async def health() -> Response:
    """Whether the process lives."""
    return answering.json({"status": "ok"})


@router.get("/readyz", response_model=schemas.Readiness, responses={503: {"model": schemas.Readiness}})
def ready(request: Request) -> Response:
    """Whether the model is loaded and the store answers."""
    service = service_of(request)
    refused = service.slot.refused
    model = f"ready; the file that lies there now was refused: {refused}" if refused else "ready"
    try:
        service.store.is_there()
        store = "ready"
    except HarmoniumError as error:
        store = str(error)
    good = store == "ready"
    body = {"status": "ready" if good else "not ready", "model": model, "store": store}
    return answering.json(body, 200 if good else 503)


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    return Response(service_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
