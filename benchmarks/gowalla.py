"""Ranked lists on Gowalla, the split of NGCF and LightGCN, beside peers on the same split.

Recall@20 and nDCG@20 over the whole catalogue, all training items left out. Settings were chosen on a tenth of each
user's training choices held out (--tune shows the trials), then the machines are learned on all of them.

    python benchmarks/gowalla.py --data DIR [--tune] [--no-peers] [--json]
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from _choices import gowalla, learned, measured, written
from _machine import describe, print_json
from harmonium import GaussianBoltzmann

CLOSED = {"ridge": 1.0, "user_degree": 0.5, "item_degree": 0.5}
HIDDEN = {"n_factors": 2000, "factor_share": 0.2}  # linear hidden units beside the couplings: the best machine
TRIED = [
    {**CLOSED, **more}
    for more in (
        {},
        {"ridge": 0.5},
        {"ridge": 2.0},
        {"user_degree": 0.4},
        {"user_degree": 0.6},
        {"item_degree": 0.45},
        {"output_degree": 0.05},
        HIDDEN,
        HIDDEN | {"factor_share": 0.2},
        {"output_degree": -0.05},
    )
]
PEERS = ("als", "bpr")


def tuning(task) -> dict:
    """Trials on validation choices: few neighbours an item stand in for the whole matrix."""
    out = {}
    asked = replace(task, test=task.validation)
    for settings in TRIED:
        model = GaussianBoltzmann(shape="neighbours", n_neighbours=100, **settings)
        learned(str(settings), model, task.tuning_train)
        out[str(settings)] = measured(str(settings), model, asked).to_dict()
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
