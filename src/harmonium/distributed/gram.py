"""X'X by map and reduce on Ray Data: every task the products of its rows, then the sums of each panel."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from harmonium.distributed.shards import edges
from harmonium.kernels import choices
from harmonium.kernels.choices import Sparse
from harmonium.kernels.jit import set_n_threads

Floats = npt.NDArray[np.float32]
PANEL_BYTES = 64 << 20  # of the matrix, that one task of the reduction adds up


def gram(x: Sparse, out: Floats, n_shards: int, n_cpus: int = 1) -> Floats:
    """X'X, written to `out`.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    out : float32 array, (n, n)
    n_shards : int
        Tasks of the map, each with rows of about as many entries.
    n_cpus : int
        Of a task.

    Notes
    -----
    Every shard sends its whole product, 4 n^2 bytes, so their number should be that of the workers and not more.
    """
    import ray

    n = len(out)
    height = max(1, min(n, PANEL_BYTES // (4 * n)))
    cut = edges(np.asarray(x[0]), n_shards)
    shards = [ray.put(_rows(x, first, last)) for first, last in itertools.pairwise(cut)]
    tasks = ray.data.from_items([{"shard": k} for k in range(n_shards)], override_num_blocks=n_shards)
    map_, reduce = cast(Any, _products), cast(Any, _sum)  # Ray's annotations know no plain functions
    settings = {"shards": shards, "n": n, "height": height, "n_cpus": n_cpus}
    products = tasks.map_batches(map_, batch_size=None, fn_kwargs=settings, num_cpus=n_cpus)
    groups = products.groupby("panel", num_partitions=min(n_shards, -(-n // height)))
    sums = groups.map_groups(reduce, batch_format="numpy", num_cpus=n_cpus)
    for row in sums.iter_rows():
        first = int(row["panel"]) * height
        rows = np.frombuffer(row["rows"], np.float32).reshape(-1, n)
        out[first : first + len(rows)] = rows
    return out


def _rows(x: Sparse, first: int, last: int) -> Sparse:
    span = slice(int(x[0][first]), int(x[0][last]))
    return x[0][first : last + 1] - x[0][first], x[1][span], x[2][span]


def _products(batch: dict[str, Any], shards: list[Any], n: int, height: int, n_cpus: int) -> Iterator[dict[str, Any]]:
    """Panels of the products of some shards, one at a time."""
    import ray

    set_n_threads(n_cpus)
    for k in batch["shard"].tolist():
        x: Any = ray.get(shards[k])
        product = choices.gram(x, choices.transposed(x, n), np.empty((n, n), np.float32))
        for panel in range(-(-n // height)):
            rows = product[panel * height : (panel + 1) * height]
            yield {"panel": [panel], "shard": [k], "rows": [rows.tobytes()]}


def _sum(group: dict[str, Any]) -> dict[str, Any]:
    """Add a panel up, in the order of the shards."""
    order = np.argsort(group["shard"])
    total = np.frombuffer(group["rows"][order[0]], np.float32).copy()
    for k in order[1:]:
        total += np.frombuffer(group["rows"][k], np.float32)
    return {"panel": group["panel"][:1], "rows": [total.tobytes()]}
