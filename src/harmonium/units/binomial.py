"""Binomial units: n independent copies of a binary unit that share its field, of which only the sum is kept.

A(x) = n log(1 + e^x),    p(s | x) = C(n, s) e^(s x) / (1 + e^x)^n,    s = 0 ... n
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from harmonium.units import bernoulli
from harmonium.units.discrete import SMALLEST_SHARE
from harmonium.units.layer import Floats, Layer, check_size, grid, scaled


@final
@dataclass(frozen=True, eq=False)
class Binomial(Layer):
    """Units that are 0, 1, ... or n_trials: sums of binary units with tied weights.

    Parameters
    ----------
    n_units : int
    n_trials : int
    """

    n_trials: int = 2

    kind: ClassVar[str] = "binomial"

    def __post_init__(self) -> None:
        check_size("n_units", self.n_units)
        check_size("n_trials", self.n_trials)

    def settings(self) -> dict[str, Any]:
        return {"kind": self.kind, "n_units": int(self.n_units), "n_trials": int(self.n_trials)}

    def log_partition(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return self.n_trials * bernoulli.log_partition(scaled(x, beta)).sum(axis=-1)

    def mean(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return self.n_trials * bernoulli.mean(scaled(x, beta))

    def sample(self, x: Floats, noise: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        x = scaled(x, beta)
        log_none, below, out = self.n_trials * bernoulli.log_partition(x), np.zeros(x.shape), np.zeros_like(x)
        for k in range(self.n_trials):  # by inversion
            below += np.exp(self._log_choose(np.float64(k)) + k * x - log_none)
            out += noise >= below
        return out

    def response(self, x: Floats, g: Floats, total: Floats | None = None) -> Floats:
        p = bernoulli.mean(x)
        return self.n_trials * p * (1 - p) * g

    def field(self, mean: Floats) -> Floats:
        p = np.clip(mean / self.n_trials, SMALLEST_SHARE, 1 - SMALLEST_SHARE)
        return np.log(p / (1 - p))

    def base(self, v: Floats) -> Floats:
        return self.log_count(v)

    def log_count(self, v: Floats) -> Floats:
        return self._log_choose(v).sum(axis=-1).astype(v.dtype, copy=False)

    def _log_choose(self, s: Any) -> Any:
        return gammaln(self.n_trials + 1) - gammaln(s + 1) - gammaln(self.n_trials - s + 1)

    @property
    def n_configurations(self) -> int:
        return (self.n_trials + 1) ** self.n_units

    def _states(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        return grid(np.arange(self.n_trials + 1), self.n_units, start, stop)

    def _check_domain(self, v: Floats, name: str) -> None:
        bad = (v < 0) | (v > self.n_trials) | (v != np.floor(v))
        self._refuse(v, bad, name, f"whole numbers from 0 to {self.n_trials}")
