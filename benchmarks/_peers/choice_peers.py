"""Peers on ranked lists: each learns and ranks in an environment of its own, and is measured by our own metrics.

On MovieLens 1M all of them run. On Gowalla als and bpr do; ease would need two matrices of 41,000 x 41,000 doubles (27
GB), and multvae and recvae write rows of all users out and take minutes an epoch.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from _peers import peer_python, run_peer
from harmonium.data import Interactions, Vocabulary
from harmonium.training.lists import LIST_METRICS, hits

IMPLICIT = ("implicit", ("implicit==0.7.3", "numpy==2.2.6", "scipy==1.15.3", "threadpoolctl==3.6.0"))
CORNAC = ("cornac", ("cornac==3.0.1", "torch==2.13.0"))
WHERE = {
    "als": (*IMPLICIT, "choice_implicit.py"),
    "bpr": (*IMPLICIT, "choice_implicit.py"),
    "ease": (*CORNAC, "choice_cornac.py"),
    "multvae": (*CORNAC, "choice_cornac.py"),
    "recvae": (*CORNAC, "choice_cornac.py"),
}
METRICS = ("recall@20", "capped_recall@20", "capped_recall@50", "ndcg@20", "ndcg@100")


def run(path: Path, names, work: Path | None = None, few: bool = False) -> dict[str, Any]:
    """Learn and rank with each peer on a task that `_choices.written` wrote.

    Parameters
    ----------
    path : Path
    names : iterable of str
        Of `WHERE`.
    work : Path, optional
        Folder that keeps what is done; what it holds already is not done again.
    few : bool
        Try one setting for few epochs: whether it runs, not how well.
    """
    out = {}
    for name in names:
        kept = None if work is None else work / f"peer-{name}.json"
        if kept is not None and kept.exists():
            out[name] = json.loads(kept.read_text(encoding="utf-8"))
            continue
        environment, requirements, script = WHERE[name]
        lists = path.with_name(f"{name}.npy")
        arguments = str(path), name, str(lists), *(["few"] if few else [])
        out[name] = run_peer(peer_python(environment, requirements), script, *arguments)
        out[name] |= _scores(np.load(lists), path)
        if kept is not None:
            kept.write_text(json.dumps(out[name]), encoding="utf-8")
        print(name, {key: value for key, value in out[name].items() if key != "trials"}, file=sys.stderr, flush=True)
    return out


def _scores(lists: np.ndarray, path: Path) -> dict[str, float]:
    with np.load(path) as file:
        indptr, item, n_items = (file[name] for name in ("test_held_out_indptr", "test_held_out_item", "n_items"))
    asked = np.diff(indptr) > 0
    rows = Interactions(indptr, item, Vocabulary(np.arange(len(indptr) - 1)), Vocabulary(np.arange(int(n_items))))
    hit, n_held = hits(lists, rows)[asked], np.diff(indptr)[asked]
    parts = ((metric, *metric.split("@")) for metric in METRICS)
    return {metric: float(LIST_METRICS[name](hit, n_held, int(k)).mean()) for metric, name, k in parts}
