"""The probability of liking: which ratings count, and that the fast path is the model's own distribution."""

import numpy as np
import pytest
from _worlds import CASES, machine, recommender

from harmonium.data import Scale
from harmonium.errors import SettingError
from harmonium.models import rating_model
from harmonium.recommending.liking import LikingTables, default_like, first_liked_level


@pytest.mark.parametrize("cases", CASES)
@pytest.mark.parametrize("features", ["linear", "identity", "conditional-identity"])
@pytest.mark.parametrize(("blended", "n_machines"), [(True, 1), (False, 1), (True, 3)])
def test_the_fast_paths_give_the_models_own_probabilities(cases, features, blended, n_machines):
    model = machine(cases, features, n_machines=n_machines).model_
    if not blended:
        model = rating_model.with_blends(model, {})
    for rated in (0, 1, 15):
        item = np.random.default_rng(rated).permutation(model.n_items)[:rated]
        who = rating_model.person(model, item, (item % 5).astype(np.uint8))
        expected = rating_model.person_probabilities(model, who)
        for first_liked in (1, 3, 4):
            found = LikingTables.of(model, first_liked).probability(who)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected[:, first_liked:].sum(axis=1), atol=2e-6)
            compiled = LikingTables.of(model, first_liked).probabilities([who, who])
            np.testing.assert_allclose(compiled, [found, found], atol=3e-6)


@pytest.mark.parametrize(
    ("scale", "like"),
    [
        (Scale.stars(), 4),
        (Scale.halves(), 4),
        (Scale.stars(10), 8),
        (Scale.like(), 1),
        (Scale((-10, 0, 10)), 10),
        (Scale.buckets([1, 2, 5, 20]), 20),
    ],
)
def test_liking_begins_three_quarters_up_the_scale(scale, like):
    assert default_like(scale) == like
    assert scale.levels[first_liked_level(scale, like)] == like


def test_a_rating_between_levels_counts_from_the_next_level():
    assert first_liked_level(Scale.stars(), 3.2) == 3


@pytest.mark.parametrize("like", [1, 0, 5.5, float("nan"), "4", True])
def test_a_like_that_is_always_or_never_met_is_a_setting_error(like):
    with pytest.raises(SettingError, match="is not a rating above 1 and up to 5"):
        recommender(like=like)


@pytest.mark.parametrize("like", [2, 4, 5])
def test_predictions_are_distributions_and_liking_is_their_upper_part(like):
    for item in recommender(like=like).predict({100: 5, 101: 2}, range(100, 140)):
        assert sum(item.probabilities) == pytest.approx(1)
        assert item.rating == pytest.approx(np.dot(item.levels, item.probabilities))
        assert item.probability_of_liking == pytest.approx(sum(item.probabilities[like - 1 :]))


def test_predictions_come_in_the_order_asked_and_one_item_may_be_asked_alone():
    world = recommender()
    found = world.predict({100: 5}, [117, "film 3", 117])
    assert [item.item_id for item in found] == [117, 103, 117]
    assert world.predict({100: 5}, "Film 3") == found[1:2]
