"""Learning of machines for choices: multi-prediction, and contrastive divergence with sparse or exact fantasies."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import DivergenceError
from harmonium.events import ChoiceEpochEnded, Event
from harmonium.kernels.choice_arrays import EPS
from harmonium.kernels.choices import Alias, Sparse, alias, transposed
from harmonium.kernels.devices import CPU, Device
from harmonium.models.couplings import Dense, Neighbours
from harmonium.models.multinomial_rbm import MultinomialMachine
from harmonium.randomness import key_of
from harmonium.training.settings import check_choice, check_count, check_number, check_share

Floats = npt.NDArray[np.float32]
Lateral = Callable[[Sparse], Floats]
METHODS = ("multi-prediction", "cd", "cd-softmax")
SCHEDULES = ("constant", "linear", "cosine")
RATES = {"multi-prediction": 0.008, "cd": 0.05, "cd-softmax": 0.05}
INITIAL_SPREAD = 0.01  # standard deviation of the first weights
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
        if self.schedule == "linear":
            return rate * (1 - progress)
        return rate * 0.5 * (1 + math.cos(math.pi * progress)) if self.schedule == "cosine" else rate


_COUNTS = (
    ("n_hidden", 1, 65_536),
    ("n_epochs", 1, 1_000_000),
    ("batch_size", 1, 1_000_000),
    ("n_gibbs", 1, 1_000),
    ("n_moves", 1, 1_000),
    ("patience", 0, 1_000_000),
    ("measure_every", 1, 1_000_000),
)


@dataclass
class ChoiceState:
    """What learning changes in place.

    Parameters
    ----------
    machine : MultinomialMachine
    scale : float32 array, (1,)
        Of the lateral field.
    moments : dict
        Of Adam, by parameter.
    square : float32 array, (n_items, 2)
        Of Adagrad; see `kernels.choices_reference.sparse_step`.
    c_square : float32 array, (n_hidden,)
    steps : int
    couplings : float32 array, (n_items, n_items), or None
        Lateral couplings that learn too.
    touched : int array, or None
        Items that the last step of contrastive divergence changed, where that is known.
    device : Device
        Where the arrays lie.
    """

    machine: MultinomialMachine
    scale: Floats
    moments: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)
    square: Floats | None = None
    c_square: Floats | None = None
    steps: int = 0
    couplings: Floats | None = None
    touched: npt.NDArray[np.int32] | None = None
    device: Device = CPU

    @property
    def kernels(self) -> ModuleType:
        """The kernels for choices that take the arrays."""
        return self.device.choices

    def to(self, device: Device) -> "ChoiceState":
        """Move a state that has not begun to learn to a device; returns the state itself.

        Parameters
        ----------
        device : Device
        """
        machine = self.machine
        self.machine = MultinomialMachine(*device.placed((machine.W, machine.b, machine.c)))
        self.scale, self.couplings = device.placed(self.scale), device.placed(self.couplings)
        self.device = device
        return self

    def learned(self) -> tuple[MultinomialMachine, float, Floats | None]:
        """The machine, the scale of the lateral field and the couplings, as NumPy has them."""
        machine = self.machine
        arrays = (machine.W, machine.b, machine.c), self.scale, self.couplings
        of_machine, scale, couplings = self.device.fetched(arrays)
        return MultinomialMachine(*of_machine), float(scale[0]), couplings

    def fields(self, x: Sparse, lateral: Lateral | None = None) -> Floats:
        """Fields of the items after one mean-field pass, (n_rows, n_items); from and to arrays of NumPy.

        Parameters
        ----------
        x : sparse, (n_rows, n_items)
        lateral : callable, optional
        """
        machine = self.machine
        with self.device.learning():
            x = self.device.placed(x)
            found = self.kernels.hidden_means(x, machine.W, machine.c) @ machine.W.T
            found += machine.b
            if lateral is not None:
                found += self.scale * lateral(x)
            return self.device.fetched(found)

    def adam(self, name: str, x: Floats, gradient: Floats, rate: float) -> None:
        """Step one parameter downhill.

        Parameters
        ----------
        name : str
        x, gradient : float32 arrays
        rate : float
        """
        if name not in self.moments:
            self.moments[name] = self.kernels.zeros_like(x), self.kernels.zeros_like(x)
        self.kernels.adam(x, gradient, self.moments[name], rate, self.steps)


def first_state(popularity: npt.NDArray[np.integer], n_hidden: int, seed: int, scale: float) -> ChoiceState:
    """Small random weights, visible biases at log popularity.

    Parameters
    ----------
    popularity : int array, (n_items,)
    n_hidden : int
    seed : int
    scale : float
        Of the lateral field, at first.
    """
    rng = np.random.default_rng([seed, 0])
    W = rng.standard_normal((len(popularity), n_hidden), dtype=np.float32) * np.float32(INITIAL_SPREAD)
    b = np.log((popularity + 0.5) / (popularity + 0.5).sum()).astype(np.float32)
    machine = MultinomialMachine(W, b, np.zeros(n_hidden, np.float32))
    return ChoiceState(machine, np.array([scale], np.float32))


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
) -> Iterator[Event]:
    """Learn until the epochs are used up, or validation users stop gaining.

    Parameters
    ----------
    state : ChoiceState
        Changed in place; holds the best machine at the end.
    x : sparse, (n_users, n_items)
    popularity : int array, (n_items,)
    learning : ChoiceLearning
    seed : int
    lateral : callable, optional
        Lateral fields of histories, before the scale.
    score : callable, optional
        nDCG@100 of the state on validation users.
    coupling_rate : float
        Learning rate of `state.couplings`.
    first_epoch : int
        Number of the first epoch, for the draws.

    Yields
    ------
    Event

    Raises
    ------
    DivergenceError
        Weights or the loss are no finite numbers any more.
    """
    users, there = np.flatnonzero(np.diff(x[0])), state.device.placed(x)
    table = state.device.placed(proposals(popularity)) if learning.method == "cd" else None
    best: tuple[float, int, Any] = (-math.inf, 0, None)
    for epoch in range(learning.n_epochs):
        began, rate = time.perf_counter(), learning.rate_at(epoch / learning.n_epochs)
        rng, key = np.random.default_rng([seed, 1, first_epoch + epoch]), key_of(seed, 2, first_epoch + epoch)
        loss = 0.0
        with state.device.learning():
            for case, first in batches(state.device, there, np.diff(x[0]), rng.permutation(users), learning.batch_size):
                state.steps += 1
                if learning.method == "multi-prediction":
                    loss += multi_prediction_step(state, case, learning, rate, rng, lateral, coupling_rate)
                else:
                    cd_step(state, case, first, key, learning, rate, table)
            loss = float(loss)
            _check_divergence(state, loss, learning, rate)
        seconds, last = time.perf_counter() - began, epoch + 1 == learning.n_epochs
        measured = score() if score and (last or (epoch + 1) % learning.measure_every == 0) else None
        if measured is not None and measured > best[0]:
            best = measured, epoch, _copied(state)
        per_choice = loss / max(1.0, float(x[2].sum())) if learning.method == "multi-prediction" else None
        yield ChoiceEpochEnded(epoch + 1, learning.n_epochs, seconds, per_choice, rate, measured)
        if learning.patience and score and epoch - best[1] >= learning.patience:
            break
    if best[2] is not None:
        state.machine, state.scale, state.couplings = best[2]


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


def _copied(state: ChoiceState) -> tuple[MultinomialMachine, Floats, Floats | None]:
    machine, copied = state.machine, state.kernels.copied
    couplings = None if state.couplings is None else copied(state.couplings)
    return MultinomialMachine(*map(copied, (machine.W, machine.b, machine.c))), copied(state.scale), couplings


def _check_divergence(state: ChoiceState, loss: float, learning: ChoiceLearning, rate: float) -> None:
    machine = state.machine
    touched = slice(None) if state.touched is None else state.touched
    largest = max(state.kernels.largest(array) for array in (machine.W[touched], machine.b[touched], machine.c))
    if not (largest < LARGEST_WEIGHT and math.isfinite(loss)):
        raise DivergenceError(
            f"learning_rate {rate:g} with method {learning.method!r} is too high for these data: try {rate / 10:g}"
        )
