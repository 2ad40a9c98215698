"""The dense loop with conditions, and with ties among visible units, against the exact gradient."""

import numpy as np
import pytest
from scipy import sparse

from harmonium.models import conditional, lateral
from harmonium.models import rbm as rbms
from harmonium.models.conditional import Conditional
from harmonium.models.lateral import Lateral
from harmonium.testing import gradient, made_rbm
from harmonium.training.dense import chains, loop, records, ties
from harmonium.training.dense import state as states
from harmonium.training.dense.phases import centred
from harmonium.training.dense.settings import DenseLearning
from harmonium.units import Bernoulli, Gaussian, Softmax, Spin

PLAIN = {"optimizer": "momentum", "momentum": 0.0, "learning_rate": 1.0, "n_epochs": 1, "centring": False}
U = np.array([[0.5, -1.0], [1.0, 0.3]])
CONDITIONAL = [(Bernoulli(3), Bernoulli(2)), (Softmax(1, 3), Spin(2)), (Gaussian(2), Bernoulli(2))]
TIED = [(Bernoulli(4), Bernoulli(2)), (Spin(3), Bernoulli(2)), (Gaussian(2), Bernoulli(2)), (Bernoulli(3), Gaussian(1))]


def conditional_one(pair, seed=0):
    """Return a conditional machine with random parameters."""
    rng, rbm = np.random.default_rng(seed), made_rbm(*pair, seed=seed)
    return Conditional(rbm, rng.normal(size=(2, rbm.n_visible)), rng.normal(size=(2, rbm.n_hidden)))


def tied_one(pair, seed=0):
    """Return a semi-restricted machine with random parameters."""
    rng, rbm = np.random.default_rng(seed), made_rbm(*pair, seed=seed)
    L = np.triu(rng.normal(0, 0.6 if rbm.visible.bounded else 0.1, (rbm.n_visible,) * 2), 1)
    return Lateral(rbm, L + L.T)


def cases(model, n):
    """Return a few visible states, repeated to n rows, with conditions behind them where the model has them."""
    rng, layer = np.random.default_rng(1), records.restricted(model).visible
    if isinstance(model, Conditional):
        layer = model.rbm.visible
    few = layer.states()[rng.integers(layer.n_configurations, size=4)] if layer.bounded else rng.normal(size=(4, 2))
    few = np.hstack((few, U[[0, 1, 0, 1]])) if isinstance(model, Conditional) else few
    return np.tile(few, (n // 4, 1)).astype(np.float32)


def begun(model, X, seed=11, mask=None, **settings):
    """Return the state before the first update, and how it learns."""
    learning = DenseLearning(**(PLAIN | {"batch_size": X.shape[0]} | settings))
    if isinstance(model, Lateral) and mask is None:
        mask = 1 - np.eye(len(model.L))
    mean = np.asarray(X.mean(axis=0)).ravel()
    return states.start(model, learning, seed, mean, X.shape[0], mask), learning


def learnt(model, X, **settings):
    """Change of every array in one epoch of one batch by plain ascent of size 1: the gradient."""
    state, learning = begun(model, X, **settings)
    states.begin_chains(state, learning, loop.densely(X, loop._first_cases(X, learning)))
    chains.begin_at_cases(state, X, learning)
    before = {name: a.copy() for name, a in state.arrays.items()}
    loop.run_epoch(state, X, learning, loop.workspace(state, X, learning))
    return {name: state.arrays[name].astype(np.float64) - before[name] for name in before}, state


def exact_slope(model, X):
    """Return the exact gradient by the state's names."""
    state, _ = begun(model, X)
    return ties.exact_slope(state, X.astype(np.float64))


@pytest.mark.parametrize("method", ["cd", "pcd"])
@pytest.mark.parametrize("made", [conditional_one, tied_one], ids=["conditional", "tied"])
@pytest.mark.parametrize("which", range(3))
def test_long_chains_find_the_exact_gradient(made, which, method):
    model = made((CONDITIONAL if made is conditional_one else TIED)[which])
    X = cases(model, 8_000)
    found, _ = learnt(model, X, method=method, n_steps=30)
    for name, g in exact_slope(model, X[:4]).items():
        np.testing.assert_allclose(found[name], g, atol=5 * 3 / np.sqrt(len(X)), err_msg=name)


@pytest.mark.parametrize("settings", [
    {"method": "fast-pcd", "n_steps": 30}, {"method": "full-chain"},
    {"method": "tempered-pcd", "n_steps": 30, "n_betas": 3},
], ids=lambda s: s["method"])  # fmt: skip
@pytest.mark.parametrize("pair", TIED, ids=lambda pair: f"{pair[0].kind}-{pair[1].kind}")
def test_long_chains_of_other_kinds_find_the_exact_gradient_of_ties(pair, settings):
    model = tied_one(pair)
    X = cases(model, 8_000)
    found, _ = learnt(model, X, **settings)
    for name, g in exact_slope(model, X[:4]).items():
        np.testing.assert_allclose(found[name], g, atol=5 * 3 / np.sqrt(len(X)), err_msg=name)


def test_fast_weights_move_ties_too_but_those_that_decide_whether_there_is_a_law():
    for pair, moved in ((TIED[0], True), (TIED[2], False)):
        X = cases(tied_one(pair), 40)
        _, state = learnt(tied_one(pair), X, method="fast-pcd")
        assert ("L" in state.fast) == moved
        assert not moved or (state.fast["L"].any() and not np.diagonal(state.fast["L"]).any())


@pytest.mark.parametrize("pair", CONDITIONAL, ids=lambda pair: pair[0].kind)
def test_the_exact_method_climbs_the_conditional_likelihood(pair):
    model = conditional_one(pair)
    X, n = cases(model, 8), model.rbm.n_visible
    found, state = learnt(model, X, method="exact")
    for name, g in exact_slope(model, X).items():
        np.testing.assert_allclose(found[name], g, atol=1e-5, err_msg=name)
    assert (state.arrays["b"][n:] == 0).all()


@pytest.mark.parametrize("method", ["cd", "pcd", "exact"])
@pytest.mark.parametrize("sparsely", [False, True])
@pytest.mark.parametrize("made", [conditional_one, tied_one], ids=["conditional", "tied"])
def test_centring_turns_the_gradient_as_the_formula_says(made, sparsely, method):
    model = made(CONDITIONAL[0] if made is conditional_one else TIED[0])
    X = cases(model, 12)
    X = sparse.csr_array(X) if sparsely else X
    plain, _ = learnt(model, X, method=method)
    turned, state = learnt(model, X, method=method, centring=True)
    for name, g in centred(state, plain).items():
        np.testing.assert_allclose(turned[name], g, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("made", [conditional_one, tied_one], ids=["conditional", "tied"])
def test_the_centred_gradient_is_the_one_of_the_machine_written_with_centred_units(made):
    """Ascent in the parameters of E(v - mu, h - lam, u - mu_u), turned back to those of E(v, h, u)."""
    model = made(CONDITIONAL[0] if made is conditional_one else TIED[0])
    X, rng, rate = cases(model, 8), np.random.default_rng(3), 1e-3
    state, _ = begun(model, X)
    n = ties.n_drawn(state)
    state.mu, state.lam = rng.random(len(state.mu)), rng.random(len(state.lam))
    slope = {name: a.astype(np.float64) for name, a in ties.exact_slope(state, X).items()}
    W, b, c = (state.arrays[name].astype(np.float64) for name in ("W", "b", "c"))
    name = ties.name_of(state)
    T, mu, lam = state.arrays[name].astype(np.float64), state.mu, state.lam
    tie_pull = (lambda T: T @ mu) if name == "L" else (lambda T: np.concatenate((mu[n:] @ T, np.zeros(2))))
    b_c, c_c = b + W @ lam + tie_pull(T), c + mu @ W  # biases of the centred writing
    dW = slope["W"] - np.outer(mu, slope["c"]) - np.outer(slope["b"], lam)
    pulled = np.outer(mu, slope["b"])
    dT = slope["L"] - pulled - pulled.T if name == "L" else slope["A"] - pulled[n:, :n]
    dT = dT - np.diag(np.diag(dT)) if name == "L" else dT
    W2, T2 = W + rate * dW, T + rate * dT
    b2 = b_c + rate * slope["b"] - W2 @ lam - tie_pull(T2)
    c2 = c_c + rate * slope["c"] - mu @ W2
    found = centred(state, slope)
    np.testing.assert_allclose((b2 - b)[:n] / rate, found["b"][:n], atol=1e-5)
    np.testing.assert_allclose((c2 - c) / rate, found["c"], atol=1e-5)
    np.testing.assert_allclose(found[name], dT, atol=1e-5)


@pytest.mark.parametrize("method", ["pseudo-likelihood", "ratio-matching"])
@pytest.mark.parametrize("made", [conditional_one, tied_one], ids=["conditional", "tied"])
def test_rules_that_turn_one_unit_at_a_time_know_the_ties(made, method):
    model = made(CONDITIONAL[0] if made is conditional_one else TIED[1])
    X = cases(model, 4)
    n, low = (3, 0.0) if made is conditional_one else (3, -1.0)

    def free_energy(machine, rows):
        if isinstance(machine, Conditional):
            return conditional.free_energy(machine, rows[:, :n], rows[:, n:])
        return lateral.free_energy(machine, rows)

    def objective(machine):
        total = 0.0
        for i in range(n):
            turned = X.astype(np.float64)
            turned[:, i] = 1 + low - turned[:, i]
            p = 1 / (1 + np.exp(free_energy(machine, X.astype(np.float64)) - free_energy(machine, turned)))
            total += np.log(p).sum() if method == "pseudo-likelihood" else -((1 - p) ** 2).sum()
        return total / len(X)

    found, _ = learnt(model, X, method=method)
    own, room = (
        (conditional, conditional.arrays(model)) if made is conditional_one else (lateral, lateral.arrays(model))
    )
    for name, value in room.items():

        def at(a, name=name):
            a = np.triu(a, 1) + np.triu(a, 1).T if name == "L" else a
            return objective(own.with_arrays(model, {name: a}))

        wanted = gradient(at, value)
        wanted = wanted + wanted.T if name == "L" else wanted
        mine = found["W"][3:] if name == "B" else found[name]
        mine = mine[:3] if name in ("W", "b") else mine
        np.testing.assert_allclose(mine, wanted, atol=2e-5, err_msg=name)


def test_ties_stay_where_they_may_be_and_symmetric():
    model = tied_one(TIED[0])
    ring = np.roll(np.eye(4), 1, axis=1) + np.roll(np.eye(4), -1, axis=1)
    model = Lateral(model.rbm, model.L * ring)
    X = cases(model, 40)
    for optimizer in ("momentum", "adam"):
        found, state = learnt(model, X, method="pcd", mask=ring, optimizer=optimizer, learning_rate=0.1, centring=True)
        L = state.arrays["L"]
        assert (L[ring == 0] == 0).all() and (found["L"][ring != 0] != 0).all()
        np.testing.assert_array_equal(L, L.T)


@pytest.mark.parametrize("made", [conditional_one, tied_one], ids=["conditional", "tied"])
def test_a_state_is_put_together_again_exactly(made):
    for pair in (CONDITIONAL if made is conditional_one else TIED)[::2]:
        model = made(pair)
        _, state = learnt(model, cases(model, 8), method="pcd", learning_rate=0.1)
        state.best = state.model()
        again = states.from_parts(*states.to_parts(state))
        for mine, its in ((state.arrays, again.arrays), (records.arrays(state.best), records.arrays(again.best))):
            assert set(mine) == set(its)
            for name in mine:
                np.testing.assert_array_equal(mine[name], its[name])
        np.testing.assert_array_equal(state.h, again.h)
        assert [list(part) for part in again.order.classes] == [list(part) for part in state.order.classes]
    assert rbms.coupling_norm(records.restricted(model)) == 0
