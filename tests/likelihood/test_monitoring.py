"""The monitor: what it reports, and that it keeps to its share of the time."""

import itertools
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from harmonium import BoltzmannMachine, ClassificationRBM, ConditionalRBM, SemiRestrictedRBM
from harmonium.likelihood import diagnostics
from harmonium.likelihood.monitoring import Monitor
from harmonium.models import boltzmann, boltzmann_exact, conditional, exact, lateral
from harmonium.models.lateral import Lateral
from harmonium.models.rbm import RBM
from harmonium.testing import made_boltzmann, made_conditional, made_lateral, made_rbm
from harmonium.units import Bernoulli, Gaussian, Joined, Softmax, Spin


def made(share=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return RBM(
        share * rng.normal(0, 1, (6, 4)).astype(np.float32), rng.normal(0, 1, 6).astype(np.float32),
        np.zeros(4, np.float32), Bernoulli(6), Bernoulli(4),
    )  # fmt: skip


def drawn(rbm, n, seed):
    states = rbm.visible.states().astype(np.float32)
    p = np.exp(exact.log_likelihood(rbm, states))
    return states[np.random.default_rng(seed).choice(len(states), n, p=p / p.sum())]


V = drawn(made(), 500, 1)


def test_a_monitor_reports_everything_and_follows_the_likelihood():
    v = drawn(made(), 600, 9)
    monitor = Monitor(v[:300], v[300:], share=1e9)
    for k, share in enumerate(np.linspace(0.2, 1, 9)):
        rbm = made(share)
        found = monitor(rbm, SimpleNamespace(v=drawn(rbm, 400, k)))
    assert found["log_z"] == pytest.approx(exact.log_partition(rbm), abs=4 * found["log_z_error"])
    assert found["log_likelihood_validation"] == pytest.approx(exact.log_likelihood(rbm, v[300:]).mean(), abs=0.5)
    assert found["free_energy_above_noise"] > 0
    assert found["free_energy_overfit"] == pytest.approx(0, abs=0.5)
    assert found["autocorrelation_time"] >= 1
    assert found["pseudo_log_likelihood"] < 0 < found["reconstruction_error"]
    assert all(isinstance(value, float) for value in found.values())


def test_slow_chains_are_warned_of():
    W = 6 * np.ones((6, 1), np.float32)  # two modes: all on, all off
    rbm = RBM(W, np.full(6, -3, np.float32), np.full(1, -18, np.float32), Bernoulli(6), Bernoulli(1))
    v = np.repeat(np.float32([[0] * 6, [1] * 6]), 10, axis=0)
    monitor = Monitor(v, share=1e9)
    monitor(rbm, SimpleNamespace(v=v))
    assert "chains need" in monitor.warning and "between two updates" in monitor.warning


def test_a_model_without_chains_or_with_real_valued_units_reports_what_it_can():
    rbm = RBM(np.zeros((3, 2)), np.zeros(3), np.zeros(2), Gaussian(3), Bernoulli(2))
    v = np.random.default_rng(0).normal(size=(50, 3))
    found = Monitor(v, share=1e9)(rbm, SimpleNamespace(v=np.empty((0, 3))))
    assert set(found) == {"free_energy_train", "free_energy_noise", "free_energy_above_noise", "reconstruction_error"}


def coupled(share=1.0, n_hidden=2, seed=0):
    """A Boltzmann machine of six visible units, and exact joint draws of it."""
    bm = made_boltzmann(6, 1 - np.eye(6 + n_hidden), spread=0.8, seed=seed)
    return boltzmann.machine(share * bm.J, bm.b, bm.visible)


def joint_draws(bm, n, seed):
    p = boltzmann_exact.probabilities(bm)
    return boltzmann_exact.states(bm.n_units, bm.values)[np.random.default_rng(seed).choice(len(p), n, p=p)]


@pytest.mark.parametrize("n_hidden", [0, 2])
def test_a_boltzmann_machine_is_followed_likewise(n_hidden):
    v = joint_draws(coupled(n_hidden=n_hidden), 600, 9)[:, :6]
    monitor = Monitor(v[:300], v[300:], share=1e9)
    for k, share in enumerate(np.linspace(0.2, 1, 9)):
        bm = coupled(share, n_hidden)
        found = monitor(bm, SimpleNamespace(v=joint_draws(bm, 400, k)))
    assert found["log_z"] == pytest.approx(boltzmann_exact.log_partition(bm), abs=4 * found["log_z_error"])
    exactly = boltzmann_exact.log_likelihood(bm, v[300:]).mean()
    assert found["log_likelihood_validation"] == pytest.approx(exactly, abs=0.5)
    assert found["free_energy_above_noise"] > 0 and found["autocorrelation_time"] >= 1
    assert ("pseudo_log_likelihood" in found) == (n_hidden == 0)
    without = Monitor(v, share=1e9)(bm, SimpleNamespace(v=np.empty((0, bm.n_units))))
    assert set(without) - {"pseudo_log_likelihood"} == {
        "free_energy_train", "free_energy_noise", "free_energy_above_noise",
    }  # fmt: skip


@pytest.mark.parametrize("pair", [(Bernoulli(5), Bernoulli(3)), (Spin(5), Spin(2))], ids=["bits", "spins"])
def test_a_semi_restricted_machine_is_followed_likewise(pair):
    whole = made_lateral(*pair, seed=3)
    states = pair[0].states()

    def smaller(share):
        rbm = whole.rbm
        return Lateral(RBM(share * rbm.W, rbm.b, rbm.c, *pair), share * whole.L)

    def draws(model, n, seed):
        p = np.exp(lateral.log_likelihood(model, states))
        return states[np.random.default_rng(seed).choice(len(states), n, p=p / p.sum())]

    v = draws(whole, 600, 9)
    monitor = Monitor(v[:300], v[300:], share=1e9)
    for k, share in enumerate(np.linspace(0.2, 1, 9)):
        found = monitor(smaller(share), SimpleNamespace(v=draws(smaller(share), 400, k)))
    assert found["log_z"] == pytest.approx(lateral.log_partition(whole), abs=4 * found["log_z_error"])
    exactly = lateral.log_likelihood(whole, v[300:]).mean()
    assert found["log_likelihood_validation"] == pytest.approx(exactly, abs=0.5)
    assert found["free_energy_above_noise"] > 0 and found["autocorrelation_time"] >= 1
    assert found["pseudo_log_likelihood"] < 0 and "reconstruction_error" not in found


def test_a_conditional_machine_tells_what_does_not_need_the_partition_functions():
    model = made_conditional(Bernoulli(4), Bernoulli(2), seed=2)
    rng = np.random.default_rng(0)
    rows = np.hstack((rng.integers(0, 2, (50, 4)), rng.normal(size=(50, 2))))
    found = Monitor(rows, rows[:20], share=1e9)(model, SimpleNamespace(v=rows[:9]))
    assert found["free_energy_train"] == pytest.approx(conditional.free_energy(model, rows[:, :4], rows[:, 4:]).mean())
    assert found["reconstruction_error"] > 0 > found["pseudo_log_likelihood"]
    assert not {"log_z", "autocorrelation_time", "free_energy_fantasies"} & set(found)


def test_noise_keeps_conditions_and_labels_whole():
    model = made_conditional(Bernoulli(4), Bernoulli(2), seed=2)
    rng = np.random.default_rng(0)
    rows = np.hstack((rng.integers(0, 2, (50, 4)), rng.normal(size=(50, 2))))
    noise = diagnostics.noise_like(model, rows, 1)
    np.testing.assert_array_equal(noise[:, 4:], rows[:, 4:])
    np.testing.assert_array_equal(noise[:, :4].sum(axis=0), rows[:, :4].sum(axis=0))
    both = made_rbm(Joined([Bernoulli(4), Softmax(1, 3)]), Bernoulli(2))
    rows = np.hstack((rng.integers(0, 2, (50, 4)), np.eye(3)[rng.integers(0, 3, 50)]))
    noise = diagnostics.noise_like(both, rows, 1)
    assert (noise[:, 4:].sum(axis=1) == 1).all() and (noise != rows).any()
    np.testing.assert_array_equal(noise.sum(axis=0), rows.sum(axis=0))


BITS = np.repeat([[0.0, 0, 1, 1], [1, 1, 0, 0]], 60, axis=0)
EITHER = ["free_energy_train", "free_energy_above_noise"]


@pytest.mark.parametrize(
    ("estimator", "given", "names"),
    [
        (SemiRestrictedRBM(3, method="pcd"), {}, ["log_z", "autocorrelation_time", "pseudo_log_likelihood"]),
        (SemiRestrictedRBM(3, method="cd", visible="gaussian"), {}, []),
        (ConditionalRBM(3), {"condition": BITS[:, :1]}, ["reconstruction_error", "pseudo_log_likelihood"]),
        (ConditionalRBM(3, method="pcd"), {}, ["reconstruction_error", "log_z", "autocorrelation_time"]),
        (
            ClassificationRBM(3, method="pcd"),
            {"y": BITS[:, 0]},
            ["log_z", "autocorrelation_time", "free_energy_astray"],
        ),
        (ClassificationRBM(3, discrimination=1.0), {"y": BITS[:, 0]}, ["reconstruction_error"]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_every_restricted_machine_can_be_monitored_while_it_learns(monkeypatch, estimator, given, names):
    for room in ("dense", "classification_rbm"):
        monkeypatch.setattr(f"harmonium.estimators.{room}.Monitor", partial(Monitor, share=1e9))
    machine = estimator.set_params(monitor=True, n_epochs=3, batch_size=20).fit(BITS, **given)
    epochs = [event for event in machine.history_ if event.kind == "dense epoch"]
    assert len(epochs) == 3
    for event in epochs:
        assert {*EITHER, *names} <= set(event.monitored) and np.isfinite(list(event.monitored.values())).all()
    unseen = estimator.set_params(monitor=False).fit(BITS, **given).history_
    assert all(not event.monitored for event in unseen if event.kind == "dense epoch")


def test_free_energies_of_many_tied_hidden_units_are_bounded_from_above():
    bm = made_boltzmann(4, 1 - np.eye(15), spread=0.3)
    v = boltzmann_exact.states(4)
    found, exactly = diagnostics.free_energy(bm, v), boltzmann_exact.free_energy(bm, v)
    assert (found >= exactly).all()
    np.testing.assert_allclose(found, exactly, atol=0.3)


@pytest.mark.parametrize("method", ["exact", "pcd", "full-chain", "multi-prediction"])
def test_what_was_measured_leaves_in_the_events_of_a_boltzmann_machine(monkeypatch, method):
    monkeypatch.setattr("harmonium.estimators.boltzmann_machine.Monitor", partial(Monitor, share=1e9))
    rows = np.repeat([[0.0] * 6, [1.0] * 6], 40, axis=0)
    machine = BoltzmannMachine(method=method, n_epochs=15, learning_rate=0.2).fit(rows, validation=rows[::5])
    epochs = machine.history_[1:-1]
    assert all(np.isfinite(event.monitored["free_energy_overfit"]) for event in epochs)
    last = epochs[-1]
    assert ("log_z" in last.monitored) == (method in ("pcd", "full-chain"))
    if method == "pcd":
        assert any("chains need" in event.warning for event in epochs)
    assert BoltzmannMachine(method=method, n_epochs=1).fit(rows).history_[1].monitored == {}


def test_measuring_keeps_to_its_share_of_the_time():
    """A clock that shows one second an epoch, and a tenth of a second whenever it is looked at."""
    seconds = itertools.count(0, 0.1)
    monitor = Monitor(V, V, share=0.05, clock=lambda: next(seconds))
    rbm, reported, n_epochs = made(), [], 200
    for _ in range(n_epochs):
        for _ in range(10):
            next(seconds)
        reported.append(set(monitor(rbm, SimpleNamespace(v=V))))
    assert 0 < monitor.spent <= 0.05 * next(seconds)
    assert {"log_z", "free_energy_train", "reconstruction_error", "r_hat", "pseudo_log_likelihood"} <= set().union(
        *reported
    )


def test_what_chooses_a_model_is_measured_every_time_whatever_it_costs():
    seconds = itertools.count()
    monitor = Monitor(V, V, share=1e-9, always=("pseudo",), clock=lambda: next(seconds))
    found = [set(monitor(made(), SimpleNamespace(v=V))) for _ in range(5)]
    assert all("pseudo_log_likelihood" in measured for measured in found)
    assert found[-1] == {"pseudo_log_likelihood"}
