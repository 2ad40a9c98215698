"""Gibbs sampling of Boltzmann machines keeps the exact distribution.

Chi-square tests raise a false alarm once in 10,000; their seeds are fixed.
"""

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import chi2

from harmonium.errors import SettingError
from harmonium.kernels import cpu, jit, reference
from harmonium.models import boltzmann, boltzmann_exact, wiring
from harmonium.randomness import key_of
from harmonium.sampling import boltzmann as sampling
from harmonium.sampling import boltzmann_tempering
from harmonium.testing import made_boltzmann
from harmonium.testing.samplers import LadderSuite, SamplerSuite

N, FALSE_ALARM = 6, 1e-4


def made(values="bits", kind="dense", seed=0, n=N):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.normal(0, 0.6, (n, n)) * (rng.random((n, n)) < (1.0 if kind == "dense" else 0.4)), 1)
    J = upper + upper.T
    return boltzmann.machine(sparse.csr_array(J) if kind == "sparse" else J, rng.normal(0, 0.7, n), values=values)


class TestSweeps(SamplerSuite):
    machine = made_boltzmann(4, 1 - np.eye(6))


class TestSweepsOfSparseSpins(SamplerSuite):
    machine = made_boltzmann(4, wiring.semi_restricted(4, 2, wiring.grid(2, 2)), "spins", spread=0.5)


class TestSweepsOfADeepMachine(SamplerSuite):
    """A deep Boltzmann machine: every other layer at once."""

    machine = made_boltzmann(3, wiring.layered(3, 2, 2))
    held = (0, 2)


class TestLadder(LadderSuite):
    machine = made_boltzmann(2, 1 - np.eye(3))
    betas = (1.0, 0.5, 0.2)

    def stepped(self, v, h, odd, rng):
        bm = self.machine
        s = np.concatenate((v, h), axis=2)  # visible units come first
        begun = boltzmann_tempering.init(bm, len(s), 1, self.betas)._replace(s=s, odd=odd)
        state, info = boltzmann_tempering.step(bm, begun, rng)
        return state.s[..., : bm.n_visible], state.s[..., bm.n_visible :], info


class TestLadderOfSpins(TestLadder):
    machine = made_boltzmann(2, 1 - np.eye(3), "spins")


def index_of(s):
    return ((s > 0) @ (1 << np.arange(s.shape[1])[::-1])).astype(int)


def assert_follows(counts, p):
    """Chi-square; cells that expect fewer than 5 are taken together."""
    n = counts.sum()
    rare = n * p < 5
    counts, p = (np.append(a[~rare], a[rare].sum()) if rare.any() else a for a in (counts, p))
    assert ((counts - n * p) ** 2 / (n * p)).sum() < chi2.isf(FALSE_ALARM, len(p) - 1)


def exact_draws(bm, n, rng):
    p = boltzmann_exact.probabilities(bm)
    return boltzmann_exact.states(bm.n_units, bm.values)[rng.choice(len(p), n, p=p)], p


@pytest.mark.parametrize(("values", "kind"), [("bits", "dense"), ("spins", "sparse")])
def test_a_sweep_of_one_unit_after_the_other_leaves_the_law_as_it_is(values, kind):
    bm = made(values, kind)
    s, p = exact_draws(bm, 40_000, np.random.default_rng(1))
    after, _ = sampling.step(bm, sampling.init(bm, len(s), s=s, scan="single"), rng=7)
    assert_follows(np.bincount(index_of(after.s), minlength=len(p)), p)


def test_chains_at_other_temperatures_follow_the_scaled_energy():
    bm = made()
    state = sampling.init(bm, 20_000, 3)
    state, _ = sampling.step(bm, state, 4, n_sweeps=30, beta=np.repeat([0.3, 2.0], 10_000))
    for half, beta in ((slice(0, 10_000), 0.3), (slice(10_000, None), 2.0)):
        p = boltzmann_exact.probabilities(boltzmann.machine(bm.J * beta, bm.b * beta))
        assert_follows(np.bincount(index_of(state.s[half]), minlength=len(p)), p)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("per_chain", [False, True])
def test_clamped_units_stay_and_the_others_follow_the_conditional(kind, per_chain):
    bm = made("bits", kind)
    held = np.array([True, False, False, True, False, True])
    s = np.tile([1.0, 0, 0, 0, 0, 1], (20_000, 1))
    mask = np.tile(held, (len(s), 1)) if per_chain else held
    state, _ = sampling.step(bm, sampling.init(bm, len(s), s=s, held=mask), 5, n_sweeps=25)
    np.testing.assert_array_equal(state.s[:, held], s[:, held])
    rest, _ = boltzmann.condition(bm, np.flatnonzero(held), s[0, held])
    assert_follows(np.bincount(index_of(state.s[:, ~held]), minlength=8), boltzmann_exact.probabilities(rest))


@pytest.mark.parametrize("values", ["bits", "spins"])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("n_chains", [1, 3, 50])
def test_the_compiled_sweep_is_the_reference(values, kind, n_chains):
    bm = made(values, kind, n=40)
    state = sampling.init(bm, n_chains, 1)
    held = np.random.default_rng(0).random((40, n_chains)) < 0.2
    out = []
    for module in (reference, cpu):
        for mask in (held, np.zeros((0, 0), bool)):
            S = state.s.T.copy()
            arrays = sampling.ties(bm), bm.b, np.linspace(0.5, 1, n_chains), bm.alphabet
            module.gibbs_sweep(state.classes, *arrays, key_of(9), state.chain, S, mask)
            out.append(S)
    np.testing.assert_array_equal(out[0], out[2])
    np.testing.assert_array_equal(out[1], out[3])
    np.testing.assert_array_equal(out[0][held], state.s.T[held])


def test_one_chain_of_a_large_lattice_is_shared_between_threads():
    side = 300
    where = np.arange(side * side).reshape(side, side)
    ties = np.concatenate([np.stack([where, np.roll(where, 1, axis)]).reshape(2, -1) for axis in (0, 1)], axis=1)
    J = sparse.coo_array((np.full(ties.shape[1], 0.3), ties), shape=(side**2, side**2))
    bm = boltzmann.machine(J + J.T, np.zeros(side**2), values="spins")
    state, before, found = sampling.init(bm, 1, 1), jit.n_threads(), []
    try:
        for n in (1, 2):
            jit.set_n_threads(n)
            found.append(sampling.step(bm, state, 2)[0].s)
    finally:
        jit.set_n_threads(before)
    np.testing.assert_array_equal(*found)


def test_info_tells_the_share_of_units_that_changed():
    bm = made(n=30)
    state = sampling.init(bm, 4, 1, held=np.arange(30) < 10)
    after, info = sampling.step(bm, state, 2)
    np.testing.assert_allclose(info.flipped, (after.s != state.s).sum(axis=1) / 20)


def test_an_unknown_scan_is_refused():
    with pytest.raises(SettingError, match="'random' is not one of"):
        sampling.init(made(), 2, scan="random")


def test_tempered_chains_reach_the_law_between_modes_that_sweeps_do_not_cross():
    J = np.full((N, N), 0.6) - 0.6 * np.eye(N)
    bm = boltzmann.machine(J, np.full(N, 0.1), values="spins")
    state = boltzmann_tempering.init(bm, 4_000, 1, np.linspace(1, 0, 12), s=np.full((4_000, N), -1.0))
    for t in range(150):
        state, _ = boltzmann_tempering.step(bm, state, t)
    assert_follows(np.bincount(index_of(state.s[:, 0]), minlength=2**N), boltzmann_exact.probabilities(bm))
