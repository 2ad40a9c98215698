"""harmonium train."""

import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from harmonium.cli import choices, choosing
from harmonium.cli.clustering import CLUSTER, cluster_of
from harmonium.cli.console import duration, narrator, print_json
from harmonium.cli.learning import check_folder, learn
from harmonium.cli.options import Json, Quiet, Sources, option, taking, was_given
from harmonium.cli.reading import LEAVE_OUT, PATH, READING, titles_for
from harmonium.cli.recording import held_out, measured, record
from harmonium.cli.settings import HELP, machine, setting_options
from harmonium.cli.streaming import STREAMING, opened
from harmonium.data import MissingColumnError, Ratings
from harmonium.data.stored import StoredRatings
from harmonium.errors import DataError, SettingError
from harmonium.recommending.recommender import Recommender
from harmonium.training.engine import HERE

RATINGS = "ratings"
OF_CHOICES = ("at_least", "weights", "more")
STREAMED = tuple(parameter.name for parameter in STREAMING)
CLUSTERED = tuple(parameter.name for parameter in CLUSTER)
PANEL = "Learning choices"
INTERRUPTED = "interrupted: the best model so far was saved in {}"
WEIGHTS = option(
    "weights", bool, False,
    typer.Option("--weights", rich_help_panel=PANEL, help="The rating column is a weight, such as a number of plays."),
)  # fmt: skip
SET = option(
    "more", list[str] | None, None,
    typer.Option("--set", metavar="SETTING=VALUE", rich_help_panel=PANEL, help="A setting of --model. Repeatable."),
)  # fmt: skip
app = typer.Typer(add_completion=False)


@app.command(epilog="Example: harmonium train ratings.csv --titles movies.csv -o films.harmonium")
@taking(*setting_options(), choices.AT_LEAST, WEIGHTS, SET, *READING, PATH, *STREAMING, *CLUSTER)
def train(
    ctx: typer.Context,
    source: Sources,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The model file to write.")],
    titles: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Titles, years and genres of the items, as MovieLens' movies.csv."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help=f"ratings; or, to learn what people choose next: {', '.join(choosing.TRAINED)}. auto is ratings where "
            f"there is a column of them, else {choosing.USUAL}."
        ),
    ] = choosing.AUTO,
    choices_too: Annotated[
        bool,
        typer.Option("--choices/--no-choices", help="Also learn what people choose, so that lists are ranked by both."),
    ] = True,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one here from time to time, for --resume.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint, bit for bit.")] = False,
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every event here, as JSON lines.")] = None,
    hold_out: Annotated[
        float, typer.Option(metavar="SHARE", help="Hold so many ratings out and keep the evaluation in the file.")
    ] = 0.0,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Learn from ratings, or from what people chose, and write a model file.

    Ctrl-C ends learning and writes the best model so far. The file appears whole or not at all. Ratings
    that memory does not hold are streamed from shards on disk.

    Of clicks, plays or purchases: harmonium train clicks.csv -o shop.harmonium. Of ratings as choices: harmonium train
    ratings.csv --model semi-restricted --at-least 4 -o next.harmonium. Settings of learning that such a model has too
    are its own then; others go by --set.
    """
    if resume and checkpoint is None:
        raise typer.BadParameter("needs --checkpoint FILE, the file to go on from", param_hint="--resume")
    _check_files(output, checkpoint, log, resume, force)
    narrate = narrator(quiet)
    settings = {name: options.pop(name) for name in HELP}
    named = frozenset(name for name in (*HELP, *OF_CHOICES, *STREAMED, *CLUSTERED) if was_given(ctx, name))
    ask = Ask(source, output, titles, model, checkpoint, resume, log, hold_out, choices_too, named, as_json, quiet)
    if model not in (choosing.AUTO, RATINGS) or (model == choosing.AUTO and _without_ratings(options)):
        _train_choices(ask, settings, options)
        return
    try:
        _train_ratings(ask, settings, options)
    except MissingColumnError as error:
        if error.role != "rating" or model == RATINGS:
            raise
        narrate(f"{source[0]}: has no column of ratings, so that what people choose is learned")
        _train_choices(ask, settings, options)


class Ask(NamedTuple):
    """What was asked, whatever is learned."""

    sources: list[str]
    output: Path
    titles: Path | None
    model: str
    checkpoint: Path | None
    resume: bool
    log: Path | None
    hold_out: float
    choices_too: bool  # whether a machine of choices is learned beside one of ratings
    named: frozenset[str]  # options that were given
    as_json: bool
    quiet: bool


def _train_ratings(ask: Ask, settings: dict[str, Any], options: dict[str, Any]) -> None:
    for name in (name for name in OF_CHOICES if name in ask.named):
        flag = "--set" if name == "more" else "--" + name.replace("_", "-")
        raise SettingError(f"{flag} is of learning choices; name a --model of them, such as {choosing.USUAL}")
    place = {name: options[name] for name in CLUSTERED}
    reading = {name: value for name, value in options.items() if name not in (*OF_CHOICES, *CLUSTERED)}
    narrate, began = narrator(ask.quiet), time.monotonic()
    files = opened(ask.sources, ask.output, ask.quiet, narrate, **reading)
    with files as training, cluster_of(**place) as engine:
        ratings = training.ratings
        narrate(f"{training.name}: {ratings!r}")
        titles, estimator = titles_for(ratings.items, training.titles, ask.titles), machine(settings)
        known, asked = held_out(ratings, ask.hold_out)
        interrupted = learn(estimator, known, ask.quiet, ask.checkpoint, ask.resume, ask.log, engine or HERE)
        seconds = time.monotonic() - began
        found = measured(estimator, known, asked)
        kept = record(estimator, known, found, ask.hold_out, seconds, source=training.name, terms=training.terms)
        recommender = Recommender(estimator, ratings.items, ratings.scale, titles, record=kept)
        recommender.save(ask.output)  # before anything else can be interrupted
        if ask.choices_too and isinstance(known, Ratings):
            narrate("learning what people choose, for ranking")
            recommender.with_choices(known).save(ask.output)
        elif ask.choices_too:
            narrate("ratings are streamed, so that what people choose is not learned for ranking")
    seconds = time.monotonic() - began
    if interrupted:  # said even when quiet: the model is not what was asked for
        narrator(quiet=False)(INTERRUPTED.format(ask.output))
    if ask.as_json:
        print_json(_result(ask.output, ratings, estimator, interrupted, seconds))
    else:
        print(f"{ask.output}  {ask.output.stat().st_size / 1e6:.1f} MB  {duration(seconds)}")
        narrate(f'next: harmonium recommend {ask.output} --like "..."')


def _train_choices(ask: Ask, settings: dict[str, Any], options: dict[str, Any]) -> None:
    for name in (name for name in (*STREAMED, *CLUSTERED) if name in ask.named):
        raise SettingError(f"--{name.replace('_', '-')} is of learning from ratings; leave it out")
    if len(ask.sources) > 1:
        raise DataError(f"{ask.sources[1]}: choices are learned from one file; put them together first")
    given = {name: settings[name] for name in HELP if name in ask.named}
    reading = {name: value for name, value in options.items() if name not in (*STREAMED, *CLUSTERED)}
    source, files = ask.sources[0], (ask.titles, ask.checkpoint, ask.resume, ask.log)
    asked = choosing.Asked(source, ask.model, given, ask.hold_out, *files, ask.quiet, reading)
    done = choosing.train(asked, ask.output)
    if done["interrupted"]:  # said even when quiet: the model is not what was asked for
        narrator(quiet=False)(INTERRUPTED.format(ask.output))
    _report_choices(ask.output, done, ask.as_json, narrator(ask.quiet))


def _without_ratings(options: dict[str, Any]) -> bool:
    """Whether the column of ratings is said to be none."""
    return (options["rating"] or "").lower() in LEAVE_OUT


def _check_files(output: Path, checkpoint: Path | None, log: Path | None, resume: bool, force: bool) -> None:
    """Fail before the work rather than after it."""
    for path, is_input in ((output, False), (checkpoint, resume), (log, resume)):
        if path is None:
            continue
        check_folder(path)
        if path.exists() and not (force or is_input):
            more = "; --resume goes on from it" if path == checkpoint else ""
            raise DataError(f"{path}: exists already{more}; --force replaces it")


def _report_choices(output: Path, done: dict[str, Any], as_json: bool, narrate: Any) -> None:
    if as_json:
        print_json(done)
        return
    print(f"{output}  {done['bytes'] / 1e6:.1f} MB  {duration(done['seconds'])}")
    if done["evaluation"] is not None:
        print("  ".join(f"{name} {done['evaluation'][name]:.4f}" for name in choosing.SHOWN))
    narrate(f'next: harmonium recommend {output} --like "..."')


def _result(output: Path, ratings: Any, estimator: Any, interrupted: bool, seconds: float) -> dict[str, Any]:
    return {
        "path": str(output),
        "bytes": output.stat().st_size,
        "n_users": ratings.n_users,
        "n_items": ratings.n_items,
        "n_ratings": ratings.n_ratings,
        "n_shards": ratings.n_shards if isinstance(ratings, StoredRatings) else None,
        "interrupted": interrupted,
        "seconds": seconds,
        "machines": [event.to_dict() for event in estimator.history_ if event.kind == "ended"],
    }
