"""Every kind of layer passes the suite of layers; what is particular to a kind."""

import numpy as np
import pytest

from harmonium.errors import DataError, SettingError
from harmonium.testing.layers import LayerSuite
from harmonium.units import (
    Bernoulli,
    Binomial,
    Gaussian,
    Joined,
    Multinomial,
    Rectified,
    Softmax,
    Spin,
    layer_of,
    rectified,
)


class TestBernoulli(LayerSuite):
    layer = Bernoulli(3)


class TestSpin(LayerSuite):
    layer = Spin(3)


class TestGaussian(LayerSuite):
    layer = Gaussian(2, np.array([-0.7, 0.5]))
    bad_value = np.inf


class TestRectified(LayerSuite):
    layer = Rectified(2, np.array([-0.7, 0.5]))
    bad_value = -0.1


class TestSoftmax(LayerSuite):
    layer = Softmax(2, 3)


class TestMultinomial(LayerSuite):
    layer = Multinomial(3, n_draws=4)


class TestBinomial(LayerSuite):
    layer = Binomial(2, 3)


class TestJoined(LayerSuite):
    layer = Joined([Bernoulli(2), Softmax(1, 3), Spin(1)])


class TestJoinedRealValued(LayerSuite):
    layer = Joined([Gaussian(1, np.array([-0.7])), Gaussian(1, np.array([0.5]))])
    bad_value = np.inf


def test_joined_layers_name_the_column_within_the_part_and_refuse_multinomial_ones():
    layer = Joined([Bernoulli(2), Softmax(1, 3)])
    v = layer.states()
    v[5, 2:] = 0
    with pytest.raises(DataError, match=r"v\[:, 2:\]: row 5, columns 0 to 2 have 0 ones"):
        layer.check(v)
    with pytest.raises(SettingError, match="not bernoulli, multinomial"):
        Joined([Bernoulli(2), Multinomial(3)])


def test_binomial_units_of_one_trial_are_binary_ones():
    x, one = np.random.default_rng(0).normal(0, 2, (50, 4)), Binomial(4, 1)
    u = one.noise(np.uint64(3), np.arange(50))
    for name in ("log_partition", "mean"):
        np.testing.assert_allclose(getattr(one, name)(x), getattr(Bernoulli(4), name)(x))
    np.testing.assert_array_equal(one.sample(x, u), 1 - Bernoulli(4).sample(-x, u))


def test_a_rectified_unit_is_exact_far_into_both_tails():
    """For a field far below 0 the law tends to an exponential one of mean 1 / |x|; far above, to a normal one."""
    x, one = np.array([-1e3, 1e3]), np.ones(1)
    np.testing.assert_allclose(rectified.mean(x, one), [1e-3, 1e3], rtol=1e-5)
    u = (np.arange(2000) + 0.5) / 2000
    drawn = rectified.sample(np.full(2000, -1e3), u, one)
    np.testing.assert_allclose(np.sort(drawn), np.sort(-np.log(u) / 1e3), rtol=1e-4, atol=1e-8)


def test_a_softmax_row_without_a_state_or_with_two_is_refused_by_its_columns():
    v = Softmax(2, 3).states()
    v[4, 3:] = 0
    with pytest.raises(DataError, match="row 4, columns 3 to 5 have 0 ones"):
        Softmax(2, 3).check(v)


def test_rows_of_a_multinomial_layer_may_have_totals_of_their_own():
    layer, total = Multinomial(4), np.array([3.0, 7.0])
    x = np.zeros((2, 4))
    drawn = layer.sample(x, layer.noise(np.uint64(3), np.arange(2), total), total)
    np.testing.assert_array_equal(drawn.sum(axis=1), total)
    np.testing.assert_allclose(layer.log_partition(x, total), total * np.log(4))
    with pytest.raises(SettingError, match="n_draws"):
        layer.mean(x)


def test_a_row_that_does_not_sum_to_the_layers_draws_is_refused():
    with pytest.raises(DataError, match="row 1 sums to 3, the layer has n_draws=4"):
        Multinomial(3, 4).check(np.array([[4.0, 0, 0], [1, 1, 1]]))


def test_a_softmax_unit_may_have_more_states_than_a_byte_holds():
    layer = Softmax(1, 400)
    x = np.full((50, 400), -50.0)
    x[:, 399] = 0
    drawn = layer.sample(x, layer.noise(np.uint64(3), np.arange(50)))
    assert (drawn[:, 399] == 1).all() and drawn.sum() == 50


def test_layers_go_by_name():
    assert layer_of("softmax:3", 6) == Softmax(2, 3)
    assert layer_of("relu", 2) == Rectified(2)
    assert layer_of(Bernoulli(4), 4) == Bernoulli(4)
    refused = [
        ("boolean", 2, "'boolean' is not a kind"),
        ("softmax", 4, "softmax:N"),
        ("softmax:3", 4, "4 columns are not a whole number"),
        (Spin(3), 4, "has 3 columns"),
    ]
    for kind, n, message in refused:
        with pytest.raises(SettingError, match=message):
            layer_of(kind, n)


def test_a_layer_too_large_to_list_says_so():
    with pytest.raises(SettingError, match=r"1,073,741,824 states, more than"):
        Bernoulli(30).states()
    with pytest.raises(SettingError, match="infinitely many states"):
        Gaussian(3).states()
    assert Bernoulli(30).states(5, 6).sum() == 2  # 5 is 101 in binary


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "3"])
def test_an_impossible_size_is_refused_by_name(value):
    with pytest.raises(SettingError, match="n_units"):
        Bernoulli(value)
