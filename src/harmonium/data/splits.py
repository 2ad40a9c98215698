"""Train and test parts of the same ratings: disjoint, complete, and of one shape."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import numpy as np

from harmonium.data.interactions import Interactions
from harmonium.data.ratings import Ratings
from harmonium.errors import DataError, LeakError, SettingError
from harmonium.randomness import Seed, as_generator

Entries = TypeVar("Entries", Ratings, Interactions)


@final
@dataclass(frozen=True)
class Split(Generic[Entries]):
    """Two disjoint parts.

    Parameters
    ----------
    train, test : Ratings or Interactions
        With the same vocabularies and scale.

    Raises
    ------
    LeakError
        An entry is in both.
    """

    train: Entries
    test: Entries

    def __post_init__(self):
        check_disjoint(train=self.train, test=self.test)

    def __iter__(self) -> Iterator[Entries]:
        """Unpack as ``train, test = random_split(ratings)``."""
        return iter((self.train, self.test))


@final
@dataclass(frozen=True)
class StrongSplit(Generic[Entries]):
    """Whole users held out: what is learned from, what is known of the others, and what is asked about them.

    Parameters
    ----------
    train : Ratings or Interactions
        All entries of the training users.
    fold_in, held_out : Ratings or Interactions
        The entries of the test users, in two parts.

    Raises
    ------
    LeakError
        An entry is in two parts, or a user both trains and tests.
    """

    train: Entries
    fold_in: Entries
    held_out: Entries

    def __post_init__(self):
        check_disjoint(train=self.train, fold_in=self.fold_in, held_out=self.held_out)
        tested = (np.diff(self.fold_in.indptr) > 0) | (np.diff(self.held_out.indptr) > 0)
        both = np.flatnonzero(tested & (np.diff(self.train.indptr) > 0))
        if len(both):
            raise LeakError(f"user {self.train.users[both[0]]!r} is both in the training and in the test part")


def check_disjoint(**parts: Ratings | Interactions):
    """Check that parts share vocabularies and scale, and no entry.

    Parameters
    ----------
    **parts : Ratings or Interactions
        By name, for the message.

    Raises
    ------
    DataError
        Vocabularies or scales differ.
    LeakError
        A user and an item are together in two parts.
    """
    (first_name, first), *others = parts.items()
    for name, part in others:
        if part.axes != first.axes:
            raise DataError(f"{first_name} and {name} must have the same users and items, and one scale")
    keys = {name: part.user_of().astype(np.int64) * part.n_items + part.item for name, part in parts.items()}
    for name, other in itertools.combinations(keys, 2):
        shared = _shared(keys[name], keys[other])
        if len(shared):
            user, item = divmod(int(shared[0]), first.n_items)
            raise LeakError(
                f"user {first.users[user]!r} with item {first.items[item]!r} is both in {name} and {other}, "
                f"as {len(shared):,} entries are"
            )


def split_by_mask(ratings: Entries, test: np.ndarray) -> Split[Entries]:
    """Split by a mask of your own.

    Parameters
    ----------
    ratings : Ratings or Interactions
    test : bool array, (n,)
        True for the entries of the test part.

    Returns
    -------
    Split
    """
    tested = ratings.select(test)
    return Split(ratings.select(~np.asarray(test)), tested)


def random_split(ratings: Entries, fraction: float = 0.1, rng: Seed = 0) -> Split[Entries]:
    """Hold out entries drawn uniformly from all.

    Parameters
    ----------
    ratings : Ratings or Interactions
    fraction : float, default 0.1
        Share of the entries in the test part, rounded down; inside 0..1.
    rng : int, Generator, SeedSequence or None, default 0

    Returns
    -------
    Split

    Notes
    -----
    The first ``int(n * fraction)`` of ``rng.permutation(n)``, over the entries in the order of `ratings`.
    """
    _check_fraction("fraction", fraction)
    return split_by_mask(ratings, held_out_mask(ratings.n_entries, fraction, rng))


def held_out_mask(n: int, fraction: float, rng: Seed) -> np.ndarray:
    """Draw which of n entries `random_split` holds out.

    Parameters
    ----------
    n : int
    fraction : float
    rng : seed

    Returns
    -------
    bool array, (n,)
    """
    mask = np.zeros(n, dtype=bool)
    mask[as_generator(rng).permutation(n)[: int(n * fraction)]] = True
    return mask


def per_user_split(ratings: Entries, fraction: float = 0.2, rng: Seed = 0) -> Split[Entries]:
    """Hold out a share of every user's entries.

    Parameters
    ----------
    ratings : Ratings or Interactions
    fraction : float, default 0.2
        Share of each user's entries in the test part, rounded down; inside 0..1.
    rng : int, Generator, SeedSequence or None, default 0

    Returns
    -------
    Split
    """
    _check_fraction("fraction", fraction)
    count = np.floor(np.diff(ratings.indptr) * fraction).astype(np.int64)
    return split_by_mask(ratings, _first_of_row(ratings, count, as_generator(rng).random(ratings.n_entries)))


def time_split(ratings: Entries, fraction: float | None = None, *, time: int | None = None) -> Split[Entries]:
    """Hold out what happened last, over all users.

    Parameters
    ----------
    ratings : Ratings or Interactions
        With times.
    fraction : float, optional
        Share of the entries in the test part, rounded down; inside 0..1. What happened in the second of the
        last training entry stays in the training part, so the test part can be smaller.
    time : int, optional
        In seconds since 1970: entries at or after it are the test part. Give this or `fraction`.

    Returns
    -------
    Split

    Raises
    ------
    DataError
        The ratings have no times.
    """
    times = _times(ratings)
    if fraction is None:
        if time is None:
            raise SettingError("time_split needs a fraction or a time")
        return split_by_mask(ratings, times >= time)
    if time is not None:
        raise SettingError(f"time_split takes a fraction or a time, not both {fraction} and {time}")
    _check_fraction("fraction", fraction)
    n_train = ratings.n_entries - int(ratings.n_entries * fraction)
    return split_by_mask(ratings, times > np.sort(times)[n_train - 1 : n_train])


def last_n_split(ratings: Entries, n: int = 1) -> Split[Entries]:
    """Hold out every user's last entries.

    Parameters
    ----------
    ratings : Ratings or Interactions
        With times.
    n : int, default 1
        Entries a user in the test part. A user with `n` or fewer keeps all in the training part.

    Returns
    -------
    Split

    Raises
    ------
    DataError
        The ratings have no times.

    Notes
    -----
    Of entries of the same second the one with the larger item index counts as later.
    """
    if n < 1:
        raise SettingError(f"n must be at least 1, not {n}")
    n_entries = np.diff(ratings.indptr)
    count = np.where(n_entries > n, n, 0)
    return split_by_mask(ratings, _first_of_row(ratings, count, -_times(ratings), -ratings.item))


def strong_split(
    ratings: Entries,
    n_test_users: int | float = 0.1,
    fold_in: float = 0.8,
    rng: Seed = 0,
) -> StrongSplit[Entries]:
    """Hold out whole users, and of each of them a share of the entries.

    Parameters
    ----------
    ratings : Ratings or Interactions
    n_test_users : int or float, default 0.1
        How many users, or, below 1, which share of those with at least two entries.
    fold_in : float, default 0.8
        Share of a test user's entries that is known, rounded up; at least one entry is left to ask about.
        Inside 0..1.
    rng : int, Generator, SeedSequence or None, default 0

    Returns
    -------
    StrongSplit

    Notes
    -----
    Only users with at least two entries are drawn; all others train.
    """
    _check_fraction("fold_in", fold_in)
    rng = as_generator(rng)
    n_entries = np.diff(ratings.indptr)
    eligible = np.flatnonzero(n_entries > 1)
    wanted = int(len(eligible) * n_test_users) if n_test_users < 1 else int(n_test_users)
    if not 0 < wanted < len(eligible):
        raise SettingError(
            f"n_test_users={n_test_users} makes {wanted} test users; choose 1 to {len(eligible) - 1}, "
            "or a share of them below 1"
        )
    is_test = np.zeros(ratings.n_users, dtype=bool)
    is_test[rng.permutation(eligible)[:wanted]] = True
    known = np.minimum(np.ceil(n_entries * fold_in).astype(np.int64), n_entries - 1)
    in_test = np.repeat(is_test, n_entries)
    in_fold = in_test & _first_of_row(ratings, known, rng.random(ratings.n_entries))
    return StrongSplit(ratings.select(~in_test), ratings.select(in_fold), ratings.select(in_test & ~in_fold))


def _first_of_row(ratings: Ratings | Interactions, count: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Mask of the first ``count[user]`` entries of every row, sorted by the keys, the first key first."""
    user = ratings.user_of()
    order = np.lexsort((*reversed(keys), user))  # the order of rows stays: place k belongs to user[k]
    rank = np.arange(len(user)) - ratings.indptr[user]
    mask = np.zeros(len(user), dtype=bool)
    mask[order] = rank < count[user]
    return mask


def _shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Numbers in both of two sorted arrays."""
    few, many = sorted((a, b), key=len)
    if not len(few):
        return few
    place = np.minimum(np.searchsorted(many, few), len(many) - 1)
    return few[many[place] == few]


def _times(ratings: Ratings | Interactions) -> np.ndarray:
    if ratings.time is None:
        raise DataError(
            'there are no times; name their column (time="...", on the command line --time NAME), or split otherwise'
        )
    return ratings.time


def _check_fraction(name: str, value: float):
    if not 0 < value < 1:
        raise SettingError(f"{name} must be between 0 and 1, both excluded, not {value}")
