"""Epochs of small mini-batches, by a kernel that goes through many updates in one call."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.kernels import backend
from harmonium.kernels.constants import MOMENTUM
from harmonium.kernels.reference_few import Few, Plan
from harmonium.randomness import keys_of
from harmonium.training.dense.chains import Cases
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.dense.workspace import Workspace
from harmonium.training.settings import OPTIMIZERS

f32 = np.float32
MOST_ROWS = 40  # cases and chains together, from which on matrix products are the faster way
DENSEST = 0.5  # share of entries that are not 0, likewise
LOOKED_AT = 1000  # cases by which that share is judged
UPDATES_A_CALL = 1000  # between two calls Ctrl-C is heard


def applies(state: State, X: Cases, learning: DenseLearning) -> bool:
    """Whether the kernel does what the settings ask for, and is the faster way.

    Parameters
    ----------
    state : State
    X : float32 array or csr_array, (n_cases, n_visible)
    learning : DenseLearning
    """
    plain = OPTIMIZERS[learning.optimizer] == MOMENTUM and not learning.momentum
    return (
        learning.method == "pcd"
        and plain
        and not state.device.on_torch
        and not (learning.sparsity_cost or learning.max_norm)
        and state.visible.kind == state.hidden.kind == "bernoulli"
        and not sparse.issparse(X)
        and learning.batch_size + len(state.h) <= MOST_ROWS
        and np.count_nonzero(X[:LOOKED_AT]) <= DENSEST * X[:LOOKED_AT].size  # type: ignore[index]
    )


def run(
    state: State, X: npt.NDArray[np.float32], order: npt.NDArray[np.int64], learning: DenseLearning, work: Workspace
) -> None:
    """Learn from all mini-batches of an epoch, in place.

    Parameters
    ----------
    state : State
    X : float32 array, (n_cases, n_visible)
    order : int64 array, (n_cases,)
    learning : DenseLearning
    work : Workspace
    """
    batch, k = learning.batch_size, learning.n_steps
    n_batches = -(-len(order) // batch)
    parts = [(0,), *((half, t) for t in range(k) for half in (1, 2))]
    parts[-1] = (2, k)  # the hidden units that the next update goes on from
    plan = Plan(batch, k, f32(learning.weight_decay), learning.centring, f32(learning.offset_rate))
    W, b, c = (state.arrays[name] for name in ("W", "b", "c"))
    few = Few(W, b, c, state.h, state.mu, state.lam, work.V, work.M, work.X, work.Y)
    for first in range(0, n_batches, UPDATES_A_CALL):
        updates = range(first, min(first + UPDATES_A_CALL, n_batches))
        numbers = state.n_updates + 1 + np.arange(len(updates))
        keys = np.stack([keys_of(state.seed, numbers, *part) for part in parts], axis=1)
        progress = [(state.epoch + u / n_batches) / learning.n_epochs for u in updates]
        rates = np.array([learning.rate_at(p) for p in progress], f32)
        part = order[first * batch : (first + len(updates)) * batch]
        backend().pcd_batches(X, part, keys, rates, plan, few)
        state.n_updates += len(updates)
