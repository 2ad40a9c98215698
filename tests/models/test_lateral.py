"""Semi-restricted machines by enumeration: energies, log Z, gradients, and samplers with and without clamps."""

import numpy as np
import pytest
from scipy import integrate

from harmonium.errors import SettingError
from harmonium.models import exact, lateral
from harmonium.models import rbm as rbms
from harmonium.models.lateral import Lateral
from harmonium.sampling import lateral as sampling
from harmonium.testing import FALSE_ALARMS, chi_square, counts_of, exact_law, gradient, made_lateral, made_rbm
from harmonium.testing.machines import MachineSuite
from harmonium.testing.samplers import SamplerSuite
from harmonium.units import Bernoulli, Gaussian, Rectified, Softmax, Spin

FINITE = [(Bernoulli(4), Bernoulli(2)), (Spin(4), Softmax(1, 3)), (Spin(3), Spin(2))]
REAL = [(Gaussian(3), Bernoulli(2)), (Gaussian(2), Gaussian(2)), (Bernoulli(3), Gaussian(2)), (Spin(3), Rectified(2))]


RING = np.roll(np.eye(4), 1, axis=1) + np.roll(np.eye(4), -1, axis=1)


class TestBits(MachineSuite):
    machine = made_lateral(*FINITE[0])


class TestBitsOnARing(MachineSuite):
    machine = made_lateral(*FINITE[0], mask=RING)


class TestSpinsUnderSoftmax(MachineSuite):
    machine = made_lateral(*FINITE[1])


class TestSpins(MachineSuite):
    machine = made_lateral(*FINITE[2])


class TestSweeps(SamplerSuite):
    machine = made_lateral(*FINITE[0])


class TestSweepsOnARing(SamplerSuite):
    machine = made_lateral(*FINITE[0], mask=RING)
    held = (0, 3)


class TestSweepsOfSpins(SamplerSuite):
    machine = made_lateral(*FINITE[1])


class TestSweepsOfSpinsOnARing(SamplerSuite):
    machine = made_lateral(*FINITE[1], mask=RING)


def made(pair):
    """Return a semi-restricted machine with random parameters."""
    return made_lateral(*pair)


def rows(model, n=5, seed=1):
    """Return visible states."""
    rng, layer = np.random.default_rng(seed), model.rbm.visible
    if not layer.bounded:
        return rng.normal(size=(n, layer.width))
    return layer.states()[rng.integers(layer.n_configurations, size=n)]


def names(pair):
    """Return a test's name."""
    return f"{pair[0].kind}-{pair[1].kind}"


def test_log_z_of_gaussian_units_is_the_integral_over_them():
    for pair in [(Gaussian(2), Bernoulli(2)), (Gaussian(2), Gaussian(2))]:
        model = made(pair)

        def density(y, x, model=model):
            return float(np.exp(-lateral.free_energy(model, np.array([[x, y]])))[0])

        value, _ = integrate.dblquad(density, -15, 15, -15, 15, epsabs=1e-6)
        assert lateral.log_partition(model) == pytest.approx(np.log(value), abs=1e-5)


@pytest.mark.parametrize("pair", REAL, ids=names)
def test_the_exact_gradient_is_that_of_the_log_likelihood(pair):
    model = made(pair)
    v = rows(model)
    for name, g in lateral.slope(model, v).items():

        def value(a, name=name):
            a = np.triu(a, 1) + np.triu(a, 1).T if name == "L" else a
            return float(lateral.log_likelihood(lateral.with_arrays(model, {name: a}), v).mean())

        wanted = gradient(value, lateral.arrays(model)[name])
        wanted = wanted + wanted.T if name == "L" else wanted  # one number a pair
        np.testing.assert_allclose(g, wanted, atol=3e-6, err_msg=name)


def test_without_ties_it_is_the_restricted_machine():
    for pair in FINITE + REAL:
        rbm = made_rbm(*pair)
        model = Lateral(rbm, np.zeros((rbm.n_visible,) * 2))
        if pair[1].kind != "relu":
            assert lateral.log_partition(model) == pytest.approx(exact.log_partition(rbm))
        np.testing.assert_array_equal(lateral.free_energy(model, rows(model)), rbms.free_energy(rbm, rows(model)))


def test_chains_that_hold_units_of_their_own_have_the_law_given_those():
    model, n = made(FINITE[0]), 8_000
    v = np.tile([1.0, 0, 1, 0], (n, 1))
    mask = np.tile([True, False, False, True], (n, 1))
    state = sampling.init(model, rng=1, v=v, held_v=mask)
    state, _ = sampling.step(model, state, 2, 40)
    states = model.rbm.visible.states()
    states = states[(states[:, 0] == 1) & (states[:, 3] == 0)]
    law = exact_law(lateral.free_energy(model, states))
    assert chi_square(counts_of(state.v, states), law) > FALSE_ALARMS


def test_gaussian_chains_have_the_moments_of_the_mixture():
    model, n = made((Gaussian(3), Bernoulli(2))), 40_000
    state, _ = sampling.step(model, sampling.init(model, n, 1), 2, 30)
    wanted = lateral.expectations(model)
    found = lateral.statistics(model, state.v)
    for name in ("b", "L", "c", "W"):
        np.testing.assert_allclose(found[name], wanted[name], atol=0.04, err_msg=name)


def test_held_gaussian_units_condition_the_others():
    model = made((Gaussian(3), Bernoulli(2)))
    model, n = Lateral(rbms.with_arrays(model.rbm, {"W": np.zeros((3, 2))}), model.L), 40_000
    held = np.array([[True, False, False], [False, True, False]]).repeat(n, axis=0)
    v = np.tile([1.5, -0.5, 0.0], (2 * n, 1))
    state, _ = sampling.step(model, sampling.init(model, rng=1, v=v, held_v=held), 2, 1)
    P = lateral.precision(model)
    for k, rest in enumerate(([1, 2], [0, 2])):
        mine, field = state.v[k * n : (k + 1) * n], model.rbm.b[rest] + model.L[rest, k] * v[0, k]
        C = np.linalg.inv(P[np.ix_(rest, rest)])
        assert (mine[:, k] == v[0, k]).all()
        np.testing.assert_allclose(mine[:, rest].mean(axis=0), C @ field, atol=0.03)
        np.testing.assert_allclose(np.cov(mine[:, rest].T), C, atol=0.05)


def test_what_a_chain_of_real_units_draws_depends_on_its_number_alone():
    model, chain = made(REAL[0]), np.array([7, 3, 11, 2, 5])
    v = rows(model)
    whole = sampling.step(model, sampling.init(model, rng=1, v=v, chain=chain), 2, 3)[0]
    part = sampling.step(model, sampling.init(model, rng=1, v=v[[3, 1]], chain=chain[[3, 1]]), 2, 3)[0]
    np.testing.assert_allclose(whole.v[[3, 1]], part.v, rtol=1e-12)


@pytest.mark.parametrize(
    ("layer", "L", "message"),
    [
        (Bernoulli(2), [[0, 1], [2, 0]], "symmetric"),
        (Bernoulli(2), [[1, 0], [0, 0]], "not tied to itself"),
        (Bernoulli(2), np.zeros((3, 3)), r"shape \(2, 2\)"),
        (Gaussian(2), [[0, 1.5], [1.5, 0]], "smallest eigenvalue is -0.5"),
        (Softmax(1, 2), np.zeros((2, 2)), "softmax units cannot be tied"),
    ],
)
def test_ties_that_cannot_be_are_refused(layer, L, message):
    rbm = rbms.initial(layer, Bernoulli(1), 0)
    with pytest.raises(SettingError, match=message):
        Lateral(rbm, np.array(L, float))
