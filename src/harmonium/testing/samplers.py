"""The suite of a sampler: `class TestGibbs(SamplerSuite)` with `rbm` and `states_after`."""

import numpy as np
import numpy.typing as npt

from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.testing.exactly import FALSE_ALARMS, chi_square, counts_of, exact_law, joint_states, made_rbm
from harmonium.units import Bernoulli

Floats = npt.NDArray[np.floating]
N_CHAINS = 8_000


class SamplerSuite:
    """Tests that every sampler of a restricted machine passes.

    Attributes
    ----------
    rbm : RBM
        Small enough to list.
    n_steps : int
        Enough for chains that begin anywhere to forget it.
    """

    rbm: RBM = made_rbm(Bernoulli(3), Bernoulli(2), spread=1.0)
    n_steps: int = 40

    def states_after(
        self, n_steps: int, chain: npt.NDArray[np.int64], rng: int, v: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Return visible and hidden states at beta = 1 after some steps; a subclass says how.

        Parameters
        ----------
        n_steps : int
        chain : int64 array, (n_chains,)
        rng : int
        v : floats, (n_chains, n_visible), optional
            Where to begin.
        """
        raise NotImplementedError

    def test_long_chains_have_the_joint_law(self):
        v, h = self.states_after(self.n_steps, np.arange(N_CHAINS), 3)
        assert self.p_value(v, h) > FALSE_ALARMS

    def test_a_step_keeps_the_joint_law(self):
        all_v, all_h = joint_states(self.rbm.visible, self.rbm.hidden)
        law = exact_law(rbms.energy(self.rbm, all_v, all_h))
        start = np.random.default_rng(5).choice(len(law), N_CHAINS, p=law)
        v, h = self.states_after(1, np.arange(N_CHAINS), 4, all_v[start])
        assert self.p_value(v, h) > FALSE_ALARMS

    def test_the_same_seed_gives_the_same_draws_and_another_one_others(self):
        chain = np.arange(50)
        once, again, other = (self.states_after(2, chain, rng)[0] for rng in (1, 1, 2))
        np.testing.assert_array_equal(once, again)
        assert (once != other).any()

    def test_what_a_chain_draws_depends_neither_on_the_batch_nor_on_the_order(self):
        chain = np.array([7, 3, 11, 2, 5])
        v = self.rbm.visible.states()[np.array([0, 3, 1, 2, 3])]
        whole = self.states_after(3, chain, 1, v)
        part = self.states_after(3, chain[[3, 1]], 1, v[[3, 1]])
        for a, b in zip(whole, part):
            np.testing.assert_array_equal(a[[3, 1]], b)

    def p_value(self, v: Floats, h: Floats) -> float:
        """P-value of drawn joint states against the model's exact law.

        Parameters
        ----------
        v, h : floats, (n, width)
        """
        all_v, all_h = joint_states(self.rbm.visible, self.rbm.hidden)
        law = exact_law(rbms.energy(self.rbm, all_v, all_h))
        return chi_square(counts_of(np.hstack((v, h)), np.hstack((all_v, all_h))), law)
