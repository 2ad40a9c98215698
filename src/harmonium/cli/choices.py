"""What the commands about choices share: reading them, a protocol's parts, settings by name, tables."""

import ast
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from harmonium.cli.console import duration, fits, print_json, print_markdown, print_table
from harmonium.cli.options import option
from harmonium.cli.reading import LEAVE_OUT, PATH, READING, read_source
from harmonium.cli.screen import SECONDS_BETWEEN, line
from harmonium.data import DATASETS, Interactions, MissingColumnError, read_interactions
from harmonium.errors import DataError, SettingError
from harmonium.evaluation.choice_protocols import (
    CHOICE_PROTOCOLS,
    VAE_CF,
    ChoiceTask,
    global_time,
    leave_last,
    lightgcn,
    vae_cf,
)
from harmonium.evaluation.choices import ListComparison
from harmonium.events import Allocates, ChoiceEpochEnded, Ended, Event

LIKED = 4.0  # what the published recipe of Liang et al. 2018 keeps
PANEL = "Protocol"
Protocol = Annotated[str, typer.Option(rich_help_panel=PANEL, help=f"What is held out: {', '.join(CHOICE_PROTOCOLS)}.")]
Test = Annotated[
    Path | None, typer.Option(metavar="FILE", rich_help_panel=PANEL, help="The test file of the lightgcn protocol.")
]
AT_LEAST = option(
    "at_least", float | None, None,
    typer.Option(
        rich_help_panel=PANEL, help="Only ratings of at least this count as choices; 4 under vae-cf, else every row."
    ),
)  # fmt: skip
HELD_OUT = option(
    "held_out", int | None, None,
    typer.Option(rich_help_panel=PANEL, help="Users of validation, and as many of test, under vae-cf."),
)  # fmt: skip
OF_CHOICES = tuple(parameter for parameter in READING if parameter.name in ("user", "item", "rating", "time", "ids"))
TASK = (AT_LEAST, HELD_OUT, *OF_CHOICES, PATH)


def task_of(
    source: str, protocol: str, test: Path | None, n: int = 1, seed: int | None = None, fraction: float | None = None,
    narrate: Callable[[str], None] = lambda line: None, **options: Any,
) -> ChoiceTask:  # fmt: skip
    """Read choices and split them as a protocol says.

    Parameters
    ----------
    source : str
        A file, or the name of a known data set.
    protocol : str
        Of `CHOICE_PROTOCOLS`.
    test : Path, optional
        Of "lightgcn".
    n : int
        Of "leave-last".
    seed : int, optional
        The published one when None.
    fraction : float, optional
        Of "global-time".
    narrate : callable
        Told where a file has no ratings.
    **options
        From `TASK`.
    """
    if protocol not in CHOICE_PROTOCOLS:
        raise SettingError(f"protocol: {protocol!r} is not one of {', '.join(CHOICE_PROTOCOLS)}")
    if (test is not None) != (protocol == "lightgcn"):
        raise SettingError("--test FILE goes with --protocol lightgcn, which needs it")
    if n != 1 and protocol != "leave-last":
        raise SettingError(f"--n {n} is of --protocol leave-last, not {protocol}")
    reading = dict(options)
    held_out = reading.pop("held_out")
    if held_out is not None and protocol not in VAE_CF:
        raise SettingError(f"--held-out {held_out} is of --protocol vae-cf, not {protocol}")
    x, reading = _read(source, reading, protocol in ("vae-cf", "vae-cf-netflix"), narrate)
    if protocol in VAE_CF:
        return vae_cf(x, held_out, preset=protocol, **({} if seed is None else {"seed": seed}))
    if test is not None:
        return lightgcn(x, read_choices(str(test), **reading), seed=seed or 0)
    if protocol == "leave-last":
        return leave_last(x, n)
    return global_time(x, *(() if fraction is None else (fraction,)))


def _read(
    source: str, reading: dict[str, Any], liked: bool, narrate: Callable[[str], None]
) -> tuple[Interactions, dict[str, Any]]:
    """Who chose what, by default those rated at least `LIKED` where that is asked for and there are ratings."""
    if reading["at_least"] is not None or not liked:
        return read_choices(source, **reading), reading
    try:
        reading = {**reading, "at_least": LIKED}
        return read_choices(source, **reading), reading
    except MissingColumnError as error:
        if error.role != "rating":
            raise
    narrate(f"{source}: has no column of ratings, so that every row is a choice")
    reading = {**reading, "at_least": None}
    return read_choices(source, **reading), reading


def read_choices(
    source: str, at_least: float | None = None, path: Path | None = None, weights: bool = False, **reading: Any
) -> Interactions:
    """Read who chose what: a file, or a known data set.

    Parameters
    ----------
    source : str
    at_least : float, optional
        Only rows of at least this rating.
    path : Path, optional
        The folder of a data set that is not bundled.
    weights : bool
        Whether ratings are weights, such as numbers of plays.
    **reading
        user, item, rating, time and ids from `READING`.
    """
    if source in DATASETS:
        x = read_source(source, path).ratings.interactions(at_least)
        return x.restricted(users=np.diff(x.indptr) > 0, items=x.popularity() > 0)
    if not Path(source).is_file():
        raise DataError(f"{source}: there is no such file, and no such data set ({', '.join(DATASETS)})")
    named = {name: _column(value) for name, value in reading.items() if name != "ids"}
    named["value"] = named.pop("rating")
    if named["value"] is False:
        at_least, weights = None, False
    return read_interactions(source, at_least=at_least, weights=weights, ids=reading["ids"], **named)


def _column(text: str | None) -> Any:
    if text is None:
        return None
    if text.lower() in LEAVE_OUT:
        return False
    return int(text) if text.isdecimal() else text


def settings_of(texts: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Parse "model.setting=value" into settings by model.

    Parameters
    ----------
    texts : sequence of str, optional
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts or ():
        left, equals, value = text.partition("=")
        model, dot, name = left.rpartition(".")
        if not (equals and dot and model and name):
            raise SettingError(f"--set: {text!r} is not MODEL.SETTING=VALUE, such as gaussian.ridge=200")
        found.setdefault(model, {})[name] = value_of(value)
    return found


def value_of(text: str) -> Any:
    """A setting's value: a number, True, None and the like where it reads so, else the text.

    Parameters
    ----------
    text : str
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def teller(narrate: Callable[[str], None]) -> Callable[[str, Event], None]:
    """What narrates the events of a model's learning.

    Parameters
    ----------
    narrate : callable
    """

    said = {"at": time.monotonic()}

    def tell(name: str, event: Event) -> None:
        if isinstance(event, ChoiceEpochEnded):
            late = time.monotonic() - said["at"] > SECONDS_BETWEEN
            told = late or event.validation_ndcg is not None
        else:
            told = isinstance(event, Allocates) or (isinstance(event, Ended) and event.reason != "finished")
        if told:
            said["at"] = time.monotonic()
            narrate(f"{name}: {line(event)}")

    return tell


def print_comparison(found: ListComparison, metrics: Sequence[str], as_json: bool, markdown: bool) -> None:
    """Print a table of models with standard errors, gains over the first, time and memory.

    Parameters
    ----------
    found : ListComparison
    metrics : sequence of str
    as_json, markdown : bool
    """
    rows = found.rows(metrics)
    if as_json:
        print_json(rows)
        return
    found_out = {"Model": [row["model"] for row in rows]}
    found_out |= {metric: [f"{row[metric]:.4f} ± {row[f'{metric}_se']:.4f}" for row in rows] for metric in metrics}
    more: dict[str, list[str]] = {}
    if len(rows) > 1:
        more[f"gain in {metrics[-1]}"] = [_gain(row, metrics[-1], k) for k, row in enumerate(rows)]
    if "peak_gb" in rows[0]:
        more["learning"] = [duration(row["seconds_learning"]) for row in rows]
        more["peak GB"] = ["" if row["peak_gb"] is None else f"{row['peak_gb']:.2f}" for row in rows]
    parts = [{**found_out, **more}]
    if not markdown and more and not fits(parts[0]):
        parts = [found_out, {"Model": found_out["Model"], **more}]
    for k, columns in enumerate(parts):
        if k:
            print()
        (print_markdown if markdown else print_table)(list(columns), zip(*columns.values()), left=("Model",))


def _gain(row: dict[str, Any], metric: str, k: int) -> str:
    return "" if k == 0 else f"{row[f'{metric}_gain']:+.4f} ± {row[f'{metric}_gain_se']:.4f}"
