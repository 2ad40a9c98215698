"""Lists for everybody at once: whole tables of histories in, tables of ranked lists out."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

from harmonium.data import Ratings, read_ratings
from harmonium.data.histories import history_files, new_folder, write_parts
from harmonium.recommending.catalogue import Years
from harmonium.recommending.history import History
from harmonium.recommending.many import Wanted, rank_many
from harmonium.recommending.recommender import MOST_ASKED, Recommender
from harmonium.training.settings import check_count

AT_ONCE = 256  # people whose scores are made together
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

    def candidates(self, recommender: Recommender) -> npt.NDArray[np.bool_]:
        """Items that the filters leave: (n_items,).

        Parameters
        ----------
        recommender : Recommender

        Raises
        ------
        SettingError, UnknownIdError, AmbiguousTitleError
            `n` or a filter is out of range; an item is unknown, or a title fits several.
        """
        check_count("n", self.n, 1, MOST_ASKED)
        return recommender._catalogue.left_by(self.allow, self.deny, self.min_ratings, self.genres, self.years)


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
    candidates = wanted.candidates(recommender)
    place = np.asarray(recommender.items.indices(histories.items.ids, unknown=-1))
    for start in range(0, histories.n_users, at_once):
        people = range(start, min(start + at_once, histories.n_users))
        asked = [
            Wanted(_history(recommender, histories, user, place), wanted.n, candidates, wanted.exclude_seen)
            for user in people
        ]
        _, item, score, _ = rank_many(recommender, asked)
        yield _table(recommender, histories, people, item, score)


def _history(recommender: Recommender, histories: Ratings, user: int, place: npt.NDArray[np.integer]) -> History:
    """A row in the recommender's items, without those it does not know."""
    row = slice(histories.indptr[user], histories.indptr[user + 1])
    item, level = place[histories.item[row]], histories.level[row]
    return History(item[item >= 0].astype(np.int64), level[item >= 0], recommender.items)


def _table(
    recommender: Recommender, histories: Ratings, people: range, chosen: npt.NDArray, score: npt.NDArray
) -> Columns:
    there = chosen >= 0
    lengths, item = there.sum(axis=1), chosen[there]
    users, items = histories.users.ids, recommender.items.ids
    user = np.repeat(np.asarray(people), lengths)
    out: Columns = {
        "user_id": _picked(users, user),
        "rank": np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in lengths]),
        "item_id": _picked(items, item),
    }
    if recommender.titles is not None:
        out["title"] = [recommender._catalogue.title(k) for k in item.tolist()]
    return out | {"score": score[there].astype(np.float32)}


def _picked(ids: Any, index: npt.NDArray[np.integer]) -> Any:
    return ids[index] if isinstance(ids, np.ndarray) else [ids[k] for k in index.tolist()]


@final
class ListMaker:
    """A recommender that loads once, and then makes the lists of one table of histories after the other.

    Parameters
    ----------
    model : path
        A file that `Recommender.save` wrote.
    wanted : Lists
    reading : dict
        Of `read_ratings`: which columns are what.
    """

    def __init__(self, model: str | os.PathLike[str], wanted: Lists, reading: dict[str, Any]):
        self._recommender, self._wanted = Recommender.load(model), wanted
        self._reading = {"scale": self._recommender.scale, **reading}

    def __call__(self, table: Any) -> Columns:
        """The lists of the people of a table, whose histories must be whole.

        Parameters
        ----------
        table : table
            As `read_ratings` takes.
        """
        parts = list(lists_for(self._recommender, read_ratings(table, **self._reading), self._wanted))
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [value for part in parts for value in part]


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
    duplicates: str = "error",
    missing: str = "error",
    force: bool = False,
    engine: Places | None = None,
) -> None:
    """Recommend to all people of Parquet files, into a folder of Parquet files.

    Parameters
    ----------
    model : path
        A file that `Recommender.save` wrote.
    histories : path, glob pattern or sequence of them
        Parquet files with one row a rating, a person's anywhere among them.
    output : path
        The folder; it appears whole or not at all. Its columns are those of `lists_for`.
    wanted : Lists, optional
    user, item, rating : str, optional
        Names of the columns, guessed when not given; see `read_ratings`, also for the next two.
    duplicates, missing : str
    force : bool
        Replace a folder that exists.
    engine : Cluster, optional
        Whose workers map the people, each with the model in its memory once; this process without one.

    Raises
    ------
    DataError
        The histories cannot be read, or the output cannot be written.
    SettingError, UnknownIdError
        A filter is wrong.

    Notes
    -----
    In one process all histories are held in memory, 5 bytes a rating.
    """
    wanted, model = wanted or Lists(), os.path.abspath(model)
    files, columns = history_files(histories, user, item, rating)
    reading = {**columns, "time": False, "duplicates": duplicates, "missing": missing}
    recommender = Recommender.load(model)
    wanted.candidates(recommender)  # fails here rather than on a worker
    with new_folder(output, force) as folder:
        if engine is None:
            ratings = read_ratings(files, scale=recommender.scale, **reading)
            write_parts(folder, lists_for(recommender, ratings, wanted))
        else:
            names = [name for name in columns.values() if isinstance(name, str)]
            settings = {"model": model, "wanted": wanted, "reading": reading}
            engine.map_people(files, folder, names, ListMaker, settings)
