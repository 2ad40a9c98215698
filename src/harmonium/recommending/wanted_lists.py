"""Which ranked lists are wanted for everybody, and the tables that hold them."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.data import Vocabulary
from harmonium.recommending.catalogue import Years
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.recommender import MOST_ASKED, Recommender
from harmonium.training.settings import check_count

Columns = dict[str, Any]  # arrays or lists of one length, by name


@final
@dataclass(frozen=True)
class Lists:
    """Which lists are wanted; as for `Recommender.recommend`.

    Parameters
    ----------
    n : int
    exclude_seen : bool
    allow, deny : tuple, optional
    min_ratings : int
        Of a model of choices, people who chose the item.
    genres : tuple of str, optional
    years : (int or None, int or None), optional
    """

    n: int = 10
    exclude_seen: bool = True
    allow: tuple[Any, ...] | None = None
    deny: tuple[Any, ...] | None = None
    min_ratings: int = 0
    genres: tuple[str, ...] | None = None
    years: Years | None = None

    def candidates(self, recommender: Recommender | ChoiceRecommender) -> npt.NDArray[np.bool_]:
        """Items that the filters leave: (n_items,).

        Parameters
        ----------
        recommender : Recommender or ChoiceRecommender

        Raises
        ------
        SettingError, UnknownIdError, AmbiguousTitleError
            `n` or a filter is out of range; an item is unknown, or a title fits several.
        """
        check_count("n", self.n, 1, MOST_ASKED)
        return recommender._catalogue.left_by(self.allow, self.deny, self.min_ratings, self.genres, self.years)


def table_of(
    recommender: Recommender | ChoiceRecommender, users: Vocabulary, rows: range, item: npt.NDArray, score: npt.NDArray
) -> Columns:
    """A table of the lists of some people, a row a place.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    users : Vocabulary
    rows : range
        Which of them.
    item : int array, (n_rows, n)
        Item indices, the best first; -1 where nothing is left.
    score : floats, (n_rows, n)

    Returns
    -------
    dict of arrays
        user_id, rank (from 1), item_id, title where there are titles, score.
    """
    there = item >= 0
    lengths, places = there.sum(axis=1), item[there]
    out: Columns = {
        "user_id": _picked(users.ids, np.repeat(np.asarray(rows), lengths)),
        "rank": np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in lengths]),
        "item_id": _picked(recommender.items.ids, places),
    }
    if recommender.titles is not None:
        out["title"] = [recommender._catalogue.title(k) for k in places.tolist()]
    return out | {"score": score[there].astype(np.float32)}


def joined(tables: list[Columns]) -> Columns:
    """One table of several, in their order.

    Parameters
    ----------
    tables : list of dict
    """
    return {name: _joined([table[name] for table in tables]) for name in tables[0]}


def _picked(ids: Any, index: npt.NDArray[np.integer]) -> Any:
    return ids[index] if isinstance(ids, np.ndarray) else [ids[k] for k in index.tolist()]


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [value for part in parts for value in part]
