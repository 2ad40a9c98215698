"""The compiled kernels for choices are those in NumPy; large inverses and alias tables are what they say."""

import numpy as np
import pytest
from scipy.stats import chisquare

from harmonium.kernels import choices, choices_reference
from harmonium.kernels.jit import n_threads, set_n_threads
from harmonium.kernels.linear import invert
from harmonium.randomness import key_of

FALSE_ALARM = 1e-6


def some_rows(n_rows, n, rng, share=0.3, weighted=True):
    x = rng.random((n_rows, n)) < share
    x[1 % n_rows] = False  # an empty row
    indptr = np.concatenate(([0], np.cumsum(x.sum(axis=1))))
    weight = rng.uniform(0.5, 2, x.sum()).astype(np.float32) if weighted else np.ones(x.sum(), np.float32)
    return indptr, np.nonzero(x)[1].astype(np.int32), weight


def transposed(x, n):
    written = choices_reference.dense(x, n).T
    kept = written > 0
    indptr = np.concatenate(([0], np.cumsum(kept.sum(axis=1))))
    return indptr, np.nonzero(kept)[1].astype(np.int32), written[kept]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_sums_gram_and_quadratic_forms_are_those_of_numpy(rng):
    x = some_rows(40, 23, rng)
    M = rng.normal(size=(23, 7)).astype(np.float32)
    assert choices.sum_rows(x, M) == pytest.approx(choices_reference.sum_rows(x, M), abs=1e-4)
    of = some_rows(23, 11, rng)
    assert choices.product(x, of, 11) == pytest.approx(choices_reference.product(x, of, 11), abs=1e-4)
    one = x[0][:2], x[1][: x[0][1]], np.full(x[0][1], 0.5, np.float32)
    assert np.array_equal(choices._one_product(one, of, np.empty((1, 11), np.float32)), choices.product(one, of, 11))
    x_t = transposed(x, 23)
    mine, theirs = (module.gram(x, x_t, np.empty((23, 23), np.float32)) for module in (choices, choices_reference))
    assert mine == pytest.approx(theirs, abs=1e-4)
    A = mine + np.eye(23, dtype=np.float32)
    assert choices.quadratic(x, A) == pytest.approx(choices_reference.quadratic(x, A), rel=1e-5)


@pytest.mark.parametrize("n", [1, 5, 30])
def test_the_best_items_are_those_of_a_full_sort_ties_included(rng, n):
    score = rng.integers(0, 4, (50, 23)).astype(np.float32)
    allowed = rng.random(23) < 0.8
    args = some_rows(50, 23, rng), rng.integers(0, 3, 23), allowed, n
    mine, theirs = (module.top(score.copy(), *args) for module in (choices, choices_reference))
    assert mine[0].tolist() == theirs[0].tolist()
    assert mine[1].tolist() == theirs[1].tolist()


def test_the_residual_of_the_softmax_and_its_loss_are_those_of_numpy(rng):
    x, Z = some_rows(20, 23, rng), rng.normal(size=(20, 23)).astype(np.float32) * 3
    mine, theirs = Z.copy(), Z.copy()
    assert choices.residual(mine, x) == pytest.approx(choices_reference.residual(theirs, x), rel=1e-4, abs=1e-5)
    assert mine == pytest.approx(theirs, abs=1e-5)


def test_a_transposed_matrix_is_the_same_by_columns(rng):
    x = some_rows(20, 23, rng)
    for mine, theirs in zip(choices.transposed(x, 23), transposed(x, 23)):
        assert mine.tolist() == theirs.tolist()


def test_spreads_of_lists_are_those_of_numpy(rng):
    of_item = transposed(some_rows(30, 12, rng), 12)
    lists = np.array([[0, 3, 5], [7, 2, -1], [-1, -1, -1]], np.int32)
    assert choices.list_spread(lists, of_item, 30) == pytest.approx(choices_reference.list_spread(lists, of_item, 30))


def test_an_adam_step_is_that_of_the_paper(rng):
    x, g, m, v = (rng.normal(size=(6, 5)).astype(np.float32) for _ in range(4))
    v = np.abs(v)
    mine, theirs = [(x.copy(), g, (m.copy(), v.copy()), 0.01, 3) for _ in range(2)]
    choices.adam(*mine)
    choices_reference.adam(*theirs)
    assert mine[0] == pytest.approx(theirs[0], abs=1e-6)


def machine(rng, n_items=9, n_hidden=4):
    W = rng.normal(size=(n_items, n_hidden)).astype(np.float32)
    return W, rng.normal(size=n_items).astype(np.float32), rng.normal(size=n_hidden).astype(np.float32)


def test_fantasies_and_their_steps_are_those_of_numpy(rng):
    x, parts = some_rows(20, 9, rng), machine(rng)
    table = choices.alias(rng.uniform(0.5, 2, 9))
    args = x, x[0][:-1], key_of(5, 1), *parts, table, 2, 3
    mine, theirs = choices.chains(*args), choices_reference.chains(*args)
    assert mine[2].tolist() == theirs[2].tolist()
    assert mine[1] == pytest.approx(theirs[1], abs=1e-5)
    slot = np.repeat(np.arange(20), np.diff(x[0]))
    item, slots = np.concatenate((x[1], mine[2])), np.concatenate((slot, slot))
    order = np.argsort(item, kind="stable")
    sign = np.concatenate((x[2], -x[2]))[order]
    touched, ptr = np.unique(item[order], return_index=True)
    ptr = np.append(ptr, len(item))
    results = []
    for module in (choices, choices_reference):
        W, b, square = parts[0].copy(), parts[1].copy(), np.full((9, 2), 0.1, np.float32)
        module.sparse_step(touched, ptr, slots[order], sign, *mine[:2], W, b, square, 0.1, 0.1, 0.01)
        results.append((W, b))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-5)
    assert results[0][1] == pytest.approx(results[1][1], abs=1e-5)


def test_moves_of_events_leave_the_exact_softmax_invariant(rng):
    W, b, c = machine(rng, n_items=6, n_hidden=2)
    h = np.array([1.0, 1.0], np.float32)
    c[:] = 40  # both hidden units are always on
    exact = np.exp((b + W @ h).astype(np.float64))
    exact /= exact.sum()
    n = 200_000
    start = rng.choice(6, n, p=exact / exact.sum()).astype(np.int32)
    x = np.arange(n + 1), start, np.ones(n, np.float32)
    table = choices.alias(rng.uniform(0.2, 3, 6))
    for moves in (1, 4):
        fantasy = choices.chains(x, x[0][:-1], key_of(7, moves), W, b, c, table, 1, moves)[2]
        assert chisquare(np.bincount(fantasy, minlength=6), exact * n).pvalue > FALSE_ALARM
        assert (fantasy != start).mean() > 0.04


def test_moves_of_events_find_the_exact_softmax_from_anywhere(rng):
    W, b, c = machine(rng, n_items=6, n_hidden=2)
    c[:] = 40
    exact = np.exp((b + W.sum(axis=1)).astype(np.float64))
    n = 100_000
    x = np.arange(n + 1), np.zeros(n, np.int32), np.ones(n, np.float32)
    fantasy = choices.chains(x, x[0][:-1], key_of(8), W, b, c, choices.alias(np.ones(6)), 1, 200)[2]
    assert chisquare(np.bincount(fantasy, minlength=6), exact / exact.sum() * n).pvalue > FALSE_ALARM


def test_an_alias_table_holds_the_distribution_it_was_built_from(rng):
    p = rng.dirichlet(np.full(50, 0.3))
    table = choices.alias(p)
    held = table.threshold.astype(np.float64)
    np.add.at(held, table.other, 1 - table.threshold.astype(np.float64))
    assert held / 50 == pytest.approx(p, abs=1e-7)
    assert np.exp(table.log_q.astype(np.float64)) == pytest.approx(p, rel=1e-4)


@pytest.mark.parametrize(("n", "block"), [(1, 4), (7, 4), (40, 16), (64, 16)])
def test_a_blocked_inverse_is_the_inverse(rng, n, block):
    X = rng.normal(size=(2 * n, n)).astype(np.float32)
    A = X.T @ X + np.eye(n, dtype=np.float32)
    found = np.tril(A)  # the upper triangle is not read
    invert(found, block)
    assert found == pytest.approx(np.linalg.inv(A.astype(np.float64)), abs=2e-5)
    assert (found == found.T).all()


def test_results_do_not_depend_on_the_number_of_threads(rng):
    x, parts = some_rows(60, 9, rng), machine(rng)
    table, before = choices.alias(np.ones(9)), n_threads()
    results = []
    try:
        for n in (1, 3):
            set_n_threads(n)
            results.append(choices.chains(x, x[0][:-1], key_of(5), *parts, table, 1, 2)[2].tolist())
    finally:
        set_n_threads(before)
    assert results[0] == results[1]
