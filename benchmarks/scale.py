"""A made set of MovieLens 20M's shape: load from Parquet, one epoch, peak memory, recommending for a new user.

138,493 users, 26,744 items, popularity and activity as in MovieLens; users as cases, 128 hidden units, mean-field CD-1.
The set is written by a process of its own, so that the peak is that of loading and learning alone.

    python benchmarks/scale.py [--ratings 20000000] [--like ML-1M/ratings.parquet] [--json]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from _machine import describe, peak_memory_gb, print_json

N_HIDDEN, N_HISTORY, N_CALLS = 128, 20, 200
BATCH = 4_000  # cases: smaller ones take an optimiser step of most items for two ratings each


def make(path: Path, n_ratings: int, like: Path | None) -> None:
    from _synthetic import ml20m_shape, write_parquet

    write_parquet(path, *ml20m_shape(n_ratings, like=like))


def make_elsewhere(path: Path, n_ratings: int, like: Path | None) -> None:
    command = [sys.executable, __file__, "--ratings", str(n_ratings), "--make", str(path)]
    subprocess.run(command + (["--like", str(like)] if like else []), check=True)


def measure(path: Path) -> dict:
    from harmonium.data import read_ratings
    from harmonium.estimators.rating_rbm import RatingRBM

    began = time.perf_counter()
    ratings = read_ratings(path)
    out = {"load_seconds": time.perf_counter() - began, "load_peak_memory_gb": peak_memory_gb()}
    machine = RatingRBM(
        N_HIDDEN, cases="users", method="cd", n_epochs=4, batch_size=BATCH, validation_fraction=0, weight_decay=0.03
    ).fit(ratings, watch=lambda event: print(event, file=sys.stderr))
    seconds = [event.seconds for event in machine.history_ if event.kind == "epoch"]
    out |= {"epoch_seconds": float(np.median(seconds[1:])), "first_epoch_seconds": seconds[0]}
    out |= {"peak_memory_gb": peak_memory_gb(), "ratings_bytes": ratings.nbytes, "n_ratings": ratings.n_ratings}
    return out | recommending(machine, ratings)


def recommending(machine, ratings) -> dict:
    """Milliseconds of a recommendation for someone new with 20 ratings, items drawn by popularity."""
    from harmonium.recommending.recommender import Recommender

    recommender, rng = Recommender(machine, ratings.items, ratings.scale), np.random.default_rng(0)
    share = np.bincount(ratings.item, minlength=ratings.n_items) / ratings.n_entries
    milliseconds = []
    for _ in range(N_CALLS):
        items = rng.choice(ratings.n_items, N_HISTORY, replace=False, p=share)
        history = {int(ratings.items[int(k)]): float(rng.choice(ratings.scale.values)) for k in items}
        began = time.perf_counter()
        recommender.recommend(history, 10)
        milliseconds.append(1e3 * (time.perf_counter() - began))
    return {"recommend_ms": float(np.median(milliseconds)), "recommend_p99_ms": float(np.quantile(milliseconds, 0.99))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=20_000_000)
    parser.add_argument("--like", type=Path, help="a ratings file whose popularity and activity are copied")
    parser.add_argument("--make", type=Path, help="only write the set there")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    if arguments.make:
        make(arguments.make, arguments.ratings, arguments.like)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.parquet"
        make_elsewhere(path, arguments.ratings, arguments.like)
        print_json(measure(path) | {"machine": describe()})


if __name__ == "__main__":
    main()
