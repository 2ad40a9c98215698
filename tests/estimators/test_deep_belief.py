"""Deep belief networks: likelihood and bound by enumeration, draws against the exact law, the estimator's surface."""

import warnings
from functools import partial

import numpy as np
import pytest

from harmonium import RBM, DeepBeliefNetwork
from harmonium.errors import DataError, ModelFileError, NotFittedError, SettingError
from harmonium.likelihood.monitoring import Monitor
from harmonium.models import deep_belief, exact
from harmonium.models import rbm as rbms
from harmonium.models.deep_belief import DeepBelief
from harmonium.testing import FALSE_ALARMS, chi_square, counts_of, joint_states, made_rbm
from harmonium.training.dense import loop
from harmonium.units import Bernoulli, Gaussian, Spin

NETWORK = DeepBelief(
    (made_rbm(Bernoulli(3), Spin(3), 1), made_rbm(Spin(3), Bernoulli(2), 2), made_rbm(Bernoulli(2), Bernoulli(3), 3))
)
X = np.repeat([[0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]], 30, axis=0).astype(np.float32)


def fitted(network):
    """Return an estimator around a network."""
    out = DeepBeliefNetwork(tuple(rbm.n_hidden for rbm in network.machines))
    out.model_ = network
    return out


def test_the_exact_likelihood_is_the_sum_over_all_hidden_layers():
    v, h, g = joint_states(Bernoulli(3), Spin(3), Bernoulli(2))
    first, second, top = NETWORK.machines
    log_p = (
        deep_belief.log_conditional(first, v, h) + deep_belief.log_conditional(second, h, g)
        - rbms.free_energy(top, g) - exact.log_partition(top)
    )  # fmt: skip
    wanted = np.logaddexp.reduce(log_p.reshape(8, -1), axis=1)
    found = deep_belief.log_likelihood(NETWORK, Bernoulli(3).states())
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    assert np.exp(found).sum() == pytest.approx(1)


def test_the_bound_lies_below_and_is_the_expectation_over_the_way_up():
    v, h = joint_states(Bernoulli(3), Spin(3))
    two = DeepBelief((NETWORK.machines[0], made_rbm(Spin(3), Bernoulli(2), 5)))
    log_z = exact.log_partition(two.top)
    q = np.exp(deep_belief.log_posterior(two.machines[0], v, h))
    expected = (q * deep_belief.bound(two, v, [h], log_z)).reshape(8, -1).sum(axis=1)
    rows = Bernoulli(3).states()
    assert (expected < deep_belief.log_likelihood(two, rows)).all()
    np.testing.assert_allclose(fitted(two).bound(rows, n_draws=4000), expected, atol=0.1)


def test_the_bound_of_one_machine_is_its_likelihood():
    one, rows = DeepBelief(NETWORK.machines[:1]), Bernoulli(3).states()
    np.testing.assert_allclose(fitted(one).bound(rows, n_draws=1), exact.log_likelihood(one.top, rows), rtol=1e-6)


def test_draws_have_the_exact_law():
    rows = Bernoulli(3).states()
    drawn = fitted(NETWORK).sample(8_000, n_steps=40, rng=1)
    assert chi_square(counts_of(drawn, rows), np.exp(deep_belief.log_likelihood(NETWORK, rows))) > FALSE_ALARMS


def test_a_network_learns_layer_by_layer():
    how = {"n_epochs": 200, "learning_rate": 0.2, "batch_size": 30, "n_chains": 100}
    network = DeepBeliefNetwork((6, 4), n_steps=3, **how).fit(X)
    alone = RBM(6, random_state=0, n_steps=3, **how).fit(X)
    np.testing.assert_array_equal(network.model_.machines[0].W, alone.model_.W)
    assert network.score(X) > -1.8  # log 3 = 1.10 is the best possible, 2.8 that of chance
    assert network.bound(X).mean() < network.score(X) + 0.05
    assert network.transform(X).shape == (90, 4)
    assert network.sample(50, n_steps=20, rng=0).shape == (50, 4)
    assert list(network.get_feature_names_out()[:1]) == ["deepbeliefnetwork0"]


def test_a_saved_network_is_read_back(tmp_path):
    network = DeepBeliefNetwork((5, 3), visible=Gaussian(4), n_epochs=2).fit(X)
    network.save(tmp_path / "n.harmonium")
    again = DeepBeliefNetwork.load(tmp_path / "n.harmonium")
    np.testing.assert_array_equal(again.transform(X), network.transform(X))
    np.testing.assert_array_equal(again.sample(5, n_steps=3, rng=0), network.sample(5, n_steps=3, rng=0))
    assert again.get_params()["n_epochs"] == 2
    (tmp_path / "n.harmonium").write_bytes(b"no")
    with pytest.raises(ModelFileError, match="not a model file"):
        DeepBeliefNetwork.load(tmp_path / "n.harmonium")


@pytest.mark.parametrize("stop", [2, 5, 7])
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("method", ["cd", "pcd"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, monkeypatch, method, visible, stop):
    """Stopped in the first layer, in the second, and while both learn together."""
    monkeypatch.setattr("harmonium.training.checkpoints.SAVE_EVERY", -1.0)
    settings = {"visible": visible, "method": method, "n_epochs": 3, "n_fine_tuning_epochs": 3, "batch_size": 20}
    whole, path = DeepBeliefNetwork((3, 2), **settings).fit(X), tmp_path / "run.checkpoint"
    run, n_saved = DeepBeliefNetwork((3, 2), **settings).fitting(X, checkpoint=path), 0
    while n_saved < stop:
        n_saved += next(run).kind == "saved"
    run.close()
    seen = []
    again = DeepBeliefNetwork((3, 2), **settings).fit(X, checkpoint=path, resume=True, watch=seen.append)
    assert len([event for event in seen if event.kind == "dense epoch"]) == 9 - stop

    def equal():
        for group in ("machines", "recognition"):
            for mine, its in zip(getattr(again.model_, group), getattr(whole.model_, group)):
                for name, array in rbms.arrays(its).items():
                    np.testing.assert_array_equal(rbms.arrays(mine)[name], array)

    equal()
    again.partial_fit(X), whole.partial_fit(X)
    equal()
    with pytest.raises(ModelFileError, match="these differ: learning_rate"):
        DeepBeliefNetwork((3, 2), **settings, fine_tuning_rate=0.1).fit(X, checkpoint=path, resume=True)
    with pytest.raises(ModelFileError, match="these differ: cases"):
        DeepBeliefNetwork((3, 2), **settings).fit(X[1:], checkpoint=path, resume=True)


@pytest.mark.parametrize("epochs", [1, 3])
def test_ctrl_c_ends_the_whole_fit_with_the_network_so_far(monkeypatch, epochs):
    """In the first layer, and in the second of three."""
    real, calls = loop.run_epoch, []

    def run_epoch(*given):
        calls.append(given)
        if len(calls) == epochs + 1:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(loop, "run_epoch", run_epoch)
    network = DeepBeliefNetwork((4, 3, 2), n_epochs=2, n_fine_tuning_epochs=2).fit(X)
    assert len(calls) == epochs + 1 and network.history_[-1].reason == "interrupted"
    assert np.isfinite(network.score(X)) and network.transform(X).shape == (90, 2)
    calls[:] = epochs * [None]  # in the first epoch of all
    with pytest.raises(KeyboardInterrupt):
        DeepBeliefNetwork((4, 3)).fit(X)


def test_a_watcher_that_ends_it_leaves_the_network_so_far():
    def enough(event):
        if event.kind == "dense epoch" and event.epoch == 2:
            raise KeyboardInterrupt

    network = DeepBeliefNetwork((4, 3), n_epochs=5).fit(X, watch=enough)
    assert np.isfinite(network.score(X))
    assert [event.kind for event in network.history_] == ["began", "dense epoch", "dense epoch"]


def test_layers_are_monitored_while_they_learn(monkeypatch):
    monkeypatch.setattr("harmonium.estimators.deep_belief.Monitor", partial(Monitor, share=1e9))
    network = DeepBeliefNetwork((4, 3), method="pcd", n_epochs=3, monitor=True).fit(X)
    epochs = [event for event in network.history_ if event.kind == "dense epoch"]
    assert len(epochs) == 6
    for event in epochs:
        assert {"log_z", "free_energy_train", "reconstruction_error"} <= set(event.monitored)
    top = exact.log_partition(network.model_.top)
    assert epochs[-1].monitored["log_z"] == pytest.approx(top, abs=0.5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(SettingError, match="n_hidden"):
        DeepBeliefNetwork((5, 0)).fit(X)
    with pytest.raises(SettingError, match="visible layer of number 1"):
        DeepBelief((NETWORK.machines[0], NETWORK.machines[2]))
    with pytest.raises(NotFittedError, match="not fitted"):
        DeepBeliefNetwork().transform(X)
    with pytest.raises(DataError, match="expecting 4 features"):
        DeepBeliefNetwork((3,), n_epochs=1).fit(X).transform(X[:, :3])
    with pytest.raises(SettingError, match="no free energy"):
        fitted(NETWORK).free_energy(X)


def test_scikit_learns_own_checks_pass_for_real_valued_rows():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = checks.check_estimator(DeepBeliefNetwork((4, 3), visible="gaussian", n_epochs=2), on_fail=None)
    assert [(f["check_name"], str(f["exception"])) for f in found if f["status"] == "failed"] == []
