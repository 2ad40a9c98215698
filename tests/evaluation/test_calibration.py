import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonium.evaluation.calibration import N_BINS, calibration


def drawn(n, seed):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return p, rng.random(n) < p


def test_a_perfectly_calibrated_predictor_shows_what_chance_alone_makes():
    found = [calibration(*drawn(20_000, seed)) for seed in range(30)]
    assert np.mean([one.ece for one in found]) == pytest.approx(np.mean([one.ece_by_chance for one in found]), rel=0.1)
    assert max(one.ece for one in found) < 0.02


def test_the_error_of_a_shifted_predictor_is_its_shift():
    p, happened = drawn(200_000, 0)
    assert calibration(p * 0.8 + 0.1, happened).ece == pytest.approx(np.abs(0.1 - 0.2 * p).mean(), abs=0.003)


def test_two_groups_make_two_bins_with_their_own_shares():
    p = np.array([0.2] * 5 + [0.9] * 5)
    happened = np.array([True] * 2 + [False] * 3 + [True] * 5)
    found = calibration(p, happened)
    assert found.ece == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)
    assert [row.observed for row in found.reliability] == [0.4, 1.0]
    assert [row.n for row in found.reliability] == [5, 5]


def test_bins_hold_the_same_number_of_ratings_by_rising_probability():
    rows = calibration(*drawn(N_BINS * 100, 1)).reliability
    assert len(rows) == N_BINS
    assert {row.n for row in rows} <= {99, 100, 101}
    assert [row.predicted for row in rows] == sorted(row.predicted for row in rows)


def test_certain_and_right_predictions_have_no_error():
    happened = np.arange(10) % 2 == 0
    found = calibration(happened.astype(float), happened)
    assert (found.ece, found.ece_by_chance) == (0, 0)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]), st.booleans()), min_size=1), st.randoms())
def test_the_order_of_ratings_does_not_matter(cases, random):
    shuffled = random.sample(cases, len(cases))
    one, other = (calibration(np.array([p for p, _ in c]), np.array([y for _, y in c])) for c in (cases, shuffled))
    assert one.ece == pytest.approx(other.ece, abs=1e-12)
    assert 0 <= one.ece <= 1
    assert sum(row.n for row in one.reliability) == len(cases)
