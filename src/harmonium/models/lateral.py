"""The semi-restricted machine: a restricted one whose visible units are tied to each other as well.

    E(v, h) = -b . v - c . h - v W h - 1/2 v . L v - base_visible(v) - base_hidden(h)

L is symmetric with a zero diagonal. Hidden units stay independent given the visible ones, so the positive phase, free
energies and hidden means are exact; only the visible units need more than one draw a step (Osindero & Hinton 2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.models import boltzmann, exact
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.units.layer import Floats

KINDS = ("bernoulli", "spin", "gaussian")  # of visible units that may be tied
VALUES = {"bernoulli": "bits", "spin": "spins"}  # what a Boltzmann machine calls binary units
LOG_2PI = float(np.log(2 * np.pi))


@final
@dataclass(frozen=True, eq=False)
class Lateral:
    """Parameters of a semi-restricted machine; immutable.

    Parameters
    ----------
    rbm : RBM
        The machine without ties among its visible units, which are Bernoulli, spin or Gaussian.
    L : floats, (n_visible, n_visible)

    Raises
    ------
    SettingError
        L is not symmetric, has a diagonal or another shape, or Gaussian units have no law with it.
    """

    rbm: RBM
    L: Floats

    def __post_init__(self) -> None:
        n, L = self.rbm.n_visible, self.L
        if self.rbm.visible.kind not in KINDS:
            raise SettingError(f"visible: {self.rbm.visible.kind} units cannot be tied; take {', '.join(KINDS)}")
        if L.shape != (n, n):
            raise SettingError(f"L: must be of shape ({n}, {n}), one row a visible unit; got {L.shape}")
        if np.diagonal(L).any() or not np.array_equal(L, L.T, equal_nan=True):
            raise SettingError("L: must be symmetric, with a diagonal of 0: a unit is not tied to itself")
        view = L.view()
        view.flags.writeable = False
        object.__setattr__(self, "L", view)
        _check_law(self)


def _check_law(model: Lateral) -> None:
    """Gaussian visible units have a law while the joint precision of all unbounded units is positive definite."""
    if model.rbm.visible.kind != "gaussian":
        return
    P = joint_precision(model) if not model.rbm.hidden.bounded else precision(model)
    try:
        np.linalg.cholesky(P)
    except np.linalg.LinAlgError as error:
        lowest = float(np.linalg.eigvalsh(P)[0]) if np.isfinite(P).all() else np.nan
        raise SettingError(
            "L: Gaussian units have a law only while 1 / variance - L is positive definite; its smallest eigenvalue "
            f"is {lowest:.4g}. Take smaller ties"
        ) from error


def precision(model: Lateral) -> npt.NDArray[np.float64]:
    """Inverse covariance of Gaussian visible units given the hidden ones: diag(1 / s2) - L.

    Parameters
    ----------
    model : Lateral

    Returns
    -------
    float64 array, (n_visible, n_visible)
    """
    return _inverse_variances(model.rbm.visible.parameters) - model.L.astype(np.float64)


def joint_precision(model: Lateral) -> npt.NDArray[np.float64]:
    """Inverse covariance of Gaussian visible and Gaussian hidden units together; of rectified ones, before the cut.

    Parameters
    ----------
    model : Lateral
    """
    W = model.rbm.W.astype(np.float64)
    return np.block([[precision(model), -W], [-W.T, _inverse_variances(model.rbm.hidden.parameters)]])


def _inverse_variances(parameters: Mapping[str, Floats]) -> npt.NDArray[np.float64]:
    return np.diag(np.exp(-parameters["log_variance"].astype(np.float64)))


def energy(model: Lateral, v: Floats, h: Floats) -> Floats:
    """Joint energy of visible and hidden states: (batch,), in nats.

    Parameters
    ----------
    model : Lateral
    v, h : floats, (batch, width)
    """
    return rbms.energy(model.rbm, v, h) - _pull(model, v)


def free_energy(model: Lateral, v: Floats) -> Floats:
    """Free energy of visible states, the hidden units summed out: (batch,), in nats.

    Parameters
    ----------
    model : Lateral
    v : floats, (batch, n_visible)
    """
    return rbms.free_energy(model.rbm, v) - _pull(model, v)


def _pull(model: Lateral, v: Floats) -> Floats:
    return 0.5 * ((v @ model.L) * v).sum(axis=-1)


def log_partition(model: Lateral) -> float:
    """log Z, exact, in nats: Gaussian visible units are integrated out, of others all states are listed.

    Parameters
    ----------
    model : Lateral

    Raises
    ------
    SettingError
        There are too many states, or rectified hidden units over Gaussian visible ones.
    """
    model = in_float64(model)
    if model.rbm.visible.kind != "gaussian":
        return float(np.logaddexp.reduce([np.logaddexp.reduce(-F) for _, F in _listed_visible(model)]))
    if model.rbm.hidden.kind == "gaussian":
        P, x = joint_precision(model), np.concatenate((model.rbm.b, model.rbm.c))
        return _normal_log_partition(P, x)
    return float(np.logaddexp.reduce([np.logaddexp.reduce(log_w) for _, _, log_w in _listed_hidden(model)]))


def log_likelihood(model: Lateral, v: Floats) -> npt.NDArray[np.float64]:
    """Exact log-probability (density, for Gaussian units) of visible states: (batch,), in nats.

    Parameters
    ----------
    model : Lateral
    v : floats, (batch, n_visible)
    """
    return np.asarray(-free_energy(in_float64(model), np.asarray(v, np.float64)) - log_partition(model), np.float64)


def _listed_visible(model: Lateral) -> Iterator[tuple[Floats, Floats]]:
    """All visible states and their free energies, some at a time."""
    n = exact.size_of(model.rbm.visible)
    if n > exact.MOST_STATES:
        raise SettingError(
            f"{model.rbm.n_visible} tied visible units have {n:,} states, at most {exact.MOST_STATES:,} can be summed; "
            "take fewer units"
        )
    for states in exact.blocks_of(model.rbm.visible):
        yield states, free_energy(model, states)


def _listed_hidden(model: Lateral) -> Iterator[tuple[Floats, Floats, Floats]]:
    """All hidden states, the means of Gaussian visible units given them, and minus their free energies."""
    rbm = model.rbm
    if exact.size_of(rbm.hidden) > exact.MOST_STATES:
        raise SettingError(f"a {rbm.hidden.kind} hidden layer of {rbm.n_hidden} columns has too many states to list")
    P, C = precision(model), covariance(model)
    for h in exact.blocks_of(rbm.hidden):
        x = rbms.visible_field(rbm, h)
        m = x @ C
        yield h, m, h @ rbm.c + rbm.hidden.base(h) + 0.5 * (x * m).sum(axis=1) + _normal_log_partition(P)


def covariance(model: Lateral) -> npt.NDArray[np.float64]:
    """Covariance of Gaussian visible units given the hidden ones, (n_visible, n_visible).

    Parameters
    ----------
    model : Lateral
    """
    return np.asarray(np.linalg.inv(precision(model)), np.float64)


def _normal_log_partition(P: Floats, x: Floats | None = None) -> float:
    log_z = 0.5 * (len(P) * LOG_2PI - np.linalg.slogdet(P)[1])
    return float(log_z if x is None else log_z + 0.5 * x @ np.linalg.solve(P, x))


def statistics(model: Lateral, v: Floats, weight: Floats | None = None) -> dict[str, Floats]:
    """Mean of -dE/dparameter over visible states, the hidden units averaged out.

    Parameters
    ----------
    model : Lateral
    v : floats, (batch, n_visible)
    weight : floats, (batch,), optional
        Shares of the rows; equal without it.

    Returns
    -------
    dict of floats
        By the names of `arrays`. Of L it holds v_i v_j, the derivative by a pair's one number L_ij = L_ji.
    """
    w = np.full(len(v), 1 / len(v), v.dtype) if weight is None else weight
    return rbms.statistics(model.rbm, v, weight) | {"L": off_diagonal((w[:, None] * v).T @ v)}


def expectations(model: Lateral) -> dict[str, Floats]:
    """The model's averages of -dE/dparameter, exact: the negative phase of the gradient.

    Parameters
    ----------
    model : Lateral

    Returns
    -------
    dict of float64 arrays
        By the names of `arrays`.
    """
    model, log_z = in_float64(model), log_partition(model)
    out: dict[str, Floats] = {name: np.zeros(a.shape) for name, a in arrays(model).items()}
    if model.rbm.visible.kind != "gaussian":
        for states, F in _listed_visible(model):
            _add(out, statistics(model, states, np.exp(-F - log_z)))
        return out
    if model.rbm.hidden.kind == "gaussian":
        P, n = joint_precision(model), model.rbm.n_visible
        C = np.linalg.inv(P)
        m = C @ np.concatenate((model.rbm.b, model.rbm.c))
        second = C + np.outer(m, m)
        half = np.diag(second) * np.diag(P) / 2
        return {
            "W": second[:n, n:], "b": m[:n], "c": m[n:], "L": off_diagonal(second[:n, :n]),
            "visible.log_variance": half[:n], "hidden.log_variance": half[n:],
        }  # fmt: skip
    for h, m, log_w in _listed_hidden(model):
        w = np.exp(log_w - log_z)
        _add(out, {"W": m.T @ (w[:, None] * h), "b": w @ m, "c": w @ h, "L": (w[:, None] * m).T @ m})
    second = out["L"] + covariance(model)
    out["visible.log_variance"] = np.diag(second) * np.diag(precision(model)) / 2
    out["L"] = off_diagonal(second)
    return out


def _add(total: dict[str, Floats], part: Mapping[str, Floats]) -> None:
    for name, a in part.items():
        total[name] += a


def slope(model: Lateral, v: Floats) -> dict[str, Floats]:
    """Gradient of the mean exact log-likelihood, both phases exact.

    Parameters
    ----------
    model : Lateral
    v : floats, (batch, n_visible)
    """
    positive, negative = statistics(model, v), expectations(model)
    return {name: positive[name] - negative[name] for name in positive}


def off_diagonal(pair: Floats) -> Floats:
    """Return a symmetric matrix with its diagonal set to 0, symmetric to the last bit.

    Parameters
    ----------
    pair : floats, (n, n)
    """
    out = (pair + pair.T) / 2
    np.fill_diagonal(out, 0)
    return out


def arrays(model: Lateral) -> dict[str, Floats]:
    """Return all that is learnt, by name: the restricted machine's own, and L.

    Parameters
    ----------
    model : Lateral
    """
    return rbms.arrays(model.rbm) | {"L": model.L}


def with_arrays(model: Lateral, new: Mapping[str, Floats]) -> Lateral:
    """Return the machine with some of its arrays replaced.

    Parameters
    ----------
    model : Lateral
    new : mapping of arrays
        By the names of `arrays`.
    """
    whole = arrays(model) | dict(new)
    L = whole.pop("L")
    return Lateral(rbms.with_arrays(model.rbm, whole), L)


def in_float64(model: Lateral) -> Lateral:
    """Return the machine with its parameters in double precision.

    Parameters
    ----------
    model : Lateral
    """
    return with_arrays(model, {name: a.astype(np.float64) for name, a in arrays(model).items()})


def is_boltzmann(model: Lateral) -> bool:
    """Whether both layers are of bits or both of spins, so that `as_boltzmann` knows the whole.

    Parameters
    ----------
    model : Lateral
    """
    return model.rbm.visible.kind == model.rbm.hidden.kind and model.rbm.visible.kind in VALUES


def as_boltzmann(model: Lateral) -> boltzmann.Boltzmann:
    """Return the Boltzmann machine that a semi-restricted one of bits or of spins is, its visible units first.

    Parameters
    ----------
    model : Lateral
    """
    rbm, n = model.rbm, model.rbm.n_visible
    if not is_boltzmann(model):
        raise SettingError(
            f"a likelihood is bracketed where both layers are Bernoulli or both spin, not {rbm.visible.kind} and "
            f"{rbm.hidden.kind}; small machines have score_samples"
        )
    J = np.block([[model.L, rbm.W], [rbm.W.T, np.zeros((rbm.n_hidden,) * 2)]]).astype(np.float64)
    b = np.concatenate((rbm.b, rbm.c)).astype(np.float64)
    return boltzmann.machine(J, b, np.arange(n), VALUES[rbm.visible.kind])
