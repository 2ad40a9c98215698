"""RBM and BernoulliRBM as estimators: scikit-learn's contract, every container, bad input, files, checkpoints."""

import contextlib
import pickle
import warnings
from functools import partial

import numpy as np
import pytest
from scipy import sparse

from harmonium import RBM, BernoulliRBM
from harmonium.errors import DataError, DivergenceError, ModelFileError, NotFittedError, SettingError
from harmonium.events import DenseEpochEnded, Ended
from harmonium.likelihood.monitoring import Monitor
from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.training.dense import loop
from harmonium.units import Gaussian, Softmax

X = np.tile([[0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]], (20, 1)).astype(np.float32)
QUICK = {"n_hidden": 3, "n_epochs": 3, "batch_size": 20}


def same(a, b):
    """Whether two fitted machines are equal bit for bit."""
    mine, theirs = (rbms.arrays(m.model_) for m in (a, b))
    return all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_scikit_learns_own_checks_pass_for_real_valued_rows():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = checks.check_estimator(RBM(n_hidden=4, visible="gaussian", n_epochs=2), on_fail=None)
    assert [(f["check_name"], str(f["exception"])) for f in found if f["status"] == "failed"] == []
    assert len(found) > 40


def test_scikit_learns_own_checks_pass_for_bernoulli_units_on_rows_they_can_take(monkeypatch):
    """Those checks learn from normal numbers; here they are squeezed into (0, 1), as a pipeline would do."""
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    from harmonium.estimators import cases

    read = cases.read

    def squeezed(X, name="X"):
        table = read(X, name)
        if sparse.issparse(table.X) or not np.isfinite(table.X).all():
            return table
        return table._replace(X=(0.5 + np.arctan(table.X) / np.pi).astype(np.float32))

    monkeypatch.setattr(cases, "read", squeezed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = checks.check_estimator(BernoulliRBM(n_components=4, n_iter=2), on_fail=None)
    assert [(f["check_name"], str(f["exception"])) for f in found if f["status"] == "failed"] == []


def test_code_moves_from_scikit_learn_by_changing_the_import():
    theirs = pytest.importorskip("sklearn.neural_network").BernoulliRBM
    settings = {"n_components": 2, "learning_rate": 0.1, "batch_size": 5, "n_iter": 3, "verbose": 0, "random_state": 0}
    mine, other = BernoulliRBM(**settings).fit(X), theirs(**settings).fit(X)
    assert BernoulliRBM().get_params() == theirs().get_params() | {"device": "cpu"}
    for name in ("components_", "intercept_hidden_", "intercept_visible_", "h_samples_"):
        assert getattr(mine, name).shape == getattr(other, name).shape, name
    for name in ("transform", "score_samples", "gibbs"):
        assert getattr(mine, name)(X).shape == getattr(other, name)(X).shape, name
    assert mine.fit_transform(X).shape == other.fit_transform(X).shape
    assert list(mine.get_feature_names_out()) == list(other.get_feature_names_out())


def test_both_libraries_have_the_same_free_energies_for_the_same_parameters():
    theirs = pytest.importorskip("sklearn.neural_network").BernoulliRBM(n_components=2, n_iter=1).fit(X)
    mine = BernoulliRBM(n_components=2, n_iter=3).fit(X)
    theirs.components_ = mine.components_
    theirs.intercept_hidden_, theirs.intercept_visible_ = mine.intercept_hidden_, mine.intercept_visible_
    np.testing.assert_allclose(mine.free_energy(X), theirs._free_energy(X), rtol=1e-4)
    np.testing.assert_allclose(mine.transform(X), theirs.transform(X), rtol=1e-4)


def test_partial_fit_with_batches_of_any_size_lets_no_bias_run_away():
    """The defect of averaging both phases by one count: features of all ones."""
    rng = np.random.default_rng(0)
    rows = (rng.random((400, 6)) < 0.3).astype(np.float32)
    rbm = BernoulliRBM(n_components=4, batch_size=10, learning_rate=0.1, random_state=0)
    for _ in range(30):
        for k in range(0, 400, 40):
            rbm.partial_fit(rows[k : k + 40])  # four times as many cases as chains
    drawn = (exact.expectations(rbm.model_))["b"]
    np.testing.assert_allclose(drawn, rows.mean(axis=0), atol=0.12)


def test_partial_fit_in_any_slicing_learns_the_same_means():
    rng = np.random.default_rng(0)
    rows = (rng.random((600, 5)) < [0.1, 0.3, 0.5, 0.7, 0.9]).astype(np.float32)
    for size in (7, 50, 600):
        machine = RBM(n_hidden=3, batch_size=size, n_chains=100, learning_rate=0.02)
        for k in 5 * list(range(0, 600, size)):
            machine.partial_fit(rows[k : k + size])
        np.testing.assert_allclose(exact.expectations(machine.model_)["b"], rows.mean(axis=0), atol=0.15)


def test_every_container_gives_the_same_machine():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    names = list("abcd")
    first = RBM(**QUICK).fit(X)
    for rows in (X.tolist(), X.astype(int), np.asfortranarray(X), pandas.DataFrame(X, columns=names),
                 polars.DataFrame(X, schema=names)):  # fmt: skip
        assert same(first, RBM(**QUICK).fit(rows))
    named = RBM(**QUICK).fit(pandas.DataFrame(X, columns=names))
    assert list(named.feature_names_in_) == names
    with pytest.raises(DataError, match="same order"):
        named.transform(pandas.DataFrame(X, columns=names[::-1]))


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix, sparse.coo_array, sparse.csc_matrix])
def test_sparse_rows_stay_sparse_and_learn_the_same(kind):
    dense, thin = RBM(**QUICK).fit(X), RBM(**QUICK).fit(kind(X))
    for name, value in rbms.arrays(dense.model_).items():
        np.testing.assert_allclose(rbms.arrays(thin.model_)[name], value, atol=1e-5)
    np.testing.assert_allclose(thin.transform(kind(X)), dense.transform(X), atol=1e-5)
    np.testing.assert_allclose(thin.free_energy(kind(X)), dense.free_energy(X), atol=1e-4)


BAD = [
    ("bernoulli", (3, 1), 1.5, "row 3, column 1 is 1.5; a bernoulli unit takes 0, 1 or a probability"),
    ("bernoulli", (3, 1), np.nan, "row 3, column 1 is NaN"),
    ("gaussian", (0, 2), np.inf, "row 0, column 2 is infinity"),
    ("spin", (0, 0), 0.0, "row 0, column 0 is 0; a spin unit takes -1 or 1"),
    ("relu", (5, 3), -0.5, "row 5, column 3 is -0.5"),
    ("multinomial", (5, 3), 0.5, "row 5, column 3 is 0.5"),
    ("softmax:2", (2, 1), 0.25, "row 2, column 1 is 0.25"),
]


@pytest.mark.parametrize(("kind", "where", "value", "message"), BAD)
def test_a_value_that_is_no_state_is_refused_by_row_and_column(kind, where, value, message):
    rows = np.tile([[0.0, 1, 1, 0], [1, 0, 0, 1]], (5, 1))
    rows = 2 * rows - 1 if kind == "spin" else rows
    RBM(n_hidden=2, visible=kind, n_epochs=1).fit(rows)
    rows[where] = value
    with pytest.raises(DataError, match=message.replace(".", r"\.")):
        RBM(n_hidden=2, visible=kind, n_epochs=1).fit(rows)


def test_bad_values_of_sparse_rows_are_named_too():
    rows = sparse.csr_array(X)
    rows.data[5] = 2.0
    row, column = int(np.searchsorted(rows.indptr, 5, side="right")) - 1, rows.indices[5]
    with pytest.raises(DataError, match=f"row {row}, column {column} is 2"):
        RBM(**QUICK).fit(rows)
    with pytest.raises(DataError, match="spin units are -1 or 1; give it dense"):
        RBM(**QUICK, visible="spin").fit(sparse.csr_array(X))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((0, 3)), r"0 sample\(s\)"),
        (np.zeros((3, 0)), r"0 feature\(s\)"),
        (np.zeros(3), "Reshape your data"),
        ([["a", "b"]], "not all numbers"),
        ([[1, 2], [3]], "not all numbers"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        RBM(**QUICK).fit(rows)


def test_another_width_than_that_of_fit_is_refused():
    machine = RBM(**QUICK).fit(X)
    for call in (machine.transform, machine.score_samples, machine.partial_fit):
        with pytest.raises(DataError, match="X has 3 features, but RBM is expecting 4"):
            call(X[:, :3])


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "cdk"}, {"n_hidden": 0}, {"learning_rate": -1.0}, {"batch_size": 0}, {"visible": "boolean"},
        {"momentum": 1.0}, {"schedule": "step"}, {"centring": 1}, {"n_steps": 0}, {"optimizer": "sgd"},
        {"random_state": -1},
    ],
)  # fmt: skip
def test_a_setting_out_of_range_is_refused_by_name(settings):
    with pytest.raises(SettingError, match=next(iter(settings)) if "visible" not in settings else "boolean"):
        RBM(**QUICK | settings).fit(X)


def test_a_machine_that_is_not_fitted_says_so():
    with pytest.raises(NotFittedError, match="RBM is not fitted yet"):
        RBM().transform(X)


LEARN = ["pcd", "cd", "fast-pcd", "tempered-pcd", "full-chain", "exact", "pseudo-likelihood", "ratio-matching",
         "multi-prediction"]  # fmt: skip


@pytest.mark.parametrize("method", LEARN)
def test_every_method_learns_the_two_rows_there_are(method):
    rows = np.tile([[0, 0, 1, 1], [1, 1, 0, 0]], (50, 1))
    machine = RBM(4, method=method, n_steps=5, batch_size=50, n_chains=200, n_epochs=150, learning_rate=0.2)
    before = RBM(4, n_epochs=1, learning_rate=0.0).fit(rows).score(rows)
    machine.fit(rows)
    assert before < -2.7
    assert machine.score(rows) > -1.3  # log 2 = 0.69 is the best possible


def test_score_matching_learns_gaussian_rows():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2)) * [0.5, 2] + [1, -1]
    machine = RBM(2, visible="gaussian", method="score-matching", n_epochs=300, learning_rate=0.05).fit(rows)
    normal = -0.5 * (np.log(2 * np.pi) * 2 + np.log(0.25 * 4) + 2)
    assert machine.score(rows) > normal - 0.1


def test_a_gaussian_machine_learns_the_variances():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 2)) * [0.5, 2] + [0.5, -1]
    machine = RBM(2, visible="gaussian", n_epochs=150, learning_rate=0.02, n_chains=500).fit(rows)
    np.testing.assert_allclose(machine.model_.visible.variance, [0.25, 4], rtol=0.25)


@pytest.mark.parametrize("optimizer", ["momentum", "adagrad", "adam"])
@pytest.mark.parametrize("method", ["pcd", "tempered-pcd", "fast-pcd"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(optimizer, method, tmp_path):
    settings = QUICK | {"optimizer": optimizer, "method": method, "n_epochs": 4, "momentum": 0.5, "learning_rate": 0.02}
    whole = RBM(**settings).fit(X)
    path = tmp_path / "run.checkpoint"
    part = RBM(**settings)
    for event in part.fitting(X):
        if isinstance(event, DenseEpochEnded) and event.epoch == 2:
            loop.save(path, part._state, part._learning(), X)
            break
    resumed = RBM(**settings).fit(X, checkpoint=path, resume=True)
    assert same(whole, resumed)
    with pytest.raises(ModelFileError, match="these differ: n_steps"):
        RBM(**settings, n_steps=2).fit(X, checkpoint=path, resume=True)


def test_an_interrupt_keeps_the_best_model():
    def stop(event):
        if isinstance(event, DenseEpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    machine = RBM(**QUICK | {"n_epochs": 50})
    machine.fit(X, watch=stop)
    assert machine.model_ is not None
    assert len([e for e in machine.history_ if isinstance(e, DenseEpochEnded)]) == 2


def test_divergence_stops_with_the_last_good_model_and_a_hint():
    machine = RBM(2, visible="gaussian", n_epochs=200, learning_rate=1.5, batch_size=10)
    rows = 5 * np.random.default_rng(0).normal(size=(200, 3))
    with contextlib.suppress(DivergenceError):
        machine.fit(rows)
    ended = machine.history_[-1]
    assert isinstance(ended, Ended) and ended.reason == "diverged"
    assert "is too high for these data: try 0.15" in ended.advice
    with pytest.raises(DivergenceError, match="before any epoch ended well"):
        RBM(2, visible="gaussian", learning_rate=50.0, batch_size=10).fit(rows)


def test_a_late_divergence_leaves_the_last_good_model():
    machine, rows = RBM(2, visible="gaussian", n_epochs=5, batch_size=10), np.random.default_rng(0).normal(size=(90, 3))
    for event in machine.fitting(rows):
        if isinstance(event, DenseEpochEnded) and event.epoch == 3:
            machine._state.arrays["W"][0, 0] = np.nan
            good = machine._state.best
    assert machine.model_ is good and np.isfinite(good.W).all()
    assert machine.history_[-1].reason == "diverged"


def test_a_mini_batch_that_diverges_leaves_the_last_good_model_and_learning_goes_on_from_it():
    machine = BernoulliRBM(3, n_iter=2, random_state=0).fit(X)
    good = machine.model_
    machine._state.arrays["W"][0, 0] = np.nan
    with pytest.raises(DivergenceError, match=r"try 0\.01"):
        machine.partial_fit(X)
    assert machine.model_ is good
    machine.set_params(learning_rate=1e-6).partial_fit(X)
    np.testing.assert_allclose(machine.components_, good.W.T, atol=1e-4)


def test_a_run_that_diverges_late_is_warned_of(monkeypatch):
    train = loop.train

    def spoilt(state, *arguments, **how):
        for event in train(state, *arguments, **how):
            yield event
            if event.kind == "dense epoch" and event.epoch == 2:
                state.arrays["W"][0, 0] = np.nan

    monkeypatch.setattr(loop, "train", spoilt)
    machine = BernoulliRBM(3, n_iter=5, random_state=0)
    with pytest.warns(RuntimeWarning, match=r"the last good model is kept.*try 0\.01"):
        machine.fit(X)
    assert np.isfinite(machine.components_).all()


METHODS_IN_TURN = ["pcd", "tempered-pcd", "fast-pcd", "cd", "full-chain", "exact", "multi-prediction", "pcd"]


def test_partial_fit_takes_other_methods_and_fewer_rows_than_there_are_chains():
    """Chains that there are go on as they are; what a method needs beside them begins with it."""
    machine = RBM(3, n_epochs=1, batch_size=40).fit(X)
    for method in METHODS_IN_TURN:
        machine.set_params(method=method, batch_size=7).partial_fit(X[:20])
        assert np.isfinite(machine.model_.W).all(), method
    assert len(machine._state.h) == 40


def test_two_unbounded_layers_never_leave_the_region_where_there_is_a_law():
    rows = np.random.default_rng(0).normal(size=(300, 3)) @ np.array([[1, 0.9, 0], [0, 0.5, 0], [0, 0, 1]])
    machine = RBM(2, visible="gaussian", hidden="gaussian", n_epochs=20, learning_rate=0.02).fit(rows)
    assert rbms.coupling_norm(machine.model_) < 1


@pytest.mark.parametrize("pair", [("spin", "relu"), ("softmax:2", "softmax:3"), ("multinomial", "bernoulli"),
                                  ("relu", "spin"), ("gaussian", "relu")])  # fmt: skip
def test_any_pair_of_layers_learns(pair):
    rows = np.tile([[0.0, 1, 1, 0], [1, 0, 0, 1]], (20, 1))
    rows = 2 * rows - 1 if pair[0] == "spin" else rows
    machine = RBM(6, visible=pair[0], hidden=pair[1], n_epochs=3, learning_rate=0.005).fit(rows)
    assert np.isfinite(machine.free_energy(rows)).all()
    assert machine.transform(rows).shape == (40, 6)
    if pair[0] == "softmax:2":
        np.testing.assert_allclose(machine.model_.W.reshape(2, 2, 6).sum(axis=1), 0, atol=1e-6)


def test_a_saved_machine_is_read_back_and_learns_on(tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 3))
    machine = RBM(4, visible=Gaussian(3), hidden=Softmax(2, 2), n_epochs=2).fit(rows)
    machine.save(tmp_path / "m.harmonium")
    again = RBM.load(tmp_path / "m.harmonium")
    assert same(machine, again)
    assert again.get_params()["n_epochs"] == 2
    np.testing.assert_array_equal(again.transform(rows), machine.transform(rows))
    again.partial_fit(rows)
    (tmp_path / "m.harmonium").write_bytes(b"no")
    with pytest.raises(ModelFileError, match="not a model file"):
        RBM.load(tmp_path / "m.harmonium")


def test_filling_in_keeps_what_is_known_and_finds_the_rest():
    rows = np.tile([[0, 0, 1, 1], [1, 1, 0, 0]], (50, 1))
    machine = RBM(4, method="exact", n_epochs=300, learning_rate=0.5).fit(rows)
    asked = np.tile([[1, 1, np.nan, np.nan]], (100, 1))
    filled = machine.fill_in(asked, [True, True, False, False], rng=0)
    assert (filled[:, :2] == 1).all()
    assert (filled[:, 2:] == 0).mean() > 0.9
    assert machine.sample(20, n_steps=5, rng=1).shape == (20, 4)
    assert machine.inverse_transform(machine.transform(rows)).shape == rows.shape


def test_a_monitor_reports_and_validation_rows_choose_the_epoch():
    machine = RBM(**QUICK | {"n_epochs": 6}).fit(X, validation=X[:10])
    reports = [e for e in machine.history_ if isinstance(e, DenseEpochEnded)]
    assert any(e.monitored for e in reports)
    assert 0 < reports[-1].best_epoch <= 6


def test_estimators_survive_cloning_pickling_and_pipelines():
    base, pipeline = pytest.importorskip("sklearn.base"), pytest.importorskip("sklearn.pipeline")
    machine = RBM(**QUICK).fit(X)
    assert same(machine, pickle.loads(pickle.dumps(machine)))
    assert base.clone(machine).get_params() == machine.get_params()
    linear = pytest.importorskip("sklearn.linear_model")
    steps = pipeline.make_pipeline(BernoulliRBM(n_components=4, n_iter=5, random_state=0), linear.LogisticRegression())
    assert steps.fit(X, X[:, 0]).score(X, X[:, 0]) > 0.5


def test_results_do_not_depend_on_the_number_of_threads():
    from harmonium.kernels import jit

    rows, before = (np.random.default_rng(0).random((300, 500)) < 0.5).astype(np.float32), jit.n_threads()
    try:
        machines = []
        for n in (1, 3):
            jit.set_n_threads(n)
            machines.append(RBM(n_hidden=300, n_epochs=1, batch_size=300).fit(rows))
    finally:
        jit.set_n_threads(before)
    assert same(*machines)


def test_chains_that_take_too_few_steps_are_warned_of_in_the_epochs_event(monkeypatch):
    """Two far modes that block moves hardly cross; the monitor may take its time, for the fit is over in a blink."""
    monkeypatch.setattr("harmonium.estimators.dense.Monitor", partial(Monitor, share=1e9))
    rows = np.repeat([[0.0] * 12, [1.0] * 12], 50, axis=0)
    machine = RBM(n_hidden=3, n_epochs=40, learning_rate=2.0, batch_size=20, monitor=True).fit(rows)
    warnings = [e.warning for e in machine.history_ if isinstance(e, DenseEpochEnded)]
    assert any("chains need" in warning for warning in warnings)
