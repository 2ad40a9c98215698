"""What every request passes: its id, limits, headers, a line in the log, and a count."""

import logging
import re
import time
from typing import final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harmonium.serving.limits import Limiter
from harmonium.serving.logs import say
from harmonium.serving.metrics import Metrics
from harmonium.serving.problems import problem_response
from harmonium.serving.settings import Settings

API, API_ROOT = "/api/", "/api/v1"
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
UNLIMITED = ("/healthz", "/readyz", "/metrics")
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "img-src 'self' data:"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
NOT_KEPT = (b"cache-control", b"no-store")


class _TooLong(HTTPException):
    """A body grew over the limit while it was read."""


@final
class Gate:
    """ASGI middleware around the whole application.

    Parameters
    ----------
    app : ASGI application
    settings : Settings
    limiter : Limiter
    metrics : Metrics
    """

    def __init__(self, app: ASGIApp, settings: Settings, limiter: Limiter, metrics: Metrics):
        self.app, self.settings, self.limiter, self.metrics = app, settings, limiter, metrics
        self._count = 0
        self._run = f"{time.time_ns():x}"[-10:]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on.

        Parameters
        ----------
        scope : dict
        receive : callable
        send : callable
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, path = time.perf_counter(), scope["path"]
        if path.startswith(API):
            scope["path"] = scope.get("raw_path", path.encode()).decode("ascii", "replace").partition("?")[0]
        self._count += 1
        given = dict(scope["headers"])
        request_id = self._request_id(given)
        scope["request_id"] = request_id
        extra = [*HEADERS, (b"x-request-id", request_id.encode())]
        if path.startswith(API):
            extra.append(NOT_KEPT)
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        self.metrics.began()
        try:
            refusal = self._refusal(scope, given, path)
            if refusal is None:
                await self._pass_on(scope, self._counted(receive), answer)
            else:
                await refusal(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "none")
            if path.startswith(API) and not route.startswith(API) and route != "none":
                route = API_ROOT + route
            self.metrics.answered(scope["method"] if route != "none" else "any", route, status, seconds)
            if self.settings.log_requests:
                say("request", request_id=request_id, method=scope["method"], route=route, status=status,
                    milliseconds=round(1e3 * seconds, 2), client=_address(scope))  # fmt: skip

    async def _pass_on(self, scope: Scope, receive: Receive, answer: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await answer(message)

        try:
            await self.app(scope, receive, noted)
        except _TooLong:  # where the framework has not answered it itself
            if begun:
                raise
            await self._too_long(scope)(scope, receive, answer)
        except Exception as error:
            say("unexpected error", logging.ERROR, error, request_id=scope["request_id"])
            if begun:
                raise
            response = problem_response(
                500, "unexpected", "something went wrong in the service; the request was well-formed", "service",
                "report it with the request id; the log has the rest", scope["request_id"],
            )  # fmt: skip
            await response(scope, receive, answer)

    def _request_id(self, given: dict[bytes, bytes]) -> str:
        theirs = given.get(b"x-request-id", b"")
        return theirs.decode() if REQUEST_ID.fullmatch(theirs) else f"{self._run}-{self._count}"

    def _refusal(self, scope: Scope, given: dict[bytes, bytes], path: str) -> Response | None:
        """A refusal before anything is read: too much, or too often."""
        length = given.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > self.settings.max_body:
            return self._too_long(scope)
        if not self.limiter.rate or path in UNLIMITED:
            return None
        wait = self.limiter.wait(_address(scope))
        if not wait:
            return None
        return problem_response(
            429, "too-many-requests", f"more than {self.limiter.rate:g} requests a second from one client", "client",
            f"wait {wait:.1f} s, or ask for a higher --rate-limit", scope["request_id"],
            headers={"Retry-After": str(int(wait) + 1)},
        )  # fmt: skip

    def _too_long(self, scope: Scope) -> Response:
        return problem_response(
            413, "body-too-long", f"the body is longer than the limit of {self.settings.max_body:,} bytes", "body",
            "send less at once, or ask for a higher --max-body", scope["request_id"], headers={"Connection": "close"},
        )  # fmt: skip

    def _counted(self, receive: Receive) -> Receive:
        taken, most = 0, self.settings.max_body

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise _TooLong(413, f"the body is longer than the limit of {most:,} bytes")
            return message

        return counted


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
