"""What a recommender's file holds, and how it is read back."""

import os
from dataclasses import asdict
from typing import Any, NamedTuple

from harmonium import storage
from harmonium._version import __version__
from harmonium.data import Scale, Titles, Vocabulary
from harmonium.errors import HarmoniumError, ModelFileError
from harmonium.estimators import choice_file, rating_file
from harmonium.estimators.choice import ChoiceModel
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
    choices: ChoiceModel | None = None


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
    header["choices"] = None
    if parts.choices is not None:
        header["choices"], of_choices = choice_file.to_parts(parts.choices)
        arrays |= storage.prefixed("choices.", of_choices)
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
    except (HarmoniumError, KeyError, TypeError, ValueError) as error:
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
    choices = None
    if header["choices"] is not None:
        choices = choice_file.from_parts(header["choices"], storage.under("choices.", arrays))
    return Parts(model, items, scale, titles, header["like"], header.get("record"), choices)
