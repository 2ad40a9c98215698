"""The ladder of tempered learning adapts to measured swap rates during burn-in, then stays; its rates are events."""

import itertools

import numpy as np
import pytest

from harmonium import RBM
from harmonium.errors import SettingError
from harmonium.events import DenseEpochEnded
from harmonium.sampling import tempering
from harmonium.training import ladder

X = np.repeat([[0.0] * 30, [1.0] * 30], 100, axis=0)
TEMPERED = {
    "n_hidden": 3,
    "method": "tempered-pcd",
    "n_betas": 4,
    "batch_size": 10,
    "n_chains": 50,
    "lowest_beta": 0.0,
    "learning_rate": 0.3,
    "n_steps": 2,
}


def learnt(**settings):
    """Return the betas after each epoch, and the epochs' events."""
    machine, betas, events = RBM(**TEMPERED | settings), [], []
    for event in machine.fitting(X):
        if isinstance(event, DenseEpochEnded):
            betas.append(machine._state.betas.copy())
            events.append(event)
    return betas, events, machine


def test_the_ladder_moves_during_burn_in_and_then_stays():
    betas, events, machine = learnt(n_epochs=20, ladder_burn_in=0.5)
    moves = [float(np.abs(after - before).max()) for before, after in itertools.pairwise(betas)]
    assert max(moves[:9]) > 0.01 and max(moves[9:]) == 0
    assert all(b[0] == 1 and b[-1] == 0 and (np.diff(b) < 0).all() for b in betas)
    rates = np.array([events[-1].monitored[f"swap_rate_{k}"] for k in range(1, 4)])
    assert events[-1].monitored["swap_rate_lowest"] == rates.min()
    even = learnt(n_epochs=20, ladder_burn_in=0.0)
    assert (even[0][-1] == np.linspace(1, 0, 4)).all()
    uneven = np.array([even[1][-1].monitored[f"swap_rate_{k}"] for k in range(1, 4)])
    assert np.ptp(rates) < np.ptp(uneven) and rates.min() > uneven.min()
    assert machine.score(X) > -3


def test_rates_are_shares_of_what_was_offered():
    counts = ladder.blank(4)
    ladder.count(counts, np.array([[True, False, False], [False, False, True]]), np.array([True, False, True]))
    ladder.count(counts, np.array([[False, True, False], [False, True, False]]), np.array([False, True, False]))
    found = ladder.measured(np.array([1, 0.7, 0.4, 0.1]), counts)
    assert found == {"swap_rate_lowest": 0.5, "swap_rate_1": 0.5, "swap_rate_2": 1.0, "swap_rate_3": 0.5}
    assert ladder.measured(np.empty(0), ladder.blank(0)) == {}


def test_betas_move_to_where_pairs_reject_equally_often():
    betas, counts = np.array([1.0, 0.5, 0.0]), np.array([[80.0, 20.0], [100.0, 100.0]])
    wanted = (betas + tempering.respaced(betas, np.array([0.8, 0.2]))) / 2
    np.testing.assert_allclose(ladder.moved(betas, counts, 0.2, 0.5), wanted)
    np.testing.assert_array_equal(ladder.moved(betas, counts, 0.6, 0.5), betas)


@pytest.mark.parametrize("value", [-0.1, 1.5, np.nan, "half", True])
def test_a_burn_in_that_is_no_share_is_refused(value):
    with pytest.raises(SettingError, match="ladder_burn_in"):
        RBM(ladder_burn_in=value).fit(X)
