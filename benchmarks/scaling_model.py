"""A paper model of learning on many machines: memory, traffic and time from a handful of rates, no measurement.

The machine for ratings with users as cases, every worker with its shard of the users. Two ways to hold the weights:
"copies", a whole machine on every worker, gradients added up over all of them (what `harmonium.distributed.Cluster`
does); and "rows", the visible units and all that belongs to them shared out between the workers, who fetch the rows
that their cases need and send gradients back (docs/decisions/0018). The rates are assumptions, but for `rate`, which
is `benchmarks/throughput.py`'s figure a core; docs/scaling.md says where they come from.

    python benchmarks/scaling_model.py [--users 1e9] [--items 1e7] [--ratings-a-user 100] [--hidden 128] [--json]
"""

import argparse
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from _machine import print_json

GB = 1e9


@dataclass(frozen=True)
class Work:
    """What is to be learnt, and on what."""

    users: float = 1e9
    items: float = 1e7
    ratings_a_user: float = 100
    hidden: int = 128
    features: int = 2
    levels: int = 5
    batch: float = 1e6  # cases an update, over all workers
    skew: float = 1.0  # the k-th most popular item is chosen as often as 1 / k to this power
    cores: int = 16
    memory: float = 64 * GB  # of a machine
    network: float = 25e9 / 8  # bytes a second, each way
    rate: float = 7e6  # ratings a second and core, at 128 hidden units
    gemm: float = 1e12  # floating-point operations a second of a machine in matrix products
    memory_bandwidth: float = 50 * GB  # bytes a second of a machine, for the optimiser's step


def sizes(work: Work) -> dict[str, float]:
    """Bytes of the data, and of the machine with its moments and its mean over the epochs."""
    row = 4 * (work.features * work.hidden + work.levels)
    ratings = work.users * work.ratings_a_user
    return {
        "row_bytes": row,
        "data_bytes": 5 * ratings + 8 * work.users,
        "laid_out_bytes": 18 * ratings,  # both orders of the layout, beside the schedule of the epoch
        "weight_bytes": row * work.items,
        "state_bytes": 4 * row * work.items,  # weights, two moments, the mean
        "order_bytes": 32 * work.users,  # permutation, row pointer and places of all cases, which every worker has
    }


def touched(work: Work, cases: float) -> float:
    """Visible units that so many cases touch, expected: sum over items of 1 - (1 - p)^ratings."""
    drawn, (width, p) = cases * work.ratings_a_user, _popularity(work)
    return float((width * -np.expm1(drawn * np.log1p(-np.minimum(p, 0.5)))).sum())


@cache
def _popularity(work: Work) -> tuple[np.ndarray, np.ndarray]:
    """How many items of about the same popularity there are, and the probability of one of them."""
    edges = np.unique(np.geomspace(1, work.items + 1, 20_000).astype(np.int64))
    rank, width = (edges[1:] + edges[:-1] - 1) / 2, np.diff(edges).astype(float)
    p = rank**-work.skew
    return width, p / (width * p).sum()


def copies(work: Work, n: int) -> dict[str, float]:
    """A whole machine on every worker."""
    size = sizes(work)
    updates = work.users / work.batch
    rows = touched(work, work.batch)
    sent = 2 * (n - 1) / n * rows * size["row_bytes"]  # ring all-reduce, out of each machine
    compute = work.batch * work.ratings_a_user / (n * work.cores * work.rate)
    step = 5 * rows * size["row_bytes"] / work.memory_bandwidth  # every worker takes the whole step
    memory = (size["data_bytes"] + size["laid_out_bytes"]) / n + size["state_bytes"] + size["order_bytes"]
    memory += rows * size["row_bytes"]
    return _summed(work, n, updates, compute, step, sent, memory)


def rows(work: Work, n: int) -> dict[str, float]:
    """Visible units shared out: rows are fetched, gradients sent back, each step is taken where the row lives."""
    size = sizes(work)
    updates, own = work.users / work.batch, touched(work, work.batch / n)
    sent = 2 * (n - 1) / n * own * size["row_bytes"]  # rows in, gradients out
    compute = work.batch * work.ratings_a_user / (n * work.cores * work.rate)
    step = 5 * touched(work, work.batch) / n * size["row_bytes"] / work.memory_bandwidth
    memory = (size["data_bytes"] + size["laid_out_bytes"] + size["state_bytes"]) / n
    memory += 2 * own * size["row_bytes"] + 32 * work.users / n  # the order is made by a function, not kept
    return _summed(work, n, updates, compute, step, sent, memory)


def _summed(
    work: Work, n: int, updates: float, compute: float, step: float, sent: float, memory: float
) -> dict[str, float]:
    seconds = compute + step + sent / work.network
    return {
        "machines": n,
        "memory_gb": memory / GB,
        "fits": memory <= work.memory,
        "sent_gb_an_update": sent / GB,
        "compute_seconds_an_update": compute,
        "step_seconds_an_update": step,
        "network_seconds_an_update": sent / work.network,
        "epoch_hours": updates * seconds / 3600,
        "efficiency": compute / seconds,
    }


def answers(work: Work, n: int) -> dict[str, float]:
    """Lists for all users: every score is made; histories are brought together once."""
    flops = 2 * work.users * work.items * work.hidden * work.features
    return {
        "machines": n,
        "score_hours": flops / (n * work.gemm * 3600),
        "shuffle_seconds": 17 * work.users * work.ratings_a_user / (n * work.network),  # two ids and a level in Arrow
        "shuffle_gb_a_machine": 17 * work.users * work.ratings_a_user / n / GB,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("users", "items", "ratings-a-user", "batch"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Work, name.replace("-", "_")))
    parser.add_argument("--hidden", type=int, default=Work.hidden)
    parser.add_argument("--machines", type=int, nargs="+", default=(1, 16, 64, 256, 1024))
    parser.add_argument("--json", action="store_true", help="accepted everywhere; the last line is JSON anyway")
    given: dict[str, Any] = vars(parser.parse_args())
    given.pop("json")
    machines = given.pop("machines")
    work = replace(Work(), **given)
    print_json(
        {
            "work": vars(work),
            "sizes_gb": {name: value / GB for name, value in sizes(work).items()},
            "copies": [copies(work, n) for n in machines],
            "rows": [rows(work, n) for n in machines],
            "answers": [answers(work, n) for n in machines],
            "touched_by_a_mini_batch": touched(work, work.batch),
        }
    )


if __name__ == "__main__":
    main()
