"""From the library's records to JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
from fastapi.responses import Response

from harmonium.data import Interactions
from harmonium.errors import SettingError
from harmonium.recommending import Explanation, Recommender, UnitDescription, inside
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.choosing import ranking_chooser
from harmonium.recommending.history import History
from harmonium.recommending.many import Wanted, recommend_many
from harmonium.serving import choosing
from harmonium.serving.finding import AnyRecommender
from harmonium.serving.people import AnyHistory
from harmonium.serving.schemas.asking import RecommendRequest
from harmonium.serving.schemas.common import Filters, Rated

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATETIME
END = ("item_id", "title", "weight", "n_ratings")


MOST_INLINE = 200  # entries of a history that is answered at once, between two turns of the event loop
MOST_TITLES = 100  # items of a request that may be named by title: each takes a look at every title
MOST_WEIGHED = 500  # entries of a history that are left out one by one: each takes a fold-in


class Question(NamedTuple):
    """A recommendation asked for, and by which model it is answered."""

    recommender: AnyRecommender
    asked: RecommendRequest
    history: AnyHistory | None  # of a stored user


def to_bytes(value: Any) -> bytes:
    """A value as JSON, times with a Z; numbers that are not finite become null.

    Parameters
    ----------
    value : object
    """
    return orjson.dumps(value, default=_plain, option=OPTIONS)


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as a JSON response.

    Parameters
    ----------
    value : object
    status : int
    headers : mapping of str, optional
    """
    return Response(to_bytes(value), status, dict(headers or {}), "application/json")


def recommendations(questions: Sequence[Question]) -> list[bytes | Exception]:
    """Answers to several questions, each as JSON or the error that it made.

    Parameters
    ----------
    questions : sequence of Question
    """
    answers: list[bytes | Exception] = [b""] * len(questions)
    ready: dict[tuple[int, str | None], list[tuple[int, Wanted]]] = {}
    for place, question in enumerate(questions):
        try:
            if isinstance(question.recommender, ChoiceRecommender):
                answers[place] = to_bytes(_of_choices(question))
                continue
            wanted, rank_by = _wanted(question), question.asked.rank_by
            ranking_chooser(question.recommender._chooser, rank_by)  # refuses what the model cannot
            ready.setdefault((id(question.recommender), rank_by), []).append((place, wanted))
        except Exception as error:
            answers[place] = error
    for (_, rank_by), asked_together in ready.items():
        recommender = questions[asked_together[0][0]].recommender
        assert isinstance(recommender, Recommender)
        found = recommend_many(recommender, [wanted for _, wanted in asked_together], rank_by)
        for (place, wanted), rows in zip(asked_together, found):
            n_reasons = questions[place].asked.n_reasons
            if n_reasons and rows:
                _add_reasons(recommender, wanted.history, rows, n_reasons, rank_by)
            answer = {"kind": "ratings", "n_rated": wanted.history.n_rated, "recommendations": rows}
            if questions[place].asked.with_hidden and recommender.n_units:
                units = inside.activations(recommender, wanted.history)
                answer["hidden"] = [one["probability"] for one in units]
            answers[place] = to_bytes(answer)
    return answers


def is_quick(question: Question) -> bool:
    """Whether an answer takes so little time that others may wait for it: no titles to look for, no reasons, not long.

    Parameters
    ----------
    question : Question
    """
    recommender, asked, _ = question
    named = [*(entry.item for entry in asked.history or ()), *(asked.allow or ()), *(asked.deny or ())]
    if asked.n_reasons or len(named) > MOST_INLINE:
        return False
    return all(type(item) is int for item in named) or all(item in recommender.items for item in named)


def history(recommender: AnyRecommender, rated: Sequence[Rated]) -> AnyHistory:
    """The history of a request.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    rated : sequence of Rated

    Raises
    ------
    SettingError
        So many titles would take too long.
    """
    titles = sum(isinstance(entry.item, str) and entry.item not in recommender.items for entry in rated)
    if titles > MOST_TITLES:
        raise SettingError(f"history: {titles} titles are more than {MOST_TITLES}; name items by their ids")
    pairs = [(entry.item, entry.rating) for entry in rated]
    return (
        choosing.history(recommender, pairs)
        if isinstance(recommender, ChoiceRecommender)
        else recommender.history(pairs)
    )


def check_weighable(known: AnyHistory) -> None:
    """Raise SettingError where leaving every entry out in turn would take too long.

    Parameters
    ----------
    known : History or Interactions
    """
    n = len(known.item)
    if n > MOST_WEIGHED:
        raise SettingError(
            f"history: {n:,} entries are more than {MOST_WEIGHED}, the most whose reasons are told; send fewer"
        )


def candidates(recommender: Recommender, asked: Filters) -> npt.NDArray[np.bool_]:
    """Which items the filters of a request leave: (n_items,).

    Parameters
    ----------
    recommender : Recommender
    asked : Filters
    """
    years = None if asked.years is None else (asked.years.first, asked.years.last)
    return inside.candidates_of(
        recommender,
        allow=asked.allow, deny=asked.deny, min_ratings=asked.min_ratings, genres=asked.genres, years=years,
    )  # fmt: skip


def explanation(found: Explanation) -> dict[str, Any]:
    """An explanation with its pairs of unit and part spelt out.

    Parameters
    ----------
    found : Explanation
    """
    plain = {"kind": "ratings", **asdict(found)}
    plain["units"] = _parts(found.units)
    for reason, of in zip(plain["reasons"], found.reasons):
        reason["by_unit"] = _parts(of.by_unit)
    return plain


def unit(found: UnitDescription) -> dict[str, Any]:
    """A description of a unit with its ends spelt out.

    Parameters
    ----------
    found : UnitDescription
    """
    ends = {end: [dict(zip(END, row)) for row in getattr(found, end)] for end in ("positive", "negative")}
    return {**asdict(found), **ends}


def energy(recommender: Recommender, history: History) -> dict[str, Any]:
    """A history weighed, and its place among the training users.

    Parameters
    ----------
    recommender : Recommender
    history : History
    """
    found = inside.weighed(recommender, history)
    kept = (recommender.record or {}).get("free_energies")
    surprise = found["surprise_per_rating"]
    if kept is None or surprise is None:
        return {**found, "percentile": None}
    quantiles = kept["surprise_per_rating"]["quantiles"]
    return {**found, "percentile": float(np.interp(surprise, quantiles, np.linspace(0, 1, len(quantiles))))}


def _of_choices(question: Question) -> dict[str, Any]:
    recommender, asked, known = question
    known = history(recommender, asked.history or ()) if known is None else known
    assert isinstance(recommender, ChoiceRecommender) and isinstance(known, Interactions)
    if asked.n_reasons:
        check_weighable(known)
    return choosing.recommendations(recommender, asked, known)


def _wanted(question: Question) -> Wanted:
    recommender, asked, known = question
    if known is None:
        known = history(recommender, asked.history or ())
    assert isinstance(recommender, Recommender) and isinstance(known, History)
    if asked.n_reasons:
        check_weighable(known)
    filtered = asked.model_fields_set & {"allow", "deny", "min_ratings", "genres", "years"}
    return Wanted(known, asked.n, candidates(recommender, asked) if filtered else None, asked.exclude_seen)


def _add_reasons(
    recommender: Recommender, history: History, rows: list[dict[str, Any]], n: int, rank_by: str | None
) -> None:
    """Put the strongest reasons into each place of a list."""
    items = recommender.items.indices([row["item_id"] for row in rows])
    liking, score = inside.reasons(recommender, history, items, rank_by)  # (n_entries, n_places) each
    entries = inside.entries(recommender, history)
    for row, liked, scored in zip(rows, liking.T, score.T):
        strongest = np.lexsort((-np.abs(liked), -np.abs(scored)))[:n].tolist()
        row["reasons"] = [
            {**entries[t], "contribution": float(liked[t]), "score_contribution": float(scored[t])} for t in strongest
        ]


def _parts(pairs: Sequence[tuple[int, float]]) -> list[dict[str, Any]]:
    return [{"unit": unit, "part": part} for unit, part in pairs]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no place in JSON")
