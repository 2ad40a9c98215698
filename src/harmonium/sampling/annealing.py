"""Annealing: chains cooled from a high temperature down, for states of low energy or a better start."""

import numpy as np
import numpy.typing as npt

from harmonium.errors import SettingError
from harmonium.models.rbm import RBM
from harmonium.randomness import Seed, key_from, key_of
from harmonium.sampling import gibbs


def anneal(
    rbm: RBM, state: gibbs.State, betas: npt.ArrayLike, rng: Seed, n_steps: int = 1
) -> tuple[gibbs.State, gibbs.Info]:
    """Run chains through a schedule of inverse temperatures.

    Ending at 1 leaves approximate draws of the model; going on far above 1 looks for its ground states.

    Parameters
    ----------
    rbm : RBM
    state : gibbs.State
        Held units stay held.
    betas : floats, (n,)
        One a stage, above 0.
    rng : seed
    n_steps : int
        Steps at each of them.

    Returns
    -------
    state : gibbs.State
    info : gibbs.Info
        Of the last step.
    """
    schedule = np.asarray(betas, np.float64)
    if schedule.ndim != 1 or not len(schedule) or not (schedule > 0).all():
        raise SettingError(f"betas: they must be a list of numbers above 0; got {betas}")
    key, info = int(key_from(rng)), gibbs.Info(np.empty((0, 0)), np.empty((0, 0)))
    for t, beta in enumerate(schedule):
        row = np.full((len(state.v), 1), beta, rbm.W.dtype)
        state, info = gibbs.step(rbm, state, key_of(key, t), n_steps, row)
    return state, info
