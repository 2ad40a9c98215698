"""A PostgreSQL server of the tests' own: a cluster in a temporary folder, run by nobody special on a free port."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SECONDS = 30
USERS = ("postgres", "nobody")  # one of them runs it where the tests are run by root
MISSING = "PostgreSQL is not installed: make test installs it where it may (on Debian: apt install postgresql)"


def program(name: str) -> str:
    """Where a program of the server lies: the newest version's."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4].split(".")[0]))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise RuntimeError(MISSING)
    return path


def unprivileged() -> dict:
    """Arguments of subprocess that make it run by somebody who is not root."""
    if os.geteuid():
        return {}
    for name in USERS:
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise RuntimeError(f"none of the users {', '.join(USERS)} exists to run PostgreSQL by")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Start a server and yield the address of an empty database."""
    who, environment = unprivileged(), {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: a socket's path has a limit
    try:
        if who:
            os.chown(folder, who["user"], who["group"])
        data, port = folder / "data", free_port()
        make = [program("initdb"), "-D", str(data), "-U", "tester", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, cwd=folder, env=environment, **who)
        run = [
            program("postgres"),
            "-D",
            str(data),
            "-p",
            str(port),
            "-k",
            str(folder),
            "-c",
            "listen_addresses=127.0.0.1",
        ]
        run += [
            "-c",
            "max_connections=150",
            "-c",
            "timezone=Pacific/Apia",
        ]  # times must not depend on the server's zone
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(run, stdout=log, stderr=log, cwd=folder, env=environment, **who)
        try:
            wait_until_ready(port, process, folder / "log")
            yield f"postgresql://tester@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_ready(port: int, process: subprocess.Popen, log: Path) -> None:
    """Return once the server takes connections."""
    import psycopg

    until = time.monotonic() + SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"postgresql://tester@127.0.0.1:{port}/postgres").close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')}")
