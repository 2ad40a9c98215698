"""Diagnostics of learning against enumeration and against processes whose answer is known."""

import itertools

import numpy as np
import pytest

from harmonium.errors import SettingError
from harmonium.likelihood import online
from harmonium.likelihood.diagnostics import (
    free_energies,
    noise_like,
    pseudo_log_likelihood,
    reconstruction_error,
)
from harmonium.models import boltzmann, boltzmann_exact, conditional, exact, lateral
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.sampling.mixing import advice, mixing, r_hat
from harmonium.testing import made_conditional, made_lateral
from harmonium.units import Bernoulli, Gaussian, Softmax, Spin

Z_LIMIT = 4.0  # standard errors; a right estimate exceeds them once in 16,000


def made(visible, hidden=None, seed=0, spread=0.8):
    rng, hidden = np.random.default_rng(seed), hidden or Bernoulli(4)
    shape = visible.width, hidden.width
    return RBM(*(rng.normal(0, spread, size) for size in (shape, *shape)), visible, hidden)


def written_out(log_p, states, v, width):
    """Sum of log p(unit | others) from the listed joint law; a unit is `width` columns."""
    total = 0.0
    for first in range(0, v.shape[0], width):
        rest = np.delete(np.arange(len(v)), np.arange(first, first + width))
        same = (states[:, rest] == v[rest]).all(axis=1)
        total += log_p[(states == v).all(axis=1)][0] - np.logaddexp.reduce(log_p[same])
    return total


@pytest.mark.parametrize(("visible", "width"), [(Bernoulli(4), 1), (Spin(4), 1), (Softmax(3, 3), 3)])
def test_pseudo_likelihood_is_the_sum_of_the_exact_conditionals(visible, width):
    rbm = made(visible)
    states = visible.states()
    log_p = exact.log_likelihood(rbm, states)
    expected = [written_out(log_p, states, v, width) for v in states]
    np.testing.assert_allclose(pseudo_log_likelihood(rbm, states), expected, atol=1e-10)


@pytest.mark.parametrize("values", ["bits", "spins"])
def test_pseudo_likelihood_of_a_boltzmann_machine_is_the_same_sum(values):
    rng = np.random.default_rng(1)
    J = np.triu(rng.normal(0, 1, (5, 5)), 1)
    bm = boltzmann.machine(J + J.T, rng.normal(0, 1, 5), [3, 1, 0, 2, 4], values)
    states = boltzmann_exact.states(5, values)
    log_p = boltzmann_exact.log_likelihood(bm, states)
    expected = [written_out(log_p, states, v, 1) for v in states]
    np.testing.assert_allclose(pseudo_log_likelihood(bm, states), expected, atol=1e-10)


@pytest.mark.parametrize("pair", [(Bernoulli(4), Bernoulli(2)), (Spin(3), Softmax(1, 3))], ids=["bits", "spins"])
def test_pseudo_likelihood_with_ties_or_conditions_is_the_same_sum(pair):
    states, u = pair[0].states(), np.array([0.5, -1.0])
    tied, given = made_lateral(*pair, seed=1), made_conditional(*pair, seed=1)
    beside = np.hstack((states, np.tile(u, (len(states), 1))))
    for model, log_p, rows in (
        (tied, lateral.log_likelihood(tied, states), states),
        (given, exact.log_likelihood(conditional.given(given, u), states), beside),
    ):
        expected = [written_out(log_p, states, v, 1) for v in states]
        np.testing.assert_allclose(pseudo_log_likelihood(model, rows), expected, atol=1e-5)


def test_pseudo_likelihood_refuses_what_it_cannot_list():
    with pytest.raises(SettingError, match="gaussian units have too many values"):
        pseudo_log_likelihood(made(Gaussian(3)), np.zeros((1, 3)))
    with pytest.raises(SettingError, match="there are 2 hidden units"):
        pseudo_log_likelihood(boltzmann.machine(np.zeros((4, 4)), np.zeros(4), [0, 1]), np.zeros((1, 2)))


def test_reconstruction_is_perfect_where_a_row_is_remembered():
    v = np.array([[1.0, 0, 1, 0]])
    W = 40 * (2 * v.T - 1)
    rbm = RBM(W, np.zeros(4), np.array([-20.0]), Bernoulli(4), Bernoulli(1))
    assert reconstruction_error(rbm, v) < 1e-12 < 0.2 < reconstruction_error(rbm, 1 - v)


@pytest.mark.parametrize("visible", [Bernoulli(6), Softmax(4, 3)])
def test_noise_has_the_frequencies_of_the_rows_and_stays_in_the_alphabet(visible):
    v = visible.states(0, 60)
    noise = noise_like(made(visible), v, 0)
    visible.check(noise)
    np.testing.assert_array_equal(noise.sum(axis=0), v.sum(axis=0))
    assert (noise != v).any()


def test_data_lie_lower_than_noise_once_structure_is_learnt():
    """Two units always agree: a machine that knows it puts data lower, one of frequencies alone does not."""
    v = np.repeat([[0.0, 0], [1, 1]], 50, axis=0)
    tied = RBM(np.array([[4.0], [4]]), np.full(2, -2.0), np.array([-4.0]), Bernoulli(2), Bernoulli(1))
    knows = free_energies(tied, v, v[::7], noise_like(tied, v, 3), rng=1)
    assert knows.above_noise > 0.5
    assert knows.astray < 0 and abs(knows.overfit) < 1
    apart = RBM(np.zeros((2, 1)), np.zeros(2), np.zeros(1), Bernoulli(2), Bernoulli(1))
    assert free_energies(apart, v, rng=1).above_noise == pytest.approx(0)
    assert set(knows.to_dict()) >= {"train", "validation", "fantasies", "noise", "above_noise", "overfit", "astray"}


def drawn(rbm, n, seed):
    states = rbm.visible.states()
    p = np.exp(exact.log_likelihood(rbm, states))
    return states[np.random.default_rng(seed).choice(len(states), n, p=p / p.sum())]


@pytest.mark.parametrize(("m", "n"), [(400, 400), (300, 900)])
def test_a_bridge_between_two_machines_is_the_ratio_of_their_z(m, n):
    first, second = made(Bernoulli(5), seed=1), made(Bernoulli(5), seed=2)
    expected, values = exact.log_partition(second) - exact.log_partition(first), []
    for seed in range(40):
        rises = (rbms.free_energy(first, v) - rbms.free_energy(second, v)
                 for v in (drawn(first, m, seed), drawn(second, n, 100 + seed)))  # fmt: skip
        values.append(online.bridge(*rises))
    ratio, error, overlap = np.array(values).T
    assert abs(ratio.mean() - expected) < Z_LIMIT * ratio.std() / np.sqrt(40)
    assert 0.6 < error.mean() / ratio.std() < 1.7
    assert (overlap > 0).all() and (overlap < 1).all()


def test_a_bridge_from_a_machine_to_itself_has_full_overlap():
    assert online.bridge(np.zeros(10), np.zeros(30)) == pytest.approx((0, 0, 1), abs=1e-9)


def test_log_z_is_followed_through_a_training():
    """Twelve steps away from no couplings; each bridge rests on exact draws of both ends."""
    end, shares = made(Bernoulli(6), seed=4), np.linspace(0, 1, 13)

    def at(share):
        return RBM(share * end.W, end.b, end.c, end.visible, end.hidden)

    found = online.begin(at(0), drawn(at(0), 500, 0), rng=1)
    assert found.log_z == pytest.approx(exact.log_partition(at(0)), abs=0.05)
    for k, share in enumerate(shares[1:]):
        found = online.advance(found, at(share), drawn(at(share), 500, k + 1))
        assert found.overlap > 0.5
    assert abs(found.log_z - exact.log_partition(end)) < Z_LIMIT * found.error
    assert 0 < found.error < 0.2


@pytest.mark.parametrize("slow", [0.0, 0.5, 0.9])
def test_the_autocorrelation_time_of_a_process_that_is_known(slow):
    """An autoregressive process of order 1 has the time (1 + slow) / (1 - slow)."""
    rng = np.random.default_rng(0)
    x = np.empty((4_000, 20))
    x[0] = rng.standard_normal(20)
    for t, e in zip(itertools.count(1), rng.standard_normal((3_999, 20))):
        x[t] = slow * x[t - 1] + np.sqrt(1 - slow**2) * e
    found = mixing(x)
    assert found.time == pytest.approx((1 + slow) / (1 - slow), rel=0.1)
    assert found.reliable and found.r_hat < 1.02
    assert found.effective_size == pytest.approx(80_000 / found.time)


def test_chains_that_are_stuck_apart_are_seen():
    rng = np.random.default_rng(0)
    stuck = rng.standard_normal((200, 10)) + 5 * np.arange(10)
    found = mixing(stuck)
    assert found.time > 20 and not found.reliable
    assert r_hat(stuck) > 5
    assert np.isnan(r_hat(np.ones((10, 2))))
    assert r_hat(np.tile([1.0, 2.0], (10, 1))) == np.inf


def test_too_few_steps_between_updates_give_a_plain_warning():
    trace = np.cumsum(np.random.default_rng(0).standard_normal((300, 4)), axis=0)
    found = mixing(trace)
    assert "learning is out of equilibrium" in advice(found, 1)
    assert advice(found, 10_000) == ""
