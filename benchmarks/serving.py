"""The service on loopback: requests a second and latency of recommending for anonymous histories of 20 ratings.

A model of MovieLens 20M's shape (26,744 items, 128 hidden units, users as cases; learned from made-up ratings) and one
of the bundled ratings (users and items as cases, 64 hidden units, titles), each served by `harmonium serve` with its
defaults but the rate limit and the log of requests. Each connection asks again as soon as it is answered. The client
runs on the same machine, in a process of its own, on the same kind of event loop (uvloop); `client_ms_per_request` is
the processor time that it takes from the service, and an answer waits at most that long for each one before it.

    python benchmarks/serving.py [--seconds 5] [--json]
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import uvloop

from _machine import describe, print_json

N_ITEMS, N_HIDDEN, N_HISTORY, N_LISTED = 26_744, 128, 20, 10
N_RATINGS, N_USERS = 1_000_000, 7_000  # to learn from: the shape of the model, not its quality, is measured
N_BODIES = 500
CONCURRENCY = (1, 16, 64)
REPORTED = 16
WARM_UP = 1.0  # seconds


def make_large(path: Path) -> None:
    """Write a model of MovieLens 20M's shape."""
    from _synthetic import ml20m_shape
    from harmonium.data import Ratings, Scale, Vocabulary
    from harmonium.estimators.rating_rbm import RatingRBM
    from harmonium.recommending import Recommender

    user, item, rating = ml20m_shape(N_RATINGS, N_USERS, N_ITEMS)
    scale = Scale.stars()
    users, items = Vocabulary(np.arange(N_USERS)), Vocabulary(np.arange(N_ITEMS))
    ratings = Ratings.from_arrays(user, item, rating - 1, users, items, scale)
    machine = RatingRBM(N_HIDDEN, cases="users", method="cd", n_epochs=2, batch_size=1_000, validation_fraction=0.02)
    machine.fit(ratings)
    Recommender(machine, items, scale).save(path)


def make_small(path: Path) -> None:
    """Write a model of the bundled ratings, as `harmonium demo` learns it."""
    from harmonium.data import load
    from harmonium.recommending import Recommender

    films = load("movielens-small")
    Recommender.fit(films.ratings, films.titles, n_hidden=64, n_epochs=20).save(path)


def requests_for(path: Path, seed: int = 0) -> list[bytes]:
    """Whole HTTP requests with histories of items drawn by popularity."""
    from harmonium.recommending import Recommender

    recommender, rng = Recommender.load(path), np.random.default_rng(seed)
    counts = recommender.machine.fitted_model.n_item_ratings
    found = []
    for _ in range(N_BODIES):
        items = rng.choice(len(counts), N_HISTORY, replace=False, p=counts / counts.sum())
        levels = rng.choice(recommender.scale.levels, N_HISTORY)
        history = [{"item": recommender.items[int(k)], "rating": float(r)} for k, r in zip(items, levels)]
        body = json.dumps({"history": history, "n": N_LISTED}).encode()
        head = f"POST /api/v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
        found.append(head.encode() + b"\r\nContent-Type: application/json\r\n\r\n" + body)
    return found


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, bodies: list[bytes], first: int, until: list[float], seconds: list[float]):
        self.bodies, self.next, self.until, self.seconds = bodies, first, until, seconds
        self.done = asyncio.get_running_loop().create_future()
        self.received, self.wanted = b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.began = time.perf_counter()
        self.received, self.wanted = b"", 0
        self.transport.write(self.bodies[self.next % len(self.bodies)])
        self.next += 1

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.wanted:
            head, separator, _ = self.received.partition(b"\r\n\r\n")
            if not separator:
                return
            if b" 200 " not in head[:16]:
                self.done.set_exception(RuntimeError(self.received.decode()))
                return
            _, _, length = head.partition(b"content-length: ")
            self.wanted = len(head) + 4 + int(length.partition(b"\r\n")[0])
        if len(self.received) >= self.wanted:
            now = time.perf_counter()
            self.seconds.append(now - self.began)
            if now < self.until[0]:
                self.ask()
            else:
                self.transport.close()
                self.done.set_result(None)


async def ask(port: int, bodies: list[bytes], concurrency: int, seconds: float) -> dict:
    """Figures of so many connections that ask all the time."""
    loop, until, found = asyncio.get_running_loop(), [0.0], []
    for duration in (WARM_UP, seconds):
        found.clear()
        until[0] = time.perf_counter() + duration
        began, busy = time.perf_counter(), time.process_time()
        clients = [
            (await loop.create_connection(lambda k=k: Client(bodies, 31 * k, until, found), "127.0.0.1", port))[1]
            for k in range(concurrency)
        ]
        await asyncio.gather(*(client.done for client in clients))
        took = time.perf_counter() - began
    p50, p99 = np.quantile(found, (0.5, 0.99))
    return {
        "client_ms_per_request": 1e3 * (time.process_time() - busy) / len(found),
        "requests_per_second": len(found) / took,
        "p50_ms": 1e3 * float(p50),
        "p99_ms": 1e3 * float(p99),
        "n_requests": len(found),
    }


def measure(model: Path, seconds: float) -> dict:
    """Serve a model and ask it."""
    arguments = ["serve", str(model), "--port", "0", "--rate-limit", "0", "--no-log-requests", "--no-open"]
    store = f"sqlite:///{model}.db"
    program = [sys.executable, "-c", "from harmonium.cli import main; main()", *arguments, "--store", store]
    bodies = requests_for(model)
    began = time.perf_counter()
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as server:
        try:
            port = None
            for line in server.stderr:
                if found := re.match(r"http://127\.0\.0\.1:(\d+)/", line):
                    port = int(found[1])
                    break
            if port is None:
                raise RuntimeError("the service did not start")
            out = {"start_seconds": time.perf_counter() - began}
            for concurrency in CONCURRENCY:
                out[f"concurrency_{concurrency}"] = uvloop.run(ask(port, bodies, concurrency, seconds))
            return out
        finally:
            server.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each concurrency is measured")
    parser.add_argument("--keep", type=Path, help="a folder to keep the models in, for another run")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        out = {}
        for name, make in (("large", make_large), ("bundled", make_small)):
            path = folder / f"{name}.harmonium"
            if not path.exists():
                make(path)
            out[name] = measure(path, arguments.seconds)
    large = out["large"][f"concurrency_{REPORTED}"]
    print_json({key: large[key] for key in ("p50_ms", "p99_ms", "requests_per_second")} | out | {"machine": describe()})


if __name__ == "__main__":
    main()
