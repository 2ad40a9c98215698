import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonium.data import Ratings, Scale, Vocabulary, load, random_split
from harmonium.evaluation import baselines
from harmonium.evaluation.baselines import EDGE, distribution, fit_bias, fit_popularity
from harmonium.training.validation import errors, log_loss

SCALES = (Scale.stars(), Scale.halves(), Scale.like(), Scale((0.0, 1.0, 10.0)), Scale(tuple(range(254))))


def made(user, item, value, n_users=4, n_items=3):
    scale = Scale.stars()
    return Ratings.from_arrays(
        user, item, scale.code(value), Vocabulary.from_ids(range(n_users)), Vocabulary.from_ids(range(n_items)), scale
    )


@pytest.fixture(scope="module")
def split():
    """Return the bundled ratings, a tenth held out."""
    return random_split(load("movielens-small").ratings, 0.1, rng=0)


def test_an_item_is_predicted_by_its_counts_drawn_towards_all_ratings():
    train = made([0, 1, 2], [0, 0, 1], [5.0, 5.0, 1.0])
    asked = made([3, 3, 3], [0, 1, 2], [3.0, 3.0, 3.0])
    share = np.array([1.5, 0.5, 0.5, 0.5, 2.5]) / 5.5
    counts = np.array([[0, 0, 0, 0, 2], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    strength = baselines.USUAL_STRENGTH
    wanted = (counts + strength * share) / (counts.sum(axis=1, keepdims=True) + strength)
    assert fit_popularity(train).probabilities(asked) == pytest.approx(wanted)


def test_biases_solve_the_ridge_problem():
    rng = np.random.default_rng(0)
    cells = rng.choice(12, 9, replace=False)
    train = made(cells // 3, cells % 3, rng.integers(1, 6, 9).astype(float))
    strength = baselines.USUAL_STRENGTH
    design = np.zeros((9, 7))
    design[np.arange(9), train.item] = design[np.arange(9), 3 + train.user_of()] = 1
    residual = train.values() - train.values().mean()
    wanted = np.linalg.solve(design.T @ design + strength * np.eye(7), design.T @ residual)
    found = fit_bias(train)
    assert np.concatenate((found.item, found.user)) == pytest.approx(wanted, abs=1e-4)


def test_unknown_users_and_items_get_the_mean():
    train = made([0, 1], [0, 0], [2.0, 5.0])
    assert fit_bias(train).expected(made([3], [2], [1.0])) == pytest.approx([3.5])


def test_no_history_at_all_still_gives_distributions():
    empty = made([], [], [])
    asked = made([0], [0], [4.0])
    for fit in (fit_popularity, fit_bias):
        assert fit(empty).probabilities(asked).sum() == pytest.approx(1)
    assert fit_popularity(empty).probabilities(asked) == pytest.approx(np.full((1, 5), 0.2))


def test_entries_without_a_rating_teach_nothing(split):
    some = split.test
    level = some.level.copy()
    level[::2] = 255
    seen = Ratings(some.indptr, some.item, level, some.users, some.items, some.scale)
    rated = seen.select(level != 255)
    for fit in (fit_popularity, fit_bias):
        assert np.array_equal(fit(seen).probabilities(some), fit(rated).probabilities(some))


@given(st.sampled_from(SCALES), st.integers(0, 2**32 - 1), st.floats(0, 10))
def test_a_distribution_has_the_mean_asked_for(scale, seed, curvature):
    rng = np.random.default_rng(seed)
    expected = scale.minimum + (EDGE + (1 - 2 * EDGE) * rng.random(20)) * (scale.maximum - scale.minimum)
    p = distribution(
        expected, scale, rng.dirichlet(np.full(scale.n_levels, 2.0)) * 0.9 + 0.1 / scale.n_levels, curvature
    )
    assert p.min() >= 0
    assert p.sum(axis=1) == pytest.approx(np.ones(20))
    assert p @ scale.values == pytest.approx(expected, abs=2e-3 * (scale.maximum - scale.minimum))


def test_the_mean_of_all_ratings_gets_their_distribution_when_nothing_is_bent():
    share = np.array([0.1, 0.1, 0.2, 0.4, 0.2])
    p = distribution(np.array([share @ Scale.stars().values]), Scale.stars(), share, 0.0)
    assert p[0] == pytest.approx(share, abs=1e-4)


def test_the_popular_distribution_reaches_its_known_accuracy(split):
    p = fit_popularity(split.train).probabilities(split.test)
    rmse, loss = errors(p, split.test.level, split.test.scale.values)
    assert rmse == pytest.approx(0.983, abs=0.005)
    shares = np.bincount(split.train.level, minlength=10) / len(split.train)
    assert loss < log_loss(np.tile(shares, (len(p), 1)), split.test.level) - 0.05


def test_biases_reach_their_known_accuracy(split):
    found = fit_bias(split.train)
    rmse, loss = errors(found.probabilities(split.test), split.test.level, split.test.scale.values)
    assert rmse == pytest.approx(0.865, abs=0.005)
    assert rmse == pytest.approx(np.sqrt(np.mean((found.expected(split.test) - split.test.values()) ** 2)), abs=1e-4)
    flat = distribution(found.expected(split.test), found.scale, found.share, 0.0)
    assert loss < log_loss(flat, split.test.level)


def test_the_strength_is_chosen_where_there_are_ratings_to_choose_by(split, monkeypatch):
    usual = fit_popularity(split.train).strength
    monkeypatch.setattr(baselines, "STRENGTHS", (1e6,))
    assert fit_popularity(split.train).strength == 1e6 != usual
