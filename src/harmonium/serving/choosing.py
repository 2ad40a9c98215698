"""What a model of choices answers, in the words of the API: lists, reasons, similar items, and what the model is."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from harmonium._version import __version__
from harmonium.data import Interactions
from harmonium.errors import SettingError
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.serving import finding
from harmonium.serving.problems import ProblemError
from harmonium.serving.schemas.asking import ExplainRequest, RecommendRequest
from harmonium.serving.slot import Loaded

METHOD = "the score with each choice, less that without it; of a fully visible machine they add up to the score"


def no_ratings() -> ProblemError:
    """The error that a question needs a model of ratings."""
    return ProblemError(
        409, "learned-from-choices", "the model that is served learned from choices: it knows no ratings and no users "
        "machine, so it cannot answer this", "model",
        "ask recommend, explain, items, items/ID/similar, units or model; or serve a model of ratings",
    )  # fmt: skip


def history(recommender: ChoiceRecommender, rated: Sequence[tuple[Any, float | None]]) -> Interactions:
    """Choices with their weights; an entry without a number weighs 1.

    Parameters
    ----------
    recommender : ChoiceRecommender
    rated : sequence of (item id or title, weight or None)

    Raises
    ------
    DataError, UnknownIdError, AmbiguousTitleError
        A weight is not above 0, an item is unknown, or a title fits several.
    """
    chosen: dict[Any, float] = {}
    for item, weight in rated:
        chosen[item] = chosen.get(item, 0.0) + (1.0 if weight is None else weight)
    return recommender.history(chosen)


def recommendations(recommender: ChoiceRecommender, asked: RecommendRequest, known: Interactions) -> dict[str, Any]:
    """A ranked list.

    Parameters
    ----------
    recommender : ChoiceRecommender
    asked : RecommendRequest
    known : Interactions

    Raises
    ------
    SettingError
        It is to be ranked by something else than choices.
    """
    if asked.rank_by is not None:
        raise SettingError(f"rank_by: {asked.rank_by!r} is for a model of ratings; one of choices ranks by them alone")
    years = None if asked.years is None else (asked.years.first, asked.years.last)
    found = recommender.recommend(
        known, asked.n, exclude_seen=asked.exclude_seen, allow=_allowed(recommender, asked), deny=asked.deny,
        genres=asked.genres, years=years,
    )  # fmt: skip
    rows = [_plain(one) for one in found]
    if asked.n_reasons and rows:
        _add_reasons(recommender, known, rows, asked.n_reasons)
    return {"kind": "choices", "n_rated": known.n_entries, "recommendations": rows, "hidden": None}


def explanation(recommender: ChoiceRecommender, asked: ExplainRequest, known: Interactions) -> dict[str, Any]:
    """Which choices speak for an item.

    Parameters
    ----------
    recommender : ChoiceRecommender
    asked : ExplainRequest
    known : Interactions
    """
    reasons = [{**asdict(one), "rating": None} for one in recommender.explain(known, asked.item, asked.n)]
    (item,) = recommender.recommend(known, 1, exclude_seen=False, allow=[asked.item])
    return {"kind": "choices", "item": _plain(item), "reasons": reasons, "method": METHOD}


def similar(recommender: ChoiceRecommender, item: int, n: int) -> dict[str, Any]:
    """Items that an item speaks for.

    Parameters
    ----------
    recommender : ChoiceRecommender
    item : int
        Its index.
    n : int
    """
    found = recommender.similar_items(recommender.items[item], n)
    rows = [{**_plain(one), "similarity": None} for one in found]
    return {"item": finding.facts(recommender, item), "similar": rows}


def model(loaded: Loaded) -> dict[str, Any]:
    """What the model is.

    Parameters
    ----------
    loaded : Loaded
    """
    recommender = loaded.recommender
    assert isinstance(recommender, ChoiceRecommender)
    machine, kept = recommender.model, recommender.record or {}
    return {
        "kind": "choices",
        "name": loaded.name,
        "fingerprint": loaded.fingerprint,
        "loaded_at": loaded.loaded_at,
        "library": __version__,
        "algorithm": type(machine).__name__,
        "n_items": len(recommender.items),
        "n_units": recommender.n_units,
        "n_training_choices": int(finding.n_ratings(recommender).sum()),
        "calibrated": machine.calibration_ is not None,
        "has_titles": recommender.titles is not None,
        "has_record": bool(recommender.record),
        "genres": finding.genres(recommender)["genres"],
        "settings": {name: finding.plain(value) for name, value in machine.get_params().items()},
        "terms": kept.get("terms", ""),
    }


def _allowed(recommender: ChoiceRecommender, asked: RecommendRequest) -> list[int | str] | None:
    """Items that may be listed: those named, of so many people at least."""
    if not asked.min_ratings:
        return asked.allow
    enough = finding.n_ratings(recommender) >= asked.min_ratings
    if asked.allow is not None:
        named = np.zeros(len(enough), bool)
        named[recommender._catalogue.indices(asked.allow)] = True
        enough &= named
    return [recommender.items[k] for k in np.flatnonzero(enough).tolist()]


def _plain(one: Any) -> dict[str, Any]:
    row = asdict(one)
    row["n_ratings"] = row.pop("n_users")
    return row


def _add_reasons(recommender: ChoiceRecommender, known: Interactions, rows: list[dict[str, Any]], n: int) -> None:
    items = recommender.items.indices([row["item_id"] for row in rows])
    parts = recommender.model.contributions(known, items)  # (n_entries, n_places)
    facts = [finding.facts(recommender, k) for k in known.item.tolist()]
    for row, column in zip(rows, parts.T):
        strongest = np.argsort(-np.abs(column), kind="stable")[:n].tolist()
        row["reasons"] = [
            {
                "item_id": facts[t]["item_id"],
                "title": facts[t]["title"],
                "rating": None,
                "contribution": float(column[t]),
            }
            for t in strongest
        ]
