"""The loop of dense learning: an iterator of events over epochs; however it ends, the best model so far is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy import sparse

from harmonium import storage
from harmonium.errors import DivergenceError, SettingError
from harmonium.events import Allocates, Began, DenseEpochEnded, Ended, Event, Saved
from harmonium.kernels.devices import CPU, Device
from harmonium.training import checkpoints, ladder
from harmonium.training.dense import few, on_device
from harmonium.training.dense import state as states
from harmonium.training.dense.chains import Cases, begin_at_cases, densely, fingerprint, size
from harmonium.training.dense.records import Model
from harmonium.training.dense.settings import CHAINS, DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.dense.update import Outcome, update
from harmonium.training.dense.workspace import Workspace
from harmonium.training.settings import slower

CHECKPOINT = "dense-checkpoint"
MACHINE = "rbm"
LARGEST_WEIGHT = 1e3  # a field of this size has saturated every unit it reaches: learning has diverged
Monitor = Callable[[Any, State], Mapping[str, float]]


def train(
    state: State,
    X: Cases,
    learning: DenseLearning,
    *,
    monitor: Monitor | None = None,
    score: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    run: Callable[[], Outcome] | None = None,
    device: Device = CPU,
) -> Iterator[Event]:
    """Learn until the epochs are used up, the score stops rising, or something ends it.

    Parameters
    ----------
    state : State
        Changed in place; `state.best` holds the best model so far.
    X : float32 array or csr_array, (n_cases, n_visible)
    learning : DenseLearning
    monitor : callable, optional
        From the model and the state to what is to be reported, once an epoch.
    score : str, optional
        Which of the monitor's numbers chooses the best epoch, higher being better; without it the last one is best.
    checkpoint : path, optional
        Written every 20 seconds and at the end.
    run : callable, optional
        One pass over the data that changes `state`, where it is not this process's alone to make.
    device : Device
        What learning runs on; before and afterwards the state's arrays are NumPy's.

    Yields
    ------
    Event
        `Began`, one `DenseEpochEnded` an epoch, `Saved`, `Ended`.
    """
    if device.on_torch:
        yield _announced(state, X, learning, device)
    yield Began(MACHINE, "final", size(X)[0], int(np.prod(size(X))), learning.n_epochs, state.epoch, device.title)
    reason, advice, saved = "finished", "", time.monotonic()
    if run is None:
        begin_chains(state, X, learning)
    try:
        state.to(device)
        held = device.kernels.cases_on(X, device.torch_name)
        work = workspace(state, X, learning) if run is None else Workspace(0, 0, 0, 0)
        while state.epoch < learning.n_epochs and reason == "finished":
            began = time.perf_counter()
            try:
                outcome = run() if run else run_epoch(state, held, learning, work)
            except DivergenceError as error:
                reason, advice = "diverged", f"{error}; {slower(learning.learning_rate, learning.optimizer)}"
                break
            seconds = time.perf_counter() - began
            rbm, advice = good_model(state, learning)
            if rbm is None:
                reason = "diverged"
                break
            monitored = (dict(monitor(rbm, state.seen())) if monitor else {}) | _ladder(state, learning)
            value = monitored.get(score) if score else None
            if value is not None and not np.isfinite(value):
                reason, advice = "diverged", slower(learning.learning_rate, learning.optimizer)
                break
            _remember(state, rbm, value)
            if score and learning.patience and state.epoch - state.best_epoch >= learning.patience:
                reason = "early stopping"
            yield DenseEpochEnded(
                MACHINE, state.epoch, learning.n_epochs, seconds, size(X)[0] / seconds,
                learning.rate_at((state.epoch - 1) / learning.n_epochs), outcome.n_steps, outcome.objective,
                monitored, value, state.best_epoch,
            )  # fmt: skip
            if checkpoint is not None and time.monotonic() - saved > checkpoints.SAVE_EVERY:
                saved = time.monotonic()
                yield save(checkpoint, state, learning, X)
    except KeyboardInterrupt:
        reason = "interrupted"
    finally:
        state.to(CPU)
    if checkpoint is not None and reason in ("finished", "early stopping"):
        yield save(checkpoint, state, learning, X)
    yield Ended(MACHINE, "final", reason, state.epoch, state.best_epoch, advice)


def begin_chains(state: State, X: Cases, learning: DenseLearning) -> None:
    """Start persistent chains at cases spread over the data, where the method has them and there are none yet.

    Parameters
    ----------
    state : State
    X : float32 array or csr_array, (n_cases, n_visible)
    learning : DenseLearning
    """
    states.begin_chains(state, learning, densely(X, _first_cases(X, learning)))
    begin_at_cases(state, X, learning)


def workspace(state: State, X: Cases, learning: DenseLearning) -> Workspace:
    """Buffers for learning from these cases.

    Parameters
    ----------
    state : State
    X : float32 array or csr_array, (n_cases, n_visible)
    learning : DenseLearning
    """
    batch = min(learning.batch_size, size(X)[0])
    if learning.method not in CHAINS:
        return Workspace(0, 0, 0, 0)
    kept = len(state.v) if states.persistent(state, learning) else 0  # chains go on, whatever is asked for by now
    return Workspace(state.visible.width, state.hidden.width, kept or n_chains(X, learning), batch, state.device)


def n_chains(X: Cases, learning: DenseLearning) -> int:
    """Chains of the negative phase: as many as asked for, or as there are cases in a mini-batch.

    Parameters
    ----------
    X : float32 array or csr_array, (n_cases, n_visible)
    learning : DenseLearning
    """
    batch = min(learning.batch_size, size(X)[0])
    return batch if learning.method == "cd" else learning.n_chains or batch


def run_epoch(state: State, X: Cases, learning: DenseLearning, work: Workspace) -> Outcome:
    """One pass over the data, in place.

    Parameters
    ----------
    state : State
    X : float32 array or csr_array, (n_cases, n_visible)
    learning : DenseLearning
    work : Workspace

    Returns
    -------
    Outcome
        Averaged over the updates.
    """
    order = state.rng.permutation(size(X)[0])
    if few.applies(state, X, learning):
        few.run(state, X, order, learning, work)  # type: ignore[arg-type]
        state.v[...] = work.V[: len(state.v)]
        state.epoch += 1
        return Outcome(learning.n_steps, None)
    width, kernels, where = learning.batch_size, state.device.kernels, state.device.torch_name
    order = kernels.to_device(order, where)
    batches = [order[k : k + width] for k in range(0, len(order), width)]
    outcomes = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"), kernels.learning(where):  # see `good_model`
        for k, rows in enumerate(batches):
            rate = learning.rate_at((state.epoch + k / len(batches)) / learning.n_epochs)
            outcomes.append(update(state, X, rows, learning, work, rate))
        kernels.finish(where)
    if learning.method == "pcd" and len(state.v) and not state.mask.size:
        state.v[...] = work.V[: len(state.v)]
    state.epoch += 1
    values = [o.objective for o in outcomes if o.objective is not None]
    mean_steps = float(np.mean([o.n_steps for o in outcomes]))
    return Outcome(mean_steps, float(np.mean(values)) if values else None)


def _ladder(state: State, learning: DenseLearning) -> dict[str, float]:
    """Swap rates of the epoch; the ladder moves by them during burn-in."""
    found = ladder.measured(state.betas, state.swaps)
    progress = state.epoch / learning.n_epochs
    state.betas = ladder.moved(state.betas, state.swaps, progress, learning.ladder_burn_in)
    state.swaps = ladder.blank(len(state.betas))
    return found


def _first_cases(X: Cases, learning: DenseLearning) -> np.ndarray:
    """Cases that persistent chains begin at, spread over the data."""
    n = n_chains(X, learning)
    return np.arange(n) * size(X)[0] // n if n <= size(X)[0] else np.arange(n) % size(X)[0]


def good_model(state: State, learning: DenseLearning) -> tuple[Model | None, str]:
    """The model after an epoch, or None with advice where learning has diverged.

    Parameters
    ----------
    state : State
    learning : DenseLearning
    """
    if not all(float(abs(a).max()) < LARGEST_WEIGHT for a in state.arrays.values()):  # not so for NaN
        return None, slower(learning.learning_rate, learning.optimizer)
    try:
        rbm = state.model()
    except SettingError as error:  # two unbounded layers have left the region where there is a joint law
        return None, f"{error}; {slower(learning.learning_rate, learning.optimizer)}"
    state.fix_gauge(rbm)
    return rbm, ""


def _announced(state: State, X: Cases, learning: DenseLearning, device: Device) -> Allocates:
    n_rows = n_chains(X, learning) + min(learning.batch_size, size(X)[0])
    n_entries = 3 * X.nnz if isinstance(X, sparse.csr_array) else int(np.prod(size(X)))
    return on_device.announcement(device, state.visible, state.hidden, learning, n_entries, n_rows)


def _remember(state: State, rbm: Model, score: float | None) -> None:
    value = float(state.epoch) if score is None else score
    if value > state.best_score:
        state.best, state.best_score, state.best_epoch = rbm, value, state.epoch


def save(path: str | os.PathLike[str], state: State, learning: DenseLearning, X: Cases) -> Saved:
    """Write a checkpoint from which `resume` goes on bit for bit.

    Parameters
    ----------
    path : path
    state : State
    learning : DenseLearning
    X : float32 array or csr_array, (n_cases, n_visible)
    """
    header, arrays = states.to_parts(state)
    storage.write(path, CHECKPOINT, {"state": header, "ask": _ask(learning, X)}, arrays)
    return Saved(os.fspath(path), MACHINE, "final", state.epoch)


def resume(path: str | os.PathLike[str], learning: DenseLearning, X: Cases) -> State:
    """Return the state of a checkpoint of the same learning from the same cases.

    Parameters
    ----------
    path : path
    learning : DenseLearning
    X : float32 array or csr_array, (n_cases, n_visible)

    Raises
    ------
    ModelFileError
        The checkpoint is of other cases or settings.
    """
    header, arrays = checkpoints.read(path, CHECKPOINT, _ask(learning, X))
    return states.from_parts(header["state"], arrays)


def _ask(learning: DenseLearning, X: Cases) -> dict[str, Any]:
    """What a checkpoint must agree on."""
    return {**vars(learning), "cases": fingerprint(X)}


def finished(state: State, reason: str, advice: str) -> Model:
    """Return the best model of a run that ended.

    Parameters
    ----------
    state : State
    reason, advice : str
        Of the `Ended` event.

    Raises
    ------
    DivergenceError
        No epoch ended well.
    """
    if state.best is None:
        raise DivergenceError(f"learning {reason} before any epoch ended well: {advice or 'there is no model yet'}")
    return state.best
