"""The models that the dense loop learns, by the names its state holds their arrays under.

A conditional machine is learnt as a restricted one with its conditions as held units beside the visible ones, so that
`W` holds W and B, one above the other, and `A` what leads from conditions to visible biases. A semi-restricted one adds
`L`, the ties among its visible units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from harmonium.models import conditional
from harmonium.models import rbm as rbms
from harmonium.models.conditional import Conditional
from harmonium.models.lateral import Lateral
from harmonium.models.rbm import RBM
from harmonium.units import Layer
from harmonium.units.layer import Floats

Model: TypeAlias = RBM | Conditional | Lateral


def restricted(model: Model) -> RBM:
    """Return the restricted machine that is learnt: with held units for conditions, without ties.

    Parameters
    ----------
    model : RBM, Conditional or Lateral
    """
    if isinstance(model, Conditional):
        return conditional.beside(model)
    return model.rbm if isinstance(model, Lateral) else model


def arrays(model: Model) -> dict[str, Floats]:
    """Return all that is learnt, by the state's names.

    Parameters
    ----------
    model : RBM, Conditional or Lateral
    """
    ties = {"A": model.A} if isinstance(model, Conditional) else {"L": model.L} if isinstance(model, Lateral) else {}
    return rbms.arrays(restricted(model)) | ties


def assembled(visible: Layer, hidden: Layer, arrays: Mapping[str, Floats]) -> RBM:
    """Return the restricted machine of a state's arrays, ties left out.

    Parameters
    ----------
    visible, hidden : Layer
    arrays : mapping of arrays
    """

    def layer(name: str, old: Layer) -> Layer:
        return old.with_parameters({inner: arrays[f"{name}.{inner}"] for inner in old.parameters})

    return RBM(arrays["W"], arrays["b"], arrays["c"], layer("visible", visible), layer("hidden", hidden))


def model_of(rbm: RBM, arrays: Mapping[str, Floats]) -> Model:
    """Return the model of a restricted machine and the state's ties, its gauge fixed.

    Parameters
    ----------
    rbm : RBM
        From `assembled`.
    arrays : mapping of arrays
        May hold A or L.
    """
    rbm = rbms.fixed_gauge(rbm)
    if "A" in arrays:
        model = conditional.apart(rbm, arrays["A"])
        return Conditional(model.rbm, model.rbm.visible.gauge(model.A.T).T.astype(model.A.dtype), model.B)
    return Lateral(rbm, arrays["L"]) if "L" in arrays else rbm
