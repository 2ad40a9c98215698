"""The store of a service, from the command line."""

from pathlib import Path
from typing import Any

from harmonium.cli.opening import default_store, ready_folder


def opened(url: str | None) -> Any:
    """The database of a store, its tables up to date.

    Parameters
    ----------
    url : str, optional
        The default store when not given.
    """
    from harmonium.serving.store import open_database

    return open_database(store_url(url))


def store_url(url: str | None) -> str:
    """The address of a store; the default one's folder is made.

    Parameters
    ----------
    url : str, optional
    """
    if url is not None:
        return url
    url = default_store()
    if url.startswith("sqlite:///"):
        ready_folder(Path(url.removeprefix("sqlite:///")))
    return url
