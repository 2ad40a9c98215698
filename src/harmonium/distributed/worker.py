"""What runs on each worker under Ray Train: learn, tell, keep checkpoints, go on from the last one."""

from __future__ import annotations

import os
import tempfile
import time
from typing import Any, cast, final

from harmonium.distributed import desk as desks
from harmonium.distributed import jobs
from harmonium.distributed.exchange import Exchange, LostWorker, TorchExchange, shown_to_all
from harmonium.distributed.jobs import Arrays, DenseJob, Job, RatingsJob, RatingsPart
from harmonium.errors import HarmoniumError
from harmonium.events import DenseEpochEnded, Ended, EpochEnded, Event, Exchanged
from harmonium.kernels.jit import set_n_threads


def learn(config: dict[str, Any]) -> None:
    """The function that Ray Train calls on every worker.

    An error of the program ends the run, for trying again would not mend it; the loss of a worker is raised, and Ray
    Train starts all workers again from the last checkpoint.

    Parameters
    ----------
    config : dict
        From `Cluster`.
    """
    set_n_threads(config["n_threads"])
    if config["pin"]:
        _pin(config["n_threads"])
    exchange: Exchange = TorchExchange(config["device"])
    teller = Teller(config["desk"], exchange.rank)
    try:
        follow(_job(config, exchange), exchange, teller, config["every"])
    except LostWorker:
        if not teller.failed():
            raise
    except Exception as error:
        teller.fail(error)
        exchange.close()


def _pin(n: int) -> None:
    """Keep this process's threads to n processors, which no other worker on the machine has."""
    from ray import train

    if not hasattr(os, "sched_setaffinity"):
        return
    rank, usable = train.get_context().get_local_rank(), sorted(os.sched_getaffinity(0))
    own = usable[rank * n : (rank + 1) * n]
    for thread in os.listdir("/proc/self/task") if own else ():
        os.sched_setaffinity(int(thread), own)


def _job(config: dict[str, Any], exchange: Exchange) -> Job:
    import ray

    own: tuple[Any, Arrays] = ray.get(config["parts"][exchange.rank])
    common: Arrays = ray.get(config["arrays"])
    part, arrays = own[0], common | own[1]
    begin = config["header"], arrays, config["learning"]
    if config["kind"] == "dense":
        return DenseJob(part, *begin, exchange)
    chunks: list[RatingsPart] = part
    shards = [chunk.shard(cast(Any, ray.get(chunk.busy))) for chunk in chunks]
    scorers = None
    if chunks[0].held_out is not None:
        scorers = [scorer for chunk, shard in zip(chunks, shards) for scorer in chunk.scorers(shard.cases)]
    return RatingsJob(shards, scorers, config["n_ratings"], *begin, config["how"], exchange)


def follow(job: Job, exchange: Exchange, teller: Teller, every: float) -> None:
    """Learn from the last checkpoint on, or from the beginning.

    Parameters
    ----------
    job : Job
    exchange : Exchange
    teller : Teller
    every : float
        Seconds from one checkpoint to the next, at least.

    Raises
    ------
    HarmoniumError
        The parameters of the workers have come apart.
    """
    from ray import train

    last = train.get_checkpoint()
    if last is not None:
        with last.as_directory() as folder:
            job.take_up(*jobs.read(folder, exchange.rank))
    saved = time.monotonic()
    waited, sent, began = exchange.seconds, exchange.n_bytes, time.perf_counter()
    for event in job.events():
        if isinstance(event, EpochEnded | DenseEpochEnded):
            phase = event.phase if isinstance(event, EpochEnded) else "final"
            cost = time.perf_counter() - began, exchange.seconds - waited, exchange.n_bytes - sent
            teller.tell(Exchanged(event.machine, phase, event.epoch, exchange.size, *cost))
        teller.tell(event)
        if isinstance(event, EpochEnded | DenseEpochEnded | Ended):
            due = isinstance(event, Ended) or time.monotonic() - saved >= every
            stop, due = _agreed(job, exchange, teller.stopped(), due)
            if stop or due:
                _report(job, exchange.rank, event.epoch)
                saved = time.monotonic()
            if stop:
                return
        waited, sent, began = exchange.seconds, exchange.n_bytes, time.perf_counter()


def _agreed(job: Job, exchange: Exchange, stop: bool, due: bool) -> tuple[bool, bool]:
    """What the first worker wants: to stop, to make a checkpoint. The parameters must be the same everywhere."""
    if len(set(shown_to_all(exchange, job.fingerprint()).tolist())) > 1:
        raise HarmoniumError(
            "the workers' parameters have come apart; run all workers on the same kind of processor and installation"
        )
    wishes = int(shown_to_all(exchange, 2 * stop + due)[0])
    return wishes >= 2, wishes % 2 == 1


def _report(job: Job, rank: int, epoch: int) -> None:
    from ray import train

    with tempfile.TemporaryDirectory() as folder:
        jobs.save(job, rank, folder)
        train.report({"epoch": epoch}, checkpoint=train.Checkpoint.from_directory(folder))


@final
class Teller:
    """A worker's way to the desk; only the first one tells events.

    Parameters
    ----------
    desk : actor
    rank : int
    """

    def __init__(self, desk: Any, rank: int):
        self._desk, self._rank = desk, rank

    def tell(self, event: Event) -> None:
        """Lay an event down.

        Parameters
        ----------
        event : Event
        """
        if self._rank == 0:
            self._desk.put.remote(event)

    def stopped(self) -> bool:
        """Whether the workers are asked to stop; only the first one asks."""
        import ray

        return self._rank == 0 and ray.get(self._desk.stopped.remote())

    def fail(self, error: Exception) -> None:
        """Lay an error down, and wait until it lies there.

        Parameters
        ----------
        error : Exception
        """
        import ray

        ray.get(self._desk.fail.remote(desks.packed(error, self._rank)))

    def failed(self) -> bool:
        """Whether some worker has laid an error down."""
        import ray

        return bool(ray.get(self._desk.failure.remote()))
