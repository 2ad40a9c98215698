"""Restricted machines with labels: the visible layer is joined of features and of one softmax unit, the label.

    log p(y | x) = b_y + A(c + x W + W_y) - log sum over labels,    A the hidden layer's log-partition

What the features alone contribute to the energy is the same for all labels and drops out, so the conditional law of the
label is exact at the cost of one hidden layer a label (Larochelle & Bengio 2008).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.models.rbm import RBM
from harmonium.units import Joined, Layer, Softmax, levels
from harmonium.units.layer import Floats


def features(rbm: RBM) -> Layer:
    """Layer of the features.

    Parameters
    ----------
    rbm : RBM

    Raises
    ------
    SettingError
        The visible layer is not features beside one softmax unit.
    """
    layer = rbm.visible
    if not isinstance(layer, Joined) or len(layer.parts) != 2 or layer.parts[1].kind != Softmax.kind:
        raise SettingError(f"visible: it must be features joined with one softmax unit of labels, not {layer.kind}")
    if layer.parts[1].n_units != 1:
        raise SettingError(f"visible: a case has one label, not {layer.parts[1].n_units}")
    return layer.parts[0]


def label_fields(rbm: RBM, x: Floats) -> Iterator[Floats]:
    """Fields of the hidden units given features and each label in turn.

    Parameters
    ----------
    rbm : RBM
    x : floats or scipy.sparse array, (batch, n_features)

    Yields
    ------
    floats, (batch, n_hidden)
    """
    n = features(rbm).width
    from_features = x @ rbm.W[:n] + rbm.c
    for W_y in rbm.W[n:]:
        yield from_features + W_y


def label_log_weights(rbm: RBM, x: Floats) -> Floats:
    """Minus the free energy of features with each label, up to what the features alone add: (batch, n_labels).

    Parameters
    ----------
    rbm : RBM
    x : floats or scipy.sparse array, (batch, n_features)
    """
    n = features(rbm).width
    A = [rbm.hidden.log_partition(field) for field in label_fields(rbm, x)]
    return np.stack(A, axis=1) + rbm.b[n:]


def label_probabilities(rbm: RBM, x: Floats) -> Floats:
    """p(label | features), exact: (batch, n_labels).

    Parameters
    ----------
    rbm : RBM
    x : floats or scipy.sparse array, (batch, n_features)
    """
    return levels.mean(label_log_weights(rbm, x))


def free_energy(rbm: RBM, x: Floats) -> Floats:
    """Free energy of features, hidden units and label summed out: (batch,), in nats.

    Parameters
    ----------
    rbm : RBM
    x : floats, (batch, n_features)
    """
    layer = features(rbm)
    return -(x @ rbm.b[: layer.width]) - layer.base(x) - levels.log_partition(label_log_weights(rbm, x))


def hidden_mean(rbm: RBM, x: Floats) -> Floats:
    """Mean of the hidden units given features, averaged over what the label may be: (batch, n_hidden).

    Parameters
    ----------
    rbm : RBM
    x : floats or scipy.sparse array, (batch, n_features)
    """
    p = label_probabilities(rbm, x)
    means = (rbm.hidden.mean(field) for field in label_fields(rbm, x))
    return np.sum([p[:, k, None] * mean for k, mean in enumerate(means)], axis=0)


def label_slope(rbm: RBM, v: Floats) -> tuple[float, dict[str, Floats]]:
    """Mean of log p(label | features) over cases, and its exact gradient.

    Parameters
    ----------
    rbm : RBM
    v : floats, (batch, n_visible)
        Features, then the label's columns.

    Returns
    -------
    value : float
        In nats a case.
    slope : dict of floats
        By the names of `models.rbm.arrays`; what the features alone own is left out, its gradient being 0.
    """
    n, n_cases = features(rbm).width, len(v)
    x, y = v[:, :n], v[:, n:]
    log_weights = label_log_weights(rbm, x)
    residual = (y - levels.mean(log_weights)) / v.dtype.type(n_cases)  # (batch, n_labels)
    to_hidden, W_y = np.zeros((n_cases, rbm.n_hidden), v.dtype), np.zeros_like(rbm.W[n:])
    own: dict[str, Floats] = {f"hidden.{name}": np.zeros_like(a) for name, a in rbm.hidden.parameters.items()}
    for k, field in enumerate(label_fields(rbm, x)):
        pull = residual[:, k, None] * rbm.hidden.mean(field)
        to_hidden += pull
        W_y[k] = pull.sum(axis=0)
        for name, s in rbm.hidden.expected_statistics(field).items():
            own[f"hidden.{name}"] += residual[:, k] @ s
    value = (y * log_weights).sum() - levels.log_partition(log_weights).sum()
    slope: dict[str, Floats] = {
        "W": np.concatenate((x.T @ to_hidden, W_y)),
        "b": np.concatenate((np.zeros(n, v.dtype), residual.sum(axis=0))),
        "c": to_hidden.sum(axis=0),
    }
    return float(value) / n_cases, slope | own


def one_hot(label: npt.NDArray[np.integer], n_labels: int) -> npt.NDArray[np.float32]:
    """Labels as columns of a softmax unit, (n, n_labels).

    Parameters
    ----------
    label : int array, (n,)
    n_labels : int
    """
    return (np.asarray(label)[:, None] == np.arange(n_labels)).astype(np.float32)
