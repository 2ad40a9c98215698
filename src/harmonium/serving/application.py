"""The application: routes, errors, the model watched, the store open."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from threadpoolctl import threadpool_limits

from harmonium._version import __version__
from harmonium.errors import HarmoniumError
from harmonium.serving import answering, built_page, documentation, problems
from harmonium.serving.batching import Batcher
from harmonium.serving.express import Express
from harmonium.serving.gate import Gate
from harmonium.serving.limits import Limiter
from harmonium.serving.logs import say
from harmonium.serving.metrics import Metrics
from harmonium.serving.routes import about, asking, items, lab, machines, operations, users
from harmonium.serving.schemas.common import Problem
from harmonium.serving.service import Service
from harmonium.serving.settings import Settings
from harmonium.serving.slot import Loaded, ModelSlot
from harmonium.serving.store import Store, open_database
from harmonium.serving.store.keys import KeyRing

DESCRIPTION = (
    "Recommendations, explanations and the inside of a Boltzmann machine of ratings. Reading is open unless the "
    "service says otherwise; whatever is stored of people needs a key: Authorization: Bearer KEY. Errors are problem "
    "documents."
)
REF = "#/components/schemas/Problem"
FAULTS = {
    400: "The request cannot be read.",
    401: "A key is needed, or the one given is not valid.",
    404: "There is no such thing.",
    409: "The model file cannot be used, or the model is of the other kind.",
    413: "The body is too long.",
    422: "The request is not valid.",
    429: "Too many requests.",
}


def create(settings: Settings, loaded: Loaded | None = None) -> FastAPI:
    """Make the application; what it holds open is closed when its lifespan ends.

    Parameters
    ----------
    settings : Settings
    loaded : Loaded, optional
        The model, where it is in memory already.

    Returns
    -------
    FastAPI

    Raises
    ------
    ModelFileError, DataError, SettingError
        The model file or the store cannot be used.
    """
    service = open_service(settings, loaded)
    app = FastAPI(
        title="harmonium",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        responses={status: _problem(text) for status, text in FAULTS.items()},
    )
    app.state.service = service
    problems.install(app)
    api = APIRouter(prefix="/api/v1")
    for module in (asking, items, machines, users, about, lab):
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(operations.router)
    app.include_router(documentation.router)
    built_page.install(app, settings.page)
    app.openapi = lambda: _openapi(app)
    app.add_middleware(Express, service=service)
    app.add_middleware(Gate, settings=settings, limiter=service.limiter, metrics=service.metrics)
    return app


def open_service(settings: Settings, loaded: Loaded | None = None) -> Service:
    """Load the model and open the store.

    Parameters
    ----------
    settings : Settings
    loaded : Loaded, optional

    Returns
    -------
    Service
    """
    slot = ModelSlot(settings.model, loaded)
    database = open_database(settings.store)
    return Service(
        settings=settings,
        slot=slot,
        store=Store(database),
        keys=KeyRing(database),
        limiter=Limiter(settings.rate_limit, settings.burst),
        metrics=Metrics(),
        batcher=Batcher(answering.recommendations),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    # BLAS threads take longer to wake than to work on what one request needs; requests run side by side anyway.
    blas = threadpool_limits(1, user_api="blas")
    watching = asyncio.create_task(_watch(service)) if service.settings.watch_seconds else None
    try:
        yield
    finally:
        if watching is not None:
            watching.cancel()
        service.store.database.close()
        blas.restore_original_limits()


async def _watch(service: Service) -> None:
    """Take over another model as soon as it lies in the file's place."""
    while True:
        await asyncio.sleep(service.settings.watch_seconds)
        try:
            if await asyncio.to_thread(service.slot.look):
                service.metrics.swapped()
                current = service.slot.current
                say("model taken over", name=current.name, fingerprint=current.fingerprint)
        except HarmoniumError as error:
            service.metrics.refused()
            say("model refused", logging.ERROR, reason=str(error))
        except Exception as error:
            say("model not looked at", logging.ERROR, error)


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {problems.MEDIA_TYPE: {"schema": {"$ref": REF}}}}


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )  # fmt: skip
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        app.openapi_schema = document
    return app.openapi_schema
