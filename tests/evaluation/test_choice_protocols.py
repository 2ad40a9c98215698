"""Protocols hold out what the published scripts hold out; comparing and tuning look at the right part."""

import numpy as np
import pytest

from harmonium import Interactions, MultinomialRBM
from harmonium.data import load, read_interactions
from harmonium.errors import DataError, SettingError
from harmonium.evaluation.choice_models import compare, made, measure
from harmonium.evaluation.choice_protocols import global_time, leave_last, lightgcn, vae_cf
from harmonium.evaluation.tuning import tune
from harmonium.training import choices


def some_file(tmp_path, n_users=60, seed=0):
    """Write ratings in no order of items, as MovieLens 1M's file is."""
    rng = np.random.default_rng(seed)
    rows = [
        (u, i, r) for u in range(1, n_users + 1) for i, r in enumerate(rng.integers(1, 6, 30)) if rng.random() < 0.6
    ]
    rows = [rows[k] for k in rng.permutation(len(rows))]
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in rows), encoding="utf-8")
    return path


def published(path, n_held_out, seed=98765):
    """The steps of the published notebook, in pandas: train, validation and test as sets of (user, item)."""
    pd = pytest.importorskip("pandas")
    raw = pd.read_csv(path)
    raw = raw[raw["rating"] > 3.5]
    count = raw.groupby("userId").size()
    raw = raw[raw["userId"].isin(count.index[count >= 5])]
    unique = raw.groupby("userId").size().index
    np.random.seed(seed)  # noqa: NPY002
    unique = unique[np.random.permutation(unique.size)]  # noqa: NPY002
    train = unique[: len(unique) - 2 * n_held_out]
    valid = unique[len(unique) - 2 * n_held_out : len(unique) - n_held_out]
    plays = raw[raw["userId"].isin(train)]
    items = pd.unique(plays["movieId"])
    parts = [plays]
    for users in (valid, unique[len(unique) - n_held_out :]):
        asked = raw[raw["userId"].isin(users) & raw["movieId"].isin(items)]
        known, held = [], []
        np.random.seed(seed)  # noqa: NPY002
        for _, group in asked.groupby("userId"):
            mask = np.zeros(len(group), dtype=bool)
            if len(group) >= 5:
                size = int(0.2 * len(group))
                mask[np.random.choice(len(group), size=size, replace=False)] = True  # noqa: NPY002
            known.append(group[~mask])
            held.append(group[mask])
        parts += [pd.concat(known), pd.concat(held)]
    return [set(zip(part["userId"], part["movieId"])) for part in parts]


def pairs(x: Interactions):
    return {(x.users[int(u)], x.items[int(i)]) for u, i in zip(x.user_of(), x.item)}


@pytest.mark.parametrize("seed", [98765, 7])
def test_vae_cf_holds_out_what_the_published_notebook_holds_out(tmp_path, seed):
    path = some_file(tmp_path)
    task = vae_cf(read_interactions(path, at_least=4), 9, seed=seed)
    expected = published(path, 9, seed)
    got = task.train, task.validation.history, task.validation.held_out, task.test.history, task.test.held_out
    assert [pairs(part) for part in got] == expected
    assert task.tuning_train is task.train


def test_vae_cf_of_songs_drops_rare_songs_first_and_then_people_who_heard_little():
    rng = np.random.default_rng(0)
    x = Interactions.from_pairs(*np.nonzero(rng.random((900, 40)) < np.linspace(0.1, 0.9, 40)))
    task = vae_cf(x, 100, preset="vae-cf-msd")
    assert (x.popularity()[x.items.indices(task.train.items.ids)] >= 200).all()
    assert np.diff(task.train.indptr).min() >= 20


def test_too_few_users_are_an_error(tmp_path):
    x = read_interactions(some_file(tmp_path), at_least=4)
    with pytest.raises(DataError, match="54 users of 5 choices or more are too few"):
        vae_cf(x, 40)
    with pytest.raises(SettingError, match="preset"):
        vae_cf(x, preset="mine")


def test_the_two_files_of_lightgcn_become_one_task():
    train = Interactions.from_pairs([1] * 25 + [2] * 8, [*range(25), *range(8)])
    test = Interactions.from_pairs([2, 3], [9, 77])
    task = lightgcn(train, test)
    assert pairs(task.train) == pairs(train) and pairs(task.test.held_out) == pairs(test)
    assert task.test.history is task.train and len(task.train.users) == 3
    held = pairs(task.validation.held_out)
    assert held and pairs(task.tuning_train) == pairs(train) - held


def test_last_choices_and_what_happened_last_are_held_out_twice_over():
    x = load("movielens-small").ratings.interactions(at_least=4)
    task = leave_last(x, 1)
    assert task.test.held_out.n_entries == (np.diff(x.indptr) > 1).sum()
    assert not pairs(task.tuning_train) & pairs(task.validation.held_out)
    task = global_time(x)
    assert task.train.time.max() < task.test.held_out.time.min()
    assert task.tuning_train.time.max() < task.validation.held_out.time.min()


@pytest.fixture(scope="module")
def task():
    return vae_cf(load("movielens-small").ratings.interactions(at_least=4), 60)


def test_a_comparison_measures_every_model_on_the_same_people(task):
    seen = []
    found = compare(["popular", "item-knn", "gaussian"], task, lambda name, event: seen.append(name))
    rows = found.rows(task.metrics)
    assert [row["model"] for row in rows] == ["popular", "item-knn", "gaussian"]
    assert rows[2]["ndcg@100_gain"] > 0.05 and rows[2]["peak_gb"] > 0
    assert seen == ["gaussian"]


def test_machines_that_learn_in_epochs_keep_the_best_on_validation_users(task):
    seen = []
    settings = {"n_hidden": 16, "n_epochs": 10}
    measure("m", made("multinomial", settings), task, lambda name, event: seen.append(event))
    assert any(getattr(event, "validation_ndcg", None) for event in seen)


def test_a_model_or_setting_that_is_none_is_named():
    with pytest.raises(SettingError, match="is not one of popular"):
        made("best")
    with pytest.raises(SettingError, match="ridges"):
        made("gaussian", {"ridges": 1})


@pytest.mark.filterwarnings("ignore")  # of Optuna's own
def test_tuning_goes_on_where_it_stopped_and_never_sees_the_test_part(task, tmp_path):
    pytest.importorskip("optuna")
    blind = type(task)(task.train, None, task.tuning_train, task.validation, task.cutoffs, task.metrics)
    first = tune("gaussian-dropout", blind, 3, study=tmp_path / "s.db")
    assert first.n_trials == 3 and set(first.settings) == {"ridge", "dropout"}
    seen = []
    more = tune("gaussian-dropout", blind, 5, study=tmp_path / "s.db", look=lambda *trial: seen.append(trial))
    assert more.n_trials == 5 and len(seen) == 2 and more.value >= first.value
    fixed = tune("multinomial", blind, 2, fixed={"n_epochs": 5, "n_hidden": 8})
    assert fixed.settings["n_hidden"] == 8
    with pytest.raises(SettingError, match="popular"):
        tune("popular", blind)


@pytest.mark.filterwarnings("ignore")  # of Optuna's own
def test_what_ctrl_c_leaves_half_learned_is_neither_compared_nor_counted_as_a_trial(task, monkeypatch, tmp_path):
    real, calls = choices.multi_prediction_step, []

    def step(*given):
        calls.append(given)
        if len(calls) % 12 == 0:  # in a later epoch
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(choices, "multi_prediction_step", step)
    how = {"n_hidden": 4, "n_epochs": 9, "batch_size": 50}
    with pytest.raises(KeyboardInterrupt):
        compare({"multinomial": MultinomialRBM(**how)}, task)
    pytest.importorskip("optuna")
    with pytest.raises(KeyboardInterrupt):
        tune("multinomial", task, 2, study=tmp_path / "s.db", fixed=how)
    monkeypatch.setattr(choices, "multi_prediction_step", real)
    found = tune("multinomial", task, 3, study=tmp_path / "s.db", fixed=how)
    assert found.n_trials == 3 and found.value > 0 and not found.interrupted


@pytest.mark.filterwarnings("ignore")  # of Optuna's own
def test_ctrl_c_leaves_the_models_that_are_measured_and_the_trials_that_are_made(task, capfd):
    pytest.importorskip("optuna")
    some = {name: made(name) for name in ("popular", "gaussian", "item-knn")}

    def stop(name, event):
        if name == "gaussian":
            raise KeyboardInterrupt

    found = compare(some, task, stop)
    assert list(found.evaluations) == ["popular"] and found.left_out == ("gaussian", "item-knn")

    def enough(number, tried, value):
        if number == 1:
            raise KeyboardInterrupt

    best = tune("gaussian", task, 9, look=enough)
    assert best.n_trials == 2 and best.interrupted
    assert "Traceback" not in capfd.readouterr().err
