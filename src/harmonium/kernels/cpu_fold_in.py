"""Numba loop for folding one person in: Newton's method on `fold_in.fold_in_unit`'s problem, its definition.

The steps are the same; what is left out is NumPy's time to begin some three hundred operations on a few numbers, and
LAPACK's to find a basis of a few rows.
"""

import numpy as np

from harmonium.kernels.jit import compiled, inlined


@inlined
def loss(rows, offset, level, phi, prior, penalties, u, b, p):
    """Objective at weights u (n_free, r) and biases b; leaves the level probabilities in p (n, n_levels)."""
    total = 0.0
    for t in range(rows.shape[0]):
        for k in range(b.shape[0]):
            p[t, k] = b[k]
        for f in range(u.shape[0]):
            z = offset[t, f]
            for j in range(u.shape[1]):
                z += rows[t, j] * u[f, j]
            for k in range(b.shape[0]):
                p[t, k] += z * phi[k, f]
        top, given, scale = p[t, 0], p[t, level[t]], 0.0
        for k in range(1, b.shape[0]):
            top = p[t, k] if p[t, k] > top else top
        for k in range(b.shape[0]):
            p[t, k] = np.exp(p[t, k] - top)
            scale += p[t, k]
        for k in range(b.shape[0]):
            p[t, k] /= scale
        total += top + np.log(scale) - given
    for f in range(u.shape[0]):
        for j in range(u.shape[1]):
            total += 0.5 * penalties[0] * u[f, j] ** 2
    for k in range(b.shape[0]):
        total += 0.5 * penalties[1] * (b[k] - prior[k]) ** 2
    return total


@inlined
def slope(rows, level, phi, prior, penalties, u, b, p, gradient):
    """Gradient in the order u row by row, then b."""
    n_free, r = u.shape
    for f in range(n_free):
        for j in range(r):
            gradient[f * r + j] = penalties[0] * u[f, j]
    for k in range(b.shape[0]):
        gradient[n_free * r + k] = penalties[1] * (b[k] - prior[k])
    for t in range(rows.shape[0]):
        for k in range(b.shape[0]):
            residual = p[t, k] - (1.0 if k == level[t] else 0.0)
            gradient[n_free * r + k] += residual
            for f in range(n_free):
                for j in range(r):
                    gradient[f * r + j] += residual * phi[k, f] * rows[t, j]


@inlined
def curvature(rows, phi, penalties, n_free, p, smallest, mean, out):
    """Hessian, in the same order; mean (n_free,) is scratch."""
    r, n_levels = rows.shape[1], p.shape[1]
    for i in range(out.shape[0]):
        for j in range(out.shape[0]):
            out[i, j] = 0.0
    for t in range(rows.shape[0]):
        for f in range(n_free):
            mean[f] = 0.0
            for k in range(n_levels):
                mean[f] += p[t, k] * phi[k, f]
        for f in range(n_free):
            for g in range(f + 1):
                covariance = -mean[f] * mean[g]
                for k in range(n_levels):
                    covariance += p[t, k] * phi[k, f] * phi[k, g]
                for i in range(r):
                    a = covariance * rows[t, i]
                    for j in range(r):
                        out[f * r + i, g * r + j] += a * rows[t, j]
            for k in range(n_levels):
                a = p[t, k] * (phi[k, f] - mean[f])
                for j in range(r):
                    out[n_free * r + k, f * r + j] += a * rows[t, j]
        for k in range(n_levels):
            for m in range(k + 1):
                out[n_free * r + k, n_free * r + m] -= p[t, k] * p[t, m]
            out[n_free * r + k, n_free * r + k] += p[t, k]
    for i in range(out.shape[0]):
        out[i, i] += penalties[0 if i < n_free * r else 1] + smallest


@inlined
def solved(A, x):
    """x = A^-1 x by Cholesky, A positive definite and given by its lower triangle; both are used up."""
    n = len(x)
    for j in range(n):
        for m in range(j):
            a = A[j, m]
            for i in range(j, n):
                A[i, j] -= A[i, m] * a
        a = 1.0 / np.sqrt(A[j, j])
        for i in range(j, n):
            A[i, j] *= a
    for i in range(n):
        for m in range(i):
            x[i] -= A[i, m] * x[m]
        x[i] /= A[i, i]
    for i in range(n - 1, -1, -1):
        for m in range(i + 1, n):
            x[i] -= A[m, i] * x[m]
        x[i] /= A[i, i]


@compiled
def _newton(rows, offset, level, phi, prior, penalties, limits):
    """Weights less the prior's (n_free, r), and biases (n_levels,).

    rows (n, r), offset (n, n_free), level (n,), phi (n_levels, n_free), prior (n_levels,), all float64 but level.
    penalties: of weights and biases. limits: steps, tolerance of the gradient, smallest step.
    """
    n_free, r, n_levels = phi.shape[1], rows.shape[1], phi.shape[0]
    steps, tolerance, smallest = limits
    u, b, p = np.zeros((n_free, r)), prior.copy(), np.empty((rows.shape[0], n_levels))
    n = n_free * r + n_levels
    gradient, hessian, mean = np.empty(n), np.empty((n, n)), np.empty(n_free)
    trial_u, trial_b, trial_p = np.empty_like(u), np.empty_like(b), np.empty_like(p)
    least = loss(rows, offset, level, phi, prior, penalties, u, b, p)
    for _ in range(steps):
        slope(rows, level, phi, prior, penalties, u, b, p, gradient)
        if np.abs(gradient).max() < tolerance:
            break
        curvature(rows, phi, penalties, n_free, p, smallest, mean, hessian)
        solved(hessian, gradient)
        size = 1.0
        while True:
            for f in range(n_free):
                for j in range(r):
                    trial_u[f, j] = u[f, j] - size * gradient[f * r + j]
            for k in range(n_levels):
                trial_b[k] = b[k] - size * gradient[n_free * r + k]
            found = loss(rows, offset, level, phi, prior, penalties, trial_u, trial_b, trial_p)
            if found <= least or size < smallest:
                break
            size *= 0.5
        u[:], b[:], p[:], least = trial_u, trial_b, trial_p, found
    return u, b


@inlined
def row_space(g, basis, rows):
    """Orthonormal rows of basis (n, n_hidden), and rows (n, n), lower triangular, with rows basis = g (n, n_hidden).

    Gram and Schmidt's way, each row gone over twice, which is enough (Giraud et al., Numer. Math. 2005). A row that
    depends on those before it leaves a basis row of 0, along which nothing can be learnt and nothing is.
    """
    n, n_hidden = g.shape
    for t in range(n):
        before = 0.0
        for j in range(n_hidden):
            basis[t, j] = g[t, j]
            before += g[t, j] * g[t, j]
        for m in range(n):
            rows[t, m] = 0.0
        for _ in range(2):
            for m in range(t):
                a = 0.0
                for j in range(n_hidden):
                    a += basis[t, j] * basis[m, j]
                for j in range(n_hidden):
                    basis[t, j] -= a * basis[m, j]
                rows[t, m] += a
        left = 0.0
        for j in range(n_hidden):
            left += basis[t, j] * basis[t, j]
        length = np.sqrt(left)
        kept = left > 1e-20 * before  # what is left of a dependent row is rounding: 1e-16 of its length
        rows[t, t] = length if kept else 0.0
        for j in range(n_hidden):
            basis[t, j] = basis[t, j] / length if kept else 0.0


@compiled
def unit(g, level, phi, prior_weight, prior, penalties, limits, W, b):
    """Weights W (n_free, n_hidden) and biases b (n_levels,) of a unit: `fold_in.fold_in_unit` from one call.

    g (n, n_hidden), level (n,), phi (n_levels, n_free), prior_weight (n_free, n_hidden), prior (n_levels,).
    """
    n, n_hidden, n_free = g.shape[0], g.shape[1], phi.shape[1]
    offset = np.empty((n, n_free))
    for t in range(n):
        for f in range(n_free):
            a = 0.0
            for j in range(n_hidden):
                a += g[t, j] * prior_weight[f, j]
            offset[t, f] = a
    W[:] = prior_weight
    if n >= n_hidden:
        u, b[:] = _newton(g, offset, level, phi, prior, penalties, limits)
        W += u
        return
    basis, rows = np.empty((n, n_hidden)), np.empty((n, n))
    row_space(g, basis, rows)
    u, b[:] = _newton(rows, offset, level, phi, prior, penalties, limits)
    for f in range(n_free):
        for t in range(n):
            for j in range(n_hidden):
                W[f, j] += u[f, t] * basis[t, j]
