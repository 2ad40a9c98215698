import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonium.evaluation.scores import Losses, difference, losses, score, standard_error

VALUES = np.array([1.0, 2.0, 3.0])


def predictions(n, seed):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(3), n), rng.integers(0, 3, n).astype(np.uint8), rng.integers(0, 7, n)


def test_scores_of_three_ratings_are_those_worked_out_by_hand():
    p = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.2, 0.2, 0.6]])
    found = score(p, np.array([0, 2, 1], np.uint8), VALUES, np.array([0, 1, 2]), first_liked=2)
    assert found.rmse == pytest.approx(math.sqrt((0.5**2 + 0 + 0.4**2) / 3))
    assert found.mae == pytest.approx((0.5 + 0 + 0.4) / 3)
    assert found.log_loss == pytest.approx(-(math.log(0.5) + 0 + math.log(0.2)) / 3)
    assert found.ece == pytest.approx(0.6 / 3)
    assert found.n == 3


def test_scores_are_the_means_of_the_losses_of_single_ratings():
    p, level, user = predictions(200, 0)
    found, each = score(p, level, VALUES, user, 2), losses(p, level, VALUES)
    assert found.rmse == pytest.approx(math.sqrt(each.squared.mean()))
    assert found.mae == pytest.approx(each.absolute.mean())
    assert found.log_loss == pytest.approx(each.log.mean())


@given(st.integers(0, 2**32 - 1))
def test_neither_the_order_of_ratings_nor_the_numbers_of_users_matter(seed):
    p, level, user = predictions(40, seed)
    rng = np.random.default_rng(seed + 1)
    order, number = rng.permutation(40), rng.permutation(1000)
    one = score(p, level, VALUES, user, 2).to_dict()
    other = score(p[order], level[order], VALUES, number[user[order]], 2).to_dict()
    del one["reliability"], other["reliability"]
    assert one == pytest.approx(other, rel=1e-9)


def test_the_standard_error_of_ratings_of_different_users_is_the_usual_one():
    loss = np.random.default_rng(0).random(50)
    assert standard_error(loss, np.arange(50)) == pytest.approx(loss.std(ddof=1) / math.sqrt(50))


def test_ratings_of_one_user_that_are_all_alike_count_as_one():
    loss = np.random.default_rng(0).random(50)
    user = np.arange(50)
    assert standard_error(np.tile(loss, 3), np.tile(user, 3)) == pytest.approx(standard_error(loss, user))


def test_ratings_of_a_single_user_count_as_independent_and_one_rating_tells_nothing():
    loss = np.array([1.0, 2.0, 4.0])
    assert standard_error(loss, np.zeros(3, int)) == standard_error(loss, np.arange(3))
    assert standard_error(loss[:1], np.zeros(1, int)) == math.inf


@pytest.mark.parametrize("name", ["rmse", "mae", "log_loss"])
def test_standard_errors_are_the_scatter_over_repeated_draws_of_users(name):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        user = np.repeat(np.arange(60), rng.integers(1, 12, 60))
        mood = rng.normal(size=60)[user]  # what makes ratings of a user alike
        level = np.digitize(mood + rng.normal(size=len(user)), [-0.5, 0.8]).astype(np.uint8)
        found.append(score(np.full((len(user), 3), [0.3, 0.5, 0.2]), level, VALUES, user, 2).to_dict())
    scatter = np.std([one[name] for one in found])
    assert np.mean([one[f"{name}_se"] for one in found]) == pytest.approx(scatter, rel=0.12)  # 400 draws: 3.5 % of 1 se


def test_a_model_differs_from_itself_by_nothing_for_sure():
    p, level, user = predictions(30, 0)
    each = losses(p, level, VALUES)
    assert set(difference(each, each, user).to_dict().values()) == {0.0}


def test_a_difference_is_that_of_the_scores_and_surer_than_either():
    p, level, user = predictions(300, 0)
    q = 0.9 * p + 0.1 / 3
    mine, theirs = (score(x, level, VALUES, user, 2) for x in (p, q))
    found = difference(losses(p, level, VALUES), losses(q, level, VALUES), user)
    for name in ("rmse", "mae", "log_loss"):
        assert getattr(found, name) == pytest.approx(getattr(mine, name) - getattr(theirs, name))
        assert getattr(found, f"{name}_se") < getattr(mine, f"{name}_se")


def test_the_difference_of_rmses_has_the_scatter_of_its_standard_error():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(400):
        user, error = np.arange(300) // 3, rng.normal(size=300)
        other = error + 0.5 * rng.normal(size=300)
        one, two = (Losses(e**2, np.abs(e), np.abs(e)) for e in (error, other))
        found.append(difference(one, two, user))
    scatter = np.std([one.rmse for one in found])
    assert np.mean([one.rmse_se for one in found]) == pytest.approx(scatter, rel=0.12)


def test_perfect_predictions_have_no_error_at_all():
    found = score(np.eye(3), np.arange(3, dtype=np.uint8), VALUES, np.arange(3), 2)
    assert (found.rmse, found.rmse_se, found.log_loss, found.ece) == (0, 0, 0, 0)


def test_a_level_ruled_out_costs_much_but_not_infinitely_much():
    found = score(np.array([[1.0, 0, 0]]), np.array([2], np.uint8), VALUES, np.zeros(1, int), 2)
    assert 80 < found.log_loss < 100


def test_a_score_is_plain_json_even_with_infinite_standard_errors():
    found = score(np.array([[0.2, 0.3, 0.5]]), np.array([2], np.uint8), VALUES, np.zeros(1, int), 2)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["rmse_se"] is None
    assert plain["reliability"] == [{"predicted": 0.5, "observed": 1.0, "n": 1}]
