"""Reference backend: NumPy, the definition of what every other backend computes.

Shapes: W (n_features, n_visible, n_hidden), b (n_visible, n_levels), c (n_hidden,), phi (n_levels, n_features).
When `conditional`, feature 0 is the constant 1; an UNRATED entry feeds that feature and nothing else.
"""

import itertools

import numpy as np

from harmonium.conventions import UNRATED
from harmonium.kernels.arrays import blank as blank
from harmonium.kernels.arrays import cases_on as cases_on
from harmonium.kernels.arrays import contiguous as contiguous
from harmonium.kernels.arrays import copied as copied
from harmonium.kernels.arrays import finish as finish
from harmonium.kernels.arrays import learning as learning
from harmonium.kernels.arrays import multiply as multiply
from harmonium.kernels.arrays import numbers as numbers
from harmonium.kernels.arrays import shorten as shorten
from harmonium.kernels.arrays import take as take
from harmonium.kernels.arrays import to_device as to_device
from harmonium.kernels.constants import ADAGRAD, ADAM
from harmonium.kernels.records import Layout, Machine, Moments, Phase, Schedule, Step
from harmonium.kernels.reference_annealing import anneal_hidden as anneal_hidden
from harmonium.kernels.reference_annealing import anneal_visible as anneal_visible
from harmonium.kernels.reference_couplings import gibbs_sweep as gibbs_sweep
from harmonium.kernels.reference_dense import ascend as ascend
from harmonium.kernels.reference_dense import draw_binary as draw_binary
from harmonium.kernels.reference_dense import normals as normals
from harmonium.kernels.reference_few import pcd_batches as pcd_batches
from harmonium.randomness import uniforms
from harmonium.units import bernoulli, levels

f32 = np.float32


def entry_features(level, phi, conditional):
    """Features (n_entries, n_features) of each entry's level; of an UNRATED one the constant alone."""
    rated = level != UNRATED
    features = np.zeros((len(level), phi.shape[1]), f32)
    features[rated] = phi[level[rated]]
    if conditional:
        features[~rated, 0] = 1
    return features


def case_field(visible, features, W):
    """Sum over entries of sum_f features[t, f] W[f, visible[t]], (n_hidden,)."""
    return np.einsum("tf,ftj->j", features, W[:, visible])


def hidden_fields(indptr, visible, level, phi, conditional, W, c):
    """Hidden fields of every case, (n_cases, n_hidden): c + sum of its entries' weights."""
    features = entry_features(level, phi, conditional)
    rows = [slice(a, b) for a, b in itertools.pairwise(indptr)]
    return np.stack([c + case_field(visible[r], features[r], W) for r in rows]).astype(f32)


def entry_probabilities(indptr, visible, h, W, b, phi, conditional):
    """Level probabilities of every entry given its case's hidden units h (n_cases, n_hidden): (n, n_levels)."""
    case = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    return unit_probabilities(visible, h[case], W, b, phi).astype(f32)


def predictions(known, asked, phi, conditional, W, b, c):
    """Level probabilities (n, n_levels) of the entries asked, given the known entries of the same cases.

    known : (indptr, visible, level), asked : (indptr, visible), over the same cases.
    """
    indptr, visible, level = known
    h = bernoulli.mean(hidden_fields(indptr, visible, level, phi, conditional, W, c))
    indptr, visible = asked
    return entry_probabilities(indptr, visible, h, W, b, phi, conditional)


def unit_probabilities(visible, h, W, b, phi):
    """P(level | h) of visible units, h (n, n_hidden) or (n_hidden,): (n, n_levels)."""
    return levels.mean(b[visible] + unit_fields(visible, h, W) @ phi.T)


def unit_fields(visible, h, W):
    """Fields W[f, visible[t]] . h, (n, n_features)."""
    return (W[:, visible] * h).sum(axis=-1).T


def lay_out(indptr, visible, level, n_visible: int) -> Layout:
    """Sort ratings by case and by visible unit: each unit's entries in the order of the cases."""
    case = np.repeat(np.arange(len(indptr) - 1, dtype=np.int32), np.diff(indptr))
    order = np.argsort(visible, kind="stable")
    rank = (np.arange(len(visible)) - indptr[case])[order]
    unit_indptr = np.concatenate(([0], np.cumsum(np.bincount(visible, minlength=n_visible))))
    return Layout(indptr, visible, level, unit_indptr, case[order], level[order], rank.astype(np.int32))


def schedule(layout: Layout, cases, batch_size: int) -> Schedule:
    """Sort an epoch's entries by batch and, within a batch, by visible unit.

    cases (n,) are the epoch's in their order, each once; a batch is the next `batch_size` of them.
    """
    n_visible, n_batches = len(layout.unit_indptr) - 1, -(-len(cases) // batch_size)
    n_entries = np.diff(layout.indptr)
    batch_of, position, starts = (np.zeros(len(n_entries), np.int64) for _ in range(3))
    for k in range(n_batches):
        batch = cases[k * batch_size : (k + 1) * batch_size]
        batch_of[batch], position[batch] = k, np.arange(len(batch))
        starts[batch] = case_starts(batch, layout)[:-1]
    unit = np.repeat(np.arange(n_visible), np.diff(layout.unit_indptr))
    batch = batch_of[layout.unit_case]
    order = np.lexsort((unit, batch))
    counts = np.bincount(batch * n_visible + unit, minlength=n_batches * n_visible).reshape(n_batches, n_visible)
    ptr = np.zeros((n_batches, n_visible + 1), np.int32)
    np.cumsum(counts, axis=1, out=ptr[:, 1:])
    origin = np.concatenate(([0], np.cumsum(ptr[:, -1], dtype=np.int64)))
    case = layout.unit_case[order]
    place = starts[case] + layout.unit_rank[order]
    return Schedule(ptr, origin, position[case].astype(np.int32), layout.unit_level[order], place.astype(np.int32))


def case_starts(cases, layout: Layout):
    """Where each case's entries begin among those of all the cases, (len(cases) + 1,)."""
    return np.concatenate(([0], np.cumsum(layout.indptr[cases + 1] - layout.indptr[cases])))


def cd_phase(cases, layout: Layout, machine: Machine, keys, sample, chain, persistent, phase: Phase) -> None:
    """First pass of CD-k (Hinton 2002) and PCD (Tieleman 2008) over one batch of cases.

    Each case keeps its own rated set. With `sample`, hidden units and levels are drawn; otherwise the fantasy is the
    mean-field one. `keys` (2 n_steps,) hold one key a half-sweep; `chain` (n_entries,) the fantasies' levels, where
    a persistent chain starts and a sampled one is left. Fills H0 (batch, n_hidden) with the data's hidden means, H1
    with those minus the fantasy's, and Z as `units_step` reads it.
    """
    W, b, c, phi, live, conditional = machine
    n_levels = len(phi)
    first = 1 if conditional else 0
    hidden, starts = np.arange(len(c)), case_starts(cases, layout)
    for i, case in enumerate(cases):
        row = slice(layout.indptr[case], layout.indptr[case + 1])
        unit, level = layout.visible[row], layout.level[row]
        rated = level != UNRATED
        units, data = unit[rated], np.eye(n_levels, dtype=f32)[level[rated]]
        base = c + (W[0, unit].sum(axis=0) if conditional else 0)

        def activate(p, units=units, base=base):
            field = base + case_field(units, p @ phi[:, first:], W[first:])
            return live * bernoulli.mean(field.astype(f32))

        h = phase.H0[i] = activate(data)
        if persistent:
            h = activate(np.eye(n_levels, dtype=f32)[chain[row][rated]])
        p, z, drawn = data, np.zeros(0, f32), np.zeros(0, f32)
        for up, down in keys.reshape(-1, 2):
            if sample:
                h = live * (uniforms(up, case, hidden) < h)
            p = unit_probabilities(units, h.astype(f32), W, b, phi)
            z = unit_fields(units, h, W[first:])
            if sample:
                drawn = (uniforms(down, case, units)[:, None] >= np.cumsum(p, axis=1)[:, :-1]).sum(axis=1)
                chain[np.flatnonzero(rated) + layout.indptr[case]] = drawn
                p = np.eye(n_levels, dtype=f32)[drawn]
            h = activate(p)
        phase.H1[i] = phase.H0[i] - h
        Z = phase.Z[starts[i] : starts[i + 1]]
        Z[~rated, 0] = np.nan
        if sample:
            Z[rated, 0] = drawn
        else:
            Z[rated] = z


def mp_phase(cases, layout: Layout, machine: Machine, keys, keep, drop, phase: Phase) -> None:
    """First pass of multi-prediction (Goodfellow, Mirza, Courville & Bengio 2013) over one batch of cases.

    A rating is kept with probability `keep`; the hidden units are inferred from the kept ones in one mean-field
    step, some of them dropped with probability `drop`; what is followed is the exact gradient of the log probability
    of the rest. `keys` (2,): one for what is kept, one for hidden dropout. Fills H0 (batch, n_hidden) with the
    hidden means, H1 with the gradient of the hidden fields, and Z as `units_step` reads it.
    """
    W, b, c, phi, live, conditional = machine
    n_levels, starts = len(phi), case_starts(cases, layout)
    for i, case in enumerate(cases):
        row = slice(layout.indptr[case], layout.indptr[case + 1])
        unit, level = layout.visible[row], layout.level[row]
        target = (level != UNRATED) & (uniforms(keys[0], case, unit) >= f32(keep))
        features = entry_features(level, phi, conditional)
        mean = bernoulli.mean(c + case_field(unit[~target], features[~target], W))
        mask = live * (uniforms(keys[1], case, np.arange(len(c))) >= f32(drop)) / (f32(1) - f32(drop))
        h = phase.H0[i] = mask * mean
        p = unit_probabilities(unit[target], h, W, b, phi)
        residual = np.eye(n_levels, dtype=f32)[level[target]] - p
        first = 1 if conditional else 0
        back = case_field(unit[target], residual @ phi[:, first:], W[first:])
        phase.H1[i] = mask * mean * (1 - mean) * back
        Z = phase.Z[starts[i] : starts[i + 1]]
        Z[~target, 0] = np.nan
        Z[target] = unit_fields(unit[target], h, W[first:])


def units_step(
    ptr, case, level, place, multi: bool, sample: bool, phase: Phase, machine: Machine, moments: Moments, step: Step
) -> None:
    """Second pass over the visible units of one batch: gradient from their entries, decay, optimiser step.

    `ptr` (n_visible + 1,) bounds each unit's entries in `case`, `level` and `place`, the entry's row of Z. A row of Z
    holds the entry's fields W[f] . h, NaN when it is evidence alone; with `sample` it begins with the level drawn.
    With data minus fantasy (or prediction) r in one-hot levels, an entry adds

        CD: (r phi) H0[case] + (data - r phi) H1[case]      prediction: (r phi) H0[case]      evidence: data H1[case]

    to dW[:, unit], where data are its level's features, and r to db[unit]. Units without entries stay as they are.
    """
    W, b = machine.W, machine.b
    for unit in np.flatnonzero(np.diff(ptr)):
        g, g_b = unit_gradient(unit, ptr, case, level, place, multi, sample, phase, machine)
        g -= step.decay * f32(ptr[unit + 1] - ptr[unit]) * W[:, unit]
        optimise(W[:, unit], g, moments.W1[:, unit], moments.W2[:, unit], step.rate, step)
        optimise(b[unit], g_b, moments.b1[unit], moments.b2[unit], step.bias_rate, step)


def unit_gradient(unit, ptr, case, level, place, multi: bool, sample: bool, phase: Phase, machine: Machine):
    """Gradient of one visible unit's weights (n_features, n_hidden) and biases (n_levels,); see `units_step`."""
    W, b, _, phi, _, conditional = machine
    first = 1 if conditional else 0
    rows = slice(ptr[unit], ptr[unit + 1])
    codes, z = level[rows], phase.Z[place[rows]]
    evidence = np.isnan(z[:, 0])
    data = entry_features(codes, phi, conditional)
    residual = np.zeros((len(codes), len(phi)), f32)
    told = codes[~evidence]
    if sample:
        p = np.eye(len(phi), dtype=f32)[z[~evidence, 0].astype(np.int64)]
    else:
        p = levels.mean(b[unit] + z[~evidence, : len(W) - first] @ phi[:, first:].T)
    residual[~evidence] = np.eye(len(phi), dtype=f32)[told] - p
    factor0 = residual @ phi
    factor0[:, :first] = 0
    factor1 = (data - factor0) * (evidence | (not multi))[:, None]
    return factor0.T @ phase.H0[case[rows]] + factor1.T @ phase.H1[case[rows]], residual.sum(axis=0)


def units_gradient(
    ptr, case, level, place, multi: bool, sample: bool, phase: Phase, machine: Machine, row, out, first: int, last: int
) -> None:
    """Gradients of visible units first..last, as `units_step` takes them, before the decay: for adding up elsewhere.

    `row` (n_visible,) says to which row of `out` (n_rows, n_features n_hidden + n_levels) a unit's gradient goes: that
    of its weights, feature by feature, then that of its biases. Units whose row is negative are left out; one without
    entries gets zeros.
    """
    for unit in range(first, last):
        if row[unit] >= 0:
            g, g_b = unit_gradient(unit, ptr, case, level, place, multi, sample, phase, machine)
            out[row[unit]] = np.concatenate((g.ravel(), g_b))


def rows_step(unit, n_entries, gradient, machine: Machine, moments: Moments, step: Step, first: int, last: int) -> None:
    """Decay and optimiser step of units along rows first..last of their gradients, as `units_gradient` leaves them.

    `unit` and `n_entries` (n_rows,) say whose gradient a row is, and of how many entries.
    """
    W, b = machine.W, machine.b
    for r in range(first, last):
        u, size = unit[r], len(W) * W.shape[2]
        g = gradient[r, :size].reshape(len(W), -1) - step.decay * f32(n_entries[r]) * W[:, u]
        optimise(W[:, u], g, moments.W1[:, u], moments.W2[:, u], step.rate, step)
        optimise(b[u], gradient[r, size:], moments.b1[u], moments.b2[u], step.bias_rate, step)


def optimise(w, g, m, v, rate, step: Step) -> None:
    """One step uphill along g, in place: Adagrad (Duchi 2011), Adam (Kingma & Ba 2015) or momentum.

    w, g, m, v : arrays of one shape; m and v are the first and second moments.
    """
    if step.rule == ADAGRAD:
        v += g * g
        w += rate * g / (np.sqrt(v) + step.eps)
    elif step.rule == ADAM:
        m[...] = step.momentum * m + (1 - step.momentum) * g
        v[...] = step.beta2 * v + (1 - step.beta2) * g * g
        w += rate * m / (np.sqrt(v * step.correction) + step.eps)
    else:
        m[...] = step.momentum * m + g
        w += rate * m
