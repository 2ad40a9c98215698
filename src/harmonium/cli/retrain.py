"""harmonium retrain."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from harmonium.cli.console import duration, narrator, print_json
from harmonium.cli.going_on import Row, continued, from_new_alone, together
from harmonium.cli.learning import check_folder, learn
from harmonium.cli.opening import needs_serving, of_ratings
from harmonium.cli.options import Json, Model, Quiet, taking
from harmonium.cli.reading import PATH, READING, read_source
from harmonium.cli.recording import held_out, measured, record
from harmonium.cli.serve import StoreUrl
from harmonium.cli.storing import opened
from harmonium.data import Dataset, Ratings
from harmonium.errors import SettingError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.recommending.population import free_energies
from harmonium.recommending.recommender import Recommender

EPOCHS = 5  # passes when a model goes on
Narrate = Callable[[str], None]
app = typer.Typer(add_completion=False)


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
    full: Annotated[bool, typer.Option("--full", help="Learn from scratch, with the model's settings.")] = False,
    new_only: Annotated[
        bool, typer.Option("--new-only", help="Learn from the store's ratings alone; the old ones are not needed.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="Passes when it goes on from the model.")] = EPOCHS,
    hold_out: Annotated[
        float, typer.Option(metavar="SHARE", help="With --full: hold ratings out and keep the evaluation in the file.")
    ] = 0.0,
    force: Annotated[bool, typer.Option("--force", help="Learn even if there are no new ratings.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Learn from the ratings that a service has stored, and put the new model in place.

    It goes on from the model, over its own ratings and the store's together; a user of both is one user, and what the
    store holds goes before. With --new-only its users machine learns from the store's people alone, and is kept if it
    predicts ratings held out of theirs better. The new model appears whole or not at all; a service that runs goes over
    to it. The old one stays until then.
    """
    needs_serving()
    if full and new_only:
        raise SettingError("--full and --new-only exclude each other: learning from scratch needs all ratings")
    if hold_out and not full:
        raise SettingError("--hold-out goes with --full: the model has seen the ratings that it goes on from")
    from harmonium.serving.store import Store

    began, narrate, place = time.monotonic(), narrator(quiet), output or model
    check_folder(place)
    old = of_ratings(model)
    stored = list(Store(opened(store)).everything())
    digest = digest_of(stored)
    if not force and digest == (old.record or {}).get("store", digest_of([])):
        narrate("the store holds no ratings that this model has not learned from; --force learns all the same")
        _report(as_json, model, "nothing new", None, 0, time.monotonic() - began)
        return
    asked = Retraining(old, stored, digest, epochs, hold_out, quiet, began)
    if new_only:
        found, n_ratings, how = _from_new_alone(asked, narrate), len(stored), "new ratings alone"
    else:
        dataset = read_source(_source(old, source), **options)
        found, n_ratings = (_from_scratch if full else _going_on)(asked, dataset, narrate)
        how = "from scratch" if full else "going on"
    if found is not None:
        found.save(place)
    _report(as_json, place, how if found else "not better", n_ratings, len(stored), time.monotonic() - began)


class Retraining(NamedTuple):
    """What was asked."""

    old: Recommender
    stored: list[Row]
    digest: str  # of what is stored
    epochs: int
    hold_out: float
    quiet: bool
    began: float


def _from_scratch(asked: Retraining, dataset: Dataset, narrate: Narrate) -> tuple[Recommender, int]:
    joined = together(dataset.ratings, asked.stored, asked.old)
    narrate(f"{dataset.name}: {dataset.ratings!r}; with the store's: {joined.ratings!r}; learning from scratch")
    known, held = held_out(joined.ratings, asked.hold_out)
    estimator = RatingRBM(**asked.old.machine.get_params())
    learn(estimator, known, asked.quiet)
    found, seconds = measured(estimator, known, held), time.monotonic() - asked.began
    kept = record(estimator, known, found, asked.hold_out, seconds, source=dataset.name, terms=dataset.licence)
    kept |= {"store": asked.digest, "store_users": joined.added}
    learned_from = known if isinstance(known, Ratings) else joined.ratings
    return _recommender(asked.old, estimator, joined.ratings, dataset, kept, learned_from), joined.ratings.n_ratings


def _going_on(asked: Retraining, dataset: Dataset, narrate: Narrate) -> tuple[Recommender, int]:
    joined = together(dataset.ratings, asked.stored, asked.old)
    narrate(f"{dataset.name}: {dataset.ratings!r}; with the store's: {joined.ratings!r}; going on from the model")
    estimator = continued(asked.old, joined, asked.epochs)
    kept = _went_on(asked, estimator, joined.ratings, dataset.name) | {"store_users": joined.added}
    return _recommender(asked.old, estimator, joined.ratings, dataset, kept, joined.ratings), joined.ratings.n_ratings


def _from_new_alone(asked: Retraining, narrate: Narrate) -> Recommender | None:
    old = asked.old
    estimator, before, after = from_new_alone(old, asked.stored, asked.epochs)
    if estimator is None:
        narrate(f"log-loss of held-out ratings {before:.4f} before, {after:.4f} after: no better; the old model stays")
        return None
    narrate(f"log-loss of held-out ratings {before:.4f} before, {after:.4f} after")
    kept = {**(old.record or {}), "store": asked.digest, "retrained": "on the store's ratings alone"}
    return Recommender(estimator, old.items, old.scale, old.titles, old.like, kept, old.choices)


def _went_on(asked: Retraining, estimator: RatingRBM, ratings: Ratings, source: str) -> dict[str, Any]:
    """The record of a model that went on: its own, what it did since, and how its users are spread now."""
    old, users = dict(asked.old.record or {}), estimator.fitted_model.users
    events = [*old.get("events", ()), *(event.to_dict() for event in estimator.history_)]
    spread = None if users is None else free_energies(users, ratings)
    since = f"went on over {ratings.n_ratings:,} ratings; the evaluation is of the model before"
    new = {"source": source, "events": events, "free_energies": spread, "store": asked.digest, "retrained": since}
    return old | new


def _recommender(
    old: Recommender, estimator: RatingRBM, ratings: Ratings, dataset: Dataset, kept: dict[str, Any], known: Ratings
) -> Recommender:
    """The new recommender; where the old one learned choices, so does it, from the ratings that were not held out."""
    titles = old.titles if dataset.titles is None else dataset.titles.aligned_to(ratings.items)
    recommender = Recommender(estimator, ratings.items, ratings.scale, titles, old.like, kept)
    if old.choices is None:
        return recommender
    return recommender.with_choices(known, type(old.choices)().set_params(**old.choices.get_params()))


def digest_of(stored: list[Row]) -> str:
    """Hexadecimal SHA-256 of stored ratings; the same ratings have the same, whenever they were given.

    Parameters
    ----------
    stored : list of (user id, item id, rating or None, seconds since 1970)
    """
    rows = sorted(json.dumps(row[:3]) for row in stored)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _source(old: Recommender, given: str | None) -> str:
    source = given or (old.record or {}).get("source")
    if not source:
        raise SettingError("the model file does not say what it learned from; name the ratings: FILE|NAME")
    return source


def _report(as_json: bool, path: Path, how: str, n_ratings: int | None, n_stored: int, seconds: float) -> None:
    if as_json:
        print_json({"path": str(path), "how": how, "n_ratings": n_ratings, "n_stored": n_stored, "seconds": seconds})
    elif n_ratings is not None:
        print(f"{path}  {how}: {n_ratings:,} ratings, {n_stored:,} of them stored  {duration(seconds)}")
