"""Adding up arrays over workers: of one process, and by torch.distributed, which Ray Train has set up."""

import time
from collections.abc import Callable
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

Wait = Callable[[], None]
GONE = RuntimeError, ValueError  # a connection that broke; a group that Ray Train has closed, since another worker died


class LostWorker(RuntimeError):
    """A worker can no longer be reached: learning goes on from the last checkpoint."""


class Exchange(Protocol):
    """What workers tell each other: sums, the same on all of them to the last bit."""

    rank: int
    size: int
    seconds: float  # spent waiting
    n_bytes: int  # added up

    def begin(self, array: npt.NDArray[Any]) -> Wait:
        """Begin to add an array up over the workers, in place; what is returned waits for the sum."""
        ...

    def close(self) -> None:
        """Leave: others that wait for this worker are told that it is lost."""
        ...


@final
class Alone:
    """One process: every sum is there already."""

    def __init__(self) -> None:
        self.rank, self.size, self.seconds, self.n_bytes = 0, 1, 0.0, 0

    def begin(self, array: npt.NDArray[Any]) -> Wait:
        """Nothing is to be added.

        Parameters
        ----------
        array : array
        """
        return lambda: None

    def close(self) -> None:
        """Nobody is left."""


@final
class TorchExchange:
    """torch.distributed's process group of this worker: gloo between processors, NCCL between GPUs.

    Parameters
    ----------
    device : str, optional
        Where arrays are added up: "cuda" for NCCL, which copies them there and back.
    """

    def __init__(self, device: str = "cpu") -> None:
        from torch import distributed

        self._group, self._device = distributed, device
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        self.seconds, self.n_bytes = 0.0, 0

    def begin(self, array: npt.NDArray[Any]) -> Wait:
        """Begin to add an array up, in place.

        Parameters
        ----------
        array : array
            Contiguous; must not be touched before the sum is there.

        Raises
        ------
        LostWorker
            Another worker is gone; also raised while waiting.
        """
        import torch

        began = time.perf_counter()
        here = torch.from_numpy(array)
        there = here.to(self._device)
        try:
            work: Any = self._group.all_reduce(there, async_op=True)
        except GONE as error:
            raise LostWorker(str(error)) from error
        self.n_bytes += array.nbytes
        self.seconds += time.perf_counter() - began

        def wait() -> None:
            began = time.perf_counter()
            try:
                work.wait()
            except GONE as error:
                raise LostWorker(str(error)) from error
            if there is not here:
                here.copy_(there)
            self.seconds += time.perf_counter() - began

        return wait

    def close(self) -> None:
        """Close the connections to the other workers."""
        if self._group.is_initialized():
            self._group.destroy_process_group()


def add(exchange: Exchange, array: npt.NDArray[Any]) -> None:
    """Add an array up over the workers, in place.

    Parameters
    ----------
    exchange : Exchange
    array : array, contiguous
    """
    exchange.begin(array)()


def shown_to_all(exchange: Exchange, value: int) -> npt.NDArray[np.int64]:
    """One number of every worker, known to all of them.

    Parameters
    ----------
    exchange : Exchange
    value : int
        This worker's.

    Returns
    -------
    int64 array, (n_workers,)
    """
    numbers = np.zeros(exchange.size, np.int64)
    numbers[exchange.rank] = value
    add(exchange, numbers)
    return numbers
