"""harmonium batch."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from harmonium.cli.clustering import CLUSTER, cluster_of
from harmonium.cli.console import duration, narrator, print_json
from harmonium.cli.options import Count, Json, Model, Quiet, taking
from harmonium.cli.recommend import Allow, Deny, Genres, YearFrom, YearTo
from harmonium.cli.screen import line, sparingly
from harmonium.cli.taste import items_of
from harmonium.recommending.everyone import recommend_to_everyone
from harmonium.recommending.opening import open_model
from harmonium.recommending.wanted_lists import Lists

PANEL = "Reading the histories"
app = typer.Typer(add_completion=False)


def _column(role: str, more: str = "") -> Any:
    return typer.Option(rich_help_panel=PANEL, help=f"Name of the {role} column; guessed when not given{more}.")


def _reading(text: str) -> Any:
    return typer.Option(rich_help_panel=PANEL, help=text)


@app.command(epilog="Example: harmonium batch films.harmonium 'ratings/*.parquet' -o lists -n 20 --workers 4")
@taking(*CLUSTER)
def batch(
    model: Model,
    histories: Annotated[
        str, typer.Argument(metavar="FILES", help="Parquet files of ratings or choices; a glob pattern works.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="The folder of lists to write.")],
    n: Count = 10,
    include_seen: Annotated[bool, typer.Option("--include-seen", help="Also items of the history.")] = False,
    genre: Genres = None,
    year_from: YearFrom = None,
    year_to: YearTo = None,
    allow: Allow = None,
    deny: Deny = None,
    user: Annotated[str | None, _column("user")] = None,
    item: Annotated[str | None, _column("item")] = None,
    rating: Annotated[str | None, _column("rating", "; none makes every row a like")] = None,
    at_least: Annotated[
        float | None, _reading("Of a model of choices: only rows of at least this rating are choices.")
    ] = None,
    weights: Annotated[bool, _reading("Of a model of choices: ratings are weights, such as numbers of plays.")] = False,
    duplicates: Annotated[
        str | None,
        _reading("A second row of an item: error, first or last stays; of choices sum. Error, or sum, when not given."),
    ] = None,
    missing: Annotated[str | None, _reading("A row without a rating: error, the rule, seen or drop.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a folder that exists.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Recommend to everybody in files of histories: Parquet in, Parquet out.

    The model is one of ratings or of choices. To a model of choices every row is a choice, whatever its rating, unless
    --at-least or --weights says otherwise. The lists have the columns user_id, rank, item_id, title and score. The
    folder appears whole or not at all.
    """
    began, recommender, narrate = time.monotonic(), open_model(model), narrator(quiet)
    wanted = Lists(
        n, not include_seen, _tuple(items_of(recommender, allow)), _tuple(items_of(recommender, deny)),
        genres=_tuple(genre), years=None if year_from is None and year_to is None else (year_from, year_to),
    )  # fmt: skip
    told: Any = False if rating is not None and rating.lower() == "none" else rating
    reading = {"user": user, "item": item, "rating": told, "at_least": at_least, "weights": weights}
    reading |= {"duplicates": duplicates, "missing": missing}
    with cluster_of(**options) as engine:
        how = {"force": force, "engine": engine, "watch": sparingly(lambda event: narrate(line(event)))}
        recommend_to_everyone(model, histories, output, wanted, **reading, **how)
    seconds, files = time.monotonic() - began, sorted(output.glob("*.parquet"))
    if as_json:
        print_json({"path": str(output), "files": [file.name for file in files], "seconds": seconds})
    else:
        print(f"{output}  {len(files)} files  {duration(seconds)}")
        narrate("columns: user_id, rank, item_id, title where there are titles, score")


def _tuple(values: Any) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
