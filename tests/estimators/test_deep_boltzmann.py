"""Deep Boltzmann machines: pre-training with doubled layers, joint learning, the estimator's surface and files."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from harmonium import DeepBoltzmannMachine
from harmonium.errors import DataError, ModelFileError, NotFittedError, SettingError
from harmonium.estimators import cases
from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.testing import made_rbm
from harmonium.training import pretraining
from harmonium.training.dense import loop
from harmonium.training.dense.settings import DenseLearning
from harmonium.units import Bernoulli, Binomial

X = np.repeat([[0, 0, 1, 1], [1, 1, 0, 0]], 50, axis=0)
LEARN = {"n_steps": 20, "n_epochs": 150, "learning_rate": 0.02}


def test_a_doubled_layer_is_two_copies_with_tied_weights():
    rbm = made_rbm(Binomial(3, 2), Bernoulli(2))
    tied = RBM(np.vstack((rbm.W, rbm.W)), np.tile(rbm.b, 2), rbm.c, Bernoulli(6), Bernoulli(2))
    assert exact.log_partition(rbm) == pytest.approx(exact.log_partition(tied))
    v = Bernoulli(3).states()
    np.testing.assert_allclose(rbms.hidden_mean(rbm, 2 * v), rbms.hidden_mean(tied, np.hstack((v, v))))


def test_pretraining_doubles_the_outer_layers_and_is_put_together_layer_by_layer():
    learning = DenseLearning(n_epochs=3)
    machines = pretraining.stacked(X.astype(np.float32), [4, 3, 2], learning, 0)
    kinds = [(rbm.visible.kind, rbm.hidden.kind) for rbm in machines]
    assert kinds == [("binomial", "bernoulli"), ("binomial", "binomial"), ("bernoulli", "binomial")]
    bm = pretraining.assembled(machines)
    J = bm.J.toarray()
    for rbm, start, middle in zip(machines, (0, 4, 8), (4, 8, 11)):
        np.testing.assert_allclose(J[start:middle, middle : middle + rbm.n_hidden], rbm.W)
    np.testing.assert_allclose(bm.b[4:8], (machines[0].c + machines[1].b) / 2, rtol=1e-6)
    assert np.count_nonzero(J) == 2 * (4 * 4 + 4 * 3 + 3 * 2)


def test_pretraining_alone_is_a_better_start_than_chance():
    how = {"n_pretraining_epochs": 100, "pretraining_rate": 0.1, "batch_size": 10, "n_epochs": 1, "learning_rate": 0.0}
    assert DeepBoltzmannMachine((4, 3), **how).fit(X).score(X) > -1.2  # 2.8 is chance, 0.69 the best possible


@pytest.mark.parametrize("n_pretraining_epochs", [0, 30])
def test_joint_learning_comes_near_the_best_possible(n_pretraining_epochs):
    machine = DeepBoltzmannMachine((3, 2), n_pretraining_epochs=n_pretraining_epochs, **LEARN).fit(X)
    assert machine.score(X) > -1.15  # 0.69 is the best possible
    assert sum(event.kind == "boltzmann epoch" for event in machine.history_) == 150
    drawn = machine.sample(400, n_sweeps=50, rng=1)
    assert (drawn[:, :2] != drawn[:, 2:]).all(axis=1).mean() > 0.5
    filled = machine.fill_in(np.repeat([[1, 1, 0, 1]], 200, axis=0), [True, True, False, False], n_sweeps=30, rng=0)
    assert filled[:, 2:].mean() < 0.3
    found = machine.bracket(X, rng=0)
    assert found.lower - 1e-9 <= machine.score(X) <= found.upper + 1e-9


def test_hidden_means_tell_the_rows_apart_and_settle_each_other():
    machine = DeepBoltzmannMachine((3, 2), **LEARN).fit(X)
    first, second = machine.hidden_means(X)
    np.testing.assert_array_equal(machine.transform(X), second)
    J, b = machine.model_.J.toarray(), machine.model_.b
    np.testing.assert_allclose(second, 1 / (1 + np.exp(-(first @ J[4:7, 7:] + b[7:]))), atol=1e-5)
    assert np.abs(first[0] - first[-1]).max() > 0.3


def test_a_saved_machine_is_read_back(tmp_path):
    machine = DeepBoltzmannMachine((3, 2), n_epochs=3).fit(X)
    machine.save(tmp_path / "m.harmonium")
    again = DeepBoltzmannMachine.load(tmp_path / "m.harmonium")
    np.testing.assert_array_equal(again.transform(X), machine.transform(X))
    assert again.score(X) == machine.score(X)
    (tmp_path / "m.harmonium").write_bytes(b"no")
    with pytest.raises(ModelFileError, match="not a model file"):
        DeepBoltzmannMachine.load(tmp_path / "m.harmonium")


@pytest.mark.parametrize(("n_pretraining_epochs", "stop"), [(3, 2), (3, 5), (3, 8), (0, 2)])
@pytest.mark.parametrize("method", ["pcd", "tempered-pcd"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    tmp_path, monkeypatch, n_pretraining_epochs, stop, method
):
    """Stopped in the first layer, in the second, and while all learn jointly."""
    monkeypatch.setattr("harmonium.training.checkpoints.SAVE_EVERY", -1.0)
    settings = {"n_pretraining_epochs": n_pretraining_epochs, "n_epochs": 4, "method": method, "batch_size": 30}
    whole, path = DeepBoltzmannMachine((3, 2), **settings).fit(X), tmp_path / "run.checkpoint"
    run, n_saved = DeepBoltzmannMachine((3, 2), **settings).fitting(X, checkpoint=path), 0
    while n_saved < stop:
        n_saved += next(run).kind == "saved"
    run.close()
    seen = []
    again = DeepBoltzmannMachine((3, 2), **settings).fit(X, checkpoint=path, resume=True, watch=seen.append)
    np.testing.assert_array_equal(again.model_.J.toarray(), whole.model_.J.toarray())
    np.testing.assert_array_equal(again.model_.b, whole.model_.b)
    epochs = [event for event in seen if event.kind in ("dense epoch", "boltzmann epoch")]
    assert len(epochs) == 2 * n_pretraining_epochs + 4 - stop
    again.partial_fit(X), whole.partial_fit(X)
    np.testing.assert_array_equal(again.model_.b, whole.model_.b)
    with pytest.raises(ModelFileError, match="these differ: learning_rate"):
        DeepBoltzmannMachine((3, 2), **settings, learning_rate=0.1).fit(X, checkpoint=path, resume=True)


def test_a_machine_from_a_file_learns_on_with_its_chains(tmp_path):
    machine = DeepBoltzmannMachine((3, 2), n_pretraining_epochs=1, n_epochs=3, inference="mean-field").fit(X)
    machine.save(tmp_path / "m.harmonium")
    again = DeepBoltzmannMachine.load(tmp_path / "m.harmonium").partial_fit(X)
    machine.partial_fit(X)
    np.testing.assert_array_equal(again.model_.J.toarray(), machine.model_.J.toarray())


def test_what_does_not_fit_is_refused():
    with pytest.raises(SettingError, match="n_hidden: \\(3,\\) is not at least two"):
        DeepBoltzmannMachine((3,)).fit(X)
    with pytest.raises(DataError, match="row 0, column 0 is 2"):
        DeepBoltzmannMachine((3, 2)).fit(X + 2)
    with pytest.raises(NotFittedError, match="not fitted"):
        DeepBoltzmannMachine().transform(X)


def test_events_of_all_layers_and_of_joint_learning_reach_the_watcher():
    seen = []
    machine = DeepBoltzmannMachine((3, 2), n_pretraining_epochs=2, n_epochs=3).fit(X, watch=seen.append)
    kinds = [event.kind for event in seen]
    joint = ["began", *3 * ["boltzmann epoch"], "ended"]
    assert kinds == 2 * ["began", "dense epoch", "dense epoch", "ended"] + joint
    assert machine.history_ == seen and seen[-1].machine == "deep"


@pytest.mark.parametrize("epochs", [1, 3])
def test_ctrl_c_while_layers_learn_on_their_own_ends_the_whole_fit(monkeypatch, epochs):
    """In the first layer, and in the second of three."""
    real, calls = loop.run_epoch, []

    def run_epoch(*given):
        calls.append(given)
        if len(calls) == epochs + 1:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(loop, "run_epoch", run_epoch)
    machine = DeepBoltzmannMachine((4, 3, 2), n_pretraining_epochs=2, n_epochs=3).fit(X)
    assert len(calls) == epochs + 1 and machine.history_[-1].reason == "interrupted"
    assert np.isfinite(machine.score(X))
    J = machine.model_.J.toarray()
    assert 0 < np.abs(J[8:11, 11:]).max() < 0.3  # of the top machine, which had not begun
    calls[:] = epochs * [None]  # in the first epoch of all
    with pytest.raises(KeyboardInterrupt):
        DeepBoltzmannMachine((4, 3), n_pretraining_epochs=2).fit(X)


def test_a_watcher_that_ends_pretraining_leaves_the_machine_so_far():
    def enough(event):
        if event.kind == "dense epoch" and event.epoch == 2:
            raise KeyboardInterrupt

    machine = DeepBoltzmannMachine((4, 3), n_pretraining_epochs=5).fit(X, watch=enough)
    assert np.isfinite(machine.score(X))
    assert [event.kind for event in machine.history_] == ["began", "dense epoch", "dense epoch"]


@pytest.mark.parametrize("n_pretraining_epochs", [0, 2])
def test_sparse_rows_give_the_machine_of_dense_ones(monkeypatch, tmp_path, n_pretraining_epochs):
    monkeypatch.setattr(pretraining, "BLOCK", 7)
    how = {"n_pretraining_epochs": n_pretraining_epochs, "n_epochs": 2, "batch_size": 30}
    dense, thin = (DeepBoltzmannMachine((4, 3, 2), **how).fit(x) for x in (X, sparse.csr_matrix(X)))
    np.testing.assert_allclose(thin.model_.J.toarray(), dense.model_.J.toarray(), atol=1e-6)
    np.testing.assert_allclose(thin.model_.b, dense.model_.b, atol=1e-6)
    monkeypatch.setattr(cases, "BLOCK", 7)
    wrong = sparse.csr_matrix(X).astype(float).tolil()
    wrong[40, 1] = 0.5
    with pytest.raises(DataError, match=r"row 40, column 1 is 0\.5"):
        DeepBoltzmannMachine((3, 2)).fit(wrong.tocsr())


def test_partial_fit_goes_on_jointly():
    machine = DeepBoltzmannMachine((3, 2), n_pretraining_epochs=30, **LEARN).fit(X)
    before, n = machine.score(X), len(machine.history_)
    machine.partial_fit(X, n_epochs=5)
    assert machine.score(X) > before - 0.3 and len(machine.history_) == n + 7  # epochs between Began and Ended
    begun = DeepBoltzmannMachine((3, 2), n_pretraining_epochs=2)
    assert begun.partial_fit(X, n_epochs=2).n_epochs == DeepBoltzmannMachine().n_epochs


def test_multi_prediction_learns_what_left_out_units_are():
    how = {"method": "multi-prediction", "n_steps": 5, "n_epochs": 100, "learning_rate": 0.05}
    machine = DeepBoltzmannMachine((3, 2), n_pretraining_epochs=0, **how).fit(X)
    values = [event.objective for event in machine.history_[1:-1]]
    assert values[0] < -1.2 and values[-1] > -0.4  # two units are left out on average; biases alone pay 1.39 for them
    with pytest.raises(SettingError, match="method: 'exact'"):
        DeepBoltzmannMachine((3, 2), method="exact").fit(X)


def test_scikit_learns_own_checks_pass_on_rows_it_can_take(monkeypatch):
    """Those checks learn from normal numbers; here those above 0 are 1, as a pipeline would do."""
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    read = cases.read

    def as_bits(X, name="X"):
        table = read(X, name)
        if not np.isfinite(table.X.data if sparse.issparse(table.X) else table.X).all():
            return table
        return table._replace(X=(table.X > 0).astype(np.float32))

    monkeypatch.setattr(cases, "read", as_bits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = checks.check_estimator(DeepBoltzmannMachine((3, 2), n_pretraining_epochs=1, n_epochs=2), on_fail=None)
    assert [(f["check_name"], str(f["exception"])) for f in found if f["status"] == "failed"] == []
