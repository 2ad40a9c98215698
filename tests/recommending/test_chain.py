"""Gibbs chains of the users machine over chosen items, against enumeration of all joint states."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2

from harmonium.errors import SettingError
from harmonium.models.level_rbm import LevelRBM
from harmonium.recommending.chain import Chain

N_LEVELS, N_HIDDEN = 3, 2
ITEMS = np.array([4, 1])
NOTHING_HELD = np.array([False, False])
FALSE_ALARM = 1e-6


def machine(seed: int = 0) -> LevelRBM:
    """A machine of six items with a constant and a linear feature."""
    rng = np.random.default_rng(seed)
    phi = np.stack((np.ones(N_LEVELS), np.linspace(-1, 1, N_LEVELS)), axis=1)
    return LevelRBM(rng.normal(size=(2, 6, N_HIDDEN)), rng.normal(size=(6, N_LEVELS)), rng.normal(size=N_HIDDEN), phi)


def joint(rbm: LevelRBM, temperature: float = 1.0) -> dict[tuple, float]:
    """Probability of every joint state (level, level, hidden, hidden), from the energy's definition."""
    weights = {}
    for state in itertools.product(range(N_LEVELS), range(N_LEVELS), (0, 1), (0, 1)):
        levels, h = state[:2], np.array(state[2:])
        minus_e = h @ rbm.c
        for i, k in zip(ITEMS, levels):
            minus_e += rbm.b[i, k] + sum(rbm.phi[k, f] * rbm.W[f, i] @ h for f in range(2))
        weights[state] = np.exp(minus_e / temperature)
    total = sum(weights.values())
    return {state: weight / total for state, weight in weights.items()}


@pytest.mark.parametrize("temperature", [0.7, 1.0, 3.0])
def test_exact_frequencies_are_those_of_enumeration(temperature):
    rbm = machine()
    chain, p = Chain.of(rbm, ITEMS, NOTHING_HELD, {}, temperature), joint(rbm, temperature)
    found = chain.exact(np.array([0, 0]))
    assert found.n_states == N_LEVELS**2
    for place in range(2):
        expected = [sum(q for state, q in p.items() if state[place] == k) for k in range(N_LEVELS)]
        assert np.allclose(found.levels[place], expected)
    assert np.allclose(found.hidden, [sum(q for s, q in p.items() if s[2 + j]) for j in range(N_HIDDEN)])


def test_exact_frequencies_heed_what_is_held():
    rbm = machine()
    chain = Chain.of(rbm, ITEMS, np.array([True, False]), {1: 1})
    p = {state: q for state, q in joint(rbm).items() if state[0] == 2 and state[3] == 1}
    found, total = chain.exact(np.array([2, 0])), sum(p.values())
    assert np.allclose(found.levels[0], [0, 0, 1]) and found.hidden[1] == 1
    assert np.allclose(found.levels[1], [sum(q for s, q in p.items() if s[1] == k) / total for k in range(N_LEVELS)])
    assert np.isclose(found.hidden[0], sum(q for s, q in p.items() if s[2]) / total)


def test_a_chain_visits_states_as_often_as_they_are_probable():
    rbm, n = machine(), 20_000
    chain, p = Chain.of(rbm, ITEMS, NOTHING_HELD, {}), joint(rbm)
    levels, hidden, counts = chain.resting_levels(), np.zeros(N_HIDDEN, int), dict.fromkeys(p, 0)
    for step in range(4 * n):
        made = chain.half_step("visible" if step % 2 else "hidden", levels, hidden, 5, step)
        levels, hidden = made.levels, made.hidden
        if step % 4 == 3:  # every other sweep
            counts[(*levels.tolist(), *hidden.tolist())] += 1
    statistic = sum((counts[s] - n * q) ** 2 / (n * q) for s, q in p.items())
    assert statistic < 2 * chi2.isf(FALSE_ALARM, len(p) - 1)  # states two sweeps apart are still a little alike


def test_a_half_step_shows_the_probabilities_and_tosses_it_was_drawn_by():
    rbm = machine()
    chain, p = Chain.of(rbm, ITEMS, NOTHING_HELD, {0: 1}), joint(rbm)
    made = chain.half_step("visible", np.array([0, 1]), np.array([1, 0]), 3, 7)
    given = {s: q for s, q in p.items() if s[2:] == (1, 0)}
    for place in range(2):
        expected = [sum(q for s, q in given.items() if s[place] == k) for k in range(N_LEVELS)]
        assert np.allclose(made.probabilities[place], np.array(expected) / sum(expected))
        assert made.levels[place] == np.searchsorted(np.cumsum(made.probabilities[place]), made.tosses[place])
    hidden = chain.half_step("hidden", made.levels, made.hidden, 3, 8)
    assert hidden.hidden[0] == 1 and hidden.hidden[1] == (hidden.tosses[1] < hidden.probabilities[1, 0])


def test_energies_are_those_of_the_definition():
    rbm = machine()
    chain, p = Chain.of(rbm, ITEMS, NOTHING_HELD, {}), joint(rbm)
    states = list(p)
    energies = np.array([chain.energy(np.array(s[:2]), np.array(s[2:])) for s in states])
    log_p = np.log([p[s] for s in states])
    assert np.allclose(-energies - log_p, (-energies - log_p)[0])
    levels = np.array([1, 2])
    of_levels = [chain.energy(levels, np.array(h)) for h in itertools.product((0, 1), repeat=2)]
    assert np.isclose(chain.free_energy(levels), -np.logaddexp.reduce(-np.array(of_levels)))


def test_at_temperature_zero_every_unit_takes_its_best_state():
    chain = Chain.of(machine(), ITEMS, NOTHING_HELD, {}, 0.0)
    levels, hidden = chain.resting_levels(), np.zeros(N_HIDDEN, int)
    energies = []
    for step in range(8):
        made = chain.half_step("visible" if step % 2 else "hidden", levels, hidden, 0, step)
        levels, hidden = made.levels, made.hidden
        energies.append(made.energy)
    assert energies == sorted(energies, reverse=True)
    with pytest.raises(SettingError, match="temperature"):
        chain.exact(levels)


def test_a_hidden_unit_that_is_not_there_is_refused():
    with pytest.raises(SettingError, match="unit: 2"):
        Chain.of(machine(), ITEMS, NOTHING_HELD, {2: 1})
