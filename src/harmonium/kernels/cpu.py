"""CPU backend: the functions of `reference`, compiled, their rows shared out between threads."""

import numpy as np

from harmonium.kernels import cpu_rows as rows
from harmonium.kernels.cpu_annealing import anneal_hidden as anneal_hidden
from harmonium.kernels.cpu_annealing import anneal_visible as anneal_visible
from harmonium.kernels.cpu_couplings import gibbs_sweep as gibbs_sweep
from harmonium.kernels.cpu_dense import ascend as ascend
from harmonium.kernels.cpu_dense import draw_binary as draw_binary
from harmonium.kernels.cpu_dense import normals as normals
from harmonium.kernels.cpu_few import pcd_batches as pcd_batches
from harmonium.kernels.jit import frozen, over_rows
from harmonium.kernels.records import Layout, Machine, Moments, Phase, Schedule, Step

UNIT_COST = 8  # an optimiser step of one unit costs as much as this many entries


def hidden_fields(indptr, visible, level, phi, conditional, W, c):
    """Hidden fields of every case; see `reference.hidden_fields`."""
    out = np.empty((len(indptr) - 1, len(c)), np.float32)
    arrays = frozen(indptr, visible, level, phi), frozen(W, c)
    over_rows(rows.hidden_fields, indptr, *arrays[0], conditional, *arrays[1], out)
    return out


def entry_probabilities(indptr, visible, h, W, b, phi, conditional):
    """Level probabilities of every entry; see `reference.entry_probabilities`."""
    out = np.empty((len(visible), b.shape[1]), np.float32)
    arrays = frozen(indptr, visible, h, W, b, phi)
    over_rows(rows.entry_probabilities, indptr, *arrays, conditional, out)
    return out


def schedule(layout: Layout, batch_of, position, n_batches: int) -> Schedule:
    """Sort an epoch's entries by batch and visible unit; see `reference.schedule`."""
    n_visible, n = len(layout.unit_indptr) - 1, len(layout.visible)
    units = layout.unit_indptr, layout.unit_case
    counts = np.zeros((n_batches, n_visible), np.int32)
    over_rows(rows.count_units, layout.unit_indptr, *units, batch_of, counts)
    ptr = np.zeros((n_batches, n_visible + 1), np.int64)
    np.cumsum(counts, axis=1, out=ptr[:, 1:])
    origin = np.concatenate(([0], np.cumsum(ptr[:, -1])))
    case, level, slot = np.empty(n, np.int32), np.empty(n, np.uint8), np.empty(n, np.int32)
    where = layout.unit_entry, layout.level, batch_of, position, origin, ptr
    over_rows(rows.bucket_units, layout.unit_indptr, *units, *where, case, level, slot)
    return Schedule(ptr, origin, case, level, slot)


def cd_phase(cases, layout: Layout, slot, machine: Machine, keys, sample, chain, persistent, phase: Phase) -> None:
    """First pass of CD-k and PCD; see `reference.cd_phase`."""
    entries = layout.indptr, layout.visible, layout.level, slot
    over_rows(rows.cd_cases, _cost(cases, layout), cases, *entries, machine, keys, sample, chain, persistent, phase)


def mp_phase(cases, layout: Layout, slot, machine: Machine, keys, keep, drop, phase: Phase) -> None:
    """First pass of multi-prediction; see `reference.mp_phase`."""
    entries = layout.indptr, layout.visible, layout.level, slot
    kept = np.float32(keep), np.float32(drop)
    over_rows(rows.mp_cases, _cost(cases, layout), cases, *entries, machine, keys, *kept, phase)


def units_step(
    ptr, case, level, multi: bool, sample: bool, phase: Phase, machine: Machine, moments: Moments, step: Step
) -> None:
    """Second pass: gradient and optimiser step; see `reference.units_step`."""
    cost = ptr.copy()
    cost[1:] += UNIT_COST * np.cumsum(ptr[1:] > ptr[:-1])
    over_rows(rows.units_step, cost, ptr, case, level, multi, sample, phase, machine, moments, step)


def _cost(cases, layout: Layout):
    cost = np.zeros(len(cases) + 1, np.int64)
    np.cumsum(layout.indptr[cases + 1] - layout.indptr[cases], out=cost[1:])
    return cost
