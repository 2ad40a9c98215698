"""Gradients by chains: contrastive divergence and its relatives, each phase averaged by its own count."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.training.dense import ties
from harmonium.training.dense import workspace as ws
from harmonium.training.dense.chains import Cases, Fantasies, Whole, fantasies, hidden_bias
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.dense.workspace import N_CENTRING, Workspace
from harmonium.units.layer import Floats

f32 = np.float32


class Slopes(NamedTuple):
    """Gradients of all but the weights, and the rows whose product is the gradient of the weights.

    Parameters
    ----------
    rest : dict of float32 arrays
        By the names of `models.rbm.arrays`, W left out.
    V, M : float32 arrays, (n, n_visible), (n, n_hidden)
        dW = V' M + extra.
    extra : float32 array, (n_visible, n_hidden), or None
    hidden_mean : float32 array, (n_hidden,)
        Of the data, for sparsity targets.
    visible_mean : float32 array, (n_visible,)
        Of the data; with the hidden ones for the offsets of centring.
    n_steps : int
        Sampler steps taken.
    """

    rest: dict[str, Floats]
    V: Floats
    M: Floats
    extra: Floats | None
    hidden_mean: Floats
    visible_mean: Floats
    n_steps: int


class Data(NamedTuple):
    """The positive phase: a mini-batch, its totals and hidden fields."""

    n: int
    v: Floats | sparse.csr_array  # (n, n_visible)
    total: Floats | None  # (n,)
    x: Floats | None = None  # (n, n_hidden), where they had to be made


def slopes(
    state: State,
    X: Cases,
    rows: npt.NDArray[np.int64],
    learning: DenseLearning,
    work: Workspace,
    whole: Whole | None = None,
) -> Slopes:
    """Gradient of the mean log-likelihood of a mini-batch, its negative phase estimated by chains.

    Parameters
    ----------
    state : State
        Its chains move on.
    X : float32 array or csr_array, (n_cases, n_visible)
    rows : int64 array, (batch,)
    learning : DenseLearning
    work : Workspace
    whole : Whole, optional
        What this is a part of: the gradient is then a part as well, that adds up with the others', and not centred yet.
    """
    fantasy = fantasies(state, X, rows, learning, work, whole)
    data = _products(state, X, rows, work, fantasy)
    m_d, m_f = work.M[fantasy.n : fantasy.n + data.n], work.M[: fantasy.n]
    counts = (data.n, fantasy.n) if whole is None else whole[:2]
    how = state.key(0), rows, m_d, None, 1 / counts[0]
    data = data._replace(
        x=ws.means_and_draws(state.hidden, work.X[fantasy.n : fantasy.n + data.n], hidden_bias(state, data.total), *how)
    )
    first = 0 if whole is None else whole.first_chain
    fantasy = _fantasy_means(state, learning, work, fantasy, m_f, counts[1], first)
    found = _gathered(state, work, fantasy, data, counts)
    if whole is not None or not learning.centring or data.total is not None:
        return found
    move_offsets(state, learning, found.visible_mean, found.hidden_mean)
    return _centred(state, found, work)


def _products(state: State, X: Cases, rows: npt.NDArray[np.int64], work: Workspace, fantasy: Fantasies) -> Data:
    """Hidden fields without the bias into `work.X`, chains and data in one product where both are dense."""
    n, n_data, W = fantasy.n, len(rows), state.arrays["W"]
    first = 0 if fantasy.x is None else n
    if isinstance(X, sparse.csr_array):
        batch = X[rows]
        np.matmul(work.V[first:n], W, out=work.X[first:n])
        work.X[n : n + n_data] = batch @ W
        total = state.visible.total(batch)  # type: ignore[arg-type]
        return Data(n_data, batch, None if total is None else np.asarray(total, f32).ravel())
    v = work.V[n : n + n_data]
    state.device.kernels.take(X, rows, v)
    state.device.kernels.multiply(work.V[first : n + n_data], W, work.X[first : n + n_data])
    return Data(n_data, v, state.visible.total(v))


def _fantasy_means(
    state: State, learning: DenseLearning, work: Workspace, fantasy: Fantasies, m: Floats, n_chains: int, first: int
) -> Fantasies:
    """Hidden means of the fantasies, weighed -1 / chains; persistent ones draw their hidden units at the same time."""
    n = fantasy.n
    if fantasy.x is not None:
        np.multiply(state.hidden.mean(fantasy.x), f32(-1 / n_chains), out=m)
        return fantasy
    bias, key = hidden_bias(state, state.visible.total(work.V[:n])), state.key(2, learning.n_steps)
    chain = first + state.device.kernels.numbers(n, m) if fantasy.chain is None else fantasy.chain
    x = ws.means_and_draws(state.hidden, work.X[:n], bias, key, chain, m, fantasy.carried, -1 / n_chains)
    if fantasy.chain is not None:
        state.h[fantasy.chain] = fantasy.carried
    return fantasy._replace(x=x)


def _gathered(state: State, work: Workspace, fantasy: Fantasies, data: Data, counts: tuple[int, int]) -> Slopes:
    """Differences of the phases' means over so many cases and chains."""
    n, m_d, m_f = fantasy.n, work.M[fantasy.n : fantasy.n + data.n], work.M[: fantasy.n]
    n_cases, n_chains = counts
    v_f, ones = work.V[:n], work.ones
    h_mean = ones[: data.n] @ m_d
    if isinstance(data.v, sparse.csr_array):
        v_mean, used = np.asarray(data.v.sum(axis=0) / n_cases, f32).ravel(), n
        extra = np.asarray(data.v.T @ m_d, f32)
    else:
        v_mean, used, extra = ones[: data.n] @ data.v / f32(n_cases), n + data.n, None
    rest = {"b": v_mean - ones[:n] @ v_f / f32(n_chains)}
    if data.total is None:
        rest["c"] = h_mean + ones[:n] @ m_f
    else:  # hidden fields hold n(v) c
        rest["c"] = data.total @ m_d + v_f.sum(axis=1) @ m_f
    rest |= _layer_slopes(state, data, v_f, fantasy.x, counts) | ties.slope(state, data.v, v_f, counts)
    rest["b"][ties.n_drawn(state) :] = 0  # conditions are the same in both phases
    return Slopes(rest, work.V[:used], work.M[:used], extra, h_mean, v_mean, fantasy.n_steps)


def _layer_slopes(
    state: State, data: Data, v_f: Floats, x_f: Floats | None, counts: tuple[int, int]
) -> dict[str, Floats]:
    """Gradients of what the layers learn of their own: variances."""
    out: dict[str, Floats] = {}
    n_cases, n_chains = counts
    if state.visible.parameters:
        layer = state.visible
        v_d = data.v.toarray() if isinstance(data.v, sparse.csr_array) else data.v
        for name, s in layer.parameter_statistics(v_d).items():
            out[f"visible.{name}"] = (
                s.sum(axis=0) / n_cases - layer.parameter_statistics(v_f)[name].sum(axis=0) / n_chains
            )
    if state.hidden.parameters and data.x is not None and x_f is not None:
        layer = state.hidden
        for name, s in layer.expected_statistics(data.x).items():
            out[f"hidden.{name}"] = (
                s.sum(axis=0) / n_cases - layer.expected_statistics(x_f)[name].sum(axis=0) / n_chains
            )
    return out


def _centred(state: State, found: Slopes, work: Workspace) -> Slopes:
    """Add the two rows of the centring correction, and turn the biases' gradients accordingly."""
    n, rest, extra = len(found.V), found.rest, found.extra
    work.V[n], work.M[n] = state.mu, -rest["c"]
    work.V[n + 1], work.M[n + 1] = rest["b"], -state.lam
    V, M = work.V[: n + N_CENTRING], work.M[: n + N_CENTRING]
    turned_b = (M @ state.lam) @ V
    turned_c = (V @ state.mu) @ M
    if extra is not None:
        turned_b, turned_c = turned_b + extra @ state.lam, turned_c + state.mu @ extra
    tied, turned = ties.centred(state, rest)
    biases = {"b": rest["b"] - turned_b - turned, "c": rest["c"] - turned_c}
    return found._replace(rest=_held_at_0(state, rest | tied | biases), V=V, M=M)


def _held_at_0(state: State, slope: dict[str, Floats]) -> dict[str, Floats]:
    """Conditions have no bias: whatever turns gradients leaves it at 0."""
    slope["b"][ties.n_drawn(state) :] = 0
    return slope


def centred(state: State, slope: dict[str, Floats]) -> dict[str, Floats]:
    """The centred gradient of one that is not.

    Parameters
    ----------
    state : State
    slope : dict of float32 arrays
        By the names of `models.rbm.arrays`.

    Notes
    -----
    Melchior, Fischer & Wiskott 2016, section 3: the gradient of the same machine written with units that are 0 at their
    mean, turned back: dW - mu dc' - db lam', then db - dW lam and dc - dW' mu with the new dW.
    """
    W = slope["W"] - np.outer(state.mu, slope["c"]) - np.outer(slope["b"], state.lam)
    tied, turned = ties.centred(state, slope)
    biases = {"b": slope["b"] - W @ state.lam - turned, "c": slope["c"] - state.mu @ W}
    return _held_at_0(state, slope | {"W": W} | tied | biases)


def move_offsets(state: State, learning: DenseLearning, v_mean: Floats, h_mean: Floats) -> None:
    """Move the offsets of centring towards the data's means: never the model's, which can diverge.

    Parameters
    ----------
    state : State
    learning : DenseLearning
    v_mean, h_mean : float32 arrays, (n_visible,), (n_hidden,)
        Of the mini-batch's data.
    """
    rate = f32(learning.offset_rate)
    state.mu += rate * (v_mean - state.mu)
    state.lam += rate * (h_mean - state.lam)
