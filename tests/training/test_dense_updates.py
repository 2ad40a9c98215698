"""What an update does beside following a gradient: optimisers, decay, sparsity, norms, schedules, fast weights."""

import numpy as np
import pytest

from harmonium.kernels import cpu, reference
from harmonium.kernels.constants import ADAGRAD, ADAM, MOMENTUM
from harmonium.kernels.reference_dense import Rule
from harmonium.kernels.reference_few import Few, Plan
from harmonium.randomness import key_of, keys_of
from harmonium.testing import made_rbm
from harmonium.training.dense import few, loop, update
from harmonium.training.dense import state as states
from harmonium.training.dense.settings import DenseLearning
from harmonium.units import Bernoulli

f32 = np.float32


@pytest.mark.parametrize("rule", [MOMENTUM, ADAGRAD, ADAM])
@pytest.mark.parametrize("shape", [(3, 5), (700, 400)])
def test_optimisers_are_the_same_on_every_backend(rule, shape):
    out = []
    for module in (reference, cpu):
        rng = np.random.default_rng(0)
        w, g, first, second = (rng.random(shape, dtype=f32) for _ in range(4))
        module.ascend(w, g, first, second, Rule(rule, *map(f32, (0.1, 0.01, 0.9, 0.99, 1.5, 1.2, 1e-6))))
        out.append((w, first, second))
    for expected, found in zip(*out):
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-7)


def run(X, rbm=None, n_epochs=1, **settings):
    """Return the state after some epochs from a made machine."""
    learning = DenseLearning(**{"n_epochs": n_epochs, "batch_size": 10, "centring": False} | settings)
    state = states.start(rbm or made_rbm(Bernoulli(4), Bernoulli(3)), learning, 5, X.mean(axis=0), len(X))
    states.begin_chains(state, learning, X[loop._first_cases(X, learning)])
    for _ in range(n_epochs):
        loop.run_epoch(state, X, learning, loop.workspace(state, X, learning))
    return state


X = np.tile([[0, 0, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0]], (20, 1)).astype(f32)


def test_plain_ascent_is_momentum_without_memory():
    """And small mini-batches, which have a kernel of their own, learn as by the general path."""
    for settings in ({}, {"weight_decay": 0.1}, {"centring": True}, {"n_steps": 3, "n_chains": 7, "batch_size": 13}):
        one, other = (run(X, **settings, momentum=m, learning_rate=0.1, n_epochs=2) for m in (0.0, 1e-12))
        assert few.applies(one, X, DenseLearning(**{"batch_size": 10} | settings))
        assert not few.applies(other, X, DenseLearning(momentum=1e-12))
        for name, value in one.arrays.items():
            np.testing.assert_allclose(other.arrays[name], value, atol=2e-5, err_msg=f"{name} {settings}")
        np.testing.assert_array_equal(one.h, other.h)
        np.testing.assert_allclose(one.mu, other.mu, atol=1e-6)
        assert one.n_updates == other.n_updates


@pytest.mark.parametrize("centring", [False, True])
@pytest.mark.parametrize("n_chains", [3, 10, 12])
def test_small_mini_batches_are_the_same_on_every_backend(centring, n_chains):
    out = []
    for module in (reference, cpu):
        rng = np.random.default_rng(0)
        cases = (rng.random((60, 70)) < 0.2).astype(f32)
        W, b, c = (rng.normal(0, 0.3, n).astype(f32) for n in ((70, 41), 70, 41))
        mu, lam, H = (
            rng.random(70, dtype=f32),
            rng.random(41, dtype=f32),
            (rng.random((n_chains, 41)) < 0.5).astype(f32),
        )
        rows = n_chains + 9 + 2
        buffers = [np.zeros(shape, f32) for shape in ((rows, 70), (rows, 41), (rows, 41), (n_chains, 70))]
        few_arrays = Few(W, b, c, H, mu, lam, *buffers)
        keys = rng.integers(2**63, size=(3, 5)).astype(np.uint64)
        plan = Plan(9, 2, f32(0.1), centring, f32(0.05))
        module.pcd_batches(cases, rng.permutation(60)[:25], keys, np.array([0.1, 0.2, 0.3], f32), plan, few_arrays)
        out.append([*few_arrays[:6], few_arrays.V[:n_chains]])
    for expected, found in zip(*out):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_weight_decay_shrinks_the_weights_alone():
    state = run(X, learning_rate=0.0)
    decayed = run(X, learning_rate=1e-6, weight_decay=9.0, n_epochs=50)
    assert np.abs(decayed.arrays["W"]).sum() < np.abs(state.arrays["W"]).sum()
    np.testing.assert_allclose(decayed.arrays["b"], state.arrays["b"], atol=1e-3)


def test_hidden_units_are_drawn_to_the_sparsity_target():
    activity = []
    for cost in (0.0, 3.0):
        state = run(X, n_epochs=60, learning_rate=0.05, sparsity_cost=cost, sparsity_target=0.05)
        activity.append(float(state.hidden.mean(X @ state.arrays["W"] + state.arrays["c"]).mean()))
    assert activity[1] < 0.15 < activity[0]


def test_no_hidden_unit_has_longer_weights_than_allowed():
    state = run(X, n_epochs=5, learning_rate=0.5, max_norm=0.3)
    assert np.linalg.norm(state.arrays["W"], axis=0).max() <= 0.3 + 1e-6


@pytest.mark.parametrize(
    ("schedule", "half", "end"),
    [("constant", 1, 1), ("linear", 0.5, 0), ("cosine", 0.5, 0), ("inverse", 1 / 6, 1 / 11)],
)
def test_schedules_go_where_they_say(schedule, half, end):
    learning = DenseLearning(schedule=schedule, learning_rate=1.0, n_epochs=10)
    assert [learning.rate_at(p) for p in (0, 0.5, 1)] == pytest.approx([1, half, end])


def test_fast_weights_decay_to_nothing_without_a_gradient():
    state = run(X, method="fast-pcd", n_epochs=2)
    size = np.abs(state.fast["W"]).max()
    assert size > 0
    for _ in range(300):
        update._fast_weights(state.fast["W"], np.zeros_like(state.fast["W"]), DenseLearning(method="fast-pcd"))
    assert np.abs(state.fast["W"]).max() < 1e-5 * size


def test_persistent_chains_go_on_from_one_update_to_the_next():
    """Without learning, chains that were restarted would never leave their first states' neighbourhood."""
    rbm = made_rbm(Bernoulli(4), Bernoulli(3), spread=0.3)
    short, long = (run(X, rbm, learning_rate=0.0, n_epochs=n).h for n in (1, 2))
    assert (short != long).any()
    assert short.shape == (10, 3)


def test_offsets_follow_the_data_and_not_the_model():
    state = run(X, centring=True, n_epochs=200, offset_rate=0.05, learning_rate=0.0)
    np.testing.assert_allclose(state.mu, X.mean(axis=0), atol=0.05)
    hidden = state.hidden.mean(X @ state.arrays["W"] + state.arrays["c"]).mean(axis=0)
    np.testing.assert_allclose(state.lam, hidden, atol=0.05)


def test_the_full_chain_stops_when_its_halves_agree():
    rbm = made_rbm(Bernoulli(4), Bernoulli(3), spread=0.3)
    learning = DenseLearning(method="full-chain", n_chains=400, batch_size=60, n_epochs=1)
    state = states.start(rbm, learning, 1, X.mean(axis=0), len(X))
    outcome = loop.run_epoch(state, X, learning, loop.workspace(state, X, learning))
    assert 10 <= outcome.n_steps < 2_000
    hard = made_rbm(Bernoulli(4), Bernoulli(3), spread=12.0)
    state = states.start(
        hard, DenseLearning(method="full-chain", n_chains=400, longest_chain=50), 1, X.mean(axis=0), 60
    )
    learning = DenseLearning(method="full-chain", n_chains=400, longest_chain=50, batch_size=60, n_epochs=1)
    assert loop.run_epoch(state, X, learning, loop.workspace(state, X, learning)).n_steps <= 50


def test_keys_of_many_draws_are_those_of_each():
    found = keys_of(2**40 + 3, np.arange(5), 7)
    assert [int(k) for k in found] == [int(key_of(2**40 + 3, n, 7)) for n in range(5)]
