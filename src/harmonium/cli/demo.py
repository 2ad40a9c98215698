"""harmonium demo."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from harmonium.cli.console import duration, narrator, print_json
from harmonium.cli.learning import check_folder, learn
from harmonium.cli.opening import default_model, offer, program, ready_folder
from harmonium.cli.options import Json, Quiet, taking
from harmonium.cli.recording import record
from harmonium.cli.settings import machine, setting_options
from harmonium.cli.showing import print_evaluation, print_recommendations, print_unit
from harmonium.data import load, random_split
from harmonium.data.presets import BUNDLED_TERMS
from harmonium.errors import DataError
from harmonium.evaluation.ratings import Evaluation, evaluate
from harmonium.recommending import Explanation, Recommendation, Recommender

DATASET = "movielens-small"
HELD_OUT = 0.1
SEED = 0
N_RECOMMENDED = 5
N_REASONS = 2
SHOWN_UNIT = 0
N_UNIT_ITEMS = 5
N_DISLIKED = 2
TASTES = {
    "science fiction": (
        "Blade Runner (1982)", "Alien (1979)", "Terminator, The (1984)", "Star Trek: First Contact (1996)",
        "2001: A Space Odyssey (1968)",
    ),
    "romantic comedies": (
        "Notting Hill (1999)", "Sleepless in Seattle (1993)", "When Harry Met Sally... (1989)", "Pretty Woman (1990)",
        "Bridget Jones's Diary (2001)",
    ),
    "animation": (
        "Toy Story (1995)", "Spirited Away (2001)", "Shrek (2001)", "Finding Nemo (2003)", "Lion King, The (1994)",
    ),
}  # fmt: skip
SMALL = {"n_hidden": 64, "n_epochs": 20}
app = typer.Typer(add_completion=False)


@app.command()
@taking(*setting_options(**SMALL))
def demo(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Keep the model in this file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Then open the page, if there is a terminal.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    **settings: Any,
) -> None:
    """Learn from the bundled ratings, measure, recommend and explain, in under a minute.

    A tenth of the ratings is held out to measure on. The machines are small; harmonium train has the full size.
    """
    began, narrate = time.monotonic(), narrator(quiet)
    if output is None and serve:
        output, force = ready_folder(default_model()), True
    if output is not None:
        check_folder(output)
        if output.exists() and not force:
            raise DataError(f"{output}: exists already; --force replaces it")
    recommender, found = learned(settings, quiet)
    if output is not None:
        recommender.save(output)
    tastes = {name: _recommended(recommender, name) for name in TASTES}
    unit = recommender.describe_unit(SHOWN_UNIT, N_UNIT_ITEMS)
    if as_json:
        print_json(
            {
                "evaluation": found.to_dict(),
                "recommendations": {name: _plain(pairs) for name, pairs in tastes.items()},
                "unit": asdict(unit),
                "terms": BUNDLED_TERMS,
                "seconds": time.monotonic() - began,
            }
        )
        return
    print(f"Error of {found.model.n:,} held-out ratings, with standard errors")
    print_evaluation(found)
    for name, pairs in tastes.items():
        print(f"\nSomeone likes {name}: {'; '.join(TASTES[name])}")
        print(f"and not: {'; '.join(_disliked(name))}")
        print_recommendations([item for item, _ in pairs], [why for _, why in pairs])
    print("\nWhat one hidden unit stands for")
    print_unit(unit)
    print(f"\nThe ratings: {BUNDLED_TERMS}.")
    narrate(f"\n{duration(time.monotonic() - began)} in all. Next:")
    for line in _next(output):
        narrate(f"  {line}")
    if serve:
        offer(output or default_model(), narrate)


def learned(settings: dict[str, Any], quiet: bool) -> tuple[Recommender, Evaluation]:
    """A recommender of the bundled ratings but a tenth, and its evaluation on that tenth.

    Parameters
    ----------
    settings : dict
        From `setting_options`.
    quiet : bool
    """
    began, narrate, dataset = time.monotonic(), narrator(quiet), load(DATASET)
    known, asked = random_split(dataset.ratings, HELD_OUT, SEED)
    narrate(f"{dataset.name}: {dataset.ratings!r}; a tenth is held out")
    estimator = machine(settings)
    learn(estimator, known, quiet)
    narrate(f"predicting {asked.n_ratings:,} held-out ratings")
    found, seconds = evaluate(estimator, known, asked), time.monotonic() - began
    kept = record(estimator, known, found, HELD_OUT, seconds, source=dataset.name, terms=dataset.licence)
    titles = None if dataset.titles is None else dataset.titles.aligned_to(known.items)
    recommender = Recommender(estimator, known.items, known.scale, titles, record=kept)
    return recommender.with_choices(known), found


def _disliked(name: str) -> list[str]:
    """The first films of the other tastes."""
    return [title for other in TASTES if other != name for title in TASTES[other][:N_DISLIKED]]


def _recommended(recommender: Recommender, name: str) -> list[tuple[Recommendation, Explanation]]:
    liked = dict.fromkeys(TASTES[name], recommender.scale.maximum)
    who = recommender.history(liked | dict.fromkeys(_disliked(name), recommender.scale.minimum))
    found = recommender.recommend(who, N_RECOMMENDED)
    return [(item, recommender.explain(who, item.item_id, N_REASONS)) for item in found]


def _plain(pairs: list[tuple[Recommendation, Explanation]]) -> list[dict[str, Any]]:
    return [{**asdict(item), "explanation": asdict(why)} for item, why in pairs]


def _next(output: Path | None) -> list[str]:
    model = output or Path("films.harmonium")
    learning = [] if output else [f"train {DATASET} -o {model}"]
    commands = [
        *learning,
        f"serve {model}",
        f'recommend {model} --like "matrix" --like "toy story 1995" --explain',
        f'predict {model} --like "matrix" "titanic 1997"',
        "train ratings.csv --titles movies.csv -o mine.harmonium",
    ]
    return [f"{program()} {command}" for command in commands]
