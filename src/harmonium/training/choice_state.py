"""What learning of choices carries from one epoch to the next."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.kernels.alignment import aligned
from harmonium.kernels.choices import Sparse
from harmonium.kernels.devices import CPU, Device
from harmonium.models.multinomial_rbm import MultinomialMachine

Floats = npt.NDArray[np.float32]
Lateral = Callable[[Sparse], Floats]
INITIAL_SPREAD = 0.01  # standard deviation of the first weights


class Learnt(NamedTuple):
    """What a run of the loop has learned: a machine, the scale of the lateral field, couplings where they learn too."""

    machine: MultinomialMachine
    scale: Floats
    couplings: Floats | None


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
    steps, epoch : int
        Done so far; the epochs are those of this run.
    couplings : float32 array, (n_items, n_items), or None
        Lateral couplings that learn too.
    touched : int array, or None
        Items that the last step of contrastive divergence changed, where that is known.
    best : Learnt or None
        As it was after the best epoch, in NumPy's arrays; None before any has ended.
    best_score : float
        nDCG@100 on validation users; minus infinity where nobody has looked.
    best_epoch : int
    device : Device
        Where the arrays lie.
    """

    machine: MultinomialMachine
    scale: Floats
    moments: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)
    square: Floats | None = None
    c_square: Floats | None = None
    steps: int = 0
    epoch: int = 0
    couplings: Floats | None = None
    touched: npt.NDArray[np.int32] | None = None
    best: Learnt | None = None
    best_score: float = -math.inf
    best_epoch: int = 0
    device: Device = CPU

    @property
    def kernels(self) -> ModuleType:
        """The kernels for choices that take the arrays."""
        return self.device.choices

    def to(self, device: Device) -> "ChoiceState":
        """Move the arrays to a device, for good; returns the state itself.

        Parameters
        ----------
        device : Device
        """
        machine = self.machine
        self.machine = MultinomialMachine(*device.placed((machine.W, machine.b, machine.c)))
        for name in ("scale", "couplings", "moments", "square", "c_square"):
            setattr(self, name, device.placed(getattr(self, name)))
        self.device = device
        return self

    def now(self) -> "Learnt":
        """What is learned by now, in NumPy's arrays: those of the state itself where they are."""
        machine = self.machine
        arrays = (machine.W, machine.b, machine.c), self.scale, self.couplings
        of_machine, scale, couplings = self.device.fetched(arrays)
        return Learnt(MultinomialMachine(*of_machine), scale, couplings)

    def fields(self, x: Sparse, lateral: Lateral | None = None) -> Floats:
        """Fields of the items after one mean-field pass, (n_rows, n_items); from and to arrays of NumPy.

        Parameters
        ----------
        x : sparse, (n_rows, n_items)
        lateral : callable, optional
            Of histories on the device.
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

    def remember(self, score: float | None) -> None:
        """Keep a copy of what is learned, if it is the best so far.

        Parameters
        ----------
        score : float, optional
            Higher is better; None where nobody has looked, which is the best as long as nobody ever has.
        """
        if (self.best_score > -math.inf) if score is None else (score <= self.best_score):
            return
        now = named(self.now())
        if self.best is None:
            self.best = learnt_of({name: array.copy() for name, array in now.items()})
        else:
            for name, array in named(self.best).items():
                np.copyto(array, now[name])
        self.best_score, self.best_epoch = -math.inf if score is None else score, self.epoch

    def goes_on_from_best(self, couplings: Floats) -> None:
        """Begin a further run at the best machine, with couplings that learn too.

        Parameters
        ----------
        couplings : float32 array, (n_items, n_items)
        """
        if self.best is not None:
            machine, scale = self.best.machine, self.best.scale
            self.machine = MultinomialMachine(*self.device.placed((machine.W, machine.b, machine.c)))
            self.scale = self.device.placed(scale)
        self.couplings, self.best = self.device.placed(couplings), None
        self.epoch, self.best_score, self.best_epoch = 0, -math.inf, 0


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
    W = aligned(rng.standard_normal((len(popularity), n_hidden), dtype=np.float32))
    W *= np.float32(INITIAL_SPREAD)
    b = np.log((popularity + 0.5) / (popularity + 0.5).sum()).astype(np.float32)
    machine = MultinomialMachine(W, b, np.zeros(n_hidden, np.float32))
    return ChoiceState(machine, np.array([scale], np.float32))


def to_parts(state: ChoiceState) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
    """Return a state as plain values and arrays, exactly.

    Parameters
    ----------
    state : ChoiceState
    """
    header: dict[str, Any] = {"steps": state.steps, "epoch": state.epoch, "best_epoch": state.best_epoch}
    header["best_score"] = None if state.best_score == -math.inf else state.best_score
    arrays: dict[str, npt.NDArray] = named(state.now())
    moments = state.device.fetched(state.moments)
    arrays |= {f"moments.{name}.{k}": pair[k] for name, pair in moments.items() for k in (0, 1)}
    squares = {"square": state.square, "c_square": state.c_square}
    arrays |= state.device.fetched({name: array for name, array in squares.items() if array is not None})
    if state.best is not None:
        arrays |= {f"best.{name}": array for name, array in named(state.best).items()}
    return header, arrays


def from_parts(header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> ChoiceState:
    """Return the state that `to_parts` took apart.

    Parameters
    ----------
    header : dict
    arrays : dict of arrays
    """
    arrays = {name: aligned(array) for name, array in arrays.items()}
    best = {name.removeprefix("best."): array for name, array in arrays.items() if name.startswith("best.")}
    names = {name.split(".")[1] for name in arrays if name.startswith("moments.")}
    now = learnt_of(arrays)
    return ChoiceState(
        now.machine,
        now.scale,
        {name: (arrays[f"moments.{name}.0"], arrays[f"moments.{name}.1"]) for name in names},
        arrays.get("square"),
        arrays.get("c_square"),
        header["steps"],
        header["epoch"],
        now.couplings,
        best=learnt_of(best) if best else None,
        best_score=-math.inf if header["best_score"] is None else header["best_score"],
        best_epoch=header["best_epoch"],
    )


def named(learnt: Learnt) -> dict[str, npt.NDArray]:
    """Return what was learned as arrays by name.

    Parameters
    ----------
    learnt : Learnt
    """
    machine, scale, couplings = learnt
    arrays = {"W": machine.W, "b": machine.b, "c": machine.c, "scale": scale}
    return arrays if couplings is None else {**arrays, "couplings": couplings}


def learnt_of(arrays: dict[str, npt.NDArray]) -> Learnt:
    """Return what `named` took apart.

    Parameters
    ----------
    arrays : dict of arrays
    """
    machine = MultinomialMachine(arrays["W"], arrays["b"], arrays["c"])
    return Learnt(machine, arrays["scale"], arrays.get("couplings"))
