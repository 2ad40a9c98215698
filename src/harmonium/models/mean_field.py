"""Mean-field inference of a Boltzmann machine: naive, and with Onsager's reaction term (TAP).

Both find a fixed point of approximate free energies of the means m,

    G(m) = - b.m - 1/2 m.J m - 1/4 sum_ij J_ij^2 var_i var_j - sum_i H(m_i)

the naive one without the third term, the second term of Plefka's expansion. var_i is the variance of a unit with mean
m_i and H its entropy. They are good where couplings are weak or units have many neighbours; whether the iteration
settled is part of the answer.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import xlogy

from harmonium.errors import SettingError
from harmonium.models import boltzmann
from harmonium.models.boltzmann import Boltzmann, Floats

METHODS = ("tap", "naive")
TOLERANCE = 1e-8  # largest change of a mean in a sweep that counts as settled
MOST_SWEEPS = 2_000
SHORTEST = 0.02  # step that is still taken when the iteration keeps overshooting
GROWTH = 1.1  # of the step after every sweep that came closer


class MeanField(NamedTuple):
    """Where the iteration ended, one row a case.

    Parameters
    ----------
    mean : float64 array, (batch, n_units)
        Clamped units stand at their values.
    log_z : float64 array, (batch,)
        -G(m): for the naive method a lower bound on log Z (on log sum_h e^{-E(v, h)} with v clamped); for TAP an
        estimate without a side.
    residual : float64 array, (batch,)
        Largest distance of a mean from what the fixed-point equation makes of it.
    converged : bool array, (batch,)
    n_sweeps : int
    """

    mean: Floats
    log_z: Floats
    residual: Floats
    converged: npt.NDArray[np.bool_]
    n_sweeps: int


def mean_field(
    bm: Boltzmann,
    v: Floats | None = None,
    method: str = "tap",
    start: Floats | None = None,
    tolerance: float = TOLERANCE,
    most_sweeps: int = MOST_SWEEPS,
) -> MeanField:
    """Approximate means of all units, with the visible ones free or clamped.

    Parameters
    ----------
    bm : Boltzmann
    v : floats, (batch, n_visible), optional
        Visible states to clamp; without them the whole machine is free, and the answer has one row.
    method : str
        "tap" or "naive".
    start : floats, (batch, n_units), optional
        Means to begin with, instead of the units' own.
    tolerance : float
    most_sweeps : int

    Raises
    ------
    SettingError
        There is no such method.

    Notes
    -----
    A row's step halves when a sweep takes it further from the fixed point and grows again afterwards. Thouless,
    Anderson & Palmer, Philosophical Magazine 35 (1977); Gabrie, Tramel & Krzakala, NIPS 2015.
    """
    if method not in METHODS:
        raise SettingError(f"method: {method!r} is not one of {', '.join(map(repr, METHODS))}")
    squares = bm.J.multiply(bm.J).tocsr() if sparse.issparse(bm.J) else bm.J**2
    m, free = _start(bm, v, start)
    step, last, n_sweeps = np.ones((len(m), 1)), np.full(len(m), np.inf), 0
    wanted = _wanted(bm, squares, m, free, method)
    residual = np.abs(wanted - m).max(axis=1, initial=0)
    while n_sweeps < most_sweeps and (residual > tolerance).any():
        worse = residual > last
        step = np.where(worse[:, None], np.maximum(SHORTEST, step / 2), np.minimum(1, step * GROWTH))
        m, last, n_sweeps = m + step * (wanted - m), residual, n_sweeps + 1
        wanted = _wanted(bm, squares, m, free, method)
        residual = np.abs(wanted - m).max(axis=1, initial=0)
    log_z = _log_z(bm, squares, m, free, method)
    return MeanField(m, log_z, residual, residual <= tolerance, n_sweeps)


def _start(bm: Boltzmann, v: Floats | None, start: Floats | None) -> tuple[Floats, npt.NDArray[np.bool_]]:
    free = np.ones(bm.n_units, bool)
    n = 1 if v is None else len(v)
    m = np.tile(boltzmann.mean(bm, bm.b), (n, 1)) if start is None else np.array(start, np.float64)
    if v is not None:
        free[bm.visible] = False
        m[:, bm.visible] = v
    return m, free


def _variance(bm: Boltzmann, m: Floats, free: npt.NDArray[np.bool_]) -> Floats:
    low, high = bm.alphabet
    return np.where(free, (m - low) * (high - m), 0)


def _wanted(bm: Boltzmann, squares, m: Floats, free: npt.NDArray[np.bool_], method: str) -> Floats:
    x = boltzmann.fields(bm, m)
    if method == "tap":
        low, high = bm.alphabet
        x += 0.5 * (low + high - 2 * m) * (_variance(bm, m, free) @ squares)  # half the slope of the own variance
    return np.where(free, boltzmann.mean(bm, x), m)


def _log_z(bm: Boltzmann, squares, m: Floats, free: npt.NDArray[np.bool_], method: str) -> Floats:
    low, high = bm.alphabet
    p = (m - low) / (high - low)
    entropy = -(xlogy(p, p) + xlogy(1 - p, 1 - p))
    value = -boltzmann.energy(bm, m) + np.where(free, entropy, 0).sum(axis=1)
    if method == "tap":
        variance = _variance(bm, m, free)
        value += 0.25 * ((variance @ squares) * variance).sum(axis=1)
    return value
