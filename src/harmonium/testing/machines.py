"""The suites of machines: `class TestMine(MachineSuite): machine = made_boltzmann(4, mask)`.

`MachineSuite` is for every kind of machine, `RestrictedSuite` adds what two layers have beside.
"""

from typing import Any

import numpy as np

from harmonium.models import exact
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.testing.exactly import gradient, joint_states, log_likelihood_by_enumeration, made_rbm
from harmonium.testing.listed import Listed, listed
from harmonium.testing.twins import twins
from harmonium.units import Bernoulli

CLOSE = 1e-9  # double precision, sums of a few hundred terms
SLOPE_ERROR = 2e-6  # of central differences
MOST_JOINT = 40  # joint states around which conditionals are compared


class MachineSuite:
    """Tests that every machine of finite layers passes, by listing all its joint states.

    Attributes
    ----------
    machine : RBM, Boltzmann, Lateral or Listed
        In double precision; a conditional one as `listed.Given` with its condition.
    """

    machine: Any = made_rbm(Bernoulli(3), Bernoulli(2))

    def listed(self) -> Listed:
        """Return the machine as the suites see it."""
        return listed(self.machine)

    def test_free_energies_and_log_z_sum_the_rest_out(self):
        one = self.listed()
        v, all_v = one.visible_states(), one.states()[0]
        E = one.energy(*one.states())
        wanted = [np.logaddexp.reduce(-E[(all_v == row).all(axis=1)]) for row in v]
        np.testing.assert_allclose(-one.free_energy(v), wanted, rtol=CLOSE, atol=CLOSE)
        log_z = np.logaddexp.reduce(-E)
        np.testing.assert_allclose(one.log_partition(), log_z, rtol=CLOSE)
        np.testing.assert_allclose(one.log_likelihood(v), wanted - log_z, rtol=CLOSE, atol=CLOSE)

    def test_conditionals_are_energy_differences(self):
        """log p(part | rest) - log p(part' | rest) = E' - E, for all parts that are drawn at once."""
        one = self.listed()
        all_v, all_h = one.states()
        some = np.unique(np.linspace(0, len(all_v) - 1, MOST_JOINT).astype(int))
        joint, n = np.hstack((all_v[some], all_h[some])), all_v.shape[1]
        blocks = one.blocks(joint[:, :n], joint[:, n:])
        assert sorted(np.concatenate([block.columns for block in blocks])) == list(range(joint.shape[1]))
        for columns, layer, x in blocks:
            states, E = layer.states(), []
            for state in states:
                other = joint.copy()
                other[:, columns] = state
                E.append(one.energy(other[:, :n], other[:, n:]))
            log_p = x @ states.T + layer.base(states) - layer.log_partition(x)[:, None]
            np.testing.assert_allclose((log_p - log_p[:, :1]).T, E[0] - np.array(E), atol=CLOSE)
            np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, rtol=CLOSE)

    def test_the_derivatives_of_log_z_are_the_averages(self):
        one, found = self.listed(), self.listed().mean()
        for name, value in one.arrays().items():

            def log_z(a: np.ndarray, name: str = name) -> float:
                return one.changed(name, a).log_partition()

            np.testing.assert_allclose(found[name], gradient(log_z, value), atol=SLOPE_ERROR, err_msg=name)

    def test_the_exact_gradient_is_that_of_the_log_likelihood(self):
        one = self.listed()
        v = one.visible_states()[::2]
        found = one.slope(v)
        for name, value in one.arrays().items():

            def log_likelihood(a: np.ndarray, name: str = name) -> float:
                return float(one.changed(name, a).log_likelihood(v).mean())

            np.testing.assert_allclose(found[name], gradient(log_likelihood, value), atol=SLOPE_ERROR, err_msg=name)

    def test_special_cases_of_other_machines_have_the_same_law(self):
        one = self.listed()
        v = one.visible_states()
        for machine, of in twins(one):
            np.testing.assert_allclose(machine.log_likelihood(of(v)), one.log_likelihood(v), atol=CLOSE)


class RestrictedSuite(MachineSuite):
    """Tests that every restricted machine of two finite layers passes beside those of all machines.

    Attributes
    ----------
    machine : RBM
        In double precision.
    """

    machine: RBM = made_rbm(Bernoulli(3), Bernoulli(2))

    def test_free_energies_of_hidden_states_sum_the_visible_layer_out(self):
        rbm = self.machine
        v, h = rbm.visible.states(), rbm.hidden.states()
        every = -rbms.energy(rbm, *joint_states(rbm.visible, rbm.hidden)).reshape(len(v), len(h))
        np.testing.assert_allclose(-rbms.hidden_free_energy(rbm, h), np.logaddexp.reduce(every, axis=0), rtol=CLOSE)

    def test_averages_from_either_side_agree(self):
        rbm, log_z = self.machine, exact.log_partition(self.machine)
        v, h = rbm.visible.states(), rbm.hidden.states()
        from_v = rbms.statistics(rbm, v, np.exp(-rbms.free_energy(rbm, v) - log_z))
        from_h = rbms.hidden_statistics(rbm, h, np.exp(-rbms.hidden_free_energy(rbm, h) - log_z))
        for key in from_v:
            np.testing.assert_allclose(from_v[key], from_h[key], atol=CLOSE)

    def test_the_exact_log_likelihood_is_that_of_enumeration(self):
        v = self.machine.visible.states()[::2]
        wanted = log_likelihood_by_enumeration(self.machine, v)
        np.testing.assert_allclose(exact.log_likelihood(self.machine, v).mean(), wanted, rtol=CLOSE)

    def test_a_fixed_gauge_keeps_the_distribution(self):
        fixed, v = rbms.fixed_gauge(self.machine), self.machine.visible.states()
        wanted = exact.log_likelihood(self.machine, v)
        np.testing.assert_allclose(exact.log_likelihood(fixed, v), wanted, atol=CLOSE)
        for key, value in rbms.arrays(rbms.fixed_gauge(fixed)).items():
            np.testing.assert_allclose(value, rbms.arrays(fixed)[key], atol=CLOSE, err_msg=key)
