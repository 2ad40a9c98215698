"""The desk: an actor through which workers tell what happens, and are told to stop."""

from __future__ import annotations

import pickle
from typing import Any

from harmonium.errors import HarmoniumError
from harmonium.events import Event


class Desk:
    """What lies on the desk: events, a wish to stop, an error that trying again would not mend."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._stopped, self._failure = False, b""

    def put(self, event: Event) -> None:
        """Lay an event down.

        Parameters
        ----------
        event : Event
        """
        self._events.append(event)

    def take(self) -> list[Event]:
        """Take the events that have come since."""
        taken, self._events = self._events, []
        return taken

    def stop(self) -> None:
        """Ask the workers to stop after their epoch."""
        self._stopped = True

    def stopped(self) -> bool:
        """Whether they were asked to."""
        return self._stopped

    def fail(self, failure: bytes) -> None:
        """Lay an error down; the first one stays.

        Parameters
        ----------
        failure : bytes
            From `packed`.
        """
        self._failure = self._failure or failure

    def failure(self) -> bytes:
        """The error that was laid down; empty without one."""
        return self._failure


def packed(error: Exception, rank: int) -> bytes:
    """An error of a worker as bytes: one of harmonium's own as it is, any other as a message.

    Parameters
    ----------
    error : Exception
    rank : int
    """
    if not isinstance(error, HarmoniumError):
        error = HarmoniumError(f"worker {rank} failed: {type(error).__name__}: {error}")
    return pickle.dumps(error)


def open_desk() -> Any:
    """Start the actor, beside the workers' own processors."""
    import ray

    return ray.remote(num_cpus=0)(Desk).remote()
