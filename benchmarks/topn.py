"""Ranked lists on MovieLens 1M by strong generalisation, beside peers on the same split.

The recipe of Liang et al. 2018: ratings of 4 and more are choices, 750 users validate and 750 test, a fifth of what
they chose is held out; split seeds 98765 and following. Settings, and the epoch that is kept, are chosen on validation
users; test users are read once, at the end.

    python benchmarks/topn.py --data DIR [--seeds 98765,98766,...] [--no-peers] [--json]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from _choices import learned, measured, movielens, written
from _machine import describe, print_json
from harmonium import GaussianBoltzmann, MultinomialRBM, SemiRestricted

HIDDEN = {"n_hidden": 200, "batch_size": 200, "n_epochs": 40, "learning_rate": 0.008, "schedule": "cosine"}
HIDDEN |= {"length_power": 0.5}
MODELS = {
    "gaussian": lambda: GaussianBoltzmann(ridge=500.0),
    "gaussian_dropout": lambda: GaussianBoltzmann(ridge=200.0, dropout=0.5),
    "multinomial": lambda: MultinomialRBM(n_machines=2, **HIDDEN | {"n_hidden": 400, "n_epochs": 50}),
    "semi_restricted": lambda: SemiRestricted(ridge=200.0, dropout=0.5, n_machines=4, **HIDDEN),
}
METRIC = "ndcg@100"
PEERS = ("als", "bpr", "ease", "recvae")


def run_seed(folder: Path, seed: int, models) -> dict:
    """Every model on one split."""
    task = movielens(folder, seed)
    validation = task.validation.history, task.validation.held_out
    out, found = {"seed": seed}, {}
    for name in models:
        model = MODELS[name]()
        cost = learned(f"{seed} {name}", model, task.train, validation)
        valid = measured(f"{seed} {name}", model, task, validation=True)
        found[name] = measured(f"{seed} {name}", model, task)
        out[name] = {"test": found[name].to_dict(), "validation": valid.to_dict(), **cost}
    if {"semi_restricted", "gaussian_dropout"} <= set(found):
        gain, error = found["semi_restricted"].difference(found["gaussian_dropout"], METRIC)
        out["semi_restricted_gain"], out["semi_restricted_gain_se"] = gain, error
        print(f"{seed} semi-restricted over the dropout closed form: {gain:+.4f} ± {error:.4f}", file=sys.stderr)
    return out


def run_peers(folder: Path, seed: int, names) -> dict:
    """Peers on one split, each in an environment of its own."""
    from _peers import choice_peers

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "task.npz"
        written(movielens(folder, seed), path)
        return choice_peers.run(path, names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with MovieLens 1M's ratings.parquet")
    parser.add_argument("--seeds", default="98765,98766,98767,98768,98769")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--peers", default=",".join(PEERS), help="on the first seed only")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    seeds, models, began = [int(seed) for seed in arguments.seeds.split(",")], arguments.models.split(","), time.time()
    peers = {} if arguments.no_peers else run_peers(arguments.data, seeds[0], arguments.peers.split(","))
    runs = [run_seed(arguments.data, seed, models) for seed in seeds]
    figures = {f"{name}_ndcg100": float(np.mean([run[name]["test"][METRIC] for run in runs])) for name in models}
    if all("semi_restricted_gain" in run for run in runs):
        gains = np.array([[run["semi_restricted_gain"], run["semi_restricted_gain_se"]] for run in runs])
        figures["semi_restricted_gain"] = float(gains[:, 0].mean())
        figures["semi_restricted_gain_se"] = float(np.sqrt((gains[:, 1] ** 2).sum()) / len(runs))
    first = {f"{name}_ndcg100_first_seed": runs[0][name]["test"][METRIC] for name in models}
    print_json(
        {**figures, **first, "peers": peers, "seconds_total": time.time() - began, "runs": runs, "machine": describe()}
    )


if __name__ == "__main__":
    main()
