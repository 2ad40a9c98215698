"""Wake and sleep: all layers of a deep belief network learn together, after each has learnt on its own.

Awake, states are drawn going up from data and what generates learns to make them; asleep, they are drawn going down
from the top machine's chains and what recognises learns to find them again. The top machine learns from both ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium import storage
from harmonium.errors import SettingError
from harmonium.events import Began, DenseEpochEnded, Ended, Event
from harmonium.kernels import backend
from harmonium.models import deep_belief
from harmonium.models import rbm as rbms
from harmonium.models.deep_belief import DeepBelief
from harmonium.models.rbm import RBM
from harmonium.randomness import as_generator, key_of
from harmonium.sampling import gibbs
from harmonium.training.dense.chains import Cases, densely, size
from harmonium.training.dense.loop import LARGEST_WEIGHT
from harmonium.training.dense.records import assembled
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.dense.state import nearest
from harmonium.training.dense.update import rule_of
from harmonium.units import layer_from
from harmonium.units.layer import Floats

MACHINE = "network"
ORDER, UP, TOP, DOWN, FIRST = range(5)  # parts of keys
f32 = np.float32
Arrays = dict[str, Floats]


@final
@dataclass
class UpDown:
    """Learning in progress; mutable.

    Parameters
    ----------
    best : DeepBelief
        The last good network.
    down : list of dict of float32 arrays
        What generates, the top machine last.
    up : list of dict of float32 arrays
        What recognises, one a directed layer.
    chains : float32 array, (n_chains, width)
        Visible states of the top machine.
    seed, epoch, n_updates : int
    moments : dict of float32 arrays
        The optimiser's.
    """

    best: DeepBelief
    down: list[Arrays]
    up: list[Arrays]
    chains: Floats
    seed: int
    epoch: int = 0
    n_updates: int = 0
    moments: Arrays = field(default_factory=dict)

    def network(self) -> DeepBelief:
        """Return the network so far; it changes with the state."""
        machines = tuple(assembled(rbm.visible, rbm.hidden, a) for rbm, a in zip(self.best.machines, self.down))
        upward = zip(self.best.upward, self.up)
        return DeepBelief(machines, tuple(assembled(rbm.visible, rbm.hidden, a) for rbm, a in upward))

    def copied(self) -> DeepBelief:
        """Return the network so far, with arrays of its own."""
        one = self.network()
        return DeepBelief(tuple(map(_copied, one.machines)), tuple(map(_copied, one.recognition)))


def _copied(rbm: RBM) -> RBM:
    return assembled(rbm.visible, rbm.hidden, {name: np.array(a) for name, a in rbms.arrays(rbm).items()})


def to_parts(state: UpDown) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
    """Return a state as plain values and arrays, exactly.

    Parameters
    ----------
    state : UpDown
    """
    best = state.best
    header: dict[str, Any] = {name: getattr(state, name) for name in ("seed", "epoch", "n_updates")}
    header["layers"] = [[rbm.visible.settings(), rbm.hidden.settings()] for rbm in best.machines]
    header["tied"] = not best.recognition
    arrays: dict[str, npt.NDArray] = {"chains": state.chains} | storage.prefixed("moments.", state.moments)
    groups = {"best": best.machines, "recognition": best.recognition}
    parts = {name: [rbms.arrays(rbm) for rbm in group] for name, group in groups.items()}
    for name, group in (parts | {"down": state.down, "up": state.up}).items():
        for k, one in enumerate(group):
            arrays |= storage.prefixed(f"{name}.{k}.", one)
    return header, arrays


def from_parts(header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> UpDown:
    """Return the state that `to_parts` took apart.

    Parameters
    ----------
    header : dict
    arrays : dict of arrays
    """
    arrays = {name: np.array(a) for name, a in arrays.items()}
    layers = [(layer_from(below), layer_from(above)) for below, above in header["layers"]]

    def group(name: str, n: int) -> list[Arrays]:
        return [storage.under(f"{name}.{k}.", arrays) for k in range(n)]

    n, n_up = len(layers), len(layers) - 1
    best, up = ([assembled(*pair, a) for pair, a in zip(layers, group(name, m))]
                for name, m in (("best", n), ("recognition", 0 if header["tied"] else n_up)))  # fmt: skip
    own = {name: header[name] for name in ("seed", "epoch", "n_updates")}
    moments = storage.under("moments.", arrays)
    network = DeepBelief(tuple(best), tuple(up))
    return UpDown(network, group("down", n), group("up", n_up), arrays["chains"], **own, moments=moments)


def start(dbn: DeepBelief, X: Cases, learning: DenseLearning, seed: int) -> UpDown:
    """Return the state before the first update; chains begin at what cases spread over the data lead up to.

    Parameters
    ----------
    dbn : DeepBelief
    X : float32 array or csr_array, (n_cases, n_visible)
    learning : DenseLearning
    seed : int

    Raises
    ------
    SettingError
        The visible layer is multinomial: rows of counts are not drawn from one state above.
    """
    if dbn.machines[0].visible.kind == "multinomial":
        raise SettingError("visible: counts of a multinomial layer are not learnt by wake and sleep; take another kind")
    n = learning.n_chains or min(learning.batch_size, size(X)[0])
    rows = np.arange(n) * size(X)[0] // n
    chains = _upward(dbn, densely(X, rows), int(key_of(seed, FIRST)), np.arange(n))[-1]
    down, up = ([{k: np.array(a, f32) for k, a in rbms.arrays(rbm).items()} for rbm in group]
                for group in (dbn.machines, dbn.upward))  # fmt: skip
    return UpDown(dbn, down, up, np.asarray(chains, f32), seed)


def train(state: UpDown, X: Cases, learning: DenseLearning) -> Iterator[Event]:
    """Learn until the epochs are used up or learning diverges; `state.best` is the last good network.

    Parameters
    ----------
    state : UpDown
        Changed in place.
    X : float32 array or csr_array, (n_cases, n_visible)
    learning : DenseLearning
        "cd" begins the top machine's chains at what data lead up to; with other methods they persist.

    Yields
    ------
    Event
        `Began`, one `DenseEpochEnded` an epoch with log p(rows | first hidden layer) as its objective, `Ended`.
    """
    n, reason, advice, done = size(X)[0], "finished", "", state.epoch
    yield Began(MACHINE, "final", n, int(np.prod(size(X))), learning.n_epochs, done)
    try:
        while done < learning.n_epochs:
            began, rate = time.perf_counter(), learning.rate_at(done / learning.n_epochs)
            objective = _epoch(state, X, learning)
            if objective is None:
                reason, advice = "diverged", _advice(learning)
                break
            done, seconds, state.best = state.epoch, time.perf_counter() - began, state.copied()
            found = None if np.isnan(objective) else objective
            n_steps, monitored = learning.n_steps, {}
            yield DenseEpochEnded(
                MACHINE, done, learning.n_epochs, seconds, n / seconds, rate, n_steps, found, monitored, None, done
            )
    except KeyboardInterrupt:
        reason = "interrupted"
    yield Ended(MACHINE, "final", reason, state.epoch, done, advice)


def _epoch(state: UpDown, X: Cases, learning: DenseLearning) -> float | None:
    """Objective of one pass over the data, NaN where there is none; None where learning has diverged."""
    n, width = size(X)[0], learning.batch_size
    order = as_generator(int(key_of(state.seed, ORDER, state.n_updates))).permutation(n)
    total, state.epoch = 0.0, state.epoch + 1
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for first in range(0, n, width):
                rows = order[first : first + width]
                rate = learning.rate_at((state.epoch - 1 + first / n) / learning.n_epochs)
                total += len(rows) * update(state, densely(X, rows), rows, learning, rate)
            state.network()
    except SettingError:  # arrays have left the region where there is a law
        return None
    largest = [float(abs(a).max()) for arrays in (*state.down, *state.up) for a in arrays.values()]
    return total / n if all(a < LARGEST_WEIGHT for a in largest) else None  # not so for NaN


def update(state: UpDown, v: Floats, rows: npt.NDArray[np.int64], learning: DenseLearning, rate: float) -> float:
    """Learn from one mini-batch, in place; its mean log p(v | first hidden layer), in nats, NaN where none is directed.

    Parameters
    ----------
    state : UpDown
    v : float32 array, (batch, n_visible)
    rows : int64 array, (batch,)
        Numbers of the cases: what they draw depends on these.
    learning : DenseLearning
    rate : float
    """
    dbn, key = state.network(), int(key_of(state.seed, UP, state.n_updates))
    state.n_updates += 1
    awake = _upward(dbn, v, key, rows)
    own = learning.method == "cd"
    begin, numbers = (awake[-1], rows) if own else (state.chains, np.arange(len(state.chains)))
    chains = gibbs.init(dbn.top, rng=key_of(key, TOP), v=nearest(dbn.top.visible, begin), chain=numbers)
    top = gibbs.step(dbn.top, chains, key_of(key, TOP, 1), learning.n_steps)[0].v
    if not own:
        state.chains = top
    asleep = _downward(dbn, top, key, numbers)
    data, model = rbms.statistics(dbn.top, awake[-1]), rbms.statistics(dbn.top, top)
    slopes = [*deep_belief.wake_slopes(dbn, awake), {name: data[name] - model[name] for name in data}]
    for side, groups, found in (("down", state.down, slopes), ("up", state.up, deep_belief.sleep_slopes(dbn, asleep))):
        for k, (arrays, slope) in enumerate(zip(groups, found)):
            _ascend(state, f"{side}.{k}.", arrays, slope, learning, rate)
    return float(deep_belief.log_conditional(dbn.machines[0], v, awake[1]).mean()) if len(awake) > 1 else np.nan


def _upward(dbn: DeepBelief, v: Floats, key: int, rows: npt.NDArray[np.int64]) -> list[Floats]:
    """Rows, and draws of all hidden layers but the top going up from them."""
    states = [v]
    for k, rbm in enumerate(dbn.upward):
        states.append(gibbs.draw(rbm.hidden, rbms.hidden_field(rbm, states[-1]), key_of(key, UP, k), rows))
    return states


def _downward(dbn: DeepBelief, h: Floats, key: int, numbers: npt.NDArray[np.int64]) -> list[Floats]:
    """Draws of all layers going down from the top machine's visible states, the visible layer first."""
    states = [h]
    for k, rbm in enumerate(reversed(dbn.machines[:-1])):
        states.append(gibbs.draw(rbm.visible, rbms.visible_field(rbm, states[-1]), key_of(key, DOWN, k), numbers))
    return states[::-1]


def _ascend(state: UpDown, prefix: str, arrays: Arrays, slope: Arrays, learning: DenseLearning, rate: float) -> None:
    for name, g in slope.items():
        moments = [state.moments.setdefault(f"{prefix}{name}.{k}", np.zeros_like(arrays[name])) for k in (1, 2)]
        decay = learning.weight_decay if name == "W" else 0.0
        rule = rule_of(learning, state.n_updates, rate, decay)
        backend().ascend(arrays[name], np.ascontiguousarray(g, f32), *moments, rule)


def _advice(learning: DenseLearning) -> str:
    rate = learning.learning_rate
    return f"fine_tuning_rate {rate:g} with {learning.optimizer} is too high for these data: try {rate / 10:g}"
