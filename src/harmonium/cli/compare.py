"""harmonium compare."""

from typing import Annotated, Any

import typer

from harmonium.cli.choices import TASK, Protocol, Test, print_comparison, settings_of, task_of, teller
from harmonium.cli.console import INTERRUPTED, narrator
from harmonium.cli.options import Json, Quiet, Source, taking
from harmonium.errors import SettingError
from harmonium.evaluation.choice_models import MODELS, made
from harmonium.evaluation.choice_models import compare as measure

DEFAULT = "popular,item-knn,gaussian,gaussian-dropout"
app = typer.Typer(add_completion=False)


@app.command(epilog="Example: harmonium compare ratings.csv --models popular,gaussian,semi-restricted")
@taking(*TASK)
def compare(
    source: Source,
    models: Annotated[str, typer.Option(help=f"Which, by comma, of {', '.join(MODELS)}.")] = DEFAULT,
    protocol: Protocol = "vae-cf",
    test: Test = None,
    n: Annotated[int, typer.Option("--n", "-n", help="Choices of each user that leave-last holds out.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Of the draw of what is held out; the published one if not given.")]
    = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="MODEL.SETTING=VALUE", help="A setting of a model. Repeatable.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:  # fmt: skip
    """Compare models of choices on one protocol: accuracy with standard errors, time and memory.

    The gain is that over the first model, on the same users; learning is the time it took; peak GB is how much the
    process grew at most meanwhile. Ctrl-C leaves the models that are measured by then.
    """
    given, names = settings_of(settings), [name.strip() for name in models.split(",")]
    for name in given:
        if name not in names:
            raise SettingError(f"--set: {name!r} is not among --models {models}")
    machines = {name: made(name, given.get(name)) for name in names}
    narrate = narrator(quiet)
    task = task_of(source, protocol, test, n, seed, narrate=narrate, **options)
    narrate(f"{protocol}: learning from {task.train!r}")
    found = measure(machines, task, teller(narrate))
    print_comparison(found, task.metrics, as_json, markdown)
    if found.left_out:
        narrate(f"interrupted: {', '.join(found.left_out)} not measured")
        raise typer.Exit(INTERRUPTED)
