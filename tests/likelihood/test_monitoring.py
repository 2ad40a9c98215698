"""The monitor: what it reports, and that it keeps to its share of the time."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from harmonium.likelihood.monitoring import Monitor
from harmonium.models import exact
from harmonium.models.rbm import RBM
from harmonium.units import Bernoulli, Gaussian


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
