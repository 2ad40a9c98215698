"""Validation of a machine for ratings whose validation ratings lie on several workers."""

import math
from typing import final

import numpy as np

from harmonium.distributed.exchange import Exchange, add
from harmonium.models.level_rbm import LevelRBM
from harmonium.training.loop import Score
from harmonium.training.validation import Scorer


@final
class SharedScorer:
    """Measures a machine on the validation ratings of all workers; every worker gets the same score.

    Parameters
    ----------
    own : list of Scorer
        Of the validation ratings of this worker's cases.
    exchange : Exchange

    Notes
    -----
    Squared errors and log-losses add up over ratings. The free-energy gap is that of each worker's own sample of
    cases, weighed by their validation ratings.
    """

    def __init__(self, own: list[Scorer], exchange: Exchange):
        self.own, self.exchange = own, exchange

    def __call__(self, rbm: LevelRBM) -> Score:
        """Score one machine.

        Parameters
        ----------
        rbm : LevelRBM
        """
        total = np.zeros(4)
        for own in self.own:
            n, score = own.held_out.n_entries, own(rbm)
            total += n, n * score.rmse**2, n * score.log_loss, n * score.free_energy_gap
        add(self.exchange, total)
        n, squares, losses, gaps = total.tolist()
        return Score(math.sqrt(squares / n) if squares >= 0 else math.nan, losses / n, gaps / n)
