"""What someone likes, as the command line says it, brought to a model."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harmonium.errors import DataError
from harmonium.recommending.recommender import Recommender

if TYPE_CHECKING:
    from harmonium.data import Vocabulary
    from harmonium.recommending.choice_recommender import ChoiceRecommender

ID_PREFIX = "id:"


def history_of(
    recommender: Recommender,
    like: list[str] | None,
    dislike: list[str] | None,
    seen: list[str] | None,
    history: Path | None = None,
    user: str | None = None,
) -> Any:
    """The recommender's history of someone.

    Parameters
    ----------
    recommender : Recommender
    like, dislike, seen : list of str, optional
        Items, the first perhaps as "title=rating".
    history : Path, optional
        A file of ratings.
    user : str, optional
        Whose row of it.
    """
    if (history is None) != (user is None):
        raise typer.BadParameter("--history FILE and --user ID belong together", param_hint="--history / --user")
    scale = recommender.scale
    rated = [_rated(recommender, text, scale.maximum) for text in like or []]
    rated += [(item_of(recommender, text), scale.minimum) for text in dislike or []]
    rated += [(item_of(recommender, text), None) for text in seen or []]
    if history is not None and user is not None:
        rated = _row(recommender, history, user) + rated
    return recommender.history(rated)


def item_of(recommender: "Recommender | ChoiceRecommender", text: str) -> int | str:
    """What the recommender finds an item by: a title, or the id in "id:318".

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    text : str
        Where the model has no titles, the id needs no prefix.
    """
    if recommender.titles is not None and not text.startswith(ID_PREFIX):
        return text
    raw = raw_id(recommender.items, text.removeprefix(ID_PREFIX))
    recommender.items.index(raw)  # an unknown id must not be taken for a title
    return raw


def items_of(recommender: "Recommender | ChoiceRecommender", texts: list[str] | None) -> list[int | str] | None:
    """The same of several items; None where there are none.

    Parameters
    ----------
    recommender : Recommender
    texts : list of str, optional
    """
    return [item_of(recommender, text) for text in texts] if texts else None


def raw_id(vocabulary: "Vocabulary", text: str) -> int | str:
    """An id as the vocabulary has it: a number where all are numbers.

    Parameters
    ----------
    vocabulary : Vocabulary
    text : str
    """
    return int(text) if not vocabulary.is_text and text.lstrip("-").isdecimal() else text


def _rated(recommender: Recommender, text: str, default: float) -> tuple[int | str, float]:
    """An item and its rating from "title=rating"; a tail that is no number belongs to the title."""
    name, _, tail = text.rpartition("=")
    try:
        rating = float(tail) if name else default
    except ValueError:
        return item_of(recommender, text), default
    if not math.isfinite(rating):
        raise DataError(f"{text!r}: {tail} is not on the scale {recommender.scale.describe()}")
    return item_of(recommender, name or text), rating


def _row(recommender: Recommender, path: Path, user: str) -> list[tuple[int | str, float | None]]:
    """A user's ratings in a file, those of items that the model does not know left out."""
    from harmonium.cli.reading import read_file

    ratings = read_file(path, recommender.scale, missing="seen")
    item, _ = ratings.history(ratings.users.index(raw_id(ratings.users, user)))
    start = ratings.indptr[ratings.users.index(raw_id(ratings.users, user))]
    values = ratings.values()[start : start + len(item)]
    known = recommender.items.indices([ratings.items[k] for k in item], unknown=-1)
    if len(item) and (known < 0).all():
        raise DataError(f"{path}: the model knows none of the {len(item)} items of user {user}")
    return [
        (recommender.items[k], None if value != value else float(value))  # NaN: seen, not rated
        for k, value in zip(known.tolist(), values.tolist())
        if k >= 0
    ]
