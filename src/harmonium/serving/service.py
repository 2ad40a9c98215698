"""What the routes of one application share."""

from dataclasses import dataclass
from typing import Annotated, Any, final

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator

from harmonium.recommending import Recommender
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.history import History
from harmonium.serving import answering, choosing, people
from harmonium.serving.addresses import decoded
from harmonium.serving.batching import Batcher
from harmonium.serving.finding import AnyRecommender
from harmonium.serving.limits import Limiter
from harmonium.serving.metrics import Metrics
from harmonium.serving.people import AnyHistory
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


def history_of(service: Service, recommender: AnyRecommender, who: Who, credentials: Credentials) -> AnyHistory:
    """The history that a request speaks of.

    Parameters
    ----------
    service : Service
    recommender : Recommender or ChoiceRecommender
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


def ratings_of(service: Service, recommender: Recommender, who: Who, credentials: Credentials) -> History:
    """The same for a model of ratings.

    Parameters
    ----------
    service : Service
    recommender : Recommender
    who : Who
    credentials : HTTPAuthorizationCredentials, optional
    """
    found = history_of(service, recommender, who, credentials)
    assert isinstance(found, History)
    return found


def stored_history(service: Service, recommender: AnyRecommender, user_id: str) -> AnyHistory:
    """What a stored user rated or chose, as far as the present model knows the items and levels.

    Parameters
    ----------
    service : Service
    recommender : Recommender or ChoiceRecommender
    user_id : str
    """
    items = recommender.items
    known = [
        (items[items.index(one.item_id)], one.rating)
        for one in service.store.ratings(user_id).rows
        if one.item_id in items and people.fits(recommender, one.rating)
    ]
    return people.known_history(recommender, known)


def loaded_of(request: Request) -> Loaded:
    """The model that answers a request.

    Parameters
    ----------
    request : Request
    """
    return service_of(request).slot.current


def any_recommender_of(request: Request) -> AnyRecommender:
    """The recommender that answers a request.

    Parameters
    ----------
    request : Request
    """
    return loaded_of(request).recommender


def recommender_of(request: Request) -> Recommender:
    """The same, where the question makes sense for a model of ratings only.

    Parameters
    ----------
    request : Request

    Raises
    ------
    ProblemError
        The model learned from choices.
    """
    found = any_recommender_of(request)
    if isinstance(found, ChoiceRecommender):
        raise choosing.no_ratings()
    return found


ServiceOf = Annotated[Service, Depends(service_of)]
AnyRecommenderOf = Annotated[AnyRecommender, Depends(any_recommender_of)]
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
