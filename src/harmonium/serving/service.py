"""What the routes of one application share."""

from dataclasses import dataclass
from typing import Annotated, Any, final

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator

from harmonium.recommending import Recommender
from harmonium.recommending.history import History
from harmonium.serving import answering
from harmonium.serving.addresses import decoded
from harmonium.serving.batching import Batcher
from harmonium.serving.limits import Limiter
from harmonium.serving.metrics import Metrics
from harmonium.serving.problems import ProblemError
from harmonium.serving.schemas.common import MOST_ID, Who
from harmonium.serving.settings import Settings
from harmonium.serving.slot import Loaded, ModelSlot
from harmonium.serving.store import Store
from harmonium.serving.store.keys import KeyRing

bearer = HTTPBearer(auto_error=False, description="A key made by: harmonium keys create NAME")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


@final
@dataclass(frozen=True, eq=False)
class Service:
    """A running service.

    Parameters
    ----------
    settings : Settings
    slot : ModelSlot
    store : Store
    keys : KeyRing
    limiter : Limiter
    metrics : Metrics
    batcher : Batcher
    """

    settings: Settings
    slot: ModelSlot
    store: Store
    keys: KeyRing
    limiter: Limiter
    metrics: Metrics
    batcher: Batcher


def service_of(request: Request) -> Service:
    """The service behind a request.

    Parameters
    ----------
    request : Request
    """
    return request.app.state.service


def may_write(request: Request, credentials: Credentials) -> None:
    """Let a request pass that has a valid key.

    Parameters
    ----------
    request : Request
    credentials : HTTPAuthorizationCredentials, optional

    Raises
    ------
    ProblemError
        There is no key, or it is not valid.
    """
    check_key(service_of(request), credentials.credentials if credentials else None)


def may_read(request: Request, credentials: Credentials) -> None:
    """Let a request pass unless reading is closed and it has no valid key.

    Parameters
    ----------
    request : Request
    credentials : HTTPAuthorizationCredentials, optional

    Raises
    ------
    ProblemError
        Reading is closed, and there is no valid key.
    """
    if service_of(request).settings.reading == "closed":
        may_write(request, credentials)


def check_key(service: Service, token: str | None) -> None:
    """Raise unless a key is valid.

    Parameters
    ----------
    service : Service
    token : str, optional

    Raises
    ------
    ProblemError
    """
    challenge = {"WWW-Authenticate": "Bearer"}
    fix = "send the header Authorization: Bearer KEY with a key made by: harmonium keys create NAME"
    if token is None:
        raise ProblemError(401, "key-needed", "this needs an API key", "header.authorization", fix, challenge)
    if not service.keys.is_valid(token):
        detail = "the API key is unknown or was revoked"
        raise ProblemError(401, "key-not-valid", detail, "header.authorization", fix, challenge)


def history_of(service: Service, recommender: Recommender, who: Who, credentials: Credentials) -> History:
    """The history that a request speaks of.

    Parameters
    ----------
    service : Service
    recommender : Recommender
    who : Who
    credentials : HTTPAuthorizationCredentials, optional

    Raises
    ------
    ProblemError
        It is of a stored user, and there is no valid key.
    """
    if who.user_id is None:
        return answering.history(recommender, who.history or ())
    check_key(service, credentials.credentials if credentials else None)
    return stored_history(service, recommender, who.user_id)


def stored_history(service: Service, recommender: Recommender, user_id: str) -> History:
    """What a stored user rated, as far as the present model knows the items and levels.

    Parameters
    ----------
    service : Service
    recommender : Recommender
    user_id : str
    """
    rated = [(one.item_id, one.rating) for one in service.store.ratings(user_id).rows]
    known = [
        (item, rating)
        for item, rating in rated
        if item in recommender.items and (rating is None or recommender.scale.on_scale([rating]).all())
    ]
    return recommender.history([(recommender.items[recommender.items.index(item)], rating) for item, rating in known])


def loaded_of(request: Request) -> Loaded:
    """The model that answers a request.

    Parameters
    ----------
    request : Request
    """
    return service_of(request).slot.current


def recommender_of(request: Request) -> Recommender:
    """The recommender that answers a request.

    Parameters
    ----------
    request : Request
    """
    return loaded_of(request).recommender


ServiceOf = Annotated[Service, Depends(service_of)]
RecommenderOf = Annotated[Recommender, Depends(recommender_of)]
LoadedOf = Annotated[Loaded, Depends(loaded_of)]
WRITES: list[Any] = [Depends(may_write)]
READS: list[Any] = [Depends(may_read)]
UserId = Annotated[
    str, Path(min_length=1, max_length=6 * MOST_ID, description="Any text, percent-encoded."), AfterValidator(decoded)
]
ItemIdInPath = Annotated[
    str, Path(min_length=1, max_length=6 * MOST_ID, description="An id, percent-encoded."), AfterValidator(decoded)
]
