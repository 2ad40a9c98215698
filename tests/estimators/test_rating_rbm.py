"""The rating machine as its users meet it."""

import pickle
from itertools import pairwise

import numpy as np
import pytest

from harmonium.data import Ratings, Scale, Vocabulary, load, random_split, strong_split
from harmonium.errors import DataError, DivergenceError, ModelFileError, NotFittedError, SettingError
from harmonium.estimators import rating_file
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.kernels import jit
from harmonium.models import level_rbm, rating_model
from harmonium.models.rating_model import Blend
from harmonium.training import loop
from harmonium.training import state as states
from harmonium.training.settings import Learning
from harmonium.training.validation import errors, fit_blend
from harmonium.units.levels import level_features

SMALL = {"n_hidden": 20, "n_epochs": 6, "batch_size": 50}


@pytest.fixture(scope="module")
def split():
    return random_split(load("movielens-small").ratings, 0.1, rng=0)


@pytest.fixture(scope="module")
def fitted(split):
    return RatingRBM(n_hidden=48, n_epochs=25).fit(split.train)


def same_model(a, b):
    for x, y in zip(rating_file.to_parts(a)[1].values(), rating_file.to_parts(b)[1].values(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_accuracy_on_the_bundled_data_stays_above_its_written_floor(fitted, split):
    """Measured .838 (error of the mean rating of each item: .98); a defect in learning shows well before .850."""
    rmse, log_loss = errors(fitted.predict_proba(split.train, split.test), split.test.level, split.test.scale.values)
    assert rmse < 0.850
    assert log_loss < 1.80


def test_both_machines_together_beat_either(fitted, split):
    rmse = {
        cases: errors(
            fitted.only(cases).predict_proba(split.train, split.test), split.test.level, split.test.scale.values
        )[0]
        for cases in ("users", "items", "both")
    }
    assert rmse["both"] < min(rmse["users"], rmse["items"])


def test_predictions_are_distributions_over_the_scale(fitted, split):
    p = fitted.predict_proba(split.train, split.test)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (p >= 0).all()
    expected = fitted.predict(split.train, split.test)
    assert (expected >= 0.5).all() and (expected <= 5).all()
    liking = fitted.probability_of_at_least(4.0, split.train, split.test)
    np.testing.assert_allclose(liking, p[:, 7:].sum(axis=1), atol=1e-6)


def test_a_prediction_does_not_read_the_rating_it_predicts(fitted, split):
    from dataclasses import replace

    other = replace(split.test, level=9 - split.test.level)
    np.testing.assert_array_equal(fitted.predict(split.train, other), fitted.predict(split.train, split.test))


def test_a_person_folded_in_is_predicted_as_the_same_row_of_ratings(fitted, split):
    strangers = Ratings.from_arrays(
        split.train.user_of()[: split.train.indptr[3]], split.train.item[: split.train.indptr[3]],
        split.train.level[: split.train.indptr[3]], Vocabulary.from_ids(["a", "b", "c"]), split.train.items,
        split.train.scale,
    )  # fmt: skip
    asked = Ratings.from_arrays([2] * 50, np.arange(50), [0] * 50, strangers.users, strangers.items, strangers.scale)
    rows = fitted.predict_proba(strangers, asked)
    person = fitted.person(*strangers.history(2))
    np.testing.assert_allclose(fitted.person_probabilities(person, np.arange(50)), rows, atol=2e-4)


@pytest.mark.parametrize("cases", ["users", "items", "both"])
def test_users_the_model_never_saw_are_predicted_nearly_as_well(cases):
    parts = strong_split(load("movielens-small").ratings, n_test_users=60, fold_in=0.8, rng=1)
    machine = RatingRBM(n_hidden=32, n_epochs=20, cases=cases).fit(parts.train)
    values = parts.train.scale.values
    rmse, _ = errors(machine.predict_proba(parts.fold_in, parts.held_out), parts.held_out.level, values)
    nobody = parts.fold_in.select(np.zeros(parts.fold_in.n_entries, bool))
    knowing_nothing, _ = errors(machine.predict_proba(nobody, parts.held_out), parts.held_out.level, values)
    assert rmse < 0.96 * knowing_nothing


def test_an_unchanged_training_history_uses_the_weights_that_were_learnt(fitted, split):
    """And folding the same people in anew gives nearly the same predictions."""
    from dataclasses import replace

    some = split.test.rows(np.arange(40))
    learnt = fitted.predict(split.train, some)
    stranger = RatingRBM(**fitted.get_params())
    forgotten = replace(fitted.model_.items, history_key=np.zeros(0, np.uint64))
    stranger.model_ = replace(fitted.model_, items=forgotten)
    assert np.corrcoef(learnt, stranger.predict(split.train, some))[0, 1] > 0.98


def test_the_fold_in_problem_is_solved_to_its_minimum():
    rng = np.random.default_rng(0)
    g, level = rng.random((12, 6)), rng.integers(0, 4, 12).astype(np.uint8)
    phi = np.stack([np.ones(4), np.linspace(-1, 1, 4)], axis=1)
    prior = np.log(np.array([0.1, 0.2, 0.3, 0.4]))

    def loss(W, b):
        x = b + np.outer(g @ W, phi[:, 1])
        fit = (x[np.arange(12), level] - np.logaddexp.reduce(x, axis=1)).sum()
        return -fit + 0.5 * 1.2 * ((W - 0.3) @ (W - 0.3)) + 0.5 * 2.0 * ((b - prior) ** 2).sum()

    usual = np.full((2, 6), 0.3)
    W, b = rating_model.fold_in_unit(g, level, phi, usual, prior, 1.2, 2.0)
    best = loss(W[1], b)
    np.testing.assert_allclose(W[0], 0.3)
    for _ in range(50):
        assert loss(W[1] + rng.normal(0, 0.02, 6), b + rng.normal(0, 0.02, 4)) > best - 1e-4


def test_someone_without_a_history_gets_the_prior(fitted):
    person = fitted.person(np.array([], np.int64), np.array([], np.uint8))
    p = fitted.person_probabilities(person)
    assert p.shape == (9_724, 10) and np.isfinite(p).all()


def test_the_same_seed_gives_the_same_model_whatever_the_number_of_threads(split):
    before, machines = jit.n_threads(), []
    try:
        for n in (1, 3):
            jit.set_n_threads(n)
            machines.append(RatingRBM(**SMALL, random_state=4).fit(split.train))
    finally:
        jit.set_n_threads(before)
    same_model(*machines)
    other = RatingRBM(**SMALL, random_state=5).fit(split.train)
    assert (other.model_.users.W != machines[0].model_.users.W).any()


class _Stop(Exception):
    pass


@pytest.mark.parametrize("method", ["multi-prediction", "pcd"])
@pytest.mark.parametrize("stop_after", [3, 8, 14])
def test_a_resumed_fit_equals_an_uninterrupted_one_bit_for_bit(split, tmp_path, monkeypatch, method, stop_after):
    monkeypatch.setattr("harmonium.training.checkpoints.SAVE_EVERY", 0.0)
    settings = SMALL | {"n_epochs": 4, "method": method, "refit": True, "optimizer": "adam", "learning_rate": 0.01}
    path, seen = tmp_path / "run.checkpoint", []

    def stop(event):
        seen.append(event)
        if sum(e.kind == "saved" for e in seen) == stop_after:
            raise _Stop

    with pytest.raises(_Stop):
        RatingRBM(**settings).fit(split.train, checkpoint=path, watch=stop)
    resumed = RatingRBM(**settings).fit(split.train, checkpoint=path, resume=True)
    same_model(resumed, RatingRBM(**settings).fit(split.train))


def test_ctrl_c_in_the_middle_of_an_epoch_leaves_a_checkpoint_that_goes_on_bit_for_bit(split, tmp_path, monkeypatch):
    monkeypatch.setattr("harmonium.training.checkpoints.SAVE_EVERY", 0.0)
    settings = SMALL | {"cases": "users", "n_epochs": 3, "patience": 0}
    path, real, in_second = tmp_path / "run.checkpoint", loop.first_pass, []

    def interrupted(state, *given):
        in_second.extend([1] * (state.epoch == 1))
        if len(in_second) == 3:
            raise KeyboardInterrupt
        return real(state, *given)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "first_pass", interrupted)
        RatingRBM(**settings).fit(split.train, checkpoint=path)
    resumed = RatingRBM(**settings).fit(split.train, checkpoint=path, resume=True)
    same_model(resumed, RatingRBM(**settings).fit(split.train))


def test_a_checkpoint_of_another_fit_is_refused_by_what_differs(split, tmp_path):
    path = tmp_path / "run.checkpoint"
    RatingRBM(**SMALL).fit(split.train, checkpoint=path)
    with pytest.raises(ModelFileError, match="these differ: learning_rate"):
        RatingRBM(**SMALL, learning_rate=0.3).fit(split.train, checkpoint=path, resume=True)
    with pytest.raises(ModelFileError, match="these differ: ratings"):
        RatingRBM(**SMALL).fit(split.test, checkpoint=path, resume=True)


def test_ctrl_c_keeps_the_best_model_so_far(split):
    def interrupt(event):
        if event.kind == "epoch" and event.machine == "items" and event.epoch == 2:
            raise KeyboardInterrupt

    machine = RatingRBM(**SMALL).fit(split.train, watch=interrupt)
    assert machine.model_.cases == "both"
    assert np.isfinite(machine.predict(split.train, split.test)).all()


def test_divergence_is_noticed_within_an_epoch_and_names_the_setting(split):
    machine = RatingRBM(**SMALL | {"optimizer": "momentum", "learning_rate": 5.0})
    with pytest.raises(DivergenceError, match=r"learning_rate 5 with momentum is too high .* try 0\.5"):
        machine.fit(split.train)


def test_divergence_after_a_good_epoch_keeps_the_last_good_model(split, monkeypatch):
    calls = iter(range(100))
    monkeypatch.setattr(loop, "_divergence", lambda state, learning: "too high" if next(calls) == 3 else "")
    machine = RatingRBM(**SMALL, cases="users").fit(split.train)
    assert machine.history_[-1].reason == "diverged"
    good = [event for event in machine.history_ if event.kind == "epoch"]
    assert len(good) == 3
    assert machine.history_[-1].best_epoch == min(good, key=lambda event: event.validation_rmse).epoch
    assert np.isfinite(machine.predict(split.train, split.test)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_hidden": 0}, "n_hidden: 0 is not a whole number from 1 to"),
        ({"n_hidden": 2.5}, "n_hidden: 2.5 is not a whole number"),
        ({"cases": "films"}, "cases: 'films' is not one of 'users', 'items', 'both'"),
        ({"method": "sgd"}, "method: 'sgd' is not one of 'multi-prediction', 'cd', 'pcd'"),
        ({"keep": 1.0}, "keep: 1.0 is not a number from 0.01 to 0.99"),
        ({"hidden_dropout": 1.0}, "hidden_dropout: 1.0 is not a number from 0.0 up to, not including, 1"),
        ({"learning_rate": float("nan")}, "learning_rate: nan is not a number"),
        ({"learning_rate": "fast"}, "learning_rate: 'fast' is not a number"),
        ({"n_steps": 0}, "n_steps: 0 is not a whole number from 1"),
        ({"n_steps": [1, 0]}, "n_steps: 0 is not"),
        ({"features": "cubic"}, "features: 'cubic' is not one of linear"),
        ({"features": np.ones((3, 2))}, "got \\(3, 2\\)"),
        ({"validation_fraction": 0.9}, "validation_fraction: 0.9 is not a number from 0.0 up to, not including, 0.9"),
        ({"random_state": -1}, "random_state: -1 is not a whole number"),
    ],
)
def test_settings_out_of_range_are_refused_by_name_and_allowed_range(split, settings, message):
    with pytest.raises(SettingError, match=message):
        RatingRBM(**settings).fit(split.train)


def test_data_that_cannot_be_learnt_from_are_refused():
    none = Ratings.from_arrays([], [], [], Vocabulary.from_ids([1]), Vocabulary.from_ids([1]), Scale.stars())
    with pytest.raises(DataError, match="there are none to learn from"):
        RatingRBM().fit(none)
    with pytest.raises(DataError, match=r"a list is not a Ratings; use harmonium\.read_ratings"):
        RatingRBM().fit([[5, 3]])


def test_an_unfitted_machine_says_so(split):
    with pytest.raises(NotFittedError, match="call fit"):
        RatingRBM().predict(split.train, split.test)


def test_a_history_of_other_items_is_refused(fitted, split):
    with pytest.raises(DataError, match="align them by the vocabulary"):
        fitted.predict(split.train.transposed(), split.test.transposed())


def test_the_validation_curve_falls_and_data_lie_lower_than_noise(fitted):
    epochs = [e for e in fitted.history_ if e.kind == "epoch" and e.machine == "users"]
    assert epochs[-1].validation_rmse < epochs[0].validation_rmse
    assert all(b.epoch == a.epoch + 1 for a, b in pairwise(epochs))
    assert epochs[-1].free_energy_gap > 0.3


def test_growing_steps_share_the_epochs():
    learning = Learning(n_steps=(1, 3, 9), n_epochs=9)
    assert [learning.steps_at(epoch) for epoch in range(9)] == [1, 1, 1, 3, 3, 3, 9, 9, 9]


@pytest.mark.parametrize("method", ["cd", "pcd"])
@pytest.mark.parametrize("features", ["identity", "linear"])
def test_every_method_learns_with_every_kind_of_features(split, method, features):
    machine = RatingRBM(**SMALL | {"n_epochs": 4}, method=method, features=features, n_steps=(1, 2), cases="users")
    epochs = [e for e in machine.fit(split.train).history_ if e.kind == "epoch"]
    assert epochs[-1].validation_rmse < epochs[0].validation_rmse


def test_partial_fit_goes_on_from_the_fitted_model(split):
    machine = RatingRBM(**SMALL | {"n_epochs": 10}, validation_fraction=0).fit(split.train)
    before = errors(machine.predict_proba(split.train, split.test), split.test.level, split.test.scale.values)[0]
    machine.partial_fit(split.train, n_epochs=5)
    after = errors(machine.predict_proba(split.train, split.test), split.test.level, split.test.scale.values)[0]
    assert after < before
    assert machine.n_epochs == 10


def test_partial_fit_takes_in_users_and_items_that_have_come_since(split):
    users, items = (np.flatnonzero(np.arange(n) % 50) for n in (610, 9_724))
    machine = RatingRBM(**SMALL | {"n_epochs": 10}, validation_fraction=0)
    machine.fit(split.train.transposed().columns(users).transposed().columns(items))
    with pytest.raises(DataError, match=r"610 users, the model was trained on 597; say where its users stand"):
        machine.partial_fit(split.train)
    machine.partial_fit(split.train, n_epochs=3, users=users, items=items)
    found = machine.predict_proba(split.train, split.test)
    assert errors(found, split.test.level, split.test.scale.values)[0] < 0.93


def test_items_the_model_never_saw_are_predicted_from_their_ratings(split):
    """Every eighth item is kept from training, then folded in by the training ratings of people it knows."""
    items = np.flatnonzero(np.arange(9_724) % 8)
    asked = split.test.select(split.test.item % 8 == 0)
    known = split.train.select(split.train.item % 8 != 0)
    values = asked.scale.values
    machine = RatingRBM(n_hidden=32, n_epochs=20).fit(split.train.columns(items))
    for cases in ("users", "items", "both"):
        part = machine.only(cases)
        knowing = part.with_items(split.train, items).predict_proba(known, asked)
        ignorant = part.with_items(known, items).predict_proba(known, asked)
        assert errors(knowing, asked.level, values)[0] < 0.97 * errors(ignorant, asked.level, values)[0]


@pytest.mark.parametrize("place", [[3, 2], np.arange(9_000), np.arange(9_724) * 2.0])
def test_the_place_of_the_known_items_is_checked(fitted, split, place):
    with pytest.raises(DataError, match="items: give 9,724 strictly increasing whole numbers below 9,724"):
        fitted.with_items(split.train, place)


def test_machines_that_learn_side_by_side_are_one_committee(split):
    """With refit the ones that chose the epochs stay, so two of each kind become four; and they are better than one."""
    settings = SMALL | {"n_epochs": 6, "refit": True}
    alone, many = (RatingRBM(**settings, n_machines=n).fit(split.train) for n in (1, 2))
    assert (alone.model_.n_machines, many.model_.n_machines) == (2, 4)
    assert many.model_.users.n_hidden == 4 * many.n_hidden
    assert {event.machine for event in many.history_} == {"users 1", "users 2", "items 1", "items 2"}
    values = split.train.scale.values
    one, four = (errors(m.predict_proba(split.train, split.test), split.test.level, values)[1] for m in (alone, many))
    assert four < one
    many.partial_fit(split.train, n_epochs=1)
    assert many.model_.n_machines == 4


@pytest.mark.parametrize("name", ["W", "b", "c"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e6])
def test_divergence_is_seen_in_every_parameter(split, name, value):
    learning, cases = Learning(n_epochs=1), split.train
    state = states.start(level_rbm.initial(cases, 4, level_features("linear", cases.scale.x), 0), cases, learning, 0)
    assert loop._divergence(state, learning) == ""
    getattr(state.machine, name).flat[0] = value
    assert "too high for these data" in loop._divergence(state, learning)


def test_the_averaged_parameters_weigh_late_epochs_more(split):
    learning, cases = Learning(n_epochs=3), split.train
    state = states.start(level_rbm.initial(cases, 4, level_features("linear", cases.scale.x), 0), cases, learning, 0)
    seen = []
    for epoch in (1, 2, 3):
        state.machine.c[:] = epoch
        state.epoch = epoch
        state.take_average(2.0)
        seen.append(float(state.rbm().c[0]))
    # shares of (power + 1) / (power + epoch): 1, 3/4, 3/5
    assert seen == pytest.approx([1.0, 0.25 + 2 * 0.75, 0.4 * 1.75 + 3 * 0.6])
    last = states.start(state.rbm(), cases, learning, 0)
    last.take_average(0.0)
    assert last.average is None


def test_settings_follow_the_estimator_contract():
    from sklearn.base import clone

    machine = RatingRBM(n_hidden=7, keep=0.6)
    copy = clone(machine)
    assert copy is not machine and copy.get_params() == machine.get_params()
    assert machine.set_params(keep=0.7).keep == 0.7
    with pytest.raises(SettingError, match="no such setting"):
        machine.set_params(n_hiden=3)
    assert repr(RatingRBM(7, keep=0.6)) == "RatingRBM(n_hidden=7, keep=0.6)"


def test_parts_round_trip_without_loss(fitted, split):
    again = rating_file.from_parts(*rating_file.to_parts(fitted))
    np.testing.assert_array_equal(again.predict(split.train, split.test), fitted.predict(split.train, split.test))
    assert again.get_params() == fitted.get_params()
    assert pickle.loads(pickle.dumps(fitted)).get_params() == fitted.get_params()


def test_calibration_lowers_the_log_loss_of_an_overconfident_machine():
    rng = np.random.default_rng(0)
    honest = rng.dirichlet(np.ones(5), 4_000)
    level = np.array([rng.choice(5, p=p) for p in honest]).astype(np.uint8)
    bold = honest**3 / (honest**3).sum(axis=1, keepdims=True)
    n = rng.integers(1, 100, 4_000).astype(float)
    blend = fit_blend(bold, None, n, n, level)
    values = np.arange(1, 6.0)
    before, after = errors(bold, level, values)[1], errors(blend.calibrated(bold, n, n), level, values)[1]
    assert after < before - 0.1
    assert after == pytest.approx(errors(honest, level, values)[1], abs=0.01)


def test_the_plain_blend_is_the_plain_mean():
    p, n = np.random.default_rng(0).dirichlet(np.ones(5), 7), np.ones(7)
    np.testing.assert_allclose(Blend().calibrated(p, n, n), p, rtol=1e-6)
    np.testing.assert_allclose(Blend().share_of_items(n, n), 0.5)


def test_energy_falls_towards_the_probable_hidden_state(fitted, split):
    h = fitted.transform(split.train)
    likely = fitted.energy(split.train, np.round(h))
    unlikely = fitted.energy(split.train, 1 - np.round(h))
    assert (likely < unlikely).all()
    assert (fitted.free_energy(split.train) <= likely).all()
    assert level_rbm.hidden_mean(fitted.users_machine, split.train).shape == (610, 48)


def test_a_machine_that_is_not_there_is_an_error_that_says_so(split):
    machine = RatingRBM(**SMALL | {"n_epochs": 1}, cases="items").fit(split.train)
    with pytest.raises(SettingError, match="no machine whose cases are users"):
        machine.transform(split.train)
    with pytest.raises(SettingError, match="cases: 'users' is not one of 'items'"):
        machine.only("users")


def test_a_model_that_has_lost_a_machine_is_refused(fitted):
    header, arrays = rating_file.to_parts(fitted)
    less = {name: array for name, array in arrays.items() if not name.startswith("users.")}
    with pytest.raises(ModelFileError, match="should hold the machines users, items, and holds items"):
        rating_file.from_parts(header, less)


def test_validation_ratings_count_as_learned_from(split):
    machine = RatingRBM(**SMALL | {"n_epochs": 1}).fit(split.train, validation=split.test)
    assert machine.learned_from_.share_in(split.test) == 1.0
