"""harmonium train."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from harmonium.cli.clustering import CLUSTER, cluster_of
from harmonium.cli.console import duration, narrator, print_json
from harmonium.cli.learning import check_folder, learn
from harmonium.cli.options import Json, Quiet, Sources, taking
from harmonium.cli.reading import PATH, READING, titles_for
from harmonium.cli.recording import held_out, measured, record
from harmonium.cli.settings import HELP, machine, setting_options
from harmonium.cli.streaming import STREAMING, opened
from harmonium.data.stored import StoredRatings
from harmonium.errors import DataError
from harmonium.recommending.recommender import Recommender
from harmonium.training.engine import HERE

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: harmonium train ratings.csv --titles movies.csv -o films.harmonium")
@taking(*setting_options(), *READING, PATH, *STREAMING, *CLUSTER)
def train(
    source: Sources,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The model file to write.")],
    titles: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Titles, years and genres of the items, as MovieLens' movies.csv."),
    ] = None,
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
    """Learn from ratings and write a model file.

    Ctrl-C ends learning and writes the best model so far. The file appears whole or not at all. Ratings that memory
    does not hold are streamed from shards on disk.
    """
    if resume and checkpoint is None:
        raise typer.BadParameter("needs --checkpoint FILE, the file to go on from", param_hint="--resume")
    _check_files(output, checkpoint, log, resume, force)
    narrate, began = narrator(quiet), time.monotonic()
    settings = {name: options.pop(name) for name in HELP}
    place = {one.name: options.pop(one.name) for one in CLUSTER}
    with opened(source, output, quiet, narrate, **options) as training, cluster_of(**place) as engine:
        ratings = training.ratings
        narrate(f"{training.name}: {ratings!r}")
        named, estimator = titles_for(ratings.items, training.titles, titles), machine(settings)
        known, asked = held_out(ratings, hold_out)
        interrupted = learn(estimator, known, quiet, checkpoint, resume, log, engine or HERE)
        seconds = time.monotonic() - began
        found = measured(estimator, known, asked)
        kept = record(estimator, known, found, hold_out, seconds, source=training.name, terms=training.terms)
        Recommender(estimator, ratings.items, ratings.scale, named, record=kept).save(output)
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
