"""What learning carries from one epoch to the next: parameters, moments, chains and the generator."""

import json
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data import Ratings
from harmonium.data.shards import Shards
from harmonium.kernels.alignment import aligned
from harmonium.kernels.constants import ADAGRAD, LANES
from harmonium.kernels.devices import CPU, Device
from harmonium.kernels.records import Machine, Moments, Step
from harmonium.models.level_rbm import LevelRBM, is_conditional
from harmonium.randomness import as_generator
from harmonium.training.settings import OPTIMIZERS, Learning

ADAGRAD_START = 1e-4  # initial accumulator; the first steps stay below learning_rate
CHUNK = 1 << 16  # elements
AVERAGES = ("average_W", "average_b", "average_c")  # names in a checkpoint
EPS = {"adagrad": 1e-6, "adam": 1e-8, "momentum": 0.0}


@final
@dataclass
class State:
    """Learning in progress; mutable, never seen outside the training room.

    Parameters
    ----------
    machine : Machine
        Hidden units padded to a multiple of `constants.LANES`.
    moments, c_moments : Moments, tuple
    n_hidden : int
        Hidden units without the padding.
    rng : Generator
    seed : int
        Key of the counter-based uniforms.
    epoch, n_updates : int
    chain : uint8 array, (n_entries,)
        Levels of PCD's fantasies, a byte an entry; empty for other methods.
    average : tuple of float32 arrays or None
        Running mean of W, b and c over the epochs.
    best : LevelRBM or None
    best_error : float
    best_epoch : int
    whole : bool
        Whether the last epoch came to its end; what an interruption leaves in the middle of one is no checkpoint.
    device : Device
        Where the arrays lie; those of `best` are NumPy's.
    held : tuple or None
        The layout of cases that is on the device, NumPy's and the device's own.
    """

    machine: Machine
    moments: Moments
    c_moments: tuple[npt.NDArray, npt.NDArray]
    n_hidden: int
    rng: np.random.Generator
    seed: int
    epoch: int = 0
    n_updates: int = 0
    chain: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    average: tuple[Any, ...] | None = None
    best: LevelRBM | None = None
    best_error: float = np.inf
    best_epoch: int = 0
    whole: bool = True
    device: Device = CPU
    held: tuple[Any, Any] | None = None

    def to(self, device: Device) -> "State":
        """Move the arrays to a device, for good; returns the state itself.

        Parameters
        ----------
        device : Device
        """
        if device.on_torch and not self.device.on_torch:
            arrays = self.machine, self.moments, self.c_moments, self.chain, self.average
            moved = device.kernels.to_device(arrays, device.torch_name)
            self.machine, self.moments, self.c_moments, self.chain, self.average = moved
            self.device = device
        return self

    def on_host(self, arrays: Any) -> Any:
        """Arrays of this state, or bundles of them, as NumPy has them.

        Parameters
        ----------
        arrays : array, tuple or dict
        """
        return self.device.kernels.to_host(arrays) if self.device.on_torch else arrays

    def rbm(self) -> LevelRBM:
        """Return a copy of the averaged parameters (the last ones where none are kept) as a model, without padding."""
        W, b, c = self.on_host(self.average or tuple(self.machine[:3]))
        phi, n = self.on_host(self.machine.phi), self.n_hidden
        return LevelRBM(W[:, :, :n].copy(), b.copy(), c[:n].copy(), phi.copy())

    def take_average(self, power: float) -> None:
        """Bring the running mean up to the epoch that has ended.

        Parameters
        ----------
        power : float
            Epoch t weighs about as t to this power; 0 keeps no mean.
        """
        if not power:
            return
        if self.average is None:
            self.average = tuple(array.clone() if self.device.on_torch else array.copy() for array in self.machine[:3])
            return
        share = np.float32((power + 1) / (power + self.epoch))
        for mean, array in zip(self.average, self.machine[:3]):
            if self.device.on_torch:
                mean.lerp_(array, float(share))
                continue
            flat, now = mean.reshape(-1), array.reshape(-1)
            for start in range(0, len(flat), CHUNK):  # temporaries stay in the cache
                part = flat[start : start + CHUNK]
                part += share * (now[start : start + CHUNK] - part)

    def step(self, learning: Learning, rate: float) -> Step:
        """Return the numbers of the next optimiser step.

        Parameters
        ----------
        learning : Learning
        rate : float
            Learning rate at this moment.
        """
        self.n_updates += 1
        f32 = np.float32
        return Step(
            OPTIMIZERS[learning.optimizer],
            f32(rate),
            f32(rate * learning.bias_rate),
            f32(learning.weight_decay),
            f32(learning.momentum),
            f32(learning.beta2),
            f32(1 / (1 - learning.beta2**self.n_updates)),
            f32(EPS[learning.optimizer]),
        )


def start(rbm: LevelRBM, cases: Ratings | Shards, learning: Learning, seed: int) -> State:
    """Return the state before the first epoch.

    Parameters
    ----------
    rbm : LevelRBM
    cases : Ratings or Shards
    learning : Learning
    seed : int
        Of the order of the cases and of everything drawn.
    """
    pad = -rbm.n_hidden % LANES
    W = aligned(np.pad(rbm.W, ((0, 0), (0, 0), (0, pad))))
    c = np.pad(rbm.c, (0, pad))
    live = np.pad(np.ones(rbm.n_hidden, np.float32), (0, pad))
    machine = Machine(W, rbm.b.copy(), c, rbm.phi.copy(), live, is_conditional(rbm.phi))
    second = ADAGRAD_START if OPTIMIZERS[learning.optimizer] == ADAGRAD else 0.0

    def moments(array: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
        return aligned(np.zeros_like(array)), aligned(np.full_like(array, second))

    parts = [cases] if isinstance(cases, Ratings) else cases
    levels = [part.level for part in parts] if learning.method == "pcd" else []
    chain = np.concatenate((*levels, np.empty(0, np.uint8)))
    chain[chain == UNRATED] = 0
    return State(
        machine, Moments(*moments(W), *moments(machine.b)), moments(c), rbm.n_hidden, as_generator(seed), seed,
        chain=chain,
    )  # fmt: skip


def to_parts(state: State) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
    """Return a state as plain values and arrays, exactly.

    Parameters
    ----------
    state : State
    """
    header = {
        "n_hidden": state.n_hidden,
        "seed": state.seed,
        "epoch": state.epoch,
        "n_updates": state.n_updates,
        "best_error": None if np.isinf(state.best_error) else state.best_error,
        "best_epoch": state.best_epoch,
        "rng": json.dumps(state.rng.bit_generator.state),
    }
    arrays: dict[str, npt.NDArray] = {}
    arrays.update(zip(("W", "b", "c", "phi", "live"), state.machine[:5]))
    arrays.update(zip(("W1", "W2", "b1", "b2"), state.moments))
    arrays.update(zip(("c1", "c2"), state.c_moments))
    arrays["chain"] = state.chain
    if state.average is not None:
        arrays.update(zip(AVERAGES, state.average))
    arrays = state.on_host(arrays)
    if state.best is not None:
        arrays |= {"best_W": state.best.W, "best_b": state.best.b, "best_c": state.best.c}
    return header, arrays


def from_parts(header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> State:
    """Return the state that `to_parts` took apart.

    Parameters
    ----------
    header : dict
    arrays : dict of arrays
    """
    arrays = {name: aligned(array) for name, array in arrays.items()}
    rng = np.random.default_rng()
    rng.bit_generator.state = json.loads(header["rng"])
    phi = arrays["phi"]
    best = None
    if "best_W" in arrays:
        best = LevelRBM(arrays["best_W"], arrays["best_b"], arrays["best_c"], phi.copy())
    return State(
        machine=Machine(**{n: arrays[n] for n in ("W", "b", "c", "phi", "live")}, conditional=is_conditional(phi)),
        moments=Moments(*(arrays[n] for n in ("W1", "W2", "b1", "b2"))),
        c_moments=(arrays["c1"], arrays["c2"]),
        n_hidden=header["n_hidden"],
        rng=rng,
        seed=header["seed"],
        epoch=header["epoch"],
        n_updates=header["n_updates"],
        chain=arrays["chain"],
        average=tuple(arrays[name] for name in AVERAGES) if AVERAGES[0] in arrays else None,
        best=best,
        best_error=np.inf if header["best_error"] is None else header["best_error"],
        best_epoch=header["best_epoch"],
    )
