"""Learning of choices can be left at any time: what was learned stays, and a checkpoint goes on bit for bit."""

import numpy as np
import pytest

from harmonium import ChoiceRecommender, GaussianBoltzmann, Interactions, MultinomialRBM, SemiRestricted
from harmonium.errors import DivergenceError, ModelFileError, NotFittedError, SettingError
from harmonium.events import Ended, Saved
from harmonium.training import choices

SMALL = {"n_hidden": 6, "n_epochs": 4, "batch_size": 20}
MODELS = {
    "multi-prediction": lambda: MultinomialRBM(**SMALL, n_machines=2, patience=3),
    "cd": lambda: MultinomialRBM(**SMALL, method="cd"),
    "cd-softmax": lambda: MultinomialRBM(**SMALL, method="cd-softmax", n_machines=2),
    "semi-restricted": lambda: SemiRestricted(**SMALL, ridge=5, n_machines=2),
    "joint": lambda: SemiRestricted(**SMALL, ridge=5, n_machines=2, joint_epochs=2),
    "neighbours": lambda: SemiRestricted(**SMALL, ridge=5, shape="neighbours", n_neighbours=5),
}


@pytest.fixture(scope="module")
def clicks():
    rng = np.random.default_rng(5)
    user, item = np.repeat(np.arange(60), 8), rng.integers(0, 15, 480) * 2
    return Interactions.from_pairs(user, item + user % 2)


@pytest.fixture(scope="module")
def validation(clicks):
    held = np.random.default_rng(6).random(clicks.n_entries) < 0.3
    some = np.arange(clicks.n_users) < 20
    return tuple(clicks.select(mask).restricted(users=some) for mask in (~held, held))


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr("harmonium.training.checkpoints.SAVE_EVERY", -1.0)


def parts(model):
    header, arrays = model.to_parts()
    return header, {name: array.tobytes() for name, array in arrays.items()}


def stopped_after(model, n_saved, *asked, **how):
    """Leave learning once so many checkpoints are written."""
    run, saved = model.fitting(*asked, **how), 0
    for event in run:
        saved += isinstance(event, Saved)
        if saved == n_saved:
            run.close()
            return True
    return False


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_resumed_fit_equals_an_uninterrupted_one(clicks, validation, name, validated, tmp_path, often):
    path, asked = tmp_path / "checkpoint", (clicks, validation if validated else None)
    whole = parts(MODELS[name]().fit(clicks, validation=asked[1]))
    n_left = 0
    while stopped_after(MODELS[name](), n_left + 1, *asked, checkpoint=path):
        again = MODELS[name]().fit(asked[0], validation=asked[1], checkpoint=path, resume=True)
        assert parts(again) == whole
        path.unlink()
        n_left += 1
    assert n_left >= 4


def interrupted_at(monkeypatch, call, function="multi_prediction_step"):
    """Ctrl-C in the middle of an epoch: at a call of what makes a step."""
    real, calls = getattr(choices, function), [0]

    def step(*given):
        calls[0] += 1
        if calls[0] == call:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(choices, function, step)


def test_ctrl_c_in_an_epoch_keeps_what_the_epochs_before_have_learned(clicks, monkeypatch):
    steady = {**SMALL, "schedule": "constant"}
    two = MultinomialRBM(**{**steady, "n_epochs": 2}).fit(clicks)
    interrupted_at(monkeypatch, 8)  # three steps an epoch
    model = MultinomialRBM(**steady).fit(clicks)
    assert parts(model) == parts(two)
    last = model.history_[-1]
    assert isinstance(last, Ended) and (last.reason, last.epoch, last.best_epoch) == ("interrupted", 2, 2)
    assert (model.scores(clicks) == two.scores(clicks)).all()


def test_ctrl_c_keeps_the_best_epoch_of_validation_users(clicks, validation, monkeypatch):
    interrupted_at(monkeypatch, 3 * 7 + 2)
    model = SemiRestricted(**{**SMALL, "n_epochs": 20}, ridge=5).fit(clicks, validation=validation)
    assert (model.history_[-1].epoch, model.history_[-1].best_epoch) == (7, 5)  # looked at after every fifth


def test_ctrl_c_in_a_later_machine_keeps_those_that_are_whole(clicks, monkeypatch):
    one = MultinomialRBM(**SMALL).fit(clicks)
    interrupted_at(monkeypatch, 3 * 4 + 8)
    model = MultinomialRBM(**SMALL, n_machines=3).fit(clicks)
    assert len(model.machines_) == 1 and (model.machines_[0].W == one.machines_[0].W).all()


def test_ctrl_c_before_an_epoch_has_ended_leaves_no_model(clicks, monkeypatch):
    interrupted_at(monkeypatch, 2)
    model = MultinomialRBM(**SMALL)
    with pytest.raises(KeyboardInterrupt):
        model.fit(clicks)
    with pytest.raises(NotFittedError):
        model.scores(clicks)


def test_ctrl_c_while_an_event_is_shown_ends_it_with_a_model(clicks):
    def look(event):
        if event.kind == "choice epoch" and event.epoch == 2:
            raise KeyboardInterrupt

    model = MultinomialRBM(**SMALL).fit(clicks, watch=look)
    assert model.interrupted and model.scores(clicks).shape == (60, clicks.n_items)
    assert not model.fit(clicks).interrupted


def test_a_recommender_is_made_of_what_ctrl_c_leaves(clicks, monkeypatch):
    interrupted_at(monkeypatch, 8)
    recommender = ChoiceRecommender.fit(clicks, model=MultinomialRBM(**SMALL), validation=0.2)
    assert recommender.recommend([2, 4], n=3)[0].probability is not None


def test_ctrl_c_while_it_is_calibrated_leaves_a_model_without_probabilities(clicks, monkeypatch):
    def calibrate(self, *given):
        raise KeyboardInterrupt

    monkeypatch.setattr(GaussianBoltzmann, "calibrate", calibrate)
    seen = []
    recommender = ChoiceRecommender.fit(clicks, validation=0.2, watch=seen.append)
    assert seen[-1].reason == "interrupted"
    assert recommender.recommend([2, 4], n=3)[0].probability is None


HASTY = {"n_hidden": 4, "n_epochs": 9, "learning_rate": 9.0, "hidden_dropout": 0.0, "schedule": "constant"}


def test_learning_that_diverges_keeps_the_last_good_model_and_says_which_rate_to_try(clicks, monkeypatch):
    monkeypatch.setattr(choices, "LARGEST_WEIGHT", 40.0)
    model = MultinomialRBM(**HASTY, batch_size=30).fit(clicks)
    ended = model.history_[-1]
    assert ended.reason == "diverged" and 1 <= ended.best_epoch == ended.epoch - 1
    assert "learning_rate 9 " in ended.advice and "try 0.9" in ended.advice
    assert np.abs(model.machines_[0].W).max() < 40
    assert parts(model) == parts(MultinomialRBM(**HASTY | {"n_epochs": ended.best_epoch}, batch_size=30).fit(clicks))


def test_learning_that_diverges_at_once_is_an_error(clicks, monkeypatch):
    monkeypatch.setattr(choices, "LARGEST_WEIGHT", 40.0)
    with pytest.raises(DivergenceError, match=r"first epoch: learning_rate 9 .*try 0.9"):
        MultinomialRBM(**HASTY, batch_size=2).fit(clicks)


def test_a_checkpoint_of_another_fit_is_refused_by_what_differs(clicks, tmp_path):
    path = tmp_path / "checkpoint"
    MultinomialRBM(**SMALL).fit(clicks, checkpoint=path)
    with pytest.raises(ModelFileError, match="these differ: n_hidden"):
        MultinomialRBM(**SMALL | {"n_hidden": 7}).fit(clicks, checkpoint=path, resume=True)
    with pytest.raises(ModelFileError, match="these differ: choices"):
        MultinomialRBM(**SMALL).fit(clicks.select(clicks.item > 1), checkpoint=path, resume=True)
    with pytest.raises(ModelFileError, match="model"):
        SemiRestricted(**SMALL).fit(clicks, checkpoint=path, resume=True)


def test_a_closed_form_says_that_it_writes_no_checkpoint(clicks, tmp_path):
    with pytest.raises(SettingError, match="in one go"):
        GaussianBoltzmann().fit(clicks, checkpoint=tmp_path / "c")
    with pytest.raises(SettingError, match="in one go"):
        ChoiceRecommender.fit(clicks, checkpoint=tmp_path / "c")
