"""Restricted machines of every pair of layers against full enumeration."""

import numpy as np
import pytest

from harmonium.errors import SettingError
from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.testing import gradient, made_rbm
from harmonium.testing.machines import RestrictedSuite
from harmonium.units import Bernoulli, Gaussian, Joined, Multinomial, Rectified, Softmax, Spin

LISTED = [Bernoulli(3), Spin(3), Softmax(2, 3), Multinomial(3, 3)]
REAL = [Gaussian(2), Rectified(2)]
JOINED = Joined([Bernoulli(2), Softmax(1, 3)])
PAIRS = [(v, h) for v in LISTED for h in LISTED] + [(JOINED, Bernoulli(2)), (Spin(2), JOINED)]
HALF_REAL = [(v, h) for v in LISTED for h in REAL] + [(v, h) for v in REAL for h in LISTED]
HALF_REAL += [(Joined([Gaussian(2), Softmax(1, 3)]), Bernoulli(3))]
UNBOUNDED = [(Gaussian(2), Gaussian(2)), (Gaussian(2), Rectified(2)), (Rectified(2), Rectified(2))]


def name(pair):
    return "-".join(layer.kind for layer in pair)


def suite_of(pair):
    """The suite of machines, for one pair of layers."""
    return type(f"Test{pair[0].kind.title()}{pair[1].kind.title()}", (RestrictedSuite,), {"machine": made_rbm(*pair)})


globals().update((suite.__name__, suite) for suite in map(suite_of, PAIRS))


@pytest.fixture(params=PAIRS + HALF_REAL + [(Gaussian(2), Gaussian(3))], ids=name)
def machine(request):
    """Return a machine whose log Z is exact."""
    return made_rbm(*request.param)


def test_conditionals_of_real_units_are_energy_differences():
    for pair in [(Gaussian(2), Rectified(2)), (Rectified(2), Bernoulli(2))]:
        rbm, rng = made_rbm(*pair), np.random.default_rng(1)
        v, h, other = (np.abs(rng.normal(size=(1, 2))) for _ in range(3))
        x = rbms.visible_field(rbm, h)
        found = ((v - other) * x).sum() + rbm.visible.base(v) - rbm.visible.base(other)
        assert found == pytest.approx(rbms.energy(rbm, other, h) - rbms.energy(rbm, v, h), abs=1e-10)


@pytest.mark.parametrize("pair", [*HALF_REAL, (Gaussian(2), Gaussian(3))], ids=name)
def test_exact_averages_are_the_derivatives_of_log_z(pair):
    machine = made_rbm(*pair)
    averages = exact.expectations(machine)
    for key, value in rbms.arrays(machine).items():

        def log_z(a, key=key):
            return exact.log_partition(rbms.with_arrays(machine, {key: a}))

        np.testing.assert_allclose(averages[key], gradient(log_z, value), atol=2e-6, err_msg=key)


def test_statistics_are_derivatives_of_the_free_energy(machine):
    rng = np.random.default_rng(0)
    v = machine.visible.states()[:4] if machine.visible.bounded else np.abs(rng.normal(size=(4, machine.n_visible)))
    found = rbms.statistics(machine, v)
    for key, value in rbms.arrays(machine).items():

        def mean_free_energy(a, key=key):
            return float(rbms.free_energy(rbms.with_arrays(machine, {key: a}), v).mean())

        np.testing.assert_allclose(found[key], -gradient(mean_free_energy, value), atol=1e-6, err_msg=key)


def test_densities_of_real_visible_units_integrate_to_one():
    rbm = made_rbm(Gaussian(1), Bernoulli(3))
    points = np.linspace(-15, 15, 20_001)
    assert np.trapezoid(np.exp(exact.log_likelihood(rbm, points[:, None])), points) == pytest.approx(1, abs=1e-8)


def test_a_softmax_machine_in_its_gauge_has_states_that_sum_to_zero():
    fixed = rbms.fixed_gauge(made_rbm(Softmax(2, 3), Bernoulli(2)))
    np.testing.assert_allclose(fixed.W.reshape(2, 3, -1).sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(fixed.b.reshape(2, 3).sum(axis=1), 0, atol=1e-12)


def test_a_tempered_machine_has_every_energy_multiplied(machine):
    if "multinomial" in (machine.visible.kind, machine.hidden.kind):
        pytest.skip("the number of sequences behind a count is not an energy")
    rng, warm = np.random.default_rng(0), rbms.tempered(machine, 0.3)
    v, h = (
        layer.states()[rng.integers(layer.n_configurations, size=5)] if layer.bounded else rng.random((5, layer.width))
        for layer in (machine.visible, machine.hidden)
    )
    np.testing.assert_allclose(rbms.energy(warm, v, h), 0.3 * rbms.energy(machine, v, h), atol=1e-12)


def test_layers_exchanged_give_the_same_energy():
    rbm = made_rbm(Spin(3), Gaussian(2))
    v, h = rbm.visible.states(), np.random.default_rng(0).normal(size=(8, 2))
    np.testing.assert_allclose(rbms.energy(rbms.transposed(rbm), h, v), rbms.energy(rbm, v, h))


def test_spins_and_bits_are_one_machine_in_two_writings():
    """s = 2 v - 1: a Bernoulli machine has the law of the spin machine with shifted biases."""
    bits = made_rbm(Bernoulli(3), Bernoulli(2))
    W = bits.W / 4
    spins = RBM(W, bits.b / 2 + W.sum(axis=1), bits.c / 2 + W.sum(axis=0), Spin(3), Spin(2))
    v = bits.visible.states()
    np.testing.assert_allclose(exact.log_likelihood(spins, 2 * v - 1), exact.log_likelihood(bits, v), atol=1e-12)


def test_a_softmax_of_two_states_is_a_bernoulli_unit():
    two = made_rbm(Softmax(3, 2), Bernoulli(2))
    W, b = (a[1::2] - a[::2] for a in (two.W, two.b))
    one = RBM(W, b, two.c + two.W[::2].sum(axis=0), Bernoulli(3), Bernoulli(2))
    v = one.visible.states()
    both = np.stack((1 - v, v), axis=2).reshape(len(v), -1)
    np.testing.assert_allclose(exact.log_likelihood(two, both), exact.log_likelihood(one, v), atol=1e-12)


def test_one_draw_of_a_multinomial_layer_is_a_softmax_unit():
    one = made_rbm(Multinomial(3, 1), Bernoulli(2))
    soft = RBM(one.W, one.b, one.c, Softmax(1, 3), one.hidden)
    v = soft.visible.states()
    np.testing.assert_allclose(exact.log_likelihood(one, v), exact.log_likelihood(soft, v), atol=1e-12)


@pytest.mark.parametrize("pair", UNBOUNDED)
def test_two_unbounded_layers_with_too_large_weights_have_no_joint_law(pair):
    W = np.full((2, 2), 0.6)  # norm 1.2
    with pytest.raises(SettingError, match=r"norm below 1; it is 1\.2"):
        RBM(W, np.zeros(2), np.zeros(2), *pair)
    RBM(W / 1.3, np.zeros(2), np.zeros(2), *pair)


def test_negative_weights_between_rectified_layers_are_no_danger():
    RBM(np.full((2, 2), -5.0), np.zeros(2), np.zeros(2), Rectified(2), Rectified(2))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(SettingError, match=r"W \(3, 2\).*bernoulli layer of 2 columns"):
        RBM(np.zeros((3, 2)), np.zeros(3), np.zeros(2), Bernoulli(2), Bernoulli(2))


def test_a_machine_is_immutable_and_leaves_the_callers_arrays_writeable():
    W = np.zeros((2, 2))
    rbm = RBM(W, np.zeros(2), np.zeros(2), Bernoulli(2), Bernoulli(2))
    with pytest.raises(ValueError, match="read-only"):
        rbm.W[0, 0] = 1
    W[0, 0] = 1


@pytest.mark.parametrize("pair", PAIRS + HALF_REAL, ids=name)
def test_an_initial_machine_without_weights_has_the_means_it_was_given(pair):
    rng = np.random.default_rng(0)
    mean = pair[0].mean(rng.normal(size=(1, pair[0].width)))[0]
    rbm = rbms.initial(*pair, rng=0, mean=mean, spread=0.0, dtype=np.float64)
    np.testing.assert_allclose(exact.expectations(rbm)["b"], mean, atol=1e-6)


def test_an_exact_sum_out_of_reach_says_how_far():
    with pytest.raises(SettingError, match=r"hidden layer has 1,099,511,627,776 states.*infinitely many"):
        exact.log_partition(rbms.initial(Gaussian(3), Bernoulli(40)))


def test_sums_in_blocks_are_sums_over_all():
    rbm = made_rbm(Bernoulli(5), Bernoulli(4))
    whole = np.concatenate(list(exact.blocks_of(rbm.visible, 7)))
    np.testing.assert_array_equal(whole, rbm.visible.states())
