"""Wake and sleep: gradients against enumeration, and what learning by them comes to."""

from dataclasses import replace

import numpy as np
import pytest

from harmonium import DeepBeliefNetwork
from harmonium.errors import DivergenceError, SettingError
from harmonium.models import deep_belief, exact
from harmonium.models import rbm as rbms
from harmonium.models.deep_belief import DeepBelief
from harmonium.testing import gradient, joint_states, made_rbm
from harmonium.training import up_down
from harmonium.training.dense.settings import DenseLearning
from harmonium.units import Bernoulli, Gaussian, Multinomial, Spin

SLOPE_ERROR = 2e-6  # of central differences
X = np.repeat([[0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]], 30, axis=0).astype(np.float32)


def made(visible=None):
    """Return a network of three machines that goes up by weights of its own."""
    below = visible or Bernoulli(3)
    machines = (
        made_rbm(below, Spin(2), 1),
        made_rbm(Spin(2), Bernoulli(2), 2),
        made_rbm(Bernoulli(2), Bernoulli(3), 3),
    )
    return DeepBelief(machines, (made_rbm(below, Spin(2), 4), made_rbm(Spin(2), Bernoulli(2), 5)))


def awake(dbn, v):
    """All states going up from rows, and how probable each is."""
    v, h, g = v[joint_index(len(v))[0]], *(a[joint_index(len(v))[1]] for a in joint_states(Spin(2), Bernoulli(2)))
    q = np.exp(deep_belief.log_posterior(dbn.upward[0], v, h) + deep_belief.log_posterior(dbn.upward[1], h, g))
    return [v, h, g], q


def joint_index(n):
    """Rows times the 16 states of both directed hidden layers."""
    row, state = np.indices((n, 16)).reshape(2, -1)
    return row, state


def changed(dbn, k, name, a):
    """The network with another array in one of its machines."""
    machines = list(dbn.machines)
    machines[k] = rbms.with_arrays(machines[k], {name: a})
    return replace(dbn, machines=tuple(machines))


@pytest.mark.parametrize("visible", [Bernoulli(3), Gaussian(3)], ids=["bits", "gaussian"])
def test_awake_learning_climbs_the_bound(visible):
    dbn, v = made(visible), np.random.default_rng(0).integers(0, 2, (4, 3)).astype(float)
    states, q = awake(dbn, v)

    def bound(other):
        return float(q @ deep_belief.bound(other, states[0], states[1:], exact.log_partition(other.top)) / len(v))

    found = deep_belief.wake_slopes(dbn, states, q / len(v))
    data, model = rbms.statistics(dbn.top, states[-1], q / len(v)), exact.expectations(dbn.top)
    found.append({name: data[name] - model[name] for name in data})
    for k, slope in enumerate(found):
        for name, g in slope.items():
            wanted = gradient(
                lambda a, k=k, name=name: bound(changed(dbn, k, name, a)), rbms.arrays(dbn.machines[k])[name]
            )
            np.testing.assert_allclose(g, wanted, atol=SLOPE_ERROR, err_msg=f"{k} {name}")


def test_asleep_learning_climbs_the_log_probability_of_what_was_generated():
    dbn = made()
    v, h, g = joint_states(Bernoulli(3), Spin(2), Bernoulli(2))
    log_p = (
        deep_belief.log_conditional(dbn.machines[0], v, h) + deep_belief.log_conditional(dbn.machines[1], h, g)
        - rbms.free_energy(dbn.top, g) - exact.log_partition(dbn.top)
    )  # fmt: skip
    p = np.exp(log_p)
    assert p.sum() == pytest.approx(1)

    def found_again(k, arrays):
        up = list(dbn.upward)
        up[k] = rbms.with_arrays(up[k], arrays)
        log_q = deep_belief.log_posterior(up[0], v, h) + deep_belief.log_posterior(up[1], h, g)
        return float(p @ log_q)

    for k, slope in enumerate(deep_belief.sleep_slopes(dbn, [v, h, g], p)):
        for name, g_found in slope.items():
            wanted = gradient(lambda a, k=k, name=name: found_again(k, {name: a}), rbms.arrays(dbn.upward[k])[name])
            np.testing.assert_allclose(g_found, wanted, atol=SLOPE_ERROR, err_msg=f"{k} {name}")


@pytest.mark.parametrize("method", ["cd", "pcd"])
def test_an_update_is_in_expectation_the_enumerated_gradient(method):
    """Plain ascent of size 1 from many copies of a few rows, within five standard errors; chains run long."""
    dbn, n = made(), 16_000
    v = np.random.default_rng(1).integers(0, 2, (4, 3)).astype(np.float32)
    rows = np.tile(v, (n // 4, 1))
    learning = DenseLearning(method=method, n_steps=20, n_chains=n, batch_size=n, learning_rate=1.0)
    state = up_down.start(dbn, rows, learning, 3)
    before = [{k: a.copy() for k, a in arrays.items()} for arrays in (*state.down, *state.up)]
    up_down.update(state, rows, np.arange(n), learning, 1.0)
    states, q = awake(dbn, v.astype(float))
    wanted = deep_belief.wake_slopes(dbn, states, q / len(v))
    data, model = rbms.statistics(dbn.top, states[-1], q / len(v)), exact.expectations(dbn.top)
    wanted.append({name: data[name] - model[name] for name in data})
    generated = joint_states(Bernoulli(3), Spin(2), Bernoulli(2))
    log_p = (
        deep_belief.log_conditional(dbn.machines[0], *generated[:2])
        + deep_belief.log_conditional(dbn.machines[1], *generated[1:])
        - rbms.free_energy(dbn.top, generated[2]) - exact.log_partition(dbn.top)
    )  # fmt: skip
    wanted += deep_belief.sleep_slopes(dbn, list(generated), np.exp(log_p))
    for old, new, slope in zip(before, (*state.down, *state.up), wanted):
        for name, g in slope.items():
            np.testing.assert_allclose(new[name] - old[name], g, atol=5 * 1.5 / np.sqrt(n), err_msg=name)


def test_fine_tuning_raises_the_likelihood_and_the_bound():
    how = {"n_epochs": 30, "learning_rate": 0.1, "batch_size": 30, "n_steps": 3, "n_chains": 100}
    greedy = DeepBeliefNetwork((5, 4), **how).fit(X)
    seen = []
    tuned = DeepBeliefNetwork((5, 4), n_fine_tuning_epochs=200, fine_tuning_rate=0.1, **how).fit(X, watch=seen.append)
    assert tuned.score(X) > greedy.score(X) + 0.1
    assert tuned.bound(X).mean() > greedy.bound(X).mean()
    assert tuned.bound(X).mean() < tuned.score(X) + 0.05
    assert seen == tuned.history_ and seen[-1].reason == "finished"
    objectives = [event.objective for event in seen if event.kind == "dense epoch" and event.machine == "network"]
    assert len(objectives) == 200 and objectives[-1] > objectives[0]
    np.testing.assert_array_equal(tuned.model_.recognition[0].b, greedy.model_.machines[0].b)  # only what counts moved


def test_learning_on_is_by_wake_and_sleep_and_goes_on_with_its_chains(tmp_path):
    network = DeepBeliefNetwork((5, 4), n_epochs=5, fine_tuning_rate=0.05).fit(X)
    first = network.model_
    network.partial_fit(X[:40], n_epochs=3)
    chains = network._state.chains
    network.partial_fit(X[:7])
    assert network._state.chains.shape == chains.shape and network.model_ is not first
    again = DeepBeliefNetwork((5, 4), n_epochs=5, fine_tuning_rate=0.05).fit(X).partial_fit(X[:40], n_epochs=3)
    again.partial_fit(X[:7])
    np.testing.assert_array_equal(again.model_.recognition[0].W, network.model_.recognition[0].W)
    network.save(tmp_path / "n.harmonium")
    loaded = DeepBeliefNetwork.load(tmp_path / "n.harmonium")
    np.testing.assert_array_equal(loaded.transform(X), network.transform(X))
    np.testing.assert_array_equal(loaded.bound(X), network.bound(X))
    begun = DeepBeliefNetwork((3, 2), n_epochs=7).partial_fit(X)
    assert begun.n_epochs == 7 and not begun.model_.recognition


def test_a_network_of_one_machine_learns_on_as_that_machine():
    network = DeepBeliefNetwork((4,), n_epochs=5, batch_size=10, fine_tuning_rate=0.1).fit(X)
    before = network.score(X)
    network.partial_fit(X, n_epochs=100)
    assert network.score(X) > before
    assert network.history_[-2].objective is None


def test_divergence_of_fine_tuning_keeps_the_last_good_network():
    network = DeepBeliefNetwork((5, 4), n_epochs=3, visible="gaussian").fit(X)
    good = network.model_
    network.set_params(fine_tuning_rate=99.0, batch_size=5)
    with pytest.raises(DivergenceError, match=r"fine_tuning_rate 99 .* try 9\.9"):
        network.partial_fit(X)
    assert network.model_ is good
    network.set_params(fine_tuning_rate=1e-6).partial_fit(X)
    assert np.isfinite(network.transform(X)).all()


def test_what_cannot_be_learnt_together_is_refused():
    counts = DeepBelief((made_rbm(Multinomial(3, 2), Bernoulli(2)), made_rbm(Bernoulli(2), Bernoulli(2))))
    with pytest.raises(SettingError, match="multinomial"):
        up_down.start(counts, np.ones((2, 3), np.float32), DenseLearning(), 0)
    with pytest.raises(SettingError, match="recognition: machines of"):
        DeepBelief(made().machines, made().machines)
    with pytest.raises(SettingError, match="learning_rate"):
        DeepBeliefNetwork((3, 2), fine_tuning_rate=-1.0, n_fine_tuning_epochs=1).fit(X)
