"""Validation of a machine for ratings whose validation ratings lie on several workers."""

import math
from typing import final

import numpy as np

from harmonium.distributed.exchange import Exchange, add
from harmonium.distributed.shards import part
from harmonium.models.level_rbm import LevelRBM
from harmonium.training.loop import Score
from harmonium.training.validation import Scorer


@final
class SharedScorer:
    """Measures a machine on the validation ratings of all workers; every worker gets the same score.

    Parameters
    ----------
    own : Scorer or None
        Of the validation ratings of this worker's cases; None where it has none.
    exchange : Exchange

    Notes
    -----
    Squared errors and log-losses add up over ratings. The free-energy gap is that of each worker's own sample of
    cases, weighed by their validation ratings.
    """

    def __init__(self, own: Scorer | None, exchange: Exchange):
        self.own, self.exchange = own, exchange

    def __call__(self, rbm: LevelRBM) -> Score:
        """Score one machine.

        Parameters
        ----------
        rbm : LevelRBM
        """
        total = np.zeros(4)
        if self.own is not None:
            n, score = len(self.own.held_out.level), self.own(rbm)
            total[:] = n, n * score.rmse**2, n * score.log_loss, n * score.free_energy_gap
        add(self.exchange, total)
        n, squares, losses, gaps = total.tolist()
        return Score(math.sqrt(squares / n) if squares >= 0 else math.nan, losses / n, gaps / n)


def shard_scorer(scorer: Scorer, first: int, last: int) -> Scorer | None:
    """The scorer of the validation ratings of cases first..last; None where there are none.

    Parameters
    ----------
    scorer : Scorer
        Of all cases.
    first, last : int
    """
    held_out = part(scorer.held_out, first, last)
    return Scorer(part(scorer.cases, first, last), held_out, scorer.values) if held_out.n_entries else None
