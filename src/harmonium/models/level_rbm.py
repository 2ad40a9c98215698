"""The restricted Boltzmann machine of ratings: softmax visible units over levels, Bernoulli hidden units.

    E(v, h) = - sum_i b[i, v_i] - c . h - sum_i sum_f phi[v_i, f] W[f, i] . h

over the rated visible units i only: a missing rating is not there, neither as data nor as a fantasy. A case is one
row of `Ratings`; for a machine whose cases are items the rows are items and the visible units users.

A *committee* of n machines is their geometric mean: energy, free energy and fields of the visible units are the means
of its members'. Each member infers its own hidden units, so a committee is one wide machine whose hidden units stand
side by side and speak with 1 / n of their weight (Hinton 2002 on products of experts; here each to the power 1 / n).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data import Ratings
from harmonium.errors import DataError
from harmonium.kernels import backend
from harmonium.randomness import Seed, as_generator
from harmonium.units import bernoulli, levels

Floats = npt.NDArray[np.floating]
INITIAL_SPREAD = 0.01  # standard deviation of the initial weights (Hinton 2010, section 8)
INITIAL_LEAN = 3.0  # tilt of all hidden units together, chosen on validation ratings
BLOCK = 1 << 22  # entries counted at a time, so that temporaries stay small
SMOOTHING = 0.5  # pseudo-count of each level behind the initial biases


@final
@dataclass(frozen=True, eq=False)
class LevelRBM:
    """Parameters of a rating machine; immutable.

    Parameters
    ----------
    W : float32 array, (n_features, n_visible, n_hidden)
    b : float32 array, (n_visible, n_levels)
    c : float32 array, (n_hidden,)
    phi : float32 array, (n_levels, n_features)
        Level features; a first column of ones is the conditional term.
    n_machines : int
        Members of the committee; 1 for a machine of its own.
    """

    W: Floats
    b: Floats
    c: Floats
    phi: Floats
    n_machines: int = 1

    def __post_init__(self) -> None:
        for name in ("W", "b", "c", "phi"):
            getattr(self, name).flags.writeable = False

    @property
    def n_visible(self) -> int:
        """Number of visible units."""
        return self.b.shape[0]

    @property
    def n_hidden(self) -> int:
        """Number of hidden units."""
        return self.c.shape[0]

    @property
    def n_levels(self) -> int:
        """Number of levels of a visible unit."""
        return self.b.shape[1]

    @property
    def conditional(self) -> bool:
        """Whether the first feature is constant: which units were rated then speaks, whatever the rating."""
        return is_conditional(self.phi)


def committee(machines: Sequence[LevelRBM]) -> LevelRBM:
    """Return the geometric mean of machines as one wide machine.

    Parameters
    ----------
    machines : sequence of LevelRBM
        At least one; over the same visible units and level features, none of them a committee.
    """
    if len(machines) == 1:
        return machines[0]
    W = np.concatenate([one.W for one in machines], axis=2)
    b = np.mean([one.b for one in machines], axis=0)
    return LevelRBM(W, b, np.concatenate([one.c for one in machines]), machines[0].phi.copy(), len(machines))


def members(rbm: LevelRBM) -> list[LevelRBM]:
    """Return the machines of a committee, each with its visible biases; the machine itself if it stands alone."""
    if rbm.n_machines == 1:
        return [rbm]
    parts = zip(np.split(rbm.W, rbm.n_machines, axis=2), np.split(rbm.c, rbm.n_machines))
    return [LevelRBM(np.ascontiguousarray(W), rbm.b.copy(), c.copy(), rbm.phi.copy()) for W, c in parts]


def is_conditional(phi: Floats) -> bool:
    """Whether the first of the level features phi (n_levels, n_features) is the constant 1."""
    return bool((phi[:, 0] == 1).all())


def level_counts(cases: Ratings) -> npt.NDArray[np.int64]:
    """How often each visible unit has each level, (n_visible, n_levels); of parts of the cases they add up."""
    n_levels = cases.scale.n_levels
    counts = np.zeros(cases.n_items * n_levels, np.int64)
    for start in range(0, len(cases.level), BLOCK):
        item, level = cases.item[start : start + BLOCK], cases.level[start : start + BLOCK]
        rated = level != UNRATED
        counts += np.bincount(item[rated].astype(np.int64) * n_levels + level[rated], minlength=len(counts))
    return counts.reshape(-1, n_levels)


def initial(cases: Ratings, n_hidden: int, phi: Floats, rng: Seed = None) -> LevelRBM:
    """Return a machine before learning: frequent levels, small weights, and a common lean; see `initial_of`."""
    return initial_of(level_counts(cases), cases.scale.x, n_hidden, phi, rng)


def initial_of(counts: npt.NDArray[np.integer], x: Floats, n_hidden: int, phi: Floats, rng: Seed = None) -> LevelRBM:
    """Return a machine before learning, given how often each unit has each level.

    Visible biases start at the log frequency of each unit's levels, weights at N(0, 0.01). On top of that every hidden
    unit, with alternating sign, starts out watching whether a case rates above each unit's average, and tilts all units
    that way: a machine that already knows generous cases from strict ones, which rarely rated units take long to learn.

    Parameters
    ----------
    counts : int array, (n_visible, n_levels)
    x : float64 array, (n_levels,)
        Value of each level, from -1 to 1.
    n_hidden : int
    phi : float32 array, (n_levels, n_features)
    rng : seed
    """
    smoothed = counts + SMOOTHING
    frequency = smoothed / smoothed.sum(axis=1, keepdims=True)
    W = as_generator(rng).standard_normal((phi.shape[1], len(counts), n_hidden), dtype=np.float32)
    W *= np.float32(INITIAL_SPREAD)
    one = np.ones(len(x))
    rise, shift = (np.linalg.lstsq(phi.astype(np.float64), target, rcond=None)[0] for target in (x, one))
    lean = rise[:, None] - np.outer(shift, frequency @ x)  # (n_features, n_visible): x less the unit's average
    sign = np.where(np.arange(n_hidden) % 2, -1.0, 1.0) * INITIAL_LEAN / n_hidden
    W += (lean[:, :, None] * sign).astype(np.float32)
    b = np.log(frequency) - 0.5 * W.sum(axis=2).T @ phi.T  # at h = 1/2 the frequencies are predicted
    return LevelRBM(W, b.astype(np.float32), np.zeros(n_hidden, np.float32), phi)


def hidden_field(rbm: LevelRBM, cases: Ratings) -> Floats:
    """Fields of the hidden units given each case's entries: c_j + sum_i sum_f phi[v_i, f] W[f, i, j].

    Parameters
    ----------
    rbm : LevelRBM
    cases : Ratings
        One case a row; entries that are UNRATED feed the constant feature alone.

    Returns
    -------
    float32 array, (n_cases, n_hidden)

    Raises
    ------
    DataError
        The width of the cases is not the machine's, or there are UNRATED entries and no constant feature.
    """
    check_cases(rbm, cases)
    return backend().hidden_fields(cases.indptr, cases.item, cases.level, rbm.phi, rbm.conditional, rbm.W, rbm.c)


def hidden_mean(rbm: LevelRBM, cases: Ratings) -> Floats:
    """P(h_j = 1 | case), (n_cases, n_hidden); see `hidden_field`."""
    return bernoulli.mean(hidden_field(rbm, cases))


def check_cases(rbm: LevelRBM, cases: Ratings) -> None:
    """Raise DataError unless the machine can take these cases."""
    if cases.n_items != rbm.n_visible or cases.scale.n_levels != rbm.n_levels:
        raise DataError(
            f"these ratings have {cases.n_items:,} columns of {cases.scale.n_levels} levels, the machine "
            f"{rbm.n_visible:,} visible units of {rbm.n_levels}; align them by the vocabulary it was trained on"
        )
    if not rbm.conditional and (cases.level == UNRATED).any():
        raise DataError(
            "entries that were seen but not rated need a constant level feature; use features='linear', or drop them"
        )


def energy(rbm: LevelRBM, cases: Ratings, h: Floats) -> npt.NDArray[np.float64]:
    """Joint energy of each case and a hidden state.

    Parameters
    ----------
    rbm : LevelRBM
    cases : Ratings
    h : floats, (n_cases, n_hidden)

    Returns
    -------
    float64 array, (n_cases,)
        In nats; lower is more probable.
    """
    return -_bias_sum(rbm, cases) - (hidden_field(rbm, cases).astype(np.float64) * h).sum(axis=1) / rbm.n_machines


def free_energy(rbm: LevelRBM, cases: Ratings) -> npt.NDArray[np.float64]:
    """Free energy of each case: -log of its unnormalised probability, the hidden units summed out.

    Comparable between cases that rated the same items; more ratings lower it. Lower is more probable.

    Parameters
    ----------
    rbm : LevelRBM
    cases : Ratings

    Returns
    -------
    float64 array, (n_cases,)
        In nats.

    Notes
    -----
    F(v) = - sum_i b[i, v_i] - sum_j log(1 + exp(field_j)); of a committee the mean. Cost: one sparse pass.
    """
    field = hidden_field(rbm, cases).astype(np.float64)
    return -_bias_sum(rbm, cases) - bernoulli.log_partition(field).sum(axis=1) / rbm.n_machines


def _bias_sum(rbm: LevelRBM, cases: Ratings) -> npt.NDArray[np.float64]:
    rated = cases.level != UNRATED
    bias = np.zeros(len(cases.level))
    bias[rated] = rbm.b[cases.item[rated], cases.level[rated]]
    return np.bincount(cases.user_of(), weights=bias, minlength=cases.n_users).astype(np.float64)


def level_fields(rbm: LevelRBM, h: Floats, visible: npt.NDArray[np.integer] | None = None) -> Floats:
    """Fields of the levels of visible units given hidden units, without the constant feature, which cancels.

    Parameters
    ----------
    rbm : LevelRBM
    h : floats, (n_hidden,)
    visible : int array, (n,), optional
        Which units; all of them when None.

    Returns
    -------
    floats, (n, n_levels)

    Notes
    -----
    One matrix-vector product a feature; NumPy only, so that serving needs no compiled code.
    """
    first = 1 if rbm.conditional else 0
    W = rbm.W[first:] if visible is None else rbm.W[first:, visible]
    b = rbm.b if visible is None else rbm.b[visible]
    return b + (W @ voice(rbm, h)).T @ rbm.phi[:, first:].T


def pair_probabilities(rbm: LevelRBM, h: Floats, visible: npt.NDArray[np.integer]) -> Floats:
    """Level probabilities (n, n_levels) at pairs of a case, by its hidden means h (n, n_hidden), and a unit (n,)."""
    first = 1 if rbm.conditional else 0
    g, x = voice(rbm, h), rbm.b[visible]
    for f in range(first, rbm.phi.shape[1]):
        x = x + np.einsum("nj,nj->n", rbm.W[f, visible], g)[:, None] * rbm.phi[:, f]
    return levels.mean(x)


def voice(rbm: LevelRBM, h: Floats) -> Floats:
    """Return hidden values (..., n_hidden) as they reach the visible units: in a committee each by 1 / n_machines."""
    return h if rbm.n_machines == 1 else h * h.dtype.type(1 / rbm.n_machines)


def entry_probabilities(rbm: LevelRBM, h: Floats, where: Ratings) -> Floats:
    """Level probabilities at chosen (case, visible unit) pairs.

    Parameters
    ----------
    rbm : LevelRBM
    h : float32 array, (n_cases, n_hidden)
        Hidden means of each case.
    where : Ratings
        Its pattern says which pairs; its levels are not read.

    Returns
    -------
    float32 array, (n_entries, n_levels)
    """
    where_to = where.indptr, where.item, voice(rbm, h)
    return backend().entry_probabilities(*where_to, rbm.W, rbm.b, rbm.phi, rbm.conditional)


def predictions(rbm: LevelRBM, cases: Ratings, where: Ratings) -> Floats:
    """Level probabilities at chosen pairs, given all of the cases' entries: one pass, hidden means included.

    Parameters
    ----------
    rbm : LevelRBM
    cases : Ratings
        One case a row.
    where : Ratings
        Its pattern says which pairs, rows as in `cases`; its levels are not read.

    Returns
    -------
    float32 array, (n_entries, n_levels)
    """
    if rbm.n_machines > 1:
        return entry_probabilities(rbm, hidden_mean(rbm, cases), where)
    check_cases(rbm, cases)
    known, asked = (cases.indptr, cases.item, cases.level), (where.indptr, where.item)
    return backend().predictions(known, asked, rbm.phi, rbm.conditional, rbm.W, rbm.b, rbm.c)


def case_probabilities(rbm: LevelRBM, h: Floats, visible: npt.NDArray[np.integer] | None = None) -> Floats:
    """Level probabilities (n, n_levels) of visible units given the hidden means h (n_hidden,) of one case."""
    return levels.mean(level_fields(rbm, h, visible))


def with_arrays(rbm: LevelRBM, **arrays: Floats) -> LevelRBM:
    """Return the machine with some of its arrays replaced."""
    return replace(rbm, **arrays)
