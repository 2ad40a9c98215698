"""Multi-prediction of Boltzmann machines: what mean field predicts of left-out units, its error followed back.


Some visible units are kept, the others and the hidden ones begin at the mean of their biases; sweeps of mean field go
over the classes of units that are not tied to each other, and the log-probability of what was left out is
differentiated through all of them (Goodfellow, Mirza, Courville & Bengio, NIPS 2013).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.models import boltzmann
from harmonium.models.boltzmann import Boltzmann, Floats, Ints


def multi_prediction(
    bm: Boltzmann,
    v: Floats,
    kept: npt.NDArray[np.bool_],
    edges: Any,
    classes: tuple[Ints, ...],
    n_sweeps: int,
) -> tuple[float, Floats, Floats]:
    """Log-probability of left-out visible units given the kept ones, by mean field, and its gradient.

    Parameters
    ----------
    bm : Boltzmann
    v : float64 array, (n_cases, n_visible)
    kept : bool array, (n_cases, n_visible)
    edges : Edges
        Which pairs of units have a coupling.
    classes : tuple of int arrays
        Units that are not tied to each other, in the order of a sweep.
    n_sweeps : int

    Returns
    -------
    value : float
        In nats a case.
    g_w : float64 array, (n_edges,)
        By each pair's one coupling.
    g_b : float64 array, (n_units,)
    """
    free = np.ones((len(v), bm.n_units), bool)
    free[:, bm.visible] = ~kept
    begun = np.tile(boltzmann.mean(bm, bm.b), (len(v), 1))
    begun[:, bm.visible] = np.where(kept, v, begun[:, bm.visible])
    blocks = [(units, _columns(bm, units)) for units in classes]
    m, before = begun.copy(), []
    x = np.empty_like(m)
    for _ in range(n_sweeps):
        for units, J in blocks:
            before.append(m[:, units].copy())
            x[:, units] = m @ J + bm.b[units]
            m[:, units] = np.where(free[:, units], boltzmann.mean(bm, x[:, units]), m[:, units])
    out = np.where(free[:, bm.visible], v * x[:, bm.visible] - boltzmann.unit_log_partition(bm, x[:, bm.visible]), 0)
    return float(out.sum() / len(v)), *_back(bm, v, free, m, before, blocks, edges, n_sweeps)


def _back(
    bm: Boltzmann, v: Floats, free: npt.NDArray[np.bool_], m: Floats, before: list[Floats],
    blocks: list[tuple[Ints, Floats]], edges: Any, n_sweeps: int,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Follow the error back through the sweeps, last update first; `m` is taken back on the way."""
    n, last = len(v), np.zeros_like(m)
    last[:, bm.visible] = np.where(free[:, bm.visible], v - m[:, bm.visible], 0)  # by the fields of the last sweep
    pull, g_b, g_w = np.zeros_like(m), np.zeros(bm.n_units), np.zeros(len(edges.i))
    for step in reversed(range(len(before))):
        units, J = blocks[step % len(blocks)]
        g_x = np.where(free[:, units], pull[:, units] * _slope(bm, m[:, units]), 0)
        if step >= (n_sweeps - 1) * len(blocks):
            g_x += last[:, units]
        m[:, units] = before[step]
        pull[:, units] = np.where(free[:, units], 0, pull[:, units])
        pull += g_x @ J.T
        g_b[units] += g_x.sum(axis=0)
        g_w += _by_edge(m, g_x, units, edges)
    own = np.where(free, pull * _slope(bm, m), 0)  # units began at the means of their biases
    return g_w / n, (g_b + own.sum(axis=0)) / n


def _columns(bm: Boltzmann, units: Ints) -> Floats:
    part = bm.J[:, units]
    return part.toarray() if sparse.issparse(part) else part


def _slope(bm: Boltzmann, m: Floats) -> Floats:
    """Derivative of a unit's mean by its field: its variance, in terms of the mean."""
    low, high = bm.alphabet
    return (m - low) * (high - m)


def _by_edge(m: Floats, g_x: Floats, units: Ints, edges: Any) -> Floats:
    """Gradient by couplings of what came through the fields of some units."""
    pair = m.T @ g_x  # (n_units, n_class)
    place = np.full(m.shape[1], -1)
    place[units] = np.arange(len(units))
    out = np.zeros(len(edges.i))
    for a, b in ((edges.i, edges.j), (edges.j, edges.i)):
        mine = np.flatnonzero(place[b] >= 0)
        out[mine] += pair[a[mine], place[b[mine]]]
    return out
