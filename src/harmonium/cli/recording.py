"""What a model file remembers of its making: events, an evaluation, and how its users are spread."""

from typing import Any, TypeAlias

from harmonium.data import Ratings, random_split
from harmonium.data.stored import StoredRatings
from harmonium.errors import SettingError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.evaluation.ratings import Evaluation, evaluate
from harmonium.recommending.population import free_energies

Known: TypeAlias = Ratings | StoredRatings
SEED = 0  # of the ratings held out


def held_out(ratings: Known, share: float) -> tuple[Known, Ratings | None]:
    """Ratings to learn from, and those to measure on; all of them and none with a share of 0.

    Parameters
    ----------
    ratings : Ratings or StoredRatings
    share : float
    """
    if not 0 <= share < 1:
        raise SettingError(f"hold_out: {share!r} is not a share from 0 to below 1")
    if not share:
        return ratings, None
    if isinstance(ratings, StoredRatings):
        raise SettingError("hold_out: streamed ratings are not divided; keep test ratings in a file of their own, and "
                           "measure on them with harmonium evaluate --model")  # fmt: skip
    parts = random_split(ratings, share, SEED)
    return parts.train, parts.test


def measured(estimator: RatingRBM, known: Known, asked: Ratings | None) -> Evaluation | None:
    """The evaluation on held-out ratings; None without any.

    Parameters
    ----------
    estimator : RatingRBM
    known : Ratings or StoredRatings
    asked : Ratings, optional
    """
    return None if asked is None or isinstance(known, StoredRatings) else evaluate(estimator, known, asked)


def record(
    estimator: RatingRBM, known: Known, found: Evaluation | None, share: float, seconds: float, **facts: Any
) -> dict[str, Any]:
    """The record for the model file.

    Parameters
    ----------
    estimator : RatingRBM
        Fitted.
    known : Ratings or StoredRatings
        What it learned from.
    found : Evaluation, optional
    share : float
        Of the ratings that were held out.
    seconds : float
        That learning took.
    **facts
        More to remember: source, terms.
    """
    users = estimator.fitted_model.users
    rows = known if isinstance(known, Ratings) else known.cases("users")
    protocol = f"{100 * share:g} % of the ratings, drawn at random, were held out before learning"
    return {
        **facts,
        "seconds": seconds,
        "events": [event.to_dict() for event in estimator.history_],
        "evaluation": None if found is None else {"protocol": protocol, **found.to_dict()},
        "free_energies": None if users is None else free_energies(users, rows),
    }
