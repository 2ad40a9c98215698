"""Example tastes of a model: a few well-known items far from each other, with what is most like each."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.data import Interactions, Vocabulary
from harmonium.recommending import similarity
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.recommender import Recommender

Floats = npt.NDArray[np.floating]
N_KNOWN = 100  # items that are looked at: those that most people know
N_LIKED, N_DISLIKED = 4, 2  # items of a taste


class Taste(NamedTuple):
    """Someone's taste, made up.

    Parameters
    ----------
    liked : list of int
        Item indices: one that names the taste, then those most like it.
    disliked : list of int
        Those least like it.
    """

    liked: list[int]
    disliked: list[int]


def tastes(recommender: Recommender | ChoiceRecommender, n: int = 3) -> list[Taste]:
    """Make up tastes that differ as much as well-known items allow.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    n : int
        Tastes, at most.

    Returns
    -------
    list of Taste
        Fewer, or none, where there are too few items for as many that share none they like.

    Notes
    -----
    The first is that of the best-known item; each further one that of the item least like those before, of which enough
    is like it (Gonzalez 1985, farthest-first traversal, on cosines).
    """
    counts = recommender._catalogue.n_ratings
    known = np.argsort(-counts, kind="stable")[: min(N_KNOWN, int((counts > 0).sum()))]
    if len(known) < N_LIKED + N_DISLIKED:
        return []
    like = _alike(recommender, known)
    found, free = [], np.ones(len(known), bool)
    seeds: list[int] = []
    while len(found) < n and free.sum() >= N_LIKED:
        nearest = np.max(like[seeds], axis=0) if seeds else np.arange(len(known))  # the best-known item first
        seed = int(np.argmin(np.where(free, nearest, np.inf)))
        order = [k for k in np.argsort(-like[seed], kind="stable").tolist() if k != seed]
        liked = [seed, *[k for k in order if free[k]][: N_LIKED - 1]]
        disliked = [k for k in reversed(order) if k not in liked][:N_DISLIKED]
        found.append(Taste(known[liked].tolist(), known[disliked].tolist()))
        seeds.append(seed)
        free[liked] = False
    return found


def _alike(recommender: Recommender | ChoiceRecommender, known: npt.NDArray[np.int64]) -> Floats:
    """How like well-known items are to each other: (n_known, n_known)."""
    if isinstance(recommender, Recommender):
        return similarity.among(recommender.machine.fitted_model, known)
    n = len(known)
    rows = Interactions(np.append(np.arange(n + 1), n), known, Vocabulary(np.arange(n + 1)), recommender.items)
    scores = np.concatenate([recommender.model._scores(part)[:, known] for _, part in recommender.model.batches(rows)])
    return scores[:-1] - scores[-1]  # less those of someone who chose nothing, as `similar_items`
