"""Errors as problem documents (RFC 9457): what is wrong, where, and the fix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from harmonium.errors import (
    AmbiguousTitleError,
    DataError,
    HarmoniumError,
    ModelFileError,
    SettingError,
    UnknownIdError,
)

MEDIA_TYPE = "application/problem+json"
LONGEST = 300  # characters of a value that an error repeats
KINDS: dict[type[HarmoniumError], tuple[str, int, str]] = {
    UnknownIdError: ("unknown-id", 422, "use an id or title that the model knows; GET /api/v1/items?q= finds them"),
    AmbiguousTitleError: ("ambiguous-title", 422, "add the year or more words, or give the id"),
    ModelFileError: ("model-file", 409, "put a whole model file in its place; the old model goes on answering"),
    SettingError: ("setting", 422, "choose a value in the range named"),
    DataError: ("data", 422, "correct the value named"),
}
FIXES = {
    400: "send the body as JSON in UTF-8",
    404: "see /docs for the addresses there are",
    405: "see /docs for the methods of this address",
    413: "send less at once",
    415: "send JSON, with the header Content-Type: application/json",
}


@final
@dataclass
class ProblemError(Exception):
    """A request that cannot be answered.

    Parameters
    ----------
    status : int
    kind : str
        Stable, with hyphens.
    detail, where, fix : str
    headers : dict of str
    """

    status: int
    kind: str
    detail: str
    where: str
    fix: str
    headers: Mapping[str, str] | None = None


def problem_response(
    status: int,
    kind: str,
    detail: str,
    where: str,
    fix: str,
    request_id: str = "",
    candidates: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document as a response.

    Parameters
    ----------
    status : int
    kind : str
    detail, where, fix : str
    request_id : str
    candidates : sequence of str
    headers : mapping of str, optional
    """
    body = {
        "type": f"/problems/{kind}",
        "title": kind.replace("-", " "),
        "status": status,
        "detail": detail,
        "where": where,
        "fix": fix,
        "candidates": list(candidates),
        "request_id": request_id,
    }
    return Response(orjson.dumps(body), status, dict(headers or {}), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Give an application the handlers of this module.

    Parameters
    ----------
    app : FastAPI
    """
    app.add_exception_handler(ProblemError, _of_problem)
    app.add_exception_handler(HarmoniumError, _of_library)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


def _id(request: Request) -> str:
    return request.scope.get("request_id", "")


async def _of_problem(request: Request, error: Any) -> Response:
    return problem_response(
        error.status, error.kind, error.detail, error.where, error.fix, _id(request), headers=error.headers
    )


async def _of_library(request: Request, error: Any) -> Response:
    kind, status, fix = next(
        (entry for type_, entry in KINDS.items() if isinstance(error, type_)), ("not-possible", 422, "see the detail")
    )
    where = "body"
    if request.method == "GET":
        where = "path" if request.path_params else "query"
    if request.path_params and ((kind == "unknown-id" and request.method != "POST") or where == "path"):
        where, status = "path", 404
    detail = printable(str(error))
    return problem_response(
        status, kind, detail, where, fix, _id(request), [printable(one) for one in getattr(error, "candidates", ())]
    )


async def _of_validation(request: Request, error: Any) -> Response:
    first, *others = error.errors()
    where = ".".join(str(part) for part in first["loc"])
    given = printable(repr(first.get("input")))[:LONGEST]
    detail = f"{where}: {first['msg']}; given was {given}" + (f"; and {len(others)} more" if others else "")
    if first["type"] == "json_invalid":
        detail = f"the body is no JSON: {first['ctx']['error']}"
    return problem_response(
        422, "not-valid", printable(detail), where, "correct it; /docs shows what is wanted", _id(request)
    )


async def _of_http(request: Request, error: Any) -> Response:
    phrase = HTTPStatus(error.status_code).phrase
    return problem_response(
        error.status_code,
        phrase.lower().replace(" ", "-"),
        printable(f"{request.method} {request.url.path}: {error.detail}"),
        "request",
        FIXES.get(error.status_code, "see /docs"),
        _id(request),
        headers=error.headers,
    )


def printable(text: str) -> str:
    """Text that UTF-8 can carry: lone surrogates become question marks.

    Parameters
    ----------
    text : str
    """
    return text.encode("utf-8", errors="replace").decode()
