"""harmonium energy."""

from typing import Annotated

import typer

from harmonium.cli.console import print_json
from harmonium.cli.opening import of_ratings
from harmonium.cli.options import Dislike, History, Json, Like, Model, Seen, User
from harmonium.cli.showing import print_energy
from harmonium.cli.taste import history_of

app = typer.Typer(add_completion=False)


@app.command(epilog='Example: harmonium energy films.harmonium --like "matrix" --dislike "titanic 1997"')
def energy(
    model: Model,
    like: Like = None,
    dislike: Dislike = None,
    seen: Seen = None,
    history: History = None,
    user: User = None,
    n: Annotated[int, typer.Option("-n", "--n", min=0, help="How many hidden units to list.")] = 10,
    as_json: Json = False,
) -> None:
    """Weigh a history: its free energy, and the hidden units it turns on.

    The lower the free energy, the more probable is the history to the model whose cases are users. Only
    differences between histories of the same items mean something.
    """
    recommender = of_ratings(model)
    found = recommender.energy(history_of(recommender, like, dislike, seen, history, user))
    if as_json:
        print_json(found)
    else:
        print_energy(found, n)
