"""Ranked lists: what few rated is drawn towards what is usual, and ties have an order."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
PSEUDO_RATINGS = 20.0  # an item with so many ratings counts half by its own prediction


def trust(n_ratings: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """How much an item's own number counts against the usual one: n / (n + k), with k = `PSEUDO_RATINGS`.

    Parameters
    ----------
    n_ratings : int array, (n_items,)

    Returns
    -------
    float32 array, (n_items,)
    """
    return (n_ratings / (n_ratings + PSEUDO_RATINGS)).astype(np.float32)


def shrunk(value: Floats, trusted: npt.NDArray[np.float32], usual: float) -> Floats:
    """Draw values towards the usual one, the more the fewer ratings stand behind them.

    Parameters
    ----------
    value : float32 array, (n_items,)
    trusted : float32 array, (n_items,)
        From `trust`.
    usual : float

    Returns
    -------
    float32 array, (n_items,)

    Notes
    -----
    (n value + k usual) / (n + k): as if k more people had been as usual.
    """
    return trusted * (value - np.float32(usual)) + np.float32(usual)


def best(score: Floats, n_ratings: npt.NDArray[np.integer], candidates: npt.NDArray[np.bool_], n: int) -> npt.NDArray:
    """The n candidates of highest score, the best first; ties go to the more rated, then to the smaller index.

    Parameters
    ----------
    score : floats, (n_items,)
    n_ratings : int array, (n_items,)
    candidates : bool array, (n_items,)
    n : int

    Returns
    -------
    int array, (min(n, number of candidates),)
        Item indices.

    Notes
    -----
    A partial sort finds the n-th score; only what reaches it is sorted.
    """
    item = np.flatnonzero(candidates)
    if len(item) > n:
        of_item = score[item]
        least = np.partition(of_item, len(item) - n)[len(item) - n]
        item = item[of_item >= least]
    order = np.lexsort((item, -n_ratings[item], -score[item]))
    return item[order[:n]]


def placed(fields: list[dict[str, Any]], score: Floats, chosen: Floats | None) -> list[dict[str, Any]]:
    """The fields of `Recommendation` for a list, from rank 1.

    Parameters
    ----------
    fields : list of dict
        Of `Predicted`, one a place.
    score : floats, (n_places,)
    chosen : floats, (n_places,), or None
        Probability of being chosen next.
    """
    likely = [None] * len(fields) if chosen is None else chosen.tolist()
    return [
        {"rank": rank, "score": s, "probability_of_choice": p, **one}
        for rank, (one, s, p) in enumerate(zip(fields, score.tolist(), likely), start=1)
    ]
