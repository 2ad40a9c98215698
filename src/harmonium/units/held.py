"""Units that are always given: inputs that a conditional machine is told, neither drawn nor summed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NoReturn, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.units.layer import Floats, Layer


@final
@dataclass(frozen=True, eq=False)
class Held(Layer):
    """Columns of finite numbers beside units that have a law; they have none of their own.

    Parameters
    ----------
    n_units : int
    """

    kind: ClassVar[str] = "held"
    nonnegative: ClassVar[bool] = False

    def log_partition(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        _without_law()

    def mean(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        _without_law()

    def noise(self, key: np.uint64, chain: npt.NDArray[np.integer], total: Floats | None = None) -> Floats:
        _without_law()

    def sample(self, x: Floats, noise: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        _without_law()

    def response(self, x: Floats, g: Floats, total: Floats | None = None) -> Floats:
        _without_law()

    def field(self, mean: Floats) -> Floats:
        return np.zeros_like(mean)

    @property
    def n_configurations(self) -> int:
        """Refuse to count: a sum over held units is a mistake."""
        _without_law()

    def _check_domain(self, v: Floats, name: str) -> None:
        """Every finite number may be held."""


def _without_law() -> NoReturn:
    raise SettingError("held units have no law: they are neither drawn nor summed over")
