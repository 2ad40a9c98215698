"""harmonium serve."""

import json
import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from harmonium.cli.console import narrator
from harmonium.cli.opening import STORE_VARIABLE, can_open_browser, default_model, needs_serving, ready_folder
from harmonium.cli.options import Json
from harmonium.cli.storing import store_url
from harmonium.errors import DataError, ModelFileError

app = typer.Typer(add_completion=False)
ENV = "HARMONIUM_"
MOST_WORKERS = 4  # unless more are asked for
StoreUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar=STORE_VARIABLE,
        help="sqlite:///file.db or postgresql://user:password@host/name; a file of yours when not given.",
    ),
]


@app.command(epilog="Example: harmonium serve films.harmonium --port 8080")
def serve(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="A model file; one of the bundled ratings when not given."),
    ] = None,
    host: Annotated[str, typer.Option(envvar=ENV + "HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar=ENV + "PORT", min=0, max=65535, help="0 takes any that is free.")] = 8000,
    store: StoreUrl = None,
    reading: Annotated[
        str, typer.Option(envvar=ENV + "READING", help="open, or closed: questions to the model then need a key too.")
    ] = "open",
    rate_limit: Annotated[
        float, typer.Option(envvar=ENV + "RATE_LIMIT", help="Requests a second from one address; 0 is no limit.")
    ] = 100.0,
    burst: Annotated[
        int, typer.Option(envvar=ENV + "BURST", help="Requests that may come at once after a pause.")
    ] = 200,
    max_body: Annotated[int, typer.Option(envvar=ENV + "MAX_BODY", help="Bytes of a request's body.")] = 1_000_000,
    workers: Annotated[
        int, typer.Option(envvar=ENV + "WORKERS", min=0, help="Processes that answer; 0 is one a processor, up to 4.")
    ] = 0,
    log_format: Annotated[str, typer.Option(envvar=ENV + "LOG_FORMAT", help="json or text.")] = "json",
    log_requests: Annotated[bool, typer.Option(help="Whether each request is a line of the log.")] = True,
    page: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Another built page.")] = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser, if there is a terminal.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Answer over HTTP, with a page on which one sees the machine think.

    The page is at /, the API's documentation at /docs. Ctrl-C ends it; --json prints the address once it answers. When
    another model file takes the place of this one, the service goes over to it without dropping a request.
    """
    run(
        open_browser=open_browser, as_json=as_json, model=model, host=host, port=port, store=store, reading=reading,
        rate_limit=rate_limit, burst=burst, max_body=max_body, workers=workers, log_format=log_format,
        log_requests=log_requests, page=page,
    )  # fmt: skip


def run(
    model: Path | None = None,
    store: str | None = None,
    open_browser: bool = True,
    as_json: bool = False,
    **settings: Any,
) -> None:
    """Serve until told to stop.

    Parameters
    ----------
    model : Path, optional
    store : str, optional
    open_browser, as_json : bool
    **settings
        Of `harmonium.serving.settings.Settings`.
    """
    needs_serving()
    if model is None:
        model = bundled_model()
    elif not model.is_file():
        raise DataError(f"{model}: there is no such file; harmonium train writes one")
    from harmonium.serving.running import serve as serve_until_told
    from harmonium.serving.settings import Settings

    looked_at = open_browser and sys.stdin.isatty() and sys.stdout.isatty() and can_open_browser()

    def ready(address: str) -> None:
        narrator(False)(f"{address}  (Ctrl-C ends it)")
        if as_json:
            print(json.dumps({"address": address}), flush=True)
        if looked_at:
            webbrowser.open(address)

    settings["workers"] = settings.get("workers") or n_workers()
    serve_until_told(Settings(model=model.resolve(), store=store_url(store), **settings), ready)


def n_workers() -> int:
    """One process a processor that this one may run on, up to a few; one where they cannot share memory."""
    return min(MOST_WORKERS, len(os.sched_getaffinity(0))) if sys.platform.startswith("linux") else 1


def bundled_model() -> Path:
    """The model of the bundled ratings, learned where there is none yet, or one that this version cannot read."""
    path = ready_folder(default_model())
    if not _can_be_read(path):
        from harmonium.cli.demo import SMALL, learned
        from harmonium.cli.settings import defaults

        narrator(False)(f"learning from the bundled ratings, once; the model is kept in {path}")
        learned(defaults(**SMALL), quiet=False)[0].save(path)
    return path


def _can_be_read(path: Path) -> bool:
    from harmonium.recommending.opening import open_model

    try:
        open_model(path)
    except ModelFileError:
        return False
    return True
