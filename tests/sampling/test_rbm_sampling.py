"""Samplers of restricted machines against enumeration: joint laws, clamped units, the whole tempering ladder."""

import tracemalloc

import numpy as np
import pytest

from harmonium.errors import DataError, SettingError
from harmonium.kernels import cpu, reference
from harmonium.models import lateral
from harmonium.models import rbm as rbms
from harmonium.randomness import key_of
from harmonium.sampling import annealing, gibbs, tempering
from harmonium.testing import FALSE_ALARMS, chi_square, counts_of, exact_law, joint_states, made_lateral, made_rbm
from harmonium.testing.samplers import LadderSuite, SamplerSuite
from harmonium.units import Bernoulli, Gaussian, Joined, Multinomial, Rectified, Softmax, Spin

N = 8_000


def in_float32(rbm):
    """The same machine in single precision, which the compiled kernel draws."""
    return rbms.with_arrays(rbm, {name: a.astype(np.float32) for name, a in rbms.arrays(rbm).items()})


class TestGibbs(SamplerSuite):
    """Of bits, in double precision."""


class TestGibbsInSinglePrecision(SamplerSuite):
    machine = in_float32(SamplerSuite.machine)


class TestGibbsOfSpinsAndSoftmax(SamplerSuite):
    machine = made_rbm(Softmax(2, 3), Spin(2), spread=0.7)
    held = (0, 1, 2)


class TestGibbsOfLayersSideBySide(SamplerSuite):
    machine = in_float32(made_rbm(Joined([Bernoulli(2), Softmax(1, 3)]), Bernoulli(2), spread=0.7))


class TestGibbsOfCounts(SamplerSuite):
    machine = made_rbm(Multinomial(3, 3), Bernoulli(2), spread=0.7)
    held = (0, 1, 2)


class TestTempering(SamplerSuite):
    betas = (1.0, 0.6, 0.2)
    held = ()

    def states_after(self, n_steps, chain, rng, start=None, held=None):
        v = np.zeros((len(chain), self.machine.n_visible)) if start is None else start[0]
        state = tempering.init(self.machine, len(chain), rng, self.betas, v)._replace(chain=chain)
        for t in range(n_steps):
            state, _ = tempering.step(self.machine, state, key_of(rng, t))
        return state.v[:, 0], state.h[:, 0]

    def test_a_step_keeps_the_joint_law(self):
        """Replicas that begin at one state are not at the ladder's law; the suite of ladders has all of them."""

    def test_what_a_chain_draws_depends_neither_on_the_batch_nor_on_the_order(self):
        chain, v = np.array([7, 3, 11]), self.machine.visible.states()[:3]
        state = tempering.init(self.machine, 3, 1, self.betas, v)._replace(chain=chain)
        part = tempering.State(state.betas, state.v[1:], state.h[1:], chain[1:])
        a, b = (tempering.step(self.machine, s, 5)[0] for s in (state, part))
        np.testing.assert_array_equal(a.v[1:], b.v)


class TestLadder(LadderSuite):
    def stepped(self, v, h, odd, rng):
        state = tempering.State(np.array(self.betas), v, h, np.arange(len(v)), odd)
        state, info = tempering.step(self.machine, state, rng)
        return state.v, state.h, info


class TestLadderOfSpins(TestLadder):
    machine = made_rbm(Spin(1), Softmax(1, 2), spread=1.5)


class TestLadderOfCounts(TestLadder):
    machine = made_rbm(Multinomial(2, 2), Spin(1), spread=1.5)


class TestLadderOfTiedBits(TestLadder):
    machine = made_lateral(Bernoulli(2), Bernoulli(1), seed=1)


class TestLadderOfTiedSpins(TestLadder):
    machine = made_lateral(Spin(2), Softmax(1, 2), seed=1)


def test_tempered_chains_of_tied_gaussian_units_have_their_covariance():
    model = made_lateral(Gaussian(3), Gaussian(1), seed=2)
    state = tempering.init(model, N, 0, [1.0, 0.6, 0.3])
    for t in range(20):
        state, _ = tempering.step(model, state, t)
    for k, beta in enumerate(state.betas):
        both = np.concatenate((state.v[:, k], state.h[:, k]), axis=1)
        expected = np.linalg.inv(lateral.joint_precision(model)) / beta
        np.testing.assert_allclose(np.cov(both.T), expected, atol=0.08 * np.diag(expected).max())


def test_exchanges_by_the_visible_free_energy_would_be_found_out():
    """The defect that the ladder's test is for: chains follow the tempered joint law, exchanges another energy."""
    rbm, betas, rng = made_rbm(Bernoulli(2), Bernoulli(1), spread=2.5), np.array([1.0, 0.2]), np.random.default_rng(0)
    v, h = joint_states(rbm.visible, rbm.hidden)
    E, F = rbms.energy(rbm, v, h), rbms.free_energy(rbm, v)
    laws = [exact_law(beta * E) for beta in betas]
    start = np.stack([rng.choice(len(E), 4 * N, p=law) for law in laws], axis=1)

    def after(energy):
        ratio = np.exp(np.minimum((betas[1] - betas[0]) * (energy[start[:, 1]] - energy[start[:, 0]]), 0))
        swap = rng.random(4 * N) < ratio
        cold = np.where(swap, start[:, 1], start[:, 0])
        return chi_square(np.bincount(cold, minlength=len(E)), laws[0])

    assert after(E) > FALSE_ALARMS > after(F)


def test_an_adapted_ladder_exchanges_all_pairs_about_equally_often():
    rbm = made_rbm(Bernoulli(8), Bernoulli(6), spread=3.0)
    state = tempering.init(rbm, 100, 0, np.array([1.0, 0.95, 0.9, 0.85, 0.1]))
    _, before = tempering.swap_rates(rbm, state, 1, 100)
    state, rates = tempering.adapt(rbm, state, 2, 100)
    assert before.max() - before.min() > 0.3
    assert rates.max() - rates.min() < 0.15
    assert state.betas[0] == 1 and state.betas[-1] == pytest.approx(0.1) and (np.diff(state.betas) < 0).all()


@pytest.mark.parametrize("betas", [[1.0], [0.9, 0.5], [1.0, 1.0], [1.0, -0.1]])
def test_a_ladder_that_does_not_fall_from_one_is_refused(betas):
    with pytest.raises(SettingError, match="must fall from 1"):
        tempering.init(made_rbm(Bernoulli(2), Bernoulli(2)), 3, 0, betas)


def test_real_units_have_no_law_at_infinite_temperature():
    with pytest.raises(SettingError, match="no law at beta = 0"):
        tempering.init(made_rbm(Gaussian(2), Bernoulli(2)), 3, 0, [1.0, 0.0])


def test_held_units_stay_and_the_others_follow_the_conditional_law():
    rbm = made_rbm(Bernoulli(3), Bernoulli(3), spread=1.0)
    v = np.tile([1.0, 0, 1], (N, 1))
    h = np.tile([0.0, 1, 1], (N, 1))
    state = gibbs.init(rbm, rng=0, v=v, h=h, held_v=[True, False, False], held_h=[False, False, True])
    state, _ = gibbs.step(rbm, state, 1, 40)
    assert (state.v[:, 0] == 1).all() and (state.h[:, 2] == 1).all()
    all_v, all_h = joint_states(rbm.visible, rbm.hidden)
    law = exact_law(rbms.energy(rbm, all_v, all_h)) * (all_v[:, 0] == 1) * (all_h[:, 2] == 1)
    counts = counts_of(np.hstack(state[:2]), np.hstack((all_v, all_h)))
    assert chi_square(counts, law / law.sum()) > FALSE_ALARMS


def test_filling_in_draws_from_the_conditional_law_of_the_rest():
    rbm = made_rbm(Bernoulli(4), Bernoulli(3), spread=1.0)
    known = np.array([True, True, False, False])
    v = np.tile([1.0, 0, np.nan, np.nan], (N, 1))
    state, mean = gibbs.fill_in(rbm, v, known, rng=0, n_steps=40)
    states = rbm.visible.states()
    law = exact_law(rbms.free_energy(rbm, states)) * (states[:, 0] == 1) * (states[:, 1] == 0)
    law /= law.sum()
    assert chi_square(counts_of(state.v, states), law) > FALSE_ALARMS
    np.testing.assert_allclose(mean.mean(axis=0), law @ states, atol=0.02)


def test_part_of_a_softmax_unit_or_of_a_row_of_counts_cannot_be_held():
    for layer in (Softmax(2, 3), Multinomial(6, 2)):
        rbm = made_rbm(layer, Bernoulli(2))
        with pytest.raises(SettingError, match="holds part of a"):
            gibbs.init(rbm, 2, 0, held_v=[True, False, False, False, False, False])
        gibbs.init(rbm, 2, 0, held_v=[True] * 6)


def test_a_start_that_is_no_state_is_refused_by_row_and_column():
    rbm = made_rbm(Bernoulli(3), Bernoulli(2))
    with pytest.raises(DataError, match=r"v: row 1, column 2 is 0\.5"):
        gibbs.init(rbm, v=np.array([[0, 0, 0], [0, 0, 0.5]]))


def test_a_gaussian_machine_samples_the_variance_of_its_energy():
    """Two Gaussian layers: the chains' covariance is the inverse of the joint precision matrix."""
    rbm = made_rbm(Gaussian(2), Gaussian(1))
    state = gibbs.step(rbm, gibbs.init(rbm, 40_000, 0), 1, 60)[0]
    inverse = [np.exp(-layer.log_variance) for layer in (rbm.visible, rbm.hidden)]
    precision = np.block([[np.diag(inverse[0]), -rbm.W], [-rbm.W.T, np.diag(inverse[1])]])
    z = np.hstack(state[:2])
    np.testing.assert_allclose(np.cov(z.T), np.linalg.inv(precision), atol=0.06)
    np.testing.assert_allclose(z.mean(axis=0), np.linalg.solve(precision, np.r_[rbm.b, rbm.c]), atol=0.03)


def test_memory_does_not_grow_with_the_steps():
    """Nothing of a step is kept but its last states: no graph, no trace."""
    rbm, peaks = made_rbm(Bernoulli(40), Bernoulli(30)), []
    for n_steps in (2, 2, 60):  # the first one warms up
        state = gibbs.init(rbm, 50, 0)
        tracemalloc.start()
        gibbs.step(rbm, state, 1, n_steps)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.5 * peaks[1]


def test_rectified_hidden_units_are_drawn_not_averaged():
    rbm = made_rbm(Bernoulli(2), Rectified(2))
    state = gibbs.step(rbm, gibbs.init(rbm, 5_000, 0), 1, 5)[0]
    same = (state.v == [1, 0]).all(axis=1)
    h = state.h[same, 0]
    assert len(np.unique(h)) == len(h) and h.min() >= 0


def test_annealing_far_below_one_ends_in_the_ground_state():
    rbm = made_rbm(Bernoulli(4), Bernoulli(3), spread=1.5)
    state, _ = annealing.anneal(rbm, gibbs.init(rbm, 200, 0), np.geomspace(0.1, 50, 60), 1)
    all_v, all_h = joint_states(rbm.visible, rbm.hidden)
    E = rbms.energy(rbm, all_v, all_h)
    assert np.mean(np.isclose(rbms.energy(rbm, state.v, state.h), E.min())) > 0.5
    with pytest.raises(SettingError, match="above 0"):
        annealing.anneal(rbm, state, [0.0, 1.0], 1)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_binary_draws_are_the_same_on_every_backend(low):
    rng = np.random.default_rng(0)
    x, bias = rng.normal(0, 3, (300, 500)).astype(np.float32), rng.normal(size=500).astype(np.float32)
    out = []
    for module in (reference, cpu):
        mean, state = np.empty_like(x), np.empty_like(x)
        module.draw_binary(x, bias, key_of(1), np.arange(300) * 3, low, mean, state)
        out.append((mean, state))
    np.testing.assert_allclose(out[1][0], out[0][0], atol=2e-6)
    assert (out[0][1] != out[1][1]).mean() < 1e-5  # a uniform between two roundings of one probability


def test_normals_are_the_same_on_every_backend_and_those_of_the_layer():
    chain = np.arange(700) * 5
    found, wanted = (module.normals(key_of(2), chain, 30) for module in (cpu, reference))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_allclose(found, Gaussian(30).noise(key_of(2), chain), atol=1e-6)
