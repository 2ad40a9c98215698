"""Which units of a Boltzmann machine are tied: restricted, semi-restricted, deep, and neighbours on a grid.

A mask goes into `BoltzmannMachine(couplings=...)`: where it is 0, couplings stay 0. Sparse masks keep couplings sparse,
and units of one colour, such as those of every other layer, are updated together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from harmonium.errors import SettingError
from harmonium.units.layer import check_size


def restricted(n_visible: int, n_hidden: int) -> sparse.csr_array:
    """Every visible unit tied to every hidden one, and nothing else: (n_units, n_units).

    Parameters
    ----------
    n_visible, n_hidden : int
    """
    return layered(n_visible, n_hidden)


def semi_restricted(n_visible: int, n_hidden: int, lateral: Any = None) -> sparse.csr_array:
    """A restricted machine whose visible units are tied to each other as well: (n_units, n_units).

    Hidden units stay independent given the visible ones, so inference is exact and only fantasies cost more.

    Parameters
    ----------
    n_visible, n_hidden : int
    lateral : array-like or SciPy sparse, (n_visible, n_visible), optional
        Which visible units are tied, such as `grid`; all pairs when None.

    Notes
    -----
    Osindero & Hinton, NIPS 2007.
    """
    among = sparse.csr_array(np.ones((n_visible, n_visible)) if lateral is None else lateral, dtype=np.float64)
    if among.shape != (n_visible, n_visible):
        raise SettingError(f"lateral: must be of shape ({n_visible}, {n_visible}); got {among.shape}")
    out = sparse.lil_array(layered(n_visible, n_hidden))
    out[:n_visible, :n_visible] = ((among + among.T) != 0).astype(np.float64)
    out.setdiag(0)
    return _tidy(out)


def layered(*sizes: int) -> sparse.csr_array:
    """Layers in a row, each tied to the next: a deep Boltzmann machine, its visible layer first: (n_units, n_units).

    Parameters
    ----------
    *sizes : int
        Units of each layer; at least two layers.

    Notes
    -----
    Salakhutdinov & Hinton, AISTATS 2009. Even layers are independent given the odd ones, so a sweep has two blocks.
    """
    if len(sizes) < 2:
        raise SettingError(f"a layered machine has at least two layers, got {len(sizes)}")
    for size in sizes:
        check_size("size", size)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    out = sparse.lil_array((starts[-1], starts[-1]))
    for k in range(len(sizes) - 1):
        lower, upper = slice(starts[k], starts[k + 1]), slice(starts[k + 1], starts[k + 2])
        out[lower, upper] = 1
        out[upper, lower] = 1
    return _tidy(out)


def grid(height: int, width: int) -> sparse.csr_array:
    """Pixels of an image, each tied to its neighbours on four sides: (n_pixels, n_pixels).

    Parameters
    ----------
    height, width : int
    """
    check_size("height", height)
    check_size("width", width)
    down, across = (np.eye(n, k=1) + np.eye(n, k=-1) for n in (height, width))
    return _tidy(sparse.kron(down, np.eye(width), "csr") + sparse.kron(np.eye(height), across, "csr"))


def _tidy(mask: Any) -> sparse.csr_array:
    out = sparse.csr_array(mask)
    out.eliminate_zeros()
    return out
