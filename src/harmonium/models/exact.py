"""Exact sums over all states of a restricted machine: log Z, and the model's own averages.

One layer is listed, the other summed out by its log-partition, so the cost grows with the states of the smaller layer.
Two Gaussian layers are one joint normal law and need no list.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.units.layer import Floats, Layer

MOST_STATES = 2**26  # beyond that an exact sum takes hours
BLOCK = 2**14  # states summed at a time


def log_partition(rbm: RBM) -> float:
    """log Z: log of the sum of exp(-energy) over all states of both layers.

    Parameters
    ----------
    rbm : RBM

    Returns
    -------
    float
        In nats; computed in float64.

    Raises
    ------
    SettingError
        Neither layer can be listed.
    """
    rbm = in_float64(rbm)
    if both_gaussian(rbm):
        return _gaussian_joint(rbm)[0]
    listed = listed_layer(rbm)
    blocks = (-_free_energy(rbm, listed, s) for s in blocks_of(getattr(rbm, listed)))
    return float(np.logaddexp.reduce([np.logaddexp.reduce(block) for block in blocks]))


def log_likelihood(rbm: RBM, v: Floats) -> Floats:
    """Exact log-probability (density, for real-valued units) of visible states, in nats.

    Parameters
    ----------
    rbm : RBM
    v : floats, (batch, n_visible)

    Returns
    -------
    float64 array, (batch,)
    """
    return -rbms.free_energy(in_float64(rbm), np.asarray(v, np.float64)) - log_partition(rbm)


def expectations(rbm: RBM) -> dict[str, Floats]:
    """The model's averages of -dE/dparameter: the negative phase of the exact gradient of the log-likelihood.

    Parameters
    ----------
    rbm : RBM

    Returns
    -------
    dict of float64 arrays
        By the names and of the shapes of `models.rbm.arrays`.
    """
    rbm = in_float64(rbm)
    if both_gaussian(rbm):
        return _gaussian_averages(rbm)
    listed = listed_layer(rbm)
    average = rbms.statistics if listed == "visible" else rbms.hidden_statistics
    log_z = log_partition(rbm)
    out: dict[str, Floats] = {name: np.zeros(a.shape) for name, a in rbms.arrays(rbm).items()}
    for states in blocks_of(getattr(rbm, listed)):
        weight = np.exp(-_free_energy(rbm, listed, states) - log_z)
        for name, part in average(rbm, states, weight).items():
            out[name] += part
    return out


def listed_layer(rbm: RBM) -> str:
    """Which layer's states an exact sum lists: "visible" or "hidden", the smaller one.

    Parameters
    ----------
    rbm : RBM

    Raises
    ------
    SettingError
        Neither layer can be listed.
    """
    sizes = {name: size_of(getattr(rbm, name)) for name in ("hidden", "visible")}
    name = min(sizes, key=lambda key: sizes[key])
    if sizes[name] > MOST_STATES:
        raise SettingError(
            f"an exact sum over this machine is out of reach: the hidden layer has {_words(sizes['hidden'])} states, "
            f"the visible one {_words(sizes['visible'])}, at most {MOST_STATES:,} can be summed; estimate instead"
        )
    return name


def blocks_of(layer: Layer, size: int = BLOCK) -> Iterator[npt.NDArray[np.float64]]:
    """All states of a layer, some at a time.

    Parameters
    ----------
    layer : Layer
    size : int

    Yields
    ------
    float64 array, (size, width)
    """
    for start in range(0, layer.n_configurations, size):
        yield layer.states(start, start + size)


def in_float64(rbm: RBM) -> RBM:
    """Return the machine with its parameters in double precision.

    Parameters
    ----------
    rbm : RBM
    """
    return rbms.with_arrays(rbm, {name: a.astype(np.float64) for name, a in rbms.arrays(rbm).items()})


def size_of(layer: Layer) -> float:
    """Number of states of a layer, infinite where they cannot be counted.

    Parameters
    ----------
    layer : Layer
    """
    unknown = layer.kind == "multinomial" and layer.settings()["n_draws"] is None
    return layer.n_configurations if layer.bounded and not unknown else np.inf


def _words(size: float) -> str:
    return "infinitely many" if size == np.inf else f"{size:,}"


def _free_energy(rbm: RBM, listed: str, states: Floats) -> Floats:
    return rbms.free_energy(rbm, states) if listed == "visible" else rbms.hidden_free_energy(rbm, states)


def both_gaussian(rbm: RBM) -> bool:
    """Whether the joint distribution is one normal law, which needs no sum.

    Parameters
    ----------
    rbm : RBM
    """
    return rbm.visible.kind == rbm.hidden.kind == "gaussian"


def _gaussian_joint(rbm: RBM) -> tuple[float, Floats, Floats]:
    """log Z, mean and covariance of two Gaussian layers together."""
    inverse = [np.exp(-layer.parameters["log_variance"]) for layer in (rbm.visible, rbm.hidden)]
    precision = np.block([[np.diag(inverse[0]), -rbm.W], [-rbm.W.T, np.diag(inverse[1])]])
    covariance = np.linalg.inv(precision)
    field = np.concatenate((rbm.b, rbm.c))
    mean = covariance @ field
    log_z = 0.5 * (field @ mean + len(field) * np.log(2 * np.pi) - np.linalg.slogdet(precision)[1])
    return float(log_z), mean, covariance


def _gaussian_averages(rbm: RBM) -> dict[str, Floats]:
    _, mean, covariance = _gaussian_joint(rbm)
    n, second = rbm.n_visible, covariance + np.outer(mean, mean)
    half = np.diag(second) / 2 / np.exp(np.concatenate([p for k, p in rbms.arrays(rbm).items() if "." in k]))
    return {
        "W": second[:n, n:],
        "b": mean[:n],
        "c": mean[n:],
        "visible.log_variance": half[:n],
        "hidden.log_variance": half[n:],
    }
