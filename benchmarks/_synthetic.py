"""Made-up ratings of a real set's shape: how active users are, how popular items are, and something to learn.

MovieLens 20M may not be passed on, so speed and memory at its size are measured on `ml20m_shape`. Activity
and popularity are the sorted counts of a real set, stretched to the new sizes by quantile interpolation.
"""

from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

from harmonium.data import load

Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.floating]

N_LEVELS = 5
RANK = 8  # latent factors behind the ratings
# Standard deviations of what a rating is the sum of, in units of the score before it is cut into levels.
USER_SPREAD, ITEM_SPREAD, TASTE_SPREAD, NOISE = 0.45, 0.5, 0.5, 0.8
POPULAR_IS_LIKED = 0.1  # how much an item's score gains for each factor of e in its count
N_ACTIVITIES = 64  # users are summed up by so many quantiles when item weights are fitted
WEIGHT_ROUNDS = 30
SAMPLE = 500_000  # entries whose scores place the cuts between levels
CHUNK = 512  # users a task


def ml20m_shape(
    n_ratings: int = 20_000_000,
    n_users: int = 138_493,
    n_items: int = 26_744,
    seed: int = 0,
    like: str | Path | None = None,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """Return made-up ratings, by default of the size of MovieLens 20M.

    Every user has a rating, and no pair of user and item comes twice. A user rates at most half the items; an
    item is expected to be rated by at most two thirds of the users.

    Parameters
    ----------
    n_ratings, n_users, n_items : int, optional
    seed : int, optional
        The same ratings whatever the number of threads.
    like : path, optional
        A Parquet file with the columns user_id, item_id and rating (1 to 5) whose shape to take; the bundled
        MovieLens set when None, its half stars rounded up.

    Returns
    -------
    user : int32 array, (n_ratings,)
        Ascending, 0 to n_users - 1.
    item : int32 array, (n_ratings,)
        Ascending within a user, 0 to n_items - 1.
    rating : int8 array, (n_ratings,)
        1 to 5.

    Raises
    ------
    ValueError
        So many ratings do not fit: fewer than one a user, or more than half of all pairs.

    Notes
    -----
    A user draws items one by one without replacement, in proportion to weights fitted such that the expected
    counts of the items are the stretched ones. The rating cuts user bias + item bias + p_user . q_item +
    noise into levels of the real set's frequencies. Memory: 9 bytes a rating, and little more.
    """
    if not n_users <= n_ratings <= n_users * n_items // 2:
        raise ValueError(
            f"n_ratings={n_ratings:,} is not from one a user ({n_users:,}) "
            f"to half of all pairs ({n_users * n_items // 2:,})"
        )
    user_counts, item_counts, frequencies = _shape_of(like)
    rng = np.random.default_rng(seed)
    activity = rng.permutation(stretched(user_counts, n_users, n_ratings, n_items // 2))
    popularity = rng.permutation(stretched(item_counts, n_items, n_ratings, 2 * n_users // 3))
    cumulative = np.cumsum(item_weights(popularity, activity))
    indptr = np.concatenate([[0], np.cumsum(activity)])
    item = _draw_items(indptr, cumulative / cumulative[-1], seed)
    user = np.repeat(np.arange(n_users, dtype=np.int32), activity)
    rating = _ratings(user, item, popularity, frequencies, rng, seed)
    return user, item, rating


def write_parquet(path: str | Path, user: Ints, item: Ints, rating: Ints) -> None:
    """Write ratings to a Parquet file with the columns user_id, item_id and rating.

    Parameters
    ----------
    path : path
    user, item, rating : int arrays, (n_ratings,)
        Kept as they are: no column is widened.
    """
    import polars as pl

    pl.DataFrame({"user_id": user, "item_id": item, "rating": rating}).write_parquet(path)


def stretched(counts: Ints, n: int, total: int, most: int) -> npt.NDArray[np.int64]:
    """Stretch a curve of counts to another length and total.

    Parameters
    ----------
    counts : int array
        Of the real set, in any order.
    n : int
        How many counts to return.
    total : int
        Their exact sum, from n to n * most.
    most : int
        The largest that one may be; the least is 1.

    Returns
    -------
    int64 array, (n,)
        Ascending.

    Notes
    -----
    Quantiles are interpolated linearly, then scaled by the one factor that gives the total (found by
    bisection, as clipping bends the sum); what rounding leaves over goes one by one to the largest counts
    that have room.
    """
    places = (np.arange(n) + 0.5) / n
    curve = np.interp(places, (np.arange(len(counts)) + 0.5) / len(counts), np.sort(counts))
    low, high = 0.0, total / curve.min() + most
    for _ in range(100):  # halves the bracket to rounding error
        middle = (low + high) / 2
        if np.clip(np.floor(middle * curve), 1, most).sum() <= total:
            low = middle
        else:
            high = middle
    result = np.clip(np.floor(low * curve), 1, most).astype(np.int64)
    room = np.flatnonzero(result < most)[::-1]
    while missing := total - int(result.sum()):
        result[room[:missing]] += 1
        room = room[result[room] < most]
    return np.sort(result)


def item_weights(popularity: Ints, activity: Ints) -> Floats:
    """Return drawing weights under which the items' expected counts are `popularity`.

    Parameters
    ----------
    popularity : int array, (n_items,)
    activity : int array, (n_users,)
        Ratings of each user; the same sum.

    Returns
    -------
    float64 array, (n_items,)

    Notes
    -----
    Drawing d items one by one without replacement is keeping the first d arrivals of Poisson processes with
    rates w: an item is among them with probability near 1 - exp(-w t), t such that these sum to d. Users
    stand for their activity's quantiles; t and w are corrected by turns.
    """
    n_users = len(activity)
    d = np.quantile(activity, (np.arange(N_ACTIVITIES) + 0.5) / N_ACTIVITIES)
    w, t = popularity / popularity.sum(), d * popularity.sum() / (d.mean() * n_users)
    for _ in range(WEIGHT_ROUNDS):
        for k in range(N_ACTIVITIES):
            t[k] *= d[k] / -np.expm1(-w * t[k]).sum()
        included = -np.expm1(-w[:, None] * t).mean(axis=1) * n_users
        w *= popularity / included
    return w


def _shape_of(like: str | Path | None) -> tuple[Ints, Ints, Floats]:
    """Return the users' counts, the items' counts and the frequencies of the levels 1 to 5 of a real set."""
    if like is None:
        ratings = load("movielens-small").ratings
        user, item, rating = ratings.user_of(), ratings.item, np.ceil(ratings.values()).astype(np.int64)
    else:
        import polars as pl

        frame = pl.read_parquet(like, columns=["user_id", "item_id", "rating"])
        user, item, rating = (frame[name].to_numpy() for name in frame.columns)
    levels = np.bincount(rating.astype(np.int64), minlength=N_LEVELS + 1)[1 : N_LEVELS + 1]
    return (
        np.unique(user, return_counts=True)[1],
        np.unique(item, return_counts=True)[1],
        levels / levels.sum(),
    )


def _ratings(
    user: Ints, item: Ints, popularity: Ints, frequencies: Floats, rng: np.random.Generator, seed: int
) -> npt.NDArray[np.int8]:
    """Return the ratings of the drawn pairs, int8 from 1 to 5 in the wanted frequencies."""
    n_users, n_items = int(user[-1]) + 1, len(popularity)
    user_bias = rng.normal(0, USER_SPREAD, n_users).astype(np.float32)
    liked = np.log(popularity) - np.log(popularity).mean()
    item_bias = (rng.normal(0, ITEM_SPREAD, n_items) + POPULAR_IS_LIKED * liked).astype(np.float32)
    spread = np.sqrt(TASTE_SPREAD / np.sqrt(RANK))  # so that p . q has the standard deviation TASTE_SPREAD
    p, q = (rng.normal(0, spread, (n, RANK)).astype(np.float32) for n in (n_users, n_items))
    picked = rng.integers(len(user), size=min(SAMPLE, len(user)))
    scores = _scores(user[picked], item[picked], user_bias, item_bias, p, q) + rng.normal(0, NOISE, len(picked))
    cuts = np.quantile(scores, np.cumsum(frequencies)[:-1]).astype(np.float32)
    return _cut(user, item, user_bias, item_bias, p, q, cuts, seed)


def _scores(user: Ints, item: Ints, user_bias: Floats, item_bias: Floats, p: Floats, q: Floats) -> Floats:
    return user_bias[user] + item_bias[item] + (p[user] * q[item]).sum(axis=1)


@numba.njit(inline="always", cache=True)
def _stream(seed: int, number: int) -> np.uint64:
    """Return the start of one of a seed's random streams; odd multipliers keep streams of all pairs apart."""
    return np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.uint64(number) * np.uint64(0x2545F4914F6CDD1D)


@numba.njit(inline="always", cache=True)
def _uniform(state: np.uint64) -> tuple[np.uint64, float]:
    """Advance a SplitMix64 stream (Steele, Lea & Flood 2014) and return it with a uniform in [0, 1)."""
    state += np.uint64(0x9E3779B97F4A7C15)
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state, np.float64((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@numba.njit(parallel=True, cache=True)
def _draw_items(indptr: Ints, cumulative: Floats, seed: int) -> npt.NDArray[np.int32]:
    """Draw each user's items without replacement, in proportion to the steps of `cumulative`; sorted."""
    n_users, n_items = len(indptr) - 1, len(cumulative)
    item = np.empty(indptr[-1], np.int32)
    for chunk in numba.prange((n_users + CHUNK - 1) // CHUNK):
        drawn_by = np.full(n_items, -1, np.int32)  # the last user of the chunk who drew the item
        for user in range(chunk * CHUNK, min(n_users, (chunk + 1) * CHUNK)):
            state = _stream(seed, user)
            place = indptr[user]
            while place < indptr[user + 1]:
                state, u = _uniform(state)
                i = min(np.searchsorted(cumulative, u, side="right"), n_items - 1)
                if drawn_by[i] != user:
                    drawn_by[i] = user
                    item[place] = i
                    place += 1
            item[indptr[user] : indptr[user + 1]].sort()
    return item


@numba.njit(parallel=True, cache=True)
def _cut(
    user: Ints,
    item: Ints,
    user_bias: Floats,
    item_bias: Floats,
    p: Floats,
    q: Floats,
    cuts: Floats,
    seed: int,
) -> npt.NDArray[np.int8]:
    """Score every pair, add its noise, and return 1 + the number of cuts below."""
    rating = np.empty(len(user), np.int8)
    for n in numba.prange(len(user)):
        state = _stream(~seed, n)
        state, u = _uniform(state)
        state, angle = _uniform(state)
        normal = np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * angle)  # Box and Muller 1958
        score = user_bias[user[n]] + item_bias[item[n]] + NOISE * normal
        for f in range(RANK):
            score += p[user[n], f] * q[item[n], f]
        level = 1
        for cut in cuts:
            level += score > cut
        rating[n] = level
    return rating
