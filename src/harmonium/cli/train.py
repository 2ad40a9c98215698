"""harmonium train."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from harmonium.cli import choices, choosing
from harmonium.cli.console import duration, narrator, print_json
from harmonium.cli.learning import check_folder, learn
from harmonium.cli.options import Json, Quiet, Source, option, taking, was_given
from harmonium.cli.reading import LEAVE_OUT, PATH, READING, read_source, titles_for
from harmonium.cli.recording import held_out, measured, record
from harmonium.cli.settings import HELP, machine, setting_options
from harmonium.data import Dataset, MissingColumnError
from harmonium.errors import DataError, SettingError
from harmonium.recommending.recommender import Recommender

RATINGS = "ratings"
OF_CHOICES = ("at_least", "weights", "more")
PANEL = "Learning choices"
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
@taking(*setting_options(), choices.AT_LEAST, WEIGHTS, SET, *READING, PATH)
def train(
    ctx: typer.Context,
    source: Source,
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

    Ctrl-C ends learning from ratings and writes the best model so far. The file appears whole or not at all.

    Of clicks, plays or purchases: harmonium train clicks.csv -o shop.harmonium. Of ratings as choices: harmonium train
    ratings.csv --model semi-restricted --at-least 4 -o next.harmonium. Settings of learning that such a model has too
    are its own then; others go by --set.
    """
    if resume and checkpoint is None:
        raise typer.BadParameter("needs --checkpoint FILE, the file to go on from", param_hint="--resume")
    _check_files(output, checkpoint, log, resume, force)
    narrate, began = narrator(quiet), time.monotonic()
    settings = {name: options.pop(name) for name in HELP}
    of_choices = {name: options.pop(name) for name in OF_CHOICES}
    dataset = _ratings(source, model, narrate, options) if model in (choosing.AUTO, RATINGS) else None
    if dataset is None:
        if checkpoint is not None:
            raise SettingError("--checkpoint is of learning from ratings; a model of choices is learned in one go")
        given = {name: settings[name] for name in HELP if was_given(ctx, name)}
        asked = choosing.Asked(source, model, given, hold_out, titles, log, quiet, options | of_choices)
        _report_choices(output, choosing.train(asked, output), as_json, narrate)
        return
    for name in (name for name in OF_CHOICES if was_given(ctx, name)):
        flag = "--set" if name == "more" else "--" + name.replace("_", "-")
        raise SettingError(f"{flag} is of learning choices; name a --model of them, such as {choosing.USUAL}")
    ratings, named = dataset.ratings, titles_for(dataset, titles)
    narrate(f"{dataset.name}: {ratings!r}")
    estimator, (known, asked) = machine(settings), held_out(ratings, hold_out)
    interrupted = learn(estimator, known, quiet, checkpoint, resume, log)
    seconds = time.monotonic() - began
    found = measured(estimator, known, asked)
    kept = record(estimator, known, found, hold_out, seconds, source=dataset.name, terms=dataset.licence)
    recommender = Recommender(estimator, ratings.items, ratings.scale, named, record=kept)
    recommender.save(output)  # before anything else can be interrupted
    if choices_too:
        narrate("learning what people choose, for ranking")
        recommender.with_choices(known).save(output)
    seconds = time.monotonic() - began
    if interrupted:  # said even when quiet: the model is not what was asked for
        narrator(quiet=False)(f"interrupted: the best model so far was saved in {output}")
    if as_json:
        print_json(_result(output, ratings, estimator, interrupted, seconds))
    else:
        print(f"{output}  {output.stat().st_size / 1e6:.1f} MB  {duration(seconds)}")
        narrate(f'next: harmonium recommend {output} --like "..."')


def _check_files(output: Path, checkpoint: Path | None, log: Path | None, resume: bool, force: bool) -> None:
    """Fail before the work rather than after it."""
    for path, is_input in ((output, False), (checkpoint, resume), (log, resume)):
        if path is None:
            continue
        check_folder(path)
        if path.exists() and not (force or is_input):
            more = "; --resume goes on from it" if path == checkpoint else ""
            raise DataError(f"{path}: exists already{more}; --force replaces it")


def _ratings(source: str, model: str, narrate: Any, reading: dict[str, Any]) -> Dataset | None:
    """The ratings; None where there are none and choices are to be learned then."""
    without = (reading["rating"] or "").lower() in LEAVE_OUT
    try:
        return None if without and model == choosing.AUTO else read_source(source, **reading)
    except MissingColumnError as error:
        if error.role != "rating" or model == RATINGS:
            raise
        narrate(f"{source}: has no column of ratings, so that what people choose is learned")
        return None


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
        "interrupted": interrupted,
        "seconds": seconds,
        "machines": [event.to_dict() for event in estimator.history_ if event.kind == "ended"],
    }
