"""An epoch of a dense machine by CD or PCD, its cases and chains on several workers."""

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.distributed.exchange import Exchange, add
from harmonium.training.dense import phases
from harmonium.training.dense.chains import Cases, Whole, size
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.dense.update import Outcome, climb
from harmonium.training.dense.workspace import Workspace

Floats = npt.NDArray[np.float32]
METHODS = ("cd", "pcd")
_V_MEAN, _H_MEAN = "visible mean", "hidden mean"


@final
@dataclass(frozen=True, eq=False)
class DenseShard:
    """The rows and chains of one worker.

    Parameters
    ----------
    X : float32 array or csr_array, (n, n_visible)
    first, n_cases : int
        Number of its first row, and rows of all workers.
    first_chain, n_chains : int
        The same of persistent chains.
    """

    X: Cases
    first: int
    n_cases: int
    first_chain: int
    n_chains: int


def workspace(state: State, shard: DenseShard, learning: DenseLearning) -> Workspace:
    """Buffers for the worker's part of a mini-batch.

    Parameters
    ----------
    state : State
    shard : DenseShard
    learning : DenseLearning
    """
    most = min(learning.batch_size, size(shard.X)[0])
    n_chains = most if learning.method == "cd" else len(state.v)
    return Workspace(state.visible.width, state.hidden.width, n_chains, most)


def run_epoch(state: State, shard: DenseShard, learning: DenseLearning, work: Workspace, exchange: Exchange) -> Outcome:
    """One pass over the data of all workers, in place.

    Parameters
    ----------
    state : State
        The same on all workers, but for the chains.
    shard : DenseShard
    learning : DenseLearning
    work : Workspace
    exchange : Exchange

    Returns
    -------
    Outcome
    """
    order = state.rng.permutation(shard.n_cases)
    starts = range(0, len(order), learning.batch_size)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # divergence is looked for after the epoch
        for k, start in enumerate(starts):
            rate = learning.rate_at((state.epoch + k / len(starts)) / learning.n_epochs)
            _update(state, shard, order[start : start + learning.batch_size], learning, work, exchange, rate)
    if learning.method == "pcd":
        np.copyto(state.v, work.V[: len(state.v)])
    state.epoch += 1
    return Outcome(learning.n_steps, None)


def _update(
    state: State, shard: DenseShard, cases: npt.NDArray[np.int64], learning: DenseLearning, work: Workspace,
    exchange: Exchange, rate: float,
) -> None:  # fmt: skip
    state.n_updates += 1
    own = cases[(cases >= shard.first) & (cases < shard.first + size(shard.X)[0])]
    n_chains = len(cases) if learning.method == "cd" else shard.n_chains
    whole = Whole(len(cases), n_chains, own, shard.first_chain)
    found = phases.slopes(state, shard.X, own - shard.first, learning, work, whole)
    W = np.matmul(found.V.T, found.M, out=work.G)
    if found.extra is not None:
        W += found.extra
    parts = {"W": W, **found.rest, _V_MEAN: found.visible_mean, _H_MEAN: found.hidden_mean}
    added = added_up(parts, exchange)
    means = added.pop(_V_MEAN), added.pop(_H_MEAN)
    climb(state, added, means, learning, rate)


def added_up(parts: dict[str, Floats], exchange: Exchange) -> dict[str, Floats]:
    """Arrays by name, added up over the workers in one go.

    Parameters
    ----------
    parts : dict of float32 arrays
        The same names and shapes on all workers.
    exchange : Exchange
    """
    flat = np.concatenate([np.asarray(array, np.float32).ravel() for array in parts.values()])
    add(exchange, flat)
    out, at = {}, 0
    for name, array in parts.items():
        out[name] = flat[at : at + array.size].reshape(array.shape)
        at += array.size
    return out
