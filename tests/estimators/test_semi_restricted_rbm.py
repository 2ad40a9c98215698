"""SemiRestrictedRBM as an estimator: what ties add, the contract, likelihoods, clamping, bad input, files."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse

from harmonium import RBM, BoltzmannMachine, SemiRestrictedRBM
from harmonium.errors import DataError, DivergenceError, ModelFileError, SettingError
from harmonium.events import DenseEpochEnded, Ended
from harmonium.models import lateral, wiring
from harmonium.training.dense import loop

rng = np.random.default_rng(0)
STEPS = np.cumsum(rng.random((300, 6)) < 0.25, axis=1) % 2
X = ((STEPS + (rng.random((300, 1)) < 0.5)) % 2).astype(np.float32)  # a chain whose neighbours mostly agree
CHAIN = wiring.grid(1, 6)
BEST = -(np.log(2) + 5 * -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)))
QUICK = {"n_hidden": 1, "n_epochs": 3, "batch_size": 50, "learning_rate": 0.1}


def same(a, b):
    """Whether two fitted machines are equal bit for bit."""
    mine, theirs = (lateral.arrays(m.model_) for m in (a, b))
    return all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("settings", [
    {"method": "cd", "n_steps": 3}, {"method": "pcd", "n_chains": 200}, {"method": "exact"},
    {"method": "pseudo-likelihood"}, {"method": "ratio-matching", "learning_rate": 0.5},
    {"method": "pcd", "n_chains": 200, "optimizer": "adam", "learning_rate": 0.03},
    {"method": "fast-pcd", "n_chains": 200}, {"method": "tempered-pcd", "n_chains": 200, "n_betas": 3},
    {"method": "full-chain", "n_chains": 200},
])  # fmt: skip
@pytest.mark.parametrize("visible", ["bernoulli", "spin"])
def test_every_way_of_learning_finds_what_neighbours_say(visible, settings):
    rows = X if visible == "bernoulli" else 2 * X - 1
    rate = 0.3 if visible == "bernoulli" else 0.05
    how = QUICK | {"visible": visible, "n_epochs": 60, "learning_rate": rate, "schedule": "linear"} | settings
    machine = SemiRestrictedRBM(**how, lateral=CHAIN).fit(rows)
    assert machine.score(rows) > BEST - 0.12
    assert (machine.model_.L[CHAIN.toarray() == 0] == 0).all()
    neighbours = (
        machine.sample(300, n_steps=30, rng=0)[:, 1:] == machine.sample(300, n_steps=30, rng=0)[:, :-1]
    ).mean()
    assert neighbours == pytest.approx(0.75, abs=0.08)


def test_one_hidden_unit_and_ties_say_more_than_one_hidden_unit():
    how = QUICK | {"method": "exact", "n_epochs": 80, "learning_rate": 0.3}
    assert SemiRestrictedRBM(**how).fit(X).score(X) > RBM(**how).fit(X).score(X) + 0.2


def test_without_ties_it_is_the_restricted_machine():
    none = np.zeros((6, 6))
    for method in ("exact", "cd", "pcd", "fast-pcd", "tempered-pcd", "full-chain"):
        mine = SemiRestrictedRBM(**QUICK, method=method, lateral=none).fit(X)
        its = RBM(**QUICK, method=method).fit(X)
        assert (mine.model_.L == 0).all()
        np.testing.assert_allclose(mine.model_.rbm.W, its.model_.W, atol=1e-5)
        np.testing.assert_allclose(mine.score_samples(X), its.score_samples(X), rtol=1e-5)


def test_it_learns_what_the_boltzmann_machine_of_the_same_wiring_learns():
    how = {"optimizer": "adam", "momentum": 0.9, "learning_rate": 0.05, "initial_spread": 0.5}
    mine = SemiRestrictedRBM(1, method="exact", n_epochs=1500, batch_size=300, **how).fit(X)
    its = BoltzmannMachine(1, couplings=wiring.semi_restricted(6, 1), method="exact", n_epochs=200).fit(X)
    assert mine.score(X) == pytest.approx(its.score(X), abs=0.01)


def test_gaussian_units_learn_correlations_and_never_lose_their_law():
    A = np.array([[1.0, 0.9, 0.2], [0.0, 0.5, 0.4], [0.0, 0.0, 1.2]])
    rows = rng.normal(size=(500, 3)) @ A
    best = -0.5 * (np.linalg.slogdet(np.cov(rows.T))[1] + 3 * (1 + np.log(2 * np.pi)))
    for method in ("exact", "pcd"):
        how = {"method": method, "n_epochs": 200, "learning_rate": 0.03, "schedule": "linear"}
        machine = SemiRestrictedRBM(1, visible="gaussian", **how).fit(rows)
        assert machine.score(rows) > best - 0.1
        np.testing.assert_allclose(np.cov(machine.sample(5000, n_steps=10, rng=0).T), np.cov(rows.T), atol=0.25)
    with pytest.raises(DivergenceError, match=r"positive definite.*too high"):
        SemiRestrictedRBM(1, visible="gaussian", learning_rate=20.0, n_epochs=2).fit(rows)
    machine = SemiRestrictedRBM(1, visible="gaussian", learning_rate=0.05, n_epochs=3).fit(rows)
    assert not isinstance(machine.history_[-1], Ended) or machine.history_[-1].reason == "finished"


def test_likelihoods_sum_to_one_and_the_bracket_agrees():
    machine = SemiRestrictedRBM(**QUICK).fit(X)
    states = machine.model_.rbm.visible.states()
    assert np.exp(machine.score_samples(states)).sum() == pytest.approx(1, abs=1e-5)
    assert machine.bracket(X).lower == pytest.approx(machine.score(X), abs=1e-5)
    mixed = SemiRestrictedRBM(**QUICK, hidden="spin").fit(X)
    with pytest.raises(SettingError, match="both layers are Bernoulli or both spin"):
        mixed.bracket(X)
    with pytest.raises(SettingError, match="40 tied visible units"):
        SemiRestrictedRBM(**QUICK).fit(np.tile(X[:, :1], 40)).score_samples(np.tile(X[:2, :1], 40))


def test_what_is_not_known_is_filled_in_given_what_is():
    rows = np.tile([[0.0, 0, 1, 1], [1, 1, 0, 0]], (50, 1))
    machine = SemiRestrictedRBM(1, method="exact", n_epochs=300, learning_rate=0.5).fit(rows)
    filled = machine.fill_in(np.tile([[1, np.nan, np.nan, np.nan]], (100, 1)), [True, False, False, False], rng=0)
    assert (filled[:, 0] == 1).all() and (filled == [1, 1, 0, 0]).mean() > 0.95


def test_every_container_gives_the_same_machine():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    first = SemiRestrictedRBM(**QUICK).fit(X)
    for rows in (X.tolist(), pandas.DataFrame(X), polars.DataFrame(X)):
        assert same(first, SemiRestrictedRBM(**QUICK).fit(rows))
    for method in ("pcd", "cd", "exact", "pseudo-likelihood"):
        dense, thin = (SemiRestrictedRBM(**QUICK, method=method).fit(rows) for rows in (X, sparse.csr_array(X)))
        np.testing.assert_allclose(thin.model_.L, dense.model_.L, atol=1e-4)
    np.testing.assert_allclose(thin.free_energy(sparse.csr_array(X)), dense.free_energy(X), atol=1e-3)


def test_bad_input_is_refused_by_name_and_place():
    bad = X.copy()
    bad[4, 2] = np.nan
    for rows in (bad, sparse.csr_array(bad)):
        with pytest.raises(DataError, match="row 4, column 2 is NaN"):
            SemiRestrictedRBM(**QUICK).fit(rows)
    for settings, message in [
        ({"lateral": np.ones((2, 2))}, r"lateral: must be of shape \(6, 6\)"), ({"visible": "softmax:2"}, "be tied"),
        ({"method": "multi-prediction"}, "method"), ({"n_hidden": 0}, "n_hidden"),
    ]:  # fmt: skip
        with pytest.raises(SettingError, match=message):
            SemiRestrictedRBM(**QUICK | settings).fit(X)
    with pytest.raises(SettingError, match="needs binary visible units"):
        SemiRestrictedRBM(**QUICK, visible="gaussian").fit(X, validation=X)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(visible, tmp_path):
    settings = QUICK | {"visible": visible, "n_epochs": 4, "optimizer": "adam", "learning_rate": 0.02, "lateral": CHAIN}
    whole, part = SemiRestrictedRBM(**settings).fit(X), SemiRestrictedRBM(**settings)
    path = tmp_path / "run.checkpoint"
    for event in part.fitting(X):
        if isinstance(event, DenseEpochEnded) and event.epoch == 2:
            loop.save(path, part._state, part._learning(), X)
            break
    assert same(whole, SemiRestrictedRBM(**settings).fit(X, checkpoint=path, resume=True))


def test_a_saved_machine_is_read_back_and_learns_on(tmp_path):
    for how in ({"lateral": CHAIN}, {"visible": "gaussian", "hidden": "softmax:2", "n_hidden": 2}):
        machine = SemiRestrictedRBM(**QUICK | how).fit(X)
        machine.save(tmp_path / "m.harmonium")
        again = SemiRestrictedRBM.load(tmp_path / "m.harmonium")
        assert same(machine, again) and same(machine, pickle.loads(pickle.dumps(machine)))
        again.partial_fit(X)
        assert ((again.model_.L == 0) >= (machine.model_.L == 0)).all() or "lateral" not in how
    (tmp_path / "m.harmonium").write_bytes(b"no")
    with pytest.raises(ModelFileError, match="not a model file"):
        SemiRestrictedRBM.load(tmp_path / "m.harmonium")


def test_partial_fit_and_validation_work():
    machine = SemiRestrictedRBM(**QUICK | {"learning_rate": 0.2}, lateral=CHAIN)
    for k in 30 * list(range(0, 300, 100)):
        machine.partial_fit(X[k : k + 100])
    assert machine.score(X) > BEST - 0.15
    chosen = SemiRestrictedRBM(**QUICK | {"n_epochs": 6}).fit(X[:200], validation=X[200:])
    events = [e for e in chosen.history_ if isinstance(e, DenseEpochEnded)]
    assert max(e.score for e in events) == events[events[-1].best_epoch - 1].score


def test_results_do_not_depend_on_the_number_of_threads():
    from harmonium.kernels import jit

    rows, before = (np.random.default_rng(0).random((200, 60)) < 0.5).astype(np.float32), jit.n_threads()
    try:
        machines = []
        for n in (1, 3):
            jit.set_n_threads(n)
            both = (None, wiring.grid(6, 10))
            machines.append([SemiRestrictedRBM(20, n_epochs=1, batch_size=200, lateral=m).fit(rows) for m in both])
    finally:
        jit.set_n_threads(before)
    assert all(same(a, b) for a, b in zip(*machines))


def test_scikit_learns_own_checks_pass_for_real_valued_rows():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = checks.check_estimator(
            SemiRestrictedRBM(4, visible="gaussian", n_epochs=2, learning_rate=1e-3), on_fail=None
        )
    assert [(f["check_name"], str(f["exception"])) for f in found if f["status"] == "failed"] == []
