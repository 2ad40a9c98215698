"""Checkpoints keep what was to be learned beside how far it is, so that only the same learning goes on from one."""

import os
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from harmonium import storage
from harmonium.errors import ModelFileError

SAVE_EVERY = 20.0  # seconds between checkpoints


def read(
    path: str | os.PathLike[str], kind: str, ask: Mapping[str, Any], what: str = "other learning"
) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
    """Read a checkpoint of the same learning from the same data; `storage.write` wrote it, with `ask` in its header.

    Parameters
    ----------
    path : path
    kind : str
        As for `storage.write`.
    ask : mapping
        What it must agree on, as plain values.
    what : str
        What it is a checkpoint of, for the message.

    Returns
    -------
    header : dict
    arrays : dict of arrays

    Raises
    ------
    ModelFileError
        There is no such file, it is damaged, holds something else, or is of other data or settings.
    """
    header, arrays = storage.read(path, kind)
    theirs = header.get("ask", {})
    differs = sorted(name for name in ask if theirs.get(name) != ask[name])
    if differs:
        raise ModelFileError(f"{path}: is a checkpoint of {what}; these differ: {', '.join(differs)}")
    return header, arrays
