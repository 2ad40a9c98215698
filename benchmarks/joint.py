"""Lists of rated items for people whom no machine learned from: by liking, by choosing and liking, and by popularity.

MovieLens 1M; some users are held out whole, a part of what each rated is given as a history, and what they rated 4 or
more among the rest is looked for. Nothing is chosen here but the number of epochs, on validation ratings.

    python benchmarks/joint.py --data DIR [--users 1000] [--seed 31] [--json]

Also how far the probability of being chosen can be trusted: expected and real numbers of choices, by probability.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _machine import describe, print_json
from harmonium import Recommender
from harmonium.data import Interactions, Ratings, read_ratings, strong_split
from harmonium.recommending.history import History
from harmonium.recommending.many import Wanted, rank_many
from harmonium.training.lists import hits, ndcg

LIKED = 4.0
CUTOFFS = (10, 100)
AT_ONCE = 50
EDGES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
LEARNING = {"cases": "users", "n_hidden": 100, "n_epochs": 12, "patience": 3}


def histories(known: Ratings, users: np.ndarray) -> list[History]:
    return [
        History(item.astype(np.int64), level.astype(np.uint8), known.items)
        for item, level in (known.history(int(user)) for user in users)
    ]


def lists_of(recommender: Recommender, people: Sequence[History], rank_by: str) -> np.ndarray:
    """The first places of everybody's list: (n_people, largest cut-off)."""
    n = max(CUTOFFS)
    asked = [Wanted(one, n, None, True) for one in people]
    starts = range(0, len(asked), AT_ONCE)
    return np.concatenate([rank_many(recommender, asked[k : k + AT_ONCE], rank_by).item for k in starts])


def most_popular(train: Ratings, people: Sequence[History]) -> np.ndarray:
    """The items that most people rated, without those of the history."""
    order, n = np.argsort(-np.bincount(train.item, minlength=train.n_items), kind="stable"), max(CUTOFFS)
    return np.array([order[~np.isin(order, one.item)][:n] for one in people])


def trusted(recommender: Recommender, people: Sequence[History], held_out: Sequence[np.ndarray]) -> dict[str, Any]:
    """Expected and real numbers of choices among the items that the histories lack, by probability."""
    n, expected, chosen = (np.zeros(len(EDGES) + 1) for _ in range(3))
    chooser = recommender._chooser
    assert chooser is not None
    for one, wanted in zip(people, held_out):
        p = chooser.probabilities([one])[0].astype(np.float64)
        was = np.zeros(len(p))
        was[wanted] = 1
        asked = np.setdiff1d(np.arange(len(p)), one.item)
        into = np.digitize(p[asked], EDGES)
        for total, value in ((n, np.ones(len(asked))), (expected, p[asked]), (chosen, was[asked])):
            total += np.bincount(into, value, len(total))
    bins = [
        {"n": int(a), "probability": b / max(a, 1), "chosen": c / max(a, 1)} for a, b, c in zip(n, expected, chosen)
    ]
    return {"expected": float(expected.sum()), "chosen": int(chosen.sum()), "bins": bins}


def compared(lists: dict[str, np.ndarray], wanted: Interactions) -> dict[str, Any]:
    """NDCG of each ranking with its standard error, and the paired gain of the joint one over liking."""
    n_held, out = np.diff(wanted.indptr), {}
    for k in CUTOFFS:
        found = {name: ndcg(hits(lists_, wanted), n_held, k) for name, lists_ in lists.items()}
        gain = found["joint"] - found["liking"]
        out |= {f"ndcg{k}_{name}": float(values.mean()) for name, values in found.items()}
        out |= {f"ndcg{k}_{name}_se": standard_error(values) for name, values in found.items()}
        out |= {f"ndcg{k}_gain": float(gain.mean()), f"ndcg{k}_gain_se": standard_error(gain)}
    return out


def standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with MovieLens 1M's ratings.parquet")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=31, help="of the draw of the users")
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    arguments = parser.parse_args()
    parts = strong_split(read_ratings(arguments.data / "ratings.parquet"), arguments.users, rng=arguments.seed)
    began = time.perf_counter()
    recommender = Recommender.fit(parts.train, **LEARNING)
    seconds = time.perf_counter() - began
    print(f"learned in {seconds:.0f} s", file=sys.stderr, flush=True)
    liked = parts.held_out.interactions(at_least=LIKED)
    asked = np.diff(liked.indptr) > 0
    users, wanted = np.flatnonzero(asked), liked.restricted(users=asked)
    people = histories(parts.fold_in, users)
    lists = {name: lists_of(recommender, people, name) for name in ("liking", "joint")}
    lists["popularity"] = most_popular(parts.train, people)
    print_json(
        {
            **compared(lists, wanted),
            "choices": trusted(recommender, people, [parts.held_out.history(int(user))[0] for user in users]),
            "n_users": len(users),
            "seed": arguments.seed,
            "seconds": seconds,
            "learning": LEARNING,
            "machine": describe(),
        }
    )


if __name__ == "__main__":
    main()
