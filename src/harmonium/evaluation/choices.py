"""Evaluation of ranked lists: one pass of scoring in batches, every metric from it, over the whole catalogue."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

from harmonium.data import Interactions, Vocabulary
from harmonium.errors import DataError, SettingError
from harmonium.kernels import choices as kernels
from harmonium.training.lists import LIST_METRICS, hits
from harmonium.training.settings import check_count

CUTOFFS = (20, 50, 100)
MOST_PLACES = 100_000


def cutoff_of(metric: str) -> int:
    """The places of a list that a metric such as "ndcg@100" looks at.

    Parameters
    ----------
    metric : str

    Raises
    ------
    SettingError
        There is no such metric.
    """
    name, _, places = metric.rpartition("@")
    if name not in LIST_METRICS or not (places.isascii() and places.isdecimal()):
        raise SettingError(f"metric: {metric!r} is not one of {', '.join(LIST_METRICS)} with its places, as ndcg@100")
    check_count("places", int(places), 1, MOST_PLACES)
    return int(places)


class Recommends(Protocol):
    """What is measured: anything that makes lists for histories as `ChoiceModel.recommend` does."""

    items_: Vocabulary | None

    def recommend(self, history: Interactions, n: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Items (n_users, n) of the best score, -1 where none is left, and their scores."""
        ...


@final
@dataclass(frozen=True, eq=False)
class ListEvaluation:
    """What a model's lists are worth.

    Parameters
    ----------
    per_user : dict of float64 arrays, (n_users,)
        By metric and cut-off, such as "ndcg@100"; only users with something held out.
    of_lists : dict of float
        Of all lists together, such as "coverage@20".
    users : int array, (n_users,)
        Which rows these are.
    seconds : float
        Scoring and ranking.
    """

    per_user: dict[str, npt.NDArray[np.float64]]
    of_lists: dict[str, float]
    users: npt.NDArray[np.int64]
    seconds: float

    def __getitem__(self, metric: str) -> float:
        """Mean of a metric, such as "ndcg@100"."""
        if metric in self.of_lists:
            return self.of_lists[metric]
        return float(self._values(metric).mean())

    def standard_error(self, metric: str) -> float:
        """Standard error of the mean of a metric over users; infinite for a single one.

        Parameters
        ----------
        metric : str
        """
        return _standard_error(self._values(metric))

    def difference(self, other: "ListEvaluation", metric: str) -> tuple[float, float]:
        """How much better this is than another on the same users, and the standard error of that.

        Parameters
        ----------
        other : ListEvaluation
        metric : str

        Returns
        -------
        difference, standard_error : float
            Of the mean of paired differences.
        """
        if not np.array_equal(self.users, other.users):
            raise DataError("two evaluations are compared on the same users; these were made on different ones")
        gain = self._values(metric) - other._values(metric)
        return float(gain.mean()), _standard_error(gain)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: each metric with its standard error, n_users, seconds."""
        means = {name: self[name] for name in self.per_user}
        errors = {f"{name}_se": self.standard_error(name) for name in self.per_user if len(self.users) > 1}
        return {**means, **errors, **self.of_lists, "n_users": len(self.users), "seconds": self.seconds}

    def _values(self, metric: str) -> npt.NDArray[np.float64]:
        if metric not in self.per_user:
            raise SettingError(f"metric: {metric!r} was not measured; there are {', '.join(self.per_user)}")
        return self.per_user[metric]


def evaluate_lists(
    model: Recommends,
    history: Interactions,
    held_out: Interactions,
    cutoffs: Sequence[int] = CUTOFFS,
    learned_from: Interactions | None = None,
    places_compared: int = 20,
) -> ListEvaluation:
    """Measure a model's lists for people of whom a part of the choices is known.

    Parameters
    ----------
    model : model with items_ and recommend
    history, held_out : Interactions
        The same rows: what is known of each person, and what they chose besides.
    cutoffs : sequence of int
        Places of the lists.
    learned_from : Interactions, optional
        For coverage, novelty, diversity and popularity, which are left out without it.
    places_compared : int
        First places that diversity looks at.

    Returns
    -------
    ListEvaluation

    Raises
    ------
    DataError
        Nothing is held out, or the rows do not agree.

    Notes
    -----
    Every item of the catalogue that the history does not hold competes; held-out items the model does not know count as
    missed. Users without anything held out are left out. Definitions of the list metrics are in `training.lists`:
    recall divides by all held-out items, capped_recall by min(k, held out). Besides, with n_i the users of item i in
    `learned_from`, at each k: coverage is the share of the catalogue that is on any list; novelty the mean of
    log2(n_users / n_i) over the places, in bits; popularity_lift the mean n_i of the places over that of the held-out
    choices, less 1; diversity one less the mean cosine between the user sets of two items of a list, its first
    `places_compared` places.
    """
    for k in cutoffs:
        check_count("cutoffs", k, 1, MOST_PLACES)
    items = model.items_
    assert items is not None
    asked = np.flatnonzero(np.diff(held_out.indptr) > 0)
    if history.n_users != held_out.n_users:
        raise DataError(f"history has {history.n_users:,} rows, held_out {held_out.n_users:,}; give the same users")
    if not len(asked):
        raise DataError("nothing is held out: there is nothing to measure")
    mask = np.diff(held_out.indptr) > 0
    n_held = np.diff(held_out.indptr)[mask]  # before unknown items are left out
    known, wanted = history.restricted(users=mask), held_out.restricted(users=mask).brought_to(items)
    began = time.perf_counter()
    lists, _ = model.recommend(known, max(cutoffs))
    seconds = time.perf_counter() - began
    hit = hits(lists, wanted)
    per_user = {f"{name}@{k}": metric(hit, n_held, k) for name, metric in LIST_METRICS.items() for k in cutoffs}
    of_lists: dict[str, float] = {}
    if learned_from is not None:
        of_lists = _of_lists(lists, wanted, learned_from.brought_to(items), cutoffs, places_compared)
    return ListEvaluation(per_user, of_lists, asked, seconds)


def _of_lists(
    lists: npt.NDArray[np.int32], wanted: Interactions, learned: Interactions, cutoffs: Sequence[int], compared: int
) -> dict[str, float]:
    found: dict[str, float] = {}
    n_of = learned.popularity()
    usual = float(n_of[wanted.item].mean()) if wanted.n_entries else math.nan
    for k in cutoffs:
        places = lists[:, :k][lists[:, :k] >= 0]
        found[f"coverage@{k}"] = len(np.unique(places)) / learned.n_items
        found[f"novelty@{k}"] = float(np.log2(max(1, learned.n_users) / np.maximum(n_of[places], 1)).mean())
        found[f"popularity_lift@{k}"] = float(n_of[places].mean()) / usual - 1 if usual else math.nan
    short = np.ascontiguousarray(lists[:, : min(compared, lists.shape[1])])
    by_item = kernels.transposed((learned.indptr, learned.item, learned.weights()), learned.n_items)
    n = (short >= 0).sum(axis=1)
    pairs = n * (n - 1) / 2
    alike = kernels.list_spread(short, by_item, learned.n_users)[pairs > 0] / pairs[pairs > 0]
    found[f"diversity@{short.shape[1]}"] = float(1 - alike.mean()) if len(alike) else math.nan
    return found


def _standard_error(values: npt.NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf


@final
@dataclass(frozen=True, eq=False)
class ListComparison:
    """Several models on the same people.

    Parameters
    ----------
    evaluations : dict of ListEvaluation
        By model, the first is what the others are compared with.
    costs : dict of dict
        By model: seconds of learning, bytes of memory and the like.
    left_out : tuple of str
        Models that Ctrl-C left unmeasured.
    """

    evaluations: Mapping[str, ListEvaluation]
    costs: Mapping[str, Mapping[str, float | None]]
    left_out: tuple[str, ...] = ()

    def rows(self, metrics: Sequence[str]) -> list[dict[str, Any]]:
        """One row a model: its metrics with standard errors, differences from the first, costs.

        Parameters
        ----------
        metrics : sequence of str
        """
        first = next(iter(self.evaluations.values()))
        out = []
        for name, one in self.evaluations.items():
            row: dict[str, Any] = {"model": name}
            for metric in metrics:
                gain, error = one.difference(first, metric)
                row[metric], row[f"{metric}_se"] = one[metric], one.standard_error(metric)
                row[f"{metric}_gain"], row[f"{metric}_gain_se"] = gain, error
            out.append({**row, **one.of_lists, **self.costs.get(name, {}), "seconds_ranking": one.seconds})
        return out
