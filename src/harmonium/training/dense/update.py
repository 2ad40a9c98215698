"""One update of dense learning: the gradient by the method, then one step of the optimiser on every array."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.kernels.constants import ADAM, MOMENTUM
from harmonium.kernels.reference_dense import Rule
from harmonium.models import labelled
from harmonium.training.dense import direct, phases, ties
from harmonium.training.dense.chains import Cases, densely
from harmonium.training.dense.settings import CHAINS, DenseLearning
from harmonium.training.dense.state import State
from harmonium.training.dense.workspace import Workspace
from harmonium.training.settings import OPTIMIZERS
from harmonium.training.state import EPS
from harmonium.units.layer import Floats

f32 = np.float32


class Outcome(NamedTuple):
    """What an update reports.

    Parameters
    ----------
    n_steps : float
        Sampler steps.
    objective : float or None
        What a method without chains climbs.
    """

    n_steps: float
    objective: float | None


def update(
    state: State, X: Cases, rows: npt.NDArray[np.int64], learning: DenseLearning, work: Workspace, rate: float
) -> Outcome:
    """Learn from one mini-batch, in place.

    Parameters
    ----------
    state : State
    X : float32 array or csr_array, (n_cases, n_visible)
    rows : int64 array, (batch,)
    learning : DenseLearning
    work : Workspace
    rate : float
        Learning rate at this moment.
    """
    state.n_updates += 1
    if learning.method in CHAINS:
        found = phases.slopes(state, X, rows, learning, work)
        if learning.discrimination:
            found = _hybrid(state, found, densely(X, rows), learning)
        _sparsely(found.rest, found.hidden_mean, learning)
        before = _before(state) if _adapts(learning) and learning.centring else None
        _weights_step(state, found, learning, work, rate)
        _steps(state, found.rest if before is None else _as_centred(state, found.rest, work.G), learning, rate)
        _turn_back(state, before)
        if state.fast:
            _fast_step(state, found, learning)
        outcome = Outcome(found.n_steps, None)
    else:
        outcome = _direct_update(state, densely(X, rows), rows, learning, rate)
    _settle(state, learning)
    return outcome


def _settle(state: State, learning: DenseLearning) -> None:
    if learning.max_norm:
        state.device.kernels.shorten(state.arrays["W"], learning.max_norm)
    state.refresh()


def climb(
    state: State, slope: direct.Slope, means: tuple[Floats, Floats], learning: DenseLearning, rate: float
) -> None:
    """One step of every parameter along a gradient of chains that was made elsewhere, in place.

    Parameters
    ----------
    state : State
    slope : dict of float32 arrays
        By the names of `models.rbm.arrays`, not centred.
    means : two float32 arrays, (n_visible,), (n_hidden,)
        Of the mini-batch's data.
    learning : DenseLearning
    rate : float
        Learning rate at this moment.
    """
    slope, before = _by_offsets(state, slope, means, learning)
    _sparsely(slope, means[1], learning)
    _steps(state, slope, learning, rate)
    _turn_back(state, before)
    _settle(state, learning)


def _by_offsets(
    state: State, slope: direct.Slope, means: tuple[Floats, Floats], learning: DenseLearning
) -> tuple[direct.Slope, dict[str, Floats] | None]:
    """The gradient, centred where the layers can be, and the weights where a step has to be turned back."""
    if (
        not learning.centring or state.visible.kind == "multinomial"
    ):  # hidden fields of rows with totals scale with them
        return slope, None
    phases.move_offsets(state, learning, *means)
    slope = phases.centred(state, slope)
    if not _adapts(learning):
        return slope, None
    return _as_centred(state, slope, slope["W"]), _before(state)


def _direct_update(
    state: State, v: Floats, rows: npt.NDArray[np.int64], learning: DenseLearning, rate: float
) -> Outcome:
    rbm, value, before = state.view(), None, None
    if learning.method in ("exact", "discriminative"):
        value, slope = _centrable(state, v, learning)
        h_mean = rbm.hidden.mean(v @ rbm.W + rbm.c).mean(axis=0)
        slope, before = _by_offsets(state, slope, (v.mean(axis=0), h_mean), learning)
    elif learning.method == "multi-prediction":
        value, slope = direct.multi_prediction(rbm, v, state.key(1), rows, learning.keep)
    else:
        tied = () if ties.name_of(state) is None else (ties.field(state, v),)
        value, slope = OBJECTIVES[learning.method](rbm, v, *tied)
        slope = ties.from_fields(state, v, slope)
    slope = {name: np.asarray(g, f32) for name, g in slope.items()}
    _sparsely(slope, rbm.hidden.mean(v @ rbm.W + rbm.c).mean(axis=0) if learning.sparsity_cost else None, learning)
    _steps(state, slope, learning, rate)
    _turn_back(state, before)
    return Outcome(0, value)


def _centrable(state: State, v: Floats, learning: DenseLearning) -> tuple[float | None, dict[str, Floats]]:
    """Gradient of log p(label | features), of the exact likelihood, or of both in their shares."""
    if ties.name_of(state) is not None:
        return None, ties.exact_slope(state, v)
    rbm = state.view()
    if learning.method == "discriminative":
        return labelled.label_slope(rbm, v)
    slope = direct.exact_slope(rbm, v)
    if not learning.discrimination:
        return None, slope
    share, (value, other) = learning.discrimination, labelled.label_slope(rbm, v)
    return value, {name: (1 - share) * g + share * other.get(name, 0) for name, g in slope.items()}


def _hybrid(state: State, found: phases.Slopes, v: Floats, learning: DenseLearning) -> phases.Slopes:
    """The chains' gradient and that of log p(label | features), in their shares (Larochelle & Bengio 2008)."""
    share = f32(learning.discrimination)
    _, slope = labelled.label_slope(state.view(), v)
    slope = phases.centred(state, slope) if learning.centring else slope
    rest = {name: (1 - share) * g + share * slope.get(name, 0) for name, g in found.rest.items()}
    found.M[...] *= 1 - share
    extra = share * slope["W"] + (0 if found.extra is None else (1 - share) * found.extra)
    return found._replace(rest=rest, extra=extra)


OBJECTIVES = {
    "pseudo-likelihood": direct.pseudo_likelihood,
    "ratio-matching": direct.ratio_matching,
    "score-matching": direct.score_matching,
}


def _sparsely(slope: dict[str, Floats], hidden_mean: Floats | None, learning: DenseLearning) -> None:
    if learning.sparsity_cost and hidden_mean is not None:
        slope["c"] = slope["c"] + f32(learning.sparsity_cost) * (f32(learning.sparsity_target) - hidden_mean)


def rule_of(learning: DenseLearning, t: int, rate: float, decay: float) -> Rule:
    """Return what the optimiser does at an update, as its kernel takes it.

    Parameters
    ----------
    learning : DenseLearning
    t : int
        The update's number, from 1 on.
    rate, decay : float
    """
    code = OPTIMIZERS[learning.optimizer]
    corrections = (1 / (1 - learning.momentum**t), 1 / (1 - learning.beta2**t)) if code == ADAM else (1.0, 1.0)
    numbers = (rate, decay, learning.momentum, learning.beta2, *corrections, EPS[learning.optimizer])
    return Rule(code, *(f32(number) for number in numbers))


def _weights_step(state: State, found: phases.Slopes, learning: DenseLearning, work: Workspace, rate: float) -> None:
    W, kernels = state.arrays["W"], state.device.kernels
    kernels.multiply(found.V.T, found.M, work.G)
    if found.extra is not None:
        work.G += found.extra
    moments = state.first["W"], state.second["W"]
    kernels.ascend(W, work.G, *moments, rule_of(learning, state.n_updates, rate, learning.weight_decay))
    if state.fast:
        _fast_weights(state.fast["W"], work.G, learning)


def _steps(state: State, slope: dict[str, Floats], learning: DenseLearning, rate: float) -> None:
    for name, g in slope.items():
        decay = learning.weight_decay if name in ("W", *ties.NAMES) else 0.0
        g = state.device.kernels.contiguous(g)
        moments = state.first[name], state.second[name]
        state.device.kernels.ascend(state.arrays[name], g, *moments, rule_of(learning, state.n_updates, rate, decay))


def _adapts(learning: DenseLearning) -> bool:
    """Whether the optimiser scales entries one by one, so that its step is no multiple of the gradient."""
    return OPTIMIZERS[learning.optimizer] != MOMENTUM


def _as_centred(state: State, slope: dict[str, Floats], dW: Floats) -> dict[str, Floats]:
    """The bias gradients of the centred units: `phases.centred` turned them back by the gradient of the weights."""
    out = dict(slope)
    for name, turn in (("b", lambda: dW @ state.lam), ("c", lambda: state.mu @ dW)):
        if name in out:
            out[name] = out[name] + turn()
    name = ties.name_of(state)
    if name is not None:
        out["b"] = out["b"] + ties.turn(state, out[name])
    out["b"][ties.n_drawn(state) :] = 0
    return out


def _before(state: State) -> dict[str, Floats]:
    copied = state.device.kernels.copied
    return {name: copied(state.arrays[name]) for name in ("W", *ties.NAMES) if name in state.arrays}


def _turn_back(state: State, before: dict[str, Floats] | None) -> None:
    """Turn an adaptive optimiser's step of centred units back: by what it made of the weights, not by the gradient."""
    if before is None:
        return
    moved = {name: state.arrays[name] - old for name, old in before.items()}
    state.arrays["b"] -= moved["W"] @ state.lam
    state.arrays["c"] -= state.mu @ moved["W"]
    for name in ties.NAMES:
        if name in moved:
            state.arrays["b"] -= ties.turn(state, moved[name])
    state.arrays["b"][ties.n_drawn(state) :] = 0


def _fast_step(state: State, found: phases.Slopes, learning: DenseLearning) -> None:
    for name in state.fast.keys() - {"W"}:
        _fast_weights(state.fast[name], found.rest[name], learning)


def _fast_weights(fast: Floats, g: Floats, learning: DenseLearning) -> None:
    fast *= f32(learning.fast_decay)
    fast += f32(learning.fast_rate) * g
