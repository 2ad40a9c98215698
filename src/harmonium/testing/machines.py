"""The suite of a restricted machine: `class TestX(MachineSuite): rbm = made_rbm(Bernoulli(3), Spin(2))`."""

import numpy as np

from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.testing.exactly import gradient, joint_states, log_likelihood_by_enumeration, made_rbm
from harmonium.units import Bernoulli

CLOSE = 1e-9  # double precision, sums of a few hundred terms
SLOPE_ERROR = 2e-6  # of central differences


class MachineSuite:
    """Tests that every restricted machine of two finite layers passes, by listing all its joint states.

    Attributes
    ----------
    rbm : RBM
        In double precision.
    """

    rbm: RBM = made_rbm(Bernoulli(3), Bernoulli(2))

    def test_free_energies_sum_the_other_layer_out(self):
        rbm = self.rbm
        v, h = rbm.visible.states(), rbm.hidden.states()
        every = -rbms.energy(rbm, *joint_states(rbm.visible, rbm.hidden)).reshape(len(v), len(h))
        np.testing.assert_allclose(-rbms.free_energy(rbm, v), np.logaddexp.reduce(every, axis=1), rtol=CLOSE)
        np.testing.assert_allclose(-rbms.hidden_free_energy(rbm, h), np.logaddexp.reduce(every, axis=0), rtol=CLOSE)
        np.testing.assert_allclose(exact.log_partition(rbm), np.logaddexp.reduce(every, axis=None), rtol=CLOSE)

    def test_conditionals_are_energy_differences(self):
        """log p(h | v) - log p(h' | v) = E(v, h') - E(v, h), for both layers."""
        rbm = self.rbm
        v, h = rbm.visible.states(), rbm.hidden.states()
        E = rbms.energy(rbm, *joint_states(rbm.visible, rbm.hidden)).reshape(len(v), len(h))
        x_h, x_v = rbms.hidden_field(rbm, v), rbms.visible_field(rbm, h)
        log_h = x_h @ h.T + rbm.hidden.base(h) - rbm.hidden.log_partition(x_h)[:, None]
        log_v = x_v @ v.T + rbm.visible.base(v) - rbm.visible.log_partition(x_v)[:, None]
        np.testing.assert_allclose(log_h - log_h[:, :1], E[:, :1] - E, atol=CLOSE)
        np.testing.assert_allclose(log_v - log_v[:, :1], (E[:1] - E).T, atol=CLOSE)
        np.testing.assert_allclose(np.exp(log_h).sum(axis=1), 1, rtol=CLOSE)

    def test_averages_from_either_side_agree(self):
        rbm, log_z = self.rbm, exact.log_partition(self.rbm)
        v, h = rbm.visible.states(), rbm.hidden.states()
        from_v = rbms.statistics(rbm, v, np.exp(-rbms.free_energy(rbm, v) - log_z))
        from_h = rbms.hidden_statistics(rbm, h, np.exp(-rbms.hidden_free_energy(rbm, h) - log_z))
        for key in from_v:
            np.testing.assert_allclose(from_v[key], from_h[key], atol=CLOSE)

    def test_the_exact_log_likelihood_is_that_of_enumeration(self):
        v = self.rbm.visible.states()[::2]
        wanted = log_likelihood_by_enumeration(self.rbm, v)
        np.testing.assert_allclose(exact.log_likelihood(self.rbm, v).mean(), wanted, rtol=CLOSE)

    def test_the_exact_gradient_is_that_of_the_log_likelihood(self):
        rbm, v = self.rbm, self.rbm.visible.states()[::2]
        data, model = rbms.statistics(rbm, v), exact.expectations(rbm)
        for key, value in rbms.arrays(rbm).items():

            def log_likelihood(a: np.ndarray, key: str = key) -> float:
                return float(exact.log_likelihood(rbms.with_arrays(rbm, {key: a}), v).mean())

            found = gradient(log_likelihood, value)
            np.testing.assert_allclose(data[key] - model[key], found, atol=SLOPE_ERROR, err_msg=key)

    def test_a_fixed_gauge_keeps_the_distribution(self):
        fixed, v = rbms.fixed_gauge(self.rbm), self.rbm.visible.states()
        wanted = exact.log_likelihood(self.rbm, v)
        np.testing.assert_allclose(exact.log_likelihood(fixed, v), wanted, atol=CLOSE)
        for key, value in rbms.arrays(rbms.fixed_gauge(fixed)).items():
            np.testing.assert_allclose(value, rbms.arrays(fixed)[key], atol=CLOSE, err_msg=key)
