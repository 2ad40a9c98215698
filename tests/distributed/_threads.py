"""Workers as threads of one process: what they add up, they add in the order of their ranks."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

WAIT = 60  # seconds after which a missing worker fails the test


class Room:
    """Where the threads of one run meet."""

    def __init__(self, size):
        self.size, self.barrier, self.slots = size, threading.Barrier(size, timeout=WAIT), [None] * size


class ThreadExchange:
    """An `Exchange` between threads."""

    def __init__(self, room, rank):
        self.room, self.rank, self.size, self.seconds, self.n_bytes = room, rank, room.size, 0.0, 0

    def begin(self, array):
        """Begin to add an array up, in place."""
        assert array.flags.c_contiguous
        self.n_bytes += array.nbytes

        def wait():
            self.room.slots[self.rank] = array
            self.room.barrier.wait()
            total = np.sum(self.room.slots, axis=0, dtype=array.dtype)
            self.room.barrier.wait()
            array[...] = total

        return wait

    def close(self):
        """Break the meeting."""
        self.room.barrier.abort()


def together(n_workers, work):
    """Run work(exchange) on so many threads; returns what each gave back."""
    room = Room(n_workers)

    def run(rank):
        try:
            return work(ThreadExchange(room, rank))
        except BaseException:
            room.barrier.abort()
            raise

    with ThreadPoolExecutor(n_workers) as pool:
        return [one.result() for one in [pool.submit(run, rank) for rank in range(n_workers)]]
