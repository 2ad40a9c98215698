"""What exact tests need: all states of a small model, its law, chi-square, finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.models import boltzmann
from harmonium.models import rbm as rbms
from harmonium.models.boltzmann import Boltzmann
from harmonium.models.conditional import Conditional
from harmonium.models.lateral import Lateral
from harmonium.models.rbm import RBM
from harmonium.units import Gaussian, Joined, Layer, Rectified

Floats = npt.NDArray[np.floating]
FALSE_ALARMS = 1e-4  # share of correct samplers that a comparison of draws with a law refuses
FEWEST_EXPECTED = 5.0  # expected draws in a cell of a chi-square, below which cells are put together


def joint_states(*layers: Layer) -> tuple[npt.NDArray[np.float64], ...]:
    """All joint states of finite layers: one array a layer, a row a joint state, the last layer fastest.

    Parameters
    ----------
    *layers : Layer
    """
    lists = [layer.states() for layer in layers]
    index = np.indices([len(states) for states in lists]).reshape(len(lists), -1)
    return tuple(states[i] for states, i in zip(lists, index))


def exact_law(energy: Floats) -> npt.NDArray[np.float64]:
    """Probabilities of states from their energies.

    Parameters
    ----------
    energy : floats, (n_states,)
        In nats.
    """
    low = np.exp(-(np.asarray(energy, np.float64) - np.min(energy)))
    return low / low.sum()


def counts_of(drawn: Floats, states: Floats) -> npt.NDArray[np.int64]:
    """How often each state was drawn.

    Parameters
    ----------
    drawn : floats, (n, width)
    states : floats, (n_states, width)
        All different.

    Raises
    ------
    ValueError
        Something was drawn that is no state.
    """
    place = {row.tobytes(): k for k, row in enumerate(np.asarray(states, np.float64) + 0.0)}
    found = [place.get(row.tobytes(), -1) for row in np.asarray(drawn, np.float64) + 0.0]
    if min(found) < 0:
        raise ValueError(f"row {found.index(-1)} was drawn and is none of the {len(states)} states")
    return np.bincount(found, minlength=len(states))


def chi_square(counts: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """P-value of Pearson's chi-square: how often a right sampler looks at least this wrong.

    Compare with `FALSE_ALARMS`. Cells with few expected draws are put together first.

    Parameters
    ----------
    counts : ints, (n_cells,)
    probability : floats, (n_cells,)
    """
    from scipy.stats import chi2

    counts, expected = np.asarray(counts, np.float64), np.asarray(probability, np.float64) * np.sum(counts)
    order = np.argsort(expected)
    group = np.floor(np.cumsum(expected[order]) / FEWEST_EXPECTED)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    observed, wanted = (np.add.reduceat(a[order], starts) for a in (counts, expected))
    keep = wanted > 0
    if (observed[~keep] > 0).any():
        return 0.0
    statistic = ((observed[keep] - wanted[keep]) ** 2 / wanted[keep]).sum()
    return float(chi2.sf(statistic, max(1, keep.sum() - 1)))


def kolmogorov(drawn: Floats, log_density: Callable[[Floats], Floats], low: float, high: float) -> float:
    """P-value of Kolmogorov's test of draws against a density known up to a constant.

    Parameters
    ----------
    drawn : floats, (n,)
    log_density : callable
        From points to log-densities.
    low, high : float
        Where practically all of the law lies.
    """
    from scipy.stats import kstest

    points = np.linspace(low, high, 200_001)
    density = np.exp(log_density(points) - log_density(points).max())
    below = np.concatenate(([0], np.cumsum((density[1:] + density[:-1]) / 2)))
    return float(kstest(drawn, lambda x: np.interp(x, points, below / below[-1])).pvalue)


def gradient(function: Callable[[Floats], float], at: Floats, step: float = 1e-5) -> npt.NDArray[np.float64]:
    """Gradient by central differences; its error is about step^2.

    Parameters
    ----------
    function : callable
        From an array to a number.
    at : floats, any shape
    step : float
    """
    at = np.asarray(at, np.float64)
    out = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        moved = np.zeros(at.shape)
        moved[index] = step
        out[index] = (function(at + moved) - function(at - moved)) / (2 * step)
    return out


def made_rbm(visible: Layer, hidden: Layer, seed: int = 0, spread: float = 0.5) -> RBM:
    """Return a machine with random parameters, in float64, its layers' own ones included.

    Parameters
    ----------
    visible, hidden : Layer
    seed : int
    spread : float
        Standard deviation of weights and biases; smaller between two unbounded layers, so that there is a joint law.
    """
    rng = np.random.default_rng(seed)
    W, b, c = (rng.normal(0, spread, n) for n in ((visible.width, hidden.width), visible.width, hidden.width))
    layers = [_with_variances(layer, rng) for layer in (visible, hidden)]
    if not visible.bounded and not hidden.bounded:
        W *= 0.5 / np.linalg.norm(W * np.exp(1.0), 2)
    return RBM(W, b, c, *layers)


def _with_variances(layer: Layer, rng: np.random.Generator) -> Layer:
    if isinstance(layer, Joined):
        return Joined([_with_variances(part, rng) for part in layer.parts])
    if isinstance(layer, Gaussian | Rectified):
        return type(layer)(layer.n_units, rng.uniform(-0.7, 0.7, layer.n_units))
    return layer


def log_likelihood_by_enumeration(rbm: RBM, v: Floats) -> float:
    """Mean log-probability of visible states, summing the energy over all joint states of two finite layers.

    Parameters
    ----------
    rbm : RBM
    v : floats, (n, n_visible)
    """
    all_v, all_h = joint_states(rbm.visible, rbm.hidden)
    log_z = np.logaddexp.reduce(-rbms.energy(rbm, all_v, all_h))
    h = rbm.hidden.states()
    log_p = [np.logaddexp.reduce(-rbms.energy(rbm, np.tile(row, (len(h), 1)), h)) - log_z for row in v]
    return float(np.mean(log_p))


def made_boltzmann(
    n_visible: int, mask: Any, values: str = "bits", seed: int = 0, spread: float = 0.7, visible: Any = None
) -> Boltzmann:
    """Return a Boltzmann machine with random couplings where a mask is not 0; sparse ones stay sparse.

    Parameters
    ----------
    n_visible : int
    mask : array-like or SciPy sparse, (n_units, n_units)
        Symmetric.
    values : str
        "bits" or "spins".
    seed : int
    spread : float
        Standard deviation of couplings and biases.
    visible : int array-like, (n_visible,), optional
        Which units are visible; the first ones without it.
    """
    n, rng = mask.shape[0], np.random.default_rng(seed)
    upper = np.triu(rng.normal(0, spread, (n, n)), 1)
    J = (upper + upper.T) * (mask.toarray() if sparse.issparse(mask) else mask)
    shown = np.arange(n_visible) if visible is None else visible
    return boltzmann.machine(
        sparse.csr_array(J) if sparse.issparse(mask) else J, rng.normal(0, spread, n), shown, values
    )


def made_lateral(visible: Layer, hidden: Layer, mask: Floats | None = None, seed: int = 0) -> Lateral:
    """Return a semi-restricted machine with random parameters, its Gaussian visible units with a law.

    Parameters
    ----------
    visible, hidden : Layer
    mask : array, (n_visible, n_visible), optional
        Which visible units are tied; all pairs without it.
    seed : int
    """
    rng, rbm = np.random.default_rng(seed), made_rbm(visible, hidden, seed)
    L = np.triu(rng.normal(0, 0.7 if visible.bounded else 0.1, (rbm.n_visible,) * 2), 1)
    L = L if mask is None else L * mask
    return Lateral(rbm, L + L.T)


def made_conditional(visible: Layer, hidden: Layer, n_conditions: int = 2, seed: int = 0) -> Conditional:
    """Return a conditional machine with random parameters.

    Parameters
    ----------
    visible, hidden : Layer
    n_conditions : int
    seed : int
    """
    rng, rbm = np.random.default_rng(seed), made_rbm(visible, hidden, seed)
    A, B = (rng.normal(size=(n_conditions, n)) for n in (rbm.n_visible, rbm.n_hidden))
    return Conditional(rbm, A, B)
