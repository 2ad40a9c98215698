"""harmonium predict."""

from typing import Annotated

import typer

from harmonium.cli.console import print_json
from harmonium.cli.opening import of_ratings
from harmonium.cli.options import Dislike, History, Json, Like, Model, Seen, User
from harmonium.cli.showing import print_prediction
from harmonium.cli.taste import history_of, item_of

app = typer.Typer(add_completion=False)


@app.command(epilog='Example: harmonium predict films.harmonium --like "matrix" "toy story" "titanic 1997"')
def predict(
    model: Model,
    items: Annotated[list[str], typer.Argument(metavar="ITEM...", help="Titles or ids.")],
    like: Like = None,
    dislike: Dislike = None,
    seen: Seen = None,
    history: History = None,
    user: User = None,
    as_json: Json = False,
) -> None:
    """Predict how someone would rate items.

    Prints the probability of every rating, the expected one, and the probability of liking the item.
    """
    recommender = of_ratings(model)
    who = history_of(recommender, like, dislike, seen, history, user)
    found = recommender.predict(who, [item_of(recommender, text) for text in items])
    if as_json:
        print_json(found)
        return
    for item in found:
        print_prediction(item)
