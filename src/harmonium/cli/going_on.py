"""Learning on from a served model: its ratings and a store's as one table, or the store's alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Vocabulary, random_split
from harmonium.errors import DataError, SettingError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.evaluation.ratings import evaluate
from harmonium.recommending.recommender import Recommender

Row = tuple[str, int | str, float | None, int]  # user id, item id, rating or None, seconds since 1970
VALIDATION_SHARE = 0.2  # of a store's ratings, by which it is decided whether to keep what was learned from them alone
SEED = 0  # of those held out
FEWEST = 50  # ratings of a store that are learned from alone
DIGITS = 16  # hexadecimal ones that a user of the store is known by in a model file


class Together(NamedTuple):
    """A model's ratings and a store's.

    Parameters
    ----------
    ratings : Ratings
        Rows are people by number: the model's first, in its order, then those who have come since.
    n_known : int
        People of the model.
    added : list of str
        Digests of the people who are not in the model's own ratings, in the order of their rows.
    """

    ratings: Ratings
    n_known: int
    added: list[str]


def together(ratings: Ratings, stored: Sequence[Row], old: Recommender) -> Together:
    """Join ratings with those of a store, which go before where both have the same user and item.

    Parameters
    ----------
    ratings : Ratings
        That the model was made of, before any store.
    stored : sequence of (user id, item id, rating or None, seconds since 1970)
        Ratings that are not on the model's scale are left out.
    old : Recommender

    Raises
    ------
    DataError
        The ratings are on another scale than the model's.
    """
    if ratings.scale != old.scale:
        raise DataError(
            f"the ratings are {ratings.scale.describe()}, the model's {old.scale.describe()}; name those it was made of"
        )
    kept = _fitting(stored, ratings.items.is_text, old)
    row_of = {str(user): row for row, user in enumerate(ratings.users)}
    digests = dict.fromkeys((old.record or {}).get("store_users", ()))  # in the order of their rows
    n_known = len(row_of) + len(digests)
    names = sorted({user for user, _, _ in kept} - set(row_of))
    digests |= dict.fromkeys(digest_of_user(user) for user in names)
    place = {digest: len(row_of) + k for k, digest in enumerate(digests)}
    row_of |= {user: place[digest_of_user(user)] for user in names}
    items = Vocabulary.from_ids([*ratings.items, *(item for _, item, _ in kept)])
    column = items.indices(list(ratings.items))[ratings.item]
    whole = Ratings.from_arrays(
        [*ratings.user_of().tolist(), *(row_of[user] for user, _, _ in kept)],
        [*column.tolist(), *items.indices([item for _, item, _ in kept]).tolist()],
        [*ratings.level.tolist(), *_levels(kept, old)],
        Vocabulary(np.arange(ratings.n_users + len(digests))),
        items,
        ratings.scale,
        duplicates="last",
    )
    return Together(whole, n_known, list(digests))


def continued(old: Recommender, joined: Together, n_epochs: int) -> RatingRBM:
    """The model after some more epochs over all ratings; who and what is new gets units of its own.

    Parameters
    ----------
    old : Recommender
    joined : Together
    n_epochs : int

    Raises
    ------
    DataError
        The ratings are not those that the model was made of.
    """
    model, ratings = old.machine.fitted_model, joined.ratings
    places = ratings.items.indices(old.items.ids, unknown=-1)
    n_users = joined.n_known if model.items is None else model.items.rbm.n_visible
    if (places < 0).any() or n_users != joined.n_known:
        raise DataError(
            f"these are not the ratings that the model was made of: {ratings.n_users:,} users and {ratings.n_items:,} "
            "items; name those, or learn from scratch with --full"
        )
    users = np.arange(ratings.n_users if model.items is None else n_users)
    estimator = _copy(old)
    return estimator.partial_fit(ratings, n_epochs=n_epochs, users=users, items=places)


def from_new_alone(old: Recommender, stored: Sequence[Row], n_epochs: int) -> tuple[RatingRBM | None, float, float]:
    """The model after its users machine has learned from a store's people alone, if that helps; with what it is worth.

    Parameters
    ----------
    old : Recommender
    stored : sequence of (user id, item id, rating or None, seconds since 1970)
        Items that the model does not know are left out.
    n_epochs : int

    Returns
    -------
    model : RatingRBM or None
        None where ratings held out of the store's are predicted no better than before.
    before, after : float
        Their mean log-loss, in nats.

    Raises
    ------
    SettingError, DataError
        There is no users machine; there is too little to learn from.
    """
    if old.machine.fitted_model.users is None:
        raise SettingError("a model whose cases are items learns on from all ratings only; name them: FILE|NAME")
    kept = [row for row in _fitting(stored, old.items.is_text, old) if row[1] in old.items]
    users = Vocabulary.from_ids([user for user, _, _ in kept])
    fresh = Ratings.from_arrays(
        users.indices([user for user, _, _ in kept]), old.items.indices([item for _, item, _ in kept]),
        _levels(kept, old), users, old.items, old.scale,
    )  # fmt: skip
    if fresh.n_ratings < FEWEST:
        raise DataError(
            f"the store holds {fresh.n_ratings:,} ratings of items the model knows; {FEWEST} are needed to learn from "
            "them alone. Name the ratings that the model was made of: FILE|NAME"
        )
    parts = random_split(fresh, VALIDATION_SHARE, SEED)
    tried = _with_users(old, parts.train, n_epochs)
    before, after = (evaluate(one, parts.train, parts.test).model.log_loss for one in (old.machine, tried))
    return (_with_users(old, fresh, n_epochs) if after < before else None), before, after


def digest_of_user(user_id: str) -> str:
    """What a store's user is known by in a model file.

    Parameters
    ----------
    user_id : str
    """
    return hashlib.sha256(user_id.encode()).hexdigest()[:DIGITS]


def _with_users(old: Recommender, fresh: Ratings, n_epochs: int) -> RatingRBM:
    """The model with a users machine that has learned on from some people; counts are those of all together."""
    part = old.machine.only("users").partial_fit(fresh, n_epochs=n_epochs, users=np.arange(fresh.n_users))
    learnt, model, estimator = part.fitted_model, old.machine.fitted_model, _copy(old)
    estimator.model_ = replace(
        model,
        users=learnt.users,
        n_item_ratings=model.n_item_ratings + learnt.n_item_ratings,
        level_counts=model.level_counts + learnt.level_counts,
    )
    estimator.history_ = part.history_
    return estimator


def _copy(old: Recommender) -> RatingRBM:
    estimator = RatingRBM(**old.machine.get_params())
    estimator.model_, estimator.learned_from_ = old.machine.model_, old.machine.learned_from_
    return estimator


def _fitting(stored: Sequence[Row], is_text: bool, old: Recommender) -> list[tuple[str, Any, float | None]]:
    """Rows whose item ids are of the model's kind and whose ratings are on its scale."""
    return [
        (user, item, rating)
        for user, item, rating, _ in stored
        if isinstance(item, str) == is_text and (rating is None or old.scale.on_scale([rating]).all())
    ]


def _levels(kept: Sequence[tuple[str, Any, float | None]], old: Recommender) -> list[int]:
    return [UNRATED if rating is None else int(old.scale.code([rating])[0]) for _, _, rating in kept]
