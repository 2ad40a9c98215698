"""Options that several commands share."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout, and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Do not narrate on stderr.")]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file, written by harmonium train.")]
Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE|NAME",
        help="Ratings, or who chose what, as CSV, TSV or Parquet, also .gz or .zst; or a known data set, such as "
        "movielens-small.",
    ),
]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...|NAME",
        help="Ratings as CSV, TSV or Parquet, also .gz or .zst: files, a quoted pattern, or a folder of Parquet files; "
        "or a known data set, such as movielens-small.",
    ),
]
Count = Annotated[int, typer.Option("-n", "--n", help="How many.")]

_TASTE = "History"
Like = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ITEM[=RATING]",
        rich_help_panel=_TASTE,
        help='A title or an id; without a rating, the best one: --like "toy story=4.5". Repeatable.',
    ),
]
Dislike = Annotated[
    list[str] | None,
    typer.Option(metavar="ITEM", rich_help_panel=_TASTE, help="The same with the worst rating. Repeatable."),
]
Seen = Annotated[
    list[str] | None,
    typer.Option(metavar="ITEM", rich_help_panel=_TASTE, help="Seen, but not rated. Repeatable."),
]
History = Annotated[
    Path | None, typer.Option(metavar="FILE", rich_help_panel=_TASTE, help="Ratings that hold the user's history.")
]
User = Annotated[str | None, typer.Option(metavar="ID", rich_help_panel=_TASTE, help="The user within --history.")]


def taking(*options: inspect.Parameter) -> Callable[[Command], Command]:
    """Decorator: give a command options beside those it names; it takes them as keyword arguments.

    Parameters
    ----------
    *options : inspect.Parameter
        Keyword-only, annotated for typer.
    """

    def decorate(command: Command) -> Command:
        named = inspect.signature(command).parameters.values()
        named = [parameter for parameter in named if parameter.kind is not parameter.VAR_KEYWORD]
        command.__signature__ = inspect.Signature([*named, *options])  # type: ignore[attr-defined]
        return command

    return decorate


def was_given(ctx: typer.Context, name: str) -> bool:
    """Whether an option was named on the command line.

    Parameters
    ----------
    ctx : typer.Context
    name : str
        Of the keyword argument.
    """
    return "COMMANDLINE" in str(ctx.get_parameter_source(name))


def option(name: str, kind: Any, default: Any, info: Any) -> inspect.Parameter:
    """One option for `taking`.

    Parameters
    ----------
    name : str
        Of the keyword argument; the flag is made from it.
    kind : type
    default : object
    info : typer.Option
    """
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])
