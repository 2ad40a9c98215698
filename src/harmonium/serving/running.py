"""Running the service until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from harmonium.errors import DataError
from harmonium.serving import logs
from harmonium.serving.application import create
from harmonium.serving.settings import Settings

BACKLOG = 2048


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
    listening = listen(settings.host, settings.port)
    with contextlib.closing(listening):
        app = create(settings)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=int(settings.grace_seconds),
            lifespan="on",
        )
        server = _Server(config, lambda: ready(address_of(listening)))
        # uvicorn raises the signal once more when it has stopped; being told to stop is no failure.
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                server.run(sockets=[listening])
        finally:
            signal.signal(signal.SIGTERM, before)


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
