"""One case weighed entry by entry, against sums over all hidden states."""

import itertools

import numpy as np
import pytest

from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Scale, Vocabulary
from harmonium.models import level_rbm
from harmonium.models.level_rbm import LevelRBM
from harmonium.models.weighing import weigh
from harmonium.units.levels import level_features

N_VISIBLE, N_HIDDEN, SCALE = 5, 4, Scale.stars(4)


def machine(features: str, seed: int = 0) -> LevelRBM:
    """A machine with large random weights."""
    rng = np.random.default_rng(seed)
    phi = level_features(features, SCALE.x)
    W = rng.normal(0, 1, (phi.shape[1], N_VISIBLE, N_HIDDEN))
    return LevelRBM(W, rng.normal(0, 1, (N_VISIBLE, SCALE.n_levels)), rng.normal(0, 1, N_HIDDEN), phi.astype(float))


def case(item, level) -> Ratings:
    """The case as a row."""
    return Ratings.from_arrays([0] * len(item), item, level, Vocabulary([0]), Vocabulary(range(N_VISIBLE)), SCALE)


def log_weight(rbm: LevelRBM, item, level) -> float:
    """log of the case's unnormalised probability, hidden state by hidden state."""
    states = [np.array(h, float) for h in itertools.product((0, 1), repeat=N_HIDDEN)]
    total = []
    for h in states:
        x = h @ rbm.c
        for i, k in zip(item, level):
            features = rbm.phi[k] if k != UNRATED else np.eye(len(rbm.phi[0]))[0]
            x += features @ rbm.W[:, i] @ h + (rbm.b[i, k] if k != UNRATED else 0)
        total.append(x)
    return float(np.logaddexp.reduce(total))


@pytest.mark.parametrize("features", ["linear", "value", "identity", "quadratic"])
def test_energies_and_surprises_are_those_of_enumeration(features):
    rbm, item, level = machine(features), np.array([3, 0, 2, 4]), np.array([1, 3, 0, 2], np.uint8)
    found = weigh(rbm, item, level)
    whole = log_weight(rbm, item, level)
    assert found.free_energy == pytest.approx(-whole)
    for t in range(len(item)):
        others = np.arange(len(item)) != t
        assert found.part[t] == pytest.approx(log_weight(rbm, item[others], level[others]) - whole)
        weights = []
        for k in range(SCALE.n_levels):
            changed = level.copy()
            changed[t] = k
            weights.append(log_weight(rbm, item, changed))
        assert found.surprise[t] == pytest.approx(np.logaddexp.reduce(weights) - whole)


def test_an_entry_that_is_only_seen_counts_by_the_constant_feature_alone():
    rbm, item, level = machine("linear"), np.array([1, 2]), np.array([3, UNRATED], np.uint8)
    found = weigh(rbm, item, level)
    assert found.free_energy == pytest.approx(-log_weight(rbm, item, level))
    assert found.part[1] == pytest.approx(log_weight(rbm, item[:1], level[:1]) - log_weight(rbm, item, level))
    assert np.isnan(found.surprise[1])


def test_the_free_energy_is_that_of_the_models_room():
    rbm = machine("linear")
    single = LevelRBM(*(array.astype(np.float32) for array in (rbm.W, rbm.b, rbm.c, rbm.phi)))
    item, level = np.array([0, 2, 3]), np.array([1, 2, 3], np.uint8)
    assert weigh(single, item, level).free_energy == pytest.approx(
        level_rbm.free_energy(single, case(item, level))[0], abs=1e-5
    )


def test_a_committee_weighs_the_mean_of_its_members():
    singles = [machine("linear", seed) for seed in (0, 1)]
    item, level = np.array([0, 2, 3]), np.array([1, 2, 3], np.uint8)
    found = weigh(level_rbm.committee(singles), item, level)
    parts = [weigh(one, item, level) for one in singles]
    assert found.free_energy == pytest.approx(np.mean([one.free_energy for one in parts]))
    assert np.allclose(found.part, np.mean([one.part for one in parts], axis=0))


def test_a_surprise_does_not_depend_on_the_constant_that_biases_carry():
    rbm, item, level = machine("linear"), np.array([1, 4]), np.array([0, 3], np.uint8)
    shifted = level_rbm.with_arrays(rbm, b=rbm.b + np.arange(N_VISIBLE)[:, None])
    assert np.allclose(weigh(rbm, item, level).surprise, weigh(shifted, item, level).surprise)


def test_nothing_weighs_what_the_hidden_units_alone_do():
    rbm = machine("linear")
    found = weigh(rbm, np.zeros(0, int), np.zeros(0, np.uint8))
    assert found.free_energy == pytest.approx(-np.log1p(np.exp(rbm.c)).sum())
    assert len(found.part) == len(found.surprise) == 0


def test_long_cases_are_weighed_block_by_block_alike(monkeypatch):
    rbm, item, level = machine("quadratic"), np.arange(5), np.array([1, 3, 0, 2, 2], np.uint8)
    whole = weigh(rbm, item, level)
    monkeypatch.setattr("harmonium.models.weighing.AT_ONCE", 2 * SCALE.n_levels * N_HIDDEN)
    parts = weigh(rbm, item, level)
    assert np.allclose(whole.part, parts.part) and np.allclose(whole.surprise, parts.surprise)
