"""Small random models with titles, for what must hold of any model."""

import numpy as np

from harmonium.data import Scale, Titles, Vocabulary
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.models.level_rbm import LevelRBM, committee
from harmonium.models.rating_model import Blend, ItemsSide, RatingModel
from harmonium.recommending import Recommender
from harmonium.units.levels import level_features

N_ITEMS, N_USERS, N_HIDDEN = 40, 12, 6
GENRES = ("Comedy", "Drama", "War")
CASES = ("users", "items", "both")
BLEND = Blend((0.3, -0.2, 0.1), (0.2, 0.05, -0.1), (0.1, -0.2, 0.3, 0.0, -0.1))


def level_rbm(rng, n_visible, features="linear", scale=None):
    """Return a machine with weights large enough to matter."""
    scale = Scale.stars() if scale is None else scale
    phi = level_features(features, scale.x)
    return LevelRBM(
        rng.normal(0, 1, (phi.shape[1], n_visible, N_HIDDEN)).astype(np.float32),
        rng.normal(0, 1, (n_visible, scale.n_levels)).astype(np.float32),
        rng.normal(0, 1, N_HIDDEN).astype(np.float32),
        phi,
    )


def machine(cases="both", features="linear", seed=0, n_ratings=None, n_machines=1):
    """Return an estimator with a random model of `N_ITEMS` items, the last five without training ratings."""
    rng = np.random.default_rng(seed)
    users = None
    if cases != "items":
        users = committee([level_rbm(rng, N_ITEMS, features) for _ in range(n_machines)])
    side = None
    if cases != "users":
        hidden = rng.random((N_ITEMS, n_machines * N_HIDDEN), dtype=np.float32) / n_machines
        prior = np.log(np.full(5, 0.2, np.float32))
        rbm = committee([level_rbm(rng, N_USERS, features) for _ in range(n_machines)])
        side = ItemsSide(rbm, hidden, rbm.W.mean(axis=1), prior, np.zeros(N_USERS, np.uint64), 0.5, 1.0)
    if n_ratings is None:
        n_ratings = np.append(rng.integers(1, 60, N_ITEMS - 5), np.zeros(5, int))
    fitted = RatingRBM(cases=cases, features=features)
    fitted.model_ = RatingModel(
        users, side, {cases: BLEND}, Scale.stars().values, np.asarray(n_ratings), np.array([50, 100, 200, 300, 150])
    )
    return fitted


def titles(ids):
    """Return titles with a year (unknown for every seventh item) and one or two genres."""
    names = [f"Film {k}" if k % 7 == 0 else f"Film {k} ({1980 + k})" for k in range(len(ids))]
    genres = [(GENRES[k % 3], GENRES[(k + 1) % 3]) if k % 2 else (GENRES[k % 3],) for k in range(len(ids))]
    return Titles.from_rows(list(ids), names, genres)


def recommender(cases="both", features="linear", seed=0, like=None):
    """Return a recommender of items 100, 101, ... whose titles are Film 0, Film 1, ..."""
    ids = Vocabulary(np.arange(100, 100 + N_ITEMS))
    return Recommender(machine(cases, features, seed), ids, Scale.stars(), titles(ids), like)
