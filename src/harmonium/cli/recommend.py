"""harmonium recommend."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from harmonium.cli import choosing
from harmonium.cli.console import narrator, print_json
from harmonium.cli.options import Count, Dislike, History, Json, Like, Model, Seen, User
from harmonium.cli.showing import print_recommendations, print_suggestions
from harmonium.cli.taste import history_of, items_of
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.opening import open_model

N_REASONS = 3
NOTHING_LEFT = "no item is left: loosen the filters"
app = typer.Typer(add_completion=False)


def _filter(text: str, **info: Any) -> Any:
    return typer.Option(rich_help_panel="Filters", help=text, **info)


Genres = Annotated[list[str] | None, _filter("Only of these genres. Repeatable.")]
YearFrom = Annotated[int | None, _filter("Not older.")]
YearTo = Annotated[int | None, _filter("Not newer.")]
Allow = Annotated[list[str] | None, _filter("Only these items. Repeatable.", metavar="ITEM")]
Deny = Annotated[list[str] | None, _filter("None of these items. Repeatable.", metavar="ITEM")]


@app.command(epilog='Example: harmonium recommend films.harmonium --like "matrix" --like "toy story=4.5"')
def recommend(
    model: Model,
    like: Like = None,
    dislike: Dislike = None,
    seen: Seen = None,
    history: History = None,
    user: User = None,
    n: Count = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Say which ratings speak for each item.")] = False,
    genre: Genres = None,
    year_from: YearFrom = None,
    year_to: YearTo = None,
    rank_by: Annotated[
        str | None,
        typer.Option(help="joint, likely to be chosen next and liked, the rule where the model can; or liking."),
    ] = None,
    allow: Allow = None,
    deny: Deny = None,
    as_json: Json = False,
) -> None:
    """Recommend items to someone who likes these.

    Without any history, the list is that of well-liked items which many have rated. A model of choices lists what is
    likely to be chosen next; there --like ITEM=WEIGHT gives a weight, and --seen leaves an item out.
    """
    recommender = open_model(model)
    filters = {
        "genres": genre,
        "years": None if year_from is None and year_to is None else (year_from, year_to),
        "allow": items_of(recommender, allow),
    }
    without = items_of(recommender, deny)
    if isinstance(recommender, ChoiceRecommender):
        if rank_by is not None:
            raise typer.BadParameter("a model of choices ranks by them alone", param_hint="--rank-by")
        if dislike:
            more = "a model of choices knows no dislikes; --deny leaves items out"
            raise typer.BadParameter(more, param_hint="--dislike")
        without = [*(without or ()), *(items_of(recommender, seen) or ())] or None
        chosen = choosing.history_of(recommender, like, history, user)
        places = recommender.recommend(chosen, n, deny=without, **filters)
        _show_choices(recommender, chosen, places, explain, as_json)
        return
    who = history_of(recommender, like, dislike, seen, history, user)
    found = recommender.recommend(who, n, deny=without, rank_by=rank_by, **filters)
    why = [recommender.explain(who, item.item_id, N_REASONS) if explain else None for item in found]
    if as_json:
        print_json(
            [asdict(item) | ({"explanation": asdict(reason)} if reason else {}) for item, reason in zip(found, why)]
        )
    elif not found:
        narrator(quiet=False)(NOTHING_LEFT)
    else:
        print_recommendations(found, why)


def _show_choices(recommender: ChoiceRecommender, who: dict, found: list, explain: bool, as_json: bool) -> None:
    why = [recommender.explain(who, item.item_id, N_REASONS) if explain else [] for item in found]
    if as_json:
        more = [{"reasons": [asdict(reason) for reason in reasons]} if explain else {} for reasons in why]
        print_json([asdict(item) | reasons for item, reasons in zip(found, more)])
    elif not found:
        narrator(quiet=False)(NOTHING_LEFT)
    else:
        print_suggestions(found, why if explain else None)
