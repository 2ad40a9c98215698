"""Learning a model of choices so that its scores mean probabilities: on people it has not seen."""

from collections.abc import Callable
from typing import Any

import numpy as np

from harmonium.data import Interactions, strong_split
from harmonium.data.splits import StrongSplit
from harmonium.estimators.choice import ChoiceModel, Watch
from harmonium.randomness import Seed

MOST_VALIDATION = 1000  # users: more would not change a curve or a choice among epochs
FEWEST_VALIDATION = 5
Weigh = Callable[[Interactions], Interactions]


def n_validation_users(n_entries: Any, share: float) -> int:
    """How many users to keep out: a share of those with two entries or more, at most `MOST_VALIDATION`.

    Parameters
    ----------
    n_entries : int array, (n_users,)
    share : float

    Returns
    -------
    int
        0 where that leaves fewer than `FEWEST_VALIDATION`.
    """
    n = min(MOST_VALIDATION, int(share * (np.asarray(n_entries) > 1).sum()))
    return n if n >= FEWEST_VALIDATION else 0


def split_users(x: Interactions, share: float, rng: Seed) -> StrongSplit[Interactions] | None:
    """Keep some users out of what is learned; None where there are too few.

    Parameters
    ----------
    x : Interactions
    share : float
    rng : seed
    """
    n = n_validation_users(np.diff(x.indptr), share)
    return strong_split(x, n, rng=rng) if n else None


def fit_calibrated(
    model: ChoiceModel, everybody: Interactions, parts: StrongSplit[Interactions], watch: Watch = (), **how: Any
) -> ChoiceModel:
    """Learn and calibrate on users that are kept out; then a closed form learns again from everybody.

    Parameters
    ----------
    model : ChoiceModel
        Fitted in place.
    everybody : Interactions
    parts : StrongSplit
        Of the same people: who is learned from at first, what is known of the others, and what they are asked about.
    watch : callable or callables
        Called with every event.
    **how
        checkpoint and resume, for `ChoiceModel.fit`.

    Returns
    -------
    ChoiceModel
        The same one.

    Notes
    -----
    A closed form's scores hardly move when a few more people join, so that the curve stays right. Machines that learn
    in epochs keep the best epoch for the users kept out, and are not learned again.
    """
    asked = np.diff(parts.held_out.indptr) > 0
    known, wanted = (part.restricted(users=asked) for part in (parts.fold_in, parts.held_out))
    model.fit(parts.train, validation=(known, wanted), watch=watch, **how).calibrate(known, wanted)
    if not model.learns_in_epochs:
        curve = model.calibration_
        model.fit(everybody, watch=watch)
        model.calibration_ = curve
    return model
