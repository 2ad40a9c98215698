"""Ranked lists on Gowalla, the split of NGCF and LightGCN, beside peers on the same split.

Recall@20 and nDCG@20 over the whole catalogue, all training items left out. Settings were chosen on a tenth of each
user's training choices held out, on lists of 8,000 users (--tune shows the trials, a quarter of an hour), then the
machines are learned on all of them.

    python benchmarks/gowalla.py --data DIR [--tune] [--no-peers] [--json]
"""

import argparse
import itertools
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from _choices import gowalla, learned, measured, written
from _machine import describe, print_json
from harmonium import GaussianBoltzmann

CLOSED = {"ridge": 1.0, "user_degree": 0.5, "item_degree": 0.5, "output_degree": -0.05}
HIDDEN = {"n_factors": 1000, "factor_share": 0.2}  # linear hidden units beside the couplings: the best machine
RIDGES = (1.0, 2.0)
OUTPUT_DEGREES = (0.0, -0.05, -0.1, -0.15, 0.05)
FACTORS = ((0, 0.0), (400, 0.1), (400, 0.2), (1000, 0.1), (1000, 0.2))  # how many, and their share
N_TUNING = 8000  # users whose lists are looked at
PEERS = ("als", "bpr")


def tuning(task) -> dict:
    """Trials on validation choices: two inverses, and all that can be tried with each without another one."""
    has = np.flatnonzero(np.diff(task.validation.held_out.indptr) > 0)
    some = np.zeros(task.tuning_train.n_users, bool)
    some[np.random.default_rng(5).choice(has, N_TUNING, replace=False)] = True
    parts = (part.restricted(users=some) for part in (task.validation.history, task.validation.held_out))
    asked, out = replace(task, validation=type(task.validation)(*parts)), {}
    for ridge in RIDGES:
        model = GaussianBoltzmann(shape="dual", **{**CLOSED, "ridge": ridge}, n_factors=FACTORS[-1][0])
        learned(f"ridge {ridge}", model, task.tuning_train)
        couplings, factors = model.couplings_, model.factors_
        degree = np.maximum(np.bincount(task.tuning_train.item, minlength=task.tuning_train.n_items), 1.0)
        for power, (n, share) in itertools.product(OUTPUT_DEGREES, FACTORS):
            ended = (share * np.sqrt(degree) * degree**power).astype(np.float32)
            model.couplings_ = replace(couplings, scaled=replace(couplings.scaled, out=degree**power))
            model.factors_ = replace(factors, V=np.ascontiguousarray(factors.V[:, :n]), after=ended) if n else None
            name = f"ridge {ridge}, output_degree {power}, {n} factors, share {share}"
            out[name] = measured(name, model, asked, validation=True).to_dict()
    return out


def run_peers(task, names) -> dict:
    from _peers import choice_peers

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "task.npz"
        written(task, path)
        return choice_peers.run(path, names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.parquet and test.parquet")
    parser.add_argument("--tune", action="store_true", help="also show the trials on validation choices")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    task, began = gowalla(arguments.data), time.time()
    trials = tuning(task) if arguments.tune else {}
    peers = {} if arguments.no_peers else run_peers(task, arguments.peers.split(","))
    model = GaussianBoltzmann(shape="dual", **CLOSED, **HIDDEN)
    cost = learned("closed form with hidden units", model, task.train)
    best = measured("closed form with hidden units", model, task)
    model.factors_ = None  # their part of the score is a sum, so that what is left is the closed form alone
    found = measured("closed form", model, task)
    gain, error = best.difference(found, "recall@20")
    print_json(
        {
            "closed_form_recall20": found["recall@20"],
            "closed_form_ndcg20": found["ndcg@20"],
            "recall20": best["recall@20"],
            "ndcg20": best["ndcg@20"],
            "recall20_gain": gain,
            "recall20_gain_se": error,
            "closed_form_seconds": cost["seconds"] + found.seconds,
            "closed_form_peak_memory_gb": cost["peak_memory_gb"],
            "settings": CLOSED | HIDDEN,
            "evaluation": {"best": best.to_dict(), "closed_form": found.to_dict()},
            "trials": trials,
            "peers": peers,
            "seconds_total": time.time() - began,
            "machine": describe(),
        }
    )


if __name__ == "__main__":
    main()
