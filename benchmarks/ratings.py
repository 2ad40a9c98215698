"""Accuracy of the rating machine on MovieLens 1M, beside scikit-surprise on the same split.

The ratings, in the file's order, are permuted by numpy.random.default_rng(seed).permutation; the first tenth is test.
Epochs, blend and calibration are chosen on a part cut from training; test ratings are read once, at the end.

    python benchmarks/ratings.py --data DIR [--seeds 0,1,2] [--no-peers] [--json]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from _machine import describe, print_json
from harmonium.data import Ratings, read_ratings, split_by_mask
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.evaluation.ratings import evaluate

MULTI_PREDICTION = {"cases": "both", "refit": True, "n_machines": 3}
CD1 = {
    "cases": "both",
    "refit": True,
    "n_machines": 3,
    "method": "cd",
    "n_hidden": 128,
    "batch_size": 500,
    "weight_decay": 0.03,
}
TEST_SHARE = 10  # one rating in ten


def permuted_split(path: Path, seed: int):
    """Train and test parts, and the same as arrays for the peers."""
    import polars as pl

    frame = pl.read_parquet(path)
    order = np.random.default_rng(seed).permutation(len(frame))
    is_test = np.zeros(len(frame), bool)
    is_test[order[: len(frame) // TEST_SHARE]] = True
    ratings = read_ratings(path)
    columns = [frame[name].to_numpy() for name in ("user_id", "item_id", "rating")]
    marked = Ratings.from_arrays(
        ratings.users.indices(columns[0]), ratings.items.indices(columns[1]), is_test.astype(np.uint8),
        ratings.users, ratings.items, ratings.scale,
    )  # fmt: skip
    return split_by_mask(ratings, marked.level.astype(bool)), columns, is_test


def peers(columns, is_test, models):
    """RMSE and seconds of scikit-surprise's models on the split."""
    from _peers import SURPRISE, peer_python, run_peer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "split.npz"
        parts = {
            f"{part}_{name}": column[mask]
            for part, mask in (("train", ~is_test), ("test", is_test))
            for name, column in zip(("user", "item", "rating"), columns)
        }
        np.savez(path, **parts)
        return run_peer(peer_python(*SURPRISE), "surprise_ratings.py", str(path), *models)


def narrate(event):
    if event.kind in ("epoch", "ended"):
        print(event.to_dict(), file=sys.stderr)


def run_seed(path: Path, seed: int, settings: dict, peer_models) -> dict:
    split, columns, is_test = permuted_split(path, seed)
    began = time.perf_counter()
    machine = RatingRBM(random_state=seed, **(MULTI_PREDICTION | settings)).fit(split.train, watch=narrate)
    seconds = time.perf_counter() - began
    out = {"seed": seed, "seconds_both": seconds}
    for cases in ("both", "users", "items"):
        out[cases] = evaluate(machine.only(cases), split.train, split.test).to_dict()
    began = time.perf_counter()
    cd = RatingRBM(random_state=seed, **CD1).fit(split.train, watch=narrate)
    out["seconds_cd1"] = time.perf_counter() - began
    out["cd1"] = evaluate(cd, split.train, split.test).to_dict()
    if peer_models:
        out["surprise"] = peers(columns, is_test, peer_models)
    print({k: out[k]["model"] for k in ("both", "users", "items", "cd1")}, seconds, file=sys.stderr)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with MovieLens 1M's ratings.parquet")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--peers", default="svd,svd-tuned,svdpp", help="of scikit-surprise, on the first seed only")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    peer_models = [] if arguments.no_peers else arguments.peers.split(",")
    began = time.perf_counter()
    runs = [
        run_seed(arguments.data / "ratings.parquet", int(seed), {}, peer_models if k == 0 else [])
        for k, seed in enumerate(arguments.seeds.split(","))
    ]

    def mean(part: str, name: str) -> float:
        return float(np.mean([run[part]["model"][name] for run in runs]))

    print_json(
        {
            "rmse_both": mean("both", "rmse"),
            "rmse_users": mean("users", "rmse"),
            "rmse_items": mean("items", "rmse"),
            "rmse_cd1_both": mean("cd1", "rmse"),
            "log_loss": mean("both", "log_loss"),
            "ece": mean("both", "ece"),
            "seconds_training_both": float(np.mean([run["seconds_both"] for run in runs])),
            "seconds_total": time.perf_counter() - began,
            "runs": runs,
            "machine": describe(),
        }
    )


if __name__ == "__main__":
    main()
