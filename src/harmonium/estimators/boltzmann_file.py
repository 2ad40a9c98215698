"""What a file of a Boltzmann machine holds: couplings, which pairs may be tied, chains and moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harmonium import storage
from harmonium.models import boltzmann
from harmonium.models.boltzmann import Boltzmann
from harmonium.training import boltzmann_state as states
from harmonium.training.boltzmann_state import BoltzmannState, Edges, edges_of

Arrays = dict[str, npt.NDArray]


def parts(bm: Boltzmann, couplings: Any, state: BoltzmannState | None) -> tuple[Arrays, dict[str, Any], dict[str, Any]]:
    """Return arrays, settings in place of the constructor's, and plain values of the header.

    Parameters
    ----------
    bm : Boltzmann
    couplings : array-like, SciPy sparse or None
    state : BoltzmannState or None
    """
    arrays: Arrays = {"b": bm.b, "visible": np.asarray(bm.visible, np.int64)}
    if sparse.issparse(bm.J):
        arrays |= {"data": bm.J.data, "indices": bm.J.indices, "indptr": bm.J.indptr}
    else:
        arrays["J"] = bm.J
    dense, header = True, None
    if couplings is not None:
        edges = edges_of(bm.n_units, couplings)
        arrays |= {"edges.i": np.asarray(edges.i, np.int64), "edges.j": np.asarray(edges.j, np.int64)}
        dense = edges.dense
    if state is not None:
        header, carried = states.to_parts(replace(state, clamped=np.empty((0, 0))))
        arrays |= storage.prefixed("state.", carried)
    return arrays, {"couplings": None}, {"values": bm.values, "state": header, "dense": dense}


def read(header: Mapping[str, Any], arrays: Arrays) -> tuple[Boltzmann, Any, BoltzmannState | None]:
    """Return the machine, which pairs may be tied (None for all), and where learning stood.

    Parameters
    ----------
    header : mapping
    arrays : dict of arrays
    """
    n, couplings = len(arrays["b"]), None
    edges = edges_of(n)
    if "edges.i" in arrays:
        edges = Edges(arrays["edges.i"], arrays["edges.j"], n, header["dense"])
        couplings = edges.couplings(np.ones(len(edges.i)))
    J: Any = arrays.get("J")
    if J is None:
        J = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(n, n))
    model = boltzmann.machine(J, arrays["b"], arrays["visible"], header["values"])
    state = header["state"]
    if state is not None:
        state = states.from_parts(state, storage.under("state.", arrays), edges)
    return model, couplings, state
