"""What a ranked list is worth: every definition once, for learning and for evaluation."""

import numpy as np
import numpy.typing as npt

from harmonium.data import Interactions

Floats = npt.NDArray[np.float64]
Hits = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.integer]


def hits(lists: npt.NDArray[np.integer], held_out: Interactions) -> Hits:
    """Which places of each list hold a held-out item.

    Parameters
    ----------
    lists : int array, (n_users, n_places)
        Item indices, the best first; -1 is an empty place.
    held_out : Interactions
        With the same rows.

    Returns
    -------
    bool array, (n_users, n_places)
    """
    wanted = held_out.user_of().astype(np.int64) * held_out.n_items + held_out.item
    asked = np.arange(len(lists), dtype=np.int64)[:, None] * held_out.n_items + lists
    place = np.minimum(np.searchsorted(wanted, asked), max(0, len(wanted) - 1))
    return (lists >= 0) & (wanted[place] == asked if len(wanted) else False)


def recall(hit: Hits, n_held: Counts, k: int) -> Floats:
    """Hits among the first k over all held-out items: (n_users,).

    Parameters
    ----------
    hit : bool array, (n_users, n_places)
    n_held : int array, (n_users,)
        All above 0.
    k : int
    """
    return hit[:, :k].sum(axis=1) / n_held


def capped_recall(hit: Hits, n_held: Counts, k: int) -> Floats:
    """Hits among the first k over the most there could be, min(k, held out): (n_users,). See `recall`."""
    return hit[:, :k].sum(axis=1) / np.minimum(n_held, k)


def precision(hit: Hits, n_held: Counts, k: int) -> Floats:
    """Hits among the first k over k: (n_users,). See `recall`."""
    return hit[:, :k].sum(axis=1) / k


def ndcg(hit: Hits, n_held: Counts, k: int) -> Floats:
    """Discounted gain of the first k over that of the best list: (n_users,). See `recall`.

    Notes
    -----
    sum over hits of 1 / log2(1 + place), over the same sum for min(k, held out) hits at the first places.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(n_held, k) - 1]
    found = hit[:, :k]
    gain = np.einsum("up,p->u", found, discount[: found.shape[1]])
    return gain / ideal


def average_precision(hit: Hits, n_held: Counts, k: int) -> Floats:
    """Mean precision at the places of the hits, over min(k, held out): (n_users,). See `recall`."""
    found = hit[:, :k]
    so_far = np.cumsum(found, axis=1) / np.arange(1, found.shape[1] + 1)
    return (so_far * found).sum(axis=1) / np.minimum(n_held, k)


def reciprocal_rank(hit: Hits, n_held: Counts, k: int) -> Floats:
    """One over the place of the first hit, 0 without one among the first k: (n_users,). See `recall`."""
    found = hit[:, :k]
    return np.where(found.any(axis=1), 1 / (1 + np.argmax(found, axis=1)), 0.0)


def hit_rate(hit: Hits, n_held: Counts, k: int) -> Floats:
    """Whether there is a hit among the first k: (n_users,). See `recall`."""
    return np.asarray(hit[:, :k].any(axis=1), dtype=np.float64)


LIST_METRICS = {
    "recall": recall,
    "capped_recall": capped_recall,
    "precision": precision,
    "ndcg": ndcg,
    "map": average_precision,
    "mrr": reciprocal_rank,
    "hit_rate": hit_rate,
}
