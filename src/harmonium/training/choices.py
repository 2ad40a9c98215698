"""Learning of machines for choices: multi-prediction, and contrastive divergence with sparse or exact fantasies."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.events import Began, ChoiceEpochEnded, Ended, Event
from harmonium.kernels.choice_arrays import EPS
from harmonium.kernels.choices import Alias, Sparse, alias, transposed
from harmonium.kernels.devices import Device
from harmonium.models.couplings import Dense, Neighbours
from harmonium.randomness import key_of
from harmonium.training.choice_state import ChoiceState
from harmonium.training.settings import (
    SCHEDULES,
    check_choice,
    check_count,
    check_number,
    check_share,
    scheduled,
    slower,
)

Floats = npt.NDArray[np.float32]
Lateral = Callable[[Sparse], Floats]
METHODS = ("multi-prediction", "cd", "cd-softmax")
RATES = {"multi-prediction": 0.008, "cd": 0.05, "cd-softmax": 0.05}
UNIFORM_SHARE = 0.1  # of the proposals, so that every item can be proposed
POPULARITY_POWER = 0.75  # of the rest (Mikolov et al. 2013, section 2.2)
LARGEST_WEIGHT = 1e3


@final
@dataclass(frozen=True)
class ChoiceLearning:
    """How a machine for choices learns. Raises SettingError, by name and allowed range, on construction.

    Parameters
    ----------
    method : str
        "multi-prediction" (follow the log probability of a whole history given a part of it), "cd" (contrastive
        divergence with fantasies drawn by Metropolis-Hastings, at a cost that does not depend on the number of items),
        or "cd-softmax" (the same with draws from the exact softmax).
    n_hidden : int
    keep : float
        Probability that multi-prediction keeps a choice as evidence.
    hidden_dropout : float
        Probability that multi-prediction drops a hidden unit.
    n_epochs, batch_size : int
    learning_rate : float or None
        Of Adam (multi-prediction) or Adagrad (the others); None takes .008 or .05.
    schedule : str
        "constant", or "linear" or "cosine" down to 0 over `n_epochs`.
    weight_decay : float
        L2 penalty of the weights; of CD for every step that touches an item.
    length_power : float
        A history of multi-prediction counts by its length to one less this power: 0 counts choices alike, 1 people.
    n_gibbs, n_moves : int
        Sweeps of CD, and Metropolis-Hastings moves of each choice in a sweep of "cd".
    patience : int
        Epochs without a better nDCG@100 on validation users after which learning stops; 0 never stops early. The best
        machine is kept.
    measure_every : int
        Epochs between two looks at validation users.
    """

    method: str = "multi-prediction"
    n_hidden: int = 200
    keep: float = 0.5
    hidden_dropout: float = 0.5
    n_epochs: int = 40
    batch_size: int = 200
    learning_rate: float | None = None
    schedule: str = "cosine"
    weight_decay: float = 0.0
    length_power: float = 0.5
    n_gibbs: int = 1
    n_moves: int = 4
    patience: int = 0
    measure_every: int = 5

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_number("keep", self.keep, 0.01, 1.0)
        check_share("hidden_dropout", self.hidden_dropout, 0.0, 1.0)
        check_number("length_power", self.length_power, -1.0, 2.0)
        check_number("weight_decay", self.weight_decay, 0.0, 10.0)
        if self.learning_rate is not None:
            check_number("learning_rate", self.learning_rate, 1e-9, 10.0)
        for name, low, high in _COUNTS:
            check_count(name, getattr(self, name), low, high)

    def rate_at(self, progress: float) -> float:
        """Learning rate when a share `progress` of all epochs is done."""
        rate = RATES[self.method] if self.learning_rate is None else self.learning_rate
        return scheduled(rate, self.schedule, progress)


_COUNTS = (
    ("n_hidden", 1, 65_536),
    ("n_epochs", 1, 1_000_000),
    ("batch_size", 1, 1_000_000),
    ("n_gibbs", 1, 1_000),
    ("n_moves", 1, 1_000),
    ("patience", 0, 1_000_000),
    ("measure_every", 1, 1_000_000),
)


def lateral_on(device: Device, couplings: Dense | Neighbours) -> Lateral:
    """What maps histories on a device to their lateral fields there, before the scale; the couplings are copied to it.

    Parameters
    ----------
    device : Device
    couplings : Dense or Neighbours
        Without pairs.
    """
    kernels = device.choices
    if not device.on_torch:
        return couplings.scores
    if isinstance(couplings, Dense):
        B = device.placed(couplings.B)
        return lambda x: kernels.sum_rows(x, B)
    n = len(couplings.indptr) - 1
    columns = device.placed(transposed((couplings.indptr, couplings.item, couplings.value), n))
    return lambda x: kernels.product_by_columns(x, columns, n)


def proposals(popularity: npt.NDArray[np.integer]) -> Alias:
    """What Metropolis-Hastings proposes: items by a power of their popularity, and now and then any item.

    Parameters
    ----------
    popularity : int array, (n_items,)
    """
    often = popularity.astype(np.float64) ** POPULARITY_POWER
    return alias((1 - UNIFORM_SHARE) * often / often.sum() + UNIFORM_SHARE / len(often))


def train(
    state: ChoiceState,
    x: Sparse,
    popularity: npt.NDArray[np.integer],
    learning: ChoiceLearning,
    seed: int,
    lateral: Lateral | None = None,
    score: Callable[[], float] | None = None,
    coupling_rate: float = 0.0,
    first_epoch: int = 0,
    *,
    machine: str = "choices",
    phase: str = "final",
) -> Iterator[Event]:
    """Learn until the epochs are used up, validation users stop gaining, or something ends it.

    Parameters
    ----------
    state : ChoiceState
        Changed in place; however it ends, `state.best` holds the best machine so far, once an epoch has ended.
    x : sparse, (n_users, n_items)
    popularity : int array, (n_items,)
    learning : ChoiceLearning
    seed : int
    lateral : callable, optional
        Lateral fields of histories, before the scale.
    score : callable, optional
        nDCG@100 of the state on validation users; without it the last epoch is the best one.
    coupling_rate : float
        Learning rate of `state.couplings`.
    first_epoch : int
        Number of the first epoch, for the draws.
    machine, phase : str
        Names that the events carry.

    Yields
    ------
    Event
        `Began`, one `ChoiceEpochEnded` an epoch, `Ended`.
    """
    lengths, there = np.diff(x[0]), state.device.placed(x)
    table = state.device.placed(proposals(popularity)) if learning.method == "cd" else None
    users = np.flatnonzero(lengths)
    yield Began(machine, phase, len(users), len(x[1]), learning.n_epochs, state.epoch, of="choices")
    reason, advice = "finished", ""
    try:
        while state.epoch < learning.n_epochs:
            if score and _no_gain(state, learning):
                reason = "early stopping"  # asked before an epoch, so that a resumed run asks as well
                break
            began, rate = time.perf_counter(), learning.rate_at(state.epoch / learning.n_epochs)
            loss = _epoch(
                state, there, lengths, users, learning, rate, (seed, first_epoch), table, lateral, coupling_rate
            )
            advice = _divergence(state, loss, learning, rate)
            if advice:
                reason = "diverged"
                break
            seconds = time.perf_counter() - began
            measured = score() if score and _is_measured(state, learning) else None
            state.remember(measured)
            per_choice = loss / max(1.0, float(x[2].sum())) if learning.method == "multi-prediction" else None
            yield ChoiceEpochEnded(state.epoch, learning.n_epochs, seconds, per_choice, rate, measured)
    except KeyboardInterrupt:
        reason = "interrupted"
    yield Ended(machine, phase, reason, state.epoch, state.best_epoch, advice)


def _epoch(
    state: ChoiceState,
    x: Any,
    lengths: npt.NDArray[np.integer],
    users: npt.NDArray[np.integer],
    learning: ChoiceLearning,
    rate: float,
    draws: tuple[int, int],
    table: Alias | None,
    lateral: Lateral | None,
    coupling_rate: float,
) -> float:
    """One pass over the users' choices, in place, its draws by a seed and an epoch; the loss where there is one."""
    seed, number = draws[0], draws[1] + state.epoch
    rng, key, loss = np.random.default_rng([seed, 1, number]), key_of(seed, 2, number), 0.0
    order = rng.permutation(users)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"), state.device.learning():  # see `_divergence`
        for case, first in batches(state.device, x, lengths, order, learning.batch_size):
            state.steps += 1
            if learning.method == "multi-prediction":
                loss += multi_prediction_step(state, case, learning, rate, rng, lateral, coupling_rate)
            else:
                cd_step(state, case, first, key, learning, rate, table)
    state.epoch += 1
    return float(loss)


def _is_measured(state: ChoiceState, learning: ChoiceLearning) -> bool:
    """Whether validation users are looked at after the epoch that has ended."""
    return state.epoch == learning.n_epochs or state.epoch % learning.measure_every == 0


def _no_gain(state: ChoiceState, learning: ChoiceLearning) -> bool:
    measured = state.epoch > 0 and _is_measured(state, learning)
    return bool(learning.patience) and measured and state.epoch - state.best_epoch >= learning.patience


def batches(
    device: Device, x: Any, lengths: npt.NDArray[np.integer], order: npt.NDArray[np.integer], batch_size: int
) -> Iterator[tuple[Any, Any]]:
    """Mini-batches of histories, and the number of each one's first choice among all; all on a device.

    Parameters
    ----------
    device : Device
    x : sparse, (n_users, n_items)
        On the device.
    lengths : int array, (n_users,)
        Choices of each history.
    order : int array, (n,)
        Users.
    batch_size : int
    """
    rows = device.placed(order)
    for start in range(0, len(order), batch_size):
        some = slice(start, start + batch_size)
        yield device.choices.take(x, rows[some], int(lengths[order[some]].sum()))


def multi_prediction_step(
    state: ChoiceState,
    x: Sparse,
    learning: ChoiceLearning,
    rate: float,
    rng: np.random.Generator,
    lateral: Lateral | None = None,
    coupling_rate: float = 0.0,
) -> Any:
    """One step of Adam on -log p(whole history | the part of it that is kept); returns that loss, in nats.

    Parameters
    ----------
    state : ChoiceState
    x : sparse, (batch, n_items)
    learning : ChoiceLearning
    rate : float
    rng : Generator
    lateral : callable, optional
    coupling_rate : float

    Notes
    -----
    The field is b + W h + scale L(kept), h = sigmoid(c + kept W) with hidden units dropped out. Three dense products
    of batch x n_items x n_hidden; what touches the data is sparse.
    """
    machine, kernels, device = state.machine, state.kernels, state.device
    kept = kernels.thinned(x, device.sent(rng.random(len(x[1])) < learning.keep))
    h = kernels.hidden_means(kept, machine.W, machine.c)
    on = device.sent(rng.random(tuple(h.shape), dtype=np.float32) >= learning.hidden_dropout)
    on = kernels.masked(on, 1 / (1 - learning.hidden_dropout))
    dropped: Floats = h * on
    Z: Floats = dropped @ machine.W.T
    Z += machine.b
    across = None if lateral is None else lateral(kept)
    if across is not None:
        Z += state.scale * across
    loss = kernels.residual(Z, x).sum()
    Z *= _shares(kernels.row_sums(x), learning.length_power)[:, None]
    to_hidden: Floats = (Z @ machine.W) * on * h * (1 - h)
    backwards = kernels.transposed(kept, len(machine.b))
    of_W = Z.T @ dropped
    of_W += kernels.sum_rows(backwards, to_hidden)
    if learning.weight_decay:
        of_W += float(learning.weight_decay) * machine.W
    if state.couplings is not None and coupling_rate:
        of_B = kernels.sum_rows(backwards, Z)
        of_B *= state.scale
        kernels.clear_diagonal(of_B)
        state.adam("couplings", state.couplings, of_B, coupling_rate)
    state.adam("W", machine.W, of_W, rate)
    state.adam("b", machine.b, Z.sum(axis=0), rate)
    state.adam("c", machine.c, to_hidden.sum(axis=0), rate)
    if across is not None:
        state.adam("scale", state.scale, kernels.inner(Z, across), rate)
    return loss


def _shares(total: Floats, length_power: float) -> Floats:
    """What each row's gradient is multiplied by, from its sum: 1 / batch where all histories are equally long."""
    return (total / total.mean()) ** -length_power / len(total)


def cd_step(
    state: ChoiceState,
    x: Sparse,
    first: npt.NDArray[np.int64],
    key: np.uint64,
    learning: ChoiceLearning,
    rate: float,
    table: Alias | None,
) -> None:
    """One step of contrastive divergence: rows of items that occur in the data or the fantasies, and no others.

    Parameters
    ----------
    state : ChoiceState
    x : sparse, (batch, n_items)
    first : int64 array, (batch,)
        Number of each case's first entry among all.
    key : uint64
    learning : ChoiceLearning
    rate : float
    table : Alias or None
        Proposals; None draws from the exact softmax.
    """
    machine, kernels = state.machine, state.kernels
    where = machine.W, machine.b, machine.c
    if table is None:
        p, q, fantasy = kernels.exact_chains(x, first, key, *where, learning.n_gibbs)
    else:
        p, q, fantasy = kernels.chains(x, first, key, *where, table, learning.n_gibbs, learning.n_moves)
    if state.square is None or state.c_square is None:
        state.square = state.device.placed(np.zeros((len(machine.b), 2), np.float32))
        state.c_square = kernels.zeros_like(machine.c)
    state.touched = kernels.touched_step(
        x, fantasy, p, q, machine.W, machine.b, state.square, rate, learning.weight_decay
    )
    gradient = (p - q).sum(axis=0)
    c_square: Any = state.c_square
    c_square += gradient**2
    machine.c[...] += float(rate) * gradient / (c_square + EPS) ** 0.5


def _divergence(state: ChoiceState, loss: float, learning: ChoiceLearning, rate: float) -> str:
    """Advice where weights or the loss are no finite numbers any more; empty where all is well."""
    machine = state.machine
    touched = slice(None) if state.touched is None else state.touched
    with state.device.learning():
        largest = max(state.kernels.largest(array) for array in (machine.W[touched], machine.b[touched], machine.c))
    if largest < LARGEST_WEIGHT and math.isfinite(loss):  # not so for NaN
        return ""
    return slower(rate, f"method {learning.method!r}")
