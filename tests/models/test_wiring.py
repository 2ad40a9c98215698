"""Semi-restricted and deep Boltzmann machines: their wiring, and everything about small ones by enumeration."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from harmonium import BoltzmannMachine
from harmonium.errors import SettingError
from harmonium.models import boltzmann, boltzmann_exact, wiring
from harmonium.models import rbm as rbms
from harmonium.models.rbm import RBM
from harmonium.sampling import boltzmann as sampling
from harmonium.testing import FALSE_ALARMS, chi_square, counts_of, exact_law, gradient
from harmonium.training.boltzmann import objective
from harmonium.training.boltzmann_state import edges_of
from harmonium.units import Bernoulli, Spin

rng = np.random.default_rng(0)
LAYERS = {"bits": Bernoulli, "spins": Spin}


def made(mask, values="bits", n_visible=3):
    """Return a machine with random couplings where the mask allows them."""
    edges = edges_of(mask.shape[0], mask)
    J = edges.couplings(np.random.default_rng(1).normal(0, 0.8, len(edges.i)))
    return boltzmann.machine(
        J, np.random.default_rng(2).normal(0, 0.5, mask.shape[0]), np.arange(n_visible), values
    ), edges


@pytest.mark.parametrize("values", ["bits", "spins"])
def test_a_semi_restricted_machine_is_a_restricted_one_with_energies_among_its_visible_units(values):
    bm, _ = made(wiring.semi_restricted(3, 2), values)
    J, layer = bm.J.toarray(), LAYERS[values]
    L, rbm = J[:3, :3], RBM(J[:3, 3:], bm.b[:3], bm.b[3:], layer(3), layer(2))
    v = layer(3).states()
    lateral = 0.5 * np.einsum("ni,ij,nj->n", v, L, v)
    assert (J[3:, 3:] == 0).all() and (L != 0).sum() == 6
    F = rbms.free_energy(rbm, v) - lateral
    np.testing.assert_allclose(boltzmann_exact.free_energy(bm, v), F, atol=1e-10)
    assert boltzmann_exact.log_partition(bm) == pytest.approx(np.logaddexp.reduce(-F))


def test_a_deep_machine_has_the_energy_of_its_layers():
    bm, _ = made(wiring.layered(3, 2, 2))
    J, s = bm.J.toarray(), boltzmann_exact.states(7)
    v, h, top = s[:, :3], s[:, 3:5], s[:, 5:]
    wanted = -s @ bm.b - np.einsum("ni,ij,nj->n", v, J[:3, 3:5], h) - np.einsum("ni,ij,nj->n", h, J[3:5, 5:], top)
    np.testing.assert_allclose(boltzmann.energy(bm, s), wanted, atol=1e-10)
    assert (J[:3, 5:] == 0).all()
    assert sorted(map(len, sampling.update_order(bm))) == [2, 5]  # even layers, odd layers


@pytest.mark.parametrize("mask", [wiring.semi_restricted(3, 2), wiring.layered(3, 2, 2)], ids=["semi", "deep"])
def test_exact_gradients_are_finite_differences_and_long_chains_have_the_law(mask):
    bm, edges = made(mask)
    v = rng.integers(0, 2, (6, 3)).astype(float)
    function = objective(v, np.full(6, 1 / 6), edges, bm, 0.0, "exact")
    at = np.concatenate((edges.of(bm.J), bm.b))

    def value(a):
        here = replace(bm, J=edges.couplings(a[: len(edges.i)]), b=a[len(edges.i) :])
        return -float(boltzmann_exact.log_likelihood(here, v).mean())

    np.testing.assert_allclose(function(at)[1], gradient(value, at), atol=1e-6)
    states = boltzmann_exact.states(bm.n_units)
    chains = sampling.step(bm, sampling.init(bm, 6_000, 3), 4, 40)[0]
    assert chi_square(counts_of(chains.s, states), exact_law(boltzmann.energy(bm, states))) > FALSE_ALARMS


@pytest.mark.parametrize("inference", ["gibbs", "mean-field"])
def test_a_deep_machine_learns_jointly_by_persistent_chains(inference):
    X = np.repeat([[0, 0, 1, 1], [1, 1, 0, 0]], 50, axis=0)
    how = {
        "method": "pcd",
        "n_steps": 20,
        "n_epochs": 150,
        "learning_rate": 0.02,
        "inference": inference,
    }
    machine = BoltzmannMachine(5, couplings=wiring.layered(4, 3, 2), **how).fit(X)
    assert machine.score(X) > -1.1  # log 2 = 0.69 is the best possible; before learning it is 2.8
    outside = wiring.layered(4, 3, 2).toarray() == 0
    assert (machine.model_.J.toarray()[outside] == 0).all()


def test_couplings_among_visible_units_take_over_what_is_local():
    """A chain of neighbours that mostly agree: one hidden unit is too few for it, lateral couplings are enough."""
    flips = rng.random((400, 6)) < 0.15
    X = np.cumsum(flips, axis=1) % 2
    semi = wiring.semi_restricted(6, 1, wiring.grid(1, 6))
    scores = [
        BoltzmannMachine(1, couplings=mask, method="exact", n_epochs=60).fit(X).score(X)
        for mask in (wiring.restricted(6, 1), semi)
    ]
    assert scores[1] > scores[0] + 0.2
    lateral = BoltzmannMachine(1, couplings=semi, method="pcd", n_epochs=60, learning_rate=0.03).fit(X)
    assert lateral.score(X) > scores[1] - 0.1


def test_a_grid_ties_neighbours_only():
    mask = wiring.grid(2, 3).toarray()
    assert mask.sum() == 2 * 7
    np.testing.assert_array_equal(mask[0], [0, 1, 0, 1, 0, 0])
    assert sparse.issparse(wiring.semi_restricted(6, 2, wiring.grid(2, 3)))


def test_wiring_that_does_not_fit_is_refused():
    with pytest.raises(SettingError, match=r"lateral: must be of shape \(3, 3\); got \(2, 2\)"):
        wiring.semi_restricted(3, 2, np.ones((2, 2)))
    with pytest.raises(SettingError, match="at least two layers"):
        wiring.layered(3)
    with pytest.raises(SettingError, match="size: 0"):
        wiring.layered(3, 0)
