"""harmonium similar."""

from typing import Annotated

import typer

from harmonium.cli.console import print_json
from harmonium.cli.options import Count, Json, Model
from harmonium.cli.showing import print_similar, print_similar_choices
from harmonium.cli.taste import item_of
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.opening import open_model

app = typer.Typer(add_completion=False)


@app.command(epilog='Example: harmonium similar films.harmonium "toy story 1995"')
def similar(
    model: Model,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="A title or an id.")],
    n: Count = 10,
    as_json: Json = False,
) -> None:
    """List the items most like an item.

    Alike are items whose ratings depend on the hidden units alike; in a model of choices, those that choosing the item
    speaks for. The score draws that towards 0 for items that few people rated or chose.
    """
    recommender = open_model(model)
    asked = item_of(recommender, item)
    if as_json:
        print_json(recommender.similar_items(asked, n))
    elif isinstance(recommender, ChoiceRecommender):
        print_similar_choices(recommender.similar_items(asked, n))
    else:
        print_similar(recommender.similar_items(asked, n))
