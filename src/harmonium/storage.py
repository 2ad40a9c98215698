"""Model files: named arrays and a JSON header in one safetensors file, written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.errors import ModelFileError

FORMAT = "harmonium"
VERSION = 1


def write(
    path: str | os.PathLike[str], kind: str, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray]
) -> None:
    """Write a file under a temporary name beside its place, then rename it there.

    Parameters
    ----------
    path : path
    kind : str
        What the file holds, checked on reading.
    header : mapping
        Plain values, kept as JSON.
    arrays : mapping of arrays

    Raises
    ------
    ModelFileError
        The folder cannot be written to.
    """
    from safetensors.numpy import save

    path = Path(path)
    metadata = {"format": FORMAT, "version": str(VERSION), "kind": kind, "header": json.dumps(header)}
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=metadata)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's own mode would keep others from reading a model
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ModelFileError(f"{path}: cannot be written ({error.strerror})") from error
        raise


def read(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
    """Read what `write` wrote.

    Parameters
    ----------
    path : path
    kind : str

    Returns
    -------
    header : dict
    arrays : dict of arrays

    Raises
    ------
    ModelFileError
        There is no such file, it is damaged, holds something else, or is of a later version.
    """
    with _opened(path) as (file, metadata):
        if metadata["kind"] != kind:
            raise ModelFileError(f"{path}: holds a {metadata['kind']}, not a {kind}")
        return json.loads(metadata["header"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def kind_of(path: str | os.PathLike[str]) -> str:
    """Return what a file holds, the `kind` it was written with; its arrays are not read.

    Parameters
    ----------
    path : path

    Raises
    ------
    ModelFileError
        There is no such file, it is no model file, or is of a later version.
    """
    with _opened(path) as (_, metadata):
        return metadata["kind"]


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[Any, dict[str, str]]]:
    """A file of ours that is open, and its metadata."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            _check_format(path, metadata)
            yield file, metadata
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path}: is not a model file, or is damaged ({error})") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    if metadata.get("format") != FORMAT or not {"version", "kind", "header"} <= set(metadata):
        raise ModelFileError(f"{path}: is not a {FORMAT} file")
    if int(metadata["version"]) > VERSION:
        raise ModelFileError(
            f"{path}: has version {metadata['version']}, this release reads up to {VERSION}; update it"
        )


def prefixed(prefix: str, arrays: Mapping[str, npt.NDArray]) -> dict[str, npt.NDArray]:
    """Return the arrays with a prefix before their names.

    Parameters
    ----------
    prefix : str
    arrays : mapping of arrays
    """
    return {prefix + name: array for name, array in arrays.items()}


def under(prefix: str, arrays: Mapping[str, npt.NDArray]) -> dict[str, npt.NDArray]:
    """Return the arrays whose names begin with a prefix, it cut off.

    Parameters
    ----------
    prefix : str
    arrays : mapping of arrays
    """
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
