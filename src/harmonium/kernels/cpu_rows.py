"""Numba loops of the CPU backend, each over a range of rows and writing to those rows alone.

Two passes a mini-batch. The first goes over cases: hidden field from the case's own ratings, reconstruction of the
rated entries only, what the second pass needs written row by row. The second goes over visible units, whose entries
of this batch lie side by side: gradient and optimiser step of one unit's rows at once. No pass writes a row of
another, so threads need no locks and the result does not depend on their number.

When `conditional`, feature 0 is the constant 1: it cancels in the softmax over levels, so it feeds the hidden field
and nothing else, and both passes leave it out wherever it cancels.
"""

import numpy as np

from harmonium.conventions import UNRATED
from harmonium.kernels.constants import ADAGRAD, ADAM, EXP_LIMIT
from harmonium.kernels.jit import compiled, float_from_bits, inlined, prefetch
from harmonium.randomness import GOLDEN, MIX_1, MIX_2

f32 = np.float32
_GOLDEN, _MIX_1, _MIX_2 = np.uint64(GOLDEN), np.uint64(MIX_1), np.uint64(MIX_2)
_S27, _S30, _S31, _S32, _S40 = (np.uint64(s) for s in (27, 30, 31, 32, 40))
_LIMIT = f32(EXP_LIMIT)
_LOG2E = f32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)  # Cody & Waite: ln 2 in two float32 parts


@inlined
def mix(z):
    """SplitMix64's finaliser."""
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@inlined
def uniform(key, first, second):
    """The counter-based uniform of `harmonium.randomness.uniforms`."""
    bits = mix(mix(((np.uint64(first) << _S32) | np.uint64(second)) * _GOLDEN + key) ^ key)
    return f32(bits >> _S40) * f32(5.9604644775390625e-08)  # 2^-24


@inlined
def exp(x):
    """exp in float32 to about 2 ulp, without a call, so that loops over it run in vector registers.

    The argument is clipped to +-EXP_LIMIT, where float32 is still finite. Cephes' polynomial (Moshier 1989).
    """
    x = _LIMIT if x > _LIMIT else x
    x = -_LIMIT if x < -_LIMIT else x
    n = np.floor(x * _LOG2E + f32(0.5))
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = f32(1.9875691500e-4)
    p = p * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(5.0000001201e-1)
    p = p * r * r + r + f32(1)
    return p * float_from_bits((np.int32(n) + np.int32(127)) << np.int32(23))  # pyright: ignore[reportCallIssue]


@inlined
def sigmoid(x):
    """1 / (1 + e^-x)."""
    return f32(1) / (f32(1) + exp(-x))


@inlined
def add_rows(out, plane, rows, scale, n):
    """out += sum over t < n of scale[t] * plane[rows[t]], four rows at a time."""
    t = 0
    while t + 4 <= n:
        a, p = scale[t], plane[rows[t]]
        b, q = scale[t + 1], plane[rows[t + 1]]
        c, r = scale[t + 2], plane[rows[t + 2]]
        d, s = scale[t + 3], plane[rows[t + 3]]
        for j in range(out.shape[0]):
            out[j] += (a * p[j] + b * q[j]) + (c * r[j] + d * s[j])
        t += 4
    while t < n:
        a, p = scale[t], plane[rows[t]]
        for j in range(out.shape[0]):
            out[j] += a * p[j]
        t += 1


@inlined
def dot_rows(z, plane, rows, h, n):
    """z[t] = plane[rows[t]] . h for t < n, four rows at a time."""
    t = 0
    while t + 4 <= n:
        p, q, r, s = plane[rows[t]], plane[rows[t + 1]], plane[rows[t + 2]], plane[rows[t + 3]]
        a = b = c = d = f32(0)
        for j in range(h.shape[0]):
            a += p[j] * h[j]
            b += q[j] * h[j]
            c += r[j] * h[j]
            d += s[j] * h[j]
        z[t], z[t + 1], z[t + 2], z[t + 3] = a, b, c, d
        t += 4
    while t < n:
        p, a = plane[rows[t]], f32(0)
        for j in range(h.shape[0]):
            a += p[j] * h[j]
        z[t] = a
        t += 1


@inlined
def softmax_rows(P, n):
    """Softmax of the first n rows of P, in place; the exponentials run over all of them at once."""
    n_levels = P.shape[1]
    for t in range(n):
        top = P[t, 0]
        for k in range(1, n_levels):
            top = P[t, k] if P[t, k] > top else top
        for k in range(n_levels):
            P[t, k] -= top
    flat = P[:n].reshape(n * n_levels)
    for t in range(n * n_levels):
        flat[t] = exp(flat[t])
    for t in range(n):
        total = f32(0)
        for k in range(n_levels):
            total += P[t, k]
        total = f32(1) / total
        for k in range(n_levels):
            P[t, k] *= total


@inlined
def level_probabilities(P, z, units, n, h, W, b, phi, first):
    """P[t, k] = P(level k | h) of visible unit units[t], t < n, and z[f, t] = W[f, units[t]] . h behind it."""
    n_levels = phi.shape[0]
    for t in range(n):
        for k in range(n_levels):
            P[t, k] = b[units[t], k]
    for f in range(first, W.shape[0]):
        dot_rows(z[f], W[f], units, h, n)
        for t in range(n):
            for k in range(n_levels):
                P[t, k] += phi[k, f] * z[f, t]
    softmax_rows(P, n)


@inlined
def draw(p, u):
    """The level whose cumulative probability first exceeds u."""
    total = f32(0)
    for k in range(p.shape[0] - 1):
        total += p[k]
        if u < total:
            return k
    return p.shape[0] - 1


@inlined
def gather(units, codes, places, lo, hi, visible, level):
    """Copy a case's entries, the rated ones first, with their places in the case; number of rated ones."""
    front, back = 0, hi - lo
    for t in range(lo, hi):
        if level[t] == UNRATED:
            back -= 1
            units[back], places[back] = visible[t], t - lo
        else:
            units[front], codes[front], places[front] = visible[t], level[t], t - lo
            front += 1
    return front


@inlined
def add_levels(field, W, phi, first, units, codes, n, scale):
    """field += sum over t < n and level features f of phi[codes[t], f] W[f, units[t]]."""
    for f in range(first, W.shape[0]):
        for t in range(n):
            scale[t] = phi[codes[t], f]
        add_rows(field, W[f], units, scale, n)


@inlined
def expected_feature(scale, P, phi, f, n):
    """scale[t] = sum over levels k of P[t, k] phi[k, f]."""
    for t in range(n):
        scale[t] = f32(0)
        for k in range(phi.shape[0]):
            scale[t] += P[t, k] * phi[k, f]


@inlined
def activate(h, field, live):
    """h = live * sigmoid(field)."""
    for j in range(h.shape[0]):
        h[j] = live[j] * sigmoid(field[j])


@inlined
def longest(start, stop, cases, indptr):
    """Most entries of any of the cases; at least 1."""
    n = 1
    for i in range(start, stop):
        n = max(n, indptr[cases[i] + 1] - indptr[cases[i]])
    return n


@inlined
def fetch_weights(W, case_end, t, visible):
    """Start bringing in the weights of entry t, so that they are there when its case is due."""
    if t < case_end:
        row = 4 * W.shape[2]
        for f in range(W.shape[0]):
            address = W.ctypes.data + (f * W.shape[1] + visible[t]) * row
            for line in range(0, row, 64):
                prefetch(address + line)  # pyright: ignore[reportCallIssue]


@compiled
def cd_cases(
    start, stop, cases, indptr, visible, level, slot, machine, keys, sample, chain, persistent, phase
):  # fmt: skip
    """First pass of CD-k and PCD over cases start..stop of a batch.

    `keys` (2 n_steps,) hold one key a half-sweep; `chain` (n_entries,) the fantasies' levels. Fills H0 (n_cases,
    n_hidden) with the data's hidden means, H1 with those minus the fantasy's, and Z as `units_step` reads it.
    """
    W, b, c, phi, live, conditional = machine
    H0, H1, Z = phase
    n_hidden, n_levels, n_steps = c.shape[0], phi.shape[0], keys.shape[0] // 2
    first, most = 1 if conditional else 0, longest(start, stop, cases, indptr)
    base, field, h = np.empty(n_hidden, f32), np.empty(n_hidden, f32), np.empty(n_hidden, f32)
    P, scale = np.empty((most, n_levels), f32), np.empty(most, f32)
    units, codes, places = np.empty(most, np.int32), np.empty(most, np.uint8), np.empty(most, np.int32)
    fantasy, z = np.empty(most, np.uint8), np.empty((phi.shape[1], most), f32)
    for i in range(start, stop):
        case = cases[i]
        lo, hi = indptr[case], indptr[case + 1]
        n = gather(units, codes, places, lo, hi, visible, level)
        base[:] = c
        if conditional:
            scale[:] = f32(1)
            add_rows(base, W[0], units, scale, hi - lo)
        field[:] = base
        add_levels(field, W, phi, first, units, codes, n, scale)
        activate(h, field, live)
        H0[i] = h
        if persistent:
            field[:] = base
            for t in range(n):
                fantasy[t] = chain[lo + places[t]]
            add_levels(field, W, phi, first, units, fantasy, n, scale)
            activate(h, field, live)
        for half in range(0, 2 * n_steps, 2):
            if sample:
                for j in range(n_hidden):
                    h[j] = live[j] if uniform(keys[half], case, j) < h[j] else f32(0)
            level_probabilities(P, z, units, n, h, W, b, phi, first)
            for t in range(n if sample else 0):
                drawn = draw(P[t], uniform(keys[half + 1], case, units[t]))
                P[t] = f32(0)
                P[t, drawn] = f32(1)
                chain[lo + places[t]] = drawn
            field[:] = base
            for f in range(first, W.shape[0]):
                expected_feature(scale, P, phi, f, n)
                add_rows(field, W[f], units, scale, n)
            activate(h, field, live)
        for j in range(n_hidden):
            H1[i, j] = H0[i, j] - h[j]
        ahead = indptr[cases[i + 1]] if i + 1 < stop else 0
        ahead_end = indptr[cases[i + 1] + 1] if i + 1 < stop else 0
        for t in range(hi - lo):
            fetch_weights(W, ahead_end, ahead + t, visible)
            if t >= n:
                Z[slot[lo + places[t]], 0] = np.nan
            elif sample:
                Z[slot[lo + places[t]], 0] = f32(chain[lo + places[t]])
            else:
                for f in range(first, W.shape[0]):
                    Z[slot[lo + places[t]], f - first] = z[f, t]


@inlined
def keep_some(units, codes, places, n, key, case, keep):
    """Move the kept ones of n rated entries to the front; their number."""
    front, back = 0, n
    while front < back:
        if uniform(key, case, units[front]) < keep:
            front += 1
        else:
            back -= 1
            units[front], units[back] = units[back], units[front]
            codes[front], codes[back] = codes[back], codes[front]
            places[front], places[back] = places[back], places[front]
    return front


@compiled
def mp_cases(
    start, stop, cases, indptr, visible, level, slot, machine, keys, keep, drop, phase
):  # fmt: skip
    """First pass of multi-prediction over cases start..stop of a batch.

    `keys` (2,): one for which entries are kept, one for hidden dropout. Fills H0 (n_cases, n_hidden) with what is
    inferred from the kept entries, H1 with the gradient of the hidden field, and Z as `units_step` reads it.
    """
    W, b, c, phi, live, conditional = machine
    H0, H1, Z = phase
    n_hidden, n_levels = c.shape[0], phi.shape[0]
    first, most = 1 if conditional else 0, longest(start, stop, cases, indptr)
    field, h = np.empty(n_hidden, f32), np.empty(n_hidden, f32)
    P, scale = np.empty((most, n_levels), f32), np.empty(most, f32)
    units, codes, places = np.empty(most, np.int32), np.empty(most, np.uint8), np.empty(most, np.int32)
    z = np.empty((phi.shape[1], most), f32)
    for i in range(start, stop):
        case = cases[i]
        lo, hi = indptr[case], indptr[case + 1]
        n = gather(units, codes, places, lo, hi, visible, level)
        m = keep_some(units, codes, places, n, keys[0], case, keep)
        field[:] = c
        if conditional:
            scale[:] = f32(1)
            add_rows(field, W[0], units, scale, m)
            add_rows(field, W[0], units[n:], scale, hi - lo - n)
        add_levels(field, W, phi, first, units, codes, m, scale)
        for j in range(n_hidden):
            mask = live[j]
            if drop > 0:
                mask = mask / (f32(1) - drop) if uniform(keys[1], case, j) >= drop else f32(0)
            mean = sigmoid(field[j])
            H0[i, j] = h[j] = mask * mean
            H1[i, j] = mask * mean * (f32(1) - mean)
        level_probabilities(P, z, units[m:], n - m, h, W, b, phi, first)
        field[:] = f32(0)
        for t in range(m, n):
            for k in range(n_levels):
                P[t - m, k] = (f32(1) if k == codes[t] else f32(0)) - P[t - m, k]
        ahead = indptr[cases[i + 1]] if i + 1 < stop else 0
        ahead_end = indptr[cases[i + 1] + 1] if i + 1 < stop else 0
        for t in range(hi - lo):
            fetch_weights(W, ahead_end, ahead + t, visible)
            if t < m or t >= n:
                Z[slot[lo + places[t]], 0] = np.nan
            else:
                for f in range(first, W.shape[0]):
                    Z[slot[lo + places[t]], f - first] = z[f, t - m]
        for f in range(first, W.shape[0]):
            expected_feature(scale, P, phi, f, n - m)
            add_rows(field, W[f], units[m:], scale, n - m)
        for j in range(n_hidden):
            H1[i, j] *= field[j]


@inlined
def step(w, g, m, v, rate, settings):
    """One optimiser step of one row, uphill along g, in place."""
    momentum, beta2, eps = settings.momentum, settings.beta2, settings.eps
    if settings.rule == ADAGRAD:
        for j in range(w.shape[0]):
            v[j] += g[j] * g[j]
            w[j] += rate * g[j] / (np.sqrt(v[j]) + eps)
    elif settings.rule == ADAM:
        correction = settings.correction
        for j in range(w.shape[0]):
            m[j] = momentum * m[j] + (f32(1) - momentum) * g[j]
            v[j] = beta2 * v[j] + (f32(1) - beta2) * g[j] * g[j]
            w[j] += rate * m[j] / (np.sqrt(v[j] * correction) + eps)
    else:
        for j in range(w.shape[0]):
            m[j] = momentum * m[j] + g[j]
            w[j] += rate * m[j]


@inlined
def residuals(P, Z, codes, lo, n, b, phi, first, sample):
    """P[t] = data minus fantasy or prediction, in one-hot levels, of a unit's entries; 0 for evidence."""
    n_levels = phi.shape[0]
    for t in range(n):
        for k in range(n_levels):
            P[t, k] = b[k]
        if not np.isnan(Z[lo + t, 0]) and not sample:
            for f in range(first, phi.shape[1]):
                for k in range(n_levels):
                    P[t, k] += phi[k, f] * Z[lo + t, f - first]
    softmax_rows(P, 0 if sample else n)
    for t in range(n):
        evidence = np.isnan(Z[lo + t, 0])
        for k in range(n_levels):
            p = (f32(1) if f32(k) == Z[lo + t, 0] else f32(0)) if sample else P[t, k]
            P[t, k] = f32(0) if evidence else (f32(1) if k == codes[lo + t] else f32(0)) - p


@compiled
def units_step(start, stop, ptr, u_case, u_level, multi, sample, phase, machine, moments, settings):
    """Second pass over visible units start..stop: gradient from the batch's entries, decay, optimiser step.

    `ptr` (n_visible + 1,) bounds each unit's entries in u_case, u_level and Z. A row of Z holds the entry's fields
    W[f] . h, from which its level probabilities are made again: that is cheaper than carrying them here. NaN marks an
    entry that is evidence alone; with `sample` the row begins with the level drawn instead. Units without entries
    stay as they are.
    """
    W, b, phi, conditional = machine.W, machine.b, machine.phi, machine.conditional
    H0, H1, Z = phase
    mW, vW, mb, vb = moments
    n_features, n_levels, first = W.shape[0], b.shape[1], 1 if conditional else 0
    most = 1
    for unit in range(start, stop):
        most = max(most, ptr[unit + 1] - ptr[unit])
    g, gb, P = np.empty(W.shape[2], f32), np.empty(n_levels, f32), np.empty((most, n_levels), f32)
    rows0, rows1 = np.empty(most, np.int32), np.empty(most, np.int32)
    scale0, scale1 = np.empty(most, f32), np.empty(most, f32)
    for unit in range(start, stop):
        lo, n = ptr[unit], ptr[unit + 1] - ptr[unit]
        if n == 0:
            continue
        residuals(P, Z, u_level, lo, n, b[unit], phi, first, sample)
        shrink = settings.decay * f32(n)
        for f in range(n_features):
            n0 = n1 = 0
            for t in range(n):
                k = u_level[lo + t]
                alpha = f32(0)
                if f >= first:
                    for m in range(n_levels):
                        alpha += P[t, m] * phi[m, f]
                if not multi or np.isnan(Z[lo + t, 0]):
                    data = f32(1) if f < first else (f32(0) if k == UNRATED else phi[k, f])
                    rows1[n1], scale1[n1] = u_case[lo + t], data - alpha
                    n1 += 1
                if f >= first:
                    rows0[n0], scale0[n0] = u_case[lo + t], alpha
                    n0 += alpha != 0
            w = W[f, unit]
            for j in range(w.shape[0]):
                g[j] = -shrink * w[j]
            add_rows(g, H0, rows0, scale0, n0)
            add_rows(g, H1, rows1, scale1, n1)
            step(w, g, mW[f, unit], vW[f, unit], settings.rate, settings)
        gb[:] = f32(0)
        for t in range(n):
            for m in range(n_levels):
                gb[m] += P[t, m]
        step(b[unit], gb, mb[unit], vb[unit], settings.bias_rate, settings)


@compiled
def count_units(start, stop, indptr, cases, batch_of, counts):
    """Entries of visible units start..stop in each batch: counts (n_batches, n_visible)."""
    for unit in range(start, stop):
        for t in range(indptr[unit], indptr[unit + 1]):
            counts[batch_of[cases[t]], unit] += 1


@compiled
def bucket_units(start, stop, indptr, cases, entry, level, batch_of, position, origin, ptr, u_case, u_level, slot):
    """Sort the entries of visible units start..stop by batch.

    (indptr, cases) are the transposed ratings, `entry` where each of their entries stands in the ratings themselves;
    batch_of, position (n_cases,) say in which batch a case is and where there; origin (n_batches,) where a batch's
    entries begin; ptr (n_batches, n_visible + 1) where a unit's begin within the batch. Fills u_case and u_level, the
    position of each entry's case and its level, and slot, the place of a rating among its batch's entries.
    """
    cursor = np.empty(ptr.shape[0], np.int64)
    for unit in range(start, stop):
        cursor[:] = ptr[:, unit]
        for t in range(indptr[unit], indptr[unit + 1]):
            batch = batch_of[cases[t]]
            q = cursor[batch]
            cursor[batch] = q + 1
            u_case[origin[batch] + q] = position[cases[t]]
            u_level[origin[batch] + q] = level[entry[t]]
            slot[entry[t]] = q


@compiled
def hidden_fields(start, stop, indptr, visible, level, phi, conditional, W, c, out):
    """Hidden fields of cases start..stop: out (n_cases, n_hidden) = c + sum of their entries' weights."""
    most, first = 1, 1 if conditional else 0
    for i in range(start, stop):
        most = max(most, indptr[i + 1] - indptr[i])
    units, codes, scale = np.empty(most, np.int32), np.empty(most, np.uint8), np.empty(most, f32)
    places = np.empty(most, np.int32)
    for i in range(start, stop):
        lo, hi = indptr[i], indptr[i + 1]
        n = gather(units, codes, places, lo, hi, visible, level)
        out[i] = c
        if conditional:
            scale[:] = f32(1)
            add_rows(out[i], W[0], units, scale, hi - lo)
        add_levels(out[i], W, phi, first, units, codes, n, scale)


@compiled
def entry_probabilities(start, stop, indptr, visible, H, W, b, phi, conditional, out):
    """Level probabilities of the entries of cases start..stop, given their hidden units H: out (n, n_levels)."""
    most, first = 1, 1 if conditional else 0
    for i in range(start, stop):
        most = max(most, indptr[i + 1] - indptr[i])
    z = np.empty((phi.shape[1], most), f32)
    for i in range(start, stop):
        lo, hi = indptr[i], indptr[i + 1]
        level_probabilities(out[lo:hi], z, visible[lo:hi], hi - lo, H[i], W, b, phi, first)
