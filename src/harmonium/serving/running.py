"""Running the service until it is told to stop, in one process or in several that share the model's memory."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from harmonium.errors import DataError, SettingError
from harmonium.serving import built_page, logs
from harmonium.serving.settings import Settings
from harmonium.serving.slot import Loaded, load

BACKLOG = 2048
PR_SET_PDEATHSIG = 1  # linux/prctl.h
FIGURES = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client shares figures between processes


def serve(settings: Settings, ready: Callable[[str], Any]) -> None:
    """Answer until SIGTERM or SIGINT; requests under way are still answered then.

    Parameters
    ----------
    settings : Settings
    ready : callable
        Called with the service's address once it answers.

    Raises
    ------
    ModelFileError, DataError, SettingError
        The model, the store or the address cannot be used.
    """
    logs.set_up(settings.log_format)
    if settings.workers > 1 and not sys.platform.startswith("linux"):
        raise SettingError(f"workers: {settings.workers} processes are for Linux; use 1 here")
    built_page.folder(settings.page)
    listening = listen(settings.host, settings.port)
    with contextlib.closing(listening):
        loaded = load(settings.model)
        address = address_of(listening)
        if settings.workers == 1:
            _run(settings, loaded, listening, lambda: ready(address))
        else:
            with _shared_figures():
                _run_several(settings, loaded, listening, lambda: ready(address))


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Parameters
    ----------
    host : str
    port : int
        0 takes any that is free.

    Raises
    ------
    DataError
        The address cannot be used.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise DataError(f"{host}:{port}: cannot be listened on ({error.strerror}); choose another --port") from error


def address_of(listening: socket.socket) -> str:
    """The address of a socket, as browsers take it.

    Parameters
    ----------
    listening : socket
    """
    host, port = listening.getsockname()[:2]
    shown: str = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host) or host
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


def _run(settings: Settings, loaded: Loaded, listening: socket.socket, ready: Callable[[], Any]) -> None:
    """Answer in this process."""
    from harmonium.serving.application import create

    config = uvicorn.Config(
        create(settings, loaded),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.grace_seconds),
        lifespan="on",
    )
    # uvicorn raises the signal once more when it has stopped; being told to stop is no failure.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            _Server(config, ready).run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)


def _run_several(settings: Settings, loaded: Loaded, listening: socket.socket, ready: Callable[[], Any]) -> None:
    """Answer in several processes forked from this one, which starts another where one dies."""
    from harmonium.serving.application import create  # noqa: F401  what is imported here is shared, too
    from harmonium.serving.store import open_database

    open_database(settings.store).close()  # migrates, and complains here rather than in every process
    reader, writer = os.pipe()
    workers, stopping = set(), []

    def stop(*_: Any) -> None:
        stopping.append(True)
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGTERM)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        while len(workers) < settings.workers:
            workers.add(_fork(settings, loaded, listening, writer))
        for _ in range(settings.workers):
            if os.read(reader, 1) != b"+":
                stop()
                raise DataError("a process of the service could not start; its log says why")
        ready()
        while workers:
            worker, status = os.wait()
            workers.discard(worker)
            _forget_figures(worker)
            if not stopping:
                logs.say("process died", pid=worker, status=status)
                workers.add(_fork(settings, loaded, listening, writer))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fork(settings: Settings, loaded: Loaded, listening: socket.socket, writer: int) -> int:
    """Start a process that answers; it writes + once it does, - where it cannot."""
    worker = os.fork()
    if worker:
        return worker
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        _end_with_parent()
        _run(settings, loaded, listening, lambda: os.write(writer, b"+"))
        code = 0
    except BaseException as error:
        logs.say("process could not start", error=error)
        os.write(writer, b"-")
    finally:
        os._exit(code)


def _end_with_parent() -> None:
    """Be told to stop when the process that forked this one is gone, however it went."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it went just before
        os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _shared_figures() -> Iterator[None]:
    """A folder in which processes keep their figures, so that each can tell those of all."""
    with tempfile.TemporaryDirectory(prefix="harmonium-") as folder:
        os.environ[FIGURES] = folder  # read when prometheus_client is imported, which is not yet
        try:
            yield
        finally:
            del os.environ[FIGURES]


def _forget_figures(worker: int) -> None:
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker)


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], Any]):
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so without holding requests up.

        Parameters
        ----------
        sockets : list of socket, optional
        """
        await super().startup(sockets)
        if self.started:
            asyncio.get_running_loop().run_in_executor(None, self._ready)
