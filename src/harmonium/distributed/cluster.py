"""A cluster: where machines learn on several workers. Ray starts them, sees when one dies, and starts them again."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import tempfile
import time
import uuid
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from harmonium.data import Ratings
from harmonium.data.shards import Shards
from harmonium.distributed import dense_epoch, jobs, shards
from harmonium.distributed.dense_epoch import DenseShard
from harmonium.distributed.desk import open_desk
from harmonium.distributed.jobs import RatingsPart
from harmonium.distributed.runs import Newest, Run, another_group, told
from harmonium.errors import SettingError
from harmonium.events import DenseEpochEnded, Ended, Event, Saved
from harmonium.kernels.choices import Sparse
from harmonium.kernels.devices import CPU, Device
from harmonium.models.level_rbm import LevelRBM
from harmonium.training import checkpoints
from harmonium.training import state as states
from harmonium.training.dense import loop as dense_loop
from harmonium.training.dense import state as dense_states
from harmonium.training.dense.chains import Cases, size
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.dense.state import State as DenseState
from harmonium.training.loop import Score
from harmonium.training.settings import Learning, check_choice, check_count, check_number
from harmonium.training.state import State
from harmonium.training.validation import Scorer

MOST_WORKERS = 65_536
KEPT = 2  # checkpoints
POLL = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"
POLL_SECONDS = 1.0  # between two looks of Ray Train at its workers, of which each takes in one checkpoint
Floats = npt.NDArray[np.float32]


@final
class Cluster:
    """Workers that learn one machine together; give it to `fit` as `engine`.

    Every worker holds a shard of the cases and a copy of the machine; what they learn is what one process learns from
    the same mini-batches, to rounding, whatever their number. A worker that dies costs the epochs since the last
    checkpoint, and changes nothing else.

    Parameters
    ----------
    workers : int
    address : str, optional
        Of a Ray cluster: "auto" or HOST:PORT; without one, the workers are processes of this machine.
    cpus_per_worker : int
        Processors, and threads, of each worker.
    gpu : bool
        Whether each worker has a GPU, on which sums are made by NCCL.
    pin : bool
        Whether each worker keeps to processors of its own, where the system can do that.
    storage : path, optional
        Folder for checkpoints, which all machines must reach; a temporary one where there is a single machine.
    max_failures : int
        How often workers may be lost in one run.
    checkpoint_every : float
        Seconds from one checkpoint to the next, at least; 0 makes one after every epoch.

    Raises
    ------
    SettingError
        A number is out of range.

    Examples
    --------
    >>> cluster = Cluster(workers=2)  # nothing starts before it is used
    >>> cluster.workers
    2
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        address: str | None = None,
        cpus_per_worker: int = 1,
        gpu: bool = False,
        pin: bool = False,
        storage: str | os.PathLike[str] | None = None,
        max_failures: int = 3,
        checkpoint_every: float = checkpoints.SAVE_EVERY,
    ):
        check_count("workers", workers, 1, MOST_WORKERS)
        check_count("cpus_per_worker", cpus_per_worker, 1, 1_024)
        check_count("max_failures", max_failures, 0, 1_000_000)
        check_number("checkpoint_every", checkpoint_every, 0.0, 1e6)
        self.workers, self.address, self.cpus_per_worker, self.gpu = int(workers), address, int(cpus_per_worker), gpu
        self.pin = pin
        self.max_failures, self.checkpoint_every = int(max_failures), float(checkpoint_every)
        self._storage = None if storage is None else os.path.abspath(storage)
        self._temporary, self._started = "", False
        self._newest: Newest | None = None  # of the run that goes on

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End what this object started; a cluster that ran before goes on."""
        if self._started:
            import ray

            ray.shutdown()
            self._started = False
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = ""

    def train_ratings(
        self,
        state: State,
        cases: Shards,
        learning: Learning,
        *,
        machine: str = "users",
        phase: str = "final",
        score: Callable[[LevelRBM], Score] | None = None,
        n_epochs: int | None = None,
    ) -> Iterator[Event]:
        """Learn a machine for ratings; as `training.loop.train`, but `state` is complete only when `Ended` comes.

        Parameters
        ----------
        state : State
        cases : Shards
        learning : Learning
        machine, phase : str
        score : Scorer, optional
        n_epochs : int, optional

        Yields
        ------
        Event
            Those of `training.loop.train`, and an `Exchanged` before each `EpochEnded`.

        Raises
        ------
        HarmoniumError
            A worker failed; more workers were lost than `max_failures`.
        """
        if score is not None and not isinstance(score, Scorer):
            raise SettingError("score: workers share the validation ratings of a Scorer, not any function")
        _check_device(state.device)
        self._connect()
        header, arrays = states.to_parts(state)
        parts, chains, lengths = _ratings_parts(cases, score, arrays.pop("chain"), self.workers)
        how = {"machine": machine, "phase": phase, "n_epochs": n_epochs}
        config = {"kind": "ratings", "n_ratings": cases.n_ratings, "how": how, "learning": learning}
        own = [(part, {"chain": np.concatenate(chain)}) for part, chain in zip(parts, chains)]

        def take(folder: str) -> None:
            vars(state).update(vars(states.from_parts(*jobs.read_all(folder, lengths))))

        yield from self._run(config, header, arrays, own, take, state, (machine, phase))

    def train_dense(
        self,
        state: DenseState,
        X: Cases,
        learning: DenseLearning,
        *,
        monitor: dense_loop.Monitor | None = None,
        score: str | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        device: Device = CPU,
    ) -> Iterator[Event]:
        """Learn a dense machine by CD or PCD; as `training.dense.loop.train`, complete when `Ended` comes.

        Parameters
        ----------
        state : State
        X : float32 array or csr_array, (n_cases, n_visible)
        learning : DenseLearning
        monitor, score : None
            What is measured while learning is measured in one process.
        checkpoint : path, optional
            Written at the end; on the way, checkpoints go to `storage`.
        device : Device
            The CPU.

        Yields
        ------
        Event

        Raises
        ------
        SettingError
            The method is not one that workers share.
        HarmoniumError
            As `train_ratings`.
        """
        _check_device(device)
        check_choice("method of learning on a cluster", learning.method, dense_epoch.METHODS)
        if monitor is not None or score is not None:
            raise SettingError("monitor and validation are measured in one process: fit without them on a cluster")
        if learning.discrimination:
            raise SettingError(
                f"discrimination: {learning.discrimination} is learnt in one process; set 0 on a cluster"
            )
        self._connect()
        dense_loop.begin_chains(state, X, learning)
        rows, chains = (shards.even(n, self.workers) for n in (size(X)[0], len(state.v)))
        header, arrays = dense_states.to_parts(state)
        v, h = (arrays.pop(name) for name in jobs.DENSE_CHAINS)
        parts, lengths = [], [np.diff(chains).tolist()]
        for k in range(self.workers):
            shard = DenseShard(X[rows[k] : rows[k + 1]], rows[k], rows[-1], chains[k], chains[-1])
            own = slice(chains[k], chains[k + 1])
            parts.append((shard, {"v": v[own], "h": h[own]}))

        def take(folder: str) -> None:
            vars(state).update(vars(dense_states.from_parts(*jobs.read_all(folder, lengths))))
            if checkpoint is not None:
                dense_loop.save(checkpoint, state, learning, X)

        config, saved = {"kind": "dense", "learning": learning}, time.monotonic()
        for event in self._run(config, header, arrays, parts, take, state, (dense_loop.MACHINE, "final")):
            yield event
            due = isinstance(event, DenseEpochEnded) and time.monotonic() - saved > checkpoints.SAVE_EVERY
            if checkpoint is not None and due and self.bring_up(state):
                saved = time.monotonic()
                yield Saved(os.fspath(checkpoint), dense_loop.MACHINE, "final", state.epoch)

    def bring_up(self, state: State | DenseState) -> bool:
        """Bring the state of the run that goes on up to the workers' last checkpoint; whether there is a newer one.

        Parameters
        ----------
        state : State
            That the run began with.
        """
        return self._newest is not None and self._newest.look()

    def gram(self, x: Sparse, transposed: Sparse, out: Floats) -> Floats:
        """X'X by Ray Data, a shard of rows a task; as `kernels.choices.gram`.

        Parameters
        ----------
        x : sparse, (n_rows, n)
        transposed : sparse, (n, n_rows)
            Not needed here: every shard makes its own.
        out : float32 array, (n, n)
        """
        from harmonium.distributed.gram import gram

        self._connect()
        return gram(x, out, self.workers, self.cpus_per_worker)

    def map_people(
        self,
        source: list[str],
        output: str | os.PathLike[str],
        columns: list[str],
        actor: Callable[..., Any],
        settings: dict[str, Any],
    ) -> None:
        """Map Parquet files of histories, whole people at a time, to Parquet files; see `people.map_people`.

        Parameters
        ----------
        source : list of str
        output : path
        columns : list of str
        actor : class
        settings : dict

        Raises
        ------
        HarmoniumError
            An actor failed; the message is that of its error.
        """
        from harmonium.distributed.people import map_people

        self._connect()
        try:
            map_people(source, output, columns, actor, settings, self.workers, self.cpus_per_worker)
        except Exception as error:
            raise told(error) from error

    def _run(
        self, config: dict[str, Any], header: dict[str, Any], arrays: dict[str, npt.NDArray], parts: list[Any],
        take: Callable[[str], None], state: State | DenseState, name: tuple[str, str],
    ) -> Generator[Event, None, None]:  # fmt: skip
        """Run the workers; `take` takes the state from the last checkpoint before `Ended` is handed on."""
        desk = open_desk()
        config |= {
            "header": header, "arrays": _put(arrays), "parts": [_put(part) for part in parts], "desk": desk,
            "n_threads": self.cpus_per_worker, "device": "cuda" if self.gpu else "cpu", "every": self.checkpoint_every,
            "pin": self.pin,
        }  # fmt: skip
        trainer, ended = self._trainer(config, name), None
        run = Run(trainer)
        events = run.events(desk)
        self._newest = Newest(os.path.join(trainer.run_config.storage_path, trainer.run_config.name), take)
        try:
            for event in events:
                if isinstance(event, Ended):
                    ended = event
                else:
                    yield event
        except GeneratorExit:  # nobody wants more events: what was learnt stays
            events.close()
            if run.ended_well:
                take(run.checkpoint())
            raise
        finally:
            self._newest = None
        take(run.checkpoint())
        if ended is None:  # stopped on request
            ended = Ended(*name, "interrupted", state.epoch, state.best_epoch)
        yield ended

    def _trainer(self, config: dict[str, Any], name: tuple[str, str]) -> Any:
        from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        from harmonium.distributed.worker import learn

        return TorchTrainer(
            learn,
            train_loop_config=config,
            scaling_config=ScalingConfig(
                num_workers=self.workers,
                use_gpu=self.gpu,
                resources_per_worker={"CPU": self.cpus_per_worker} | ({"GPU": 1} if self.gpu else {}),
            ),
            run_config=RunConfig(
                name="-".join((*name, uuid.uuid4().hex)).replace(" ", "-"),
                storage_path=self._storage or self._temporary,
                failure_config=FailureConfig(max_failures=self.max_failures),
                checkpoint_config=CheckpointConfig(num_to_keep=KEPT),
            ),
        )

    def _connect(self) -> None:
        """Find the cluster, or start workers' processes on this machine.

        Raises
        ------
        SettingError
            Ray is not installed, there is no cluster at the address, or it is too small.
        """
        ray = _ray()
        if not ray.is_initialized():
            self._start(ray)
        if self._storage is None and not self._temporary:
            if sum(node["Alive"] for node in ray.nodes()) > 1:
                raise SettingError("storage: several machines need a folder for checkpoints that all of them reach")
            self._temporary = tempfile.mkdtemp(prefix="harmonium-")
            weakref.finalize(self, shutil.rmtree, self._temporary, ignore_errors=True)  # where nobody closes it
        there = ray.cluster_resources().get("CPU", 0)
        if there < self.workers * self.cpus_per_worker:
            raise SettingError(
                f"workers: {self.workers} of {self.cpus_per_worker} processors each are wanted, and the cluster has "
                f"{there:g} processors"
            )

    def _start(self, ray: Any) -> None:
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
        if self.address is None:
            quiet["num_cpus"] = max(os.cpu_count() or 1, self.workers * self.cpus_per_worker)
        else:
            quiet = {"address": self.address, "log_to_driver": False, "logging_level": logging.ERROR}
        try:
            with another_group():
                ray.init(**quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise SettingError(f"address: {self.address}: no Ray cluster answers there ({error})") from error
        self._started = True


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    os.environ.setdefault(POLL, str(POLL_SECONDS))
    try:
        import ray
        import torch  # noqa: F401
    except ImportError as error:
        raise SettingError(f"{error.name} is not installed; pip install 'harmonium[ray]'") from None
    return ray


def _put(value: Any) -> Any:
    import ray

    return ray.put(value)


def _ratings_parts(
    cases: Shards, score: Scorer | None, chain: npt.NDArray[np.uint8], n_workers: int
) -> tuple[list[list[RatingsPart]], list[list[npt.NDArray[np.uint8]]], list[list[int]]]:
    """Each worker's part of every chunk and of the chains there, and how many these are (n_chunks, n_workers)."""
    parts: list[list[RatingsPart]] = [[] for _ in range(n_workers)]
    chains: list[list[npt.NDArray[np.uint8]]] = [[] for _ in range(n_workers)]
    lengths, starts = [], cases.entry_ends.tolist()
    for k, chunk in enumerate(cases):
        busy = _put(np.flatnonzero(np.diff(chunk.indptr)).astype(np.int32))
        held_out = None if score is None else score.held_out[k]
        cut = shards.edges(chunk.indptr, n_workers)
        ends = chunk.indptr[cut].tolist()
        for rank, (first, last) in enumerate(itertools.pairwise(cut)):
            parts[rank].append(_ratings_part(chunk, held_out, first, last, busy))
            chains[rank].append(chain[starts[k] + ends[rank] : starts[k] + ends[rank + 1]])
        lengths.append(np.diff(ends).tolist() if len(chain) else [0] * n_workers)
    return parts, chains, lengths


def _ratings_part(chunk: Ratings, held_out: Ratings | None, first: int, last: int, busy: Any) -> RatingsPart:
    asked = None
    if held_out is not None:
        own = shards.part(held_out, first, last)
        asked = own.indptr, own.item, own.level
    mine = shards.part(chunk, first, last)
    return RatingsPart(mine.indptr, mine.item, mine.level, asked, first, last, chunk.n_items, chunk.scale, busy)


def _check_device(device: Device) -> None:
    if device.on_torch:
        raise SettingError(f"device: workers compute on their CPUs, not on {device.name}; set device='cpu'")
