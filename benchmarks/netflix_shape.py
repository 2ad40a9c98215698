"""A made set of the Netflix prize's shape, from Parquet shards: load, epochs, lists for 100,000 users; and peak memory.

480,189 users, 17,770 items, 100,480,507 ratings in random order over 32 files; popularity and activity as in MovieLens.
Users as cases, 128 hidden units, multi-prediction, 4,000 cases a mini-batch. In memory and streamed, each in a process
of its own, so that peaks are theirs alone; the made set is kept in --work for the next run.

    python benchmarks/netflix_shape.py --like ML-1M/ratings.parquet [--work DIR] [--fraction 0.02] [--json]
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from _machine import describe, peak_memory_gb, print_json

N_USERS, N_ITEMS, N_RATINGS = 480_189, 17_770, 100_480_507  # of the prize's training set
N_FILES = 32
N_HIDDEN, N_EPOCHS = 128, 3
BATCH = 4_000  # cases; as scale.py
N_LISTS, N_PLACES, AT_ONCE = 100_000, 10, 64
SHARDS = "shards"
PHASES = ("memory", "streamed")


def made_folder(work: Path, fraction: float, like: Path | None) -> Path:
    """The folder of the set with these settings, made where it is missing; it appears whole."""
    name = f"netflix-{fraction:g}-{like.resolve().as_posix().replace('/', '-') if like else 'small'}"
    folder = work / name
    if not folder.is_dir():
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work, prefix=".making-") as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            call_child("make", made, fraction, like)
            made.rename(folder)
    return folder


def make(folder: Path, fraction: float, like: Path | None) -> None:
    """Write the ratings in random order."""
    from _synthetic import ml20m_shape, write_parquet

    user, item, rating = ml20m_shape(int(N_RATINGS * fraction), int(N_USERS * fraction), N_ITEMS, like=like)
    order = np.random.default_rng(1).permutation(len(user)).astype(np.int32)
    for k, part in enumerate(np.array_split(order, N_FILES)):
        write_parquet(folder / f"part-{k:02}.parquet", user[part], item[part], rating[part])


def call_child(what: str, folder: Path, fraction: float, like: Path | None) -> dict[str, Any]:
    """Run a part of this script in a process of its own; its last line of stdout as figures."""
    command = [sys.executable, __file__, "--child", what, "--work", str(folder), "--fraction", str(fraction)]
    command += ["--like", str(like)] if like else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}


def measure(folder: Path, streamed: bool) -> dict[str, Any]:
    """Seconds and peaks of one way of holding the ratings."""
    from harmonium.data import read_ratings
    from harmonium.data.shards import Shards
    from harmonium.data.stored import store_ratings
    from harmonium.estimators.rating_rbm import RatingRBM
    from harmonium.recommending.recommender import Recommender

    began, work = time.perf_counter(), folder / SHARDS
    ratings = store_ratings(folder, work) if streamed else read_ratings(folder)
    out: dict[str, Any] = {"load_seconds": time.perf_counter() - began, "load_peak_memory_gb": peak_memory_gb()}
    out |= {"n_ratings": ratings.n_ratings, "n_users": ratings.n_users, "n_items": ratings.n_items}
    machine = RatingRBM(N_HIDDEN, cases="users", n_epochs=N_EPOCHS, batch_size=BATCH, validation_fraction=0)
    machine.fit(ratings, watch=lambda event: print(event, file=sys.stderr))
    seconds = [event.seconds for event in machine.history_ if event.kind == "epoch"]
    out |= {"epoch_seconds": float(np.median(seconds[1:])), "first_epoch_seconds": seconds[0]}
    out |= {"learning_peak_memory_gb": peak_memory_gb()}
    rows = Shards(ratings) if not streamed else ratings.cases("users")
    recommender = Recommender(machine, ratings.items, ratings.scale)
    began = time.perf_counter()
    n_lists = recommend(recommender, rows)
    seconds_of_lists = time.perf_counter() - began
    out |= {"n_lists": n_lists, "recommend_seconds": seconds_of_lists, "lists_per_second": n_lists / seconds_of_lists}
    shutil.rmtree(work, ignore_errors=True)
    return out | {"peak_memory_gb": peak_memory_gb()}


def recommend(recommender: Any, shards: Any) -> int:
    """Lists for the first users, one shard of them in memory at a time; how many."""
    from harmonium.recommending.history import History
    from harmonium.recommending.many import Wanted, recommend_many

    n_lists = 0
    for together in batches(shards):
        wanted = [
            Wanted(History(item.astype(np.int64), level.copy(), recommender.items), N_PLACES, None, True)
            for item, level in together
        ]
        n_lists += len(recommend_many(recommender, wanted))
    return n_lists


def batches(shards: Any) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Histories of the first `N_LISTS` users, some at a time."""
    left = N_LISTS
    for shard in shards:
        n_users = min(left, shard.n_users)
        for start in range(0, n_users, AT_ONCE):
            yield [shard.history(user) for user in range(start, min(start + AT_ONCE, n_users))]
        left -= n_users
        if not left:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--like", type=Path, help="a ratings file whose popularity and activity are copied")
    parser.add_argument("--work", type=Path, help="keep the made set here (1 GB); otherwise it is made anew")
    parser.add_argument("--fraction", type=float, default=1.0, help="of the users and ratings, for a smaller run")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    parser.add_argument("--child", choices=("make", *PHASES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child == "make":
        make(arguments.work, arguments.fraction, arguments.like)
        return
    if arguments.child:
        print_json(measure(arguments.work, arguments.child == "streamed"))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = made_folder(arguments.work or Path(scratch), arguments.fraction, arguments.like)
        found = {phase: call_child(phase, folder, arguments.fraction, arguments.like) for phase in PHASES}
    memory, streamed = (found[phase] for phase in PHASES)
    print_json(
        {name: memory[name] for name in ("load_seconds", "epoch_seconds", "peak_memory_gb", "recommend_seconds")}
        | {"streamed_memory_gb": streamed["peak_memory_gb"], "streamed_epoch_seconds": streamed["epoch_seconds"]}
        | {"streamed_load_seconds": streamed["load_seconds"], "fraction": arguments.fraction, "batch_size": BATCH}
        | found | {"machine": describe()}
    )  # fmt: skip


if __name__ == "__main__":
    main()
