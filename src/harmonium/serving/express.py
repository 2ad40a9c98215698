"""The short way for the commonest question, a recommendation for a history in the request.

It leaves out routing, dependencies and the framework's own parsing, which take longer than the answer. Whatever is not
plain (a key is needed, something is not valid) goes the long way, and gets the same answers there.
"""

from collections.abc import Iterator
from typing import final

from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harmonium.errors import HarmoniumError
from harmonium.serving.answering import Question, is_quick
from harmonium.serving.schemas.asking import RecommendRequest
from harmonium.serving.service import Service

PATH = "/api/v1/recommend"


class Route:
    """Names the address in figures and logs."""

    path = PATH


@final
class Express:
    """ASGI middleware just around the routes.

    Parameters
    ----------
    app : ASGI application
        The long way.
    service : Service
    """

    def __init__(self, app: ASGIApp, service: Service):
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on.

        Parameters
        ----------
        scope : dict
        receive : callable
        send : callable
        """
        if scope["type"] != "http" or scope["path"] != PATH or not self._is_plain(scope):
            await self.app(scope, receive, send)
            return
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        answer = await self._answer(b"".join(message.get("body", b"") for message in messages))
        if answer is None:
            await self.app(scope, _again(messages, receive), send)
            return
        scope["route"] = Route
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _is_plain(self, scope: Scope) -> bool:
        if scope["method"] != "POST" or self.service.settings.reading != "open":
            return False
        return any(name == b"content-type" and value == b"application/json" for name, value in scope["headers"])

    async def _answer(self, body: bytes) -> bytes | None:
        try:
            asked = RecommendRequest.model_validate_json(body)
            question = Question(self.service.slot.current.recommender, asked, None)
            if asked.user_id is not None or not is_quick(question):
                return None
            return await self.service.batcher.ask(question)
        except (ValidationError, HarmoniumError):
            return None  # the long way says what is wrong


def _again(messages: list[Message], receive: Receive) -> Receive:
    """What gives the messages already read once more."""
    rest: Iterator[Message] = iter(messages)

    async def again() -> Message:
        for message in rest:
            return message
        return await receive()

    return again
