"""harmonium units."""

from collections.abc import Sequence
from typing import Annotated

import typer

from harmonium.cli.console import print_json, print_table
from harmonium.cli.options import Json, Model
from harmonium.cli.showing import print_unit
from harmonium.errors import SettingError
from harmonium.recommending.opening import open_model

N_SHORT = 2  # items an end in the list of all units
app = typer.Typer(add_completion=False)


@app.command(epilog="Example: harmonium units films.harmonium --unit 7")
def units(
    model: Model,
    unit: Annotated[int | None, typer.Option(metavar="J", help="One unit, counted from 0; all when not given.")] = None,
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="Items at each end of the one unit.")] = 8,
    as_json: Json = False,
) -> None:
    """Show what the hidden units stand for.

    Each unit has two ends: items whose likes turn it on, and items whose likes turn it off.
    """
    recommender = open_model(model)
    if unit is not None:
        found = recommender.describe_unit(unit, n)
        if as_json:
            print_json(found)
        else:
            print_unit(found)
        return
    listed = [recommender.describe_unit(j, N_SHORT) for j in range(recommender.n_units)]
    if as_json:
        print_json(listed)
        return
    if not listed:
        raise SettingError(
            f"{model}: has no hidden units to describe: a machine whose cases are users has, and one of choices "
            "unless it is a closed form"
        )
    rows = ((str(one.unit), _titles(one.positive), _titles(one.negative)) for one in listed)
    ends = ("Likes turn it on", "Likes turn it off")
    print_table(("Unit", *ends), rows, left=ends)


def _titles(end: Sequence[tuple]) -> str:
    return "; ".join(title for _, title, *_ in end)
