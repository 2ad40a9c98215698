"""Learning rules against enumeration: exact gradients, CD's bias, the law of the chain."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2

from harmonium.data import Ratings, Scale, Vocabulary
from harmonium.kernels import reference
from harmonium.models import level_rbm
from harmonium.models.level_rbm import LevelRBM
from harmonium.randomness import key_of, uniforms
from harmonium.training import state as states
from harmonium.training.batches import Chunk, layout
from harmonium.training.loop import run_epoch
from harmonium.training.settings import Learning
from harmonium.units import bernoulli, levels
from harmonium.units.levels import level_features

SCALE = Scale((1.0, 2.0, 3.0))
N_VISIBLE, N_HIDDEN = 3, 2
STATES = np.array(list(itertools.product(range(3), repeat=N_VISIBLE)), np.uint8)
# plain gradient ascent, one step of size 1: what is learnt is the gradient
PLAIN = {"optimizer": "momentum", "momentum": 0.0, "learning_rate": 1.0, "bias_rate": 1.0, "weight_decay": 0.0}


def made(features="linear", spread=0.7, seed=3):
    rng, phi = np.random.default_rng(seed), level_features(features, SCALE.x)
    return LevelRBM(
        rng.normal(0, spread, (phi.shape[1], N_VISIBLE, N_HIDDEN)).astype(np.float32),
        rng.normal(0, spread, (N_VISIBLE, 3)).astype(np.float32),
        rng.normal(0, spread, N_HIDDEN).astype(np.float32),
        phi,
    )


def cases_of(rows):
    """Ratings with one case a row; -1 is missing."""
    rows = np.asarray(rows)
    case, unit = np.nonzero(rows >= 0)
    vocabularies = (Vocabulary.from_ids(np.arange(n)) for n in rows.shape)
    return Ratings.from_arrays(case, unit, rows[case, unit].astype(np.uint8), *vocabularies, SCALE)


def learnt(rbm, cases, **settings):
    """Change of every parameter in one epoch of one batch by plain gradient ascent: the gradient summed over cases."""
    learning = Learning(batch_size=max(1, cases.n_users), n_epochs=1, **(PLAIN | settings))
    state = states.start(rbm, cases, learning, seed=11)
    run_epoch(state, [Chunk.of(layout(cases))], learning)
    after = state.rbm()
    return {name: getattr(after, name).astype(np.float64) - getattr(rbm, name) for name in ("W", "b", "c")}, state


def log_likelihood(rbm, rows):
    """Exact log P of complete cases, summed."""
    everything = -level_rbm.free_energy(rbm, cases_of(STATES.astype(int)))
    log_z = np.logaddexp.reduce(everything)
    return float((-level_rbm.free_energy(rbm, cases_of(rows)) - log_z).sum())


def slope(rbm, name, index, function, step=1e-2):
    """Central difference of a function of the machine along one parameter."""
    values = []
    for sign in (1, -1):
        array = getattr(rbm, name).copy()
        array[index] += sign * step
        values.append(function(level_rbm.with_arrays(rbm, **{name: array})))
    return (values[0] - values[1]) / (2 * step)


def parameters(rbm):
    for name in ("W", "b", "c"):
        for index in np.ndindex(getattr(rbm, name).shape):
            yield name, index


ROWS = np.array([[0, 1, 2], [2, 2, 1], [1, -1, 0], [2, 0, -1]])


@pytest.mark.parametrize("features", ["linear", "quadratic", "identity", "conditional-identity"])
def test_multi_prediction_follows_the_exact_gradient_of_the_dropped_ratings(features):
    rbm, cases, keep, drop = made(features), cases_of(ROWS), 0.5, 0.4
    found, _ = learnt(rbm, cases, method="multi-prediction", keep=keep, hidden_dropout=drop)
    keys = [key_of(11, 0, part) for part in range(2)]

    def log_probability_of_dropped(machine):
        total = 0.0
        for case in range(cases.n_users):
            unit, level = cases.history(case)
            dropped = uniforms(keys[0], case, unit) >= np.float32(keep)
            features = machine.phi[level[~dropped]]
            h = bernoulli.mean(machine.c + reference.case_field(unit[~dropped], features, machine.W))
            h = h * (uniforms(keys[1], case, np.arange(N_HIDDEN)) >= np.float32(drop)) / (1 - drop)
            x = level_rbm.level_fields(machine, h, unit[dropped]).astype(np.float64)
            total += float((x[np.arange(len(x)), level[dropped]] - levels.log_partition(x)).sum())
        return total

    for name, index in parameters(rbm):
        expected = slope(rbm, name, index, log_probability_of_dropped)
        assert found[name][index] == pytest.approx(expected, abs=2e-3), (name, index)


def test_the_machine_s_exact_gradient_is_what_long_chains_find_and_short_ones_miss_more():
    """CD-k's bias against the exact gradient of the log-likelihood falls with k (Hinton 2002)."""
    rbm, n_copies = made(spread=1.0), 6_000
    rows = np.tile(ROWS[:2], (n_copies, 1))
    names = list(parameters(rbm))
    exact = np.array([slope(rbm, n, i, lambda machine: log_likelihood(machine, ROWS[:2])) for n, i in names]) / 2
    bias = []
    for k in (1, 4, 16):
        found, _ = learnt(rbm, cases_of(rows), method="cd", n_steps=k, sample=True)
        estimate = np.array([found[name][index] for name, index in names]) / len(rows)
        bias.append(np.abs(estimate - exact).sum())
    assert bias[0] > 1.5 * bias[1] > 1.5 * bias[2]
    assert bias[2] < 0.15 * bias[0]


def test_persistent_chains_keep_the_machine_s_exact_law():
    """Chi-square over all 27 states, false alarms once in 1,000 runs; a case's chain is its own."""
    rbm, n = made(spread=1.0), 9_000
    cases = cases_of(np.zeros((n, N_VISIBLE), int))
    _, state = learnt(rbm, cases, method="pcd", n_steps=40)
    counts = np.zeros((3,) * N_VISIBLE)
    np.add.at(counts, tuple(state.chain.reshape(n, N_VISIBLE).T), 1)
    p = np.exp(-level_rbm.free_energy(rbm, cases_of(STATES.astype(int))))
    expected = n * p / p.sum()
    assert ((counts.ravel() - expected) ** 2 / expected).sum() < chi2.isf(1e-3, len(STATES) - 1)


def test_a_chain_of_a_case_with_missing_ratings_keeps_the_law_over_its_own_rated_set():
    rbm, n = made(spread=1.0), 9_000
    cases = cases_of(np.tile([0, -1, 0], (n, 1)))
    _, state = learnt(rbm, cases, method="pcd", n_steps=40)
    pairs = np.array(list(itertools.product(range(3), repeat=2)))
    rows = np.insert(pairs, 1, -1, axis=1)
    p = np.exp(-level_rbm.free_energy(rbm, cases_of(rows)))
    counts = np.bincount(state.chain.reshape(n, 2) @ [3, 1], minlength=9)
    expected = n * p / p.sum()
    assert ((counts - expected) ** 2 / expected).sum() < chi2.isf(1e-3, 8)


def test_mean_field_cd_stands_still_where_the_reconstruction_is_the_data():
    rbm = level_rbm.with_arrays(made(), W=np.zeros((2, N_VISIBLE, N_HIDDEN), np.float32))
    p = levels.mean(rbm.b[0])
    n = 3_000
    rows = np.repeat(np.arange(3), np.round(n * p).astype(int))[:, None]
    rows = np.hstack([rows, np.full((len(rows), 2), -1)])
    found, _ = learnt(rbm, cases_of(rows), method="cd", sample=False)
    assert np.abs(found["b"]).max() / len(rows) < 1e-3


def test_both_phases_are_averaged_over_the_same_number_of_cases():
    """Doubling the data doubles the step: no bias drifts off with the size of the batch."""
    rbm = made()
    once, _ = learnt(rbm, cases_of(ROWS), method="cd", sample=False)
    twice, _ = learnt(rbm, cases_of(np.tile(ROWS, (2, 1))), method="cd", sample=False)
    for name in once:
        np.testing.assert_allclose(twice[name], 2 * once[name], atol=1e-4)


def test_padding_of_hidden_units_changes_nothing():
    assert states.LANES > N_HIDDEN
    found, state = learnt(made(), cases_of(ROWS), method="cd", sample=True)
    assert found["c"].shape == (N_HIDDEN,)
    assert not state.machine.W[:, :, N_HIDDEN:].any() and not state.machine.c[N_HIDDEN:].any()
