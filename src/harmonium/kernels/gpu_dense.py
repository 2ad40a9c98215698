"""Dense layers in torch: means and draws between two matrix products, optimiser steps, rows of cases."""

from typing import Any, NamedTuple

import torch

from harmonium.kernels.constants import ADAGRAD, ADAM
from harmonium.kernels.gpu_arrays import Tensor, fused
from harmonium.kernels.gpu_random import counters, standard_normals, uniform_of, uniforms
from harmonium.kernels.reference_dense import Rule


class SparseRows(NamedTuple):
    """Cases of which most entries are 0, on a device.

    Parameters
    ----------
    indptr, column, value : int64 tensor, (n_cases + 1,), int64 and float32 tensors, (n_entries,)
    shape : tuple of int
    most : int
        Entries of the longest row.
    """

    indptr: Tensor
    column: Tensor
    value: Tensor
    shape: tuple[int, int]
    most: int


def cases_on(X: Any, where: str) -> Any:
    """Copy cases to a device.

    Parameters
    ----------
    X : float32 array or scipy.sparse.csr_array, (n_cases, width)
    where : str

    Returns
    -------
    float32 tensor or SparseRows
    """
    if not hasattr(X, "indptr"):
        return torch.tensor(X, dtype=torch.float32, device=where)
    indptr, column = (torch.tensor(a, dtype=torch.int64, device=where) for a in (X.indptr, X.indices))
    value = torch.tensor(X.data, dtype=torch.float32, device=where)
    lengths = X.indptr[1:] - X.indptr[:-1]
    return SparseRows(indptr, column, value, X.shape, int(lengths.max(initial=0)))


def take(X: Tensor | SparseRows, rows: Tensor, out: Tensor) -> None:
    """Copy some rows of cases into a buffer; see `arrays.take`."""
    if isinstance(X, Tensor):
        torch.index_select(X, 0, rows, out=out)
        return
    place = X.indptr[rows, None] + torch.arange(X.most, device=rows.device)
    there = place < X.indptr[rows + 1, None]
    place = torch.where(there, place, 0)
    out.zero_().scatter_add_(1, X.column[place], X.value[place] * there)  # what is not there adds 0 somewhere


def multiply(A: Tensor, B: Tensor, out: Tensor) -> None:
    """out = A B; see `arrays.multiply`."""
    torch.mm(A, B, out=out)


def numbers(n: int, like: Tensor) -> Tensor:
    """0, 1, ..., n - 1; see `arrays.numbers`."""
    return torch.arange(n, device=like.device)


def blank(like: Tensor, n: int) -> Tensor:
    """Rows for results; see `arrays.blank`."""
    return like.new_empty(n, like.shape[1])


def copied(A: Tensor) -> Tensor:
    """A copy; see `arrays.copied`."""
    return A.clone()


def contiguous(A: Tensor) -> Tensor:
    """An array as float32, its rows one after the other; see `arrays.contiguous`."""
    return A.float().contiguous()


def shorten(W: Tensor, longest: float) -> None:
    """Shorten columns that are longer than allowed, in place; see `arrays.shorten`."""
    norm = torch.linalg.vector_norm(W, dim=0)
    W *= (longest / norm.clamp(min=torch.finfo(torch.float32).tiny)).clamp(max=1)


def draw_binary(x, bias, key, chain, low, mean, state, scale=1.0) -> None:
    """Means and draws of binary units; see `reference_dense.draw_binary`."""
    p, drawn = _binary(x, bias, float(low), *counters(key, chain[:, None], numbers(x.shape[1], x)))
    if mean is not None:
        torch.mul(p * (1 - low) + low, scale, out=mean)
    if state is not None:
        state.copy_(drawn)


@fused
def _binary(x: Tensor, bias: Tensor, low: float, first: Tensor, second: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    p = torch.sigmoid((x + bias) * (1 - low))
    return p, torch.where(uniform_of(first, second, key) < p, 1.0, low)


def normals(key, chain, width: int) -> Tensor:
    """Standard normals of some chains; see `reference_dense.normals`."""
    return standard_normals(key, chain[:, None], numbers(width, chain)).float()


def draw_gaussian(x, bias, log_variance, key, chain, mean, state, scale=1.0) -> None:
    """Means and draws of Gaussian units, from their fields without the bias.

    Parameters
    ----------
    x : float32 tensor, (batch, width)
    bias, log_variance : float32 tensors, (width,)
    key : int
    chain : int64 tensor, (batch,)
    mean, state : float32 tensors, (batch, width), or None
    scale : float
        What the means are multiplied with.
    """
    variance = log_variance.exp()
    m = (x + bias) * variance
    if mean is not None:
        torch.mul(m, scale, out=mean)
    if state is not None:
        state.copy_(m + variance.sqrt() * normals(key, chain, x.shape[1]))


def draw_softmax(x, bias, n_states: int, key, chain, mean, state, scale=1.0) -> None:
    """Means and draws of units with several states, from their fields without the bias.

    Parameters
    ----------
    x : float32 tensor, (batch, n_units n_states)
    bias : float32 tensor, (n_units n_states,)
    n_states : int
    key : int
    chain : int64 tensor, (batch,)
    mean, state : float32 tensors, as x, or None
    scale : float
        What the means are multiplied with.
    """
    p = torch.softmax((x + bias).unflatten(1, (-1, n_states)), dim=2)
    if mean is not None:
        torch.mul(p.flatten(1), scale, out=mean)
    if state is not None:
        u = uniforms(key, chain[:, None], numbers(p.shape[1], x))
        level = (u[:, :, None] >= p.cumsum(dim=2)[:, :, :-1]).sum(dim=2)
        state.copy_((level[:, :, None] == numbers(n_states, x)).float().flatten(1))


def half_squares(v: Tensor, log_variance: Tensor) -> Tensor:
    """v^2 / (2 s2) of Gaussian states; see `units.continuous`.

    Parameters
    ----------
    v : float32 tensor, (batch, width)
    log_variance : float32 tensor, (width,)
    """
    return v * v / (2 * log_variance.exp())


def half_mean_squares(x: Tensor, log_variance: Tensor) -> Tensor:
    """Their mean given the fields, (1 + s2 x^2) / 2; see `units.gaussian.half_square`.

    Parameters
    ----------
    x : float32 tensor, (batch, width)
    log_variance : float32 tensor, (width,)
    """
    return (1 + log_variance.exp() * x * x) / 2


def ascend(w: Tensor, g: Tensor, first: Tensor, second: Tensor, rule: Rule) -> None:
    """One step uphill along g; see `reference_dense.ascend`."""
    code, rate, decay, momentum, beta2, correction1, correction2, eps = (float(number) for number in rule)
    g = g.add(w, alpha=-decay) if decay else g
    if code == ADAGRAD:
        second.addcmul_(g, g)
        w.addcdiv_(g, second.sqrt().add_(eps), value=rate)
    elif code == ADAM:
        first.mul_(momentum).add_(g, alpha=1 - momentum)
        second.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        w.addcdiv_(first, (second * correction2).sqrt_().add_(eps), value=rate * correction1)
    elif momentum:
        first.mul_(momentum).add_(g)
        w.add_(first, alpha=rate)
    else:
        w.add_(g, alpha=rate)
