"""Ratings from several sources brought to common ids and levels."""

from dataclasses import replace

import numpy as np

from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Scale, Vocabulary
from harmonium.data.sorting import row_pointer
from harmonium.errors import DataError


def aligned(scale: Scale, items: Vocabulary, **parts: Ratings) -> dict[str, Ratings]:
    """Bring ratings to one scale and to vocabularies that hold all their users and items.

    Parameters
    ----------
    scale : Scale
    items : Vocabulary
        Items to have besides those of the parts.
    **parts : Ratings
        By name, for messages.

    Returns
    -------
    dict of Ratings
        With all users and items of all parts. A part that has these already is passed on as it is.

    Raises
    ------
    DataError
        Ids are numbers here and text there, or a rating is not on the scale.
    """
    users = None
    for name, part in parts.items():
        users = part.users if users is None else united(users, part.users, f"{name}: its user ids")
        items = united(items, part.items, f"{name}: its item ids")
    assert users is not None
    return {name: brought_to(part, users, items, scale, name) for name, part in parts.items()}


def united(one: Vocabulary, other: Vocabulary, what: str) -> Vocabulary:
    """All ids of two vocabularies; the first itself where it has them all.

    Parameters
    ----------
    one, other : Vocabulary
    what : str
        Begins the message of an error.

    Raises
    ------
    DataError
        One has numbers, the other text.
    """
    if one is other or one == other or not len(other):
        return one
    if not len(one):
        return other
    if one.is_text != other.is_text:
        mine, theirs = ("text" if v.is_text else "numbers" for v in (other, one))
        raise DataError(
            f"{what} are {mine} (such as {other[0]!r}), the others are {theirs} (such as {one[0]!r}); make them alike"
        )
    both = Vocabulary.from_ids([*one, *other]) if one.is_text else Vocabulary(np.union1d(one.ids, other.ids))
    return one if len(both) == len(one) else both


def brought_to(ratings: Ratings, users: Vocabulary, items: Vocabulary, scale: Scale, name: str = "ratings") -> Ratings:
    """Return the same ratings over other vocabularies and another scale; entries whose id is not there are left out.

    Parameters
    ----------
    ratings : Ratings
    users, items : Vocabulary
    scale : Scale
    name : str
        Begins the message of an error.

    Raises
    ------
    DataError
        A rating is not on the scale.
    """
    if (ratings.users, ratings.items, ratings.scale) == (users, items, scale):
        return ratings
    level = ratings.level if ratings.scale == scale else _recoded(ratings, scale, name)
    user = users.indices(ratings.users.ids, unknown=-1)[ratings.user_of()]
    item = items.indices(ratings.items.ids, unknown=-1)[ratings.item]
    kept = (user >= 0) & (item >= 0)
    return replace(  # vocabularies are sorted, so that entries stay in order
        ratings,
        indptr=row_pointer(user[kept], len(users)),
        item=item[kept],
        level=level[kept],
        users=users,
        items=items,
        scale=scale,
        time=None if ratings.time is None else ratings.time[kept],
    )


def _recoded(ratings: Ratings, scale: Scale, name: str) -> np.ndarray:
    values, rated = ratings.values(), ratings.level != UNRATED
    off = rated.copy()
    off[rated] = ~scale.on_scale(values[rated])
    if off.any():
        at = int(np.argmax(off))
        user, item = ratings.users[ratings.user_of()[at]], ratings.items[ratings.item[at]]
        raise DataError(
            f"{name}: rating {values[at]:g} of user {user!r} for item {item!r} is not on the model's scale "
            f"{scale.describe()}"
        )
    level = np.full(len(values), UNRATED, np.uint8)
    level[rated] = scale.code(values[rated])
    return level
