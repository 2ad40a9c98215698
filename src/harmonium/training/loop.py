"""The loop: an iterator of events over epochs, that stops early, on divergence and on Ctrl-C with the best model."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.data.shards import Shards
from harmonium.events import Began, Ended, EpochEnded, Event
from harmonium.kernels import backend
from harmonium.kernels.alignment import room
from harmonium.kernels.records import Layout, Phase
from harmonium.kernels.reference import optimise
from harmonium.models.level_rbm import LevelRBM
from harmonium.randomness import key_of
from harmonium.training import on_device
from harmonium.training.batches import Batch, Chunk, epoch_batches
from harmonium.training.settings import Learning, slower
from harmonium.training.state import State

LARGEST_WEIGHT = 1e3  # a field of this size has saturated every unit it reaches: learning has diverged


class Score(NamedTuple):
    """How a machine does on validation ratings."""

    rmse: float
    log_loss: float
    free_energy_gap: float


def train(
    state: State,
    cases: Shards,
    learning: Learning,
    *,
    machine: str = "users",
    phase: str = "final",
    score: Callable[[LevelRBM], Score] | None = None,
    n_epochs: int | None = None,
    run: Callable[[], None] | None = None,
) -> Iterator[Event]:
    """Learn until the epochs are used up, the validation error stops falling, or something ends it.

    Parameters
    ----------
    state : State
        Changed in place; `state.best` holds the best model so far.
    cases : Shards
        One case a row.
    learning : Learning
    machine, phase : str
        Names that the events carry.
    score : callable, optional
        How a model does on validation ratings; without it the last epoch is the best one.
    n_epochs : int, optional
        Where to stop, when that is before `learning.n_epochs`; the schedule stays the same.
    run : callable, optional
        One pass over the data that changes `state`, where it is not this process's alone to make.

    Yields
    ------
    Event
        `Began`, one `EpochEnded` an epoch, `Ended`.
    """
    n_epochs = learning.n_epochs if n_epochs is None else n_epochs
    n_ratings, chunks = cases.n_ratings, [] if run else Chunk.all_of(cases)
    if state.device.on_torch:
        yield on_device.announcement(state.device, cases, state.n_hidden, learning)
    n_busy = sum(chunk.n_busy for chunk in chunks)
    yield Began(machine, phase, n_busy, n_ratings, n_epochs, state.epoch, state.device.title)
    reason, advice = "finished", ""
    try:
        while state.epoch < n_epochs:
            if score and learning.patience and state.epoch - state.best_epoch >= learning.patience:
                reason = "early stopping"  # asked before an epoch, so that a resumed run asks as well
                break
            began, state.whole = time.perf_counter(), False
            run() if run else run_epoch(state, chunks, learning)
            state.take_average(learning.averaging)
            seconds = time.perf_counter() - began
            advice = _divergence(state, learning)
            if advice:
                reason = "diverged"
                break
            rbm = state.rbm()
            outcome = score(rbm) if score else None
            if outcome and not np.isfinite(outcome.rmse):
                reason, advice = "diverged", slower(learning.learning_rate, learning.optimizer)
                break
            _remember(state, rbm, outcome)
            state.whole = True
            yield EpochEnded(
                machine, phase, state.epoch, n_epochs, seconds, n_ratings / seconds,
                learning.rate_at((state.epoch - 1) / learning.n_epochs), *(outcome or (None, None, None)),
                state.best_epoch,
            )  # fmt: skip
    except KeyboardInterrupt:
        reason = "interrupted"
    yield Ended(machine, phase, reason, state.epoch, state.best_epoch, advice)


def run_epoch(state: State, chunks: Sequence[Chunk], learning: Learning) -> None:
    """One pass over the data, in place.

    Parameters
    ----------
    state : State
    chunks : sequence of Chunk
        Of the same cases all along. Several come in random order, one in memory at a time.
    learning : Learning
    """
    order = state.rng.permutation(len(chunks)).tolist() if len(chunks) > 1 else [0]
    n_batches, done = [chunk.n_batches(learning.batch_size) for chunk in chunks], 0
    for number in order:
        _run_chunk(state, chunks[number], number, learning, done, sum(n_batches))
        done += n_batches[number]
    state.epoch += 1


def _run_chunk(state: State, chunk: Chunk, number: int, learning: Learning, done: int, n_batches: int) -> None:
    """One pass over a chunk, after `done` of the epoch's mini-batches."""
    where = chunk.load()
    if state.device.on_torch:
        progress = [(state.epoch + k / n_batches) / learning.n_epochs for k in range(done, n_batches)]
        keys = _keys(state, number, _parts(state, learning))
        on_device.run_chunk(state, where, learning, keys, [learning.rate_at(p) for p in progress], chunk.first_entry)
        return
    batches = list(epoch_batches(where, learning.batch_size, state.rng))
    n_features = state.machine.phi.shape[1]
    most = max((len(batch.case) for batch in batches), default=0)
    n_hidden = len(state.machine.c)
    size = min(learning.batch_size, len(where.indptr) - 1)
    phase = Phase(
        room((size, n_hidden)),
        room((size, n_hidden)),
        np.empty((most, max(1, n_features - state.machine.conditional)), np.float32),
    )
    chain = chain_of(state, chunk.first_entry, len(where.level), learning)
    for k, batch in enumerate(batches, start=done):
        rate = learning.rate_at((state.epoch + k / n_batches) / learning.n_epochs)
        first_pass(state, where, learning, batch, phase, number, chain)
        step = state.step(learning, rate)
        multi = learning.method == "multi-prediction"
        how = multi, learning.sampled and not multi
        where_to = batch.ptr, batch.case, batch.level, batch.place
        backend().units_step(*where_to, *how, phase, state.machine, state.moments, step)
        n = len(batch.cases)
        gradient = phase.H1[:n].sum(axis=0)
        optimise(state.machine.c, gradient, *state.c_moments, step.rate, step)


def chain_of(state: State, first_entry: int, n_entries: int, learning: Learning) -> npt.NDArray[np.uint8]:
    """Fantasies' levels of a chunk: the persistent ones, or room for those that CD draws.

    Parameters
    ----------
    state : State
    first_entry, n_entries : int
        Of the chunk, among all that `state` has chains of.
    learning : Learning
    """
    if learning.method == "pcd":
        return state.chain[first_entry:][:n_entries]
    return np.empty(n_entries if learning.sampled else 0, np.uint8)


def first_pass(
    state: State, where: Layout, learning: Learning, batch: Batch, phase: Phase, number: int, chain: npt.NDArray
) -> None:
    """Hidden units and fields of a mini-batch, into `phase`, by the method of learning.

    Parameters
    ----------
    state : State
    where : Layout
    learning : Learning
    batch : Batch
    phase : Phase
    number : int
        Of the chunk.
    chain : uint8 array, (n_entries,)
        Fantasies' levels of the chunk; empty when nothing is drawn.
    """
    keys = _keys(state, number, _parts(state, learning))
    if learning.method == "multi-prediction":
        backend().mp_phase(batch.cases, where, state.machine, keys, learning.keep, learning.hidden_dropout, phase)
        return
    backend().cd_phase(
        batch.cases, where, state.machine, keys, learning.sampled, chain, learning.method == "pcd", phase
    )


def _parts(state: State, learning: Learning) -> int:
    """How many keys a pass draws by: a half-sweep each, or what is kept and hidden dropout."""
    return 2 if learning.method == "multi-prediction" else 2 * learning.steps_at(state.epoch)


def _keys(state: State, number: int, parts: int) -> npt.NDArray[np.uint64]:
    """Keys of an epoch's draws in one chunk; cases count from 0 in every chunk, so that each has keys of its own."""
    chunk = (number,) if number else ()
    return np.array([key_of(state.seed, state.epoch, part, *chunk) for part in range(parts)])


def _remember(state: State, rbm: LevelRBM, outcome: Score | None) -> None:
    error = -float(state.epoch) if outcome is None else outcome.rmse
    if error < state.best_error:
        state.best, state.best_error, state.best_epoch = rbm, error, state.epoch


def _divergence(state: State, learning: Learning) -> str:
    arrays = state.machine.W, state.machine.b, state.machine.c
    fine = all(array.min() > -LARGEST_WEIGHT and array.max() < LARGEST_WEIGHT for array in arrays)  # not so for NaN
    return "" if fine else slower(learning.learning_rate, learning.optimizer)
