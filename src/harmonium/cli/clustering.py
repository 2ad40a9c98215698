"""The options that say where work is done: in this process, or on workers of a cluster."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import typer

from harmonium.cli.options import option
from harmonium.errors import SettingError

PANEL = "Workers"


def _worker_option(name: str, kind: Any, default: Any, **info: Any) -> Any:
    return option(name, kind, default, typer.Option(rich_help_panel=PANEL, **info))


CLUSTER = (
    _worker_option("workers", int, 0, help="Share the work between so many processes, by Ray; 0 stays in this one."),
    _worker_option("cpus_per_worker", int, 1, help="Processors, and threads, of each."),
    _worker_option("address", str | None, None, help="A Ray cluster: HOST:PORT or auto; this machine when not given."),
    _worker_option("storage", Path | None, None, metavar="FOLDER", help="For checkpoints; all machines reach it."),
)  # fmt: skip


@contextmanager
def cluster_of(workers: int, cpus_per_worker: int, address: str | None, storage: Path | None) -> Iterator[Any]:
    """The cluster that options name, closed at the end; None for this process.

    With workers everything printed within goes to stderr: Ray tells on stdout of a worker that died, and that is for
    results.

    Parameters
    ----------
    workers, cpus_per_worker : int
    address : str, optional
    storage : Path, optional
    """
    if not workers:
        given = [name for name, value in (("--address", address), ("--storage", storage)) if value is not None]
        if given:
            raise SettingError(f"{given[0]}: is of workers; say how many with --workers")
        yield None
        return
    from harmonium.distributed import Cluster

    how = {"cpus_per_worker": cpus_per_worker, "address": address, "storage": storage}
    with redirect_stdout(sys.stderr), Cluster(workers, **how) as cluster:
        yield cluster
