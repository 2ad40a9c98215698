"""Annealed importance sampling against exact log Z, forwards and backwards.

Statistical tests allow an error of Z_LIMIT standard errors, which a right estimate exceeds once in 16,000; their seeds
are fixed.
"""

import numpy as np
import pytest
from scipy import sparse

from harmonium.errors import DataError, SettingError
from harmonium.kernels import cpu, reference
from harmonium.likelihood import ais, bracket, log_partition, path_to, reverse_ais, spaced
from harmonium.likelihood.bracket import Bracket
from harmonium.models import boltzmann, boltzmann_exact, exact, wiring
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.randomness import key_of
from harmonium.testing import made_boltzmann as boltzmann_with
from harmonium.testing import made_conditional, made_lateral
from harmonium.testing.annealing import AnnealingSuite
from harmonium.testing.listed import Given
from harmonium.units import Bernoulli, Gaussian, Multinomial, Rectified, Softmax, Spin

Z_LIMIT = 4.0
PAIRS = {
    "bits": (Bernoulli(6), Bernoulli(5)),
    "spins": (Spin(5), Spin(4)),
    "potts": (Softmax(3, 3), Bernoulli(4)),
    "gaussian-bits": (Gaussian(4), Bernoulli(5)),
    "bits-gaussian": (Bernoulli(6), Gaussian(3)),
    "bits-relu": (Bernoulli(5), Rectified(3)),
    "words": (Multinomial(4, 5), Bernoulli(4)),
}


def made(pair="bits", seed=0, spread=0.6):
    rng, (visible, hidden) = np.random.default_rng(seed), PAIRS[pair]
    sizes = (visible.width, hidden.width), visible.width, hidden.width
    return RBM(*(rng.normal(0, spread, size) for size in sizes), visible, hidden)


def made_boltzmann(values="bits", kind="dense", seed=0):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.normal(0, 0.5, (7, 7)) * (rng.random((7, 7)) < (1.0 if kind == "dense" else 0.5)), 1)
    J = upper + upper.T
    J = sparse.csr_array(J) if kind == "sparse" else J
    return boltzmann.machine(J, rng.normal(0, 0.5, 7), [0, 3, 4, 6], values)


class TestBits(AnnealingSuite):
    machine = made()


class TestSpins(AnnealingSuite):
    machine = made("spins")


class TestPotts(AnnealingSuite):
    machine = made("potts")


class TestGaussianOverBits(AnnealingSuite):
    machine = made("gaussian-bits")
    n_brackets = 0


class TestBitsUnderGaussian(AnnealingSuite):
    machine = made("bits-gaussian")


class TestBitsUnderRectified(AnnealingSuite):
    machine = made("bits-relu")


class TestWords(AnnealingSuite):
    machine = made("words")
    n_brackets = 0  # rows of one total alone are annealed


class TestBoltzmann(AnnealingSuite):
    machine = made_boltzmann("bits", "dense")


class TestSparseSpins(AnnealingSuite):
    machine = made_boltzmann("spins", "sparse")


class TestDeep(AnnealingSuite):
    machine = boltzmann_with(4, wiring.layered(4, 3, 2), spread=0.5)


class TestSemiRestricted(AnnealingSuite):
    machine = made_lateral(Bernoulli(5), Bernoulli(3))


class TestConditional(AnnealingSuite):
    machine = Given(made_conditional(Bernoulli(5), Bernoulli(3)), np.array([0.5, -1.0]))


def exact_rows(model, n, seed):
    """Exact draws of the visible units, for models whose visible states can be listed."""
    if isinstance(model, RBM):
        v = model.visible.states()
        p = np.exp(exact.log_likelihood(model, v))
    else:
        v = boltzmann_exact.states(model.n_visible, model.values)
        p = np.exp(boltzmann_exact.log_likelihood(model, v))
    return v[np.random.default_rng(seed).choice(len(v), n, p=p / p.sum())]


def test_the_lower_bound_averages_to_the_probability_of_where_annealing_ends():
    """exp(-F - value) is on average the probability that walking up ends at the row, here enumerated."""
    rbm = RBM(np.array([[1.5], [-1.0]]), np.array([0.3, -0.2]), np.array([0.4]), Bernoulli(2), Bernoulli(1))
    path, betas = path_to(rbm), np.array([0, 0.4, 1.0])
    v = rbm.visible.states()
    ends = np.exp(v @ path.base - rbm.visible.log_partition(path.base[None]))
    for beta in betas[1:]:
        x = rbms.hidden_field(rbm, v) * beta
        h = np.array([[0.0], [1.0]])
        p_h = np.exp(x @ h.T - np.logaddexp(0, x))  # (v, h)
        y = (1 - beta) * path.base + beta * rbms.visible_field(rbm, h)
        p_v = np.exp(y @ v.T - rbm.visible.log_partition(y)[:, None])  # (h, v)
        ends = ends @ (p_h @ p_v)
    for row, p in zip(v, ends):
        values = reverse_ais(path, np.tile(row, (40_000, 1)), betas, rng=4)
        found = np.exp(-path.free_energy(row[None])[0] - values)
        assert abs(found.mean() - p) < Z_LIMIT * found.std() / np.sqrt(len(found))


def test_an_exact_bracket_has_no_width():
    found = bracket(made(), exact_rows(made(), 9, 0))
    assert found.exact and found.gap == 0 and found.warning == ""
    assert found.to_dict()["gap"] == 0


def test_a_wide_bracket_or_few_effective_chains_give_a_plain_warning():
    wide = Bracket(-90.0, -80.0, 0.1, 0.1, 5.0, 50.0, 100, 100, 1_000, False)
    assert "10.00 nats apart" in wide.warning
    thin = Bracket(-81.0, -80.0, 0.1, 0.1, 5.0, 1.3, 100, 100, 1_000, False)
    assert "1.3 of 100 chains" in thin.warning


def test_starting_at_the_datas_means_does_better_than_at_the_models_biases():
    rng = np.random.default_rng(3)
    rbm = RBM(rng.normal(0, 1, (12, 8)), rng.normal(-2, 1, 12), np.zeros(8), Bernoulli(12), Bernoulli(8))
    v = exact_rows(rbm, 500, 1)
    sizes = [ais(path_to(rbm, mean), 300, 40, rng=1).effective_size for mean in (None, v.mean(axis=0))]
    assert sizes[1] > sizes[0]


def test_spaced_betas_are_closer_where_weights_scatter_and_can_be_given():
    path = path_to(made(spread=1.5))
    beta = spaced(path, 1_000, rng=1)
    assert beta[0] == 0 and beta[-1] == 1 and (np.diff(beta) > 0).all()
    assert np.diff(beta).max() > 1.5 * np.diff(beta).min()
    np.testing.assert_array_equal(spaced(path, [0, 0.5, 1]), [0, 0.5, 1])
    np.testing.assert_array_equal(spaced(path, 1_000, adapt=False), np.linspace(0, 1, 1_000))


@pytest.mark.parametrize("betas", [1, [0, 1, 1], [0.1, 1], [0, 0.5]])
def test_betas_that_do_not_rise_from_0_to_1_are_refused(betas):
    with pytest.raises(SettingError, match="betas"):
        spaced(path_to(made()), betas)


def test_a_mean_of_another_width_is_refused():
    with pytest.raises(DataError, match="mean: must hold 6 finite numbers"):
        path_to(made(), np.zeros(5))
    with pytest.raises(SettingError, match="n_draws"):
        path_to(RBM(np.zeros((4, 2)), np.zeros(4), np.zeros(2), Multinomial(4), Bernoulli(2)))


def test_a_machine_of_float32_is_annealed_in_float64():
    rbm = rbms.with_arrays(made(), {name: a.astype(np.float32) for name, a in rbms.arrays(made()).items()})
    fine, coarse = (ais(path_to(m), 50, 30, rng=1).log_z for m in (exact.in_float64(rbm), rbm))
    assert fine == coarse


def test_the_same_seed_gives_the_same_estimate_and_more_chains_keep_the_first():
    path = path_to(made())
    few, more = ais(path, 8, 20, rng=1, adapt=False), ais(path, 20, 20, rng=1, adapt=False)
    np.testing.assert_allclose(few.log_weights, more.log_weights[:8], rtol=1e-12)


def test_too_many_states_to_sum_name_the_way_out():
    n = 40
    rbm = RBM(np.zeros((n, n)), np.zeros(n), np.zeros(n), Bernoulli(n), Bernoulli(n))
    with pytest.raises(SettingError, match="estimate instead"):
        log_partition(rbm)
    found = bracket(rbm, np.zeros((5, n)), n_chains=5, betas=5)
    assert not found.exact
    assert found.upper == pytest.approx(-n * np.log(2))


@pytest.mark.parametrize("n_hidden", [1, 7, 600])
def test_the_compiled_temperature_step_is_the_reference(n_hidden):
    rng, n_chains, key = np.random.default_rng(0), 5, key_of(4)
    x, y = rng.normal(0, 20, (n_chains, n_hidden)), rng.normal(0, 20, (n_chains, 9))
    base, b, chain = rng.normal(size=9), rng.normal(size=9), np.arange(n_chains) + 3
    out = []
    for module in (reference, cpu):
        h, v = np.empty_like(x), np.empty_like(y)
        out.append((module.anneal_hidden(x, 0.2, 0.9, key, chain, h), h, v))
        out[-1] += (module.anneal_visible(y, base, b, 0.4, key, chain, v),)
    for found, expected in zip(out[1], out[0]):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_extreme_fields_neither_overflow_nor_lose_weight():
    x = np.array([[-1e4, -40, 0, 40, 1e4]])
    h = np.empty_like(x)
    found = cpu.anneal_hidden(x, 0.0, 1.0, key_of(1), np.arange(1), h)
    np.testing.assert_allclose(found, np.logaddexp(0, x).sum() - 5 * np.log(2))
    np.testing.assert_array_equal(h[0, [0, 1, 3, 4]], [0, 0, 1, 1])
