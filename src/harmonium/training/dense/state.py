"""What dense learning carries from one update to the next: parameters, moments, offsets, chains, the generator."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import DivergenceError, SettingError
from harmonium.kernels.constants import ADAGRAD
from harmonium.kernels.devices import CPU, Device
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.randomness import as_generator, key_of
from harmonium.sampling import gibbs, tempering
from harmonium.sampling.lateral import Order, order_of
from harmonium.training import ladder
from harmonium.training.dense import records
from harmonium.training.dense.on_device import DeviceLayer
from harmonium.training.dense.records import Model
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.settings import OPTIMIZERS
from harmonium.training.state import ADAGRAD_START
from harmonium.units import Joined, Layer, layer_from
from harmonium.units.layer import Floats

f32 = np.float32


@final
@dataclass
class State:
    """Learning in progress; mutable, never seen outside the training room.

    Parameters
    ----------
    visible, hidden : Layer, or DeviceLayer
        With what is learnt of them, as `arrays` has it.
    arrays, first, second : dict of float32 arrays
        Parameters, and the optimiser's moments, by the names of `records.arrays`.
    mu, lam : float32 arrays, (n_visible,), (n_hidden,)
        Offsets of centring.
    rng : Generator
        Orders the cases of an epoch.
    seed : int
        Key of the counter-based numbers.
    epoch, n_updates : int
    v, h : float32 arrays, (n_chains, width)
        Persistent chains; empty where the method has none. Where conditions decide the law, one chain a case, of which
        the hidden states alone are kept.
    betas : float64 array, (n_betas,)
        Ladder of "tempered-pcd".
    replica_v, replica_h : float32 arrays, (n_chains, n_betas, width)
        Its replicas; the first ones are the chains.
    swaps : float64 array, (2, n_betas - 1)
        Exchanges accepted and offered in this epoch.
    fast : dict of float32 arrays
        Fast weights.
    mask : float32 array, (n_visible, n_visible)
        1 where visible units may be tied; empty where none are.
    best : RBM, Conditional or Lateral, or None
    best_score : float
    best_epoch : int
    device : Device
        Where the arrays lie; those of `best` are NumPy's.
    """

    visible: Any
    hidden: Any
    arrays: dict[str, Floats]
    first: dict[str, Floats]
    second: dict[str, Floats]
    mu: Floats
    lam: Floats
    rng: np.random.Generator
    seed: int
    epoch: int = 0
    n_updates: int = 0
    v: Floats = field(default_factory=lambda: np.empty((0, 0), f32))
    h: Floats = field(default_factory=lambda: np.empty((0, 0), f32))
    betas: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    replica_v: Floats = field(default_factory=lambda: np.empty((0, 0, 0), f32))
    replica_h: Floats = field(default_factory=lambda: np.empty((0, 0, 0), f32))
    swaps: npt.NDArray[np.float64] = field(default_factory=lambda: ladder.blank(0))
    fast: dict[str, Floats] = field(default_factory=dict)
    mask: Floats = field(default_factory=lambda: np.empty((0, 0), f32))
    best: Model | None = None
    best_score: float = -np.inf
    best_epoch: int = 0
    device: Device = CPU
    order: Order = field(init=False)  # in which tied visible units are swept

    def __post_init__(self) -> None:
        self.order = order_of(self.visible, self.mask) if self.mask.size else Order(())

    def to(self, device: Device) -> State:
        """Move the arrays from NumPy to a device, or back; returns the state itself.

        Parameters
        ----------
        device : Device
        """
        if device.on_torch and not self.device.on_torch:
            moved = device.kernels.to_device({name: getattr(self, name) for name in _MOVED}, device.torch_name)
            vars(self).update(moved, device=device)
            for side in ("visible", "hidden"):
                setattr(self, side, DeviceLayer(getattr(self, side), side, self.arrays, device.kernels))
        elif self.device.on_torch and not device.on_torch:
            vars(self).update(self.on_host({name: getattr(self, name) for name in _MOVED}))
            self.visible, self.hidden, self.device = self.visible.layer, self.hidden.layer, device
            with suppress(DivergenceError):  # that is told of elsewhere
                self.refresh()
        return self

    def on_host(self, arrays: Any) -> Any:
        """Arrays of this state, or bundles of them, as NumPy has them.

        Parameters
        ----------
        arrays : array, tuple or dict
        """
        return self.device.kernels.to_host(arrays) if self.device.on_torch else arrays

    def seen(self) -> State:
        """Return the state as one that looks on sees it: its arrays are NumPy's."""
        return self if not self.device.on_torch else replace(self).to(CPU)

    def view(self) -> RBM:
        """Return the restricted machine, without a copy where arrays are NumPy's; valid until the next update."""
        return _assembled(self.visible, self.hidden, self.on_host(self.arrays))

    def model_view(self) -> Model:
        """Return the model, its ties included; valid until the next update."""
        return records.model_of(self.view(), self.arrays)

    def model(self) -> Model:
        """Return a copy of the parameters as a model, its gauge fixed."""
        arrays = {name: a.copy() for name, a in self.on_host(self.arrays).items()}
        return records.model_of(_assembled(self.visible, self.hidden, arrays), arrays)

    def fix_gauge(self, model: Model) -> None:
        """Put a model's parameters in place of the state's own: the idle directions of softmax units do not drift.

        Parameters
        ----------
        model : RBM, Conditional or Lateral
            From `model`.
        """
        if self.device.on_torch and "softmax" not in (self.visible.kind, self.hidden.kind):
            return
        for name, a in records.arrays(model).items():
            there = self.device.kernels.to_device(a, self.device.torch_name) if self.device.on_torch else a
            self.arrays[name][...] = there

    def refresh(self) -> None:
        """Put what is learnt of the layers into them, after an update.

        Raises
        ------
        DivergenceError
            A variance is no number any more, or the two layers have no joint law.
        """
        own = [name for name in self.arrays if "." in name]
        if not own or self.device.on_torch:  # looked at after the epoch, so that nobody waits for the device
            return
        if not all(np.isfinite(self.arrays[name]).all() for name in own):
            raise DivergenceError("a variance has become infinite or 0")
        try:
            rbm = self.view()
            if self.mask.size:
                self.model_view()
        except SettingError as error:
            raise DivergenceError(str(error)) from error
        self.visible, self.hidden = rbm.visible, rbm.hidden

    def key(self, *parts: int) -> np.uint64:
        """Key of one draw of this update.

        Parameters
        ----------
        *parts : int
        """
        return key_of(self.seed, self.n_updates, *parts)


def _assembled(visible: Any, hidden: Any, arrays: dict[str, Floats]) -> RBM:
    visible, hidden = (layer.layer if isinstance(layer, DeviceLayer) else layer for layer in (visible, hidden))
    return records.assembled(visible, hidden, arrays)


def start(
    model: Model, learning: DenseLearning, seed: int, mean: Floats, n_cases: int, mask: Floats | None = None
) -> State:
    """Return the state before the first update.

    Parameters
    ----------
    model : RBM, Conditional or Lateral
    learning : DenseLearning
    seed : int
        Of the order of the cases and of everything drawn.
    mean : floats, (n_visible,)
        Of the data, conditions behind it: where centring begins.
    n_cases : int
    mask : floats, (n_visible, n_visible), optional
        1 where visible units of a semi-restricted machine may be tied.
    """
    rbm = records.restricted(model)
    arrays = {name: np.array(a, f32, order="C") for name, a in records.arrays(model).items()}
    begin = ADAGRAD_START if OPTIMIZERS[learning.optimizer] == ADAGRAD else 0.0
    mu = np.asarray(mean, f32)
    state = State(
        rbm.visible, rbm.hidden, arrays,
        {name: np.zeros_like(a) for name, a in arrays.items()},
        {name: np.full_like(a, begin) for name, a in arrays.items()},
        mu, rbm.hidden.mean(rbms.hidden_field(rbm, mu[None].astype(rbm.W.dtype)))[0].astype(f32),
        as_generator(seed), seed, mask=np.empty((0, 0), f32) if mask is None else np.asarray(mask, f32),
    )  # fmt: skip
    if rbm.visible.kind == "multinomial":  # hidden fields scale with the row: units cannot be centred at one value
        state.mu, state.lam = np.zeros_like(state.mu), np.zeros_like(state.lam)
    return state


def begin_chains(state: State, learning: DenseLearning, v: Floats) -> None:
    """Start persistent chains at some cases, replicas and fast weights, where the method has them and there are none.

    Parameters
    ----------
    state : State
    learning : DenseLearning
    v : float32 array, (n_chains, n_visible)
    """
    if not persistent(state, learning):
        return
    rbm, key, v = state.view(), key_of(state.seed, 2**32), state.v if len(state.v) else nearest(state.visible, v)
    if learning.method == "tempered-pcd" and not len(state.replica_v):
        replicas = tempering.init(rbm, len(v), key, tempering.ladder(learning.n_betas, learning.lowest_beta), v)
        state.betas, state.replica_v, state.replica_h = replicas[:3]
        state.swaps = ladder.blank(learning.n_betas)
    if learning.method == "fast-pcd" and not state.fast:
        tied = "L" in state.arrays and state.visible.kind != "gaussian"  # whose ties must stay where there is a law
        state.fast = {name: np.zeros_like(state.arrays[name]) for name in ("W", "b", "c", *(("L",) if tied else ()))}
    if not len(state.v):
        chains = gibbs.init(rbm, rng=key, v=v)
        state.v, state.h = np.array(chains.v, f32), np.array(chains.h, f32)


def persistent(state: State, learning: DenseLearning) -> bool:
    """Whether the method keeps chains that belong to no case.

    Parameters
    ----------
    state : State
    learning : DenseLearning
    """
    return learning.method in ("pcd", "fast-pcd", "tempered-pcd") and "A" not in state.arrays


def nearest(layer: Layer, v: Floats) -> Floats:
    """States to begin chains at: cases themselves, or 0 and 1 where they are probabilities.

    Parameters
    ----------
    layer : Layer
    v : float32 array, (n, width)
    """
    if isinstance(layer, Joined):
        return np.concatenate([nearest(part, piece) for part, piece in layer.pieces(v)], axis=-1)
    return np.rint(v) if layer.kind in ("bernoulli", "binomial") else v


_GROUPS = ("arrays", "first", "second", "fast")
_SINGLE = ("mu", "lam", "v", "h", "betas", "replica_v", "replica_h", "swaps", "mask")
_MOVED = (*_GROUPS, "mu", "lam", "v", "h")
_NUMBERS = ("seed", "epoch", "n_updates", "best_epoch")


def to_parts(state: State) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
    """Return a state as plain values and arrays, exactly.

    Parameters
    ----------
    state : State
    """
    state = state.seen()
    header = {name: getattr(state, name) for name in _NUMBERS}
    header |= {
        "visible": state.visible.settings(),
        "hidden": state.hidden.settings(),
        "best_score": None if np.isinf(state.best_score) else state.best_score,
        "rng": json.dumps(state.rng.bit_generator.state),
    }
    parts = {f"{group}.{name}": a for group in _GROUPS for name, a in getattr(state, group).items()}
    parts |= {name: getattr(state, name) for name in _SINGLE}
    if state.best is not None:
        parts |= {f"best.{name}": a for name, a in records.arrays(state.best).items()}
    return header, parts


def from_parts(header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> State:
    """Return the state that `to_parts` took apart.

    Parameters
    ----------
    header : dict
    arrays : dict of arrays
    """
    groups: dict[str, dict[str, npt.NDArray]] = {group: {} for group in (*_GROUPS, "best")}
    for name, a in arrays.items():
        group, _, inner = name.partition(".")
        if inner:
            groups[group][inner] = a.copy()
    rng = np.random.default_rng()
    rng.bit_generator.state = json.loads(header["rng"])
    visible, hidden = (layer_from(header[name]) for name in ("visible", "hidden"))
    best = groups.pop("best")
    state = State(
        visible=visible,
        hidden=hidden,
        **groups,
        **{name: arrays[name].copy() for name in _SINGLE},
        **{name: header[name] for name in _NUMBERS},
        rng=rng,
        best=records.model_of(records.assembled(visible, hidden, best), best) if best else None,
        best_score=-np.inf if header["best_score"] is None else header["best_score"],
    )
    state.refresh()
    return state
