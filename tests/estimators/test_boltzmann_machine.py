"""The BoltzmannMachine estimator: its surface, its errors and its files."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import sparse

from harmonium.errors import DataError, DivergenceError, ModelFileError, NotFittedError, SettingError
from harmonium.estimators.boltzmann_machine import BoltzmannMachine
from harmonium.models import boltzmann_exact
from harmonium.training import boltzmann, boltzmann_cases
from harmonium.training import boltzmann_state as states


def rows(values="bits", n=400):
    """The first two columns agree, the third is the opposite of the fourth."""
    rng = np.random.default_rng(0)
    a, b = rng.random((2, n)) < 0.4
    v = np.stack([a, a, b, ~b], axis=1).astype(int)
    return v if values == "bits" else 2 * v - 1


@pytest.mark.parametrize("values", ["bits", "spins"])
def test_a_machine_learns_and_draws_what_it_learnt(values):
    X = rows(values)
    machine = BoltzmannMachine(values=values, n_epochs=30, random_state=1).fit(X)
    draws = machine.sample(500, rng=1)
    agree = (draws[:, 0] == draws[:, 1]) & (draws[:, 2] != draws[:, 3])
    assert agree.mean() > 0.95
    assert machine.score(X) > -1.6
    assert machine.n_features_in_ == 4


def test_what_is_not_known_is_filled_in_given_what_is():
    X = rows()
    machine = BoltzmannMachine(n_epochs=30).fit(X)
    known = np.array([True, False, False, True])
    found = machine.fill_in(X, known, n_sweeps=50, rng=0)
    np.testing.assert_array_equal(found[:, known], X[:, known])
    assert (found == X).all(axis=1).mean() > 0.95
    mask = np.random.default_rng(0).random(X.shape) < 0.5
    np.testing.assert_array_equal(machine.fill_in(X, mask, n_sweeps=5, rng=0)[mask], X[mask])


def test_scores_are_log_probabilities_and_the_bracket_agrees():
    X = rows()
    machine = BoltzmannMachine(2, n_epochs=30).fit(X)
    everything = boltzmann_exact.states(4)
    assert np.exp(machine.score_samples(everything)).sum() == pytest.approx(1)
    assert machine.bracket(X).lower == pytest.approx(machine.score(X))
    assert machine.transform(X).shape == (400, 2)
    assert machine.infer(X).converged.all()


def test_partial_fit_goes_on_where_fit_ended():
    X = rows()
    machine = BoltzmannMachine(method="pcd", n_epochs=20, learning_rate=0.05).fit(X)
    before, score = machine.model_, machine.score(X)
    machine.partial_fit(X, n_epochs=5)
    assert machine.model_ is not before and machine.score(X) > score - 0.1
    assert BoltzmannMachine(method="pcd").partial_fit(X).model_ is not None
    with pytest.raises(DataError, match="X has 3 features, but BoltzmannMachine is expecting 4"):
        machine.partial_fit(X[:, :3])


def test_events_reach_the_watcher_and_the_history():
    seen = []
    machine = BoltzmannMachine(method="pcd", n_epochs=3).fit(rows(), watch=seen.append)
    assert machine.history_ == seen
    began, *epochs, ended = seen
    assert (began.kind, began.n_cases, began.n_epochs, began.first_epoch) == ("began", len(rows()), 3, 0)
    assert [event.epoch for event in epochs] == [1, 2, 3]
    assert {event.kind for event in epochs} == {"boltzmann epoch"}
    assert (ended.kind, ended.reason, ended.best_epoch) == ("ended", "finished", 3)


def test_an_interrupted_fit_keeps_the_model_so_far():
    def stop(event):
        if event.kind == "boltzmann epoch" and event.epoch == 2:
            raise KeyboardInterrupt

    machine = BoltzmannMachine(method="pcd", n_epochs=50).fit(rows(), watch=stop)
    assert machine.history_[-1].epoch == 2
    assert machine.score(rows()) > -3


@pytest.mark.parametrize("method", ["pcd", "exact", "pseudo-likelihood"])
def test_ctrl_c_within_an_epoch_keeps_the_last_good_model_and_before_the_first_it_is_passed_on(method, monkeypatch):
    name = "_update" if method == "pcd" else "_exact_slopes" if method == "exact" else "_pseudo_slopes"
    real, calls, limit = getattr(boltzmann, name), [], 4

    def step(*given):
        calls.append(given)
        if len(calls) == limit:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(boltzmann, name, step)
    machine = BoltzmannMachine(method=method, n_epochs=50, batch_size=len(rows())).fit(rows())
    assert machine.history_[-1].reason == "interrupted"
    assert np.isfinite(machine.score(rows()))
    limit = len(calls) + 1
    with pytest.raises(KeyboardInterrupt):
        BoltzmannMachine(method=method, n_epochs=50).fit(rows())


def test_learning_that_diverges_late_keeps_the_last_good_model_and_tells_a_rate_to_try(monkeypatch):
    real = boltzmann._check_finite

    def check(bm, learning):
        real(bm, learning)
        if len(seen) > 3:  # after Began and two epochs
            raise DivergenceError("learning_rate 0.01 is too high; try 0.001")

    seen = []
    monkeypatch.setattr(boltzmann, "_check_finite", check)
    machine = BoltzmannMachine(method="pcd", n_epochs=9).fit(rows(), watch=seen.append)
    ended = machine.history_[-1]
    assert (ended.reason, ended.best_epoch, ended.epoch) == ("diverged", 3, 4) and "try 0.001" in ended.advice
    assert np.isfinite(machine.score(rows()))
    with pytest.raises(DivergenceError, match=r"before any epoch ended well: .* try 0\.001"):
        machine.partial_fit(rows())
    assert np.isfinite(machine.score(rows()))


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "pcd", "n_hidden": 2}, {"method": "exact", "n_hidden": 1}, {"method": "pseudo-likelihood"},
        {"method": "multi-prediction", "n_hidden": 2}, {"method": "tempered-pcd", "n_betas": 3},
        {"method": "full-chain", "n_chains": 20}, {"method": "pcd", "n_hidden": 2, "inference": "mean-field"},
    ],
    ids=lambda s: s["method"],
)  # fmt: skip
def test_sparse_rows_give_the_machine_of_dense_ones(settings, monkeypatch):
    monkeypatch.setattr(boltzmann_cases, "BLOCK", 17)
    table, how = sparse.csr_matrix(rows().astype(np.int8)), {"n_epochs": 3, "n_chains": 20} | settings
    dense, thin = (BoltzmannMachine(**how).fit(X, validation=X[:9]) for X in (rows(), table))
    equal = 1e-12 if settings["method"] == "pseudo-likelihood" else 0.0  # whose cases are added up in another order
    np.testing.assert_allclose(thin.model_.J, dense.model_.J, rtol=0, atol=equal)
    np.testing.assert_allclose(thin.model_.b, dense.model_.b, rtol=0, atol=equal)
    np.testing.assert_allclose(thin.score_samples(table), dense.score_samples(rows()), atol=1e-9)
    np.testing.assert_allclose(thin.partial_fit(table).model_.b, dense.partial_fit(rows()).model_.b, atol=1e-9)
    wrong = table.astype(float).tolil()
    wrong[20, 1] = 0.5
    with pytest.raises(DataError, match=r"row 20, column 1: 0\.5 is neither 0 nor 1"):
        BoltzmannMachine().fit(wrong.tocsr())


def test_sparse_rows_take_the_memory_of_a_mini_batch(monkeypatch):
    table = sparse.random_array((20_000, 300), density=0.01, format="csr", rng=0)
    table.data[:] = 1
    chain = sparse.csr_array(np.eye(302, k=1))
    machine = BoltzmannMachine(2, couplings=chain, method="pcd", n_epochs=1, batch_size=500, n_chains=20)
    machine.fit(table[:100])  # imports and compiled code
    tracemalloc.start()
    machine.fit(table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5 * 8 * table.shape[0] * table.shape[1]


@pytest.mark.parametrize("mask", [None, "ring", "sparse"])
def test_a_saved_machine_is_the_same_when_loaded(tmp_path, mask):
    ring = np.roll(np.eye(5), 1, axis=1)
    couplings = {None: None, "ring": ring, "sparse": sparse.csr_array(ring)}[mask]
    machine = BoltzmannMachine(1, couplings=couplings, n_epochs=5, method="pcd").fit(rows())
    machine.save(tmp_path / "a.harmonium")
    loaded = BoltzmannMachine.load(tmp_path / "a.harmonium")
    np.testing.assert_array_equal(loaded.score_samples(rows()), machine.score_samples(rows()))
    assert sparse.issparse(loaded.model_.J) == (mask == "sparse")
    assert (loaded.couplings is None) == (mask is None)
    loaded.partial_fit(rows())


def test_what_is_no_machine_is_not_loaded(tmp_path):
    (tmp_path / "b.harmonium").write_bytes(b"nothing")
    with pytest.raises(ModelFileError, match="not a model file"):
        BoltzmannMachine.load(tmp_path / "b.harmonium")


def test_frames_work():
    import pandas as pd
    import polars as pl

    machine = BoltzmannMachine(n_epochs=5).fit(pd.DataFrame(rows()))
    np.testing.assert_array_equal(machine.score_samples(pl.DataFrame(rows())), machine.score_samples(rows()))


def test_sparse_and_list_input_work_and_bad_input_names_its_place():
    X = rows()
    machine = BoltzmannMachine(n_epochs=2)
    np.testing.assert_array_equal(
        machine.fit(sparse.csr_array(X)).score_samples(X), machine.fit(X.tolist()).score_samples(X)
    )
    for bad, message in (
        (np.where(np.arange(4) == 2, 2, X), "row 0, column 2: 2 is neither 0 nor 1"),
        (np.where(np.arange(4) == 1, np.nan, X), "row 0, column 1 is NaN"),
        (np.empty((0, 4)), r"0 sample\(s\)"),
        ([1, 0], "Expected 2D array"),
        ([["a", "b"]], "not all numbers"),
    ):
        with pytest.raises(DataError, match=message):
            machine.fit(bad)
    with pytest.raises(DataError, match="expecting 4 features"):
        machine.score_samples(X[:, :2])


def test_a_machine_that_is_not_fitted_says_so():
    with pytest.raises(NotFittedError, match="not fitted"):
        BoltzmannMachine().sample()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_hidden": -1}, "n_hidden: -1"),
        ({"values": "trits"}, "values: 'trits'"),
        ({"method": "magic"}, "method: 'magic'"),
        ({"n_chains": 0}, "n_chains: 0"),
        ({"learning_rate": np.nan}, "learning_rate: nan"),
        ({"couplings": np.ones((2, 2))}, r"couplings: must be of shape \(4, 4\)"),
        ({"n_hidden": 40, "method": "exact"}, "44 units have"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings, message):
    with pytest.raises(SettingError, match=message):
        BoltzmannMachine(**settings).fit(rows())


def test_cloning_keeps_the_settings():
    from sklearn.base import clone

    machine = BoltzmannMachine(3, method="pcd", n_steps=4)
    assert clone(machine).get_params() == machine.get_params()
    assert "n_steps=4" in repr(machine)


def same(a, b):
    """Whether two fitted machines are equal bit for bit."""
    mine, theirs = (m.model_.J.toarray() if sparse.issparse(m.model_.J) else m.model_.J for m in (a, b))
    return np.array_equal(mine, theirs) and np.array_equal(a.model_.b, b.model_.b)


CHAINS = [
    {"method": "pcd"}, {"method": "tempered-pcd", "n_betas": 4}, {"method": "full-chain", "n_chains": 20},
    {"method": "multi-prediction"}, {"method": "pcd", "inference": "mean-field"},
]  # fmt: skip


@pytest.mark.parametrize("settings", CHAINS, ids=lambda s: s["method"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(settings, tmp_path):
    ring = sparse.csr_array(np.roll(np.eye(6), 1, axis=1) + np.roll(np.eye(6), 2, axis=1))
    how = {"n_hidden": 2, "n_epochs": 4, "n_chains": 30, "couplings": ring} | settings
    whole, part, path = BoltzmannMachine(**how).fit(rows()), BoltzmannMachine(**how), tmp_path / "run.checkpoint"
    for event in part.fitting(rows()):
        if event.kind == "boltzmann epoch" and event.epoch == 2:
            states.save(path, part._state, part._learning(), rows().astype(float))
            break
    resumed = BoltzmannMachine(**how).fit(rows(), checkpoint=path, resume=True)
    assert same(whole, resumed) and resumed.history_[-2].kind == "saved"
    with pytest.raises(ModelFileError, match="these differ: cases"):
        BoltzmannMachine(**how).fit(1 - rows(), checkpoint=path, resume=True)
    with pytest.raises(ModelFileError, match="these differ: n_steps"):
        BoltzmannMachine(**how, n_steps=3).fit(rows(), checkpoint=path, resume=True)


def test_methods_that_learn_in_one_piece_write_no_checkpoint(tmp_path):
    with pytest.raises(SettingError, match="checkpoint: 'exact' learns in one piece"):
        BoltzmannMachine(method="exact").fit(rows(), checkpoint=tmp_path / "run.checkpoint")


@pytest.mark.parametrize("settings", CHAINS[:2], ids=lambda s: s["method"])
def test_a_machine_read_from_a_file_learns_on_as_the_one_that_was_saved(settings, tmp_path):
    machine = BoltzmannMachine(2, n_epochs=3, n_chains=30, **settings).fit(rows())
    machine.save(tmp_path / "m.harmonium")
    again, third = BoltzmannMachine.load(tmp_path / "m.harmonium"), pickle.loads(pickle.dumps(machine))
    for other in (machine, again, third):
        other.partial_fit(rows(), n_epochs=2)
    assert same(machine, again) and same(machine, third)


def test_tempered_chains_report_their_swap_rates_and_learn_modes_far_apart():
    X = np.repeat([[0] * 10, [1] * 10], 100, axis=0)
    how = {"n_epochs": 60, "learning_rate": 0.05, "n_chains": 50}
    machine = BoltzmannMachine(method="tempered-pcd", n_betas=8, lowest_beta=0.0, **how).fit(X)
    rates = machine.history_[-2].swap_rates
    assert len(rates) == 7 and all(0 < rate <= 1 for rate in rates)
    drawn = machine._state.chains.mean(axis=1)
    assert 0.15 < (drawn > 0.5).mean() < 0.85
    assert machine.score(X) > -2


@pytest.mark.parametrize("values", ["bits", "spins"])
def test_multi_prediction_learns_to_predict_what_is_left_out(values):
    """A pair is left out whole once in four times and pays for both units then; biases alone would pay twice that."""
    X = rows(values)
    how = {"n_steps": 5, "n_epochs": 100, "learning_rate": 0.1}
    machine = BoltzmannMachine(2, values=values, method="multi-prediction", **how).fit(X)
    share = (X > 0).mean(axis=0)
    cost = -(share * np.log(share) + (1 - share) * np.log(1 - share)).sum() / 4
    assert -1.4 * cost < machine.history_[-2].objective < -0.8 * cost


def test_scikit_learns_own_checks_pass_on_rows_it_can_take(monkeypatch):
    """Those checks learn from normal numbers; here those above 0 are 1, as a pipeline would do."""
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    from harmonium.estimators import cases

    read = cases.read

    def as_bits(X, name="X"):
        table = read(X, name)
        if not np.isfinite(table.X.data if sparse.issparse(table.X) else table.X).all():
            return table
        return table._replace(X=(table.X > 0).astype(np.float32))

    monkeypatch.setattr(cases, "read", as_bits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = checks.check_estimator(BoltzmannMachine(2, method="pcd", n_epochs=2), on_fail=None)
    assert [(f["check_name"], str(f["exception"])) for f in found if f["status"] == "failed"] == []
    assert len(found) > 40
