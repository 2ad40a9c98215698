"""Second pass of the rating machine in torch: over visible units; and the order that the entries of an epoch take."""

import itertools
from typing import NamedTuple

import torch

from harmonium.kernels.constants import ADAGRAD, ADAM
from harmonium.kernels.gpu_arrays import Tensor
from harmonium.kernels.gpu_cases import codes, entry_features, level_probabilities, one_hot
from harmonium.kernels.gpu_sums import cuts, pointers, repeated, segment_sums
from harmonium.kernels.records import Layout, Machine, Moments, Phase, Schedule, Step


class Plan(NamedTuple):
    """An epoch's entries sorted by batch and, within it, by visible unit; only units that have entries are listed.

    Parameters
    ----------
    touched : int64 tensor, (n_touched,)
        Their units, batch after batch.
    ptr : int64 tensor, (n_touched + 1,)
        Where the entries of each begin.
    batch : int64 tensor, (n_touched,)
        Which batch each belongs to.
    case, level, place : tensors, (n_entries,)
        As of `Schedule`.
    """

    touched: Tensor
    ptr: Tensor
    batch: Tensor
    case: Tensor
    level: Tensor
    place: Tensor


def plan(layout: Layout, cases: Tensor, batch_size: int) -> Plan:
    """Sort an epoch's entries; the device is waited for once.

    Parameters
    ----------
    layout : Layout
    cases : int64 tensor, (n,)
        The epoch's in their order, each once.
    batch_size : int
    """
    n_visible, n = len(layout.unit_indptr) - 1, len(layout.visible)
    lengths = (layout.indptr[1:] - layout.indptr[:-1])[cases]
    number = torch.arange(len(cases), device=cases.device)
    begin = pointers(lengths)[:-1]
    batch_of, position, starts = (torch.zeros_like(layout.indptr) for _ in range(3))
    batch_of[cases], position[cases] = number // batch_size, number % batch_size
    starts[cases] = begin - begin[number - number % batch_size]
    unit, batch = repeated(layout.unit_indptr.diff(), n), batch_of[layout.unit_case]
    batch, order = batch.sort(stable=True)
    listed, counts = torch.unique_consecutive(batch * n_visible + unit[order], return_counts=True)
    case = layout.unit_case[order]
    place = starts[case] + layout.unit_rank[order]
    entries = position[case].int(), layout.unit_level[order], place.int()
    return Plan(listed % n_visible, pointers(counts), listed // n_visible, *entries)


def spans(found: Plan, n_batches: int) -> list[slice]:
    """Which of the touched units are each batch's; the device is waited for.

    Parameters
    ----------
    found : Plan
    n_batches : int
    """
    marks = torch.arange(n_batches + 1, device=found.batch.device)
    edges = torch.searchsorted(found.batch, marks).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def schedule(layout: Layout, cases, batch_size: int) -> Schedule:
    """Sort an epoch's entries by batch and visible unit; see `reference.schedule`."""
    found = plan(layout, cases, batch_size)
    n_visible, n_batches = len(layout.unit_indptr) - 1, -(-len(cases) // batch_size)
    counts = torch.zeros(n_batches, n_visible, dtype=torch.int64, device=cases.device)
    counts[found.batch, found.touched] = found.ptr.diff()
    ptr = torch.nn.functional.pad(counts.cumsum(dim=1), (1, 0)).int()
    return Schedule(ptr, pointers(ptr[:, -1].long()), *found[3:])


def units_step(
    ptr, case, level, place, multi: bool, sample: bool, phase: Phase, machine: Machine, moments: Moments, step: Step,
    touched: Tensor | None = None,
) -> None:  # fmt: skip
    """Second pass: gradient and optimiser step; see `reference.units_step`.

    With `touched` (n_touched,) `ptr` (n_touched + 1,) bounds the entries of these units alone.
    """
    W, b, _, phi, _, conditional = machine
    units = ptr.diff().nonzero()[:, 0] if touched is None else touched
    ptr = torch.cat((ptr[units], ptr[-1:])) if touched is None else ptr
    n, n_levels, first = len(case), len(phi), 1 if conditional else 0
    lengths = ptr.diff()
    unit = units[repeated(lengths, n)]
    z, code = phase.Z[place], codes(level, n_levels)
    evidence = z[:, 0].isnan()
    if sample:
        p = one_hot(z[:, 0], n_levels)
    else:
        p = level_probabilities(unit, z[:, : len(W) - first], b, phi[:, first:])
    residual = torch.where(evidence[:, None], 0.0, one_hot(code, n_levels) - p)
    factor0 = residual @ phi
    factor0[:, :first] = 0
    factor1 = entry_features(level, phi, conditional) - factor0
    if multi:
        factor1 *= evidence[:, None]
    where = cuts(ptr, n)
    for f in range(len(W)):
        g = segment_sums(phase.H1, case, factor1[:, f].contiguous(), where)
        if f >= first:
            g += segment_sums(phase.H0, case, factor0[:, f].contiguous(), where)
        g -= float(step.decay) * lengths[:, None] * W[f, units]
        _step_rows(W[f], units, g, moments.W1[f], moments.W2[f], step.rate, step)
    _step_rows(b, units, segment_sums(residual, None, None, where), moments.b1, moments.b2, step.bias_rate, step)


def _step_rows(w: Tensor, rows: Tensor, g: Tensor, m: Tensor, v: Tensor, rate, step: Step) -> None:
    """Optimiser step of some rows, in place."""
    w_rows, m_rows, v_rows = (a[rows] for a in (w, m, v))
    optimise(w_rows, g, m_rows, v_rows, rate, step)
    for a, part in ((w, w_rows), (m, m_rows), (v, v_rows)):
        a.index_copy_(0, rows, part)


def optimise(w, g, m, v, rate, step: Step) -> None:
    """One step uphill along g, in place; see `reference.optimise`."""
    rate, momentum, beta2 = float(rate), float(step.momentum), float(step.beta2)
    if step.rule == ADAGRAD:
        v.addcmul_(g, g)
        w.addcdiv_(g, v.sqrt().add_(float(step.eps)), value=rate)
    elif step.rule == ADAM:
        m.mul_(momentum).add_(g, alpha=1 - momentum)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        w.addcdiv_(m, (v * float(step.correction)).sqrt_().add_(float(step.eps)), value=rate)
    else:
        m.mul_(momentum).add_(g)
        w.add_(m, alpha=rate)
