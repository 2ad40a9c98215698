"""The documentation page: Swagger UI from files of an installed package, so that no request leaves the machine."""

from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.exceptions import HTTPException

router = APIRouter(include_in_schema=False)
PACKAGE = "fastapi_swagger.resources"
TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>harmonium: the API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"><noscript>This page needs JavaScript; the document itself is at /openapi.json.</noscript></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


@router.get("/docs")
def page() -> Response:
    """The page."""
    return Response(PAGE, media_type="text/html; charset=utf-8")


@router.get("/docs/start.js")
def start() -> Response:
    """The script that starts it: a Content-Security-Policy of 'self' allows none within the page."""
    return Response(START, media_type="text/javascript; charset=utf-8")


@router.get("/docs/{name}")
def asset(name: str) -> Response:
    """A file of Swagger UI.

    Parameters
    ----------
    name : str
    """
    if name not in TYPES:
        raise HTTPException(404, "there is no such file")
    return Response(_content(name), media_type=TYPES[name], headers={"Cache-Control": "max-age=86400"})


@cache
def _content(name: str) -> bytes:
    return files(PACKAGE).joinpath(name).read_bytes()
