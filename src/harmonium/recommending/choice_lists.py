"""Lists of what everybody is likely to choose next, from tables of histories."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from harmonium.data import Interactions, read_interactions
from harmonium.data.choices import NoChoicesError
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.wanted_lists import Columns, Lists, table_of


def choice_lists_for(recommender: ChoiceRecommender, histories: Interactions, wanted: Lists) -> Iterator[Columns]:
    """Ranked lists of all people who have a row, as `ChoiceRecommender.recommend` would give them.

    Parameters
    ----------
    recommender : ChoiceRecommender
    histories : Interactions
        Over any items. Items the model does not know are left out; who has no other gets the popular list.
    wanted : Lists

    Yields
    ------
    dict of arrays
        See `table_of`; people in the order of their ids.
    """
    candidates, known = wanted.candidates(recommender), histories.brought_to(recommender.items)
    n, how = min(wanted.n, recommender.model.n_items), {"exclude_seen": wanted.exclude_seen, "allow": candidates}
    for rows, part in recommender.model.batches(known):
        found = recommender.model.recommend(part, n, **how)
        yield table_of(recommender, histories.users, range(rows.start, rows.stop), *found)


def read_choice_histories(source: Any, at_least: float | None = None, **reading: Any) -> Interactions:
    """Read who chose what; people of whose rows `at_least` leaves none have empty histories.

    Parameters
    ----------
    source : path, sequence of them, or table
    at_least : float, optional
        Only rows whose value is at least this.
    **reading
        Of `read_interactions`.
    """
    if at_least is None:
        return read_interactions(source, **reading)
    everybody = read_interactions(source, **{**reading, "value": False, "weights": False, "duplicates": "sum"})
    try:
        found = read_interactions(source, at_least=at_least, **reading)
    except NoChoicesError:
        return everybody.select(np.zeros(everybody.n_entries, bool))
    lengths = np.zeros(everybody.n_users, np.int64)
    lengths[everybody.users.indices(found.users.ids)] = np.diff(found.indptr)
    return replace(found, indptr=np.concatenate(([0], np.cumsum(lengths))), users=everybody.users)
