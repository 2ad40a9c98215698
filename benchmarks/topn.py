"""Ranked lists on MovieLens 1M by strong generalisation, beside peers on the same split.

The recipe of Liang et al. 2018: ratings of 4 and more are choices, 750 users validate and 750 test, a fifth of what
they chose is held out; split seeds 98765 and following. Settings, and the epoch that is kept, are chosen on validation
users; test users are read once, at the end.

    python benchmarks/topn.py --data DIR [--seeds 98765,...] [--n-seeds N] [--no-peers] [--few] [--work DIR]

Half an hour or more for five seeds on two cores, peers aside; with --work a run that was cut short goes on.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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
PEERS = ("als", "bpr", "ease", "multvae", "recvae")


def run_seed(folder: Path, seed: int, models, work: Path | None) -> dict:
    """Every model on one split; what a folder of earlier work holds by the same settings is not done again."""
    out: dict[str, Any] = {"seed": seed}
    task = None
    for name in models:
        model, kept = MODELS[name](), None if work is None else work / f"{seed}-{name}.json"
        settings = model.get_params()
        if kept is not None and kept.exists():
            before = json.loads(kept.read_text(encoding="utf-8"))
            if before.get("settings") == settings:
                out[name] = before
                continue
        task = movielens(folder, seed) if task is None else task
        out[name] = {**run_model(f"{seed} {name}", model, task), "settings": settings}
        if kept is not None:
            kept.write_text(json.dumps(out[name]), encoding="utf-8")
    if {"semi_restricted", "gaussian_dropout"} <= set(models):
        gain = np.subtract(*(out[name]["per_user"] for name in ("semi_restricted", "gaussian_dropout")))
        out["semi_restricted_gain"] = float(gain.mean())
        out["semi_restricted_gain_se"] = float(gain.std(ddof=1) / np.sqrt(len(gain)))
        shown = f"{out['semi_restricted_gain']:+.4f} ± {out['semi_restricted_gain_se']:.4f}"
        print(f"{seed} semi-restricted over the dropout closed form: {shown}", file=sys.stderr, flush=True)
    return out


def run_model(name: str, model, task) -> dict:
    """One model: its scores on validation and test users, what it cost, and nDCG@100 of every test user."""
    cost = learned(name, model, task.train, (task.validation.history, task.validation.held_out))
    valid, found = (measured(name, model, task, validation) for validation in (True, False))
    per_user = [round(value, 6) for value in found.per_user[METRIC].tolist()]
    return {"test": found.to_dict(), "validation": valid.to_dict(), **cost, "per_user": per_user}


def run_peers(folder: Path, seed: int, names, work: Path | None, few: bool = False) -> dict:
    """Peers on one split, each in an environment of its own."""
    from _peers import choice_peers

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "task.npz"
        written(movielens(folder, seed), path)
        return choice_peers.run(path, names, None if few else work, few)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with MovieLens 1M's ratings.parquet")
    parser.add_argument("--seeds", default="98765,98766,98767,98768,98769")
    parser.add_argument("--n-seeds", type=int, help="only the first so many of the seeds")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--peers", default=",".join(PEERS), help="on the first seed only")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument(
        "--few", action="store_true", help="one setting a peer for two epochs, not kept: whether they run"
    )
    parser.add_argument("--work", type=Path, help="folder that keeps what is done; an existing one is gone on with")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")][: arguments.n_seeds]
    models, began = arguments.models.split(","), time.time()
    work = arguments.work
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    runs = [run_seed(arguments.data, seed, models, work) for seed in seeds]
    peers = [] if arguments.no_peers else arguments.peers.split(",")
    of_peers = run_peers(arguments.data, seeds[0], peers, work, arguments.few) if peers else {}
    figures = {f"{name}_ndcg100": float(np.mean([run[name]["test"][METRIC] for run in runs])) for name in models}
    if all("semi_restricted_gain" in run for run in runs):
        gains = np.array([[run["semi_restricted_gain"], run["semi_restricted_gain_se"]] for run in runs])
        figures["semi_restricted_gain"] = float(gains[:, 0].mean())
        figures["semi_restricted_gain_se"] = float(np.sqrt((gains[:, 1] ** 2).sum()) / len(runs))
    for run in runs:
        for name in models:
            del run[name]["per_user"]
    first = {f"{name}_ndcg100_first_seed": runs[0][name]["test"][METRIC] for name in models}
    print_json(
        {
            **figures,
            **first,
            "peers": of_peers,
            "seconds_total": time.time() - began,
            "runs": runs,
            "machine": describe(),
        }
    )


if __name__ == "__main__":
    main()
