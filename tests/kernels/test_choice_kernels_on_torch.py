"""The kernels for choices in torch are those in NumPy and Numba, on the same uniforms."""

import numpy as np
import pytest
from _twins import Twins
from test_choice_kernels import machine, some_rows

from harmonium.kernels import choices, choices_reference
from harmonium.randomness import key_of

pytest.importorskip("torch")
gpu = Twins("gpu_choices")
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def same(found, expected):
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, **CLOSE)


def test_rows_are_taken_thinned_summed_and_transposed_as_on_the_cpu(rng):
    x, rows = some_rows(40, 23, rng), rng.permutation(40)[:15]
    expected, first = choices.take(x, rows)
    n = len(expected[1])
    for found in (gpu.take(x, rows), gpu.take(x, rows, n)):
        same((*found[0], found[1]), (*expected, first))
    kept = rng.random(len(x[1])) < 0.4
    mine, theirs = gpu.thinned(x, kept), choices.thinned(x, kept)
    M = rng.normal(size=(23, 7)).astype(np.float32)
    same([gpu.sum_rows(mine, M)], [choices_reference.sum_rows(theirs, M)])
    same(gpu.transposed(x, 23), choices.transposed(x, 23))
    full = choices.take(x, np.flatnonzero(np.diff(x[0])))[0]
    same([gpu.row_sums(full)], [choices.row_sums(full)])
    other = some_rows(23, 11, rng)
    by_columns = gpu.product_by_columns(mine, choices.transposed(other, 11), 23)
    same([by_columns], [choices_reference.product(theirs, other, 11)])


def test_the_softmaxs_residual_is_that_of_numpy(rng):
    x, Z = some_rows(20, 23, rng), rng.normal(size=(20, 23)).astype(np.float32) * 3
    x = choices.take(x, np.flatnonzero(np.diff(x[0])))[0]
    mine, theirs = Z[: len(x[0]) - 1].copy(), Z[: len(x[0]) - 1].copy()
    same([gpu.residual(mine, x), mine], [choices_reference.residual(theirs, x), theirs])


def test_steps_of_adam_and_small_functions_are_those_of_numpy(rng):
    x, g, m, v = (rng.normal(size=(6, 5)).astype(np.float32) for _ in range(4))
    mine, theirs = [(x.copy(), g, (m.copy(), np.abs(v)), 0.01, 3) for _ in range(2)]
    gpu.adam(*mine)
    choices_reference.adam(*theirs)
    same((mine[0], *mine[2]), (theirs[0], *theirs[2]))
    same([gpu.inner(x, g), gpu.masked(x > 0, 1.5)], [choices.inner(x, g), choices.masked(x > 0, 1.5)])
    assert gpu.largest(x) == choices.largest(x)
    assert gpu.largest(x[:0]) == choices.largest(x[:0]) == 0
    square = rng.normal(size=(4, 4)).astype(np.float32)
    gpu.clear_diagonal(square)
    assert not square.diagonal().any() and square.any()


@pytest.mark.parametrize("n_items", [9, 300])
def test_fantasies_are_the_same_draws(rng, n_items):
    x, parts = some_rows(25, n_items, rng), machine(rng, n_items, 6)
    table = choices.alias(rng.uniform(0.5, 2, n_items))
    where = x, x[0][:-1] + 7, key_of(5, 1), *parts
    found, expected = gpu.chains(*where, table, 2, 3), choices_reference.chains(*where, table, 2, 3)
    assert found[2].tolist() == expected[2].tolist()
    same(found[:2], expected[:2])
    found, expected = gpu.exact_chains(*where, 2), choices.exact_chains(*where, 2)
    assert found[2].tolist() == expected[2].tolist()
    same(found[:2], expected[:2])


@pytest.mark.parametrize("n_items", [9, 3000])  # fewer items than places, and more
def test_a_step_changes_the_rows_that_occur_and_no_others(rng, n_items):
    x, (W, b, c) = some_rows(12, n_items, rng, 0.3 if n_items < 100 else 0.002), machine(rng, n_items, 6)
    _, _, fantasy = choices.exact_chains(x, x[0][:-1], key_of(2), W, b, c, 1)
    p, q = (rng.random((12, 6), dtype=np.float32) for _ in range(2))
    results = []
    for module in (gpu, choices):
        arrays = W.copy(), b.copy(), np.full((n_items, 2), 0.1, np.float32)
        told = module.touched_step(x, fantasy, p, q, *arrays, 0.1, 0.01)
        results.append(arrays)
    same(*results)
    others = np.setdiff1d(np.arange(n_items), told)
    np.testing.assert_array_equal(results[0][0][others], W[others])
    np.testing.assert_array_equal(results[0][2][others], np.float32(0.1))
    assert (results[0][0][told] != W[told]).any(axis=1).all()
