"""Machines with labels against full enumeration, and the gradients of their learning against finite differences."""

import numpy as np
import pytest

from harmonium.errors import SettingError
from harmonium.models import exact, labelled
from harmonium.models import rbm as rbms
from harmonium.testing import gradient, joint_states, made_rbm
from harmonium.training.dense import loop
from harmonium.training.dense import state as states
from harmonium.training.dense.settings import DenseLearning
from harmonium.units import Bernoulli, Gaussian, Joined, Rectified, Softmax, Spin

N_LABELS = 3
PAIRS = [(Bernoulli(3), Bernoulli(2)), (Spin(3), Softmax(1, 3)), (Softmax(2, 2), Spin(2)), (Bernoulli(3), Gaussian(2)),
         (Bernoulli(2), Rectified(2)), (Gaussian(2), Bernoulli(3))]  # fmt: skip
LISTED = PAIRS[:3]


def made(pair):
    """Return a machine of features and labels beside them."""
    return made_rbm(Joined([pair[0], Softmax(1, N_LABELS)]), pair[1])


def cases(rbm, n=5):
    """Return some features and labels, (n, n_visible)."""
    layer, rng = labelled.features(rbm), np.random.default_rng(0)
    x = layer.states()[rng.integers(layer.n_configurations, size=n)] if layer.bounded else rng.normal(size=(n, 2))
    return np.hstack((x, labelled.one_hot(rng.integers(N_LABELS, size=n), N_LABELS)))


def mean_log_probability(rbm, v):
    """Mean log p(label | features), from free energies of the whole visible layer."""
    n = labelled.features(rbm).width
    F = [rbms.free_energy(rbm, np.hstack((v[:, :n], np.tile(label, (len(v), 1))))) for label in np.eye(N_LABELS)]
    log_p = -np.stack(F, axis=1) - np.logaddexp.reduce(-np.stack(F), axis=0)[:, None]
    return float((log_p * v[:, n:]).sum() / len(v))


@pytest.mark.parametrize("pair", LISTED, ids=lambda pair: "-".join(layer.kind for layer in pair))
def test_probabilities_of_labels_and_free_energies_of_features_are_sums_over_all_states(pair):
    rbm = made(pair)
    x = labelled.features(rbm).states()
    every = -rbms.energy(rbm, *joint_states(rbm.visible, rbm.hidden)).reshape(len(x), N_LABELS, -1)
    weight = np.logaddexp.reduce(every, axis=2)
    log_p = weight - np.logaddexp.reduce(weight, axis=1)[:, None]
    np.testing.assert_allclose(labelled.label_probabilities(rbm, x), np.exp(log_p), rtol=1e-10)
    np.testing.assert_allclose(-labelled.free_energy(rbm, x), np.logaddexp.reduce(weight, axis=1), rtol=1e-10)
    h = np.tile(rbm.hidden.states(), (N_LABELS, 1))
    joint = np.exp(every - np.logaddexp.reduce(every, axis=(1, 2), keepdims=True)).reshape(len(x), -1)
    np.testing.assert_allclose(labelled.hidden_mean(rbm, x), joint @ h, atol=1e-10)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(layer.kind for layer in pair))
def test_the_discriminative_gradient_is_that_of_the_labels_log_probability(pair):
    rbm = made(pair)
    v = cases(rbm)
    value, slope = labelled.label_slope(rbm, v)
    assert value == pytest.approx(mean_log_probability(rbm, v))
    for key, array in rbms.arrays(rbm).items():

        def objective(a, key=key):
            return mean_log_probability(rbms.with_arrays(rbm, {key: a}), v)

        np.testing.assert_allclose(slope.get(key, 0 * array), gradient(objective, array), atol=2e-6, err_msg=key)


def moved(rbm, v, **settings):
    """Return how far one update without centring, at learning rate 1, moves each array."""
    given = {"momentum": 0.0, "learning_rate": 1.0, "n_epochs": 1, "centring": False, "batch_size": len(v)}
    learning = DenseLearning(**given | settings)
    v = v.astype(np.float32)
    state = states.start(rbm, learning, 0, v.mean(axis=0), len(v))
    states.begin_chains(state, learning, v)
    before = {name: a.copy() for name, a in state.arrays.items()}
    loop.run_epoch(state, v, learning, loop.workspace(state, v, learning))
    return {name: state.arrays[name] - before[name] for name in before}


def test_a_hybrid_step_goes_both_gradients_in_their_shares():
    rbm = made(LISTED[0])
    v = cases(rbm, 8)
    both = {share: moved(rbm, v, method="exact", discrimination=share) for share in (0.0, 0.3, 1.0)}
    alone = moved(rbm, v, method="discriminative")
    for name in alone:
        np.testing.assert_allclose(both[1.0][name], alone[name], atol=1e-6)
        wanted = 0.7 * both[0.0][name] + 0.3 * alone[name]
        np.testing.assert_allclose(both[0.3][name], wanted, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("method", ["cd", "pcd"])
def test_hybrid_chains_have_the_shares_too(method):
    rbm = made(LISTED[0])
    v, how = cases(rbm, 8), {"method": method, "n_steps": 3}
    chains, hybrid, alone = (
        moved(rbm, v, **how),
        moved(rbm, v, **how, discrimination=0.3),
        moved(rbm, v, method="discriminative"),
    )
    for name in alone:
        np.testing.assert_allclose(hybrid[name], 0.7 * chains[name] + 0.3 * alone[name], atol=1e-5, err_msg=name)


def test_contrastive_divergence_of_features_and_labels_tends_to_the_exact_gradient():
    rbm = made(LISTED[0])
    v = np.tile(cases(rbm, 8), (500, 1))
    found, wanted = moved(rbm, v, method="cd", n_steps=20), exact.expectations(rbm)
    positive = rbms.statistics(rbm, v)
    for name, change in found.items():
        np.testing.assert_allclose(change, positive[name] - wanted[name], atol=0.05, err_msg=name)  # 4,000 chains


def test_a_machine_without_labels_is_refused():
    with pytest.raises(SettingError, match="features joined with one softmax unit of labels, not bernoulli"):
        labelled.features(made_rbm(Bernoulli(3), Bernoulli(2)))
    with pytest.raises(SettingError, match="one label, not 2"):
        labelled.features(made_rbm(Joined([Bernoulli(3), Softmax(2, 3)]), Bernoulli(2)))
