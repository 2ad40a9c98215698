"""Probability of liking every item at once: the same numbers as `person_probabilities`, laid out for speed.

Level by level over contiguous item vectors, in float32, without the probabilities that nobody asked for: a softmax
over levels is a sum over few long rows, and log and softmax cancel where there is one machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import LIKED_SHARE
from harmonium.data import Scale
from harmonium.errors import SettingError
from harmonium.models import level_rbm
from harmonium.models.level_rbm import LevelRBM
from harmonium.models.rating_model import LARGEST_LOG, Person, RatingModel
from harmonium.units import bernoulli

Floats = npt.NDArray[np.floating]
BLOCK = 8192  # elements of a matrix below which OpenBLAS multiplies a vector in one thread
TINY = np.finfo(np.float32).tiny


def default_like(scale: Scale) -> float:
    """The lowest level at least three quarters of the way from the lowest rating to the highest.

    Parameters
    ----------
    scale : Scale
    """
    least = scale.minimum + LIKED_SHARE * (scale.maximum - scale.minimum)
    return next(level for level in scale.levels if level >= least)


def first_liked_level(scale: Scale, like: Any) -> int:
    """Level code of the lowest level that counts as liking.

    Parameters
    ----------
    scale : Scale
    like : float
        Ratings of at least this count as liking.

    Raises
    ------
    SettingError
        Every rating is liking then, or none.
    """
    good = isinstance(like, Real) and not isinstance(like, bool | np.bool_)
    if not good or not scale.minimum < float(like) <= scale.maximum:
        raise SettingError(
            f"like: {like!r} is not a rating above {scale.minimum:g} and up to {scale.maximum:g}; "
            "ratings of at least it count as liking"
        )
    return int(np.searchsorted(scale.values, float(like)))


@final
@dataclass(frozen=True, eq=False)
class LikingTables:
    """A model's arrays in the layout that ranking all items wants.

    Parameters
    ----------
    model : RatingModel
    first_liked : int
        Level code of the lowest level that counts as liking.
    users_weights : float32 array, (n_features, n_items, n_hidden), or None
        Of the users machine, of the features that reach a level's probability.
    users_bias : float32 array, (n_levels, n_items), or None
        Visible biases of the users machine, level by level.
    items_hidden : float32 array, (n_items, n_hidden), or None
        Hidden means of the items in the items machine.
    log_evidence : float32 array, (n_items,)
        log(1 + training ratings) of each item.
    """

    model: RatingModel
    first_liked: int
    users_weights: Floats | None
    users_bias: Floats | None
    items_hidden: Floats | None
    log_evidence: Floats

    @classmethod
    def of(cls, model: RatingModel, first_liked: int) -> "LikingTables":
        """Lay a model out.

        Parameters
        ----------
        model : RatingModel
        first_liked : int
        """
        users, items = model.users, model.items
        weights = None if users is None else users.W[_free(users)]
        bias = None if users is None else np.ascontiguousarray(users.b.T)
        hidden = None if items is None else items.hidden
        return cls(model, first_liked, weights, bias, hidden, np.log1p(model.n_item_ratings).astype(np.float32))

    def probability(self, who: Person) -> Floats:
        """Probability that this person likes each item.

        Parameters
        ----------
        who : Person

        Returns
        -------
        float32 array, (n_items,)

        Notes
        -----
        One matrix-vector product a machine, and as many exponentials as there are items and levels.
        """
        by_user, by_item = self._users_field(who), self._items_field(who)
        if by_user is None or by_item is None:
            x = by_item if by_user is None else by_user
            assert x is not None
        else:
            share = bernoulli.mean(self._evidence(self.model.blend.share, who.n_rated))
            x = _softmax(by_item)
            x *= share
            by_user = _softmax(by_user)
            by_user *= 1 - share
            x += by_user
            np.log(np.maximum(x, TINY, out=x), out=x)
        return self._liked(x, who.n_rated)

    def probabilities(self, people: Sequence[Person], items: npt.NDArray[np.integer] | None = None) -> Floats:
        """The same for several people at once, compiled: one pass over the weights.

        Parameters
        ----------
        people : sequence of Person
        items : int array, (n_asked,), optional
            Only these.

        Returns
        -------
        float32 array, (n_people, n_items) or (n_people, n_asked)
            An answer does not depend on the other people or on what else is asked; it equals `probability` but for
            rounding.
        """
        from harmonium.kernels import cpu_liking

        if items is not None:
            whole = np.append(items, np.zeros(-len(items) % cpu_liking.BLOCK, np.int64))  # one order of operations
            return self._of(whole).probabilities(people)[:, : len(items)]

        model, blend = self.model, self.model.blend
        n_rated = np.log1p([who.n_rated for who in people])
        weights = [
            part.astype(np.float32) if isinstance(part, np.ndarray) else np.float32(part)
            for name in (blend.share, blend.sharpness)
            for part in (name[0] + name[1] * n_rated, name[2])
        ]
        level_bias = np.array(blend.level_bias or (0.0,) * len(model.values), np.float32)
        n_items = len(self.log_evidence)
        out = np.empty((len(people), n_items), np.float32)
        cpu_liking.liking(
            0, n_items, self._users_part(people), self._items_part(people), (*weights, level_bias),
            *_frozen(self.log_evidence), self.first_liked, out,
        )  # fmt: skip
        return out

    def _of(self, items: npt.NDArray[np.integer]) -> "LikingTables":
        """The tables of some items."""
        return replace(
            self,
            users_weights=None if self.users_weights is None else self.users_weights[:, items],
            users_bias=None if self.users_bias is None else self.users_bias[:, items],
            items_hidden=None if self.items_hidden is None else self.items_hidden[items],
            log_evidence=self.log_evidence[items],
        )

    def _users_part(self, people: Sequence[Person]) -> tuple[Floats, ...]:
        users = self.model.users
        if users is None or self.users_weights is None or self.users_bias is None:
            return _frozen(np.zeros((0, 0, 0)), np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((len(people), 0)))
        free = _free(users)
        hidden = [level_rbm.voice(users, who.hidden) for who in people if who.hidden is not None]
        return _frozen(self.users_weights, self.users_bias, np.ascontiguousarray(users.phi[:, free]), np.array(hidden))

    def _items_part(self, people: Sequence[Person]) -> tuple[Floats, ...]:
        items, n = self.model.items, len(people)
        if items is None or self.items_hidden is None:
            return _frozen(np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((n, 0, 0)), np.zeros((n, 0)))
        free = _free(items.rbm)
        units = [who.unit for who in people if who.unit is not None]
        phi = np.ascontiguousarray(items.rbm.phi[:, free])
        return _frozen(self.items_hidden, phi, np.array([W[free] for W, _ in units]), np.array([b for _, b in units]))

    def _users_field(self, who: Person) -> Floats | None:
        """Fields of the levels in the users machine, (n_levels, n_items)."""
        users = self.model.users
        if users is None or who.hidden is None or self.users_weights is None or self.users_bias is None:
            return None
        hidden = level_rbm.voice(users, who.hidden.astype(np.float32, copy=False))
        z = [_product(W, hidden) for W in self.users_weights]
        return _fields(users.phi[:, _free(users)], z, self.users_bias)

    def _items_field(self, who: Person) -> Floats | None:
        """Fields of the levels in the items machine, (n_levels, n_items)."""
        items = self.model.items
        if items is None or who.unit is None or self.items_hidden is None:
            return None
        W, b = who.unit
        free = _free(items.rbm)
        z = [_product(self.items_hidden, of_feature) for of_feature in W[free]]
        return _fields(items.rbm.phi[:, free], z, b[:, None])

    def _liked(self, x: Floats, n_rated: int) -> Floats:
        """Calibrated probability of the liked levels, (n_items,); x (n_levels, n_items) is used up."""
        blend = self.model.blend
        if any(blend.sharpness):
            x *= np.exp(np.clip(self._evidence(blend.sharpness, n_rated), -LARGEST_LOG, LARGEST_LOG))
        if blend.level_bias:
            x += np.array(blend.level_bias, np.float32)[:, None]
        x -= x.max(axis=0)
        np.exp(x, out=x)
        liked = x[self.first_liked :].sum(axis=0)
        liked /= liked + x[: self.first_liked].sum(axis=0)
        return liked

    def _evidence(self, weights: tuple[float, float, float], n_rated: int) -> Floats:
        """Weights . (1, log(1 + n_user), log(1 + n_item)) of every item, (n_items,)."""
        of_person = np.float32(weights[0] + weights[1] * np.log1p(n_rated))
        return of_person + np.float32(weights[2]) * self.log_evidence


def _frozen(*arrays: Floats) -> tuple[Floats, ...]:
    """Read-only float32 views: one compiled version serves all models."""
    views = tuple(np.ascontiguousarray(array, np.float32).view() for array in arrays)
    for view in views:
        view.flags.writeable = False
    return views


def _free(rbm: LevelRBM) -> slice:
    """The features that reach a visible unit's own probabilities: all but the constant one."""
    return slice(1 if rbm.conditional else 0, None)


def _product(rows: Floats, vector: Floats) -> Floats:
    """Matrix-vector product (n,) in blocks that BLAS does not share out: its threads take longer to wake than to work.

    On a busy machine that costs ten times the product itself; requests run side by side anyway.
    """
    n, block = len(rows), max(1, BLOCK // rows.shape[1])
    whole = n - n % block
    out = np.empty(n, np.float32)
    np.matmul(rows[:whole].reshape(-1, block, rows.shape[1]), vector, out=out[:whole].reshape(-1, block))
    np.matmul(rows[whole:], vector, out=out[whole:])
    return out


def _fields(phi: Floats, z: list[Floats], bias: Floats) -> Floats:
    """bias[k] + sum_f phi[k, f] z[f], (n_levels, n_items); phi (n_levels, n_features), z one vector a feature."""
    x = phi[:, 0, None] * z[0]
    x += bias
    for f in range(1, len(z)):
        x += phi[:, f, None] * z[f]
    return x


def _softmax(x: Floats) -> Floats:
    """Softmax over the first axis, in place."""
    x -= x.max(axis=0)
    np.exp(x, out=x)
    x /= x.sum(axis=0)
    return x
