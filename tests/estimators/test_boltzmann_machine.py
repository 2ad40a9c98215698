"""The BoltzmannMachine estimator: its surface, its errors and its files."""

import numpy as np
import pytest
from scipy import sparse

from harmonium.errors import DataError, ModelFileError, NotFittedError, SettingError
from harmonium.estimators.boltzmann_machine import BoltzmannMachine
from harmonium.models import boltzmann_exact


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
    with pytest.raises(DataError, match="3 columns, the machine 4"):
        machine.partial_fit(X[:, :3])


def test_events_reach_the_watcher_and_the_history():
    seen = []
    machine = BoltzmannMachine(method="pcd", n_epochs=3).fit(rows(), watch=seen.append)
    assert [event.epoch for event in seen] == [1, 2, 3]
    assert machine.history_ == seen
    assert seen[0].to_dict()["kind"] == "boltzmann_epoch"


def test_an_interrupted_fit_keeps_the_model_so_far():
    def stop(event):
        if event.epoch == 2:
            raise KeyboardInterrupt

    machine = BoltzmannMachine(method="pcd", n_epochs=50).fit(rows(), watch=stop)
    assert len(machine.history_) == 2
    assert machine.score(rows()) > -3


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
        (np.where(np.arange(4) == 1, np.nan, X), "row 0, column 1: nan"),
        (np.empty((0, 4)), r"0 sample\(s\)"),
        ([1, 0], "Expected 2D array"),
        ([["a", "b"]], "not all numbers"),
    ):
        with pytest.raises(DataError, match=message):
            machine.fit(bad)
    with pytest.raises(DataError, match=r"\(cases, 4\)"):
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
