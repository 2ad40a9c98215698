"""The list of commands. A command's module loads when it is called, so that the others cost nothing."""

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

SUMMARIES = {
    "demo": "Learn from the bundled ratings, measure, recommend and explain, in under a minute.",
    "data": "Look at ratings before learning from them.",
    "train": "Learn from ratings, or from what people chose, and write a model file.",
    "evaluate": "Measure predictions of held-out ratings, against simple baselines.",
    "compare": "Compare models of choices on one protocol: accuracy with standard errors, time and memory.",
    "tune": "Choose settings of a model of choices on validation users; test users are never looked at.",
    "recommend": "Recommend items to someone who likes these.",
    "batch": "Recommend to everybody in files of histories: Parquet in, Parquet out.",
    "predict": "Predict how someone would rate items.",
    "similar": "List the items most like an item.",
    "units": "Show what the hidden units stand for.",
    "energy": "Weigh a history: its free energy, and the hidden units it turns on.",
    "serve": "Answer over HTTP, with a page on which one sees the machine think.",
    "retrain": "Learn from the ratings that a service has stored, and put the new model in place.",
    "keys": "Make, list and revoke the API keys of a service.",
    "lab": "Draw pictures of machines at work: filters, fantasies, energy landscapes, chains, ladders.",
    "doctor": "Say what this installation consists of and runs on.",
}


class Commands(TyperGroup):
    """Knows each command by its summary, and loads the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands, in the order of the help."""
        return list(SUMMARIES)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """A stand-in that has the summary alone."""
        return TyperCommand(cmd_name, help=SUMMARIES[cmd_name]) if cmd_name in SUMMARIES else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command itself and its arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load(str(name)), rest


def load(name: str) -> Any:
    """Import the module of a command and build the command.

    Parameters
    ----------
    name : str
    """
    return typer.main.get_command(importlib.import_module(f"harmonium.cli.{name}").app)


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        from harmonium import __version__

        print(f"harmonium {__version__}")
        raise typer.Exit


@app.callback()
def harmonium(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Boltzmann machines one can trust: learn from ratings, recommend, explain.

    Results go to stdout, everything else to stderr; every command takes --json. Begin with: harmonium demo
    """
