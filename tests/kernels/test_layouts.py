"""Ratings sorted by visible unit: counting is the stable sort that the reference is."""

import numpy as np
import pytest

from harmonium.kernels import cpu, reference


@pytest.mark.parametrize("n_cases", [0, 1, 40])
def test_counting_is_the_stable_sort(n_cases):
    rng = np.random.default_rng(n_cases)
    rows = [np.flatnonzero(rng.random(12) < 0.4) for _ in range(n_cases)]
    indptr = np.concatenate(([0], np.cumsum([len(row) for row in rows], dtype=np.int64))).astype(np.int64)
    visible = np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32)
    level = rng.integers(0, 5, len(visible)).astype(np.uint8)
    for array in (indptr, visible, level):
        array.flags.writeable = False
    found, wanted = (module.lay_out(indptr, visible, level, 15) for module in (cpu, reference))
    for name, a, b in zip(found._fields, found, wanted):
        assert np.array_equal(a, b), name
        assert a.dtype == b.dtype, name
