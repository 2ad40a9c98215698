"""ConditionalRBM as an estimator: what conditions decide, the contract, containers, bad input, files, checkpoints."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse

from harmonium import RBM, ConditionalRBM
from harmonium.errors import DataError, ModelFileError, NotFittedError, SettingError
from harmonium.events import DenseEpochEnded
from harmonium.models import conditional
from harmonium.models import rbm as rbms
from harmonium.training.dense import loop

rng = np.random.default_rng(0)
U = rng.normal(size=(120, 2)).astype(np.float32)
X = (np.stack([U[:, 0], -U[:, 0], U[:, 1], U[:, 0] + U[:, 1]], axis=1) > 0).astype(np.float32)
QUICK = {"n_hidden": 3, "n_epochs": 3, "batch_size": 20, "learning_rate": 0.1}


def arrays(machine):
    """Return what a machine has learnt."""
    model = machine.model_
    return conditional.arrays(model) if isinstance(model, conditional.Conditional) else rbms.arrays(model)


def same(a, b):
    """Whether two fitted machines are equal bit for bit."""
    return all(np.array_equal(arrays(a)[name], arrays(b)[name]) for name in arrays(a))


@pytest.mark.parametrize("settings", [
    {"method": "cd", "n_steps": 3}, {"method": "pcd"}, {"method": "exact"}, {"method": "pseudo-likelihood"},
    {"method": "ratio-matching"}, {"method": "pcd", "optimizer": "adam", "learning_rate": 0.03},
])  # fmt: skip
def test_every_way_of_learning_finds_what_the_condition_says(settings):
    how = QUICK | {"n_epochs": 60, "learning_rate": 0.3} | settings
    machine = ConditionalRBM(**how).fit(X, condition=U)
    blind = RBM(4, method="exact", n_epochs=60, learning_rate=0.3).fit(X)
    assert machine.score(X, condition=U) > -1.2 > blind.score(X) + 0.5
    drawn = machine.sample(U, n_steps=50, rng=0)
    assert (drawn == X).mean() > 0.85


def test_without_conditions_it_is_the_restricted_machine_bit_for_bit():
    for settings in ({"method": "cd"}, {"method": "pcd"}, {"method": "exact"}, {"method": "pcd", "optimizer": "adam"}):
        mine, its = (cls(**QUICK | settings).fit(X) for cls in (ConditionalRBM, RBM))
        assert same(mine, its)
        np.testing.assert_array_equal(mine.score_samples(X), its.score_samples(X))
        known = [True, True, False, False]
        np.testing.assert_array_equal(mine.fill_in(X, known, rng=1), its.fill_in(X, known, rng=1))


def test_conditions_that_never_vary_change_nothing_of_the_law():
    """All 0: their weights get no gradient, and learning by the exact gradient is the restricted machine's."""
    mine = ConditionalRBM(**QUICK, method="exact").fit(X, condition=np.zeros((120, 2)))
    its = RBM(**QUICK, method="exact").fit(X)
    np.testing.assert_allclose(mine.score_samples(X, np.zeros((120, 2))), its.score_samples(X), atol=1e-5)


def test_real_valued_rows_follow_their_conditions():
    rows = (U @ [[1.0, -1.0], [0.5, 2.0]] + 0.1 * rng.normal(size=(120, 2))).astype(np.float32)
    how = {"visible": "gaussian", "n_epochs": 200, "learning_rate": 0.02, "batch_size": 20}
    machine = ConditionalRBM(2, **how).fit(rows, condition=U)
    drawn = np.mean([machine.sample(U, n_steps=20, rng=seed) for seed in range(20)], axis=0)
    assert np.corrcoef(drawn.ravel(), rows.ravel())[0, 1] > 0.95
    assert machine.score(rows, condition=U) > RBM(2, **how).fit(rows).score(rows) + 0.5


def test_series_are_learnt_from_their_own_past():
    """A bit that turns every second step: the condition is the two steps before."""
    series = np.tile([1.0, 1, 0, 0], 60)
    past = np.stack([series[:-2], series[1:-1]], axis=1)
    machine = ConditionalRBM(2, method="exact", n_epochs=100, learning_rate=0.5).fit(series[2:, None], condition=past)
    now = [1.0, 1.0]
    for _ in range(8):
        now.append(float(machine.sample([now[-2:]], n_steps=5, rng=0)[0, 0]))
    assert now == [1.0, 1, 0, 0, 1, 1, 0, 0, 1, 1]


def test_one_condition_makes_a_restricted_machine_with_a_bracket():
    machine = ConditionalRBM(**QUICK).fit(X, condition=U)
    one = machine.given(U[0])
    np.testing.assert_allclose(one.score_samples(X[:1]), machine.score_samples(X[:1], U[:1]), rtol=1e-5)
    assert one.bracket(X[:1]).lower == pytest.approx(one.score(X[:1]))
    with pytest.raises(DataError, match="2 rows, one makes a machine"):
        machine.given(U[:2])


def test_what_is_not_known_is_filled_in_by_condition():
    machine = ConditionalRBM(**QUICK | {"n_epochs": 100, "learning_rate": 0.5}).fit(X, condition=U)
    asked = np.where([True, False, True, False], X, np.nan)
    filled = machine.fill_in(asked, [True, False, True, False], U, rng=0)
    np.testing.assert_array_equal(filled[:, [0, 2]], X[:, [0, 2]])
    assert (filled[:, [1, 3]] == X[:, [1, 3]]).mean() > 0.85


def test_every_container_gives_the_same_machine():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    first = ConditionalRBM(**QUICK).fit(X, condition=U)
    for frame in (pandas.DataFrame, polars.DataFrame):
        assert same(first, ConditionalRBM(**QUICK).fit(frame(X), condition=frame(U)))
    assert same(first, ConditionalRBM(**QUICK).fit(X.tolist(), condition=U.tolist()))
    thin = ConditionalRBM(**QUICK).fit(sparse.csr_array(X), condition=sparse.csr_matrix(U))
    for name, a in arrays(first).items():
        np.testing.assert_allclose(arrays(thin)[name], a, atol=1e-5)
    np.testing.assert_allclose(
        thin.transform(sparse.csr_array(X), sparse.csr_array(U)), first.transform(X, U), atol=1e-5
    )


@pytest.mark.parametrize(("where", "value", "message"), [
    ((3, 1), np.nan, "condition: row 3, column 1 is NaN"), ((7, 0), np.inf, "condition: row 7, column 0 is infinity"),
])  # fmt: skip
def test_a_condition_that_is_no_number_is_named(where, value, message):
    bad = U.copy()
    bad[where] = value
    for table in (bad, sparse.csr_array(bad)):
        with pytest.raises(DataError, match=message):
            ConditionalRBM(**QUICK).fit(X, condition=table)


def test_other_bad_input_is_refused():
    machine = ConditionalRBM(**QUICK).fit(X, condition=U)
    for call, message in [
        (lambda: machine.fit(X, condition=U[:5]), "has 5 rows, X 120"),
        (lambda: machine.fit(2 * X, condition=U), r"row 0, column \d is 2"),
        (lambda: machine.score_samples(X), "fitted with 2 conditions a case"),
        (lambda: machine.score_samples(X, U[:, :1]), "has 1 columns"),
        (lambda: machine.transform(X[:, :2], U), "expecting 4 features"),
        (lambda: ConditionalRBM(**QUICK).fit(X).transform(X, U), "fitted with 0"),
    ]:
        with pytest.raises(DataError, match=message):
            call()
    for settings, message in [({"method": "full-chain"}, "method"), ({"visible": "multinomial"}, "multinomial")]:
        with pytest.raises(SettingError, match=message):
            ConditionalRBM(**QUICK | settings).fit(X, condition=U)
    with pytest.raises(NotFittedError):
        ConditionalRBM().sample(U)


@pytest.mark.parametrize("method", ["cd", "pcd", "exact"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(method, tmp_path):
    settings = QUICK | {"method": method, "n_epochs": 4, "optimizer": "adam", "learning_rate": 0.02}
    whole, part = ConditionalRBM(**settings).fit(X, condition=U), ConditionalRBM(**settings)
    path = tmp_path / "run.checkpoint"
    for event in part.fitting(X, condition=U):
        if isinstance(event, DenseEpochEnded) and event.epoch == 2:
            loop.save(path, part._state, part._learning(), np.hstack((X, U)))
            break
    assert same(whole, ConditionalRBM(**settings).fit(X, condition=U, checkpoint=path, resume=True))
    with pytest.raises(ModelFileError, match="these differ: cases"):
        ConditionalRBM(**settings).fit(X, condition=U + 1, checkpoint=path, resume=True)


def test_a_saved_machine_is_read_back_and_learns_on(tmp_path):
    for condition in (U, None):
        machine = ConditionalRBM(**QUICK, visible="gaussian", hidden="softmax:3").fit(X, condition=condition)
        machine.save(tmp_path / "m.harmonium")
        again = ConditionalRBM.load(tmp_path / "m.harmonium")
        assert same(machine, again) and same(machine, pickle.loads(pickle.dumps(machine)))
        np.testing.assert_array_equal(again.transform(X, condition), machine.transform(X, condition))
        again.partial_fit(X, condition=condition)
    (tmp_path / "m.harmonium").write_bytes(b"no")
    with pytest.raises(ModelFileError, match="not a model file"):
        ConditionalRBM.load(tmp_path / "m.harmonium")


def test_partial_fit_takes_rows_with_conditions_in_any_slicing():
    machine = ConditionalRBM(**QUICK | {"method": "pcd", "learning_rate": 0.2, "n_steps": 3})
    for k in 40 * list(range(0, 120, 40)):
        machine.partial_fit(X[k : k + 40], condition=U[k : k + 40])
    assert machine.score(X, condition=U) > -1.3


def test_validation_rows_choose_the_epoch():
    machine = ConditionalRBM(**QUICK | {"n_epochs": 8}).fit(X[:80], condition=U[:80], validation=(X[80:], U[80:]))
    events = [e for e in machine.history_ if isinstance(e, DenseEpochEnded)]
    assert max(e.score for e in events) == events[events[-1].best_epoch - 1].score
    with pytest.raises(SettingError, match="needs binary visible units"):
        ConditionalRBM(**QUICK, visible="gaussian").fit(X, condition=U, validation=(X, U))


def test_scikit_learns_own_checks_pass_for_real_valued_rows():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = checks.check_estimator(ConditionalRBM(4, visible="gaussian", n_epochs=2), on_fail=None)
    assert [(f["check_name"], str(f["exception"])) for f in found if f["status"] == "failed"] == []
