"""A small world of films whose titles try to be more than titles, and how to serve it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harmonium import Ratings, Recommender, Titles

NASTY = [
    ("<script>alert(1)</script> (1990)", ["Drama"]),
    ("Robert'); DROP TABLE ratings;-- (1991)", ["Comedy"]),
    ("../../etc/passwd (1992)", ["Drama", "Horror"]),
    ("Ünïcödé 映画 \U0001f3ac (1993)", ["Comedy"]),
    ("Null\x00byte (1994)", ["Horror"]),
    ("Twins (1988)", ["Comedy"]),
    ("Twins (1925)", ["Drama"]),
]
N_USERS, N_ITEMS = 80, 40
SECONDS = 60


def world(seed: int = 0) -> tuple[Ratings, Titles]:
    """Ratings of two tastes in half stars, and titles."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(N_USERS):
        for item in rng.permutation(N_ITEMS)[:15]:
            liking = 4.0 if item % 2 == user % 2 else 2.0
            rows.append((user, 100 + int(item), float(np.clip(np.round(2 * rng.normal(liking, 0.7)) / 2, 0.5, 5))))
    named = [*NASTY, *((f"Film {k} ({1960 + k})", ["Action"]) for k in range(len(NASTY), N_ITEMS))]
    ratings = Ratings.from_triples(*map(list, zip(*rows)))
    titles = Titles.from_rows([100 + k for k in range(N_ITEMS)], [t for t, _ in named], [g for _, g in named])
    return ratings, titles


def recommender(seed: int = 0, **settings) -> Recommender:
    """A recommender of the world."""
    ratings, titles = world(seed)
    return Recommender.fit(ratings, titles, **{"n_hidden": 5, "n_epochs": 4, "random_state": seed, **settings})


@dataclass
class Running:
    """A service in a process of its own."""

    process: subprocess.Popen
    address: str
    lines: list[str]

    def kill(self) -> None:
        """End it as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)  # with the processes it has forked
        self.process.wait(SECONDS)


@contextlib.contextmanager
def running(model: Path, store: str, *options: str) -> Iterator[Running]:
    """Serve a model in a process."""
    program = [sys.executable, "-c", "from harmonium.cli import main; main()", "serve", str(model), "--store", store]
    program += ["--port", "0", "--no-open", "--rate-limit", "0", *options]
    process = subprocess.Popen(
        program, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}, start_new_session=True
    )
    lines: list[str] = []
    assert process.stderr is not None
    try:
        address = None
        for line in process.stderr:
            lines.append(line)
            if found := re.match(r"http://[\d.]+:\d+/", line):
                address = found[0].rstrip("/")
                break
        assert address, "".join(lines)
        reader = threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True)
        reader.start()
        yield Running(process, address, lines)
        process.terminate()
        process.wait(SECONDS)
        reader.join(SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(SECONDS)
        process.stderr.close()
