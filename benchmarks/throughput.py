"""Speed of one CD-1 epoch of the rating machine: ratings a second, against a dense machine and the machine's own peak.

Users as cases, 128 hidden units, features (1, x), mini-batches of 500 cases, mean-field CD-1 with Adagrad; compiled
before the clock starts. The peer is what is usually written: dense masked matrices in torch, same sizes, same run. The
peak is the machine's float32 matrix product by NumPy's BLAS; the share counts the arithmetic of the sparse algorithm.

    python benchmarks/throughput.py [--data DIR] [--epochs 12] [--json]

Without --data (a folder with MovieLens 1M's ratings.parquet) a made set of the same shape is used.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from _dense import seconds_per_epoch
from _machine import describe, gemm_peak, print_json
from _synthetic import ml20m_shape
from harmonium.data import Ratings, read_ratings
from harmonium.models import level_rbm
from harmonium.training import batches, loop, state
from harmonium.training.settings import Learning
from harmonium.units.levels import level_features

N_HIDDEN, BATCH = 128, 500
ML1M = {"n_ratings": 1_000_209, "n_users": 6_040, "n_items": 3_706}
# multiply-adds a rating and hidden unit: constant and level field, W.h, fantasy's field; three rows of gradient
MULTIPLY_ADDS = 7


def ratings_of(data: Path | None) -> Ratings:
    if data is not None:
        return read_ratings(data / "ratings.parquet")
    return Ratings.from_triples(*ml20m_shape(**ML1M))


def epochs(ratings: Ratings, n: int) -> list[float]:
    """Seconds of each of n epochs after a first one that compiles."""
    learning = Learning(method="cd", n_epochs=n + 1, batch_size=BATCH, weight_decay=0.03)
    rbm = level_rbm.initial(ratings, N_HIDDEN, level_features("linear", ratings.scale.x), 0)
    run, where, seconds = state.start(rbm, ratings, learning, 0), batches.Chunk.of(batches.layout(ratings)), []
    for _ in range(n + 1):
        began = time.perf_counter()
        loop.run_epoch(run, [where], learning)
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with MovieLens 1M's ratings.parquet")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    ratings = ratings_of(arguments.data)
    peaks = [gemm_peak()]
    sparse = epochs(ratings, arguments.epochs)
    dense = seconds_per_epoch(
        ratings.user_of(), ratings.item, ratings.level, ratings.n_users, ratings.n_items, ratings.n_levels, N_HIDDEN
    )
    sparse += epochs(ratings, arguments.epochs)  # before and after the peer: a machine's speed drifts
    peaks.append(gemm_peak())
    second = float(np.median(sparse))
    flops = 2 * MULTIPLY_ADDS * N_HIDDEN * ratings.n_ratings / second
    print(f"{second:.3f} s an epoch, {dense:.3f} s dense, peaks {peaks} GFLOP/s", file=sys.stderr)
    print_json(
        {
            "ratings_per_second": ratings.n_ratings / second,
            "speedup_over_dense": dense / second,
            "share_of_gemm_peak": flops / 1e9 / float(np.mean(peaks)),
            "epoch_seconds": second,
            "epoch_seconds_best": min(sparse),
            "ratings_per_second_best": ratings.n_ratings / min(sparse),
            "dense_epoch_seconds": dense,
            "gemm_gflops": float(np.mean(peaks)),
            "data": "ml-1m" if arguments.data else "synthetic, ml-1m's shape",
            "machine": describe(),
        }
    )


if __name__ == "__main__":
    main()
