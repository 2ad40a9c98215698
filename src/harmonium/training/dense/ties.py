"""What reaches visible units otherwise than from hidden ones: conditions (A) or each other (L), while learning.

Both add to the fields of the visible units; their gradients are pair means of the two phases, like that of W.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from harmonium.models import conditional, lateral
from harmonium.models.conditional import Conditional
from harmonium.models.lateral import off_diagonal
from harmonium.sampling.lateral import draw_visible
from harmonium.training.dense import workspace as ws
from harmonium.training.dense.state import State
from harmonium.units.layer import Floats, Layer

NAMES = ("A", "L")
f32 = np.float32


def name_of(state: State) -> str | None:
    """Which ties there are: "A", "L" or None.

    Parameters
    ----------
    state : State
    """
    return next((name for name in NAMES if name in state.arrays), None)


def n_drawn(state: State) -> int:
    """Columns of the visible layer that are drawn: all but the conditions.

    Parameters
    ----------
    state : State
    """
    return state.arrays["A"].shape[1] if "A" in state.arrays else state.visible.width


def drawn_layer(state: State) -> Layer:
    """Layer of the columns that are drawn.

    Parameters
    ----------
    state : State
    """
    return state.visible.parts[0] if "A" in state.arrays else state.visible  # type: ignore[attr-defined]


def field(state: State, v: Any) -> Floats:
    """What ties add to the fields of the visible units that are drawn: u A, or v L.

    Parameters
    ----------
    state : State
    v : floats or scipy.sparse array, (batch, n_visible)
        Conditions stand behind the units that are drawn.
    """
    return v[:, n_drawn(state) :] @ state.arrays["A"] if "A" in state.arrays else v @ state.arrays["L"]


def draw(
    state: State, arrays: Mapping[str, Floats], h: Floats, V: Floats, Y: Floats, key: np.uint64,
    chain: npt.NDArray[np.int64],
) -> None:  # fmt: skip
    """Draw the visible units given hidden ones, in place; conditions stay.

    Parameters
    ----------
    state : State
    arrays : mapping of float32 arrays
        The parameters to draw by: the state's own, or with fast ones added.
    h : float32 array, (n, n_hidden)
    V : float32 array, (n, n_visible)
        Where a sweep over tied units begins, and the draws end.
    Y : float32 array, (n, n_visible)
        Room for fields.
    key : uint64
    chain : int64 array, (n,)
    """
    n, layer = n_drawn(state), drawn_layer(state)
    W, b = arrays["W"][:n], arrays["b"][:n]
    y = Y[:, :n]
    np.matmul(h, W.T, out=y)
    if "A" in state.arrays:
        y += field(state, V)
        ws.means_and_draws(layer, y, b, key, chain, None, V[:, :n])
    else:
        y += b
        V[...] = draw_visible(state.view().visible, arrays["L"], state.order, y, V, key, chain)


def slope(state: State, v_d: Any, v_f: Floats, counts: tuple[int, int]) -> dict[str, Floats]:
    """Gradient of the ties: pair means of data less those of fantasies.

    Parameters
    ----------
    state : State
    v_d : float32 array or csr_array, (n_cases, n_visible)
    v_f : float32 array, (n_chains, n_visible)
    counts : tuple of int
        Cases and chains that the means are over, where those at hand are a part.
    """
    name = name_of(state)
    if name is None:
        return {}
    n, out = n_drawn(state), np.zeros_like(state.arrays[name])
    for v, share in ((v_d, f32(1 / counts[0])), (v_f, f32(-1 / counts[1]))):
        pair = v[:, n:].T @ v[:, :n] if name == "A" else v.T @ v
        out += share * (pair if isinstance(pair, np.ndarray) else pair.toarray())
    return {name: out if name == "A" else _allowed(state, out)}


def _allowed(state: State, pair: Floats) -> Floats:
    """Ties that there may be, symmetric to the last bit."""
    return off_diagonal(pair) * state.mask


def centred(state: State, slopes: dict[str, Floats]) -> tuple[dict[str, Floats], Floats | float]:
    """The gradient of the ties of centred units, and what it turns the visible biases' gradient by.

    Parameters
    ----------
    state : State
    slopes : dict of float32 arrays
        With the gradient of the biases of units that are not centred.

    Notes
    -----
    As for W: <(v - mu)(v - mu)'> differs between the phases by mu db' + db mu'; conditions are the same in both, so of
    theirs only mu_u db' is left.
    """
    name = name_of(state)
    if name is None or name not in slopes:
        return {}, 0.0
    n, mu = n_drawn(state), state.mu
    if name == "A":
        found = slopes["A"] - np.outer(mu[n:], slopes["b"][:n])
    else:
        pulled = np.outer(mu, slopes["b"])
        found = _allowed(state, slopes["L"] - pulled - pulled.T)
    return {name: found.astype(f32)}, turn(state, found)


def turn(state: State, change: Floats) -> Floats:
    """What a change of the ties of centred units takes off the visible biases: (n_visible,).

    Parameters
    ----------
    state : State
    change : float32 array
        Of the shape of the ties.
    """
    n = n_drawn(state)
    if "L" in state.arrays:
        return change @ state.mu
    return np.concatenate((state.mu[n:] @ change, np.zeros(len(state.mu) - n, f32)))


def from_fields(state: State, v: Floats, slope: dict[str, Floats]) -> dict[str, Floats]:
    """Slopes with the gradient by the fields of the visible units turned into that of the ties.

    Parameters
    ----------
    state : State
    v : float32 array, (batch, n_visible)
    slope : dict of float32 arrays
        May hold "field", (batch, n_drawn).
    """
    out = dict(slope)
    pulled = out.pop("field", None)
    if pulled is None:
        return out
    if "A" in state.arrays:
        return out | {"A": v[:, n_drawn(state) :].T @ pulled}
    pair = v.T @ pulled
    return out | {"L": _allowed(state, pair + pair.T)}


def exact_slope(state: State, v: Floats) -> dict[str, Floats]:
    """Gradient of the mean log-likelihood, both phases exact, by the state's names.

    Parameters
    ----------
    state : State
    v : float32 array, (batch, n_visible)
    """
    model, n = state.model_view(), n_drawn(state)
    if not isinstance(model, Conditional):
        found = lateral.slope(model, v)  # type: ignore[arg-type]
        return found | {"L": _allowed(state, found["L"])}
    found = conditional.slope(model, v[:, :n], v[:, n:])
    found["W"] = np.concatenate((found["W"], found.pop("B")))
    found["b"] = np.concatenate((found["b"], np.zeros(v.shape[1] - n)))
    return {name if not name.startswith("visible.") or "A" not in state.arrays else _joined(name): a
            for name, a in found.items()}  # fmt: skip


def _joined(name: str) -> str:
    """Name of a visible layer's array where conditions stand beside it."""
    return name.replace("visible.", "visible.0.", 1)
