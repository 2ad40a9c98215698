"""Inverse of a large symmetric positive definite matrix, in place, on NumPy's own matrix product."""

import numpy as np
import numpy.typing as npt

from harmonium.kernels.choices import mirror

BLOCK = 1024  # rows of a panel: large enough that nearly all time goes into matrix products


def invert(A: npt.NDArray[np.float32], block: int = BLOCK) -> None:
    """Replace a symmetric positive definite matrix by its inverse.

    Parameters
    ----------
    A : float32 array, (n, n)
        Only its lower triangle is read.
    block : int

    Raises
    ------
    numpy.linalg.LinAlgError
        A pivot block is singular.

    Notes
    -----
    The sweep operator by blocks (Goodnight, The American Statistician 1979): n^3 multiplications, and a panel of n x
    `block` beside the matrix. Nothing is pivoted, which positive definiteness makes safe. LAPACK is called for blocks
    alone: builds of it that count in 32 bits fail, or crash, where n^2 does not fit.
    """
    n = len(A)
    edges = [(a, min(a + block, n)) for a in range(0, n, block)]
    panel = np.empty((n, block), np.float32)
    product = np.empty((block, block), np.float32)
    for a, z in edges:
        inverse = np.linalg.inv(_symmetric(A[a:z, a:z]).astype(np.float64)).astype(np.float32)
        column = panel[:, : z - a]
        column[:a], column[a:z], column[z:] = A[a:z, :a].T, 0, A[z:, a:z]
        swept = column @ inverse
        for top, bottom in edges:
            if top == a:
                continue
            for left, right in edges:
                if left > top:
                    break
                if left != a:
                    part = product[: bottom - top, : right - left]
                    np.matmul(swept[top:bottom], column[left:right].T, out=part)
                    A[top:bottom, left:right] -= part
        A[a:z, :a], A[z:, a:z] = swept[:a].T, swept[z:]
        A[a:z, a:z] = -inverse
    for a, z in edges:
        np.negative(A[a:z, :z], out=A[a:z, :z])
    mirror(A)


def _symmetric(square: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    lower = np.tril(square)
    return lower + np.tril(square, -1).T
