"""Users a second: scoring and ranking 10,000 people who fold in, over 20,000 items, beside implicit in the same run.

Everybody's history is given with the question, as for people whom no model has seen; ten items are asked for.

    python benchmarks/ranking.py [--no-peers] [--json]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from _machine import describe, print_json
from harmonium import GaussianBoltzmann, Interactions, MultinomialRBM
from harmonium.data import Vocabulary

N_ITEMS, N_LEARNED, N_ASKED, PER_USER = 20_000, 20_000, 10_000, 50
N_BEST, TRIES = 10, 3
FACTORS = 64  # hidden units of the machine, factors of implicit's


def made(n_users: int, seed: int) -> Interactions:
    """Choices by Zipf's law, about fifty a person."""
    rng = np.random.default_rng(seed)
    p = 1.0 / (np.arange(N_ITEMS) + 20.0)
    item = np.searchsorted(np.cumsum(p / p.sum()), rng.random(n_users * PER_USER)).clip(0, N_ITEMS - 1)
    user = np.repeat(np.arange(n_users), PER_USER)
    pairs = np.unique(user * N_ITEMS + item)
    return Interactions.from_arrays(
        *np.divmod(pairs, N_ITEMS), Vocabulary(np.arange(n_users)), Vocabulary(np.arange(N_ITEMS))
    )


def users_a_second(model, asked: Interactions) -> float:
    """The best of a few tries."""
    best = np.inf
    for _ in range(TRIES):
        began = time.perf_counter()
        model.recommend(asked, N_BEST)
        best = min(best, time.perf_counter() - began)
    return asked.n_users / best


def implicits(learned: Interactions, asked: Interactions) -> dict:
    from _peers import peer_python, run_peer
    from _peers.choice_peers import IMPLICIT

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "asked.npz"
        parts = {"learned": learned, "asked": asked}
        arrays = {
            f"{name}_{array}": getattr(part, array) for name, part in parts.items() for array in ("indptr", "item")
        }
        np.savez(path, n_items=N_ITEMS, **arrays)
        return run_peer(peer_python(*IMPLICIT), "choice_ranking.py", str(path), str(FACTORS), str(N_BEST), str(TRIES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="multinomial,gaussian_neighbours,gaussian")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    learned, asked = made(N_LEARNED, 0), made(N_ASKED, 1)
    models = {
        "multinomial": MultinomialRBM(n_hidden=FACTORS, method="cd", n_epochs=1),
        "gaussian_neighbours": GaussianBoltzmann(shape="neighbours", n_neighbours=100),
        "gaussian": GaussianBoltzmann(shape="dense"),
    }
    speeds = {}
    for name, model in ((name, models[name]) for name in arguments.models.split(",")):
        speeds[f"{name}_users_per_second"] = users_a_second(model.fit(learned), asked)
        print(name, speeds[f"{name}_users_per_second"], file=sys.stderr, flush=True)
    peer = {} if arguments.no_peers else implicits(learned, asked)
    print_json({**speeds, **peer, "n_users": N_ASKED, "n_items": N_ITEMS, "n_best": N_BEST, "machine": describe()})


if __name__ == "__main__":
    main()
