"""Layers of real-valued units: Gaussian and rectified Gaussian, each unit with a variance of its own that is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.randomness import fine_uniforms, normals
from harmonium.units import gaussian, rectified
from harmonium.units.layer import Floats, Layer, check_size, scaled

HALVINGS = 60  # of the interval around the field that has a given mean
SMALLEST_MEAN = 1e-3  # of a rectified unit, in standard deviations, that is turned into a field


@final
@dataclass(frozen=True, eq=False)
class Gaussian(Layer):
    """Real-valued units with density e^{x v - v^2 / (2 s2)}.

    Parameters
    ----------
    n_units : int
    log_variance : floats, (n_units,), optional
        log s2 of every unit given the other layer; all 0 when None.
    """

    log_variance: Floats | None = None

    kind: ClassVar[str] = "gaussian"
    bounded: ClassVar[bool] = False
    nonnegative: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _keep(self)

    @property
    def variance(self) -> Floats:
        """s2 of every unit, (n_units,)."""
        return np.exp(_log_variance(self))

    @property
    def parameters(self) -> dict[str, Floats]:
        return {"log_variance": _log_variance(self)}

    def with_parameters(self, parameters: Mapping[str, Floats]) -> Self:
        return replace(self, log_variance=parameters["log_variance"])

    def log_partition(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return gaussian.log_partition(scaled(x, beta), _at(self, x, beta)).sum(axis=-1)

    def mean(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return gaussian.mean(x, _at(self, x, None))  # both factors of beta cancel

    def noise(self, key: np.uint64, chain: npt.NDArray[np.integer], total: Floats | None = None) -> Floats:
        return normals(key, np.asarray(chain)[:, None], np.arange(self.n_units))

    def sample(self, x: Floats, noise: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return gaussian.sample(scaled(x, beta), noise, _at(self, x, beta))

    def response(self, x: Floats, g: Floats, total: Floats | None = None) -> Floats:
        return _at(self, x, None) * g

    def field(self, mean: Floats) -> Floats:
        return mean / self.variance

    def base(self, v: Floats) -> Floats:
        return -_half_squares(self, v).sum(axis=-1)

    def parameter_statistics(self, v: Floats) -> dict[str, Floats]:
        return {"log_variance": _half_squares(self, v)}

    def expected_statistics(self, x: Floats) -> dict[str, Floats]:
        return {"log_variance": gaussian.half_square(x, _at(self, x, None))}

    def tempered(self, beta: float) -> Self:
        return replace(self, log_variance=_log_variance(self) - np.log(beta))

    def _check_domain(self, v: Floats, name: str) -> None:
        """Every finite number is a state."""


@final
@dataclass(frozen=True, eq=False)
class Rectified(Layer):
    """Rectified Gaussian units, 0 or above; see `harmonium.units.rectified`.

    Parameters
    ----------
    n_units : int
    log_variance : floats, (n_units,), optional
        log s2 of the normal law that is cut off below 0; all 0 when None.
    """

    log_variance: Floats | None = None

    kind: ClassVar[str] = "relu"
    bounded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _keep(self)

    @property
    def variance(self) -> Floats:
        """s2 of every unit before the cut, (n_units,)."""
        return np.exp(_log_variance(self))

    @property
    def parameters(self) -> dict[str, Floats]:
        return {"log_variance": _log_variance(self)}

    def with_parameters(self, parameters: Mapping[str, Floats]) -> Self:
        return replace(self, log_variance=parameters["log_variance"])

    def log_partition(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return rectified.log_partition(scaled(x, beta), _at(self, x, beta)).sum(axis=-1)

    def mean(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return rectified.mean(scaled(x, beta), _at(self, x, beta))

    def noise(self, key: np.uint64, chain: npt.NDArray[np.integer], total: Floats | None = None) -> Floats:
        return fine_uniforms(key, np.asarray(chain)[:, None], np.arange(self.n_units))

    def sample(self, x: Floats, noise: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return rectified.sample(scaled(x, beta), noise, _at(self, x, beta))

    def response(self, x: Floats, g: Floats, total: Floats | None = None) -> Floats:
        return rectified.spread(x, _at(self, x, None)) * g

    def field(self, mean: Floats) -> Floats:
        variance = _at(self, mean, None)
        target = np.maximum(mean, SMALLEST_MEAN * np.sqrt(variance))
        low, high = -1 / target, target / variance  # E[h] < 1 / |x| below 0, and E[h] > s2 x
        for _ in range(HALVINGS):
            x = (low + high) / 2
            above = rectified.mean(x, variance) > target
            low, high = np.where(above, low, x), np.where(above, x, high)
        return (low + high) / 2

    def base(self, v: Floats) -> Floats:
        return -_half_squares(self, v).sum(axis=-1)

    def parameter_statistics(self, v: Floats) -> dict[str, Floats]:
        return {"log_variance": _half_squares(self, v)}

    def expected_statistics(self, x: Floats) -> dict[str, Floats]:
        return {"log_variance": rectified.half_square(x, _at(self, x, None))}

    def tempered(self, beta: float) -> Self:
        return replace(self, log_variance=_log_variance(self) - np.log(beta))

    def _check_domain(self, v: Floats, name: str) -> None:
        self._refuse(v, v < 0, name, "numbers from 0 on")


Continuous = Gaussian | Rectified


def _keep(layer: Continuous) -> None:
    """Check the sizes and keep the log-variances as a read-only array."""
    check_size("n_units", layer.n_units)
    given = layer.log_variance
    z = np.zeros(layer.n_units, np.float32) if given is None else np.array(given)
    if z.shape != (layer.n_units,) or not np.isfinite(z).all() or not np.issubdtype(z.dtype, np.floating):
        raise SettingError(f"log_variance: it must hold {layer.n_units:,} finite numbers; the shape is {z.shape}")
    z.flags.writeable = False
    object.__setattr__(layer, "log_variance", z)


def _log_variance(layer: Continuous) -> Floats:
    assert layer.log_variance is not None  # set in __post_init__
    return layer.log_variance


def _at(layer: Continuous, x: Floats, beta: Floats | None) -> Floats:
    """Variance at an inverse temperature, in the type of the fields."""
    variance = np.exp(_log_variance(layer).astype(x.dtype, copy=False))
    return variance if beta is None else (variance / beta).astype(x.dtype, copy=False)


def _half_squares(layer: Continuous, v: Floats) -> Floats:
    """v^2 / (2 s2) of every unit."""
    return v * v / (2 * _at(layer, v, None))
