"""The built page, where there is one."""

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from harmonium.errors import DataError

INDEX = "index.html"
PACKAGED = "static"


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
    """Serve the page at /, or lead from there to the documentation.

    Parameters
    ----------
    app : FastAPI
    chosen : Path, optional
    """
    place = folder(chosen)
    if place is not None:
        app.mount("/", StaticFiles(directory=place, html=True), name="page")
        return

    @app.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse("/docs")
