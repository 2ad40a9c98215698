"""A run of Ray Train in a thread of its own, its events here; Ctrl-C ends it well, and what fails is one line."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, final

from harmonium.errors import HarmoniumError
from harmonium.events import Event

LOOK_EVERY = 0.5  # seconds between two looks at the desk
CHECKPOINTS = "checkpoint_*"  # Ray Train's names, which rise with time


@contextmanager
def another_group() -> Iterator[None]:
    """Processes that begin here are not of the terminal's group: Ctrl-C is for this process, which ends theirs well.

    Where the system has no groups, or this process leads a session and cannot change its own, nothing is changed.
    """
    if not hasattr(os, "setpgid"):
        yield
        return
    own = os.getpgrp()
    founder = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, process_group=0)
    try:
        with suppress(OSError):
            os.setpgid(0, founder.pid)
        yield
    finally:
        with suppress(OSError):
            os.setpgid(0, own)
        founder.communicate(b"\n")


@final
class Newest:
    """The checkpoints of a run that goes on, as they come to lie in its folder.

    Parameters
    ----------
    folder : path
    take : callable
        Takes a state from a checkpoint's folder; fails where that is not whole yet, or gone already.
    """

    def __init__(self, folder: str | os.PathLike[str], take: Callable[[str], None]):
        self._folder, self._take, self._taken = Path(folder), take, ""

    def look(self) -> bool:
        """Take the newest one that is whole and newer than the last; whether there was one."""
        for path in sorted(self._folder.glob(CHECKPOINTS), reverse=True):
            if path.name <= self._taken:
                break
            with suppress(HarmoniumError, OSError):
                self._take(os.fspath(path))
                self._taken = path.name
                return True
        return False


@final
class Run:
    """Ray Train's run in a thread of its own, its events in this one.

    Parameters
    ----------
    trainer : TorchTrainer
    """

    def __init__(self, trainer: Any):
        self._trainer, self._result = trainer, None
        self._failure: Any = b""
        self._error: BaseException | None = None
        self._done = threading.Event()  # joining a thread is no way to wait for it: an interrupted join forgets it

    def events(self, desk: Any) -> Generator[Event, None, None]:
        """Run, and hand on what lies on the desk. Ctrl-C asks the workers to stop after their epoch.

        Parameters
        ----------
        desk : actor
        """
        import ray

        interrupted = False
        threading.Thread(target=self._fit, daemon=True).start()
        try:
            while True:
                try:
                    done = self._done.is_set()
                    yield from ray.get(desk.take.remote())
                    if done:
                        break
                    self._done.wait(LOOK_EVERY)
                except KeyboardInterrupt:
                    if interrupted:
                        raise
                    interrupted = True
                    desk.stop.remote()
            self._failure = ray.get(desk.failure.remote())
        finally:
            if not self._done.is_set():
                desk.stop.remote()
                self._done.wait()

    @property
    def ended_well(self) -> bool:
        """Whether there is a checkpoint to take."""
        return not self._failure and self._error is None and self._result is not None

    def checkpoint(self) -> str:
        """The folder of the last checkpoint.

        Raises
        ------
        HarmoniumError
            The run failed.
        """
        if self._failure:
            raise pickle.loads(self._failure)
        if self._error is not None:
            raise HarmoniumError(f"Ray Train gave up: {_cause(self._error)}") from self._error
        result: Any = self._result
        if result is None or result.checkpoint is None:
            raise HarmoniumError("the workers ended without a checkpoint")
        return result.checkpoint.path

    def _fit(self) -> None:
        try:
            self._result = self._trainer.fit()
        except BaseException as error:  # also an interrupt that reached Ray's own processes
            self._error = error
        finally:
            self._done.set()


def told(error: BaseException) -> HarmoniumError:
    """harmonium's own error within one of Ray Data, or one that tells what happened in a line.

    Parameters
    ----------
    error : Exception
    """
    inner: BaseException | None = error
    while inner is not None:
        cause = getattr(inner, "cause", None)
        for found in (inner, cause):
            if isinstance(found, HarmoniumError):
                return type(found)(*found.args)
        inner = cause if isinstance(cause, BaseException) else inner.__cause__
    return HarmoniumError(f"a worker failed: {' '.join(str(error).split())[-400:]}")


def _cause(error: BaseException) -> str:
    """What Ray Train says of a failure, in one line."""
    failures = getattr(error, "worker_failures", None) or {}
    told = [f"worker {rank}: {' '.join(str(cause).split())[:200]}" for rank, cause in sorted(failures.items())]
    return "; ".join(told) or " ".join(str(error).split())[:400]
