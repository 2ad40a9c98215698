"""Units: layers as exponential families, each given by its log-partition A(x) of the field x.

A module a kind holds the elementwise formulas; the layer classes put them behind one surface for whole rows.
"""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.units.binomial import Binomial
from harmonium.units.continuous import Gaussian, Rectified
from harmonium.units.discrete import Bernoulli, Multinomial, Softmax, Spin
from harmonium.units.held import Held
from harmonium.units.joined import Joined
from harmonium.units.layer import Layer

KINDS: dict[str, type[Layer]] = {
    layer.kind: layer for layer in (Bernoulli, Spin, Gaussian, Rectified, Softmax, Multinomial)
}

__all__ = [
    "KINDS", "Bernoulli", "Binomial", "Gaussian", "Held", "Joined", "Layer", "Multinomial", "Rectified", "Softmax",
    "Spin", "layer_from", "layer_of",
]  # fmt: skip


def layer_of(kind: "str | Layer", n_columns: int) -> Layer:
    """Return a layer by the name of its kind and the columns it has.

    Parameters
    ----------
    kind : str or Layer
        "bernoulli", "spin", "gaussian", "relu", "multinomial", or "softmax:3" for softmax units of 3 states; a layer is
        returned as it is when it has the columns.
    n_columns : int

    Raises
    ------
    SettingError
        There is no such kind, or it cannot have so many columns.
    """
    if isinstance(kind, Layer):
        if kind.width != n_columns:
            raise SettingError(f"the {kind.kind} layer has {kind.width:,} columns, {n_columns:,} are wanted")
        return kind
    name, _, states = str(kind).partition(":")
    if name not in KINDS or (states and not states.isdigit()) or bool(states) != (name == "softmax"):
        names = ", ".join("softmax:N (N states)" if name == "softmax" else name for name in KINDS)
        raise SettingError(f"{kind!r} is not a kind of units; there are {names}")
    if name != "softmax":
        return KINDS[name](n_columns)
    n_states = int(states)
    if n_states < 2 or n_columns % n_states:
        raise SettingError(f"{kind!r}: {n_columns:,} columns are not a whole number of units with {n_states} states")
    return Softmax(n_columns // n_states, n_states)


def layer_from(settings: Mapping[str, Any], parameters: Mapping[str, npt.NDArray] | None = None) -> Layer:
    """Build a layer again from its `settings()` and `parameters`.

    Parameters
    ----------
    settings : mapping
    parameters : mapping of arrays, optional
    """
    sizes = {name: value for name, value in settings.items() if name != "kind"}
    if settings["kind"] == Joined.kind:
        layer: Layer = Joined([layer_from(part) for part in sizes["parts"]])
    else:
        layer = {**KINDS, Binomial.kind: Binomial, Held.kind: Held}[settings["kind"]](**sizes)
    return layer.with_parameters(parameters) if parameters else layer
