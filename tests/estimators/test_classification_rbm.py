"""ClassificationRBM as an estimator: scikit-learn's classifier contract, what it learns, bad input, files."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse

from harmonium import ClassificationRBM
from harmonium.errors import DataError, ModelFileError, SettingError
from harmonium.models import labelled
from harmonium.models import rbm as rbms
from harmonium.training.dense import loop

rng = np.random.default_rng(0)
y = rng.choice(["red", "green", "blue"], 150, p=[0.5, 0.3, 0.2])
KINDS = {"red": [1, 1, 0, 0, 0], "green": [0, 0, 1, 1, 0], "blue": [0, 1, 0, 1, 1]}
X = np.abs(np.array([KINDS[name] for name in y]) - (rng.random((150, 5)) < 0.05)).astype(np.float32)
QUICK = {"n_hidden": 6, "n_epochs": 60}


def same(a, b):
    """Whether two fitted machines are equal bit for bit."""
    mine, theirs = (rbms.arrays(m.model_) for m in (a, b))
    return all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_scikit_learns_own_checks_pass_for_real_valued_features():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    machine = ClassificationRBM(4, visible="gaussian", n_epochs=30, momentum=0.5, discrimination=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = checks.check_estimator(machine, on_fail=None)
    assert [(f["check_name"], str(f["exception"])) for f in found if f["status"] == "failed"] == []
    assert len(found) > 40


@pytest.mark.parametrize("settings", [
    {"discrimination": 0.0}, {"discrimination": 0.5, "method": "cd"}, {"discrimination": 1.0}, {},
    {"method": "exact"}, {"discrimination": 0.9, "method": "tempered-pcd"},
])  # fmt: skip
def test_every_way_of_learning_tells_the_classes(settings):
    machine = ClassificationRBM(**QUICK | settings).fit(X, y)
    assert machine.score(X, y) > 0.9
    p = machine.predict_proba(X)
    assert list(machine.classes_) == ["blue", "green", "red"]
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(machine.classes_[p.argmax(axis=1)], machine.predict(X))
    assert -np.log(p[np.arange(150), np.searchsorted(machine.classes_, y)]).mean() < 0.5


def test_generative_learning_draws_rows_of_a_class():
    machine = ClassificationRBM(6, discrimination=0.0, method="exact", n_epochs=100).fit(X, y)
    for name, row in KINDS.items():
        drawn = machine.sample(np.repeat(name, 300), n_steps=50, rng=1)
        assert drawn.shape == (300, 5)
        np.testing.assert_allclose(drawn.mean(axis=0), X[y == name].mean(axis=0), atol=0.15)
        assert (drawn.mean(axis=0).round() == row).all()


def test_validation_rows_choose_the_epoch_by_their_log_probability():
    machine = ClassificationRBM(**QUICK).fit(X[:100], y[:100], validation=(X[100:], y[100:]))
    scores = [e.score for e in machine.history_ if e.kind == "dense epoch"]
    p = machine.predict_log_proba(X[100:])[np.arange(50), np.searchsorted(machine.classes_, y[100:])]
    assert p.mean() == pytest.approx(max(scores), abs=1e-5)


def test_sparse_and_dense_rows_learn_the_same():
    dense, thin = (ClassificationRBM(**QUICK).fit(rows, y) for rows in (X, sparse.csr_matrix(X)))
    np.testing.assert_allclose(thin.predict_proba(sparse.coo_array(X)), dense.predict_proba(X), atol=1e-3)


def test_partial_fit_learns_on_and_needs_all_classes_at_first():
    machine = ClassificationRBM(**QUICK)
    for first in 20 * list(range(0, 150, 30)):
        machine.partial_fit(X[first : first + 30], y[first : first + 30], classes=["red", "green", "blue"])
    assert machine.score(X, y) > 0.9
    with pytest.raises(DataError, match=r"row 1 is .*'violet'.* none of the known classes blue, green, red"):
        machine.partial_fit(X[:2], ["red", "violet"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "requires y to be passed"),
        (np.zeros(149), "149 labels for 150 cases"),
        (np.full(150, "red"), "only one class"),
        (np.linspace(0, 1, 150), "row 1 is .*Unknown label type"),
        (np.where(np.arange(150) == 7, np.nan, 1), "contains NaN, in row 7"),
        (np.zeros((150, 2)), r"shape \(150, 2\)"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        ClassificationRBM(**QUICK).fit(X, labels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"discrimination": 1.5}, "discrimination: 1.5 is not a number from 0 to 1"),
        ({"method": "pseudo-likelihood"}, "method"),
        ({"visible": "multinomial"}, "multinomial"),
        ({"n_hidden": 0}, "n_hidden"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        ClassificationRBM(**QUICK | settings).fit(X, y)


def test_a_feature_that_is_no_state_is_named():
    rows = X.copy()
    rows[3, 2] = 1.5
    with pytest.raises(DataError, match=r"row 3, column 2 is 1\.5"):
        ClassificationRBM(**QUICK).fit(rows, y)


@pytest.mark.parametrize("labels", [y, np.searchsorted(sorted(KINDS), y), y == "red"])
def test_a_saved_machine_is_read_back_and_learns_on(labels, tmp_path):
    machine = ClassificationRBM(**QUICK, visible="gaussian", hidden="softmax:2").fit(X, labels)
    machine.save(tmp_path / "m.harmonium")
    again = ClassificationRBM.load(tmp_path / "m.harmonium")
    assert same(machine, again) and same(machine, pickle.loads(pickle.dumps(machine)))
    np.testing.assert_array_equal(again.predict(X), machine.predict(X))
    assert again.classes_.dtype == machine.classes_.dtype
    again.partial_fit(X, labels)
    (tmp_path / "m.harmonium").write_bytes(b"no")
    with pytest.raises(ModelFileError, match="not a model file"):
        ClassificationRBM.load(tmp_path / "m.harmonium")


def test_hidden_means_and_free_energies_are_those_of_unknown_labels():
    machine = ClassificationRBM(**QUICK).fit(X, y)
    assert machine.transform(X).shape == (150, 6)
    np.testing.assert_allclose(machine.free_energy(X), labelled.free_energy(machine.model_, X))
    assert machine.free_energy(X).mean() < machine.free_energy(1 - X).mean()


@pytest.mark.parametrize("settings", [{"method": "pcd"}, {"method": "tempered-pcd", "optimizer": "adam"}])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(settings, tmp_path):
    how = {"n_hidden": 4, "n_epochs": 4, "learning_rate": 0.05, "discrimination": 0.5, "visible": "gaussian"} | settings
    whole, part, path = ClassificationRBM(**how).fit(X, y), ClassificationRBM(**how), tmp_path / "run.checkpoint"
    for event in part.fitting(X, y):
        if event.kind == "dense epoch" and event.epoch == 2:
            columns = labelled.one_hot(np.searchsorted(part.classes_, y), 3)
            loop.save(path, part._state, part._learning(), np.hstack((X, columns)))
            break
    assert same(whole, ClassificationRBM(**how).fit(X, y, checkpoint=path, resume=True))
    with pytest.raises(ModelFileError, match="these differ: cases"):
        ClassificationRBM(**how).fit(X, y[::-1], checkpoint=path, resume=True)
    finished = ClassificationRBM(**how).fit(X, y, checkpoint=path)
    assert finished.history_[-2].kind == "saved" and same(whole, finished)
