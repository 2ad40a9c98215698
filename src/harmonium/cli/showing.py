"""Recommendations, predictions and hidden units as tables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harmonium.cli.console import bar, percent, print_markdown, print_table

if TYPE_CHECKING:
    from harmonium.evaluation.ratings import Evaluation
    from harmonium.evaluation.scores import Difference, Score
    from harmonium.recommending import Explanation, Prediction, Recommendation, SimilarItem, UnitDescription
    from harmonium.recommending.choice_recommender import ChoiceReason, SimilarChoice, Suggestion

LEAST_REASON = 0.005  # a smaller change would read as +0 %
SMALLEST = 1e-12  # score that parts are a share of


def print_recommendations(found: Sequence["Recommendation"], why: Sequence["Explanation | None"]) -> None:
    """Print a ranking, with the reasons where there are some.

    Parameters
    ----------
    found : sequence of Recommendation
    why : sequence of Explanation or None
        Of each of them.
    """
    explained = any(why)
    joint = any(item.probability_of_choice is not None for item in found)
    header = ["#", "Title", *(["Choosing"] if joint else []), "Liking", "Expected", "Ratings"]
    header += ["Why"] if explained else []
    rows = (
        [str(item.rank), item.title]
        + ([percent(item.probability_of_choice)] if item.probability_of_choice is not None else [])
        + [percent(item.probability_of_liking), f"{item.rating:.1f}", f"{item.n_ratings:,}"]
        + ([reasons_of(reason)] if reason else [])
        for item, reason in zip(found, why)
    )
    print_table(header, rows, left=("Title", "Why"))


def print_suggestions(found: Sequence["Suggestion"], why: Sequence[Sequence["ChoiceReason"]] | None) -> None:
    """Print a ranking by a model of choices, with probabilities and reasons where there are some.

    Parameters
    ----------
    found : sequence of Suggestion
    why : sequence of sequences of ChoiceReason, optional
        Of each of them.
    """
    calibrated = any(one.probability is not None for one in found)
    header = ["#", "Title", *(["Probability"] if calibrated else []), "Score", "Users", *(["Why"] if why else [])]
    rows = []
    for k, one in enumerate(found):
        likely = [] if one.probability is None else [percent(one.probability)]
        reasons = ["; ".join(f"{reason.title} {reason.contribution:+.3f}" for reason in why[k])] if why else []
        rows.append([str(one.rank), one.title, *likely, f"{one.score:.3f}", f"{one.n_users:,}", *reasons])
    print_table(header, rows, left=("Title", "Why"))


def print_similar_choices(found: Sequence["SimilarChoice"]) -> None:
    """Print the items that another speaks for most.

    Parameters
    ----------
    found : sequence of SimilarChoice
    """
    rows = ((str(one.rank), one.title, f"{one.score:.4f}", f"{one.n_users:,}") for one in found)
    print_table(("#", "Title", "Score", "Users"), rows, left=("Title",))


def reasons_of(why: "Explanation") -> str:
    """The ratings that move the probability of liking, or the score where choices rank too, each with its part of it.

    Parameters
    ----------
    why : Explanation
    """
    whole = 1.0 if why.probability_of_choice is None else max(why.score, SMALLEST)
    moved = [
        (reason.title, reason.contribution if why.probability_of_choice is None else reason.score_contribution / whole)
        for reason in why.reasons
    ]
    parts = [f"{title} {100 * part:+.0f} %" for title, part in moved if abs(part) >= LEAST_REASON]
    return "; ".join(parts) or "no single rating"


def print_prediction(item: "Prediction") -> None:
    """Print a prediction with its distribution as bars.

    Parameters
    ----------
    item : Prediction
    """
    longest = max(item.probabilities)
    title = (
        f"{item.title}: {item.rating:.2f} expected, {percent(item.probability_of_liking)} to like it "
        f"({item.n_ratings:,} ratings)"
    )
    rows = (
        [f"{level:g}", percent(p), bar(p / longest)]
        for level, p in zip(reversed(item.levels), reversed(item.probabilities))
    )
    print_table(("Rating", "Probability", ""), rows, left=("",), title=title)


def print_similar(found: Sequence["SimilarItem"]) -> None:
    """Print the items most like another.

    Parameters
    ----------
    found : sequence of SimilarItem
    """
    rows = (
        (str(item.rank), item.title, f"{item.score:.3f}", f"{item.similarity:.3f}", f"{item.n_ratings:,}")
        for item in found
    )
    print_table(("#", "Title", "Score", "Similarity", "Ratings"), rows, left=("Title",))


def print_unit(unit: "UnitDescription") -> None:
    """Print both ends of a hidden unit.

    Parameters
    ----------
    unit : UnitDescription
    """
    for name, end in (("likes turn it on", unit.positive), ("likes turn it off", unit.negative)):
        rows = ((f"{weight:+.3f}", title, f"{n_ratings:,}") for _, title, weight, n_ratings in end)
        print_table(("Weight", "Title", "Ratings"), rows, left=("Title",), title=f"unit {unit.unit}: {name}")


def print_evaluation(found: "Evaluation", markdown: bool = False) -> None:
    """Print the scores of a model and of the baselines, with standard errors.

    Parameters
    ----------
    found : Evaluation
    markdown : bool
        Instead of aligned columns.
    """
    if not markdown:
        print(found.table())
        return
    scores = {"model": found.model, **found.baselines}
    rows = [(name, *_with_errors(score), f"{score.ece:.4f}") for name, score in scores.items()]
    rows += [(f"model - {name}", *_with_errors(one, "+"), "") for name, one in found.differences.items()]
    print_markdown(("", "RMSE", "MAE", "Log-loss", "ECE"), rows, left=("",))


def _with_errors(score: "Score | Difference", sign: str = "") -> tuple[str, str, str]:
    """RMSE, MAE and log-loss, each with its standard error."""
    values = ((score.rmse, score.rmse_se), (score.mae, score.mae_se), (score.log_loss, score.log_loss_se))
    rmse, mae, log_loss = (f"{value:{sign}.4f} ± {error:.4f}" for value, error in values)
    return rmse, mae, log_loss


def print_energy(found: Mapping[str, Any], n: int) -> None:
    """Print what a history weighs, what each rating adds, and the hidden units it turns on most.

    Parameters
    ----------
    found : mapping
        From `Recommender.energy`.
    n : int
        How many units.
    """
    each, hidden = found["free_energy_per_rating"], found["hidden"]
    print(f"free energy {found['free_energy']:.3f} nats, {each:.3f} a rating")
    rows = ((one["title"], _rating(one["rating"]), f"{one['free_energy']:+.3f}") for one in found["ratings"])
    print_table(("Item", "Rating", "Adds"), rows, left=("Item",))
    print(f"\n{sum(h > 0.5 for h in hidden)} of {len(hidden)} hidden units are more on than off; the most:")
    most = sorted(range(len(hidden)), key=lambda j: -hidden[j])[:n]
    print_table(("Unit", "On", ""), ([str(j), percent(hidden[j]), bar(hidden[j])] for j in most), left=("",))


def _rating(value: float | None) -> str:
    return "seen" if value is None else f"{value:g}"
