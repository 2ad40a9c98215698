"""The built page, where there is one."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Any, final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from harmonium.errors import DataError

INDEX = "index.html"
PACKAGED = "static"
DIGESTED = "assets"  # folder of the files whose names carry a digest of what is in them
SMALLEST_ZIPPED = 1_000  # bytes; less is not worth compressing
NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>harmonium</title></head>
<body>
<main>
<h1>harmonium</h1>
<p>The service works, but its page is not built. In a checkout of the sources, <code>make page</code> or
<code>python hatch_build.py</code> builds it, or says what is missing; then start the service again.</p>
<p><a href="/docs">The documentation of the API</a> needs no building.</p>
</main>
</body>
</html>
"""


@final
class Page(StaticFiles):
    """The files of the page, with how long a browser may keep them."""

    def file_response(
        self, full_path: Any, stat_result: os.stat_result, scope: Any, status_code: int = 200
    ) -> Response:
        """A file; one whose name carries a digest never changes, any other is asked for again.

        Parameters
        ----------
        full_path : path
        stat_result : os.stat_result
        scope : mapping
        status_code : int
        """
        response = super().file_response(full_path, stat_result, scope, status_code)
        forever = Path(full_path).parent.name == DIGESTED
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if forever else "no-cache"
        return response


def folder(chosen: Path | None) -> Path | None:
    """The folder of the page: the chosen one, else the packaged one, else none.

    Parameters
    ----------
    chosen : Path, optional

    Raises
    ------
    DataError
        The chosen folder holds no page.
    """
    if chosen is not None and not (chosen / INDEX).is_file():
        raise DataError(f"{chosen}: holds no {INDEX}; name the folder of a built page")
    place = chosen or Path(str(files("harmonium.serving").joinpath(PACKAGED)))
    return place if (place / INDEX).is_file() else None


def install(app: FastAPI, chosen: Path | None) -> None:
    """Serve the page at /, or a few words on how to build it.

    Parameters
    ----------
    app : FastAPI
    chosen : Path, optional
    """
    place = folder(chosen)
    if place is not None:
        page = GZipMiddleware(Page(directory=place, html=True), minimum_size=SMALLEST_ZIPPED)
        app.mount("/", page, name="page")
        return

    @app.get("/", include_in_schema=False)
    def root() -> HTMLResponse:
        return HTMLResponse(NOT_BUILT)
