"""Conditions from outside, and how they stand beside the cases that they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from harmonium.errors import DataError
from harmonium.estimators import cases

Cases = Any  # a float32 array or csr_array


def read(condition: Any) -> Cases:
    """Read conditions from any of the usual containers; DataError unless they are a table of finite numbers.

    Parameters
    ----------
    condition : array-like, SciPy sparse or frame, (n_cases, n_conditions)
    """
    u = cases.read(condition, "condition").X
    cases.check_finite(u, "condition")
    return u


def check_rows(v: Cases, u: Cases | None) -> None:
    """Raise DataError unless every case has a condition.

    Parameters
    ----------
    v : array or csr_array, (n_cases, n_visible)
    u : array or csr_array, (n_cases, n_conditions), or None
    """
    if u is not None and v.shape[0] != u.shape[0]:
        raise DataError(f"condition: has {u.shape[0]} rows, X {v.shape[0]}; each case has one condition")


def beside(v: Cases, u: Cases | None) -> Cases:
    """Rows and their conditions in one table, sparse if either is.

    Parameters
    ----------
    v : array or csr_array, (n_cases, n_visible)
    u : array or csr_array, (n_cases, n_conditions), or None
    """
    if u is None:
        return v
    if sparse.issparse(v) or sparse.issparse(u):
        return sparse.csr_array(sparse.hstack((v, u), format="csr"))
    return np.hstack((v, u))
