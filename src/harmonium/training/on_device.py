"""An epoch of the rating machine on a device: ratings go there once; nobody waits for it between mini-batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harmonium.data.shards import Shards
from harmonium.events import Allocates
from harmonium.kernels.devices import Device
from harmonium.kernels.records import Layout, Phase
from harmonium.models.level_rbm import LevelRBM
from harmonium.training.memory import announced
from harmonium.training.settings import Learning
from harmonium.training.state import State

ENTRY_BYTES = 96  # of one rating: sorted both ways (14), an epoch's order (9), and what sorting it takes meanwhile
WEIGHT_COPIES = 5  # parameters, two moments, their average, one mini-batch's gradient
BATCH_COPIES = 6  # rows of an entry's weights that live at once where gathering is a kernel of its own


def announcement(device: Device, cases: Shards, n_hidden: int, learning: Learning) -> Allocates:
    """Say what learning is about to take of a device's memory, or that it does not fit.

    Parameters
    ----------
    device : Device
        One of torch's.
    cases : Shards
    n_hidden : int
    learning : Learning

    Raises
    ------
    NotEnoughMemoryError
        It does not fit.
    """
    weights = 2 * cases.n_items * n_hidden * 4
    share = min(1.0, learning.batch_size / max(1, cases.ratings.n_users))
    rows = share * cases.n_entries * n_hidden * 4
    n_bytes = int(ENTRY_BYTES * cases.n_entries + WEIGHT_COPIES * weights + BATCH_COPIES * rows)
    way_out = "fewer hidden units or a smaller batch_size need less, and device='cpu' takes the machine's own memory"
    return announced(f"ratings and weights on {device.title}", n_bytes, way_out, device=device)


def run_chunk(
    state: State, where: Layout, learning: Learning, keys: npt.NDArray[np.uint64], rates: Sequence[float],
    first_entry: int,
) -> None:  # fmt: skip
    """One pass over a chunk of cases, in place.

    Parameters
    ----------
    state : State
        On the device.
    where : Layout
        NumPy's; it is copied to the device unless it is the one that was there last.
    learning : Learning
    keys : uint64 array, (n_parts,)
        Of the draws; see `loop`.
    rates : sequence of float
        Learning rates of the mini-batches.
    first_entry : int
        Where the entries of the chunk begin among those that `state` has chains of.
    """
    kernels, name = state.device.kernels, state.device.torch_name
    if state.held is None or state.held[0] is not where:
        state.held = where, kernels.to_device(where, name)
    persistent = state.chain[first_entry:][: len(where.level)] if learning.method == "pcd" else None
    with kernels.learning(name):
        chain = kernels.copied(state.held[1].level) if persistent is None else persistent  # or room for what CD draws
        lengths = np.diff(where.indptr)
        order = state.rng.permutation(np.flatnonzero(lengths).astype(np.int32)).astype(np.int64)
        ends = np.append(np.cumsum(lengths[order]), 0)
        starts = range(0, len(order), learning.batch_size)
        batches = [slice(k, min(k + learning.batch_size, len(order))) for k in starts]
        spans = [slice(int(ends[batch.start - 1]), int(ends[batch.stop - 1])) for batch in batches]
        cases = kernels.to_device(order, name)
        plan = kernels.plan(state.held[1], cases, learning.batch_size)
        phase = _blank(state, learning, spans)
        for batch, span, units, rate in zip(batches, spans, kernels.spans(plan, len(batches)), rates):
            _learn(state, learning, cases[batch], span, units, plan, keys, rate, phase, chain)
        kernels.finish(name)


def _blank(state: State, learning: Learning, spans: list[slice]) -> Phase:
    """Rows for what the first pass leaves for the second."""
    machine, most = state.machine, max((span.stop - span.start for span in spans), default=0)
    n_told = max(1, machine.phi.shape[1] - machine.conditional)
    size = min(learning.batch_size, len(state.held[0].indptr) - 1)  # pyright: ignore[reportOptionalSubscript]
    H0, H1 = (machine.W.new_zeros(size, len(machine.c)) for _ in range(2))
    return Phase(H0, H1, machine.W.new_zeros(most, n_told))


def _learn(state, learning, cases, span, units, plan, keys, rate, phase, chain) -> None:
    """Both passes over one mini-batch, whose entries are `span` of the plan's and whose units are `units` of them."""
    kernels, (_, where), machine = state.device.kernels, state.held, state.machine
    entries = kernels.entries_of(cases, where, span.stop - span.start)
    multi = learning.method == "multi-prediction"
    if multi:
        kernels.mp_phase(cases, where, machine, keys, learning.keep, learning.hidden_dropout, phase, entries)
    else:
        how = learning.sampled, chain, learning.method == "pcd"
        kernels.cd_phase(cases, where, machine, keys, *how, phase, entries)
    step = state.step(learning, rate)
    ptr = plan.ptr[units.start : units.stop + 1] - span.start
    told = plan.case[span], plan.level[span], plan.place[span], multi, learning.sampled and not multi
    kernels.units_step(ptr, *told, phase, machine, state.moments, step, plan.touched[units])
    kernels.optimise(machine.c, phase.H1[: len(cases)].sum(dim=0), *state.c_moments, step.rate, step)


def predictions(device: Device, rbm: LevelRBM, known, asked) -> npt.NDArray[np.float32]:
    """Level probabilities of entries given others of the same cases, (n_entries, n_levels); one machine, no committee.

    Parameters
    ----------
    device : Device
    rbm : LevelRBM
    known, asked : tuples of tensors
        (indptr, visible, level) and (indptr, visible), on the device.
    """
    kernels, name = device.kernels, device.torch_name
    phi, W, b, c = kernels.to_device((rbm.phi, rbm.W, rbm.b, rbm.c), name)
    with kernels.learning(name):
        return kernels.to_host(kernels.predictions(known, asked, phi, rbm.conditional, W, b, c))
