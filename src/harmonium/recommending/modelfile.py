"""What a recommender's file holds, and how it is read back."""

import os
from dataclasses import asdict
from typing import Any, NamedTuple

from harmonium import storage
from harmonium._version import __version__
from harmonium.data import Scale, Titles, Vocabulary
from harmonium.errors import HarmoniumError, ModelFileError
from harmonium.estimators import rating_file
from harmonium.estimators.rating_rbm import RatingRBM

KIND = "recommender"


class Parts(NamedTuple):
    """What a `Recommender` is made of, in the order of its constructor's parameters."""

    model: RatingRBM
    items: Vocabulary
    scale: Scale
    titles: Titles | None
    like: float
    record: dict[str, Any] | None


def write(path: str | os.PathLike[str], parts: Parts) -> None:
    """Write a recommender's parts; the file appears whole or not at all.

    Parameters
    ----------
    path : path
    parts : Parts

    Raises
    ------
    ModelFileError
        The folder cannot be written to.
    """
    storage.write(path, KIND, *packed(parts))


def packed(parts: Parts) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and arrays of a recommender's parts.

    Parameters
    ----------
    parts : Parts
    """
    model_header, model_arrays = rating_file.to_parts(parts.model)
    header = {
        "library": __version__,
        "model": model_header,
        "scale": asdict(parts.scale),
        "like": parts.like,
        "has_titles": parts.titles is not None,
        "record": parts.record,
    }
    arrays = storage.prefixed("model.", model_arrays) | storage.prefixed("items.", parts.items.to_arrays())
    if parts.titles is not None:
        arrays |= storage.prefixed("titles.", parts.titles.to_arrays())
    return header, arrays


def read(path: str | os.PathLike[str]) -> Parts:
    """Read what `write` wrote.

    Parameters
    ----------
    path : path

    Raises
    ------
    ModelFileError
        There is no such file, it is damaged, holds something else, or is of a later version.
    """
    header, arrays = storage.read(path, KIND)
    try:
        return unpacked(header, arrays)
    except (HarmoniumError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: is incomplete or damaged ({error})") from error


def unpacked(header: dict[str, Any], arrays: dict[str, Any]) -> Parts:
    """Return the parts that `packed` took apart.

    Parameters
    ----------
    header : dict
    arrays : dict of arrays
    """
    items = Vocabulary.from_arrays(storage.under("items.", arrays))
    titles = Titles.from_arrays(storage.under("titles.", arrays), items) if header["has_titles"] else None
    model = rating_file.from_parts(header["model"], storage.under("model.", arrays))
    names = header["scale"]["names"]
    scale = Scale(**header["scale"] | {"names": names and tuple(names)})
    return Parts(model, items, scale, titles, header["like"], header.get("record"))
