"""Seconds an epoch of a multinomial machine by contrastive divergence, over catalogues of rising size.

The interactions are equally many; popularity follows Zipf's law as in real catalogues. A cost that follows the data
does not rise with the number of items.

    python benchmarks/wide.py [--interactions N] [--json]
"""

import argparse
import sys
import time

import numpy as np

from _machine import describe, print_json
from harmonium import Interactions, MultinomialRBM
from harmonium.data import Vocabulary
from harmonium.events import ChoiceEpochEnded

SIZES = (10_000, 100_000, 1_000_000)
N_USERS = 20_000
EXPONENT = 1.0  # of Zipf's law


def made(n_items: int, n_interactions: int, n_users: int = N_USERS) -> Interactions:
    """Choices of items drawn by Zipf's law, their number the same whatever the catalogue."""
    rng = np.random.default_rng(0)
    p = 1.0 / np.arange(1, n_items + 1) ** EXPONENT
    rising = np.cumsum(p / p.sum())
    pairs = np.zeros(0, np.int64)
    while len(pairs) < n_interactions:
        item = np.searchsorted(rising, rng.random(n_interactions))
        more = rng.integers(0, n_users, n_interactions) * n_items + np.minimum(item, n_items - 1)
        pairs = np.unique(np.concatenate((pairs, more)))
    user, item = np.divmod(rng.permutation(pairs)[:n_interactions], n_items)
    order = rng.permutation(n_items)  # popular items are not neighbours in memory
    return Interactions.from_arrays(user, order[item], Vocabulary(np.arange(n_users)), Vocabulary(np.arange(n_items)))


def seconds_an_epoch(n_items: int, arguments: argparse.Namespace) -> dict[str, float]:
    """The fastest and the median epoch after the first, which compiles; all that learning does between two epochs."""
    x = made(n_items, arguments.interactions)
    ended: list[float] = []
    model = MultinomialRBM(n_hidden=arguments.n_hidden, method="cd", n_epochs=arguments.epochs, batch_size=1000)
    began = time.perf_counter()
    model.fit(x, watch=lambda event: ended.append(time.perf_counter()) if isinstance(event, ChoiceEpochEnded) else None)
    seconds = np.diff(ended)
    out = {"best": float(seconds.min()), "median": float(np.median(seconds)), "total": time.perf_counter() - began}
    print(f"{n_items:>9,} items: {out['best']:.2f} s an epoch", file=sys.stderr, flush=True)
    return {**out, "n_interactions": len(x)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--n-hidden", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    found = {n: seconds_an_epoch(n, arguments) for n in SIZES}
    print_json(
        {
            "seconds_an_epoch": {str(n): one["best"] for n, one in found.items()},
            "largest_over_smallest": found[SIZES[-1]]["best"] / found[SIZES[0]]["best"],
            "runs": {str(n): one for n, one in found.items()},
            "n_hidden": arguments.n_hidden,
            "machine": describe(),
        }
    )


if __name__ == "__main__":
    main()
