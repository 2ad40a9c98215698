"""Learning of Boltzmann machines against finite differences and exact likelihoods."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from harmonium.errors import DivergenceError, SettingError
from harmonium.models import boltzmann, boltzmann_exact
from harmonium.sampling import boltzmann as sampling
from harmonium.training import boltzmann as learning
from harmonium.training import boltzmann_state as states
from harmonium.training.boltzmann_prediction import multi_prediction
from harmonium.training.boltzmann_state import BoltzmannLearning, edges_of

N_CASES = 3_000


def truth(values="bits", n=6, seed=0):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.normal(0, 0.9 if values == "bits" else 0.3, (n, n)), 1)
    return boltzmann.machine(upper + upper.T, rng.normal(0, 0.5, n), values=values)


def drawn(bm, n=N_CASES, seed=1):
    p = boltzmann_exact.probabilities(bm)
    return boltzmann_exact.states(bm.n_units, bm.values)[np.random.default_rng(seed).choice(len(p), n, p=p)]


def learnt(v, n_hidden=0, mask=None, values="bits", **settings):
    edges, how = edges_of(v.shape[1] + n_hidden, mask), BoltzmannLearning(**settings)
    state = states.start(states.initial(v, n_hidden, edges, values, 0), v, edges, how, 0)
    events = list(learning.train(state, v, how))
    return state, events


def likelihood(bm, v):
    return boltzmann_exact.log_likelihood(bm, v).mean()


def best_visible(v, values="bits"):
    return likelihood(learnt(v, values=values, method="exact", n_epochs=300)[0].bm, v)


@pytest.mark.parametrize("values", ["bits", "spins"])
@pytest.mark.parametrize("mask", ["all", "sparse"])
@pytest.mark.parametrize(("method", "n_hidden"), [("exact", 0), ("exact", 2), ("pseudo-likelihood", 0)])
def test_gradients_are_finite_differences_of_their_objective(values, mask, method, n_hidden):
    rng, v = np.random.default_rng(0), drawn(truth(values, 4), 30)
    n = 4 + n_hidden
    edges = edges_of(n, None if mask == "all" else sparse.csr_array(rng.random((n, n)) < 0.6))
    like = states.initial(v, n_hidden, edges, values, 0)
    function = learning.objective(v, np.full(len(v), 1 / len(v)), edges, like, 0.1, method)
    x, step = rng.normal(0, 0.5, len(edges.i) + n), 1e-6
    slope = [(function(x + step * e)[0] - function(x - step * e)[0]) / (2 * step) for e in np.eye(len(x))]
    np.testing.assert_allclose(function(x)[1], slope, atol=1e-8)


@pytest.mark.parametrize("values", ["bits", "spins"])
@pytest.mark.parametrize("mask", ["all", "sparse"])
@pytest.mark.parametrize("n_sweeps", [1, 3])
def test_the_error_of_predictions_is_followed_back_through_all_sweeps(values, mask, n_sweeps):
    rng, v = np.random.default_rng(0), drawn(truth(values, 4), 12)
    edges = edges_of(6, None if mask == "all" else sparse.csr_array(rng.random((6, 6)) < 0.6))
    like, kept = states.initial(v, 2, edges, values, 0), rng.random((12, 4)) < 0.5
    x, step, n_edges = rng.normal(0, 0.5, len(edges.i) + 6), 1e-6, len(edges.i)
    order = sampling.update_order(replace(like, J=edges.couplings(np.ones(n_edges))))

    def function(x):
        bm = replace(like, J=edges.couplings(x[:n_edges]), b=x[n_edges:].copy())
        return multi_prediction(bm, v, kept, edges, order, n_sweeps)

    slope = [(function(x + step * e)[0] - function(x - step * e)[0]) / (2 * step) for e in np.eye(len(x))]
    np.testing.assert_allclose(np.concatenate(function(x)[1:]), slope, atol=1e-8)


def test_a_prediction_from_units_without_ties_is_their_own_bias():
    """And with one left-out unit and one sweep, log-probabilities are those of pseudo-likelihood."""
    bm, v = truth("bits", 5), drawn(truth("bits", 5), 40)
    edges = edges_of(5)
    kept = np.ones((40, 5), bool)
    kept[np.arange(40), np.arange(40) % 5] = False
    value, *_ = multi_prediction(bm, v, kept, edges, sampling.update_order(bm), 1)
    x = boltzmann.fields(bm, v)[~kept]
    assert value == pytest.approx((v[~kept] * x - np.log1p(np.exp(x))).mean())
    free = replace(bm, J=np.zeros((5, 5)))
    value, *_ = multi_prediction(free, v, np.zeros((40, 5), bool), edges, sampling.update_order(bm), 2)
    assert value == pytest.approx((v * bm.b - np.log1p(np.exp(bm.b))).sum(axis=1).mean())


@pytest.mark.parametrize("values", ["bits", "spins"])
def test_the_exact_gradient_ends_at_matching_moments(values):
    v = drawn(truth(values))
    state, events = learnt(v, values=values, method="exact", n_epochs=300)
    model = boltzmann_exact.moments(state.bm)
    np.testing.assert_allclose(model.mean, v.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(model.pair, v.T @ v / len(v), atol=1e-4)
    assert events[-1].objective == pytest.approx(likelihood(state.bm, v), abs=1e-9)
    assert likelihood(state.bm, v) > likelihood(truth(values), v)


@pytest.mark.parametrize(
    ("settings", "short"),
    [
        ({"method": "pseudo-likelihood", "n_epochs": 200}, 0.005),
        ({"method": "pcd", "n_epochs": 40}, 0.005),
        ({"method": "tempered-pcd", "n_epochs": 40, "n_betas": 4}, 0.005),
        ({"method": "multi-prediction", "n_epochs": 40, "n_steps": 4, "keep": 0.7}, 0.05),
        ({"method": "full-chain", "n_epochs": 4, "learning_rate": 0.03}, 0.02),
    ],
)
@pytest.mark.parametrize("values", ["bits", "spins"])
def test_other_methods_come_near_the_best_likelihood(settings, short, values):
    v = drawn(truth(values))
    state, events = learnt(v, values=values, **settings)
    assert likelihood(state.bm, v) > best_visible(v, values) - short
    assert len(events) <= settings["n_epochs"]


@pytest.mark.parametrize("inference", states.INFERENCE)
@pytest.mark.parametrize("method", ["exact", "pcd"])
def test_hidden_units_learn_what_pairs_of_visible_ones_cannot(method, inference):
    """Parity of three bits: every pair looks independent, so a machine without hidden units learns nothing."""
    v = np.array([[0.0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]] * 250)
    alone = best_visible(v)
    assert alone == pytest.approx(-3 * np.log(2), abs=1e-6)
    settings = {"n_epochs": 300} if method == "exact" else {"n_epochs": 60, "learning_rate": 0.1, "n_steps": 5}
    state, _ = learnt(v, 4, method=method, inference=inference, **settings)
    assert likelihood(state.bm, v) > -1.6


def test_couplings_that_begin_at_0_are_not_updated_together():
    """A machine begins without couplings; colours come from what may be tied, not from what is."""
    v = drawn(truth(), 50)
    edges = edges_of(6)
    state = states.start(states.initial(v, 0, edges, "bits"), v, edges, BoltzmannLearning(), 0)
    assert len(state.order) == 6


def test_a_mask_keeps_couplings_away_and_sparse_ones_sparse():
    ring = np.roll(np.eye(6), 1, axis=1)
    v = drawn(truth())
    for mask in (ring, sparse.csr_array(ring)):
        for settings in ({"method": "exact"}, {"method": "pcd", "n_epochs": 2}, {"method": "pseudo-likelihood"}):
            state, _ = learnt(v, mask=mask, **settings)
            assert sparse.issparse(state.bm.J) == sparse.issparse(mask)
            J = state.bm.J.toarray() if sparse.issparse(mask) else state.bm.J
            assert (J[(ring + ring.T) == 0] == 0).all()
            assert (J[(ring + ring.T) != 0] != 0).all()
    assert len(state.order) == 2  # a ring of six has two colours
    with pytest.raises(SettingError, match=r"couplings: must be of shape \(6, 6\)"):
        edges_of(6, np.ones((5, 5)))


@pytest.mark.parametrize("n_chains", [7, 400])
def test_phases_are_averaged_each_by_its_own_count(n_chains):
    """Biases do not run away when the number of chains differs from the batch."""
    v = np.tile([0.0, 1, 1, 0], (500, 1))
    v[:50] = 1 - v[:50]
    state, _ = learnt(v, method="pcd", n_chains=n_chains, n_epochs=60)
    np.testing.assert_allclose(boltzmann_exact.moments(state.bm).mean, v.mean(axis=0), atol=0.06)


def test_a_full_chain_runs_longer_where_mixing_is_slow():
    weak, strong = (boltzmann.machine(J * (np.ones((8, 8)) - np.eye(8)), np.zeros(8), values="spins") for J in (0, 0.3))
    sweeps = []
    for bm in (weak, strong):
        begun = learning.sampling.init(bm, 50, 1, s=np.tile([[1.0], [-1.0]], (25, 8)))
        _, n, settled = learning.settled_chains(bm, begun, 2)
        assert settled
        sweeps.append(n)
    assert sweeps[1] > sweeps[0]


def test_learning_is_the_same_again_and_differs_with_the_seed():
    v, how, edges = drawn(truth(), 200), BoltzmannLearning(method="pcd", n_epochs=3), edges_of(8)
    found = []
    for seed in (0, 0, 1):
        state = states.start(states.initial(v, 2, edges, "bits", 0), v, edges, how, seed)
        list(learning.train(state, v, how))
        found.append(state.bm.J)
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_divergence_stops_with_a_hint():
    v = np.ones((50, 6))
    v[:25] = 0
    with pytest.raises(DivergenceError, match=r"learning_rate 9 is too high; try 0\.9"):
        learnt(v, method="pcd", learning_rate=9.0, n_epochs=1_000)


def test_what_a_method_cannot_learn_is_refused():
    bm = boltzmann.machine(np.zeros((40, 40)), np.zeros(40), [0, 1])
    with pytest.raises(SettingError, match="40 units have"):
        learning.chosen_method(BoltzmannLearning(method="exact"), bm)
    with pytest.raises(SettingError, match="cannot learn 38 hidden units"):
        learning.chosen_method(BoltzmannLearning(method="pseudo-likelihood"), bm)
    assert learning.chosen_method(BoltzmannLearning(), bm) == "pcd"
    assert learning.chosen_method(BoltzmannLearning(), replace(truth())) == "exact"
    with pytest.raises(SettingError, match="method: 'magic'"):
        BoltzmannLearning(method="magic")
