"""Hidden units as reasons: how each tilts an item towards being liked."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.models import level_rbm
from harmonium.models.level_rbm import LevelRBM
from harmonium.recommending import ranking
from harmonium.recommending.catalogue import Catalogue
from harmonium.recommending.choosing import Chosen
from harmonium.recommending.results import Ends, Reason, UnitDescription
from harmonium.units import bernoulli

Floats = npt.NDArray[np.floating]
N_UNITS = 5  # hidden units that a reason lists
METHOD = (
    "Contributions are exact: the prediction from the whole history, less that from the history without the rating, "
    "folded in afresh. They need not add up to the difference from the baseline. Units are mean-field parts of the "
    "users machine's tilt, its field of the liked levels against the others, in nats, before calibration."
)
CHOICE_METHOD = (
    " The score is the probability that the item is chosen next times that of liking it. A choice contribution is the "
    "entry's part of the machine of choices' own score; in a closed form these parts add up to it."
)


def scored(
    reasons: Sequence[Reason],
    liking: float,
    drawn: Callable[[Floats], Floats],
    choice: Chosen | None,
) -> tuple[float, tuple[Reason, ...]]:
    """The score that an item is ranked by, and its reasons with their parts in that, the strongest first.

    Parameters
    ----------
    reasons : sequence of Reason
        In the order of the history.
    liking : float
        Probability of liking with the whole history.
    drawn : callable
        Draws probabilities of liking towards the usual one.
    choice : Chosen, optional
        What the machine of choices says of the item.
    """
    score = drawn(np.array([liking, *(liking - reason.contribution for reason in reasons)]))
    if choice is not None:
        score = score * choice.probability
    added = (score[0] - score[1:]).tolist()
    of_choice = [None] * len(added) if choice is None else choice.parts.tolist()
    found = [
        replace(reason, score_contribution=part, choice_contribution=choice)
        for reason, part, choice in zip(reasons, added, of_choice)
    ]
    found.sort(key=lambda reason: (-abs(reason.score_contribution), -abs(reason.contribution)))
    return float(score[0]), tuple(found)


def tilts(rbm: LevelRBM, first_liked: int, item: Any = slice(None), unit: Any = slice(None)) -> Floats:
    """What each hidden unit, when on, adds to the fields of the liked levels against the others.

    Parameters
    ----------
    rbm : LevelRBM
    first_liked : int
        Level code of the lowest level that counts as liking.
    item, unit : int, int array or slice
        Which items, and which hidden units.

    Returns
    -------
    floats, (n_items, n_hidden)
        Without the dimensions of which one alone is asked for.
        Mean field of the liked levels less that of the others, in nats.
    """
    free = slice(1 if rbm.conditional else 0, None)
    phi = rbm.phi[:, free]
    weight = level_rbm.voice(rbm, phi[first_liked:].mean(axis=0) - phi[:first_liked].mean(axis=0))
    return np.tensordot(weight, rbm.W[free, item, unit], axes=1)


def described(
    catalogue: Catalogue, unit: int, weight: Floats, bias: Floats, trusted: npt.NDArray[np.float32], n: int
) -> UnitDescription:
    """A hidden unit by the items at both ends of its weights, those that few people know held back.

    Parameters
    ----------
    catalogue : Catalogue
    unit : int
    weight : floats, (n_items,)
    bias : float
    trusted : float32 array, (n_items,)
        From `ranking.trust`.
    n : int
        Items at each end, at most.
    """
    held_back = ranking.shrunk(weight, trusted, 0.0)

    def end(strength: Floats) -> Ends:
        chosen = ranking.best(strength, catalogue.n_ratings, strength > 0, n).tolist()
        known = catalogue.n_ratings
        return tuple((catalogue.items[k], catalogue.title(k), float(weight[k]), int(known[k])) for k in chosen)

    resting = float(bernoulli.mean(bias))
    return UnitDescription(
        unit=unit, positive=end(held_back), negative=end(-held_back), bias=float(bias), resting_activation=resting
    )


def strongest(parts: Floats, n: int) -> tuple[tuple[int, float], ...]:
    """The n parts of largest size with their positions, the strongest first; parts that are 0 are left out.

    Parameters
    ----------
    parts : floats, (n_parts,)
    n : int
    """
    order = np.argsort(-np.abs(parts), kind="stable")[:n]
    return tuple((int(j), float(parts[j])) for j in order if parts[j])
