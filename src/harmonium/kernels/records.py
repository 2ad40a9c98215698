"""Bundles of arrays that training kernels of every backend take."""

from typing import Any, NamedTuple

import numpy as np

Array = Any  # NumPy's for `reference` and `cpu`, torch's for `gpu`


class Layout(NamedTuple):
    """Ratings sorted both ways: rows are cases, and again rows are visible units."""

    indptr: Array  # int64 (n_cases + 1,)
    visible: Array  # int32 (n_entries,)
    level: Array  # uint8 (n_entries,)
    unit_indptr: Array  # int64 (n_visible + 1,)
    unit_case: Array  # int32 (n_entries,)
    unit_level: Array  # uint8 (n_entries,)
    unit_rank: Array  # int32 (n_entries,): which of its case's entries, in case order, the same rating is


class Schedule(NamedTuple):
    """An epoch's entries sorted by batch and, within it, by visible unit."""

    ptr: Array  # int32 (n_batches, n_visible + 1): each unit's entries within the batch
    origin: Array  # int64 (n_batches + 1,): where a batch begins in `case`
    case: Array  # int32 (n_entries,): the case's position in its batch
    level: Array  # uint8 (n_entries,)
    place: Array  # int32 (n_entries,): which of its batch's entries, in the order of cases, the same rating is


class Machine(NamedTuple):
    """Parameters under training; n_hidden is a multiple of `vectors.LANES`."""

    W: Array  # float32 (n_features, n_visible, n_hidden)
    b: Array  # float32 (n_visible, n_levels)
    c: Array  # float32 (n_hidden,)
    phi: Array  # float32 (n_levels, n_features)
    live: Array  # float32 (n_hidden,): 1, or 0 for units that only pad the rows
    conditional: bool


class Phase(NamedTuple):
    """What the first pass leaves for the second."""

    H0: Array  # float32 (batch, n_hidden)
    H1: Array  # float32 (batch, n_hidden)
    Z: Array  # float32 (batch entries in the order of cases, features that are not constant, at least 1)


class Moments(NamedTuple):
    """Accumulators of the optimiser: first and second moments."""

    W1: Array
    W2: Array
    b1: Array
    b2: Array


class Step(NamedTuple):
    """Numbers of one optimiser step."""

    rule: int
    rate: np.float32
    bias_rate: np.float32
    decay: np.float32
    momentum: np.float32
    beta2: np.float32
    correction: np.float32  # 1 / (1 - beta2^t), Adam's
    eps: np.float32
