"""Layers of several kinds side by side, as one layer: features and labels, numbers and categories."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.randomness import key_of
from harmonium.units.layer import Floats, Layer


@final
@dataclass(frozen=True, eq=False)
class Joined(Layer):
    """Units of several kinds: the columns of one layer after those of the other.

    Parameters
    ----------
    parts : sequence of Layer
        All but multinomial ones, whose totals scale the hidden biases.

    Notes
    -----
    Independent families: log-partitions and base measures add up. Parameters are named by the part's number,
    "0.log_variance".
    """

    n_units: int = field(init=False)
    parts: Sequence[Layer]

    kind: ClassVar[str] = "joined"

    def __post_init__(self) -> None:
        if not self.parts or any(part.kind in ("multinomial", "joined") for part in self.parts):
            kinds = ", ".join(part.kind for part in self.parts) or "nothing"
            raise SettingError(f"parts: layers of any kind but multinomial and joined can be joined, not {kinds}")
        object.__setattr__(self, "parts", tuple(self.parts))
        object.__setattr__(self, "n_units", sum(part.n_units for part in self.parts))

    @property
    def bounded(self) -> bool:  # type: ignore[override]
        """Whether every part has finitely many states."""
        return all(part.bounded for part in self.parts)

    @property
    def nonnegative(self) -> bool:  # type: ignore[override]
        """Whether no part has negative states."""
        return all(part.nonnegative for part in self.parts)

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    @property
    def parameters(self) -> dict[str, Floats]:
        return {f"{k}.{name}": a for k, part in enumerate(self.parts) for name, a in part.parameters.items()}

    @property
    def deviations(self) -> Floats:
        return np.concatenate([part.deviations for part in self.parts])

    def with_parameters(self, parameters: Mapping[str, Floats]) -> Self:
        whole = self.parameters | dict(parameters)
        own = ({name: whole[f"{k}.{name}"] for name in part.parameters} for k, part in enumerate(self.parts))
        return type(self)([part.with_parameters(inner) for part, inner in zip(self.parts, own)])

    def settings(self) -> dict[str, Any]:
        return {"kind": self.kind, "parts": [part.settings() for part in self.parts]}

    def pieces(self, *rows: Floats) -> Iterator[tuple[Any, ...]]:
        """Every part with its columns of some arrays.

        Parameters
        ----------
        *rows : arrays, (..., width)

        Yields
        ------
        tuple
            The part, and one view an array.
        """
        start = 0
        for part in self.parts:
            yield part, *(a[..., start : start + part.width] for a in rows)
            start += part.width

    def log_partition(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return sum(part.log_partition(piece, None, beta) for part, piece in self.pieces(x))  # type: ignore[return-value]

    def mean(self, x: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        return np.concatenate([part.mean(piece, None, beta) for part, piece in self.pieces(x)], axis=-1)

    def noise(self, key: np.uint64, chain: npt.NDArray[np.integer], total: Floats | None = None) -> Floats:
        return np.concatenate([part.noise(self.key(key, k), chain) for k, part in enumerate(self.parts)], axis=-1)

    def key(self, key: np.uint64, k: int) -> np.uint64:
        """Key of one part's draws.

        Parameters
        ----------
        key : uint64
            Of the whole layer's.
        k : int
        """
        return key_of(int(key), k)

    def sample(self, x: Floats, noise: Floats, total: Floats | None = None, beta: Floats | None = None) -> Floats:
        ends = np.cumsum([part.n_units for part in self.parts])[:-1]
        own = np.split(noise, ends, axis=-1)
        drawn = [part.sample(piece, u, None, beta) for (part, piece), u in zip(self.pieces(x), own)]
        return np.concatenate(drawn, axis=-1)

    def response(self, x: Floats, g: Floats, total: Floats | None = None) -> Floats:
        return np.concatenate([part.response(*pieces) for part, *pieces in self.pieces(x, g)], axis=-1)

    def field(self, mean: Floats) -> Floats:
        return np.concatenate([part.field(piece) for part, piece in self.pieces(mean)], axis=-1)

    def base(self, v: Floats) -> Floats:
        return sum(part.base(piece) for part, piece in self.pieces(v))  # type: ignore[return-value]

    def parameter_statistics(self, v: Floats) -> dict[str, Floats]:
        found = (part.parameter_statistics(piece) for part, piece in self.pieces(v))
        return {f"{k}.{name}": s for k, own in enumerate(found) for name, s in own.items()}

    def expected_statistics(self, x: Floats) -> dict[str, Floats]:
        found = (part.expected_statistics(piece) for part, piece in self.pieces(x))
        return {f"{k}.{name}": s for k, own in enumerate(found) for name, s in own.items()}

    def tempered(self, beta: float) -> Self:
        return type(self)([part.tempered(beta) for part in self.parts])

    def gauge(self, a: Floats) -> Floats:
        """Remove the idle directions of every part.

        Parameters
        ----------
        a : floats, (width, ...)
        """
        return np.concatenate([part.gauge(piece.T) for part, piece in self.pieces(a.T)], axis=0)

    @property
    def n_configurations(self) -> int:
        return math.prod(part.n_configurations for part in self.parts)

    def _states(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        index, places, out = np.arange(start, stop), self.n_configurations, []
        for part in self.parts:
            places //= part.n_configurations
            own = index // places % part.n_configurations
            low, high = (int(own.min()), int(own.max()) + 1) if len(own) else (0, 0)
            out.append(part.states(low, high)[own - low])
        return np.concatenate(out, axis=1)

    def _check_domain(self, v: Floats, name: str) -> None:
        start = 0
        for part, piece in self.pieces(v):
            part._check_domain(piece, name if not start else f"{name}[:, {start}:]")
            start += part.width
