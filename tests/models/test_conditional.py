"""Conditional machines by enumeration: energies, partition functions a condition, gradients, samplers."""

import numpy as np
import pytest

from harmonium.errors import SettingError
from harmonium.models import conditional, exact
from harmonium.models import rbm as rbms
from harmonium.models.conditional import Conditional
from harmonium.sampling import conditional as sampling
from harmonium.testing import FALSE_ALARMS, chi_square, counts_of, exact_law, gradient, joint_states, made_rbm
from harmonium.units import Bernoulli, Gaussian, Multinomial, Softmax, Spin

PAIRS = [(Bernoulli(3), Bernoulli(2)), (Spin(2), Softmax(1, 3)), (Softmax(1, 3), Bernoulli(2)), (Gaussian(2), Spin(2))]
U = np.array([[0.5, -1.0], [1.5, 0.3], [0.5, -1.0], [0.0, 0.0]])


def made(pair, seed=0):
    """Return a conditional machine with random parameters."""
    rng, rbm = np.random.default_rng(seed), made_rbm(*pair, seed=seed)
    return Conditional(rbm, rng.normal(size=(2, rbm.n_visible)), rng.normal(size=(2, rbm.n_hidden)))


def rows(model, seed=1):
    """Return visible states, as many as there are conditions in U."""
    rng, layer = np.random.default_rng(seed), model.rbm.visible
    if not layer.bounded:
        return rng.normal(size=(len(U), layer.width))
    return layer.states()[rng.integers(layer.n_configurations, size=len(U))]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0].kind}-{pair[1].kind}")
def test_each_condition_makes_a_restricted_machine_of_its_own(pair):
    model = made(pair)
    v, h = rows(model), model.rbm.hidden.states()
    for u, row in zip(U, v):
        rbm, one = conditional.given(model, u), np.tile(row, (len(h), 1))
        energies = conditional.energy(model, one, h, np.tile(u, (len(h), 1)))
        np.testing.assert_allclose(energies, rbms.energy(rbm, one, h))
        free = conditional.free_energy(model, row[None], u[None])
        np.testing.assert_allclose(free, -np.logaddexp.reduce(-energies))
        np.testing.assert_allclose(free, rbms.free_energy(rbm, row[None]))
    wanted = [exact.log_likelihood(conditional.given(model, u), row[None])[0] for u, row in zip(U, v)]
    np.testing.assert_allclose(conditional.log_likelihood(model, v, U), wanted)


def test_probabilities_given_any_condition_sum_to_one():
    model = made(PAIRS[0])
    states = model.rbm.visible.states()
    for u in U:
        log_p = conditional.log_likelihood(model, states, np.tile(u, (len(states), 1)))
        assert np.exp(log_p).sum() == pytest.approx(1)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0].kind}-{pair[1].kind}")
def test_the_exact_gradient_is_that_of_the_conditional_log_likelihood(pair):
    model = made(pair)
    v, found = rows(model), conditional.slope(model, rows(model), U)
    for name, g in found.items():

        def value(a, name=name):
            return float(conditional.log_likelihood(conditional.with_arrays(model, {name: a}), v, U).mean())

        np.testing.assert_allclose(g, gradient(value, conditional.arrays(model)[name]), atol=2e-6, err_msg=name)


def test_a_condition_is_a_visible_unit_that_is_held():
    model = made(PAIRS[0])
    v, h = rows(model), model.rbm.hidden.states()
    wide = conditional.beside(model)
    np.testing.assert_allclose(
        rbms.hidden_field(wide, np.hstack((v, U))), conditional.hidden_field(model, v, U), rtol=1e-12
    )
    again = conditional.apart(wide, model.A)
    for name, a in conditional.arrays(model).items():
        np.testing.assert_array_equal(conditional.arrays(again)[name], a)
    with pytest.raises(SettingError, match="held units have no law"):
        exact.log_partition(wide)
    assert len(h) == 4


@pytest.mark.parametrize("pair", PAIRS[:3], ids=lambda pair: f"{pair[0].kind}-{pair[1].kind}")
def test_every_chain_has_the_law_of_its_own_condition(pair):
    model, n = made(pair), 6_000
    u = np.repeat(U[:2], n, axis=0)
    state = sampling.init(model, u, 3)
    state, _ = sampling.step(model, state, 5, 30)
    all_v, all_h = joint_states(model.rbm.visible, model.rbm.hidden)
    for k in range(2):
        rbm, mine = conditional.given(model, U[k]), slice(k * n, (k + 1) * n)
        law = exact_law(rbms.energy(rbm, all_v, all_h))
        counts = counts_of(np.hstack((state.v[mine], state.h[mine])), np.hstack((all_v, all_h)))
        assert chi_square(counts, law) > FALSE_ALARMS


def test_held_units_stay_and_the_others_follow_them():
    model, n = made(PAIRS[0]), 6_000
    v = np.tile([1.0, 0.0, 0.0], (n, 1))
    state = sampling.init(model, np.tile(U[1], (n, 1)), 1, v=v, held_v=[True, False, False])
    state, _ = sampling.step(model, state, 2, 30)
    assert (state.v[:, 0] == 1).all()
    states = model.rbm.visible.states()
    states = states[states[:, 0] == 1]
    law = exact_law(rbms.free_energy(conditional.given(model, U[1]), states))
    assert chi_square(counts_of(state.v, states), law) > FALSE_ALARMS


def test_what_a_chain_draws_depends_on_its_number_alone():
    model, chain = made(PAIRS[0]), np.array([7, 3, 11, 2])
    whole = sampling.step(model, sampling.init(model, U, 1, chain=chain), 2, 3)[0]
    part = sampling.step(model, sampling.init(model, U[[3, 1]], 1, chain=chain[[3, 1]]), 2, 3)[0]
    np.testing.assert_array_equal(whole.v[[3, 1]], part.v)


def test_shapes_that_do_not_fit_are_refused():
    rbm = made_rbm(Bernoulli(3), Bernoulli(2))
    with pytest.raises(SettingError, match="do not take the same conditions"):
        Conditional(rbm, np.zeros((2, 3)), np.zeros((3, 2)))
    counts = made_rbm(Multinomial(3, 4), Bernoulli(2))
    with pytest.raises(SettingError, match="multinomial"):
        Conditional(counts, np.zeros((1, 3)), np.zeros((1, 2)))
