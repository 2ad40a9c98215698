"""An epoch of the machine for ratings, its cases on several workers; each ends with the same parameters.

The order of the cases is one permutation that all workers draw, so a mini-batch is the same cases whoever holds them,
and what a case draws depends on its number alone. Every worker makes the gradients of its own cases, for the visible
units that anybody's case of the batch touches; they are added up a bucket at a time, while the next bucket is being
made, and all workers take the same step.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.distributed.exchange import Exchange, Wait, add
from harmonium.distributed.shards import Shard
from harmonium.kernels import backend
from harmonium.kernels.alignment import room
from harmonium.kernels.records import Phase, Schedule
from harmonium.kernels.reference import optimise
from harmonium.training.batches import Batch
from harmonium.training.loop import chain_of, first_pass
from harmonium.training.settings import Learning
from harmonium.training.state import State

Floats = npt.NDArray[np.float32]
BUCKET_BYTES = 2 << 20  # what is added up at once: small enough to overlap, large enough that latency does not count


class Traffic(NamedTuple):
    """What the workers add up in a mini-batch."""

    unit: npt.NDArray[np.int64]  # (n_rows,): visible units that the batch touches
    n_entries: npt.NDArray[np.int32]  # (n_rows,): their entries over all workers
    rows: Floats  # (n_rows, n_features n_hidden + n_levels): gradients of weights and biases
    of_hidden: Floats  # (n_hidden,)


def run_epoch(
    state: State, shards: Sequence[Shard], learning: Learning, exchange: Exchange, bucket: int = BUCKET_BYTES
) -> None:
    """One pass over the data of all workers, in place.

    Parameters
    ----------
    state : State
        The same on all workers, but for the chains, which are those of the shards.
    shards : sequence of Shard
        This worker's part of each chunk; chunks come in random order, as in one process.
    learning : Learning
    exchange : Exchange
    bucket : int
        Bytes that are added up at once.
    """
    order = state.rng.permutation(len(shards)).tolist() if len(shards) > 1 else [0]
    sizes = [shard.cases.n_entries for shard in shards]
    n_batches, done = [-(-len(shard.busy) // learning.batch_size) for shard in shards], 0
    for number in order:
        chain = chain_of(state, sum(sizes[:number]), sizes[number], learning)
        progress = state.epoch + done / sum(n_batches), 1 / sum(n_batches)
        _run_chunk(state, shards[number], number, chain, learning, exchange, bucket, progress)
        done += n_batches[number]
    state.epoch += 1


def _run_chunk(
    state: State, shard: Shard, number: int, chain: npt.NDArray[np.uint8], learning: Learning, exchange: Exchange,
    bucket: int, progress: tuple[float, float],
) -> None:  # fmt: skip
    """One pass over a chunk; `progress` is that of its first mini-batch, in epochs, and of each one after."""
    order = state.rng.permutation(shard.busy)
    plan = backend().schedule(shard.where, order, learning.batch_size)
    counts = np.ascontiguousarray(np.diff(plan.ptr, axis=1), np.int32)  # (n_batches, n_visible)
    add(exchange, counts)
    phase, buffer = _buffers(state, learning, plan, counts)
    for k in range(len(plan.ptr)):
        rate = learning.rate_at((progress[0] + k * progress[1]) / learning.n_epochs)
        batch = _own(shard, order[k * learning.batch_size :][: learning.batch_size], plan, k)
        first_pass(state, shard.where, learning, batch, phase, number, chain)
        _step(state, learning, batch, phase, _traffic(state, counts[k], buffer), rate, exchange, bucket)


def _own(shard: Shard, cases: npt.NDArray[np.int32], plan: Schedule, k: int) -> Batch:
    """The part of mini-batch k that this worker holds."""
    mine = (cases >= shard.first) & (cases < shard.last)
    position = np.cumsum(mine, dtype=np.int32) - np.int32(1)  # among the own cases, of each case of the batch
    span = slice(plan.origin[k], plan.origin[k + 1])
    return Batch(cases[mine], plan.ptr[k], position[plan.case[span]], plan.level[span], plan.place[span])


def _buffers(state: State, learning: Learning, plan: Schedule, counts: npt.NDArray[np.int32]) -> tuple[Phase, Floats]:
    """Room for the hidden units and fields of a mini-batch, and for what is added up, at their largest."""
    n_features, _, n_hidden = state.machine.W.shape
    size, entries = learning.batch_size, int(np.diff(plan.origin).max(initial=0))
    fields = max(1, n_features - state.machine.conditional)
    H0, H1 = (room((min(size, len(plan.case) + 1), n_hidden)) for _ in range(2))
    n_rows, width = int((counts > 0).sum(axis=1).max(initial=0)), n_features * n_hidden + state.machine.b.shape[1]
    return Phase(H0, H1, np.empty((entries, fields), np.float32)), np.empty(n_rows * width + n_hidden, np.float32)


def _traffic(state: State, counts: npt.NDArray[np.int32], buffer: Floats) -> Traffic:
    """The mini-batch's part of the buffer: rows of the units it touches, then the hidden biases."""
    unit = np.flatnonzero(counts)
    n_features, _, n_hidden = state.machine.W.shape
    size = len(unit) * (n_features * n_hidden + state.machine.b.shape[1])
    return Traffic(unit, counts[unit], buffer[:size].reshape(len(unit), -1), buffer[size : size + n_hidden])


def _step(
    state: State, learning: Learning, batch: Batch, phase: Phase, traffic: Traffic, rate: float, exchange: Exchange,
    bucket: int,
) -> None:  # fmt: skip
    """Gradients, sums and the optimiser step of one mini-batch."""
    step, machine = state.step(learning, rate), state.machine
    traffic.of_hidden[:] = phase.H1[: len(batch.cases)].sum(axis=0)
    waiting = [(0, 0, exchange.begin(traffic.of_hidden))]
    waiting += _gradients(state, learning, batch, phase, traffic, exchange, bucket)
    for first, last, wait in waiting:
        wait()
        if last > first:
            rows = traffic.unit, traffic.n_entries, traffic.rows
            backend().rows_step(*rows, machine, state.moments, step, first, last)
    optimise(machine.c, traffic.of_hidden, *state.c_moments, step.rate, step)


def _gradients(
    state: State, learning: Learning, batch: Batch, phase: Phase, traffic: Traffic, exchange: Exchange, bucket: int
) -> list[tuple[int, int, Wait]]:
    """Make the gradients a bucket of rows at a time, and begin to add each up: (first row, last row, wait)."""
    unit, _, rows, _ = traffic
    multi = learning.method == "multi-prediction"
    row = np.full(len(batch.ptr) - 1, -1, np.int32)
    row[unit] = np.arange(len(unit))
    entries = batch.ptr, batch.case, batch.level, batch.place, multi, learning.sampled and not multi
    at_once = max(1, bucket // max(1, rows.strides[0]))
    waiting = []
    for first in range(0, len(unit), at_once):
        last = min(first + at_once, len(unit))
        span = int(unit[first]), int(unit[last - 1]) + 1
        backend().units_gradient(*entries, phase, state.machine, row, rows, *span)
        waiting.append((first, last, exchange.begin(rows[first:last])))
    return waiting
