"""harmonium similar."""

from typing import Annotated

import typer

from harmonium.cli.console import print_json
from harmonium.cli.options import Count, Json, Model
from harmonium.cli.showing import print_similar
from harmonium.cli.taste import item_of
from harmonium.recommending.recommender import Recommender

app = typer.Typer(add_completion=False)


@app.command(epilog='Example: harmonium similar films.harmonium "toy story 1995"')
def similar(
    model: Model,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="A title or an id.")],
    n: Count = 10,
    as_json: Json = False,
) -> None:
    """List the items most like an item.

    Alike are items whose ratings depend on the hidden units alike; the score draws that towards 0 for items that few
    people rated.
    """
    recommender = Recommender.load(model)
    found = recommender.similar_items(item_of(recommender, item), n)
    if as_json:
        print_json(found)
    else:
        print_similar(found)
