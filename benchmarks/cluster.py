"""Workers of a cluster on one machine: throughput of one and of two, a core each, and what the sums between them cost.

The machine for ratings, users as cases, 128 hidden units, features (1, x), mean-field CD-5 and Adagrad, all of it
under Ray Train with one thread a worker, kept to a core of its own. What is sent does not grow with the
mini-batch, what is computed does; so several sizes of it are measured, and the first key is of the largest, all 6,040
users of MovieLens 1M: a million ratings an update, as a cluster would take. Both counts of workers learn the same
machine: how far apart they are is shown after a few epochs, since mean-field learning enlarges what rounding began,
to 1e-5 of the weights after 10 epochs, .006 after 20 and .15 after 40, whoever adds up. The first epoch, in which
kernels are compiled or read, is left out. The loop without workers, whose second pass does gradient and step at once,
is measured on one thread beside them.

    python benchmarks/cluster.py [--data DIR] [--epochs 40] [--batch-sizes 1510 3020 6040] [--hidden 128] [--json]

Without --data (a folder with MovieLens 1M's ratings.parquet) a made set of the same shape is used.
"""

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

from _machine import describe, installed_version, print_json
from _synthetic import ml20m_shape
from harmonium.data import Ratings, read_ratings
from harmonium.data.shards import Shards
from harmonium.distributed import Cluster
from harmonium.events import EpochEnded, Exchanged
from harmonium.kernels.jit import set_n_threads
from harmonium.models import level_rbm
from harmonium.training import loop, state
from harmonium.training.settings import Learning
from harmonium.units.levels import level_features

ML1M = {"n_ratings": 1_000_209, "n_users": 6_040, "n_items": 3_706}
BATCH_SIZES = (1_510, 3_020, 6_040)
METHOD: dict[str, Any] = {"method": "cd", "n_steps": 5}
WORKERS = (1, 2)
N_COMPARED = 5  # epochs


def ratings_of(data: Path | None) -> Ratings:
    if data is not None:
        return read_ratings(data / "ratings.parquet", time=False)
    return Ratings.from_triples(*ml20m_shape(**ML1M))


def begun(ratings: Ratings, learning: Learning, n_hidden: int) -> state.State:
    rbm = level_rbm.initial(ratings, n_hidden, level_features("linear", ratings.scale.x), 0)
    return state.start(rbm, ratings, learning, 0)


def on_workers(ratings: Ratings, learning: Learning, n_hidden: int, n_workers: int) -> dict[str, Any]:
    """Seconds an epoch, the share of them spent waiting for sums, and what was added up."""
    run, seconds, waiting, sent = begun(ratings, learning, n_hidden), [], [], 0
    with Cluster(n_workers, pin=True, checkpoint_every=3600) as cluster:
        began = time.perf_counter()
        for event in cluster.train_ratings(run, Shards(ratings), learning):
            if isinstance(event, Exchanged):
                waiting.append(event.seconds_waiting)
                sent = event.n_bytes
            elif isinstance(event, EpochEnded):
                seconds.append(event.seconds)
        whole = time.perf_counter() - began
    return {
        "epoch_seconds": float(np.median(seconds[1:])),
        "epoch_seconds_best": min(seconds[1:]),
        "ratings_per_second": ratings.n_ratings / float(np.median(seconds[1:])),
        "communication_share": float(np.median(np.array(waiting[1:]) / np.array(seconds[1:]))),
        "bytes_an_epoch": sent,
        "start_and_end_seconds": whole - sum(seconds),
    }


def apart(ratings: Ratings, learning: Learning, n_hidden: int) -> float:
    """How far apart the weights of one worker and of two are after a few epochs, relative to their norm."""
    short, W = replace(learning, n_epochs=N_COMPARED), []
    for n_workers in WORKERS:
        run = begun(ratings, short, n_hidden)
        with Cluster(n_workers, pin=True) as cluster:
            for _ in cluster.train_ratings(run, Shards(ratings), short):
                pass
        W.append(run.machine.W)
    return float(np.linalg.norm(W[0] - W[1]) / np.linalg.norm(W[0]))


def in_one_process(ratings: Ratings, learning: Learning, n_hidden: int) -> float:
    """Seconds an epoch of the loop without workers, on one thread."""
    set_n_threads(1)
    run = begun(ratings, learning, n_hidden)
    seconds = [e.seconds for e in loop.train(run, Shards(ratings), learning) if isinstance(e, EpochEnded)]
    return float(np.median(seconds[1:]))


def compared(ratings: Ratings, learning: Learning, n_hidden: int) -> dict[str, Any]:
    """One worker, two, and none."""
    alone = in_one_process(ratings, learning, n_hidden)
    found = {n: on_workers(ratings, learning, n_hidden, n) for n in WORKERS}
    return {
        "speedup_2_workers": found[1]["epoch_seconds"] / found[2]["epoch_seconds"],
        "speedup_2_workers_best": found[1]["epoch_seconds_best"] / found[2]["epoch_seconds_best"],
        "communication_share_2_workers": found[2]["communication_share"],
        "speedup_2_workers_over_one_process": alone / found[2]["epoch_seconds"],
        "one_process_epoch_seconds": alone,
        "relative_difference": apart(ratings, learning, n_hidden),
        "workers": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with MovieLens 1M's ratings.parquet")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    ratings, found = ratings_of(arguments.data), {}
    for size in sorted(arguments.batch_sizes):
        learning = Learning(**METHOD, n_epochs=arguments.epochs + 1, batch_size=size, patience=0)
        found[size] = compared(ratings, learning, arguments.hidden)
        told = found[size]["speedup_2_workers"], found[size]["communication_share_2_workers"]
        print(f"{size:,} cases a mini-batch: {told[0]:.2f} times, {told[1]:.0%} of the time in sums", file=sys.stderr)
    print_json(
        {
            **found[max(found)],
            "batch_size": max(found),
            "by_batch_size": {size: {k: v for k, v in one.items() if k != "workers"} for size, one in found.items()},
            "n_hidden": arguments.hidden,
            "learning": METHOD,
            "n_epochs": arguments.epochs,
            "ray": installed_version("ray"),
            "data": "ml-1m" if arguments.data else "synthetic, ml-1m's shape",
            "machine": describe(),
        }
    )


if __name__ == "__main__":
    main()
