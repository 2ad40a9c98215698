"""Small machines against brute force: energies, distributions, gradients, chains, learning, forgetting."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from harmonium.laboratory import chains
from harmonium.laboratory import machines as small
from harmonium.laboratory.learning import learn
from harmonium.models.rbm import RBM, with_arrays
from harmonium.training.stepwise import Stepwise, updates

FALSE_ALARM = 1e-6
STEP = 1e-5  # of finite differences
DATA = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1]], dtype=float)


def restricted(seed: int = 0, n_visible: int = 3, n_hidden: int = 2) -> RBM:
    """A restricted machine with large random weights."""
    rng = np.random.default_rng(seed)
    return small.restricted(
        rng.normal(size=(n_visible, n_hidden)), rng.normal(size=n_visible), rng.normal(size=n_hidden)
    )


def general(seed: int = 0, n_visible: int = 3, n_hidden: int = 2) -> small.Boltzmann:
    """A general machine with large random weights."""
    rng = np.random.default_rng(seed)
    J = np.triu(rng.normal(size=(n_visible + n_hidden,) * 2), 1)
    return small.general(J + J.T, rng.normal(size=n_visible + n_hidden), n_visible)


MACHINES = [restricted(), general(), general(1, 4, 0)]


def joint(machine: small.Machine, temperature: float = 1.0) -> dict[tuple, float]:
    """Probability of every joint state, pair by pair of units."""
    weights = {}
    for s in itertools.product((0, 1), repeat=small.n_units(machine)):
        if isinstance(machine, RBM):
            v, h = np.array(s[: machine.n_visible]), np.array(s[machine.n_visible :])
            minus_e = machine.b @ v + machine.c @ h + v @ machine.W @ h
        else:
            pairs = itertools.combinations(range(machine.n_units), 2)
            minus_e = machine.b @ np.array(s) + sum(machine.J[i, j] * s[i] * s[j] for i, j in pairs)
        weights[s] = np.exp(minus_e / temperature)
    total = sum(weights.values())
    return {s: weight / total for s, weight in weights.items()}


def visible(machine: small.Machine, temperature: float = 1.0) -> np.ndarray:
    """The same of the visible states, by their number."""
    p = np.zeros(1 << machine.n_visible)
    for s, q in joint(machine, temperature).items():
        p[sum(bit << i for i, bit in enumerate(s[: machine.n_visible]))] += q
    return p


def nudged(machine: small.Machine, name: str, place: tuple, by: float) -> small.Machine:
    """The machine with one parameter moved; both entries of a tie."""
    array = getattr(machine, name).copy()
    array[place] += by
    if name == "J":
        array[place[::-1]] += by
    return with_arrays(machine, {name: array}) if isinstance(machine, RBM) else replace(machine, **{name: array})


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distributions_are_those_of_enumeration(machine, temperature):
    found = small.distribution(small.tempered(machine, temperature))[0]
    np.testing.assert_allclose(found, visible(machine, temperature), rtol=1e-12)


@pytest.mark.parametrize("machine", MACHINES)
def test_energies_are_those_of_the_definition(machine):
    p = joint(machine)
    energy = small.energy(machine, np.array(list(p), dtype=float))
    log_z = small.distribution(machine)[1]
    np.testing.assert_allclose(-energy - log_z, np.log(list(p.values())), rtol=1e-12)


def test_states_are_numbered_by_their_bits():
    np.testing.assert_array_equal(small.number(small.states(5)), np.arange(32))
    assert small.states(3)[5].tolist() == [1, 0, 1]


@pytest.mark.parametrize("machine", MACHINES)
def test_an_exact_update_follows_the_gradient_of_the_likelihood(machine):
    v, rate = np.eye(machine.n_visible), 0.5
    after = next(updates(machine, v, Stepwise("exact", learning_rate=rate))).after
    for name in ("W", "b", "c") if isinstance(machine, RBM) else ("J", "b"):
        step = (getattr(after, name) - getattr(machine, name)) / rate
        for place in np.ndindex(step.shape):
            if name == "J" and place[0] == place[1]:
                assert step[place] == 0
                continue
            up, down = (small.log_likelihood(nudged(machine, name, place, by), v) for by in (STEP, -STEP))
            assert step[place] == pytest.approx((up - down) / (2 * STEP), abs=1e-6)


@pytest.mark.parametrize("machine", MACHINES[:2])
def test_what_an_update_saw_is_what_it_did(machine):
    name = "W" if isinstance(machine, RBM) else "J"
    for rule in ("exact", "cd", "pcd"):
        how = Stepwise(rule, n_steps=3, learning_rate=0.2, seed=1)
        found = learn(machine, DATA, how, 1)
        difference = found.data["pairs"] - found.fantasy["pairs"]
        moved = getattr(found.machine, name) - getattr(machine, name)
        np.testing.assert_allclose(moved, 0.2 * difference, atol=1e-6)
        np.testing.assert_allclose(found.machine.b - machine.b, 0.2 * (found.data["b"] - found.fantasy["b"]), atol=1e-6)
        assert len(found.fantasies) == {"exact": 0, "cd": len(DATA), "pcd": how.n_chains}[rule]


@pytest.mark.parametrize("machine", MACHINES[:2])
@pytest.mark.parametrize("rule", ["cd", "pcd"])
def test_long_chains_see_what_the_machine_itself_turns_on(machine, rule):
    many = np.tile(DATA, (4_000, 1)) if rule == "cd" else DATA
    found = learn(machine, many, Stepwise(rule, n_steps=60, n_chains=12_000, learning_rate=0.0), 1)
    exact = small.model_means(machine)
    np.testing.assert_allclose(found.fantasy["pairs"], exact["pairs"], atol=0.03)  # 6 standard errors of 12,000 draws
    np.testing.assert_allclose(found.fantasy["b"], exact["b"], atol=0.03)


@pytest.mark.parametrize("machine", MACHINES[:2])
def test_sweeps_leave_the_distribution_as_it_is(machine):
    p, rng = joint(machine), np.random.default_rng(0)
    states, n = np.array(list(p), dtype=float), 20_000
    s = chains.swept(machine, states[rng.choice(len(states), n, p=list(p.values()))], 3, 2)
    counts = dict.fromkeys(p, 0)
    for row in s.astype(int).tolist():
        counts[tuple(row)] += 1
    statistic = sum((counts[key] - n * q) ** 2 / (n * q) for key, q in p.items())
    assert statistic < chi2.isf(FALSE_ALARM, len(p) - 1)


@pytest.mark.parametrize("machine", MACHINES[:2])
def test_tosses_leave_the_distribution_as_it_is(machine):
    p, n = joint(machine), 1_000
    s, seen = np.zeros(small.n_units(machine)), dict.fromkeys(p, 0)
    per_sweep, gap = len(chains.blocks(machine)), 6  # sweeps between two that are counted: nearly independent
    for step in range(n * gap * per_sweep):
        s = chains.toss(machine, s, step, 11, set()).s
        if (step + 1) % (gap * per_sweep) == 0:
            seen[tuple(s.astype(int).tolist())] += 1
    statistic = sum((seen[key] - n * q) ** 2 / (n * q) for key, q in p.items())
    assert statistic < 1.5 * chi2.isf(FALSE_ALARM, len(p) - 1)


@pytest.mark.parametrize("machine", MACHINES[:2])
def test_relaxation_is_what_many_chains_do_and_ends_at_equilibrium(machine):
    n, rng = 40_000, np.random.default_rng(1)
    distance = chains.relaxation(machine, 5, 300)
    assert distance[-1] < 1e-6 and (np.diff(distance) < 1e-12).all()
    p = {s: q for s, q in joint(machine).items() if s[:3] == (1, 0, 1)}
    s = np.array(list(p), dtype=float)[rng.choice(len(p), n, p=np.array(list(p.values())) / sum(p.values()))]
    for t in range(1, 3):
        s = chains.swept(machine, s, t)
        shares = np.bincount((s[:, :3] @ [1, 2, 4]).astype(int), minlength=8) / n
        found = 0.5 * np.abs(shares - visible(machine)).sum()
        assert found == pytest.approx(distance[t], abs=0.02)  # 8 cells of 40,000 chains


def test_the_exact_gradient_climbs_to_what_the_data_allow():
    found = learn(small.initial("restricted", 3, 4, 0.5, 0), DATA, Stepwise("exact", learning_rate=0.3), 3_000)
    values = [point.log_likelihood for point in found.curve]
    assert (np.diff(values) > -1e-5).all() and values[-1] == pytest.approx(-np.log(3), abs=0.05)


@pytest.mark.parametrize("kind", ["restricted", "general"])
@pytest.mark.parametrize("rule", ["exact", "cd", "pcd"])
def test_learning_in_two_parts_is_learning_in_one(kind, rule):
    begun, how = small.initial(kind, 3, 2, 0.5, 0), Stepwise(rule, 2, n_chains=5, learning_rate=0.3, seed=3)
    whole = learn(begun, DATA, how, 6)
    part = learn(begun, DATA, how, 2)
    rest = learn(part.machine, DATA, how, 4, part.update, part.chains)
    for name in ("W", "b", "c") if kind == "restricted" else ("J", "b"):
        np.testing.assert_array_equal(getattr(whole.machine, name), getattr(rest.machine, name))
    assert rest.update == whole.update == 6
