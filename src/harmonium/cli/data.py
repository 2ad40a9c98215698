"""harmonium data."""

from typing import Any

import typer

from harmonium.cli.console import bar, percent, print_json, print_table
from harmonium.cli.options import Json, Source, taking
from harmonium.cli.reading import PATH, READING, read_source
from harmonium.cli.summary import Summary, summary

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def data() -> None:
    """Look at ratings before learning from them."""


@app.command(epilog="Example: harmonium data describe ratings.csv --scale 1:5")
@taking(*READING, PATH)
def describe(source: Source, as_json: Json = False, **reading: Any) -> None:
    """Count users, items and ratings, and show how they are spread."""
    dataset = read_source(source, **reading)
    found = summary(dataset.ratings)
    if as_json:
        print_json(found)
        return
    print_table(("", dataset.name), _facts(found, dataset.licence), left=("", dataset.name))
    _print_levels(found)
    if found.per_user:
        names = list(found.per_user)
        rows = (
            [what, *(f"{value:,.0f}" for value in quantiles.values())]
            for what, quantiles in (("user", found.per_user), ("item", found.per_item))
        )
        print()
        print_table(("Entries of a", *names), rows, left=("Entries of a",))


def _facts(found: Summary, licence: str) -> list[tuple[str, str]]:
    facts = [
        ("users", f"{found.n_users:,}"),
        ("items", f"{found.n_items:,}"),
        ("ratings", f"{found.n_ratings:,}"),
        ("density", f"{100 * found.density:.3g} %"),
        ("scale", found.scale),
    ]
    if found.n_seen_only:
        facts.insert(3, ("seen, not rated", f"{found.n_seen_only:,}"))
    if found.mean is not None and found.deviation is not None:
        facts.append(("mean", f"{found.mean:.3f}, standard deviation {found.deviation:.3f}"))
    if found.first:
        facts.append(("time", f"{found.first} to {found.last} UTC"))
    return [*facts, ("terms", licence)] if licence else facts


def _print_levels(found: Summary) -> None:
    most, total = max(found.levels.values()), max(1, found.n_ratings)
    rows = (
        [f"{level:g}", f"{count:,}", percent(count / total), bar(count / max(1, most))]
        for level, count in reversed(found.levels.items())
    )
    print()
    print_table(("Rating", "Count", "Share", ""), rows, left=("",))
