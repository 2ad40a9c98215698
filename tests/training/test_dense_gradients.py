"""Every dense learning rule against finite differences of what it climbs, and chains against the exact gradient."""

import numpy as np
import pytest
from scipy import sparse

from harmonium.errors import SettingError
from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.randomness import key_of, uniforms
from harmonium.testing import gradient, made_rbm
from harmonium.training.dense import direct, loop
from harmonium.training.dense import state as states
from harmonium.training.dense.settings import DenseLearning
from harmonium.units import Bernoulli, Gaussian, Multinomial, Rectified, Softmax, Spin

PLAIN = {"optimizer": "momentum", "momentum": 0.0, "learning_rate": 1.0, "n_epochs": 1, "centring": False}


def cases(rbm, n=6, seed=0):
    """Return some states of a machine's visible layer."""
    rng = np.random.default_rng(seed)
    if rbm.visible.bounded:
        return rbm.visible.states()[rng.integers(rbm.visible.n_configurations, size=n)]
    return np.abs(rng.normal(size=(n, rbm.n_visible)))


def check(rbm, found, function, tolerance=2e-6):
    """Compare a gradient with central differences."""
    for key, g in found.items():
        wanted = gradient(lambda a, key=key: function(rbms.with_arrays(rbm, {key: a})), rbms.arrays(rbm)[key])
        np.testing.assert_allclose(g, wanted, atol=tolerance, err_msg=key)


PAIRS = [
    (Bernoulli(3), Bernoulli(2)), (Spin(3), Softmax(1, 3)), (Softmax(2, 3), Gaussian(2)), (Gaussian(2), Bernoulli(3)),
    (Multinomial(3, 3), Bernoulli(2)), (Bernoulli(3), Rectified(2)), (Gaussian(2), Gaussian(2)),
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(layer.kind for layer in pair))
def test_the_exact_gradient_is_that_of_the_log_likelihood(pair):
    rbm = made_rbm(*pair)
    v = cases(rbm)
    check(rbm, direct.exact_slope(rbm, v), lambda machine: float(exact.log_likelihood(machine, v).mean()))


@pytest.mark.parametrize("pair", [(Bernoulli(4), Bernoulli(3)), (Spin(4), Gaussian(2)), (Bernoulli(3), Softmax(2, 2))])
@pytest.mark.parametrize("rule", [direct.pseudo_likelihood, direct.ratio_matching])
def test_one_unit_at_a_time_rules_follow_the_gradient_of_what_they_say(pair, rule):
    rbm = made_rbm(*pair)
    v = cases(rbm)
    states = rbm.visible.states()
    value, slope = rule(rbm, v)

    def by_enumeration(machine):
        F = {row.tobytes(): f for row, f in zip(states, rbms.free_energy(machine, states))}
        total, low = 0.0, states.min()
        for row in v:
            for i in range(len(row)):
                turned = row.copy()
                turned[i] = 1 + low - row[i]
                p = 1 / (1 + np.exp(F[row.tobytes()] - F[turned.tobytes()]))  # of the unit as it is
                total += np.log(p) if rule is direct.pseudo_likelihood else -((1 - p) ** 2)
        return total / len(v)

    assert value == pytest.approx(by_enumeration(rbm))
    check(rbm, slope, by_enumeration)


def test_score_matching_follows_the_gradient_of_the_score_s_own_objective():
    step = 1e-3
    for hidden in (Bernoulli(3), Spin(2)):
        rbm = made_rbm(Gaussian(2), hidden)
        v = np.random.default_rng(0).normal(size=(5, 2))

        def objective(machine, v=v):
            total = 0.0
            for row in v:
                F = [rbms.free_energy(machine, row + step * np.array([[0, 0], d, [-x for x in d]])) for d in np.eye(2)]
                total -= sum(0.5 * ((f[2] - f[1]) / (2 * step)) ** 2 + (2 * f[0] - f[1] - f[2]) / step**2 for f in F)
            return float(total / len(v))

        value, slope = direct.score_matching(rbm, v)
        assert value == pytest.approx(objective(rbm), abs=1e-5)
        check(rbm, slope, objective, 1e-4)  # second differences inside first ones


@pytest.mark.parametrize("pair", [(Bernoulli(4), Bernoulli(3)), (Softmax(2, 3), Spin(2)), (Spin(3), Rectified(2))])
def test_multi_prediction_follows_the_gradient_of_what_was_left_out(pair):
    rbm, keep, key = made_rbm(*pair), 0.6, key_of(3)
    v, chain = cases(rbm), np.arange(6)
    group = rbm.visible.width // rbm.visible.n_units
    kept = np.repeat(uniforms(key, chain[:, None], np.arange(rbm.visible.n_units)) < keep, group, axis=1)
    states = rbm.visible.states()

    def left_out(machine):
        h = machine.hidden.mean(np.where(kept, v, 0) / keep @ machine.W + machine.c)
        y = rbms.visible_field(machine, h)
        total = 0.0
        for row, field, known in zip(v, y, kept):
            may = states[(states[:, known] == row[known]).all(axis=1)]
            score = np.where(known, 0, may) @ field
            total += float(np.where(known, 0, row) @ field - np.logaddexp.reduce(score))
        return total / len(v)

    value, slope = direct.multi_prediction(rbm, v, key, chain, keep)
    assert value == pytest.approx(left_out(rbm))
    check(rbm, slope, left_out)


def test_rules_that_do_not_apply_say_which_units_they_need():
    gaussian = made_rbm(Gaussian(2), Bernoulli(2))
    v = np.zeros((1, 2))
    for call, message in [
        (lambda: direct.pseudo_likelihood(gaussian, v), "binary visible units; a gaussian layer"),
        (lambda: direct.multi_prediction(gaussian, v, key_of(1), np.arange(1), 0.5), "finitely many states"),
        (lambda: direct.score_matching(made_rbm(Bernoulli(2), Bernoulli(2)), v), "not bernoulli and bernoulli"),
    ]:
        with pytest.raises(SettingError, match=message):
            call()


def learnt(rbm, X, seed=11, **settings):
    """Change of every array in one epoch of one batch by plain ascent of size 1: the gradient."""
    learning = DenseLearning(**(PLAIN | {"batch_size": X.shape[0]} | settings))
    mean = np.asarray(X.mean(axis=0)).ravel()
    state = states.start(rbm, learning, seed, mean, X.shape[0])
    states.begin_chains(state, learning, loop.densely(X, loop._first_cases(X, learning)))
    before = {name: a.copy() for name, a in state.arrays.items()}
    loop.run_epoch(state, X, learning, loop.workspace(state, X, learning))
    return {name: state.arrays[name].astype(np.float64) - before[name] for name in before}, state


SAMPLED = [
    ((Bernoulli(3), Bernoulli(2)), "full-chain"), ((Bernoulli(3), Bernoulli(2)), "pcd"),
    ((Bernoulli(3), Bernoulli(2)), "fast-pcd"), ((Bernoulli(3), Bernoulli(2)), "tempered-pcd"),
    ((Spin(3), Softmax(1, 3)), "pcd"), ((Gaussian(2), Bernoulli(2)), "pcd"), ((Softmax(2, 3), Gaussian(2)), "cd"),
    ((Bernoulli(3), Rectified(2)), "pcd"), ((Multinomial(3, 3), Bernoulli(2)), "pcd"), ((Spin(2), Bernoulli(2)), "cd"),
]  # fmt: skip


@pytest.mark.parametrize(("pair", "method"), SAMPLED, ids=lambda x: x if isinstance(x, str) else x[0].kind)
def test_long_chains_find_the_exact_gradient(pair, method):
    """In expectation: within five standard errors everywhere, a false alarm once in a hundred thousand runs."""
    rbm = made_rbm(*pair, spread=0.6)
    n = 8_000
    X = np.tile(cases(rbm, 4), (n // 4, 1)).astype(np.float32)
    wanted = direct.exact_slope(rbm, X[:4].astype(np.float64))
    found, state = learnt(rbm, X, method=method, n_steps=30)
    for name, g in wanted.items():
        np.testing.assert_allclose(found[name], g, atol=5 * 3 / np.sqrt(n), err_msg=name)
    assert state.epoch == 1


def test_the_bias_of_contrastive_divergence_falls_with_its_steps():
    rbm, n = made_rbm(Bernoulli(4), Bernoulli(3), spread=1.5), 20_000
    X = np.tile(cases(rbm, 2), (n // 2, 1)).astype(np.float32)
    wanted = direct.exact_slope(rbm, X[:2].astype(np.float64))
    bias = []
    for k in (1, 4, 16):
        found, _ = learnt(rbm, X, method="cd", n_steps=k)
        bias.append(sum(np.abs(found[name] - g).sum() for name, g in wanted.items()))
    assert bias[0] > 1.5 * bias[1] > 1.5 * bias[2]


@pytest.mark.parametrize("n_chains", [7, 40, 1000])
def test_each_phase_is_averaged_by_its_own_count(n_chains):
    """As many or as few chains as one likes: biases do not run away when the two counts differ."""
    rbm = made_rbm(Bernoulli(3), Bernoulli(2), spread=0.6)
    X = np.tile(cases(rbm, 4), (10, 1)).astype(np.float32)
    runs = [learnt(rbm, X, seed, method="pcd", n_steps=20, n_chains=n_chains)[0] for seed in range(12)]
    wanted = direct.exact_slope(rbm, X.astype(np.float64))
    for name, g in wanted.items():
        mean = np.mean([run[name] for run in runs], axis=0)
        np.testing.assert_allclose(mean, g, atol=5 / np.sqrt(12 * n_chains), err_msg=name)


@pytest.mark.parametrize("method", ["cd", "pcd", "fast-pcd", "tempered-pcd", "full-chain", "exact"])
@pytest.mark.parametrize("sparsely", [False, True])
def test_centring_turns_the_gradient_as_the_formula_says(method, sparsely):
    rbm = made_rbm(Bernoulli(4), Bernoulli(3))
    X = cases(rbm, 10).astype(np.float32)
    X = sparse.csr_array(X) if sparsely else X
    plain, before = learnt(rbm, X, method=method)
    turned, state = learnt(rbm, X, method=method, centring=True)
    from harmonium.training.dense.phases import centred

    wanted = centred(state, plain)
    for name, g in wanted.items():
        np.testing.assert_allclose(turned[name], g, atol=2e-5, err_msg=name)
    assert before.mu.shape == (4,)


def test_the_centred_gradient_is_the_one_of_the_machine_written_with_centred_units():
    """E = -(v - mu) b' - c'(h - lam) - (v - mu) W (h - lam); ascent there, turned back to b = b' - W lam."""
    rbm = made_rbm(Bernoulli(3), Bernoulli(2))
    v = cases(rbm)
    mu, lam = np.array([0.3, 0.6, 0.1]), np.array([0.2, 0.7])
    slope, rate = direct.exact_slope(rbm, v), 1e-6
    dW = slope["W"] - np.outer(mu, slope["c"]) - np.outer(slope["b"], lam)
    b_c, c_c = rbm.b + rbm.W @ lam, rbm.c + mu @ rbm.W  # biases of the centred writing
    W = rbm.W + rate * dW
    b, c = b_c + rate * slope["b"] - W @ lam, c_c + rate * slope["c"] - mu @ W
    state = states.start(rbm, DenseLearning(), 0, mu, 6)
    state.mu, state.lam = mu, lam
    from harmonium.training.dense.phases import centred

    found = centred(state, slope)
    np.testing.assert_allclose((b - rbm.b) / rate, found["b"], atol=1e-6)
    np.testing.assert_allclose((c - rbm.c) / rate, found["c"], atol=1e-6)


def test_sparse_cases_give_the_gradient_of_dense_ones():
    rbm = made_rbm(Bernoulli(4), Bernoulli(3))
    X = cases(rbm, 10).astype(np.float32)
    for method in ("pcd", "cd"):
        dense, sparse_one = (learnt(rbm, x, method=method)[0] for x in (X, sparse.csr_array(X)))
        for name, g in dense.items():
            np.testing.assert_allclose(sparse_one[name], g, atol=1e-6)


def test_persistent_chains_keep_the_law_of_the_model():
    from harmonium.testing import FALSE_ALARMS, chi_square, counts_of, exact_law

    rbm = made_rbm(Bernoulli(3), Bernoulli(2), spread=1.0)
    X = np.zeros((8_000, 3), np.float32)
    _, state = learnt(rbm, X, method="pcd", n_steps=40, learning_rate=0.0)
    law = exact_law(rbms.free_energy(rbm, rbm.visible.states()))
    assert chi_square(counts_of(state.v, rbm.visible.states()), law) > FALSE_ALARMS
