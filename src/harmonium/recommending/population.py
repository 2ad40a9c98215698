"""People weighed against each other: who is usual and who is not."""

from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data import Ratings
from harmonium.data.shards import Shards
from harmonium.models.level_rbm import LevelRBM
from harmonium.models.rating_model import n_rated
from harmonium.models.weighing import weigh
from harmonium.randomness import Seed, as_generator

MOST_USERS = 500  # weighed; a histogram of more looks the same
MOST_ENTRIES = 500  # of one user; a mean over more is the same
N_BINS = 40
N_QUANTILES = 101


def free_energies(rbm: LevelRBM, ratings: Ratings | Shards, rng: Seed = 0) -> dict[str, Any] | None:
    """Histograms of free energy and of surprise a rating over users, as plain values.

    Parameters
    ----------
    rbm : LevelRBM
        The machine whose cases are users.
    ratings : Ratings or Shards
        What it learned from, columns as its visible units.
    rng : seed
        Of the users and ratings that are taken where there are many.

    Returns
    -------
    dict or None
        n_users, free_energy_per_rating and surprise_per_rating, each with edges, counts and quantiles in nats. None
        where nobody rated two items.
    """
    rng = as_generator(rng)
    shards = Shards(ratings) if isinstance(ratings, Ratings) else ratings
    rated = np.concatenate([n_rated(part) for part in shards])
    users = np.flatnonzero(rated > 1)
    if not len(users):
        return None
    if len(users) > MOST_USERS:
        users = np.sort(rng.choice(users, MOST_USERS, replace=False))
    per_user = np.array([_per_rating(rbm, *shards.ratings.history(int(user)), rng) for user in users])
    free_energy, surprise = per_user.T
    return {
        "n_users": len(users),
        "free_energy_per_rating": _histogram(free_energy),
        "surprise_per_rating": _histogram(surprise),
    }


def _per_rating(rbm: LevelRBM, item: np.ndarray, level: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    known = np.flatnonzero(level != UNRATED)
    if len(known) > MOST_ENTRIES:
        known = rng.choice(known, MOST_ENTRIES, replace=False)
    found = weigh(rbm, item[known], level[known])
    return found.free_energy / len(known), float(found.surprise.mean())


def _histogram(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    counts, edges = np.histogram(values, N_BINS)
    quantiles = np.quantile(values, np.linspace(0, 1, N_QUANTILES))
    return {"edges": edges.tolist(), "counts": counts.tolist(), "quantiles": quantiles.tolist()}
