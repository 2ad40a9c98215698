"""Fantasies: the visible states of the negative phase, by the chains of each method."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.models import lateral
from harmonium.models import rbm as rbms
from harmonium.models.lateral import Lateral
from harmonium.randomness import key_of
from harmonium.sampling import gibbs, tempering
from harmonium.sampling import lateral as tied
from harmonium.training import ladder
from harmonium.training.dense import ties
from harmonium.training.dense import workspace as ws
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.dense.state import State, nearest
from harmonium.training.dense.workspace import Workspace
from harmonium.units.layer import Floats

Cases = Floats | sparse.csr_array
FIRST_STRETCH = 10  # steps of the full chain before it is first asked whether it has converged
BLOCK = 4096  # cases whose chains are begun at a time
AGREE = 1.0  # standard errors that the mean free energies of its two halves may differ by


class Fantasies(NamedTuple):
    """What the chains left in the first rows of `Workspace.V`.

    Parameters
    ----------
    n : int
        Rows.
    n_steps : int
        Sampler steps taken.
    x : float32 array, (n, n_hidden), or None
        Hidden fields given them, bias included, where they are known already.
    carried : float32 array, (n, n_hidden), or None
        Where hidden states are to be drawn, from which the next update goes on.
    chain : int64 array, (n,), or None
        Numbers of the chains, where they are not 0, 1, ...: the cases that the carried states belong to.
    """

    n: int
    n_steps: int
    x: Floats | None = None
    carried: Floats | None = None
    chain: npt.NDArray[np.int64] | None = None


class Whole(NamedTuple):
    """Of which mini-batch, and of which chains, those at hand are a part.

    Parameters
    ----------
    n_cases, n_chains : int
        Of all parts together.
    case : int64 array, (batch,)
        Numbers of the cases at hand: what they draw depends on these.
    first_chain : int
        Number of the first persistent chain at hand.
    """

    n_cases: int
    n_chains: int
    case: npt.NDArray[np.int64]
    first_chain: int


def fantasies(
    state: State,
    X: Cases,
    rows: npt.NDArray[np.int64],
    learning: DenseLearning,
    work: Workspace,
    whole: Whole | None = None,
) -> Fantasies:
    """Move the chains of the method and leave their visible states in the first rows of `work.V`.

    Parameters
    ----------
    state : State
    X : float32 array or csr_array, (n_cases, n_visible)
    rows : int64 array, (batch,)
    learning : DenseLearning
    work : Workspace
    whole : Whole, optional
        Of "cd" and "pcd": what this is a part of, where it is one.
    """
    if learning.method == "pcd":
        if "A" in state.arrays:
            return _of_cases(state, X, rows, learning, work)
        return _persistent(state, learning, work, 0 if whole is None else whole.first_chain)
    if learning.method == "fast-pcd":
        return _fast(state, learning, work)
    if learning.method == "tempered-pcd":
        return _tempered(state, learning, work)
    v = densely(X, rows)
    if learning.method == "cd":
        return _from_data(state, v, rows if whole is None else whole.case, learning, work)
    return _full(state, v, learning, work)


def densely(X: Cases, rows: npt.NDArray[np.int64]) -> Floats:
    """Some rows of the cases as a dense array, (batch, n_visible).

    Parameters
    ----------
    X : float32 array or csr_array, (n_cases, n_visible)
    rows : int64 array, (batch,)
    """
    return X[rows].toarray() if sparse.issparse(X) else X[rows]  # type: ignore[union-attr]


def size(X: Cases) -> tuple[int, int]:
    """Cases and columns of dense or sparse cases.

    Parameters
    ----------
    X : float32 array or csr_array, (n_cases, n_visible)
    """
    n_cases, n_visible = X.shape  # type: ignore[misc]
    return n_cases, n_visible


def fingerprint(X: Cases) -> list[int]:
    """What tells other cases: their shape, and checksums of what is kept of them.

    Parameters
    ----------
    X : floats or csr_array, (n_cases, n_visible)
    """
    parts = (X.data, X.indices, X.indptr) if isinstance(X, sparse.csr_array) else (X,)
    return [*size(X), *(zlib.crc32(np.ascontiguousarray(part).tobytes()) for part in parts)]


def _persistent(state: State, learning: DenseLearning, work: Workspace, first: int) -> Fantasies:
    """From the hidden states of the last update; the last step's are drawn with the means, for the next one."""
    n, kernels = len(state.h), state.device.kernels
    chain, total = first + kernels.numbers(n, state.h), state.visible.total(state.v)
    if state.mask.size:  # a sweep over tied units goes on from where they stand
        np.copyto(work.V[:n], state.v)
    for t in range(learning.n_steps):
        _visible(state, state.h, state.arrays, work, chain, t, total)
        if t < learning.n_steps - 1:
            kernels.multiply(work.V[:n], state.arrays["W"], work.X[:n])
            bias = hidden_bias(state, total)
            ws.means_and_draws(state.hidden, work.X[:n], bias, state.key(2, t), chain, None, state.h)
    if state.mask.size:
        np.copyto(state.v, work.V[:n])
    return Fantasies(n, learning.n_steps, None, state.h)


def _of_cases(
    state: State, X: Cases, rows: npt.NDArray[np.int64], learning: DenseLearning, work: Workspace
) -> Fantasies:
    """Every case has a chain of its own, for its condition has a law of its own: it goes on from the last epoch."""
    n, h = len(rows), state.h[rows]
    np.copyto(work.V[:n], densely(X, rows))
    for t in range(learning.n_steps):
        _visible(state, h, state.arrays, work, rows, t, None)
        if t < learning.n_steps - 1:
            np.matmul(work.V[:n], state.arrays["W"], out=work.X[:n])
            ws.means_and_draws(state.hidden, work.X[:n], state.arrays["c"], state.key(2, t), rows, None, h)
    return Fantasies(n, learning.n_steps, None, h, rows)


def begin_at_cases(state: State, X: Cases, learning: DenseLearning) -> None:
    """Start a chain a case at the case itself, where conditions decide the law and there are no chains yet.

    Parameters
    ----------
    state : State
    X : float32 array or csr_array, (n_cases, n_visible)
    learning : DenseLearning
    """
    n_cases, _ = size(X)
    if "A" not in state.arrays or learning.method != "pcd" or len(state.h) == n_cases:
        return
    state.h, key = np.empty((n_cases, state.hidden.width), np.float32), key_of(state.seed, 2**32)
    for first in range(0, n_cases, BLOCK):
        rows = np.arange(first, min(first + BLOCK, n_cases))
        x, out = densely(X, rows) @ state.arrays["W"], state.h[rows]
        ws.means_and_draws(state.hidden, x, state.arrays["c"], key, rows, None, out)
        state.h[rows] = out


def _from_data(
    state: State, v: Floats, rows: npt.NDArray[np.int64], learning: DenseLearning, work: Workspace
) -> Fantasies:
    """CD-k: every case's chain begins at the case."""
    n, total, kernels = len(v), state.visible.total(v), state.device.kernels
    h = kernels.blank(work.X, n)
    work.V[:n] = v
    for t in range(learning.n_steps):
        kernels.multiply(work.V[:n], state.arrays["W"], work.X[:n])
        ws.means_and_draws(state.hidden, work.X[:n], hidden_bias(state, total), state.key(2, t), rows, None, h)
        _visible(state, h, state.arrays, work, rows, t, total)
    return Fantasies(n, learning.n_steps)


def _fast(state: State, learning: DenseLearning, work: Workspace) -> Fantasies:
    """Chains move under the sum of regular and fast parameters (Tieleman & Hinton 2009)."""
    n, total, kernels = len(state.v), state.visible.total(state.v), state.device.kernels
    chain = kernels.numbers(n, state.v)
    moved = state.arrays | {name: state.arrays[name] + fast for name, fast in state.fast.items()}
    bias = moved["c"] if total is None else np.multiply.outer(total, moved["c"])
    work.V[:n] = state.v
    for t in range(learning.n_steps):
        kernels.multiply(work.V[:n], moved["W"], work.X[:n])
        ws.means_and_draws(state.hidden, work.X[:n], bias, state.key(2, t), chain, None, state.h)
        _visible(state, state.h, moved, work, chain, t, total)
    state.v[...] = work.V[:n]
    return Fantasies(n, learning.n_steps)


def _tempered(state: State, learning: DenseLearning, work: Workspace) -> Fantasies:
    """Fantasies are the replicas at beta = 1, after the exchanges."""
    n, odd = len(state.v), bool(state.n_updates % 2)
    replicas = tempering.State(state.betas, state.replica_v, state.replica_h, np.arange(n), odd)
    replicas, info = tempering.step(_model(state), replicas, state.key(2), learning.n_steps, state.order)
    ladder.count(state.swaps, info.accepted, info.offered)
    state.replica_v, state.replica_h, state.v, state.h = replicas.v, replicas.h, info.v, replicas.h[:, 0]
    np.copyto(work.V[:n], info.v)
    return Fantasies(n, learning.n_steps, np.asarray(info.x_h, np.float32))


def _full(state: State, v: Floats, learning: DenseLearning, work: Workspace) -> Fantasies:
    """The full chain: one half begins at data, the other at noise, until their mean free energies agree."""
    model, n, v = _model(state), work.n_chains, nearest(state.visible, v)
    room: Any = tied if isinstance(model, Lateral) else gibbs
    free_energy: Any = lateral.free_energy if isinstance(model, Lateral) else rbms.free_energy
    noise = gibbs.init(state.view(), n - n // 2, state.key(3)).v if state.visible.total(v) is None else v
    first = np.concatenate((v[np.arange(n // 2) % len(v)], noise[np.arange(n - n // 2) % len(noise)]))
    chains, done, stretch = room.init(model, rng=state.key(4), v=first), 0, FIRST_STRETCH
    info = gibbs.Info(first, first)
    while done < learning.longest_chain:
        stretch = min(stretch, learning.longest_chain - done)
        chains, info = room.step(model, chains, key_of(int(state.key(5)), done), stretch)
        done, stretch = done + stretch, 2 * stretch
        if _agree(free_energy(model, chains.v), n // 2):
            break
    np.copyto(work.V[:n], chains.v)
    return Fantasies(n, done, np.asarray(info.x_h, np.float32))


def _model(state: State) -> Any:
    """The machine whose chains they are: the restricted one, or with ties among its visible units."""
    return state.model_view() if "L" in state.arrays else state.view()


def _agree(F: Floats, half: int) -> bool:
    """Whether chains from data and chains from noise have come to the same mean free energy."""
    if half < 2:
        return False
    a, b = F[:half].astype(np.float64), F[half:].astype(np.float64)
    error = np.sqrt(a.var() / len(a) + b.var() / len(b))
    return bool(abs(a.mean() - b.mean()) <= AGREE * error + 1e-12)


def _visible(
    state: State, h: Floats, arrays: Mapping[str, Floats], work: Workspace, chain: npt.NDArray[np.int64], t: int,
    total: Floats | None,
) -> None:  # fmt: skip
    n = len(h)
    if ties.name_of(state) is not None:
        ties.draw(state, arrays, h, work.V[:n], work.Y[:n], state.key(1, t), chain)
        return
    state.device.kernels.multiply(h, arrays["W"].T, work.Y[:n])
    ws.means_and_draws(state.visible, work.Y[:n], arrays["b"], state.key(1, t), chain, None, work.V[:n], 1.0, total)


def hidden_bias(state: State, total: Floats | None) -> Floats:
    """Hidden biases of rows: c, or n(v) c where rows have totals.

    Parameters
    ----------
    state : State
    total : floats, (n,), or None
    """
    c = state.arrays["c"]
    return c if total is None else np.multiply.outer(np.asarray(total, np.float32), c)
