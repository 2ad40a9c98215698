"""Settings of learning, each with its default and its allowed range in one place."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, final

from harmonium.errors import SettingError
from harmonium.kernels.constants import ADAGRAD, ADAM, MOMENTUM

METHODS = ("multi-prediction", "cd", "pcd")
OPTIMIZERS = {"adagrad": ADAGRAD, "adam": ADAM, "momentum": MOMENTUM}
SCHEDULES = ("constant", "linear", "cosine")


@final
@dataclass(frozen=True)
class Learning:
    """How a rating machine learns. Raises SettingError, by name and allowed range, on construction.

    Parameters
    ----------
    method : str
        "multi-prediction" (follow the log probability of dropped ratings given the kept ones), "cd" or "pcd".
    n_steps : int or sequence of int
        Half-sweep pairs of CD and PCD; a sequence grows during training, its parts taking equal shares of the epochs.
    sample : bool
        Whether CD draws its fantasies; otherwise they are mean-field. PCD always draws.
    keep : float
        Probability that multi-prediction keeps a rating as evidence.
    hidden_dropout : float
        Probability that multi-prediction drops a hidden unit.
    n_epochs, batch_size : int
        Passes over the data, at most; cases in a mini-batch.
    optimizer : str
        "adagrad", "adam" or "momentum".
    learning_rate, bias_rate : float
        Step size of weights and hidden biases; visible biases move at `bias_rate` times that.
    schedule : str
        "constant", or "linear" or "cosine" down to 0 over `n_epochs`.
    weight_decay : float
        L2 penalty per rating of a visible unit.
    momentum, beta2 : float
        Of "momentum" and "adam".
    averaging : float
        The model is the mean of the parameters after each epoch, epoch t weighing as t to this power: large values
        follow the last epochs closely (Shamir & Zhang 2013, section 3); 0 takes the last epoch's parameters alone.
    patience : int
        Epochs without a better validation error after which learning stops; 0 never stops early.
    """

    method: str = "multi-prediction"
    n_steps: int | Sequence[int] = 1
    sample: bool = False
    keep: float = 0.5
    hidden_dropout: float = 0.5
    n_epochs: int = 80
    batch_size: int = 100
    optimizer: str = "adagrad"
    learning_rate: float = 0.03
    bias_rate: float = 0.3
    schedule: str = "constant"
    weight_decay: float = 0.02
    momentum: float = 0.9
    beta2: float = 0.999
    averaging: float = 4.0
    patience: int = 10

    def __post_init__(self) -> None:
        for name, low, high, closed_high in _RANGES:
            _check_number(name, getattr(self, name), low, high, closed_high)
        for name, allowed in _CHOICES.items():
            check_choice(name, getattr(self, name), allowed)
        for k in self.steps:
            _check_number("n_steps", k, 1, MOST_STEPS, True)

    @property
    def steps(self) -> tuple[int, ...]:
        """`n_steps` as a tuple."""
        return tuple(self.n_steps) if isinstance(self.n_steps, Sequence) else (self.n_steps,)

    def steps_at(self, epoch: int) -> int:
        """CD steps in an epoch, counted from 0."""
        return self.steps[min(len(self.steps) - 1, epoch * len(self.steps) // self.n_epochs)]

    def rate_at(self, progress: float) -> float:
        """Learning rate when a share `progress` of all epochs is done."""
        return scheduled(self.learning_rate, self.schedule, progress)

    @property
    def sampled(self) -> bool:
        """Whether fantasies are drawn."""
        return self.sample or self.method == "pcd"


MOST_STEPS = 10_000
# name, lowest, highest, whether the highest is allowed; the type of the bounds says whether it is a whole number
_RANGES: tuple[tuple[str, Any, Any, bool], ...] = (
    ("keep", 0.01, 0.99, True),
    ("hidden_dropout", 0.0, 1.0, False),
    ("n_epochs", 1, 1_000_000, True),
    ("batch_size", 1, 1_000_000, True),
    ("learning_rate", 0.0, 10.0, True),
    ("bias_rate", 0.0, 10.0, True),
    ("weight_decay", 0.0, 10.0, True),
    ("momentum", 0.0, 1.0, False),
    ("beta2", 0.0, 1.0, False),
    ("averaging", 0.0, 1e6, True),
    ("patience", 0, 1_000_000, True),
)
_CHOICES = {"method": METHODS, "optimizer": tuple(OPTIMIZERS), "schedule": SCHEDULES}
SETTING_NAMES = tuple(field.name for field in fields(Learning))


def scheduled(rate: float, schedule: str, progress: float) -> float:
    """Learning rate when a share of all epochs is done.

    Parameters
    ----------
    rate : float
        At first.
    schedule : str
        "linear" or "cosine" down to 0; any other is constant.
    progress : float
        From 0 to 1.
    """
    if schedule == "linear":
        return rate * (1 - progress)
    return rate * 0.5 * (1 + math.cos(math.pi * progress)) if schedule == "cosine" else rate


def slower(learning_rate: float, optimizer: str) -> str:
    """Advice after divergence: which rate to try instead.

    Parameters
    ----------
    learning_rate : float
    optimizer : str
        Words that say what it was too high with.
    """
    return f"learning_rate {learning_rate:g} with {optimizer} is too high for these data: try {learning_rate / 10:g}"


def check_choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    """Raise SettingError unless the value is one of those allowed.

    Parameters
    ----------
    name : str
    value : object
    allowed : sequence of str
    """
    if value not in allowed:
        raise SettingError(f"{name}: {value!r} is not one of {', '.join(map(repr, allowed))}")


def check_count(name: str, value: Any, low: int, high: int) -> None:
    """Raise SettingError unless the value is a whole number from low to high.

    Parameters
    ----------
    name : str
    value : object
    low, high : int
    """
    _check_number(name, value, low, high, True)


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Raise SettingError unless the value is a number from low to high.

    Parameters
    ----------
    name : str
    value : object
    low, high : float
    """
    _check_number(name, value, float(low), high, True)


def check_share(name: str, value: Any, low: float, high: float) -> None:
    """Raise SettingError unless the value is a number from low up to, not including, high.

    Parameters
    ----------
    name : str
    value : object
    low, high : float
    """
    _check_number(name, value, low, high, False)


def _check_number(name: str, value: Any, low: Any, high: Any, closed_high: bool) -> None:
    whole = isinstance(low, int)
    good = hasattr(value, "__index__") if whole else hasattr(value, "__float__")
    good = good and not isinstance(value, bool | str) and low <= value <= high and (closed_high or value < high)
    if not good:
        kind = "a whole number" if whole else "a number"
        end = f"to {high:,}" if closed_high else f"up to, not including, {high:g}"
        raise SettingError(f"{name}: {value!r} is not {kind} from {low:,} {end}")
