"""CPU backend: the functions of `reference`, compiled, their rows shared out between threads."""

import numpy as np

from harmonium.kernels import cpu_cases as rows
from harmonium.kernels import cpu_entries as entries
from harmonium.kernels import cpu_gradient as gradients
from harmonium.kernels import cpu_units as units
from harmonium.kernels.arrays import blank as blank
from harmonium.kernels.arrays import cases_on as cases_on
from harmonium.kernels.arrays import contiguous as contiguous
from harmonium.kernels.arrays import copied as copied
from harmonium.kernels.arrays import finish as finish
from harmonium.kernels.arrays import learning as learning
from harmonium.kernels.arrays import multiply as multiply
from harmonium.kernels.arrays import numbers as numbers
from harmonium.kernels.arrays import shorten as shorten
from harmonium.kernels.arrays import take as take
from harmonium.kernels.arrays import to_device as to_device
from harmonium.kernels.cpu_annealing import anneal_hidden as anneal_hidden
from harmonium.kernels.cpu_annealing import anneal_visible as anneal_visible
from harmonium.kernels.cpu_couplings import gibbs_sweep as gibbs_sweep
from harmonium.kernels.cpu_dense import ascend as ascend
from harmonium.kernels.cpu_dense import draw_binary as draw_binary
from harmonium.kernels.cpu_dense import normals as normals
from harmonium.kernels.cpu_few import pcd_batches as pcd_batches
from harmonium.kernels.cpu_layout import lay_out as lay_out
from harmonium.kernels.jit import frozen, over_rows
from harmonium.kernels.records import Layout, Machine, Moments, Phase, Schedule, Step
from harmonium.kernels.reference import case_starts

UNIT_COST = 8  # an optimiser step of one unit costs as much as this many entries


def hidden_fields(indptr, visible, level, phi, conditional, W, c):
    """Hidden fields of every case; see `reference.hidden_fields`."""
    out = np.empty((len(indptr) - 1, len(c)), np.float32)
    arrays = frozen(indptr, visible, level, phi), frozen(W, c)
    over_rows(entries.hidden_fields, indptr, *arrays[0], conditional, *arrays[1], out)
    return out


def entry_probabilities(indptr, visible, h, W, b, phi, conditional):
    """Level probabilities of every entry; see `reference.entry_probabilities`."""
    out = np.empty((len(visible), b.shape[1]), np.float32)
    arrays = frozen(indptr, visible, h, W, b, phi)
    over_rows(entries.entry_probabilities, indptr, *arrays, conditional, out)
    return out


def predictions(known, asked, phi, conditional, W, b, c):
    """Level probabilities of entries given others of the same cases; see `reference.predictions`."""
    out = np.empty((len(asked[1]), b.shape[1]), np.float32)
    cost = np.zeros(len(known[0]), np.int64)
    np.cumsum(np.where(np.diff(asked[0]) > 0, np.diff(known[0]), 0), out=cost[1:])
    arrays = frozen(*known), frozen(*asked), frozen(phi)[0], conditional, *frozen(W, b, c)
    over_rows(entries.predictions, cost, *arrays, out)
    return out


def schedule(layout: Layout, cases, batch_size: int) -> Schedule:
    """Sort an epoch's entries by batch and visible unit; see `reference.schedule`."""
    n_visible, n, n_batches = len(layout.unit_indptr) - 1, len(layout.visible), -(-len(cases) // batch_size)
    lengths = (layout.indptr[1:] - layout.indptr[:-1])[cases]
    batch_of, position, starts = (np.empty(len(layout.indptr) - 1, np.int32) for _ in range(3))
    number = np.arange(len(cases))
    batch_of[cases], position[cases] = number // batch_size, number % batch_size
    ends = np.cumsum(lengths)
    first = number - position[cases]
    starts[cases] = ends - lengths - (ends - lengths)[first]
    counts = np.zeros((n_batches, n_visible), np.int32)
    over_rows(units.count_units, layout.unit_indptr, layout.unit_indptr, layout.unit_case, batch_of, counts)
    ptr = np.zeros((n_batches, n_visible + 1), np.int32)
    np.cumsum(counts, axis=1, out=ptr[:, 1:])
    origin = np.concatenate(([0], np.cumsum(ptr[:, -1], dtype=np.int64)))
    case, level, place = np.empty(n, np.int32), np.empty(n, np.uint8), np.empty(n, np.int32)
    where = batch_of, position, starts, origin, ptr
    over_rows(units.bucket_units, layout.unit_indptr, layout, *where, case, level, place)
    return Schedule(ptr, origin, case, level, place)


def cd_phase(cases, layout: Layout, machine: Machine, keys, sample, chain, persistent, phase: Phase) -> None:
    """First pass of CD-k and PCD; see `reference.cd_phase`."""
    starts, where = case_starts(cases, layout), (layout.indptr, layout.visible, layout.level)
    over_rows(rows.cd_cases, starts, cases, starts, *where, machine, keys, sample, chain, persistent, phase)


def mp_phase(cases, layout: Layout, machine: Machine, keys, keep, drop, phase: Phase) -> None:
    """First pass of multi-prediction; see `reference.mp_phase`."""
    starts, where = case_starts(cases, layout), (layout.indptr, layout.visible, layout.level)
    over_rows(rows.mp_cases, starts, cases, starts, *where, machine, keys, np.float32(keep), np.float32(drop), phase)


def units_step(
    ptr, case, level, place, multi: bool, sample: bool, phase: Phase, machine: Machine, moments: Moments, step: Step
) -> None:
    """Second pass: gradient and optimiser step; see `reference.units_step`."""
    cost = ptr.copy()
    cost[1:] += UNIT_COST * np.cumsum(ptr[1:] > ptr[:-1], dtype=ptr.dtype)
    over_rows(units.units_step, cost, ptr, case, level, place, multi, sample, phase, machine, moments, step)


def units_gradient(
    ptr, case, level, place, multi: bool, sample: bool, phase: Phase, machine: Machine, row, out, first: int, last: int
) -> None:
    """Gradients of units first..last as rows; see `reference.units_gradient`."""
    cost = ptr[first : last + 1] - ptr[first] + UNIT_COST * np.arange(last - first + 1)
    args = first, ptr, case, level, place, multi, sample, phase, machine, row, out
    over_rows(gradients.units_gradient, cost, *args)


def rows_step(unit, n_entries, gradient, machine: Machine, moments: Moments, step: Step, first: int, last: int) -> None:
    """Optimiser step along rows first..last of gradients; see `reference.rows_step`."""
    over_rows(
        gradients.rows_step, np.arange(last - first + 1), first, unit, n_entries, gradient, machine, moments, step
    )
