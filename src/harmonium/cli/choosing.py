"""Model files of choices on the command line: learning one, and what the commands answer by it."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import typer

from harmonium.cli.choices import read_choices, value_of
from harmonium.cli.console import narrator
from harmonium.cli.learning import logging
from harmonium.cli.reading import read_source
from harmonium.cli.screen import watching
from harmonium.cli.taste import item_of, raw_id
from harmonium.data import DATASETS, Interactions, Titles, read_titles, strong_split
from harmonium.errors import DataError, SettingError
from harmonium.estimators.choice import ChoiceModel
from harmonium.estimators.choice_file import MODELS as CLASSES
from harmonium.evaluation.choice_models import MODELS, made
from harmonium.evaluation.choice_protocols import paired
from harmonium.evaluation.choices import CUTOFFS, ListComparison, evaluate_lists
from harmonium.events import Event
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.validated import split_users
from harmonium.training.settings import check_share

TRAINED = tuple(name for name in MODELS if type(made(name)).__name__ in CLASSES)
SHOWN = ("capped_recall@20", "capped_recall@50", "ndcg@100")  # of a model file
AUTO, USUAL = "auto", "gaussian-dropout"  # the model where none is named and there are no ratings
SEED = 0  # of the people held out
VALIDATION_SHARE = 0.1  # of the users, to calibrate on
PROTOCOL = "{:g} % of the users were held out before learning, and a fifth of what each chose was asked"
OF_READING = ("user", "item", "rating", "time", "ids", "path", "at_least", "weights")


def model_of(name: str, given: Mapping[str, Any], texts: Sequence[str] | None) -> ChoiceModel:
    """The model of a name, with its settings.

    Parameters
    ----------
    name : str
        Of `TRAINED`.
    given : mapping
        Settings that were given as options.
    texts : sequence of str, optional
        Further ones, "SETTING=VALUE".
    """
    if name not in TRAINED:
        raise SettingError(f"model: {name!r} is not one of ratings, {', '.join(TRAINED)}")
    settings, known = dict(given), made(name).get_params()
    for text in texts or ():
        setting, equals, value = text.partition("=")
        if not (equals and setting):
            raise SettingError(f"--set: {text!r} is not SETTING=VALUE, such as ridge=200")
        settings[setting] = value_of(value)
    for setting in settings:
        if setting not in known:
            raise SettingError(f"{setting}: {name} has no such setting; it has {', '.join(known)}")
    return made(name, settings)


class Asked(NamedTuple):
    """What `harmonium train` was asked to learn of choices."""

    source: str
    model: str  # of `TRAINED`, or `AUTO`
    given: Mapping[str, Any]  # settings that were named as options
    hold_out: float  # share of the users to measure on
    titles: Path | None
    checkpoint: Path | None
    resume: bool
    log: Path | None
    quiet: bool
    options: Mapping[str, Any]  # of reading; and at_least, weights, more


def train(asked: Asked, output: Path) -> dict[str, Any]:
    """Learn what people choose and write the model file; what `--json` prints.

    Parameters
    ----------
    asked : Asked
    output : Path
    """
    began, narrate = time.monotonic(), narrator(asked.quiet)
    name = USUAL if asked.model == AUTO else asked.model
    given, validation = dict(asked.given), VALIDATION_SHARE
    if "validation_fraction" in given:
        validation = given.pop("validation_fraction")
    model = model_of(name, given, asked.options["more"])
    for share, value in (("hold_out", asked.hold_out), ("validation_fraction", validation)):
        check_share(share, value, 0.0, 1.0)
    reading = {key: asked.options[key] for key in OF_READING}
    x, titles, facts = _source(asked.source, asked.titles, reading)
    narrate(f"{asked.source}: {x!r}; learning {model!r}")
    parts = strong_split(x, asked.hold_out, rng=SEED) if asked.hold_out else None
    everybody = x if parts is None else parts.train
    if validation and split_users(everybody, validation, SEED) is None:
        narrate("too few users to calibrate on: scores will not come as probabilities")
        validation = 0.0
    recommender, events = _learned(everybody, titles, model, validation, asked)
    seconds = time.monotonic() - began
    record = {**facts, "model": name, "seconds": seconds, "events": events, "evaluation": None}
    recommender.record = record
    recommender.save(output)  # before anything else can be interrupted
    interrupted = any(event["kind"] == "ended" and event["reason"] == "interrupted" for event in events)
    if parts is not None:
        narrate(f"measuring lists of {parts.held_out.n_users:,} users held out")
        found = evaluate_lists(recommender.model, parts.fold_in, parts.held_out, CUTOFFS, everybody)
        record["evaluation"] = {"protocol": PROTOCOL.format(100 * asked.hold_out), **found.to_dict()}
        recommender.save(output)
    sizes = {"n_users": everybody.n_users, "n_items": everybody.n_items, "n_choices": everybody.n_entries}
    return {
        "path": str(output),
        "bytes": output.stat().st_size,
        "model": name,
        **sizes,
        "calibrated": recommender.model.calibration_ is not None,
        "evaluation": record["evaluation"],
        "interrupted": interrupted,
        "seconds": time.monotonic() - began,
        "machines": [event for event in events if event["kind"] == "ended"],
    }


def _learned(
    x: Interactions, titles: Titles | None, model: ChoiceModel, validation: float, asked: Asked
) -> tuple[ChoiceRecommender, list[dict[str, Any]]]:
    """The recommender, and the events of its learning as plain values."""
    how: dict[str, Any] = {"validation": validation or None, "random_state": SEED}
    if model.learns_in_epochs:
        how |= {"checkpoint": asked.checkpoint, "resume": asked.resume}
    elif asked.checkpoint is not None:
        narrator(asked.quiet)("a closed form is learned in one go: there is no checkpoint to write or to go on from")
    events: list[dict[str, Any]] = []
    with logging(asked.log, asked.resume) as write, watching(asked.quiet) as show:

        def look(event: Event) -> None:
            events.append(event.to_dict())
            write(event)
            show(event)

        return ChoiceRecommender.fit(x, titles, model=model, watch=look, **how), events


def _source(source: str, titles: Path | None, reading: Mapping[str, Any]) -> tuple[Interactions, Titles | None, dict]:
    x = read_choices(source, **reading)
    if titles is not None and not titles.is_file():
        raise DataError(f"{titles}: there is no such file; --titles names a file of item ids and titles")
    named, terms = None if titles is None else read_titles(titles), ""
    if source in DATASETS:
        dataset = read_source(source, reading.get("path"))
        named, terms = named or dataset.titles, dataset.licence
    return x, named, {"source": source, "terms": terms, "at_least": reading.get("at_least")}


def history_of(
    recommender: ChoiceRecommender, like: Sequence[str] | None, history: Path | None, user: str | None
) -> dict[Any, float]:
    """What someone chose, with weights, for `ChoiceRecommender.history`.

    Parameters
    ----------
    recommender : ChoiceRecommender
    like : sequence of str, optional
        Items, perhaps as "title=weight".
    history : Path, optional
        A file of choices.
    user : str, optional
        Whose row of it.
    """
    if (history is None) != (user is None):
        raise typer.BadParameter("--history FILE and --user ID belong together", param_hint="--history / --user")
    found: dict[Any, float] = {}
    if history is not None and user is not None:
        x = read_choices(str(history), ids="auto", rating=None)
        one = x.rows([x.users.index(raw_id(x.users, user))])
        known = one.brought_to(recommender.items)
        if one.n_entries and not known.n_entries:
            raise DataError(f"{history}: the model knows none of the {one.n_entries} items of user {user}")
        found |= {recommender.items[int(k)]: 1.0 for k in known.item}
    for text in like or ():
        item, weight = _weighted(recommender, text)
        found[item] = found.get(item, 0.0) + weight
    return found


def _weighted(recommender: ChoiceRecommender, text: str) -> tuple[int | str, float]:
    """An item and its weight from "title=weight"; a tail that is no number belongs to the title."""
    name, _, tail = text.rpartition("=")
    try:
        return (item_of(recommender, name), float(tail)) if name else (item_of(recommender, text), 1.0)
    except ValueError:
        return item_of(recommender, text), 1.0


def measured(
    recommender: ChoiceRecommender, history: Path, test: Path, at_least: float | None, reading: Mapping[str, Any]
) -> ListComparison:
    """The lists of a model file for people of two files.

    Parameters
    ----------
    recommender : ChoiceRecommender
    history, test : Path
        What is known of each person, and what they chose besides.
    at_least : float, optional
    reading : mapping
        For `read_choices`.
    """
    asked = paired(*(read_choices(str(path), at_least, **reading) for path in (history, test)))
    found = evaluate_lists(recommender.model, asked.history, asked.held_out, CUTOFFS)
    return ListComparison({type(recommender.model).__name__: found}, {})
