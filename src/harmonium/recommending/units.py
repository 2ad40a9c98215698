"""Hidden units and items as directions: what a unit stands for, and which items are alike."""

import numpy as np
import numpy.typing as npt

from harmonium.models.level_rbm import LevelRBM
from harmonium.models.rating_model import RatingModel
from harmonium.recommending.ranking import PRIOR_RATINGS
from harmonium.units import bernoulli

Floats = npt.NDArray[np.floating]


def slopes(rbm: LevelRBM, x: Floats) -> Floats:
    """How a visible unit's rating turns hidden units on, per unit of x: (n_visible, n_hidden).

    The least-squares slope over the levels of sum_f phi[k, f] W[f]; with features (1, x) it is W[1] itself.

    Parameters
    ----------
    rbm : LevelRBM
    x : floats, (n_levels,)
        Level values mapped to [-1, 1].
    """
    centred = x - x.mean()
    weight = (centred @ rbm.phi / (centred @ centred)).astype(np.float32)  # (n_features,)
    used = np.flatnonzero(np.abs(weight) > 1e-6)  # features that do not rise with x, the constant one say
    return sum((weight[f] * rbm.W[f] for f in used[1:]), start=weight[used[0]] * rbm.W[used[0]])


def trust(n_ratings: npt.NDArray[np.int64]) -> Floats:
    """Weight of what is known of an item: n / (n + k), (n_items,).

    Parameters
    ----------
    n_ratings : int array, (n_items,)
    """
    return (n_ratings / (n_ratings + PRIOR_RATINGS)).astype(np.float32)


def unit_weights(model: RatingModel, x: Floats, unit: int) -> Floats:
    """Pull of every item on a hidden unit, drawn towards 0 where few people rated: (n_items,).

    In the users machine the slope of the item's rating; where there is only an items machine, how far the item's own
    hidden unit is from its average.

    Parameters
    ----------
    model : RatingModel
    x : floats, (n_levels,)
    unit : int
    """
    if model.users is not None:
        pull = slopes(model.users, x)[:, unit]
    else:
        assert model.items is not None
        h = model.items.hidden[:, unit]
        pull = h - h.mean()
    return pull * trust(model.n_item_ratings)


def mean_activation(model: RatingModel, unit: int) -> float:
    """P(h = 1) for someone of whom nothing is known; of an average item in the items machine.

    Parameters
    ----------
    model : RatingModel
    unit : int
    """
    if model.users is not None:
        return float(bernoulli.mean(model.users.c[unit : unit + 1])[0])
    assert model.items is not None
    return float(model.items.hidden[:, unit].mean())


def similarities(model: RatingModel, x: Floats, item: int) -> Floats:
    """Likeness of every item to one: cosines, averaged over the machines, (n_items,).

    Users machine: between slopes; items machine: between centred hidden means. Drawn towards 0 where few people
    rated either item.

    Parameters
    ----------
    model : RatingModel
    x : floats, (n_levels,)
    item : int
    """
    found = []
    if model.users is not None:
        found.append(_cosines(slopes(model.users, x), item))
    if model.items is not None:
        h = model.items.hidden
        found.append(_cosines(h - h.mean(axis=0), item))
    known = trust(model.n_item_ratings)
    return np.mean(found, axis=0) * known * known[item]


def _cosines(rows: Floats, item: int) -> Floats:
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows @ rows[item] / np.maximum(length * length[item], np.finfo(np.float32).tiny)
