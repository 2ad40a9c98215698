"""Folding in a visible unit that a machine never saw: a person, or an item, known by a few ratings. No retraining."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data import Ratings
from harmonium.models import level_rbm
from harmonium.models.level_rbm import LevelRBM
from harmonium.units import levels

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
FOLD_IN_TOLERANCE = 1e-3  # on the gradient, in nats
SMALLEST_STEP = 1e-6  # of step halving; also what keeps an unpenalised problem solvable
MOST_COMPILED = 64  # ratings; above that LAPACK is faster
FOLD_IN_STEPS = 50  # Newton steps at most; half a dozen are usual


def usual_bias(level: npt.NDArray[np.uint8], n_levels: int) -> npt.NDArray[np.float32]:
    """Log frequency of the levels in some ratings, UNRATED entries left out: where a new unit's biases start.

    Parameters
    ----------
    level : uint8 array, (n,)
    n_levels : int

    Returns
    -------
    float32 array, (n_levels,)
    """
    return usual_bias_of(np.bincount(level[level != UNRATED], minlength=n_levels))


def usual_bias_of(counts: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """`usual_bias`, given how often each level occurs, (n_levels,)."""
    smoothed = counts + level_rbm.SMOOTHING
    return np.log(smoothed / smoothed.sum()).astype(np.float32)


def grown(rbm: LevelRBM, cases: Ratings, place: Ints, weight_penalty: float, bias_penalty: float) -> LevelRBM:
    """Return the machine with visible units for the columns of some cases that it does not know; nothing is relearnt.

    Parameters
    ----------
    rbm : LevelRBM
    cases : Ratings
        One case a row.
    place : int array, (n_visible,)
        Where the machine's units stand among the columns, in their order.
    weight_penalty, bias_penalty : float
        Of `fold_in_unit`, for a machine that stands alone.
    """
    new = others(cases.n_items, place)
    if not len(new):
        return rbm
    g = level_rbm.voice(rbm, level_rbm.hidden_mean(rbm, cases.columns(place)))
    priors = rbm.W.mean(axis=1), usual_bias(cases.level, rbm.n_levels)
    penalties = weight_penalty / rbm.n_machines, bias_penalty
    W = np.empty((len(rbm.W), cases.n_items, rbm.n_hidden), np.float32)
    b = np.empty((cases.n_items, rbm.n_levels), np.float32)
    W[:, place], b[place] = rbm.W, rbm.b
    units = cases.columns(new).transposed()
    for row, unit in enumerate(new.tolist()):
        case, level = units.history(row)
        rated = level != UNRATED
        W[:, unit], b[unit] = fold_in_unit(g[case[rated]], level[rated], rbm.phi, *priors, *penalties)
    return replace(rbm, W=W, b=b)


def others(n: int, place: Ints) -> Ints:
    """Return the numbers below n that are not in `place`, increasing."""
    return np.setdiff1d(np.arange(n), place)


def fold_in_unit(
    g: Floats,
    level: npt.NDArray[np.uint8],
    phi: Floats,
    prior_weight: Floats,
    prior_bias: Floats,
    weight_penalty: float,
    bias_penalty: float,
    compiled: bool = False,
) -> tuple[Floats, Floats]:
    """Weights and biases of a new visible unit, the machine held fixed: a convex problem.

    Minimises - sum_t log P(level_t | g_t)
        + weight_penalty / 2 |W - prior_weight|^2 + bias_penalty / 2 |b - prior_bias|^2.

    Parameters
    ----------
    g : floats, (n, n_hidden)
        Hidden means of the cases that rated the unit.
    level : uint8 array, (n,)
    phi : floats, (n_levels, n_features)
    prior_weight : floats, (n_features, n_hidden)
    prior_bias : floats, (n_levels,)
    weight_penalty, bias_penalty : float
    compiled : bool
        Solve few ratings by the compiled solver.

    Returns
    -------
    W : float32 array, (n_features, n_hidden)
        The prior's for a constant feature, which does not reach the unit's own probabilities.
    b : float32 array, (n_levels,)
    """
    n, (n_levels, n_features) = len(level), phi.shape
    if n == 0:
        return prior_weight.astype(np.float32), prior_bias.astype(np.float32)
    free = (phi[:, 1:] if level_rbm.is_conditional(phi) else phi).astype(np.float64)  # (n_levels, n_free)
    first = n_features - free.shape[1]
    W = prior_weight.astype(np.float32)
    if compiled and n <= MOST_COMPILED:
        W[first:], b = _compiled(g, level, free, prior_weight[first:], prior_bias, weight_penalty, bias_penalty)
        return W, b.astype(np.float32)
    basis, rows = _row_space(g.astype(np.float64))
    problem = _UnitProblem(
        rows,
        g @ prior_weight[first:].T,
        np.eye(n_levels)[level],
        free,
        prior_bias.astype(np.float64),
        weight_penalty,
        bias_penalty,
    )
    u, b = problem.solve()
    W[first:] += (u @ basis.T).astype(np.float32)
    return W, b.astype(np.float32)


def _compiled(
    g: Floats, level: npt.NDArray[np.uint8], free: Floats, weight: Floats, bias: Floats, *penalties: float
) -> tuple[Floats, Floats]:
    """Weights of the free features and biases by the same steps, in one compiled call."""
    from harmonium.kernels import cpu_fold_in

    g, free, weight, bias = (np.ascontiguousarray(a, np.float64) for a in (g, free, weight, bias))
    limits = FOLD_IN_STEPS, FOLD_IN_TOLERANCE, SMALLEST_STEP
    ridge, bias_penalty = map(float, penalties)
    W, b = np.empty_like(weight), np.empty_like(bias)
    cpu_fold_in.unit(g, level.astype(np.int64), free, weight, bias, (ridge, bias_penalty), limits, W, b)
    return W, b


def _row_space(g: Floats) -> tuple[Floats, Floats]:
    """Orthonormal basis (n_hidden, r) of the rows of g, and the rows in it (n, r): where a unit's weights lie."""
    if len(g) >= g.shape[1]:
        return np.eye(g.shape[1]), g
    basis, triangle = np.linalg.qr(g.T)
    return basis, triangle.T


class _UnitProblem(NamedTuple):
    """The convex problem of `fold_in_unit`, solved by Newton's method with step halving."""

    rows: Floats  # (n, r)
    offset: Floats  # (n, n_free), fields by the prior's weights
    data: Floats  # (n, n_levels), one-hot
    phi: Floats  # (n_levels, n_free)
    prior: Floats  # (n_levels,)
    ridge: float
    bias_penalty: float

    def solve(self) -> tuple[Floats, Floats]:
        """Weights less the prior's (n_free, r), and biases (n_levels,)."""
        u, b = np.zeros((self.phi.shape[1], self.rows.shape[1])), self.prior.copy()
        loss, p = self.loss(u, b)
        for _ in range(FOLD_IN_STEPS):
            gradient = self.gradient(u, b, p)
            if np.abs(gradient).max() < FOLD_IN_TOLERANCE:
                break
            step, size = np.linalg.solve(self.hessian(p), gradient), 1.0
            du, db = step[: u.size].reshape(u.shape), step[u.size :]
            while True:
                trial, p_trial = self.loss(u - size * du, b - size * db)
                if trial <= loss or size < SMALLEST_STEP:
                    break
                size *= 0.5
            u, b, loss, p = u - size * du, b - size * db, trial, p_trial
        return u, b

    def loss(self, u: Floats, b: Floats) -> tuple[float, Floats]:
        """Objective, and the level probabilities (n, n_levels)."""
        x = b + (self.offset + self.rows @ u.T) @ self.phi.T
        fit = (levels.log_partition(x) - (x * self.data).sum(axis=1)).sum()
        penalty = 0.5 * self.ridge * (u * u).sum() + 0.5 * self.bias_penalty * ((b - self.prior) ** 2).sum()
        return float(fit + penalty), levels.mean(x)

    def gradient(self, u: Floats, b: Floats, p: Floats) -> Floats:
        residual = p - self.data
        du = (residual @ self.phi).T @ self.rows + self.ridge * u
        return np.concatenate((du.ravel(), residual.sum(axis=0) + self.bias_penalty * (b - self.prior)))

    def hessian(self, p: Floats) -> Floats:
        n_free, r, n_levels = self.phi.shape[1], self.rows.shape[1], p.shape[1]
        mean = p @ self.phi  # (n, n_free)
        out = np.zeros((n_free * r + n_levels,) * 2)
        for f in range(n_free):
            mine = slice(f * r, (f + 1) * r)
            for other in range(n_free):
                covariance = p @ (self.phi[:, f] * self.phi[:, other]) - mean[:, f] * mean[:, other]
                out[mine, other * r : (other + 1) * r] = self.rows.T @ (self.rows * covariance[:, None])
            cross = self.rows.T @ (p * (self.phi[:, f] - mean[:, f : f + 1]))  # (r, n_levels)
            out[mine, n_free * r :], out[n_free * r :, mine] = cross, cross.T
        out[n_free * r :, n_free * r :] = np.diag(p.sum(axis=0)) - p.T @ p
        out.flat[:: len(out) + 1] += np.repeat((self.ridge, self.bias_penalty), (n_free * r, n_levels)) + SMALLEST_STEP
        return out
