"""The machine with hidden units over choices, and the one that has lateral couplings too."""

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.data import Interactions
from harmonium.errors import SettingError
from harmonium.estimators.choice import ChoiceModel
from harmonium.estimators.gaussian_boltzmann import GaussianBoltzmann
from harmonium.estimators.histories import Asked, Validation, sparse, validation_ndcg
from harmonium.events import Allocates, Event
from harmonium.kernels.choices import Sparse
from harmonium.kernels.devices import Device
from harmonium.kernels.devices import device as chosen
from harmonium.models.couplings import Couplings, Dense, Dual, Neighbours
from harmonium.models.multinomial_rbm import MultinomialMachine
from harmonium.training.choice_fitting import ChoiceFit, ChoicePlan, fingerprint
from harmonium.training.choice_state import ChoiceState
from harmonium.training.choices import ChoiceLearning, lateral_on
from harmonium.training.memory import announced
from harmonium.training.on_device import BATCH_COPIES
from harmonium.training.settings import check_count, check_number

Floats = npt.NDArray[np.float32]
STRETCHES = (0.7, 0.85, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0)  # of the lateral field, tried on validation users
LARGEST_SEED = (1 << 63) - 1
WAY_OUT = "lower n_hidden or batch_size, or learn with method='cd'"
ENTRY_BYTES = 16  # of one choice on a device: item, weight, and its share of a mini-batch


@final
class MultinomialRBM(ChoiceModel):
    """Replicated softmax: hidden units tie together the choices of one person.

    Parameters
    ----------
    n_hidden : int
    method : {"multi-prediction", "cd", "cd-softmax"}
        "multi-prediction" predicts whole histories from parts of them and recommends best. "cd" follows the likelihood
        by contrastive divergence; an epoch costs what the choices cost, however many items there are. "cd-softmax" does
        so with draws from the exact softmax.
    keep, hidden_dropout : float
        Of multi-prediction: share of a history that is evidence, share of the hidden units dropped.
    n_epochs, batch_size : int
    learning_rate : float or None
        Of Adam (multi-prediction) or Adagrad; None takes .008 or .05.
    schedule : {"constant", "linear", "cosine"}
    weight_decay : float
    length_power : float
        A history of multi-prediction counts by its length to one less this power: 0 counts choices alike, 1 people.
    n_gibbs, n_moves : int
        Of CD: sweeps, and Metropolis-Hastings moves of each choice in a sweep.
    patience : int
        Epochs without gain on validation users after which learning stops; 0 never stops early.
    n_machines : int
        Machines learned from different seeds, whose fields are averaged.
    random_state : int
        The same seed gives the same model.
    device : str
        Where it learns: "cpu", "cuda", "cuda:1", ..., or "auto", a GPU where there is one.

    Notes
    -----
    Salakhutdinov & Hinton, NIPS 2009. A new person folds in by one mean-field pass: score = b + W sigmoid(c + x W).

    Examples
    --------
    >>> from harmonium import Interactions
    >>> x = Interactions.from_pairs([1, 1, 2, 2], ["tea", "milk", "rum", "coke"])
    >>> model = MultinomialRBM(n_hidden=8, n_epochs=50, keep=0.9, learning_rate=0.05).fit(x)
    >>> model.items_[model.recommend(Interactions.from_pairs(["me"], ["tea"]), n=1)[0][0, 0]]
    'milk'
    """

    learns_in_epochs = True

    def __init__(
        self,
        n_hidden: int = 200,
        method: str = "multi-prediction",
        keep: float = 0.5,
        hidden_dropout: float = 0.5,
        n_epochs: int = 40,
        batch_size: int = 200,
        learning_rate: float | None = None,
        schedule: str = "cosine",
        weight_decay: float = 0.0,
        length_power: float = 0.5,
        n_gibbs: int = 1,
        n_moves: int = 4,
        patience: int = 0,
        n_machines: int = 1,
        random_state: int = 0,
        device: str = "cpu",
    ):
        self.n_hidden, self.method, self.keep, self.hidden_dropout = n_hidden, method, keep, hidden_dropout
        self.n_epochs, self.batch_size, self.learning_rate = n_epochs, batch_size, learning_rate
        self.schedule, self.weight_decay, self.length_power = schedule, weight_decay, length_power
        self.n_gibbs, self.n_moves = n_gibbs, n_moves
        self.patience, self.n_machines, self.random_state = patience, n_machines, random_state
        self.device = device
        self.machines_: tuple[MultinomialMachine, ...] | None = None

    def _learn(self, interactions: Interactions, asked: Asked) -> Generator[Event, None, None]:
        validation = asked.validation
        learning = _learning(self)
        _check_machines(self)
        device = chosen(self.device)
        yield from _announced(self, interactions, device)

        def score_of(state: ChoiceState) -> Callable[[], float]:
            return _ndcg_of(validation, state.fields)

        scored = score_of if validation else None
        plan = ChoicePlan(self.n_machines, self.random_state, score_of=scored, device=device)
        fit = _fit(self, interactions, validation, plan, learning)
        try:
            yield from _events(fit, asked)
        finally:
            if fit.learnt():
                self.machines_ = tuple(one.machine for one in fit.learnt())
                self._has_learnt(interactions)

    def _scores(self, history: Interactions) -> Floats:
        x = sparse(history)
        return _mean([machine.fields(x) for machine in self._fitted("machines_")])

    def _relative(self, scores: Floats) -> Floats:
        return _log_softmax(scores)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
        """Plain values and arrays of what was learned."""
        machines = self._fitted("machines_")
        return {"n_machines": len(machines)}, _machine_arrays(machines)

    def take_parts(self, header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> None:
        """Take what `to_parts` gave.

        Parameters
        ----------
        header : dict
        arrays : dict of arrays
        """
        self.machines_ = _machines_of(header["n_machines"], arrays)


@final
class SemiRestricted(ChoiceModel):
    """Lateral couplings between items from the closed form, and hidden units that learn what these leave.

    Parameters
    ----------
    ridge, dropout, variance_power, user_degree, item_degree, output_degree : float
        Of the couplings; see `GaussianBoltzmann`.
    shape : {"dense", "neighbours"}
    n_neighbours : int
        Couplings an item that "neighbours" keeps.
    n_hidden : int
    keep, hidden_dropout : float
    n_epochs, batch_size : int
    learning_rate : float or None
    schedule : {"constant", "linear", "cosine"}
    weight_decay, length_power : float
        As for `MultinomialRBM`, by multi-prediction.
    scale : float
        Of the lateral field, at first; it is learned, and where there are validation users, stretched to what ranks
        best for them.
    joint_epochs : int
        Epochs after these in which the couplings learn too, for the dense shape.
    coupling_rate : float
        Their learning rate.
    patience, n_machines, random_state : int
        As for `MultinomialRBM`; the machines share the couplings.
    max_memory_gb : float or None
    device : str
        Where the dense couplings are made and the hidden units learn; as for `MultinomialRBM`. Neighbours are found on
        the CPU.

    Notes
    -----
    The field of the items is b + scale x B + W sigmoid(c + x W): a Boltzmann machine with visible-visible couplings and
    hidden units, its items drawn from one softmax. B stays as the closed form gives it while the hidden units learn
    beside it.
    """

    learns_in_epochs = True

    def __init__(
        self,
        ridge: float = 200.0,
        dropout: float = 0.5,
        variance_power: float = 0.0,
        user_degree: float = 0.0,
        item_degree: float = 0.0,
        output_degree: float = 0.0,
        shape: str = "dense",
        n_neighbours: int = 200,
        n_hidden: int = 200,
        keep: float = 0.5,
        hidden_dropout: float = 0.5,
        n_epochs: int = 40,
        batch_size: int = 200,
        learning_rate: float | None = None,
        schedule: str = "cosine",
        weight_decay: float = 0.0,
        length_power: float = 0.5,
        scale: float = 3.0,
        joint_epochs: int = 0,
        coupling_rate: float = 1e-4,
        patience: int = 0,
        n_machines: int = 1,
        random_state: int = 0,
        max_memory_gb: float | None = None,
        device: str = "cpu",
    ):
        self.ridge, self.dropout, self.variance_power = ridge, dropout, variance_power
        self.user_degree, self.item_degree, self.output_degree = user_degree, item_degree, output_degree
        self.shape, self.n_neighbours = shape, n_neighbours
        self.n_hidden, self.keep, self.hidden_dropout = n_hidden, keep, hidden_dropout
        self.n_epochs, self.batch_size, self.learning_rate = n_epochs, batch_size, learning_rate
        self.schedule, self.weight_decay, self.length_power = schedule, weight_decay, length_power
        self.scale = scale
        self.joint_epochs, self.coupling_rate = joint_epochs, coupling_rate
        self.patience, self.n_machines, self.random_state = patience, n_machines, random_state
        self.max_memory_gb, self.device = max_memory_gb, device
        self.couplings_: tuple[Couplings, ...] | None = None
        self.machines_: tuple[MultinomialMachine, ...] | None = None
        self.scales_: tuple[float, ...] | None = None

    def _learn(self, interactions: Interactions, asked: Asked) -> Generator[Event, None, None]:
        validation = asked.validation
        learning = _learning(self)
        self._check()
        device = chosen(self.device)
        where = self.device if self.shape == "dense" else "cpu"
        closed = GaussianBoltzmann(**{name: getattr(self, name) for name in _OF_COUPLINGS}, device=where)
        yield from closed.fitting(interactions)
        couplings = closed.couplings_
        assert isinstance(couplings, Dense | Neighbours)
        yield from _announced(self, interactions, device)
        fit = _fit(self, interactions, validation, self._plan(couplings, validation, device), learning)
        try:
            yield from _events(fit, asked)
        finally:
            if fit.learnt():
                found = fit.learnt()
                self.machines_ = tuple(one.machine for one in found)
                self.scales_ = tuple(float(one.scale[0]) for one in found)
                self.couplings_ = tuple(couplings if one.couplings is None else Dense(one.couplings) for one in found)
                self._has_learnt(interactions)
        if validation is not None:
            self.scales_ = _best_scales(self, validation)

    def _plan(self, couplings: Dense | Neighbours, validation: Validation | None, device: Device) -> ChoicePlan:
        of_closed = lateral_on(device, couplings)

        def lateral_of(state: ChoiceState) -> Callable[[Sparse], Floats]:
            return lambda x: of_closed(x) if state.couplings is None else state.kernels.sum_rows(x, state.couplings)

        def score_of(state: ChoiceState) -> Callable[[], float]:
            lateral = lateral_of(state)
            return _ndcg_of(validation, lambda x: state.fields(x, lateral))

        joint = {**_learning_settings(self), "n_epochs": self.joint_epochs}
        return ChoicePlan(
            self.n_machines,
            self.random_state,
            float(self.scale),
            lateral_of,
            score_of if validation else None,
            couplings.B if isinstance(couplings, Dense) else None,
            ChoiceLearning(**joint) if self.joint_epochs else None,
            float(self.coupling_rate),
            device,
        )

    def _fields(self, x: Sparse, stretch: float = 1.0) -> Floats:
        """Mean fields of all machines, the lateral part multiplied by `stretch`: (n_rows, n_items)."""
        found, lateral, before = [], None, None
        for couplings, machine, scale in zip(
            self._fitted("couplings_"), self._fitted("machines_"), self._fitted("scales_")
        ):
            if couplings is not before:
                lateral, before = across(couplings, x), couplings
            assert lateral is not None
            found.append(_sum(machine.fields(x), stretch * scale, lateral))
        return _mean(found)

    def _check(self) -> None:
        _check_machines(self)
        check_count("joint_epochs", self.joint_epochs, 0, 1_000_000)
        check_number("scale", self.scale, -1000.0, 1000.0)
        check_number("coupling_rate", self.coupling_rate, 0.0, 10.0)
        if self.shape not in ("dense", "neighbours"):
            raise SettingError(f"shape: {self.shape!r} is not one of 'dense', 'neighbours'")
        if self.joint_epochs and self.shape != "dense":
            raise SettingError(f"joint_epochs: {self.joint_epochs} needs shape='dense', not {self.shape!r}")

    def _scores(self, history: Interactions) -> Floats:
        return self._fields(sparse(history))

    def _relative(self, scores: Floats) -> Floats:
        return _log_softmax(scores)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
        """Plain values and arrays of what was learned."""
        couplings, machines = self._fitted("couplings_"), self._fitted("machines_")
        arrays = _machine_arrays(machines)
        shared = all(one is couplings[0] for one in couplings)
        for k, one in enumerate(couplings[:1] if shared else couplings):
            names = ("B",) if isinstance(one, Dense) else ("indptr", "item", "value")
            arrays |= {f"couplings.{k}.{name}": getattr(one, name) for name in names}
        return {"n_machines": len(machines), "scales": list(self._fitted("scales_")), "shared": shared}, arrays

    def take_parts(self, header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> None:
        """Take what `to_parts` gave.

        Parameters
        ----------
        header : dict
        arrays : dict of arrays
        """
        n = header["n_machines"]
        self.machines_, self.scales_ = _machines_of(n, arrays), tuple(header["scales"])
        found: list[Couplings] = []
        for k in range(1 if header["shared"] else n):
            given = {name.split(".")[-1]: a for name, a in arrays.items() if name.startswith(f"couplings.{k}.")}
            found.append(Dense(given["B"]) if "B" in given else Neighbours(**given))
        self.couplings_ = tuple(found * n if header["shared"] else found)


_OF_LEARNING = tuple(ChoiceLearning.__dataclass_fields__)
_OF_COUPLINGS = (
    *("ridge", "dropout", "variance_power", "user_degree", "item_degree", "output_degree"),
    *("shape", "n_neighbours", "max_memory_gb"),
)


def across(couplings: Couplings, x: Sparse) -> Floats:
    """Lateral fields of histories: (n_rows, n_items).

    Parameters
    ----------
    couplings : Dense or Neighbours
    x : sparse, (n_rows, n_items)
    """
    assert not isinstance(couplings, Dual)
    return couplings.scores(x)


def _best_scales(model: SemiRestricted, validation: Validation) -> tuple[float, ...]:
    """Scales of the lateral fields, all stretched by what ranks best for validation users.

    What predicts halves of histories best is not what ranks best given most of a history.
    """
    found = [validation_ndcg(validation, lambda x, by=by: model._fields(x, by)) for by in STRETCHES]
    best = STRETCHES[int(np.argmax(found))]
    return tuple(best * scale for scale in model._fitted("scales_"))


def _learning_settings(model: ChoiceModel) -> dict[str, Any]:
    return {name: value for name, value in model.get_params().items() if name in _OF_LEARNING}


def _learning(model: ChoiceModel) -> ChoiceLearning:
    return ChoiceLearning(**_learning_settings(model))


def _check_machines(model: Any) -> None:
    check_count("n_machines", model.n_machines, 1, 1000)
    check_count("random_state", model.random_state, 0, LARGEST_SEED)


def _fit(
    model: ChoiceModel, x: Interactions, validation: Validation | None, plan: ChoicePlan, learning: ChoiceLearning
) -> ChoiceFit:
    """A fit that a checkpoint of the same settings, choices and validation users can go on with."""
    parts = () if validation is None else validation
    arrays = [array for part in parts for array in (part.indptr, part.item)]
    ask = {name: value for name, value in model.get_params().items() if name != "max_memory_gb"}
    data = {
        "model": type(model).__name__,
        "items": x.items.fingerprint,
        "choices": fingerprint(x.indptr, x.item, x.weight),
        "validation": fingerprint(*arrays),
    }
    return ChoiceFit(sparse(x), x.popularity(), plan, learning, ask | data)


def _events(fit: ChoiceFit, asked: Asked) -> Iterator[Event]:
    if asked.resume and asked.checkpoint is not None and os.path.exists(asked.checkpoint):
        fit.resume(asked.checkpoint)
    yield from fit.events(asked.checkpoint)


def _announced(model: Any, interactions: Interactions, device: Device) -> Iterator[Allocates]:
    """Say what the weights and a mini-batch take here, and on a device what lies there beside."""
    n_weights = interactions.n_items * int(model.n_hidden)
    batch = 3 * min(int(model.batch_size), interactions.n_users) * interactions.n_items
    cd = getattr(model, "method", "") == "cd"
    of_learning = 0 if cd else 4 * n_weights + batch
    what = f"weights of {interactions.n_items:,} items and {model.n_hidden:,} hidden units"
    n_bytes = 4 * (n_weights * (model.n_machines + 1) + (0 if device.on_torch else of_learning))
    yield announced(what, n_bytes, WAY_OUT, None)
    if device.on_torch:
        share = min(1.0, int(model.batch_size) / interactions.n_users)
        rows = BATCH_COPIES * int(share * interactions.n_entries) * int(model.n_hidden)
        n_bytes = 4 * (2 * n_weights + of_learning + rows) + ENTRY_BYTES * interactions.n_entries
        n_bytes += _lateral_bytes(model, interactions.n_items)
        way_out = f"{WAY_OUT}; device='cpu' takes the machine's own memory"
        yield announced(f"choices and {what} on {device.title}", n_bytes, way_out, device=device)


def _lateral_bytes(model: Any, n_items: int) -> int:
    """Of the lateral couplings on a device: with their moments and their gradient where they learn."""
    if not isinstance(model, SemiRestricted):
        return 0
    if model.shape == "neighbours":
        return 8 * n_items * (int(model.n_neighbours) + int(model.batch_size))
    return 4 * n_items**2 * (5 if model.joint_epochs else 1)


def _ndcg_of(validation: Validation | None, fields: Callable[[Sparse], Floats]) -> Callable[[], float]:
    assert validation is not None
    return lambda: validation_ndcg(validation, fields)


def _sum(fields: Floats, scale: Any, lateral: Floats) -> Floats:
    fields += np.float32(scale) * lateral
    return fields


def _mean(fields: list[Floats]) -> Floats:
    total = fields[0]
    for field in fields[1:]:
        total += field
    return total / np.float32(len(fields)) if len(fields) > 1 else total


def _log_softmax(scores: Floats) -> Floats:
    """Log probabilities of one draw."""
    top = scores.max(axis=1, keepdims=True)
    return scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))


def _machine_arrays(machines: tuple[MultinomialMachine, ...]) -> dict[str, npt.NDArray]:
    return {f"{name}.{k}": getattr(one, name) for k, one in enumerate(machines) for name in ("W", "b", "c")}


def _machines_of(n: int, arrays: dict[str, npt.NDArray]) -> tuple[MultinomialMachine, ...]:
    return tuple(MultinomialMachine(*(arrays[f"{name}.{k}"] for name in ("W", "b", "c"))) for k in range(n))
