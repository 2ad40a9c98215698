"""harmonium tune."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from harmonium.cli.choices import TASK, Protocol, Test, settings_of, task_of
from harmonium.cli.console import INTERRUPTED, narrator, print_json, print_table
from harmonium.cli.options import Json, Quiet, Source, taking
from harmonium.errors import SettingError
from harmonium.evaluation.tuning import SPACES
from harmonium.evaluation.tuning import tune as search

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: harmonium tune ratings.csv --model gaussian-dropout --study films.db")
@taking(*TASK)
def tune(
    source: Source,
    model: Annotated[str, typer.Option(help=f"Which of {', '.join(SPACES)}.")] = "gaussian-dropout",
    protocol: Protocol = "vae-cf",
    test: Test = None,
    trials: Annotated[int, typer.Option(help="In all; those that --study holds already count.")] = 30,
    study: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keeps the trials; an existing one is gone on with.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Such as ndcg@100; the protocol's last one if not given.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="MODEL.SETTING=VALUE", help="A setting that is not tried. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the trials.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Choose settings of a model of choices on validation users; test users are never looked at.

    Trials that fall behind are cut short. Ctrl-C leaves the best of the trials made by then.
    """
    given, narrate = settings_of(settings), narrator(quiet)
    if model not in SPACES:
        raise SettingError(f"model: {model!r} cannot be tuned; {', '.join(SPACES)} can")
    for name in given:
        if name != model:
            raise SettingError(f"--set: {name!r} is not --model {model}")
    task = task_of(source, protocol, test, narrate=narrate, **options)
    narrate(f"{protocol}: {trials} trials of {model}, learned from {task.tuning_train!r}")

    def look(number: int, tried: dict[str, Any], value: float | None) -> None:
        shown = ", ".join(f"{name} {setting:.4g}" for name, setting in tried.items())
        narrate(f"trial {number}: {'cut short' if value is None else f'{value:.4f}'} with {shown}")

    how = {"metric": metric or task.metrics[-1], "study": study, "seed": seed, "fixed": given.get(model)}
    found = search(model, task, trials, **how, look=look)
    if as_json:
        print_json(asdict(found))
    else:
        values = [f"{value:.5g}" if isinstance(value, float) else str(value) for value in found.settings.values()]
        title = f"{found.model}: {found.metric} {found.value:.4f} on validation users after {found.n_trials} trials"
        print_table(("Setting", "Value"), zip(found.settings, values), left=("Setting",), title=title)
    if found.interrupted:
        narrate(f"interrupted after {found.n_trials} of {trials} trials")
        raise typer.Exit(INTERRUPTED)
