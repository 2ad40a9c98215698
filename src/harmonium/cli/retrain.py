"""harmonium retrain."""

import hashlib
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from harmonium.cli.console import duration, narrator, print_json
from harmonium.cli.learning import check_folder, learn
from harmonium.cli.opening import needs_serving, of_ratings
from harmonium.cli.options import Json, Model, Quiet, taking
from harmonium.cli.reading import PATH, READING, read_source
from harmonium.cli.recording import held_out, measured, record
from harmonium.cli.serve import StoreUrl
from harmonium.cli.storing import opened
from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Vocabulary
from harmonium.errors import DataError, SettingError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.recommending.recommender import Recommender

app = typer.Typer(add_completion=False)
Row = tuple[str, int | str, float | None, int]


@app.command(epilog="Example: harmonium retrain films.harmonium ratings.csv --store sqlite:///store.db")
@taking(*READING, PATH)
def retrain(
    model: Model,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|NAME]", help="The ratings it learned from; found by itself where they are the bundled ones."
        ),
    ] = None,
    store: StoreUrl = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Another file than the model's own.")
    ] = None,
    hold_out: Annotated[
        float, typer.Option(metavar="SHARE", help="Hold so many ratings out and keep the evaluation in the file.")
    ] = 0.0,
    force: Annotated[bool, typer.Option("--force", help="Learn even if there are no new ratings.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Learn from the ratings that a service has stored, and put the new model in place.

    It learns from them together with the model's own ratings; a user of both is one user, and what the store holds goes
    before. Settings are those of the model. The new model
    appears whole or not at all; a service that runs goes over to it. The old one stays until then.
    """
    needs_serving()
    from harmonium.serving.store import Store

    began, narrate, place = time.monotonic(), narrator(quiet), output or model
    check_folder(place)
    old = of_ratings(model)
    stored = list(Store(opened(store)).everything())
    digest = digest_of(stored)
    if not force and digest == (old.record or {}).get("store", digest_of([])):
        narrate("the store holds no ratings that this model has not learned from; --force learns all the same")
        _report(as_json, model, None, 0, time.monotonic() - began)
        return
    dataset = read_source(_source(old, source), **options)
    ratings = with_stored(dataset.ratings, stored, old)
    narrate(f"{dataset.name}: {dataset.ratings!r}; with the store's: {ratings!r}")
    estimator, (known, asked) = RatingRBM(**old.machine.get_params()), held_out(ratings, hold_out)
    learn(estimator, known, quiet)
    found, seconds = measured(estimator, known, asked), time.monotonic() - began
    kept = record(estimator, known, found, hold_out, seconds, source=dataset.name, terms=dataset.licence)
    kept["store"] = digest
    titles = old.titles if dataset.titles is None else dataset.titles.aligned_to(ratings.items)
    recommender = Recommender(estimator, ratings.items, ratings.scale, titles, old.like, kept)
    if old.choices is not None:
        recommender = recommender.with_choices(known, type(old.choices)().set_params(**old.choices.get_params()))
    recommender.save(place)
    _report(as_json, place, ratings, len(stored), time.monotonic() - began)


def digest_of(stored: list[Row]) -> str:
    """Hexadecimal SHA-256 of stored ratings; the same ratings have the same, whenever they were given.

    Parameters
    ----------
    stored : list of (user id, item id, rating or None, seconds since 1970)
    """
    rows = sorted(json.dumps(row[:3]) for row in stored)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def with_stored(ratings: Ratings, stored: list[Row], old: Recommender) -> Ratings:
    """Ratings with those of a store, which go before where both have the same user and item.

    Parameters
    ----------
    ratings : Ratings
    stored : list of (user id, item id, rating or None, seconds since 1970)
    old : Recommender
        Whose scale the stored ratings are on; those that are not are left out.
    """
    if ratings.scale != old.scale:
        raise DataError(
            f"the ratings are {ratings.scale.describe()}, the model's {old.scale.describe()}; name those it was made of"
        )
    kept = [
        (user, item, rating)
        for user, item, rating, _ in stored
        if isinstance(item, str) == ratings.items.is_text and (rating is None or ratings.scale.on_scale([rating]).all())
    ]
    users = [*map(str, ratings.users)]
    all_users = Vocabulary.from_ids([*users, *(user for user, _, _ in kept)])
    all_items = Vocabulary.from_ids([*ratings.items, *(item for _, item, _ in kept)])
    row = all_users.indices(users)[ratings.user_of()]
    column = all_items.indices(list(ratings.items))[ratings.item]
    levels = [UNRATED if rating is None else int(ratings.scale.code([rating])[0]) for _, _, rating in kept]
    return Ratings.from_arrays(
        [*row.tolist(), *all_users.indices([user for user, _, _ in kept]).tolist()],
        [*column.tolist(), *all_items.indices([item for _, item, _ in kept]).tolist()],
        [*ratings.level.tolist(), *levels],
        all_users,
        all_items,
        ratings.scale,
        duplicates="last",
    )


def _source(old: Recommender, given: str | None) -> str:
    source = given or (old.record or {}).get("source")
    if not source:
        raise SettingError("the model file does not say what it learned from; name the ratings: FILE|NAME")
    return source


def _report(as_json: bool, path: Path, ratings: Ratings | None, n_stored: int, seconds: float) -> None:
    if as_json:
        n_ratings = None if ratings is None else ratings.n_ratings
        print_json({"path": str(path), "n_ratings": n_ratings, "n_stored": n_stored, "seconds": seconds})
    elif ratings is not None:
        print(f"{path}  {ratings.n_ratings:,} ratings, {n_stored:,} of them stored  {duration(seconds)}")
