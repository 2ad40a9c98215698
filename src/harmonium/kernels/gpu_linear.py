"""Inverse of a large symmetric positive definite matrix in torch, in place: nearly all of it matrix products."""

import torch

from harmonium.kernels.gpu_arrays import Tensor
from harmonium.kernels.gpu_gram import CHUNK
from harmonium.kernels.linear import BLOCK


def invert(A: Tensor, block: int = BLOCK) -> None:
    """Replace a symmetric positive definite matrix by its inverse; see `linear.invert`.

    Parameters
    ----------
    A : float32 tensor, (n, n)
        Only its lower triangle is read.
    block : int

    Notes
    -----
    The same sweep operator by blocks as on the CPU. A Cholesky factor and its inverse would be one call each, and
    would take two more matrices of this size: of 80 GB the sweep inverts 140,000 rows, they 80,000.
    """
    n = len(A)
    edges = [(a, min(a + block, n)) for a in range(0, n, block)]
    for a, z in edges:
        lower = A[a:z, a:z].tril().double()
        inverse = torch.linalg.inv(lower + lower.tril(-1).T).float()
        column = A.new_empty(n, z - a)
        column[:a], column[a:z], column[z:] = A[a:z, :a].T, 0, A[z:, a:z]
        swept = column @ inverse
        for top, bottom in edges:
            if top != a:
                A[top:bottom, :bottom].addmm_(swept[top:bottom], column[:bottom].T, alpha=-1)
        A[a:z, :a], A[z:, a:z] = swept[:a].T, swept[z:]
        A[a:z, a:z] = -inverse
    for a, z in edges:
        A[a:z, :z].neg_()
        A[:a, a:z] = A[a:z, :a].T
        A[a:z, a:z] = A[a:z, a:z].tril() + A[a:z, a:z].tril(-1).T


def needed_bytes(n: int) -> int:
    """Memory that the inverse of a Gram matrix takes on a device.

    Parameters
    ----------
    n : int
        Rows of the matrix.
    """
    return 4 * (n * n + 4 * n * BLOCK + 2 * max(CHUNK, n))
