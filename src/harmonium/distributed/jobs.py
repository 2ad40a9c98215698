"""What one worker learns: its shard, its state, how both are kept in a checkpoint and taken up again."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.data import Ratings, Scale, Vocabulary
from harmonium.data.shards import Shards
from harmonium.distributed import dense_epoch, ratings_epoch
from harmonium.distributed.dense_epoch import DenseShard
from harmonium.distributed.exchange import Exchange
from harmonium.distributed.scoring import SharedScorer
from harmonium.distributed.shards import Shard
from harmonium.events import Began, EpochEnded, Event
from harmonium.training import loop
from harmonium.training import state as states
from harmonium.training.dense import loop as dense_loop
from harmonium.training.dense import state as dense_states
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.settings import Learning
from harmonium.training.validation import Scorer

KIND = "cluster-checkpoint"
STATE = "state"
CHAINS = "chains-{}"  # of each worker
DENSE_CHAINS = ("v", "h")
Arrays = dict[str, npt.NDArray]


class Job(Protocol):
    """A worker's part of a run."""

    def events(self) -> Iterator[Event]:
        """Learn."""
        ...

    def parts(self) -> tuple[dict[str, Any], Arrays, Arrays]:
        """The state as plain values and arrays, and apart from it the arrays that this worker alone has."""
        ...

    def take_up(self, header: dict[str, Any], arrays: Arrays) -> None:
        """Go on from a state."""
        ...

    def fingerprint(self) -> int:
        """A number of the parameters, the same on all workers."""
        ...


@final
@dataclass(frozen=True, eq=False)
class RatingsPart:
    """What a worker of a machine for ratings is sent of one chunk of its cases.

    Parameters
    ----------
    indptr, item, level : arrays
        Of its cases, all other rows empty.
    held_out : tuple of the same three, or None
        Its validation ratings, when there are any among all workers.
    first, last : int
    n_items : int
    scale : Scale
    busy : reference
        To the int32 array of cases of all workers that have entries.
    """

    indptr: npt.NDArray[np.int64]
    item: npt.NDArray[np.int32]
    level: npt.NDArray[np.uint8]
    held_out: tuple[npt.NDArray, npt.NDArray, npt.NDArray] | None
    first: int
    last: int
    n_items: int
    scale: Scale
    busy: Any

    def ratings(self, *arrays: npt.NDArray) -> Ratings:
        """Ratings of some arrays, ids being numbers.

        Parameters
        ----------
        *arrays : indptr, item, level
        """
        users, items = (Vocabulary.from_ids(np.arange(n)) for n in (len(arrays[0]) - 1, self.n_items))
        return Ratings(*arrays, users=users, items=items, scale=self.scale)

    def shard(self, busy: npt.NDArray[np.int32]) -> Shard:
        """The worker's shard of the chunk.

        Parameters
        ----------
        busy : int32 array
        """
        return Shard(self.ratings(self.indptr, self.item, self.level), self.first, self.last, busy)

    def scorers(self, cases: Ratings) -> list[Scorer]:
        """Of the worker's validation ratings, where it has some of this chunk.

        Parameters
        ----------
        cases : Ratings
            Its cases.
        """
        if self.held_out is None or not len(self.held_out[1]):
            return []
        return [Scorer(Shards(cases), Shards(self.ratings(*self.held_out)), self.scale.values)]


@final
class RatingsJob:
    """One worker's part of a machine for ratings.

    Parameters
    ----------
    shards : list of Shard
        Of each chunk.
    scorers : list of Scorer or None
        Of its validation ratings; None where there are none among all workers.
    n_ratings : int
        Of all workers.
    header, arrays : dict
        The state to begin with, its chains being those of the part.
    learning : Learning
    how : dict
        Of `training.loop.train`.
    exchange : Exchange
    """

    def __init__(
        self,
        shards: list[Shard],
        scorers: list[Scorer] | None,
        n_ratings: int,
        header: dict[str, Any],
        arrays: Arrays,
        learning: Learning,
        how: dict[str, Any],
        exchange: Exchange,
    ):
        self._shards, self._n_ratings, self._learning = shards, n_ratings, learning
        self._how, self._exchange = how, exchange
        self._score = None if scorers is None else SharedScorer(scorers, exchange)
        self.take_up(header, arrays)

    def take_up(self, header: dict[str, Any], arrays: Arrays) -> None:
        """Go on from a state.

        Parameters
        ----------
        header, arrays : dict
        """
        self._state = states.from_parts(header, arrays)

    def parts(self) -> tuple[dict[str, Any], Arrays, Arrays]:
        """The state, and this worker's chains."""
        header, arrays = states.to_parts(self._state)
        return header, arrays, {"chain": arrays.pop("chain")}

    def fingerprint(self) -> int:
        """A checksum of the parameters."""
        return _checksum(self._state.machine[:3])

    def events(self) -> Iterator[Event]:
        """Learn; numbers of cases and ratings are those of all workers."""

        def run() -> None:
            ratings_epoch.run_epoch(self._state, self._shards, self._learning, self._exchange)

        own, n_cases = Shards(self._shards[0].cases), sum(len(shard.busy) for shard in self._shards)
        for event in loop.train(self._state, own, self._learning, **self._how, score=self._score, run=run):
            if isinstance(event, Began):
                yield replace(event, n_cases=n_cases, n_ratings=self._n_ratings)
            elif isinstance(event, EpochEnded):
                yield replace(event, ratings_per_second=self._n_ratings / event.seconds)
            else:
                yield event


@final
class DenseJob:
    """One worker's part of a dense machine.

    Parameters
    ----------
    shard : DenseShard
    header, arrays : dict
        The state to begin with, its chains being those of the shard.
    learning : DenseLearning
    exchange : Exchange
    """

    def __init__(
        self, shard: DenseShard, header: dict[str, Any], arrays: Arrays, learning: DenseLearning, exchange: Exchange
    ):
        self._shard, self._learning, self._exchange = shard, learning, exchange
        self.take_up(header, arrays)

    def take_up(self, header: dict[str, Any], arrays: Arrays) -> None:
        """Go on from a state.

        Parameters
        ----------
        header, arrays : dict
        """
        self._state = dense_states.from_parts(header, arrays)

    def parts(self) -> tuple[dict[str, Any], Arrays, Arrays]:
        """The state, and this worker's chains."""
        header, arrays = dense_states.to_parts(self._state)
        return header, arrays, {name: arrays.pop(name) for name in DENSE_CHAINS}

    def fingerprint(self) -> int:
        """A checksum of the parameters."""
        return _checksum(tuple(self._state.arrays.values()))

    def events(self) -> Iterator[Event]:
        """Learn; numbers of cases are those of all workers."""
        work, n = dense_epoch.workspace(self._state, self._shard, self._learning), self._shard.n_cases

        def run() -> dense_epoch.Outcome:
            return dense_epoch.run_epoch(self._state, self._shard, self._learning, work, self._exchange)

        for event in dense_loop.train(self._state, self._shard.X, self._learning, run=run):
            if isinstance(event, Began):
                yield replace(event, n_cases=n, n_ratings=n * self._state.visible.width)
            elif isinstance(event, dense_loop.DenseEpochEnded):
                yield replace(event, cases_per_second=n / event.seconds)
            else:
                yield event


def _checksum(arrays: tuple[npt.NDArray, ...]) -> int:
    total = 0
    for array in arrays:
        data: Any = np.ascontiguousarray(array)
        total = zlib.crc32(data, total)
    return total


def save(job: Job, rank: int, folder: str) -> None:
    """Write a worker's part of a checkpoint: the first worker the state, every one its chains.

    Parameters
    ----------
    job : Job
    rank : int
    folder : path
    """
    header, arrays, own = job.parts()
    if rank == 0:
        storage.write(Path(folder) / STATE, KIND, header, arrays)
    storage.write(Path(folder) / CHAINS.format(rank), KIND, {}, own)


def read(folder: str, rank: int) -> tuple[dict[str, Any], Arrays]:
    """A worker's state from a checkpoint.

    Parameters
    ----------
    folder : path
    rank : int
    """
    header, arrays = storage.read(Path(folder) / STATE, KIND)
    return header, {**arrays, **storage.read(Path(folder) / CHAINS.format(rank), KIND)[1]}


def read_all(folder: str, lengths: list[list[int]]) -> tuple[dict[str, Any], Arrays]:
    """The state from a checkpoint, with the chains of all workers in the order of the chunks.

    Parameters
    ----------
    folder : path
    lengths : list of list of int, (n_chunks, n_workers)
        Chains of each worker in each chunk; its own lie chunk after chunk.
    """
    parts = [read(folder, rank) for rank in range(len(lengths[0]))]
    ends = np.cumsum([[0] * len(parts), *lengths], axis=0)  # (n_chunks + 1, n_workers)
    own = storage.read(Path(folder) / CHAINS.format(0), KIND)[1]

    def joined(name: str) -> npt.NDArray:
        return np.concatenate([
            arrays[name][a:z] for begin, end in itertools.pairwise(ends.tolist())
            for (_, arrays), a, z in zip(parts, begin, end)
        ])  # fmt: skip

    return parts[0][0], parts[0][1] | {name: joined(name) for name in own}
