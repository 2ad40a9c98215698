"""harmonium evaluate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harmonium.cli import choices, choosing
from harmonium.cli.console import narrator, print_json
from harmonium.cli.learning import learn
from harmonium.cli.options import Json, Quiet, taking, was_given
from harmonium.cli.protocols import PROTOCOLS, Parts, split
from harmonium.cli.reading import PATH, READING, read_file, read_source
from harmonium.cli.settings import HELP, machine, setting_options
from harmonium.cli.showing import print_evaluation
from harmonium.data import MissingColumnError, Ratings
from harmonium.errors import DataError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.evaluation.choice_models import MODELS, compare, made
from harmonium.evaluation.choice_protocols import CHOICE_PROTOCOLS
from harmonium.evaluation.choices import ListComparison
from harmonium.evaluation.ratings import Evaluation
from harmonium.evaluation.ratings import evaluate as measure
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.opening import open_model
from harmonium.recommending.recommender import Recommender

CHOICE_MODEL = "gaussian"
OF_LEARNING = frozenset(("source", "protocol", "fraction", "n", "seed", "path", "choice_model", "held_out", *HELP))
WHAT_IS_HELD_OUT = (
    f"What is held out. Of ratings: {', '.join(PROTOCOLS)} (whole users). Of choices, to measure ranked lists: "
    f"{', '.join(CHOICE_PROTOCOLS)}."
)
OF_CHOICES = tuple(parameter.name for parameter in choices.OF_CHOICES)
OF_MODEL = frozenset(("history", "test"))
app = typer.Typer(add_completion=False)


def _of_learning(text: str, *names: str) -> Any:
    return typer.Option(*names, rich_help_panel="Learning afresh", help=text)


def _of_model(text: str) -> Any:
    return typer.Option(metavar="FILE", rich_help_panel="Measuring a model file", help=text)


@app.command()
@taking(*setting_options(), choices.AT_LEAST, choices.HELD_OUT, *READING, PATH)
def evaluate(
    ctx: typer.Context,
    source: Annotated[
        str | None, typer.Argument(metavar="[FILE|NAME]", help="Ratings to split and learn from; none with --model.")
    ] = None,
    protocol: Annotated[str, _of_learning(WHAT_IS_HELD_OUT)] = PROTOCOLS[0],
    fraction: Annotated[
        float | None,
        _of_learning("Share held out, under strong of the users; a tenth, per-user a fifth, if not given."),
    ] = None,
    n: Annotated[int, _of_learning("Entries of each user that last-n holds out.", "--n", "-n")] = 1,
    seed: Annotated[
        int | None, _of_learning("Of the draw of what is held out; 0, under vae-cf the published one, if not given.")
    ] = None,
    choice_model: Annotated[
        str, _of_learning(f"Under a protocol of choices, which of {', '.join(MODELS)}.")
    ] = CHOICE_MODEL,
    model: Annotated[Path | None, _of_model("The model file.")] = None,
    history: Annotated[Path | None, _of_model("Ratings that tell what is known of each user.")] = None,
    test: Annotated[Path | None, _of_model("Ratings to predict; none that the model learned from.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Measure predictions of held-out ratings, against simple baselines.

    Hold out a part, learn from the rest, and measure: harmonium evaluate ratings.csv --protocol random

    Or measure a model file: harmonium evaluate --model films.harmonium --history known.csv --test new.csv
    """
    settings = {name: options.pop(name) for name in HELP}
    _check_form(ctx, source, model, history, test)
    of_choices = {name: options.pop(name) for name in ("at_least", "held_out")}
    if model is None and protocol in CHOICE_PROTOCOLS:
        given = {name: value for name, value in settings.items() if was_given(ctx, name)}
        split_by = {"protocol": protocol, "test": None, "n": n, "seed": seed, "fraction": fraction}
        reading = {name: options[name] for name in (*OF_CHOICES, "path")}
        lists, metrics = _lists(str(source), choice_model, given, quiet, **split_by, **of_choices, **reading)
        choices.print_comparison(lists, metrics, as_json, markdown)
        return
    if model is not None and history is not None and test is not None:
        recommender = open_model(model)
        if isinstance(recommender, ChoiceRecommender):
            reading = {name: options[name] for name in OF_CHOICES}
            lists = choosing.measured(recommender, history, test, of_choices["at_least"], reading)
            choices.print_comparison(lists, choosing.SHOWN, as_json, markdown)
            return
        options.pop("path")
        found = _of_file(recommender, history, test, options)
    else:
        parts = split(_ratings(str(source), options), protocol, fraction, n, seed or 0)
        found = _afresh(machine(settings), parts, protocol, quiet)
    if not found.leak_checked:
        narrator(quiet)("the model does not remember what it learned from: make sure that it was none of these ratings")
    if as_json:
        print_json(found.to_dict())
    else:
        print_evaluation(found, markdown)


def _lists(
    source: str,
    choice_model: str,
    settings: dict[str, Any],
    quiet: bool,
    **options: Any,  # of `choices.task_of`
) -> tuple[ListComparison, Sequence[str]]:
    """Learn a model of choices under a protocol and measure its lists; the metrics that the protocol reports."""
    if options["protocol"] == "lightgcn":
        raise typer.BadParameter("needs two files: harmonium compare TRAIN --protocol lightgcn --test TEST")
    narrate, learned = narrator(quiet), made(choice_model, settings)
    task = choices.task_of(source, narrate=narrate, **options)
    narrate(f"{options['protocol']}: learning from {task.train!r}")
    return compare({choice_model: learned}, task, choices.teller(narrate)), task.metrics


def _afresh(estimator: RatingRBM, parts: Parts, protocol: str, quiet: bool) -> Evaluation:
    """Learn from a part of the ratings and measure on the others."""
    narrate = narrator(quiet)
    narrate(f"{protocol}: learning from {parts.learned_from.n_ratings:,} ratings")
    learn(estimator, parts.learned_from, quiet)
    narrate(f"predicting {parts.asked.n_ratings:,} held-out ratings")
    others = None if parts.known is parts.learned_from else parts.learned_from  # what the baselines may know too
    return measure(estimator, parts.known, parts.asked, learned_from=others)


def _ratings(source: str, reading: dict[str, Any]) -> Ratings:
    try:
        return read_source(source, **reading).ratings
    except MissingColumnError as error:
        if error.role != "rating":
            raise
        raise DataError(f"{error}; lists of what people choose are measured under --protocol vae-cf") from None


def _check_form(ctx: Any, source: str | None, model: Path | None, history: Path | None, test: Path | None) -> None:
    """Refuse a mixture of the two forms of the command."""
    if model is None and source is None:
        raise typer.BadParameter("name ratings to learn from, or a model with --model", param_hint="FILE|NAME")
    wrong = OF_MODEL if model is None else OF_LEARNING
    for name in sorted(wrong & set(ctx.params)):
        if "COMMANDLINE" in str(ctx.get_parameter_source(name)):
            flag = "FILE|NAME" if name == "source" else "--" + name.replace("_", "-")
            more = "needs --model" if model is None else "does not go with --model"
            raise typer.BadParameter(more, param_hint=flag)
    if model is not None and (history is None or test is None):
        raise typer.BadParameter("needs --history FILE and --test FILE", param_hint="--model")


def _of_file(recommender: Recommender, history: Path, test: Path, reading: dict[str, Any]) -> Evaluation:
    known, asked = (read_file(path, recommender.scale, **reading) for path in (history, test))
    return measure(recommender, known, asked)
