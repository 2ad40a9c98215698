"""A whole run of a Boltzmann machine's learning: its frame of events, its checkpoints, and what ends it."""

import time
from collections.abc import Callable, Iterator

from harmonium.errors import DivergenceError
from harmonium.events import Began, Ended, Event, Saved
from harmonium.training import checkpoints
from harmonium.training.boltzmann import Monitor, train
from harmonium.training.boltzmann_state import BoltzmannLearning, BoltzmannState
from harmonium.training.dense.chains import Cases, size

MACHINE = "boltzmann"
Keep = Callable[[BoltzmannState], Saved]


def run(
    state: BoltzmannState,
    v: Cases,
    learning: BoltzmannLearning,
    *,
    monitor: Monitor | None = None,
    keep: Keep | None = None,
    machine: str = MACHINE,
) -> Iterator[Event]:
    """Learn until the epochs are used up, or something ends it.

    Parameters
    ----------
    state : BoltzmannState
        Changed in place; with every `BoltzmannEpoch`, `state.bm` is a good model.
    v : float64 array or csr_array, (n_cases, n_visible)
    learning : BoltzmannLearning
    monitor : callable, optional
        See `boltzmann.train`.
    keep : callable, optional
        Writes a state to a file; called every 20 seconds and at the end.
    machine : str
        What events call it.

    Yields
    ------
    Event
        `Began`, one `BoltzmannEpoch` an epoch, `Saved`, `Ended`.
    """
    n_cases, n_visible = size(v)
    yield Began(machine, "final", n_cases, n_cases * n_visible, learning.n_epochs, state.epoch)
    reason, advice, last, saved = "finished", "", state.epoch, time.monotonic()
    try:
        for event in train(state, v, learning, monitor):
            last = event.epoch
            yield event
            if keep is not None and time.monotonic() - saved > checkpoints.SAVE_EVERY:
                saved = time.monotonic()
                yield keep(state)
    except KeyboardInterrupt:
        reason = "interrupted"
    except DivergenceError as error:
        reason, advice = "diverged", str(error)
    if keep is not None and reason == "finished":
        yield keep(state)
    yield Ended(machine, "final", reason, state.epoch, last, advice)


def check_learnt(ended: Ended, first_epoch: int) -> None:
    """Raise where nothing was learnt.

    Parameters
    ----------
    ended : Ended
    first_epoch : int
        That of `Began`.

    Raises
    ------
    DivergenceError, KeyboardInterrupt
        Before any epoch ended well learning diverged, or Ctrl-C came.
    """
    if ended.best_epoch > first_epoch:
        return
    if ended.reason == "diverged":
        raise DivergenceError(f"learning diverged before any epoch ended well: {ended.advice}")
    if ended.reason == "interrupted":
        raise KeyboardInterrupt
