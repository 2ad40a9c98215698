"""The fitted rating model: one machine whose cases are users, one whose cases are items, and how they are blended.

A prediction is a function of a person's *history*. The users machine reads its hidden units off the history. In the
items machine a person is a visible unit: its weights solve a small convex problem given the hidden units of the items
in the history (`fold_in_unit`), unless the history is just the one a training user had, whose weights are then known.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data import Ratings
from harmonium.errors import DataError
from harmonium.models import level_rbm
from harmonium.models.level_rbm import LevelRBM
from harmonium.randomness import uniforms
from harmonium.units import bernoulli, levels

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
FOLD_IN_STEPS = 50  # Newton steps at most; half a dozen are usual
SMALLEST_STEP = 1e-6  # of step halving; also what keeps an unpenalised problem solvable
LARGEST_LOG = 3.0  # sharpness stays within e^-3 and e^3, whatever the evidence
MOST_COMPILED = 64  # ratings; above that LAPACK is faster
FOLD_IN_TOLERANCE = 1e-3  # on the gradient, in nats


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
        Hidden means of the items given their training ratings.
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
    def n_items(self) -> int:
        """Number of items the model knows."""
        return len(self.n_item_ratings)


def items_side(
    rbm: LevelRBM, ratings: Ratings, learnt_from: Ratings, weight_penalty: float, bias_penalty: float
) -> ItemsSide:
    """Complete a machine trained on items as cases with the evidence that predictions need.

    Parameters
    ----------
    rbm : LevelRBM
    ratings : Ratings
        What is known of the items, users as rows.
    learnt_from : Ratings
        What the machine was trained on: all of it, or all but the validation ratings.
    weight_penalty, bias_penalty : float
    """
    counts = np.bincount(ratings.level[ratings.level != UNRATED], minlength=rbm.n_levels) + level_rbm.SMOOTHING
    prior = np.log(counts / counts.sum()).astype(np.float32)
    hidden = level_rbm.hidden_mean(rbm, ratings.transposed())
    return ItemsSide(rbm, hidden, rbm.W.mean(axis=1), prior, history_keys(learnt_from), weight_penalty, bias_penalty)


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
    hidden = unit = None
    if model.users is not None:
        hidden = history_hidden(model.users, item, level)
    rated = level != UNRATED
    if model.items is not None:
        side = model.items
        g = side.hidden[item[rated]]
        unit = fold_in_unit(
            g,
            level[rated],
            side.rbm.phi,
            side.prior_weight,
            side.prior_bias,
            side.weight_penalty,
            side.bias_penalty,
            compiled,
        )
    return Person(hidden, unit, int(rated.sum()))


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


def fold_in_unit(
    g: Floats,
    level: npt.NDArray[np.uint8],
    phi: Floats,
    prior_weight: Floats,
    prior_bias: Floats,
    weight_penalty: float,
    bias_penalty: float,
    compiled: bool = False,
) -> tuple[Floats, Floats]:
    """Weights and biases of a new visible unit, the machine held fixed: a convex problem.

    Minimises - sum_t log P(level_t | g_t)
        + weight_penalty / 2 |W - prior_weight|^2 + bias_penalty / 2 |b - prior_bias|^2.

    Parameters
    ----------
    g : floats, (n, n_hidden)
        Hidden means of the cases that rated the unit.
    level : uint8 array, (n,)
    phi : floats, (n_levels, n_features)
    prior_weight : floats, (n_features, n_hidden)
    prior_bias : floats, (n_levels,)
    weight_penalty, bias_penalty : float
    compiled : bool

    Returns
    -------
    W : float32 array, (n_features, n_hidden)
        The prior's for a constant feature, which does not reach the unit's own probabilities.
    b : float32 array, (n_levels,)
    """
    n, (n_levels, n_features) = len(level), phi.shape
    if n == 0:
        return prior_weight.astype(np.float32), prior_bias.astype(np.float32)
    free = (phi[:, 1:] if level_rbm.is_conditional(phi) else phi).astype(np.float64)  # (n_levels, n_free)
    basis, rows = _row_space(g.astype(np.float64))
    problem = _UnitProblem(
        rows,
        g @ prior_weight[n_features - free.shape[1] :].T,
        np.eye(n_levels)[level],
        free,
        prior_bias.astype(np.float64),
        weight_penalty,
        bias_penalty,
    )
    u, b = problem.solve_compiled(level) if compiled and n <= MOST_COMPILED else problem.solve()
    W = prior_weight.astype(np.float32)
    W[n_features - free.shape[1] :] += (u @ basis.T).astype(np.float32)
    return W, b.astype(np.float32)


def _row_space(g: Floats) -> tuple[Floats, Floats]:
    """Orthonormal basis (n_hidden, r) of the rows of g, and the rows in it (n, r): where a unit's weights lie."""
    if len(g) >= g.shape[1]:
        return np.eye(g.shape[1]), g
    basis, triangle = np.linalg.qr(g.T)
    return basis, triangle.T


class _UnitProblem(NamedTuple):
    """The convex problem of `fold_in_unit`, solved by Newton's method with step halving."""

    rows: Floats  # (n, r)
    offset: Floats  # (n, n_free), fields by the prior's weights
    data: Floats  # (n, n_levels), one-hot
    phi: Floats  # (n_levels, n_free)
    prior: Floats  # (n_levels,)
    ridge: float
    bias_penalty: float

    def solve(self) -> tuple[Floats, Floats]:
        """Weights less the prior's (n_free, r), and biases (n_levels,)."""
        u, b = np.zeros((self.phi.shape[1], self.rows.shape[1])), self.prior.copy()
        loss, p = self.loss(u, b)
        for _ in range(FOLD_IN_STEPS):
            gradient = self.gradient(u, b, p)
            if np.abs(gradient).max() < FOLD_IN_TOLERANCE:
                break
            step, size = np.linalg.solve(self.hessian(p), gradient), 1.0
            du, db = step[: u.size].reshape(u.shape), step[u.size :]
            while True:
                trial, p_trial = self.loss(u - size * du, b - size * db)
                if trial <= loss or size < SMALLEST_STEP:
                    break
                size *= 0.5
            u, b, loss, p = u - size * du, b - size * db, trial, p_trial
        return u, b

    def solve_compiled(self, level: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """The same by the same steps, in one compiled call."""
        from harmonium.kernels import cpu_fold_in

        arrays = (np.ascontiguousarray(a, np.float64) for a in (self.rows, self.offset))
        free = (np.ascontiguousarray(a, np.float64) for a in (self.phi, self.prior))
        limits = FOLD_IN_STEPS, FOLD_IN_TOLERANCE, SMALLEST_STEP
        penalties = float(self.ridge), float(self.bias_penalty)
        return cpu_fold_in.newton(*arrays, level.astype(np.int64), *free, penalties, limits)

    def loss(self, u: Floats, b: Floats) -> tuple[float, Floats]:
        """Objective, and the level probabilities (n, n_levels)."""
        x = b + (self.offset + self.rows @ u.T) @ self.phi.T
        fit = (levels.log_partition(x) - (x * self.data).sum(axis=1)).sum()
        penalty = 0.5 * self.ridge * (u * u).sum() + 0.5 * self.bias_penalty * ((b - self.prior) ** 2).sum()
        return float(fit + penalty), levels.mean(x)

    def gradient(self, u: Floats, b: Floats, p: Floats) -> Floats:
        residual = p - self.data
        du = (residual @ self.phi).T @ self.rows + self.ridge * u
        return np.concatenate((du.ravel(), residual.sum(axis=0) + self.bias_penalty * (b - self.prior)))

    def hessian(self, p: Floats) -> Floats:
        n_free, r, n_levels = self.phi.shape[1], self.rows.shape[1], p.shape[1]
        mean = p @ self.phi  # (n, n_free)
        out = np.zeros((n_free * r + n_levels,) * 2)
        for f in range(n_free):
            mine = slice(f * r, (f + 1) * r)
            for other in range(n_free):
                covariance = p @ (self.phi[:, f] * self.phi[:, other]) - mean[:, f] * mean[:, other]
                out[mine, other * r : (other + 1) * r] = self.rows.T @ (self.rows * covariance[:, None])
            cross = self.rows.T @ (p * (self.phi[:, f] - mean[:, f : f + 1]))  # (r, n_levels)
            out[mine, n_free * r :], out[n_free * r :, mine] = cross, cross.T
        out[n_free * r :, n_free * r :] = np.diag(p.sum(axis=0)) - p.T @ p
        out.flat[:: len(out) + 1] += np.repeat((self.ridge, self.bias_penalty), (n_free * r, n_levels)) + SMALLEST_STEP
        return out


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
    """The items machine at the pairs: known weights for an unchanged training history, else folded in."""
    W, b = (
        np.zeros((side.rbm.W.shape[0], history.n_users, side.rbm.n_hidden), np.float32),
        np.empty((history.n_users, side.rbm.n_levels), np.float32),
    )
    known = np.zeros(history.n_users, bool)
    if history.n_users == len(side.history_key):
        known = history_keys(history) == side.history_key
        W[:, known], b[known] = side.rbm.W[:, known], side.rbm.b[known]
    hidden = side.hidden
    asked = np.diff(where.indptr) > 0
    for user in np.flatnonzero(asked & ~known):
        item, level = history.history(int(user))
        rated = level != UNRATED
        W[:, user], b[user] = fold_in_unit(
            hidden[item[rated]],
            level[rated],
            side.rbm.phi,
            side.prior_weight,
            side.prior_bias,
            side.weight_penalty,
            side.bias_penalty,
        )
    pairs = where.transposed()
    out = level_rbm.entry_probabilities(LevelRBM(W, b, side.rbm.c, side.rbm.phi), hidden, pairs)
    return out[_entry_of(where)]


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
