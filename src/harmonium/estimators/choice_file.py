"""A fitted model of choices as plain values and arrays, whichever it is, as model files keep it, and back."""

from typing import Any

import numpy.typing as npt

from harmonium.estimators.choice import ChoiceModel, packed, unpacked
from harmonium.estimators.gaussian_boltzmann import GaussianBoltzmann
from harmonium.estimators.multinomial_rbm import MultinomialRBM, SemiRestricted

MODELS: dict[str, type[ChoiceModel]] = {
    model.__name__: model for model in (GaussianBoltzmann, MultinomialRBM, SemiRestricted)
}


def to_parts(model: ChoiceModel) -> tuple[dict[str, Any], dict[str, npt.NDArray]]:
    """Return a fitted model of choices as plain values and arrays, its class among them.

    Parameters
    ----------
    model : ChoiceModel
        Of a class in `MODELS`.
    """
    header, arrays = packed(model)
    return {"class": type(model).__name__, **header}, arrays


def from_parts(header: dict[str, Any], arrays: dict[str, npt.NDArray]) -> ChoiceModel:
    """Return the model that `to_parts` took apart.

    Parameters
    ----------
    header : dict
    arrays : dict of arrays

    Raises
    ------
    KeyError
        There is no such class, or something is missing.
    """
    return unpacked(MODELS[header["class"]](), header, arrays)
