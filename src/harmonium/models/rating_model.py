"""The fitted rating model: one machine whose cases are users, one whose cases are items, and how they are blended.

A prediction is a function of a person's *history*. The users machine reads its hidden units off the history. In the
items machine a person is a visible unit: its weights solve a small convex problem given the hidden units of the items
in the history (`harmonium.models.fold_in`), unless the history is just the one a training user had, whose weights are
then known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data import Ratings
from harmonium.errors import DataError
from harmonium.models import level_rbm
from harmonium.models.fold_in import fold_in_unit, grown, others, usual_bias_of
from harmonium.models.level_rbm import LevelRBM
from harmonium.randomness import uniforms
from harmonium.units import bernoulli, levels

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
LARGEST_LOG = 3.0  # sharpness stays within e^-3 and e^3, whatever the evidence


class Person(NamedTuple):
    """Someone as the model sees them: what is inferred from a history, ready for any number of predictions."""

    hidden: Floats | None  # (n_hidden,) hidden means in the users machine
    unit: tuple[Floats, Floats] | None  # weights (n_features, n_hidden), biases (n_levels,) in the items machine
    n_rated: int


class Blend(NamedTuple):
    """How the machines' level probabilities become one calibrated distribution.

    P(k) is proportional to exp(sharpness log mean(k) + level_bias[k]), where mean is the machines' mean with share

        sigmoid(share . (1, log(1 + n_user), log(1 + n_item)))

    of the items machine, and sharpness = exp(sharpness . the same three), n_user being how many items the person
    rated and n_item how many training ratings the item has. The defaults leave the plain mean as it is.
    """

    share: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sharpness: tuple[float, float, float] = (0.0, 0.0, 0.0)
    level_bias: tuple[float, ...] = ()

    def share_of_items(self, n_user: Floats, n_item: Floats) -> Floats:
        """Share of the items machine where the person rated n_user items and the item has n_item ratings."""
        return bernoulli.mean(evidence(n_user, n_item) @ np.array(self.share))

    def calibrated(self, p: Floats, n_user: Floats, n_item: Floats) -> Floats:
        """Level probabilities (n, n_levels) after sharpening and level biases."""
        sharpness = np.exp(np.clip(evidence(n_user, n_item) @ np.array(self.sharpness), -LARGEST_LOG, LARGEST_LOG))
        x = np.log(np.maximum(p, np.finfo(np.float32).tiny)) * sharpness[..., None]
        return levels.mean(x + np.array(self.level_bias) if self.level_bias else x)


def evidence(n_user: Floats, n_item: Floats) -> Floats:
    """How much there is to go on: (1, log(1 + n_user), log(1 + n_item)), shape (n, 3)."""
    both = np.broadcast_arrays(1.0, np.log1p(n_user), np.log1p(n_item))
    return np.stack(both, axis=-1)


@final
@dataclass(frozen=True, eq=False)
class ItemsSide:
    """The machine whose cases are items, with what it needs to predict for people.

    Parameters
    ----------
    rbm : LevelRBM
        Its visible units are the training users.
    hidden : float32 array, (n_items, n_hidden)
        Hidden means of the items given their training ratings, as they reach the visible units (`level_rbm.voice`).
    prior_weight : float32 array, (n_features, n_hidden)
        Mean weights of the training users, that a new person starts from.
    prior_bias : float32 array, (n_levels,)
        Level biases that a new person starts from.
    history_key : uint64 array, (n_users,)
        Fingerprint of each training user's history.
    weight_penalty, bias_penalty : float
        Of `fold_in_unit`.
    """

    rbm: LevelRBM
    hidden: Floats
    prior_weight: Floats
    prior_bias: Floats
    history_key: npt.NDArray[np.uint64]
    weight_penalty: float
    bias_penalty: float


@final
@dataclass(frozen=True, eq=False)
class RatingModel:
    """A fitted rating model; immutable.

    Parameters
    ----------
    users : LevelRBM or None
        The machine whose cases are users.
    items : ItemsSide or None
        The machine whose cases are items.
    blends : dict of Blend
        By which machines take part: "users", "items", "both".
    values : float64 array, (n_levels,)
        What each level is worth.
    n_item_ratings : int64 array, (n_items,)
        Training ratings of each item.
    level_counts : int64 array, (n_levels,)
        Training ratings at each level.
    """

    users: LevelRBM | None
    items: ItemsSide | None
    blends: dict[str, Blend]
    values: npt.NDArray[np.float64]
    n_item_ratings: npt.NDArray[np.int64]
    level_counts: npt.NDArray[np.int64]

    @property
    def cases(self) -> str:
        """Which machines there are: "users", "items" or "both"."""
        if self.users is not None and self.items is not None:
            return "both"
        return "items" if self.users is None else "users"

    @property
    def blend(self) -> Blend:
        """How the machines that there are become one distribution."""
        return self.blends.get(self.cases, Blend())

    @property
    def n_machines(self) -> int:
        """Members of the committee of each kind."""
        return max(rbm.n_machines for rbm in (self.users, self.items and self.items.rbm) if rbm is not None)

    @property
    def n_items(self) -> int:
        """Number of items the model knows."""
        return len(self.n_item_ratings)


def items_side(
    rbm: LevelRBM,
    items: Iterable[Ratings],
    learnt_from: Iterable[Ratings],
    level_counts: npt.NDArray[np.integer],
    weight_penalty: float,
    bias_penalty: float,
) -> ItemsSide:
    """Complete a machine trained on items as cases with the evidence that predictions need.

    Parameters
    ----------
    rbm : LevelRBM
    items : iterable of Ratings
        What is known of the items, one a row, in one part or several.
    learnt_from : iterable of Ratings
        What the machine was trained on, users as rows: all of it, or all but the validation ratings.
    level_counts : int array, (n_levels,)
        How often each level is known.
    weight_penalty, bias_penalty : float
    """
    hidden = np.concatenate([level_rbm.voice(rbm, level_rbm.hidden_mean(rbm, part)) for part in items])
    keys = np.concatenate([history_keys(part) for part in learnt_from])
    weight_penalty /= rbm.n_machines  # the members' weights for a person add up, so each may be as large as alone
    prior = rbm.W.mean(axis=1), usual_bias_of(level_counts)
    return ItemsSide(rbm, hidden, *prior, keys, weight_penalty, bias_penalty)


def history_keys(ratings: Ratings) -> npt.NDArray[np.uint64]:
    """Return a fingerprint of each user's history, whatever its order: uint64 (n_users,)."""
    bits = uniforms(np.uint64(1), ratings.item, ratings.level).view(np.uint32).astype(np.uint64)
    bits = bits << np.uint64(32) | uniforms(np.uint64(2), ratings.item, ratings.level).view(np.uint32)
    total = np.concatenate((np.zeros(1, np.uint64), np.cumsum(bits, dtype=np.uint64)))
    return total[ratings.indptr[1:]] - total[ratings.indptr[:-1]]


def person(model: RatingModel, item: Ints, level: npt.NDArray[np.uint8], compiled: bool = False) -> Person:
    """Fold in someone by their history; nothing is learnt or stored.

    Parameters
    ----------
    model : RatingModel
    item : int array, (n,)
        Item indices, each at most once.
    level : uint8 array, (n,)
        Level codes; UNRATED for seen, not rated.
    compiled : bool
        Take the compiled solver, the same but for rounding: for a service, which has it in memory.

    Notes
    -----
    NumPy only unless `compiled`, safe in any number of threads. Users machine: one sum of n rows. Items machine: half a
    dozen Newton steps on a convex problem of n terms in min(n, n_hidden) weights a feature.
    """
    hidden = None if model.users is None else history_hidden(model.users, item, level)
    unit = None if model.items is None else _person_unit(model.items, item, level, compiled)
    return Person(hidden, unit, int((level != UNRATED).sum()))


def history_field(rbm: LevelRBM, item: Ints, level: npt.NDArray[np.uint8]) -> Floats:
    """Hidden fields (n_hidden,) of one case, given its entries' units (n,) and level codes (n,)."""
    rated = level != UNRATED
    if not rated.all() and not rbm.conditional:
        raise DataError("items seen but not rated need a constant level feature; leave them out of the history")
    features = np.zeros((len(level), rbm.phi.shape[1]), np.float32)
    features[rated] = rbm.phi[level[rated]]
    features[~rated, 0] = 1
    field = rbm.c + sum(features[:, f] @ rbm.W[f, item] for f in range(rbm.phi.shape[1]))
    return field.astype(np.float32)


def history_hidden(rbm: LevelRBM, item: Ints, level: npt.NDArray[np.uint8]) -> Floats:
    """Hidden means (n_hidden,) of one case; see `history_field`."""
    return bernoulli.mean(history_field(rbm, item, level))


def person_probabilities(model: RatingModel, who: Person, item: Ints | None = None) -> Floats:
    """Probability of each level that this person would give items.

    Parameters
    ----------
    model : RatingModel
    who : Person
    item : int array, (n,), optional
        All items when None.

    Returns
    -------
    floats, (n, n_levels)
    """
    by_user = by_item = None
    if model.users is not None and who.hidden is not None:
        by_user = level_rbm.case_probabilities(model.users, who.hidden, item)
    if model.items is not None and who.unit is not None:
        W, b = who.unit
        hidden = model.items.hidden if item is None else model.items.hidden[item]
        first = 1 if model.items.rbm.conditional else 0
        z = hidden @ W[first:].T  # (n, n_features)
        by_item = levels.mean(b + z @ model.items.rbm.phi[:, first:].T)
    n_item = model.n_item_ratings if item is None else model.n_item_ratings[item]
    return blended(model, by_user, by_item, who.n_rated, n_item)


def pair_probabilities(model: RatingModel, people: Sequence[Person], row: Ints, item: Ints) -> Floats:
    """The same at pairs of people and items, all at once.

    Parameters
    ----------
    model : RatingModel
    people : sequence of Person
    row : int array, (n,)
        Which of the people.
    item : int array, (n,)

    Returns
    -------
    float32 array, (n, n_levels)
    """
    by_user = by_item = None
    if model.users is not None:
        by_user = level_rbm.pair_probabilities(model.users, np.array([who.hidden for who in people])[row], item)
    if model.items is not None:
        first = 1 if model.items.rbm.conditional else 0
        units = [who.unit for who in people if who.unit is not None]
        W, x = np.array([of_person[first:] for of_person, _ in units]), np.array([b for _, b in units])[row]
        hidden = model.items.hidden[item]
        for f in range(W.shape[1]):
            x = x + np.einsum("nj,nj->n", hidden, W[row, f])[:, None] * model.items.rbm.phi[:, first + f]
        by_item = levels.mean(x)
    n_user = np.array([who.n_rated for who in people])[row]
    return blended(model, by_user, by_item, n_user, model.n_item_ratings[item])


def blended(
    model: RatingModel,
    by_user: Floats | None,
    by_item: Floats | None,
    n_user: npt.ArrayLike,
    n_item: npt.ArrayLike,
) -> Floats:
    """One calibrated distribution (n, n_levels) from the machines' level probabilities, either of them or both."""
    n_user, n_item = np.asarray(n_user, np.float64), np.asarray(n_item, np.float64)
    if by_user is None or by_item is None:
        mean = by_item if by_user is None else by_user
        assert mean is not None
    else:
        share = model.blend.share_of_items(n_user, n_item)[..., None]
        mean = share * by_item + (1 - share) * by_user
    return model.blend.calibrated(mean, n_user, n_item).astype(np.float32)


def probabilities(model: RatingModel, history: Ratings, where: Ratings) -> Floats:
    """Level probabilities at (user, item) pairs, each user known by their history alone.

    Parameters
    ----------
    model : RatingModel
    history : Ratings
        One row a person; columns are the model's items.
    where : Ratings
        The pairs, rows as in `history`; its levels are not read.

    Returns
    -------
    float32 array, (n_pairs, n_levels)
    """
    check_history(model, history, where)
    by_user = by_item = None
    if model.users is not None:
        h = level_rbm.hidden_mean(model.users, history)
        by_user = level_rbm.entry_probabilities(model.users, h, where)
    if model.items is not None:
        by_item = _by_item(model.items, history, where)
    n_user = n_rated(history)[where.user_of()]
    return blended(model, by_user, by_item, n_user, model.n_item_ratings[where.item])


def for_users(model: RatingModel, start: int, stop: int) -> RatingModel:
    """Return the model as users start..stop of its training know it: their learnt weights found by their own rows.

    Parameters
    ----------
    model : RatingModel
    start, stop : int
    """
    if model.items is None or (start, stop) == (0, len(model.items.history_key)):
        return model
    rbm, mine = model.items.rbm, slice(start, stop)
    part = replace(rbm, W=rbm.W[:, mine], b=rbm.b[mine])
    return replace(model, items=replace(model.items, rbm=part, history_key=model.items.history_key[mine]))


def check_history(model: RatingModel, history: Ratings, where: Ratings | None = None) -> None:
    """Raise DataError unless the model can read these histories (and pairs)."""
    for what, ratings in (("history", history), ("pairs", where)):
        if ratings is not None and (ratings.n_items != model.n_items or ratings.scale.n_levels != len(model.values)):
            raise DataError(
                f"{what}: {ratings.n_items:,} items of {ratings.scale.n_levels} levels, the model has "
                f"{model.n_items:,} of {len(model.values)}; align them by the vocabulary it was trained on"
            )
    if where is not None and where.n_users != history.n_users:
        raise DataError(f"pairs: {where.n_users:,} users, but the history has {history.n_users:,}")


def _by_item(side: ItemsSide, history: Ratings, where: Ratings) -> Floats:
    """The items machine at the pairs."""
    people = _people(side, history, np.diff(where.indptr) > 0)
    out = level_rbm.entry_probabilities(replace(people, n_machines=1), side.hidden, where.transposed())
    return out[_entry_of(where)]


def _people(side: ItemsSide, history: Ratings, asked: npt.NDArray[np.bool_]) -> LevelRBM:
    """The items machine with the people of some histories as visible units: (n_users,) of them, where asked.

    Weights are known for an unchanged training history, else folded in.
    """
    rbm = side.rbm
    W = np.zeros((rbm.W.shape[0], history.n_users, rbm.n_hidden), np.float32)
    b = np.zeros((history.n_users, rbm.n_levels), np.float32)
    known = np.zeros(history.n_users, bool)
    if history.n_users == len(side.history_key):
        known = history_keys(history) == side.history_key
        W[:, known], b[known] = rbm.W[:, known], rbm.b[known]
    for user in np.flatnonzero(asked & ~known):
        W[:, user], b[user] = _person_unit(side, *history.history(int(user)))
    return replace(rbm, W=W, b=b)


def _person_unit(
    side: ItemsSide, item: Ints, level: npt.NDArray[np.uint8], compiled: bool = False
) -> tuple[Floats, Floats]:
    """Weights and biases of a person as a visible unit of the items machine."""
    rated = level != UNRATED
    priors = side.prior_weight, side.prior_bias
    penalties = side.weight_penalty, side.bias_penalty
    return fold_in_unit(side.hidden[item[rated]], level[rated], side.rbm.phi, *priors, *penalties, compiled)


def with_items(
    model: RatingModel, ratings: Ratings, place: Ints, weight_penalty: float, bias_penalty: float
) -> RatingModel:
    """Return the model with further items, known by the ratings of some people. Nothing else is learnt.

    Parameters
    ----------
    model : RatingModel
    ratings : Ratings
        Whole histories, a row a person, over the model's items and the new ones.
    place : int array, (n_items,)
        Where the model's items stand among the columns, in their order.
    weight_penalty, bias_penalty : float
        Of the new visible units in the users machine.

    Notes
    -----
    In the users machine a new item is a visible unit, folded in from the hidden means of its raters. In the items
    machine it is a case, and its raters are visible units: its hidden means are read off their weights.
    """
    history, fresh = ratings.columns(place), others(ratings.n_items, place)
    check_history(model, history)
    new = ratings.columns(fresh)
    users, items = model.users, model.items
    if users is not None:
        users = grown(users, ratings, place, weight_penalty, bias_penalty)
    if items is not None:
        raters = _people(items, history, np.diff(new.indptr) > 0)
        hidden = np.empty((ratings.n_items, items.rbm.n_hidden), np.float32)
        hidden[place] = items.hidden
        hidden[fresh] = level_rbm.voice(raters, level_rbm.hidden_mean(raters, new.transposed()))
        items = replace(items, hidden=hidden)
    rated = np.bincount(ratings.item[ratings.level != UNRATED], minlength=ratings.n_items)
    rated[place] = model.n_item_ratings
    return replace(model, users=users, items=items, n_item_ratings=rated)


def _entry_of(where: Ratings) -> Ints:
    """Where each pair stands among the transposed pairs."""
    order = np.argsort(where.item, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place


def n_rated(ratings: Ratings) -> npt.NDArray[np.float64]:
    """Ratings in each row, entries without a level left out: (n_rows,)."""
    return np.bincount(ratings.user_of()[ratings.level != UNRATED], minlength=ratings.n_users).astype(np.float64)


def only(model: RatingModel, cases: str) -> RatingModel:
    """Return the part of the model whose cases are "users" or "items"; "both" is the model itself."""
    if cases == "users":
        return replace(model, items=None)
    return replace(model, users=None) if cases == "items" else model


def with_blends(model: RatingModel, blends: dict[str, Blend]) -> RatingModel:
    """Return the model with other blends."""
    return replace(model, blends=blends)
