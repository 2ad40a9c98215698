"""From scores to probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonium.errors import DataError
from harmonium.models.score_calibration import ScoreCalibration, fit_calibration


@given(st.integers(0, 10_000), st.integers(1, 3000), st.floats(0.02, 0.9))
def test_the_curve_rises_whatever_was_chosen(seed, n, share):
    rng = np.random.default_rng(seed)
    score, chosen = rng.normal(size=n).round(int(rng.integers(0, 4))), rng.random(n) < share
    chosen[rng.integers(n)] = True
    curve = fit_calibration(score, chosen, 0.001)
    assert (np.diff(curve.probability) > 0).all() and (np.diff(curve.score) >= 0).all()
    p = curve(np.linspace(-5, 5, 200))
    assert (np.diff(p) >= 0).all() and p[0] > 0 and p[-1] <= 1


def test_the_curve_is_how_often_it_happened():
    rng = np.random.default_rng(0)
    score = rng.normal(size=200_000)
    truth = 1 / (1 + np.exp(3 - score))
    curve = fit_calibration(score, rng.random(len(score)) < truth, 0.0)
    inside = np.abs(score) < 2
    assert curve(score[inside]) == pytest.approx(truth[inside], abs=0.02)
    assert curve(np.array([-np.inf]))[0] == 0
    again = ScoreCalibration.from_arrays(curve.to_arrays())
    assert (again(score) == curve(score)).all()


def test_without_a_choice_there_is_no_curve():
    with pytest.raises(DataError, match="not 0 choices"):
        fit_calibration(np.ones(3), np.zeros(3, bool), 0.0)
