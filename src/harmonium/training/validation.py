"""Validation: how a machine does on ratings cut from training, and how two machines are best weighed."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.data import Ratings
from harmonium.data.shards import Shards
from harmonium.kernels.devices import CPU, Device
from harmonium.models import level_rbm
from harmonium.models.level_rbm import LevelRBM
from harmonium.models.rating_model import Blend
from harmonium.training import on_device
from harmonium.training.loop import Score

Floats = npt.NDArray[np.floating]
FEWEST_TO_CALIBRATE = 200  # fewer say nothing reliable about a dozen numbers
BLEND_PRIOR = 1.0  # precision of each number around 0
BLEND_STEPS = 60
GAP_CASES = 200  # cases on which the free-energy gap is measured: enough for two digits, at 1 % of an epoch


class Scorer:
    """Measures a machine on validation ratings; a callable for `train`.

    Parameters
    ----------
    cases, held_out : Shards
        The training part and the validation part, one case a row, over the same vocabularies and with the same ends.
    values : float64 array, (n_levels,)
    seed : int
        Of the shuffle behind the free-energy gap.
    device : Device
        Where probabilities are computed; the ratings stay there.
    """

    def __init__(
        self,
        cases: Shards,
        held_out: Shards,
        values: npt.NDArray[np.float64],
        seed: int = 0,
        device: Device = CPU,
    ):
        self.cases, self.held_out, self.values, self.device = cases, held_out, values, device
        self._there: list[Any] = [None] * len(held_out)  # what lies on the device: all, or the shard asked about last
        some = np.flatnonzero(np.diff(held_out.ratings.indptr) > 0)
        some = some[:: max(1, len(some) // GAP_CASES)]  # cases may be sorted, by activity say
        known, shuffled = cases.ratings.rows(some), held_out.ratings.rows(some)
        self._real = _merged(known, shuffled)
        level = np.random.default_rng(seed).permutation(shuffled.level)
        self._noise = _merged(known, replace(shuffled, level=level))
        self._n_moved = max(1, len(level))

    def __call__(self, rbm: LevelRBM) -> Score:
        """Score one machine.

        Parameters
        ----------
        rbm : LevelRBM
        """
        square = loss = 0.0
        for k in range(len(self.held_out)):
            asked = self.held_out[k]
            if asked.n_entries:
                share = asked.n_entries / self.held_out.n_entries
                p = self._probabilities(rbm, k, asked)
                square += share * square_error(p, asked.level, self.values)
                loss += share * log_loss(p, asked.level)
        gap = level_rbm.free_energy(rbm, self._noise) - level_rbm.free_energy(rbm, self._real)
        return Score(float(np.sqrt(square)), loss, float(gap.sum() / self._n_moved))

    def _probabilities(self, rbm: LevelRBM, k: int, asked: Ratings) -> Floats:
        """Level probabilities (n, n_levels) of a shard's validation ratings given its training part."""
        if not self.device.on_torch:
            return level_rbm.predictions(rbm, self.cases[k], asked)
        there = self._there[k]
        if there is None:
            known = self.cases[k]
            pairs = (known.indptr, known.item, known.level), (asked.indptr, asked.item)
            there = self.device.kernels.to_device(pairs, self.device.torch_name)
            if len(self._there) == 1:
                self._there[k] = there
        return on_device.predictions(self.device, rbm, *there)


def errors(p: Floats, level: npt.NDArray[np.uint8], values: Floats) -> tuple[float, float]:
    """Root mean square error of the expected rating, and log-loss in nats.

    Parameters
    ----------
    p : floats, (n, n_levels)
    level : uint8 array, (n,)
    values : float64 array, (n_levels,)
    """
    return float(np.sqrt(square_error(p, level, values))), log_loss(p, level)


def square_error(p: Floats, level: npt.NDArray[np.uint8], values: Floats) -> float:
    """Mean square error of the expected rating.

    Parameters
    ----------
    p : floats, (n, n_levels)
    level : uint8 array, (n,)
    values : float64 array, (n_levels,)
    """
    return float(np.mean((p @ values - values[level]) ** 2))


def log_loss(p: Floats, level: npt.NDArray[np.uint8]) -> float:
    """Mean of -log probability of the given levels, in nats.

    Parameters
    ----------
    p : floats, (n, n_levels)
    level : uint8 array, (n,)
    """
    chosen = p[np.arange(len(level)), level].astype(np.float64)
    return float(-np.log(np.maximum(chosen, np.finfo(np.float32).tiny)).mean())


def fit_blend(
    by_user: Floats | None,
    by_item: Floats | None,
    n_user: Floats,
    n_item: Floats,
    level: npt.NDArray[np.uint8],
) -> Blend:
    """Weigh and calibrate the machines so that the log-loss on validation ratings is least.

    Parameters
    ----------
    by_user, by_item : floats, (n, n_levels), or None
        Level probabilities of the same validation ratings by each machine.
    n_user, n_item : floats, (n,)
        Training ratings of each rating's user and item.
    level : uint8 array, (n,)

    Returns
    -------
    Blend
        The plain mean where there are fewer than `FEWEST_TO_CALIBRATE` validation ratings.

    Notes
    -----
    n_levels + 6 numbers by BFGS, started at the plain mean, with a weak Gaussian prior around it.
    """
    from scipy.optimize import minimize  # half of the start-up time of a program that only predicts

    if len(level) < FEWEST_TO_CALIBRATE:
        return Blend()
    n_levels = (by_user if by_item is None else by_item).shape[1]  # type: ignore[union-attr]
    one = by_item if by_user is None else by_user

    def distribution(parameters: Floats) -> Floats:
        blend = _blend(parameters)
        p = one
        if by_user is not None and by_item is not None:
            share = blend.share_of_items(n_user, n_item)[:, None]
            p = share * by_item + (1 - share) * by_user
        return blend.calibrated(p, n_user, n_item)  # type: ignore[arg-type]

    def loss(parameters: Floats) -> float:
        prior = BLEND_PRIOR * float(parameters @ parameters) / len(level)
        return log_loss(distribution(parameters), level) + prior

    return _blend(minimize(loss, np.zeros(6 + n_levels), method="BFGS", options={"maxiter": BLEND_STEPS}).x)


def _blend(parameters: Floats) -> Blend:
    numbers = [float(x) for x in parameters]
    (a, b, c), (d, e, f) = numbers[:3], numbers[3:6]
    return Blend((a, b, c), (d, e, f), tuple(numbers[6:]))


def _merged(a: Ratings, b: Ratings) -> Ratings:
    """Both parts' entries; they must not overlap."""
    user = np.concatenate((a.user_of(), b.user_of()))
    item = np.concatenate((a.item, b.item))
    level = np.concatenate((a.level, b.level))
    return Ratings.from_arrays(user, item, level, a.users, a.items, a.scale)
