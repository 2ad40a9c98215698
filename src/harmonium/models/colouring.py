"""Colour classes of a graph of ties: units of one colour are not tied, so Gibbs sampling may update them at once."""

import heapq
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium.models.boltzmann import Couplings

Ints = npt.NDArray[np.integer]


def colours(J: Couplings) -> Ints:
    """Give every unit a colour that none of its neighbours has, with few colours.

    Parameters
    ----------
    J : array or scipy.sparse.csr_array, (n_units, n_units)
        Symmetric; a stored entry of a sparse one is a tie, of a dense one where it is not 0.

    Returns
    -------
    int array, (n_units,)
        Colours from 0. Two for every graph that two suffice for: a layered machine, a square lattice.

    Notes
    -----
    DSATUR (Brelaz, Communications of the ACM 22(4), 1979): next comes the unit whose neighbours have most colours
    already. O((n + ties) log n).
    """
    graph: Any = sparse.csr_array(J)
    n = graph.shape[0]
    degree = np.diff(graph.indptr)
    colour, near = np.full(n, -1), [set() for _ in range(n)]
    queue = [(0, -int(degree[i]), i) for i in range(n)]
    heapq.heapify(queue)
    while queue:
        saturation, _, i = heapq.heappop(queue)
        if colour[i] >= 0 or -saturation != len(near[i]):
            continue  # it was coloured, or a later entry knows more
        colour[i] = next(k for k in range(len(near[i]) + 1) if k not in near[i])
        for j in graph.indices[graph.indptr[i] : graph.indptr[i + 1]].tolist():
            if colour[j] < 0 and colour[i] not in near[j]:
                near[j].add(colour[i])
                heapq.heappush(queue, (-len(near[j]), -int(degree[j]), j))
    return colour


def classes(colour: Ints) -> list[Ints]:
    """Units of each colour.

    Parameters
    ----------
    colour : int array, (n_units,)
    """
    order = np.argsort(colour, kind="stable")
    return np.split(order, np.cumsum(np.bincount(colour))[:-1])


def is_proper(J: Couplings, colour: Ints) -> bool:
    """Whether no two tied units share a colour.

    Parameters
    ----------
    J : array or scipy.sparse.csr_array, (n_units, n_units)
    colour : int array, (n_units,)
    """
    ties = sparse.coo_array(J)
    apart = colour[ties.coords[0]] != colour[ties.coords[1]]
    return bool((apart | (ties.coords[0] == ties.coords[1])).all())
