"""The rating machine against full enumeration of its states."""

import itertools

import numpy as np
import pytest

from harmonium.data import Ratings, Scale, Vocabulary
from harmonium.errors import DataError
from harmonium.models import fold_in, level_rbm
from harmonium.models.level_rbm import LevelRBM
from harmonium.units import bernoulli, levels
from harmonium.units.levels import FEATURES, level_features

N_VISIBLE, N_HIDDEN, SCALE = 3, 4, Scale((1.0, 2.0, 4.0))
STATES = np.array(list(itertools.product(range(3), repeat=N_VISIBLE)), np.uint8)
HIDDEN = np.array(list(itertools.product((0.0, 1.0), repeat=N_HIDDEN)))


def made(features="linear", seed=0):
    rng = np.random.default_rng(seed)
    phi = level_features(features, SCALE.x)
    return LevelRBM(
        rng.normal(0, 1, (phi.shape[1], N_VISIBLE, N_HIDDEN)).astype(np.float32),
        rng.normal(0, 1, (N_VISIBLE, 3)).astype(np.float32),
        rng.normal(0, 1, N_HIDDEN).astype(np.float32),
        phi,
    )


def as_ratings(states):
    user = np.repeat(np.arange(len(states)), N_VISIBLE)
    item = np.tile(np.arange(N_VISIBLE), len(states))
    vocabularies = Vocabulary.from_ids(np.arange(len(states))), Vocabulary.from_ids(np.arange(N_VISIBLE))
    return Ratings.from_arrays(user, item, np.ravel(states), *vocabularies, SCALE)


def written_out_energy(rbm, v, h):
    """E(v, h) straight from the definition."""
    total = -float(rbm.c @ h)
    for i, k in enumerate(v):
        total -= rbm.b[i, k] + sum(rbm.phi[k, f] * float(rbm.W[f, i] @ h) for f in range(rbm.phi.shape[1]))
    return total


def joint(rbm):
    """Exact P(v, h), shape (n_states, n_hidden_states)."""
    e = np.array([[written_out_energy(rbm, v, h) for h in HIDDEN] for v in STATES])
    p = np.exp(-(e - e.min()))
    return p / p.sum()


@pytest.mark.parametrize("features", FEATURES)
def test_energy_is_the_written_out_sum(features):
    rbm = made(features)
    for h in HIDDEN[::5]:
        expected = [written_out_energy(rbm, v, h) for v in STATES]
        found = level_rbm.energy(rbm, as_ratings(STATES), np.tile(h, (len(STATES), 1)))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("features", FEATURES)
def test_free_energy_sums_the_hidden_states_out(features):
    rbm = made(features)
    e = np.array([[written_out_energy(rbm, v, h) for h in HIDDEN] for v in STATES])
    np.testing.assert_allclose(
        level_rbm.free_energy(rbm, as_ratings(STATES)), -np.log(np.exp(-e).sum(axis=1)), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("features", FEATURES)
def test_hidden_means_are_the_exact_conditional(features):
    rbm = made(features)
    p = joint(rbm)
    expected = (p / p.sum(axis=1, keepdims=True)) @ HIDDEN
    np.testing.assert_allclose(level_rbm.hidden_mean(rbm, as_ratings(STATES)), expected, atol=1e-5)


@pytest.mark.parametrize("features", FEATURES)
def test_level_probabilities_are_the_exact_conditional(features):
    rbm = made(features)
    p = joint(rbm)
    for j, h in enumerate(HIDDEN):
        found = level_rbm.case_probabilities(rbm, h.astype(np.float32))
        for i in range(N_VISIBLE):
            expected = [p[STATES[:, i] == k, j].sum() / p[:, j].sum() for k in range(3)]
            np.testing.assert_allclose(found[i], expected, atol=1e-5)


def test_a_missing_rating_is_not_there():
    rbm = made()
    whole = as_ratings(STATES[:1])
    part = whole.select(np.array([True, False, True]))
    smaller = LevelRBM(rbm.W[:, [0, 2]].copy(), rbm.b[[0, 2]].copy(), rbm.c.copy(), rbm.phi.copy())
    without = Ratings.from_arrays(
        [0, 0], [0, 1], STATES[0, [0, 2]], whole.users, Vocabulary.from_ids(np.arange(2)), SCALE
    )
    np.testing.assert_allclose(level_rbm.free_energy(rbm, part), level_rbm.free_energy(smaller, without), rtol=1e-6)


def test_an_item_seen_but_not_rated_feeds_the_constant_feature_alone():
    rbm, rated = made(), as_ratings(STATES[:1])
    level = rated.level.copy()
    level[1] = 255
    seen = Ratings(rated.indptr, rated.item, level, rated.users, rated.items, SCALE)
    without = level_rbm.hidden_field(rbm, rated.select(np.array([True, False, True])))
    np.testing.assert_allclose(level_rbm.hidden_field(rbm, seen), without + rbm.W[0, 1], rtol=1e-5)


def test_seen_items_need_a_constant_feature():
    rbm, rated = made("identity"), as_ratings(STATES[:1])
    seen = Ratings(rated.indptr, rated.item, np.full(3, 255, np.uint8), rated.users, rated.items, SCALE)
    with pytest.raises(DataError, match="need a constant level feature"):
        level_rbm.hidden_mean(rbm, seen)


def test_identity_features_are_the_machine_of_2007():
    """One free weight vector a level: h's field is c + sum_i W[i, v_i], and nothing is shared."""
    rbm = made("identity")
    fields = level_rbm.hidden_field(rbm, as_ratings(STATES))
    expected = np.array([rbm.c + sum(rbm.W[k, i] for i, k in enumerate(v)) for v in STATES])
    np.testing.assert_allclose(fields, expected, rtol=1e-4, atol=1e-5)


def test_a_case_of_another_width_is_refused():
    narrow = Ratings.from_arrays([0], [0], [0], Vocabulary.from_ids([0]), Vocabulary.from_ids(np.arange(2)), SCALE)
    with pytest.raises(DataError, match="2 columns of 3 levels, the machine 3 visible units"):
        level_rbm.hidden_mean(made(), narrow)


def test_initial_biases_are_the_log_frequencies():
    ratings = as_ratings(np.array([[0, 1, 2]] * 999, np.uint8))
    rbm = level_rbm.initial(ratings, 4, level_features("linear", SCALE.x), 0)
    np.testing.assert_allclose(levels.mean(rbm.b)[[0, 1, 2], [0, 1, 2]], 1, atol=0.01)


@pytest.mark.parametrize("unit", [bernoulli, levels])
def test_the_log_partition_s_derivative_is_the_mean(unit):
    x = np.random.default_rng(0).normal(0, 3, (6, 5))
    step = 1e-6
    for k in range(5):
        bump = np.zeros(5)
        bump[k] = step
        slope = (unit.log_partition(x + bump) - unit.log_partition(x - bump)) / (2 * step)
        slope = slope[:, k] if unit is bernoulli else slope
        np.testing.assert_allclose(slope, unit.mean(x)[:, k], atol=1e-8)


@pytest.mark.parametrize("unit", [bernoulli, levels])
def test_units_keep_their_heads_at_extreme_fields(unit):
    x = np.array([[-1e4, 0.0, 1e4]])
    assert np.isfinite(unit.log_partition(x)).all()
    assert np.isfinite(unit.mean(x)).all()


def test_draws_follow_the_probabilities():
    """Chi-square at a false-alarm rate of 1 in 1,000 a test."""
    from scipy.stats import chi2

    rng, n = np.random.default_rng(5), 40_000
    x = np.array([0.3, -1.0, 1.2])
    counts = np.bincount(levels.sample(np.tile(x, (n, 1)), rng.random(n)), minlength=3)
    expected = n * levels.mean(x)
    assert ((counts - expected) ** 2 / expected).sum() < chi2.isf(1e-3, 2)
    on = bernoulli.sample(np.full(n, 0.7), rng.random(n)).sum()
    p = bernoulli.mean(np.array([0.7]))[0]
    assert (on - n * p) ** 2 / (n * p * (1 - p)) < chi2.isf(1e-3, 1)


def test_a_committee_is_the_geometric_mean_of_its_members():
    machines = [made(seed=seed) for seed in range(3)]
    committee = level_rbm.committee(machines)
    cases = as_ratings(STATES)
    h = np.random.default_rng(0).random((3, len(STATES), N_HIDDEN)).astype(np.float32)
    together = np.concatenate(h, axis=1)
    for found, each in (
        (level_rbm.energy(committee, cases, together), [level_rbm.energy(m, cases, x) for m, x in zip(machines, h)]),
        (level_rbm.free_energy(committee, cases), [level_rbm.free_energy(m, cases) for m in machines]),
        (
            level_rbm.level_fields(committee, together[5]),
            [level_rbm.level_fields(m, x[5]) for m, x in zip(machines, h)],
        ),
    ):
        np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-5, atol=1e-5)
    members = np.split(level_rbm.hidden_mean(committee, cases), 3, axis=1)
    for machine, mean in zip(machines, members):
        np.testing.assert_allclose(mean, level_rbm.hidden_mean(machine, cases), rtol=1e-5)


def test_the_members_of_a_committee_make_it_again():
    committee = level_rbm.committee([made(seed=seed) for seed in range(3)])
    again = level_rbm.committee(level_rbm.members(committee))
    for name in ("W", "b", "c", "phi"):
        np.testing.assert_allclose(getattr(again, name), getattr(committee, name), rtol=1e-6)
    assert again.n_machines == 3
    alone = made()
    assert level_rbm.members(alone) == [alone] and level_rbm.committee([alone]) is alone


def test_a_unit_that_is_folded_in_tells_its_levels_as_the_one_it_was_drawn_from():
    """Cases with known hidden units; the last column is drawn from unit 1, which the machine without it must find."""
    rng, n_cases = np.random.default_rng(3), 4000
    rbm = made(seed=1)
    cases = as_ratings(rng.integers(0, 3, (n_cases, N_VISIBLE)))
    hidden = level_rbm.hidden_mean(rbm, cases)
    p = np.stack([level_rbm.case_probabilities(rbm, h, np.array([1]))[0] for h in hidden])
    drawn = levels.sample(np.log(p), rng.random(n_cases))
    user = np.concatenate((cases.user_of(), np.arange(n_cases)))
    item = np.concatenate((cases.item + 1, np.zeros(n_cases, int)))  # the new unit's id comes first
    level = np.concatenate((cases.level, drawn))
    wider = Ratings.from_arrays(user, item, level, cases.users, Vocabulary(np.arange(N_VISIBLE + 1)), SCALE)
    more = fold_in.grown(rbm, wider, np.arange(1, N_VISIBLE + 1), 0.1, 0.1)
    np.testing.assert_array_equal(more.W[:, 1:], rbm.W)
    found = np.stack([level_rbm.case_probabilities(more, h, np.array([0]))[0] for h in hidden[:50]])
    np.testing.assert_allclose(found, p[:50], atol=0.06)
