"""Boltzmann machines by enumeration: exact for as many units as can be listed.

Units are cut into two halves whose states meet in one matrix of energies, so that 2^24 joint states cost a matrix
product and as many exponentials. Everything is float64.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import logsumexp as _logsumexp

from harmonium.errors import SettingError
from harmonium.models import boltzmann
from harmonium.models.boltzmann import Boltzmann, Floats, Ints
from harmonium.randomness import fine_uniforms, uniforms

MOST_UNITS = 26  # 2^26 states take about a second
MOST_HIDDEN = 20  # enumerated anew for every clamped row
BLOCK = 1 << 20  # energies held in memory at a time


class Moments(NamedTuple):
    """Exact expectations under a machine.

    Parameters
    ----------
    mean : float64 array, (n_units,)
    pair : float64 array, (n_units, n_units)
        Of s_i s_j; its diagonal holds the means of s_i^2.
    log_z : float
        In nats; for clamped rows, the mean of log sum_h e^{-E(v, h)}.
    """

    mean: Floats
    pair: Floats
    log_z: float


def logsumexp(a: npt.ArrayLike, axis: int | None = None) -> npt.NDArray[np.float64]:
    """Log of the sum of e^a, without overflow.

    Parameters
    ----------
    a : floats, any shape
    axis : int, optional
        All of them without it.
    """
    return np.asarray(_logsumexp(np.asarray(a), axis=axis), np.float64)


def states(n: int, values: str = "bits") -> Floats:
    """All states of n units, the last unit changing fastest.

    Parameters
    ----------
    n : int
    values : str
        "bits" or "spins".

    Returns
    -------
    float64 array, (2^n, n)
    """
    low, high = boltzmann.ALPHABETS[values]
    bits = (np.arange(1 << n)[:, None] >> np.arange(n)[::-1]) & 1
    return np.where(bits, high, low)


def log_partition(bm: Boltzmann) -> float:
    """Log Z, over all states.

    Parameters
    ----------
    bm : Boltzmann
        Of at most 26 units.

    Raises
    ------
    SettingError
        There are too many states.
    """
    _check_size(bm.n_units, MOST_UNITS, "units")
    return float(logsumexp([logsumexp(block) for _, block in _blocks(bm)]))


def probabilities(bm: Boltzmann) -> Floats:
    """Probability of every state, in the order of `states`.

    Parameters
    ----------
    bm : Boltzmann

    Returns
    -------
    float64 array, (2^n_units,)
    """
    _check_size(bm.n_units, MOST_UNITS, "units")
    log_p = np.concatenate([block.ravel() for _, block in _blocks(bm)])
    return np.exp(log_p - logsumexp(log_p))


def moments(bm: Boltzmann) -> Moments:
    """Exact mean of every unit and of every pair of units.

    Parameters
    ----------
    bm : Boltzmann
        Of at most 26 units.
    """
    log_z = log_partition(bm)
    first, second = _halves(bm)
    mean, pair = np.zeros(bm.n_units), np.zeros((bm.n_units, bm.n_units))
    cut = first.shape[1]
    for rows, block in _blocks(bm):
        p, left = np.exp(block - log_z), first[rows]
        by_left, by_second = p.sum(axis=1), p.sum(axis=0)
        mean[:cut] += by_left @ left
        mean[cut:] += by_second @ second
        pair[:cut, :cut] += (left * by_left[:, None]).T @ left
        pair[cut:, cut:] += (second * by_second[:, None]).T @ second
        pair[:cut, cut:] += left.T @ (p @ second)
    pair[cut:, :cut] = pair[:cut, cut:].T
    return Moments(mean, pair, log_z)


def free_energy(bm: Boltzmann, v: Floats) -> Floats:
    """Free energy of visible states: -log sum over the hidden states of e^{-E}.

    Parameters
    ----------
    bm : Boltzmann
        With at most 20 hidden units, or any number that are not tied to each other.
    v : floats, (batch, n_visible)

    Returns
    -------
    float64 array, (batch,)
        In nats.
    """
    v, hidden = np.asarray(v, np.float64), bm.hidden
    own, x = _given(bm, v)
    if independent(bm):
        return own - boltzmann.unit_log_partition(bm, x).sum(axis=1)
    h, inner = _hidden_states(bm)
    step = max(1, BLOCK // len(h)) if len(hidden) else len(v)
    parts = [logsumexp(inner + x[k : k + step] @ h.T, axis=1) for k in range(0, len(v), step)]
    return own - np.concatenate([np.empty(0), *parts])


def log_likelihood(bm: Boltzmann, v: Floats) -> Floats:
    """Exact log probability of visible states.

    Parameters
    ----------
    bm : Boltzmann
        Of at most 26 units.
    v : floats, (batch, n_visible)

    Returns
    -------
    float64 array, (batch,)
        In nats.
    """
    return -free_energy(bm, v) - log_partition(bm)


def completed(bm: Boltzmann, v: Floats, key: np.uint64) -> Floats:
    """Whole states of visible rows, the hidden units drawn from their exact conditional.

    Parameters
    ----------
    bm : Boltzmann
        With at most 20 hidden units, or any number that are not tied to each other.
    v : floats, (batch, n_visible)
    key : uint64
        Decides, with the row's number, what is drawn.

    Returns
    -------
    float64 array, (batch, n_units)
    """
    x, rows, (low, high) = _given(bm, v)[1], np.arange(len(v)), bm.alphabet
    out = np.empty((len(v), bm.n_units))
    out[:, bm.visible] = v
    if independent(bm):
        p_high = (boltzmann.mean(bm, x) - low) / (high - low)
        out[:, bm.hidden] = np.where(uniforms(key, rows[:, None], bm.hidden) < p_high, high, low)
        return out
    h, inner = _hidden_states(bm)
    u, step = fine_uniforms(key, rows, 0), max(1, BLOCK // len(h))
    for k in range(0, len(v), step):
        log_p = inner + x[k : k + step] @ h.T
        below = np.cumsum(np.exp(log_p - logsumexp(log_p, axis=1)[:, None]), axis=1)[:, :-1]
        out[k : k + step, bm.hidden] = h[(u[k : k + step, None] >= below).sum(axis=1)]
    return out


def clamped_moments(bm: Boltzmann, v: Floats, weight: Floats | None = None) -> Moments:
    """Exact expectations with the visible units held at data, averaged over the rows.

    Parameters
    ----------
    bm : Boltzmann
        With at most 20 hidden units, or any number that are not tied to each other.
    v : floats, (batch, n_visible)
    weight : floats, (batch,), optional
        Shares of the rows, which sum to 1; equal without it.
    """
    v, hidden, shown = np.asarray(v, np.float64), bm.hidden, bm.visible
    w = np.full(len(v), 1 / len(v)) if weight is None else np.asarray(weight, np.float64)
    own, x = _given(bm, v)
    if independent(bm):
        h_mean = boltzmann.mean(bm, x)
        low, high = bm.alphabet
        hh = (h_mean * w[:, None]).T @ h_mean
        square = low * low + (high * high - low * low) * (w @ (h_mean - low) / (high - low))
        np.fill_diagonal(hh, square)
        log_z = w @ (boltzmann.unit_log_partition(bm, x).sum(axis=1) - own)
    else:
        h_mean, hh, log_z = _enumerated(bm, x, w)
        log_z -= w @ own
    mean, pair = np.zeros(bm.n_units), np.zeros((bm.n_units, bm.n_units))
    mean[shown], mean[hidden] = w @ v, w @ h_mean
    pair[np.ix_(shown, shown)] = (v * w[:, None]).T @ v
    pair[np.ix_(shown, hidden)] = (v * w[:, None]).T @ h_mean
    pair[np.ix_(hidden, shown)] = pair[np.ix_(shown, hidden)].T
    pair[np.ix_(hidden, hidden)] = hh
    return Moments(mean, pair, float(log_z))


def _enumerated(bm: Boltzmann, x: Floats, w: Floats) -> tuple[Floats, Floats, float]:
    h, inner = _hidden_states(bm)
    h_mean, hh, log_z = np.empty_like(x), np.zeros((x.shape[1],) * 2), 0.0
    step = max(1, BLOCK // len(h))
    for k in range(0, len(x), step):
        part = slice(k, k + step)
        log_p = inner + x[part] @ h.T
        total = logsumexp(log_p, axis=1)
        p = np.exp(log_p - total[:, None])
        h_mean[part] = p @ h
        hh += (h * (w[part] @ p)[:, None]).T @ h
        log_z += float(w[part] @ total)
    return h_mean, hh, log_z


def _given(bm: Boltzmann, v: Floats) -> tuple[Floats, Floats]:
    """Energy of the visible units alone, and the hidden units' fields from them."""
    whole = np.zeros((len(v), bm.n_units))
    whole[:, bm.visible] = v
    x = boltzmann.fields(bm, whole)
    own = -0.5 * ((x + bm.b)[:, bm.visible] * v).sum(axis=1)
    return own, x[:, bm.hidden]


def _hidden_states(bm: Boltzmann) -> tuple[Floats, Floats]:
    _check_size(len(bm.hidden), MOST_HIDDEN, "hidden units")
    h = states(len(bm.hidden), bm.values)
    return h, 0.5 * ((h @ _dense(bm, bm.hidden)) * h).sum(axis=1)


def independent(bm: Boltzmann) -> bool:
    """Whether no hidden unit is tied to another.

    Parameters
    ----------
    bm : Boltzmann
    """
    inner = bm.J[bm.hidden][:, bm.hidden]
    return not (inner.nnz if sparse.issparse(inner) else inner.any())


def _dense(bm: Boltzmann, units: Ints) -> Floats:
    part = bm.J[units][:, units]
    return part.toarray() if sparse.issparse(part) else part


def _halves(bm: Boltzmann) -> tuple[Floats, Floats]:
    cut = bm.n_units // 2
    return states(cut, bm.values), states(bm.n_units - cut, bm.values)


def _blocks(bm: Boltzmann) -> Iterator[tuple[slice, Floats]]:
    """-E of all states: rows are the first half's states, columns the second half's; a block of rows at a time."""
    first, second = _halves(bm)
    cut = first.shape[1]
    J = _dense(bm, np.arange(bm.n_units))
    low = 0.5 * ((first @ J[:cut, :cut]) * first).sum(axis=1) + first @ bm.b[:cut]
    high = 0.5 * ((second @ J[cut:, cut:]) * second).sum(axis=1) + second @ bm.b[cut:]
    across = J[:cut, cut:] @ second.T
    step = max(1, BLOCK // len(second))
    for k in range(0, len(first), step):
        rows = slice(k, k + step)
        yield rows, first[rows] @ across + low[rows, None] + high


def check_enumerable(bm: Boltzmann) -> None:
    """Raise SettingError, naming the way out, unless all states of a machine can be listed.

    Parameters
    ----------
    bm : Boltzmann
    """
    _check_size(bm.n_units, MOST_UNITS, "units")


def _check_size(n: int, most: int, what: str) -> None:
    if n > most:
        raise SettingError(
            f"{n} {what} have 2^{n} states, too many to list (the most is {most}); "
            "estimate instead: harmonium.likelihood.ais"
        )
