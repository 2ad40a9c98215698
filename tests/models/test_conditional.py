"""Conditional machines by enumeration: energies, partition functions a condition, gradients, samplers."""

import numpy as np
import pytest

from harmonium.errors import SettingError
from harmonium.models import conditional, exact
from harmonium.models import rbm as rbms
from harmonium.models.conditional import Conditional
from harmonium.sampling import conditional as sampling
from harmonium.testing import (
    FALSE_ALARMS,
    chi_square,
    counts_of,
    exact_law,
    gradient,
    joint_states,
    made_conditional,
    made_rbm,
)
from harmonium.testing.listed import Given
from harmonium.testing.machines import MachineSuite
from harmonium.testing.samplers import SamplerSuite
from harmonium.units import Bernoulli, Gaussian, Multinomial, Softmax, Spin

PAIRS = [(Bernoulli(3), Bernoulli(2)), (Spin(2), Softmax(1, 3)), (Softmax(1, 3), Bernoulli(2)), (Gaussian(2), Spin(2))]
U = np.array([[0.5, -1.0], [1.5, 0.3], [0.5, -1.0], [0.0, 0.0]])


class TestBits(MachineSuite):
    machine = Given(made_conditional(*PAIRS[0]), U[0])


class TestSpins(MachineSuite):
    machine = Given(made_conditional(*PAIRS[1]), U[1])


class TestSoftmax(MachineSuite):
    machine = Given(made_conditional(*PAIRS[2]), U[1])


class TestGibbs(SamplerSuite):
    machine = Given(made_conditional(*PAIRS[0]), U[1])


class TestGibbsOfSpins(SamplerSuite):
    machine = Given(made_conditional(*PAIRS[1]), U[0])


class TestGibbsOfSoftmax(SamplerSuite):
    machine = Given(made_conditional(Softmax(2, 3), Bernoulli(2)), U[0])
    held = (0, 1, 2)


def made(pair):
    """Return a conditional machine with random parameters."""
    return made_conditional(*pair)


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


def test_shapes_that_do_not_fit_are_refused():
    rbm = made_rbm(Bernoulli(3), Bernoulli(2))
    with pytest.raises(SettingError, match="do not take the same conditions"):
        Conditional(rbm, np.zeros((2, 3)), np.zeros((3, 2)))
    counts = made_rbm(Multinomial(3, 4), Bernoulli(2))
    with pytest.raises(SettingError, match="multinomial"):
        Conditional(counts, np.zeros((1, 3)), np.zeros((1, 2)))
