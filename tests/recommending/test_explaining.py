"""Explanations: exact leave-one-out, hidden units that add up, and what units and neighbours stand for."""

import numpy as np
import pytest
from _worlds import CASES, N_HIDDEN, machine, recommender

from harmonium.errors import SettingError, UnknownIdError
from harmonium.models import level_rbm, rating_model
from harmonium.recommending import explaining, similarity

HISTORY = {100: 5, 107: 1, 112: 3, 120: 4, 121: None}


@pytest.mark.parametrize("cases", CASES)
def test_a_contribution_is_what_changes_without_the_rating(cases):
    world = recommender(cases)
    why = world.explain(HISTORY, 130)
    assert {reason.item_id: reason.rating for reason in why.reasons} == HISTORY
    for reason in why.reasons:
        (less,) = world.predict({item: r for item, r in HISTORY.items() if item != reason.item_id}, [130])
        assert reason.contribution == why.item.probability_of_liking - less.probability_of_liking
        assert reason.rating_contribution == why.item.rating - less.rating
    assert [why.item] == world.predict(HISTORY, [130])
    assert [why.baseline] == world.predict({}, [130])


@pytest.mark.parametrize("cases", CASES)
def test_a_single_rating_accounts_for_all_that_differs_from_the_baseline(cases):
    why = recommender(cases).explain({104: 5}, 130)
    (reason,) = why.reasons
    difference = why.item.probability_of_liking - why.baseline.probability_of_liking
    assert reason.contribution == pytest.approx(difference, abs=1e-12)
    assert difference != 0


def test_reasons_come_strongest_first_and_at_most_n():
    world = recommender()
    sizes = [abs(reason.contribution) for reason in world.explain(HISTORY, "film 30").reasons]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == len(HISTORY)
    assert world.explain(HISTORY, "film 30", n=2).reasons == world.explain(HISTORY, "film 30").reasons[:2]
    assert world.explain({}, 130).reasons == ()


@pytest.mark.parametrize("features", ["linear", "identity"])
def test_the_parts_of_the_units_add_up_to_the_difference_in_tilt(features):
    model, first_liked, item = machine("users", features).model_, 3, 30
    people = [
        rating_model.person(model, np.array(items, int), np.full(len(items), 4, np.uint8)) for items in ([], [3, 8])
    ]
    tilt = []
    for who in people:
        fields = level_rbm.level_fields(model.users, who.hidden, np.array([item]))[0] - model.users.b[item]
        tilt.append(fields[first_liked:].mean() - fields[:first_liked].mean())
    world = recommender("users", features)
    parts = world._predictor.unit_parts(item, people[1], people[0])
    assert parts.shape == (N_HIDDEN,)
    assert parts.sum() == pytest.approx(tilt[1] - tilt[0], abs=1e-5)
    listed = world.explain({103: 5, 108: 5}, 130).units
    assert [part for _, part in listed] == sorted(parts.tolist(), key=abs, reverse=True)
    assert [parts[unit] for unit, _ in listed] == [part for _, part in listed]


def test_without_a_users_machine_there_are_no_units():
    world = recommender("items")
    why = world.explain(HISTORY, 130)
    assert why.units == () and all(reason.by_unit == () for reason in why.reasons)
    assert world.n_units == 0
    for question in (lambda: world.describe_unit(0), lambda: world.free_energy(HISTORY), lambda: world.energy(HISTORY)):
        with pytest.raises(SettingError, match="no machine whose cases are users"):
            question()


def test_a_unit_is_described_by_the_items_that_pull_it_most():
    world = recommender("users")
    weight = explaining.tilts(world.machine.model_.users, 3)
    n = world.machine.model_.n_item_ratings
    held_back = weight * (n / (n + 20))[:, None]
    for unit in range(world.n_units):
        found = world.describe_unit(unit, 5)
        for sign, end in ((1, found.positive), (-1, found.negative)):
            expected = np.argsort(-sign * held_back[:, unit])[:5]
            assert [item_id for item_id, *_ in end] == (100 + expected).tolist()
            assert [w for _, _, w, _ in end] == pytest.approx(weight[expected, unit].tolist())
            assert [count for *_, count in end] == n[expected].tolist()
        assert found.resting_activation == pytest.approx(1 / (1 + np.exp(-found.bias)))


@pytest.mark.parametrize("unit", [-1, N_HIDDEN, 1.5])
def test_a_unit_that_is_not_there_is_a_setting_error(unit):
    with pytest.raises(SettingError, match=f"unit: .* from 0 to {N_HIDDEN - 1}"):
        recommender().describe_unit(unit)


@pytest.mark.parametrize("cases", CASES)
def test_similarity_is_a_cosine_from_the_mean_over_ratings(cases):
    model = machine(cases).model_
    share = model.n_item_ratings / model.n_item_ratings.sum()
    expected = []
    if model.users is not None:
        expected.append(np.concatenate(list(model.users.W), axis=1))
    if model.items is not None:
        expected.append(model.items.hidden)
    centred = [x - share @ x for x in expected]
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in centred]
    for item in (0, 17):
        found = similarity.cosines(model, item)
        np.testing.assert_allclose(found, np.mean([x @ x[item] for x in unit], axis=0), atol=1e-5)
        assert found[item] == pytest.approx(1, abs=1e-5)
        assert found[5] == pytest.approx(float(similarity.cosines(model, 5)[item]), abs=1e-6)


def test_neighbours_leave_out_the_item_itself_and_hold_back_what_few_rated():
    found = recommender().similar_items("film 4", 39)
    assert [item.rank for item in found] == list(range(1, 40))
    assert 104 not in {item.item_id for item in found}
    for item in found:
        assert item.score == pytest.approx(item.similarity * item.n_ratings / (item.n_ratings + 20), abs=1e-6)
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    with pytest.raises(UnknownIdError):
        recommender().similar_items(7)


def test_the_energy_of_a_history_is_the_estimators_and_its_parts_are_differences():
    world = recommender()
    found = world.energy(HISTORY)
    assert found["free_energy"] == world.free_energy(HISTORY)
    assert found["n_rated"] == 4
    assert found["free_energy_per_rating"] == found["free_energy"] / 4
    for part in found["ratings"]:
        rest = world.free_energy({item: r for item, r in HISTORY.items() if item != part["item_id"]})
        assert part["free_energy"] == pytest.approx(found["free_energy"] - rest, abs=1e-9)
    assert found["hidden"] == pytest.approx(world._predictor.person(world.history(HISTORY)).hidden, abs=1e-6)
    assert world.energy({})["free_energy_per_rating"] == world.free_energy({})
