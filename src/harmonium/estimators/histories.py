"""Histories and validation users in the forms that models of choices work on."""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.data import Interactions, Vocabulary
from harmonium.errors import DataError
from harmonium.kernels import choices as kernels
from harmonium.training.lists import hits, ndcg

Floats = npt.NDArray[np.float32]
Validation = tuple[Interactions, Interactions]
BATCH_BYTES = 1 << 26  # of one batch of scores
VALIDATION_PLACES = 100


class Asked(NamedTuple):
    """How a model of choices is to be fitted."""

    validation: Validation | None = None
    checkpoint: str | os.PathLike[str] | None = None
    resume: bool = False


def sparse(x: Interactions) -> kernels.Sparse:
    """Row starts, items and weights, as the kernels take them.

    Parameters
    ----------
    x : Interactions
    """
    return x.indptr, x.item, x.weights()


def validation_ndcg(validation: Validation, fields: Callable[[kernels.Sparse], Floats]) -> float:
    """Mean nDCG@100 on validation users, the items of their history left out.

    Parameters
    ----------
    validation : (Interactions, Interactions)
    fields : callable
        Scores of histories.
    """
    history, held_out = validation
    popular, allowed = np.zeros(history.n_items, np.int64), np.ones(history.n_items, bool)
    size, found = max(1, BATCH_BYTES // (4 * history.n_items)), []
    for start in range(0, history.n_users, size):
        stop = min(start + size, history.n_users)
        x, wanted = sparse(some_rows(history, start, stop)), some_rows(held_out, start, stop)
        best, _ = kernels.top(fields(x), x, popular, allowed, min(VALIDATION_PLACES, history.n_items))
        n_held = np.diff(wanted.indptr)
        asked = n_held > 0
        found.append(ndcg(hits(best, wanted)[asked], n_held[asked], VALIDATION_PLACES))
    return float(np.concatenate(found).mean())


def checked_validation(validation: Validation, items: Vocabulary) -> Validation:
    """Bring validation users to a model's items, or say what is wrong with them.

    Parameters
    ----------
    validation : (Interactions, Interactions)
    items : Vocabulary
    """
    history, held_out = (part.brought_to(items) for part in validation)
    if history.n_users != held_out.n_users:
        raise DataError(f"history has {history.n_users:,} rows, held_out {held_out.n_users:,}; give the same users")
    if not held_out.n_entries:
        raise DataError("no validation user has a held-out choice of a known item")
    return history, held_out


def nothing(n_rows: int) -> kernels.Sparse:
    """Rows without an entry.

    Parameters
    ----------
    n_rows : int
    """
    return np.zeros(n_rows + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)


@lru_cache(maxsize=64)
def numbered(n: int) -> Vocabulary:
    """Ids from 0 to n - 1.

    Parameters
    ----------
    n : int
    """
    return Vocabulary(np.arange(n))


def some_rows(x: Interactions, start: int, stop: int) -> Interactions:
    """Some neighbouring rows alone.

    Parameters
    ----------
    x : Interactions
    start, stop : int
    """
    if (start, stop) == (0, x.n_users):
        return x
    entries = slice(x.indptr[start], x.indptr[stop])
    ids = x.users.ids[start:stop]
    weight, time = (None if column is None else column[entries] for column in (x.weight, x.time))
    return Interactions(
        x.indptr[start : stop + 1] - x.indptr[start], x.item[entries], Vocabulary(ids), x.items, weight, time
    )
