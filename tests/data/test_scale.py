import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonium.data import Scale
from harmonium.errors import DataError, SettingError


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=254, unique=True).map(sorted))
def test_every_level_has_its_own_code_and_x_runs_from_minus_one_to_one(levels):
    scale = Scale(tuple(levels))
    assert scale.code(levels).tolist() == list(range(len(levels)))
    assert scale.x[0] == -1 and scale.x[-1] == 1 and (np.diff(scale.x) > 0).all()


def test_even_levels_have_even_x():
    np.testing.assert_allclose(Scale.stars().x, [-1, -0.5, 0, 0.5, 1])


@pytest.mark.parametrize(
    ("scale", "phrase"),
    [
        (Scale.stars(), "1 to 5"),
        (Scale.halves(), "0.5 to 5 in steps of 0.5"),
        (Scale.like(), "dislike or like"),
        (Scale((1, 2, 5)), "3 levels from 1 to 5"),
        (Scale.buckets([1, 2, 10]), "buckets from 1, 2, 10"),
    ],
)
def test_a_scale_describes_itself(scale, phrase):
    assert scale.describe() == phrase


@pytest.mark.parametrize("value", [7, 0, 2.5, float("nan"), float("inf"), -1e300])
def test_a_value_off_the_scale_is_named(value):
    with pytest.raises(DataError, match=rf"rating {value:g} is not on the scale 1 to 5".replace("+", r"\+")):
        Scale.stars().code([3, value])


def test_single_precision_values_find_their_level():
    tenths = Scale(tuple(k / 10 for k in range(101)))
    assert (tenths.code(np.float32(tenths.values)) == np.arange(101)).all()


def test_a_count_falls_in_the_bucket_that_starts_at_or_below_it():
    scale = Scale.buckets([1, 3, 10])
    assert scale.code([1, 2, 2.9, 3, 9, 10, 1e9]).tolist() == [0, 0, 0, 1, 1, 2, 2]
    with pytest.raises(DataError, match="rating 0 "):
        scale.code([0])
    with pytest.raises(DataError, match="rating inf "):
        scale.code([np.inf])


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1, 0, 1], Scale.like()),
        ([1, 1], Scale.like()),
        ([4, 5, 2], Scale.stars()),
        ([8, 3], Scale.stars(10)),
        ([4.5, 3], Scale.halves()),
        ([0, 50, 100], Scale((0, 50, 100))),
        ([-1, 1], Scale((-1, 1))),
    ],
)
def test_a_scale_is_inferred_by_the_documented_rules(values, scale):
    assert Scale.infer(values) == scale


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([], "no ratings"),
        ([np.nan], "finite"),
        ([42, 42], "every rating is 42"),
        (np.arange(300), "300 distinct ratings from 0 to 299"),
        (np.random.default_rng(0).normal(size=50), "50 distinct"),
    ],
)
def test_values_that_are_no_levels_are_refused(values, says):
    with pytest.raises(DataError, match=says):
        Scale.infer(values)


@pytest.mark.parametrize("levels", [(1,), tuple(range(255)), (2, 1), (1, 1), (1, np.nan), (1, np.inf)])
def test_a_scale_needs_2_to_254_increasing_levels(levels):
    with pytest.raises(SettingError):
        Scale(levels)
    assert Scale(tuple(range(254))).n_levels == 254


def test_names_are_one_a_level():
    with pytest.raises(SettingError, match="2 levels need 2 names"):
        Scale((0, 1), names=("like",))
