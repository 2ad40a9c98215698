"""Hidden units as reasons: how each tilts an item towards being liked."""

from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.models import level_rbm
from harmonium.models.level_rbm import LevelRBM

Floats = npt.NDArray[np.floating]
N_UNITS = 5  # hidden units that a reason lists
METHOD = (
    "Contributions are exact: the prediction from the whole history, less that from the history without the rating, "
    "folded in afresh. They need not add up to the difference from the baseline. Units are mean-field parts of the "
    "users machine's tilt, its field of the liked levels against the others, in nats, before calibration."
)


def tilts(rbm: LevelRBM, first_liked: int, item: Any = slice(None), unit: Any = slice(None)) -> Floats:
    """What each hidden unit, when on, adds to the fields of the liked levels against the others.

    Parameters
    ----------
    rbm : LevelRBM
    first_liked : int
        Level code of the lowest level that counts as liking.
    item, unit : int, int array or slice
        Which items, and which hidden units.

    Returns
    -------
    floats, (n_items, n_hidden)
        Without the dimensions of which one alone is asked for.
        Mean field of the liked levels less that of the others, in nats.
    """
    free = slice(1 if rbm.conditional else 0, None)
    phi = rbm.phi[:, free]
    weight = level_rbm.voice(rbm, phi[first_liked:].mean(axis=0) - phi[:first_liked].mean(axis=0))
    return np.tensordot(weight, rbm.W[free, item, unit], axes=1)


def strongest(parts: Floats, n: int) -> tuple[tuple[int, float], ...]:
    """The n parts of largest size with their positions, the strongest first; parts that are 0 are left out.

    Parameters
    ----------
    parts : floats, (n_parts,)
    n : int
    """
    order = np.argsort(-np.abs(parts), kind="stable")[:n]
    return tuple((int(j), float(parts[j])) for j in order if parts[j])
