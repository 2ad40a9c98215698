"""Lists for everybody at once: whole tables of histories in, tables of ranked lists out."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

from harmonium.data import Ratings, read_ratings
from harmonium.data.histories import history_files, new_folder, write_parts
from harmonium.errors import SettingError
from harmonium.events import Event, Listed
from harmonium.recommending.choice_lists import choice_lists_for, read_choice_histories
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.history import History
from harmonium.recommending.many import Wanted, rank_many
from harmonium.recommending.opening import open_model
from harmonium.recommending.recommender import Recommender
from harmonium.recommending.wanted_lists import Columns, Lists, joined, table_of

AT_ONCE = 256  # people whose scores are made together


def lists_for(recommender: Recommender, histories: Ratings, wanted: Lists, at_once: int = AT_ONCE) -> Iterator[Columns]:
    """Ranked lists of all people who have a row, some people at a time.

    Parameters
    ----------
    recommender : Recommender
    histories : Ratings
        Over any items, on the recommender's scale. Items it does not know are left out; who has no other gets the
        popular list.
    wanted : Lists
    at_once : int
        People of one table.

    Yields
    ------
    dict of arrays
        user_id, rank (from 1), item_id, title where there are titles, score; one row a place, people in the order of
        their ids.
    """
    from harmonium.kernels.jit import abreast

    candidates = wanted.candidates(recommender)
    place = np.asarray(recommender.items.indices(histories.items.ids, unknown=-1))

    def of(people: range) -> Columns:
        known = [_history(recommender, histories, user, place) for user in people]
        asked = [Wanted(history, wanted.n, candidates, wanted.exclude_seen) for history in known]
        _, item, score, _ = rank_many(recommender, asked)
        return table_of(recommender, histories.users, people, item, score)

    starts = range(0, histories.n_users, at_once)
    yield from abreast(of, (range(start, min(start + at_once, histories.n_users)) for start in starts))


def _history(recommender: Recommender, histories: Ratings, user: int, place: npt.NDArray[np.integer]) -> History:
    """A row in the recommender's items, without those it does not know."""
    row = slice(histories.indptr[user], histories.indptr[user + 1])
    item, level = place[histories.item[row]], histories.level[row]
    return History(item[item >= 0].astype(np.int64), level[item >= 0], recommender.items)


def lists_of(
    recommender: Recommender | ChoiceRecommender, source: Any, wanted: Lists, reading: dict[str, Any]
) -> tuple[int, Iterator[Columns]]:
    """People of a source, of whom it must have the whole histories, and the ranked lists of all of them.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    source : path, sequence of them, or table
    wanted : Lists
    reading : dict
        Of `read_ratings`, or of `read_choice_histories`: which columns are what.

    Returns
    -------
    n_people : int
    tables : iterator of dict of arrays
        See `wanted_lists.table_of`; each is of some people.
    """
    if isinstance(recommender, ChoiceRecommender):
        choices = read_choice_histories(source, **reading)
        return choices.n_users, choice_lists_for(recommender, choices, wanted)
    ratings = read_ratings(source, scale=recommender.scale, **reading)
    return ratings.n_users, lists_for(recommender, ratings, wanted)


@final
class ListMaker:
    """A recommender that loads once, and then makes the lists of one table of histories after the other.

    Parameters
    ----------
    model : path
        A model file of ratings or of choices.
    wanted : Lists
    reading : dict
        As of `lists_of`.
    """

    def __init__(self, model: str | os.PathLike[str], wanted: Lists, reading: dict[str, Any]):
        self._recommender, self._wanted, self._reading = open_model(model), wanted, reading

    def __call__(self, table: Any) -> Columns:
        """The lists of the people of a table, whose histories must be whole.

        Parameters
        ----------
        table : table
            As `read_ratings` takes.
        """
        _, tables = lists_of(self._recommender, table, self._wanted, self._reading)
        return joined(list(tables))


class Places(Protocol):
    """Where tables of histories are mapped; `harmonium.distributed.Cluster` is one."""

    def map_people(
        self, source: list[str], output: Any, columns: list[str], actor: Any, settings: dict[str, Any]
    ) -> None:
        """Map the rows of Parquet files, whole people at a time, to a folder of Parquet files."""
        ...


def recommend_to_everyone(
    model: str | os.PathLike[str],
    histories: Any,
    output: str | os.PathLike[str],
    wanted: Lists | None = None,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | bool | None = None,
    at_least: float | None = None,
    weights: bool = False,
    duplicates: str | None = None,
    missing: str | None = None,
    force: bool = False,
    engine: Places | None = None,
    watch: Callable[[Event], object] | None = None,
) -> None:
    """Recommend to all people of Parquet files, into a folder of Parquet files.

    Parameters
    ----------
    model : path
        A file that `Recommender.save` or `ChoiceRecommender.save` wrote.
    histories : path, glob pattern or sequence of them
        Parquet files with one row a rating or a choice, a person's anywhere among them.
    output : path
        The folder; it appears whole or not at all. Its columns are those of `wanted_lists.table_of`.
    wanted : Lists, optional
    user, item, rating : str, optional
        Names of the columns, guessed when not given; see `read_ratings`. A model of choices looks at the last only for
        the next two.
    at_least : float, optional
        Of a model of choices: only rows of at least this rating are choices. People who have none get the popular list.
    weights : bool
        Of a model of choices: whether the ratings are weights, such as numbers of plays.
    duplicates : str, optional
        See `read_ratings`, or `read_interactions`; what these do when not given.
    missing : str, optional
        See `read_ratings`; of a model of ratings.
    force : bool
        Replace a folder that exists.
    engine : Cluster, optional
        Whose workers map the people, each with the model in its memory once; this process without one.
    watch : callable, optional
        In this process, called with a `Listed` whenever there are lists of some more people.

    Raises
    ------
    DataError
        The histories cannot be read, or the output cannot be written.
    SettingError, UnknownIdError
        A filter is wrong.

    Notes
    -----
    In one process all histories are held in memory, 5 bytes a rating, 16 a choice.
    """
    wanted, model = wanted or Lists(), os.path.abspath(model)
    recommender = open_model(model)
    wanted.candidates(recommender)  # fails here rather than on a worker
    given = {name: value for name, value in (("duplicates", duplicates), ("missing", missing)) if value is not None}
    if isinstance(recommender, ChoiceRecommender):
        _refuse(missing is not None, "missing: a model of choices asks for no ratings; at_least leaves rows out")
        looked_at = at_least is not None or weights
        files, columns = history_files(histories, user, item, rating if looked_at else False)
        given |= {"at_least": at_least, "weights": weights, "value": columns["rating"]}
        reading = {"user": columns["user"], "item": columns["item"], "time": False, **given}
    else:
        _refuse(at_least is not None or weights, f"at_least, weights: {model} is a model of ratings, not of choices")
        files, columns = history_files(histories, user, item, rating)
        reading = {**columns, "time": False, **given}
    with new_folder(output, force) as folder:
        if engine is None:
            write_parts(folder, _watched(*lists_of(recommender, files, wanted, reading), watch))
        else:
            names = [name for name in columns.values() if isinstance(name, str)]
            settings = {"model": model, "wanted": wanted, "reading": reading}
            engine.map_people(files, folder, names, ListMaker, settings)


def _watched(n_people: int, tables: Iterator[Columns], watch: Callable[[Event], object] | None) -> Iterator[Columns]:
    """The same tables, each told of."""
    began, done, watch = time.monotonic(), 0, watch or (lambda event: None)
    for table in tables:
        yield table
        done += int(np.sum(np.asarray(table["rank"]) == 1))  # some people may be left with no item at all
        if done < n_people:
            watch(Listed(done, n_people, time.monotonic() - began))
    watch(Listed(n_people, n_people, time.monotonic() - began))


def _refuse(wrong: bool, message: str) -> None:
    if wrong:
        raise SettingError(message)
