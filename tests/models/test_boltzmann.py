"""The Boltzmann machine against plain enumeration of its joint states."""

import itertools

import numpy as np
import pytest
from scipy import sparse
from scipy.special import logsumexp

from harmonium.errors import DataError, SettingError
from harmonium.models import boltzmann, boltzmann_exact, wiring
from harmonium.models.colouring import classes, colours, is_proper
from harmonium.models.mean_field import mean_field
from harmonium.testing import made_boltzmann
from harmonium.testing.machines import MachineSuite

N = 7
CASES = [(values, kind) for values in ("bits", "spins") for kind in ("dense", "sparse")]


def couplings(rng, n=N, strength=0.7, density=1.0):
    upper = np.triu(rng.normal(0, strength, (n, n)) * (rng.random((n, n)) < density), 1)
    return upper + upper.T


def made(values="bits", kind="dense", visible=(5, 0, 3), seed=0, strength=0.7):
    rng = np.random.default_rng(seed)
    J = couplings(rng, strength=strength, density=1.0 if kind == "dense" else 0.5)
    return boltzmann.machine(sparse.csr_array(J) if kind == "sparse" else J, rng.normal(0, 0.8, N), visible, values)


def dense(bm):
    return bm.J.toarray() if sparse.issparse(bm.J) else bm.J


class TestBits(MachineSuite):
    machine = made()


class TestSparseBits(MachineSuite):
    machine = made("bits", "sparse")


class TestSpins(MachineSuite):
    machine = made("spins")


class TestSparseSpins(MachineSuite):
    machine = made("spins", "sparse")


class TestVisibleOnly(MachineSuite):
    machine = made(visible=None)


class TestDeep(MachineSuite):
    """A deep Boltzmann machine: three layers in a row."""

    machine = made_boltzmann(3, wiring.layered(3, 2, 2))


def all_states(bm):
    return np.array(list(itertools.product(bm.alphabet, repeat=bm.n_units)))


def written_out_energy(bm, s):
    J = dense(bm)
    pairs = sum(J[i, j] * s[i] * s[j] for i in range(bm.n_units) for j in range(i))
    return -pairs - sum(b * x for b, x in zip(bm.b, s))


def joint(bm):
    e = np.array([written_out_energy(bm, s) for s in all_states(bm)])
    return np.exp(-e - logsumexp(-e)), logsumexp(-e)


@pytest.mark.parametrize(("values", "kind"), CASES)
def test_a_machines_energy_is_the_written_out_sum(values, kind):
    bm = made(values, kind)
    s = all_states(bm)[::17]
    np.testing.assert_allclose(boltzmann.energy(bm, s), [written_out_energy(bm, row) for row in s], atol=1e-12)


@pytest.mark.parametrize(("values", "kind"), CASES)
def test_log_z_probabilities_and_moments_are_those_of_all_states(values, kind):
    bm = made(values, kind)
    p, log_z = joint(bm)
    s, found = all_states(bm), boltzmann_exact.moments(bm)
    assert boltzmann_exact.log_partition(bm) == pytest.approx(log_z, abs=1e-12)
    np.testing.assert_allclose(boltzmann_exact.probabilities(bm), p, atol=1e-14)
    np.testing.assert_allclose(found.mean, p @ s, atol=1e-12)
    np.testing.assert_allclose(found.pair, s.T @ (s * p[:, None]), atol=1e-12)


@pytest.mark.parametrize(("values", "kind"), CASES)
def test_clamped_moments_are_the_conditional_expectations(values, kind):
    bm = made(values, kind)
    p, s = joint(bm)[0], all_states(bm)
    low, high = bm.alphabet
    v, weight = np.array([[low, high, low], [high, high, low]]), np.array([0.25, 0.75])
    found = boltzmann_exact.clamped_moments(bm, v, weight)
    expected = 0
    for row, w in zip(v, weight):
        here = p * (s[:, bm.visible] == row).all(axis=1)
        expected = expected + w * s.T @ (s * here[:, None]) / here.sum()
    np.testing.assert_allclose(found.pair, expected, atol=1e-12)
    assert found.log_z == pytest.approx(-weight @ boltzmann_exact.free_energy(bm, v), abs=1e-12)


@pytest.mark.parametrize("values", ["bits", "spins"])
def test_hidden_units_without_ties_among_them_are_summed_one_by_one(values):
    rng = np.random.default_rng(3)
    bm = boltzmann.from_layers(rng.normal(0, 1, (3, 4)), rng.normal(0, 1, 3), rng.normal(0, 1, 4), values)
    tied = boltzmann.machine(dense(bm) + 1e-13 * (np.ones((N, N)) - np.eye(N)), bm.b, bm.visible, values)
    v = boltzmann_exact.states(3, values)
    np.testing.assert_allclose(boltzmann_exact.free_energy(bm, v), boltzmann_exact.free_energy(tied, v), atol=1e-10)
    for found, expected in zip(boltzmann_exact.clamped_moments(bm, v), boltzmann_exact.clamped_moments(tied, v)):
        np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_bits_and_spins_are_the_same_distribution(kind):
    bits = made("bits", kind)
    spins, shift = boltzmann.as_spins(bits)
    x = all_states(bits)
    np.testing.assert_allclose(boltzmann.energy(bits, x), boltzmann.energy(spins, 2 * x - 1) + shift, atol=1e-12)
    back, other = boltzmann.as_bits(spins)
    assert shift + other == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(dense(back), dense(bits), atol=1e-14)
    np.testing.assert_allclose(back.b, bits.b, atol=1e-14)
    assert boltzmann.as_bits(bits)[0] is bits


@pytest.mark.parametrize(("values", "kind"), CASES)
def test_conditioning_leaves_the_conditional_distribution(values, kind):
    bm = made(values, kind)
    low, high = bm.alphabet
    rest, shift = boltzmann.condition(bm, [2, 6], [high, low])
    s = boltzmann_exact.states(N - 2, values)
    whole = np.insert(s, [2, 5], [high, low], axis=1)
    np.testing.assert_allclose(boltzmann.energy(rest, s) + shift, boltzmann.energy(bm, whole), atol=1e-12)


def test_a_parameter_record_cannot_be_changed():
    bm = made()
    with pytest.raises(ValueError, match="read-only"):
        bm.J[0, 1] = 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"J": [[0, 1], [2, 0]]}, "row 0, column 1 is 1: it differs from the entry across"),
        ({"J": [[0, 1], [1, 3]]}, "row 1, column 1 is 3: it stands on the diagonal"),
        ({"J": [[0, np.nan], [np.nan, 0]]}, "row 0, column 1 is nan: it is not finite"),
        ({"J": np.zeros((3, 3))}, r"must be \(2, 2\)"),
        ({"b": [0, np.inf]}, "b: must be finite"),
        ({"visible": [0, 0]}, "a unit twice"),
        ({"visible": [2]}, "indices from 0 to 1"),
        ({"visible": []}, "at least one unit"),
        ({"values": "trits"}, "'trits' is not one of"),
    ],
)
def test_a_machine_that_cannot_be_is_refused(change, message):
    good = {"J": np.zeros((2, 2)), "b": [0, 0], "visible": [0], "values": "bits"}
    with pytest.raises(SettingError, match=message):
        boltzmann.machine(**(good | change))


def test_states_outside_the_alphabet_name_row_and_column():
    with pytest.raises(DataError, match="row 1, column 2: 0 is neither -1 nor 1"):
        boltzmann.checked_states(made("spins"), [[1, 1, 1], [1, -1, 0]])
    with pytest.raises(DataError, match="row 0, column 1: nan is neither 0 nor 1"):
        boltzmann.checked_states(made(), [[1, np.nan, 1]])
    with pytest.raises(DataError, match=r"\(cases, 3\)"):
        boltzmann.checked_states(made(), [[1, 0]])


def test_too_many_units_to_enumerate_name_the_way_out():
    n = 40
    with pytest.raises(SettingError, match=r"40 units have 2\^40 states.*ais"):
        boltzmann_exact.log_partition(boltzmann.machine(np.zeros((n, n)), np.zeros(n)))


def test_twenty_units_are_enumerated_in_blocks():
    rng = np.random.default_rng(1)
    b = rng.normal(0, 1, 22)
    bm = boltzmann.machine(np.zeros((22, 22)), b)
    assert boltzmann_exact.log_partition(bm) == pytest.approx(np.logaddexp(0, b).sum(), abs=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_colour_classes_have_no_ties_within(seed):
    J = sparse.csr_array(couplings(np.random.default_rng(seed), 60, density=0.1))
    found = colours(J)
    assert is_proper(J, found)
    assert found.max() <= np.diff(J.indptr).max()  # greedy colouring needs at most one more than the largest degree
    together = classes(found)
    assert sorted(np.concatenate(together)) == list(range(60))
    assert all(J[units][:, units].nnz == 0 for units in together)


def test_a_lattice_and_a_layered_machine_need_two_colours():
    side = 6
    where = np.arange(side * side).reshape(side, side)
    ties = np.concatenate([np.stack([where, np.roll(where, 1, axis)]).reshape(2, -1) for axis in (0, 1)], axis=1)
    J = sparse.coo_array((np.ones(ties.shape[1]), ties), shape=(side**2, side**2))
    assert colours(sparse.csr_array(J + J.T)).max() == 1
    assert colours(boltzmann.from_layers(np.ones((5, 4)), np.zeros(5), np.zeros(4)).J).max() == 1


def test_an_improper_colouring_is_found():
    assert not is_proper(np.array([[0.0, 1], [1, 0]]), np.zeros(2, int))


@pytest.mark.parametrize("values", ["bits", "spins"])
def test_mean_field_is_near_the_exact_means_at_weak_coupling_and_tap_is_nearer(values):
    strength = 0.15 if values == "spins" else 0.6  # a bit's couplings count a quarter of a spin's
    for seed in range(4):
        bm = made(values, seed=seed, strength=strength)
        exact = boltzmann_exact.moments(bm)
        naive, tap = mean_field(bm, method="naive"), mean_field(bm, method="tap")
        assert naive.converged.all() and tap.converged.all()
        errors = [np.abs(found.mean[0] - exact.mean).max() for found in (naive, tap)]
        assert errors[1] < 0.5 * errors[0] < 0.05
        assert naive.log_z[0] <= exact.log_z  # it is a bound
        assert abs(tap.log_z[0] - exact.log_z) < 0.5 * abs(naive.log_z[0] - exact.log_z)


@pytest.mark.parametrize("method", ["naive", "tap"])
def test_mean_field_is_the_same_for_bits_and_spins(method):
    bits = made("bits", strength=0.5)
    spins, shift = boltzmann.as_spins(bits)
    one, other = mean_field(bits, method=method), mean_field(spins, method=method)
    np.testing.assert_allclose(2 * one.mean - 1, other.mean, atol=1e-6)
    np.testing.assert_allclose(one.log_z, other.log_z - shift, atol=1e-6)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_clamped_mean_field_holds_the_data_and_nears_the_conditional(kind):
    bm = made(kind=kind, strength=0.4)
    v = np.array([[1.0, 0, 1], [0, 0, 1]])
    found = mean_field(bm, v)
    np.testing.assert_array_equal(found.mean[:, bm.visible], v)
    for k in range(2):
        exact = boltzmann_exact.clamped_moments(bm, v[k : k + 1])
        np.testing.assert_allclose(found.mean[k], exact.mean, atol=0.01)
        assert found.log_z[k] == pytest.approx(exact.log_z, abs=0.01)


def test_mean_field_says_when_it_has_not_settled():
    found = mean_field(made("spins", strength=3.0), most_sweeps=3)
    assert not found.converged.any()
    assert found.residual.max() > 1e-3
    with pytest.raises(SettingError, match="'loopy' is not one of"):
        mean_field(made(), method="loopy")
