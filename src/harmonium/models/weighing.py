"""One case weighed entry by entry: what each rating does to the free energy, and how surprising it is.

The surprise of a rating is -log P(level | all the other entries), summed over the hidden units exactly: free energies
of the case with each other level in its place, and a softmax over them. Unlike a free energy it does not depend on
which constant a unit's biases carry, so it compares between any two cases.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.models.level_rbm import LevelRBM

Floats = npt.NDArray[np.floating]
AT_ONCE = 1 << 21  # numbers of a block: entries times levels times hidden units


class Weighed(NamedTuple):
    """A case in nats: its free energy, and of every entry its part in it and its surprise."""

    free_energy: float
    part: npt.NDArray[np.float64]  # (n,), the free energy less that without the entry
    surprise: npt.NDArray[np.float64]  # (n,), NaN where not rated
    field: Floats  # (n_hidden,), of the hidden units


def weigh(rbm: LevelRBM, item: npt.NDArray[np.integer], level: npt.NDArray[np.uint8]) -> Weighed:
    """Weigh one case.

    Parameters
    ----------
    rbm : LevelRBM
    item : int array, (n,)
        Visible units, each once.
    level : uint8 array, (n,)
        Level codes; UNRATED, which needs a conditional machine, for seen, not rated.

    Returns
    -------
    Weighed

    Notes
    -----
    n n_levels n_hidden log-partitions, a block at a time.
    """
    rated = level != UNRATED
    code = np.where(rated, level, 0).astype(np.int64)
    own = _features(rbm, level)
    field = rbm.c + np.einsum("nf,fnj->j", own, rbm.W[:, item])
    total = _log_partition(rbm, field[None])[0]
    part, surprise = np.empty(len(item)), np.full(len(item), np.nan)
    size = max(1, AT_ONCE // (rbm.n_levels * rbm.n_hidden))
    for start in range(0, len(item), size):
        block = slice(start, start + size)
        W = rbm.W[:, item[block]]  # (n_features, n, n_hidden)
        rest = field - np.einsum("nf,fnj->nj", own[block], W)
        of_rest = _log_partition(rbm, rest)
        b = np.where(rated[block], rbm.b[item[block], code[block]], 0)
        part[block] = of_rest - total - b
        alternatives = rest[:, None] + np.einsum("kf,fnj->nkj", rbm.phi, W)  # (n, n_levels, n_hidden)
        x = rbm.b[item[block]] + _log_partition(rbm, alternatives)
        of_level = np.take_along_axis(x, code[block, None], axis=1)[:, 0]
        top = x.max(axis=1)
        surprise[block] = top + np.log(np.exp(x - top[:, None]).sum(axis=1)) - of_level
    surprise[~rated] = np.nan
    return Weighed(float(-rbm.b[item[rated], code[rated]].sum(dtype=np.float64) - total), part, surprise, field)


def _features(rbm: LevelRBM, level: npt.NDArray[np.uint8]) -> Floats:
    """Level features of entries, (n, n_features); the constant alone where not rated."""
    features = np.zeros((len(level), rbm.phi.shape[1]), rbm.phi.dtype)
    rated = level != UNRATED
    features[rated] = rbm.phi[level[rated]]
    features[~rated, 0] = 1
    return features


def _log_partition(rbm: LevelRBM, field: Floats) -> npt.NDArray[np.float64]:
    """Sum over the hidden units of log(1 + e^x), (...,) of fields (..., n_hidden); of a committee the members' mean."""
    softplus = np.log1p(np.exp(-np.abs(field))) + np.maximum(field, 0)
    return softplus.sum(axis=-1, dtype=np.float64) / rbm.n_machines
