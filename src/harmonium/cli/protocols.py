"""Protocols of evaluation by name: what is learned from, what is known of each user, and what is asked."""

from typing import NamedTuple

from harmonium.data import Ratings, last_n_split, per_user_split, random_split, strong_split, time_split
from harmonium.errors import SettingError

PROTOCOLS = ("random", "per-user", "time", "last-n", "strong")
TIME_FRACTION = 0.1


class Parts(NamedTuple):
    """Ratings in disjoint parts; `known` is the training part itself unless whole users are held out."""

    learned_from: Ratings
    known: Ratings
    asked: Ratings


def split(ratings: Ratings, protocol: str, fraction: float | None, n: int, seed: int) -> Parts:
    """Split ratings as a protocol says.

    Parameters
    ----------
    ratings : Ratings
    protocol : str
        One of `PROTOCOLS`.
    fraction : float, optional
        The splits' own defaults where it is not given.
    n : int
        Of "last-n".
    seed : int
        Of those that draw.
    """
    share = () if fraction is None else (fraction,)
    if protocol == "strong":
        parts = strong_split(ratings, *share, rng=seed)
        return Parts(parts.train, parts.fold_in, parts.held_out)
    if protocol == "random":
        parts = random_split(ratings, *share, rng=seed)
    elif protocol == "per-user":
        parts = per_user_split(ratings, *share, rng=seed)
    elif protocol == "time":
        parts = time_split(ratings, TIME_FRACTION if fraction is None else fraction)
    elif protocol == "last-n":
        parts = last_n_split(ratings, n)
    else:
        raise SettingError(f"protocol: {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    return Parts(parts.train, parts.train, parts.test)
