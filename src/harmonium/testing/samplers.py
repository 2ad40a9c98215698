"""The suites of samplers: `class TestMine(SamplerSuite): machine = made_lateral(Bernoulli(4), Spin(2))`.

`SamplerSuite` takes the machine's own sampler, or that of `states_after`; `LadderSuite` is for tempering.
"""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.testing.exactly import FALSE_ALARMS, chi_square, counts_of, exact_law, made_rbm
from harmonium.testing.listed import Floats, Listed, Pair, listed
from harmonium.units import Bernoulli

N_CHAINS = 8_000
N_LADDERS = 32_000


class SamplerSuite:
    """Tests that every sampler passes.

    Attributes
    ----------
    machine : RBM, Boltzmann, Lateral or Listed
        Small enough to list.
    n_steps : int
        Enough for chains that begin anywhere to forget it.
    held : tuple of int
        Visible columns that can be held while others move; none where the sampler holds nothing.
    """

    machine: Any = made_rbm(Bernoulli(3), Bernoulli(2), spread=1.0)
    n_steps: int = 40
    held: tuple[int, ...] = (0,)

    def listed(self) -> Listed:
        """Return the machine as the suites see it."""
        return listed(self.machine)

    def states_after(
        self, n_steps: int, chain: npt.NDArray[np.int64], rng: int, start: Pair | None = None, held: Any = None
    ) -> Pair:
        """Return visible and hidden states at beta = 1 after some steps; those of the machine's own sampler.

        Parameters
        ----------
        n_steps : int
        chain : int64 array, (n_chains,)
        rng : int
        start : tuple of floats, (n_chains, width) each, optional
            Visible and hidden states to begin at.
        held : bool array, (n_visible,), optional
            Visible units that stay.
        """
        return self.listed().sampled(n_steps, chain, rng, start, held)

    def test_long_chains_have_the_joint_law(self):
        assert self.p_value(*self.states_after(self.n_steps, np.arange(N_CHAINS), 3)) > FALSE_ALARMS

    def test_a_step_keeps_the_joint_law(self):
        (all_v, all_h), law = self.listed().states(), self.law()
        first = np.random.default_rng(5).choice(len(law), N_CHAINS, p=law)
        found = self.states_after(1, np.arange(N_CHAINS), 4, (all_v[first], all_h[first]))
        assert self.p_value(*found) > FALSE_ALARMS

    def test_units_that_are_held_stay_and_the_others_have_their_law_given_them(self):
        if not self.held:
            return
        (all_v, all_h), law = self.listed().states(), self.law()
        held = np.isin(np.arange(all_v.shape[1]), self.held)
        which = len(law) // 2
        start = np.tile(all_v[which], (N_CHAINS, 1)), np.tile(all_h[which], (N_CHAINS, 1))
        v, h = self.states_after(self.n_steps, np.arange(N_CHAINS), 6, start, held)
        np.testing.assert_array_equal(v[:, held], start[0][:, held])
        law = law * (all_v[:, held] == all_v[which, held]).all(axis=1)
        assert self.p_value(v, h, law / law.sum()) > FALSE_ALARMS

    def test_the_same_seed_gives_the_same_draws_and_another_one_others(self):
        chain = np.arange(50)
        once, again, other = (self.states_after(2, chain, rng)[0] for rng in (1, 1, 2))
        np.testing.assert_array_equal(once, again)
        assert (once != other).any()

    def test_what_a_chain_draws_depends_neither_on_the_batch_nor_on_the_order(self):
        chain, some = np.array([7, 3, 11, 2, 5]), [3, 1]
        v, h = (a[np.array([0, 3, 1, 2, 3])] for a in self.listed().states())
        whole = self.states_after(3, chain, 1, (v, h))
        part = self.states_after(3, chain[some], 1, (v[some], h[some]))
        for a, b in zip(whole, part):
            np.testing.assert_array_equal(a[some], b)

    def law(self) -> npt.NDArray[np.float64]:
        """Probabilities of all joint states."""
        return exact_law(self.listed().energy(*self.listed().states()))

    def p_value(self, v: Floats, h: Floats, law: Floats | None = None) -> float:
        """P-value of drawn joint states against the model's exact law, or against another one.

        Parameters
        ----------
        v, h : floats, (n, width)
        law : floats, (n_states,), optional
        """
        states = np.hstack(self.listed().states())
        return chi_square(counts_of(np.hstack((v, h)), states), self.law() if law is None else law)


class LadderSuite:
    """Tests that tempering passes: the whole ladder keeps its joint law.

    Attributes
    ----------
    machine : RBM, Boltzmann or Listed
        Of very few states: those of all replicas together are listed.
    betas : tuple of float
    """

    machine: Any = made_rbm(Bernoulli(2), Bernoulli(1), spread=1.5)
    betas: tuple[float, ...] = (1.0, 0.5, 0.1)

    def stepped(self, v: Floats, h: Floats, odd: bool, rng: int) -> tuple[Floats, Floats, Any]:
        """Return states of all replicas after one step, and its info; a subclass says how.

        Parameters
        ----------
        v, h : floats, (n_chains, n_betas, width)
        odd : bool
            Whether the second replica and the third, and so on, are exchanged, or the first and the second.
        rng : int
        """
        raise NotImplementedError

    def test_a_step_keeps_the_joint_law_of_the_whole_ladder(self):
        for odd in (False, True):
            self.check_ladder(odd)

    def check_ladder(self, odd: bool) -> None:
        """Begin at draws from the law of all replicas, and compare what comes of them with it.

        Parameters
        ----------
        odd : bool
        """
        one, rng, k = listed(self.machine), np.random.default_rng(0), len(self.betas)
        v, h = one.states()
        log_count = one.log_count(v, h)
        E = one.energy(v, h) + log_count
        laws = [exact_law(beta * E - log_count) for beta in self.betas]
        first = np.stack([rng.choice(len(E), N_LADDERS, p=law) for law in laws], axis=1)
        after_v, after_h, info = self.stepped(v[first], h[first], odd, 3)
        table, both = np.hstack((v, h)), np.concatenate((after_v, after_h), axis=2)
        place = {row.tobytes(): n for n, row in enumerate(table + 0.0)}
        index = np.array([[place[row.tobytes()] for row in replicas] for replicas in both + 0.0])
        counts = np.bincount(np.ravel_multi_index(tuple(index.T), (len(E),) * k), minlength=len(E) ** k)
        joint = np.array([np.prod(p) for p in itertools.product(*laws)])
        assert chi_square(counts, joint) > FALSE_ALARMS
        pairs = np.arange(k - 1) % 2 == int(odd)
        assert info.accepted[:, pairs].any() and not info.accepted[:, ~pairs].any()
