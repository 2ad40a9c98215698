"""What the benchmarks of ranked lists share: reading the data, learning with its cost, one line a model."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from harmonium.data import Interactions, read_interactions
from harmonium.evaluation.choice_protocols import ChoiceTask, lightgcn, vae_cf
from harmonium.evaluation.choices import ListEvaluation, evaluate_lists
from harmonium.training.memory import PeakMemory


def movielens(folder: Path, seed: int, n_held_out: int = 750) -> ChoiceTask:
    """Strong generalisation on MovieLens 1M: ratings of 4 and more, 750 users of validation and of test."""
    return vae_cf(read_interactions(folder / "ratings.parquet", at_least=4), n_held_out, seed=seed)


def gowalla(folder: Path) -> ChoiceTask:
    """The split of NGCF and LightGCN."""
    return lightgcn(*(read_interactions(folder / f"{part}.parquet") for part in ("train", "test")))


def learned(name: str, model: Any, learn: Interactions, validation: Any = None) -> dict[str, float]:
    """Fit a model; return seconds and the memory that this took at its peak, in 10^9 bytes, and say them."""
    began = time.perf_counter()
    with PeakMemory() as memory:
        model.fit(learn, validation=validation)
    if model.interrupted:
        raise KeyboardInterrupt  # what is half learned is not to be measured
    cost = {"seconds": time.perf_counter() - began, "peak_memory_gb": (memory.n_bytes or 0) / 1e9}
    print(f"{name}: {cost['seconds']:.0f} s, {cost['peak_memory_gb']:.1f} GB", file=sys.stderr, flush=True)
    return cost


def measured(name: str, model: Any, task: ChoiceTask, validation: bool = False) -> ListEvaluation:
    """Evaluate on test or validation users, and say what the protocol reports."""
    asked = task.validation if validation else task.test
    found = evaluate_lists(model, asked.history, asked.held_out, task.cutoffs)
    shown = ", ".join(f"{metric} {found[metric]:.4f} ± {found.standard_error(metric):.4f}" for metric in task.metrics)
    print(f"{name} ({'validation' if validation else 'test'}): {shown}", file=sys.stderr, flush=True)
    return found


def written(task: ChoiceTask, path: Path) -> None:
    """Write a task for a peer as .npz: indptr and item of train, history and held_out parts."""
    parts = {
        "train": task.train, "tuning_train": task.tuning_train,
        "validation_history": task.validation.history, "validation_held_out": task.validation.held_out,
        "test_history": task.test.history, "test_held_out": task.test.held_out,
    }  # fmt: skip
    arrays = {f"{name}_{array}": getattr(part, array) for name, part in parts.items() for array in ("indptr", "item")}
    np.savez(path, n_items=task.train.n_items, **arrays)
