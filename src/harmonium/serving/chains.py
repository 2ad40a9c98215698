"""Gibbs chains of the users machine, in the words of the API."""

from typing import Any

import numpy as np

from harmonium.errors import DataError, SettingError
from harmonium.recommending import Recommender, inside
from harmonium.recommending.chain import Chain, HalfStep, Side
from harmonium.serving.schemas.machines import MOST_STATES, GibbsRequest

OTHER: dict[Side, Side] = {"hidden": "visible", "visible": "hidden"}


def gibbs(recommender: Recommender, asked: GibbsRequest) -> dict[str, Any]:
    """Go on with a chain.

    Parameters
    ----------
    recommender : Recommender
    asked : GibbsRequest
    """
    rbm = recommender.machine.users_machine
    item = recommender.history([(one.item, None) for one in asked.visible]).item
    held = np.array([one.clamped for one in asked.visible])
    held_hidden = {clamp.unit: clamp.state for clamp in asked.clamped_hidden}
    chain = Chain.of(rbm, item, held, held_hidden, asked.temperature)
    levels, hidden = _levels(chain, asked), _hidden(chain, asked)
    if asked.exact and chain.n_states() > MOST_STATES:
        raise SettingError(
            f"exact: {chain.n_states():,} states are more than {MOST_STATES:,}; ask for fewer free items"
        )
    steps: list[dict[str, Any]] = []
    side: Side = asked.next
    for step in range(asked.step, asked.step + asked.n_half_steps):
        made = chain.half_step(side, levels, hidden, asked.seed, step)
        levels, hidden, side = made.levels, made.hidden, OTHER[side]
        steps.append(_plain(made, step))
    return {
        "items": [inside.facts(recommender, k) for k in item.tolist()],
        "levels": recommender.scale.levels,
        "half_steps": steps,
        "next": side,
        "step": asked.step + asked.n_half_steps,
        "exact": chain.exact(levels)._asdict() if asked.exact else None,
    }


def _levels(chain: Chain, asked: GibbsRequest) -> np.ndarray:
    resting = chain.resting_levels()
    given = [one.level for one in asked.visible]
    levels = np.array([rest if level is None else level for level, rest in zip(given, resting)], dtype=np.int64)
    if (levels >= chain.rbm.n_levels).any():
        raise DataError(f"visible: level {int(levels.max())} is not from 0 to {chain.rbm.n_levels - 1}")
    return levels


def _hidden(chain: Chain, asked: GibbsRequest) -> np.ndarray:
    n = chain.rbm.n_hidden
    if asked.hidden is None:
        if asked.next == "visible":
            raise DataError("hidden: needed where the visible units are drawn next; draw the hidden ones first")
        return np.zeros(n, np.int64)
    if len(asked.hidden) != n:
        raise DataError(f"hidden: {len(asked.hidden)} states, but the machine has {n} hidden units")
    return np.array(asked.hidden, dtype=np.int64)


def _plain(made: HalfStep, step: int) -> dict[str, Any]:
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in made._asdict().items()}
    return {"step": step, **plain}
