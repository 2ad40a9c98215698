"""Products of choices with themselves in torch: `gram` and `quadratic` of `choices`, rows written out by the chunk.

Sparse matrices are (indptr, item, weight): int64, int32, float32 tensors.
"""

import torch

from harmonium.kernels.gpu_arrays import Tensor
from harmonium.kernels.gpu_sums import repeated

Sparse = tuple[Tensor, Tensor, Tensor]
CHUNK = 1 << 26  # elements of rows that are written out at a time: 256 MiB


def written_out(x: Sparse, start: int, stop: int, n: int) -> Tensor:
    """Rows start to stop of a sparse matrix as a dense one.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    start, stop, n : int

    Returns
    -------
    float32 tensor, (stop - start, n)
    """
    a, z = int(x[0][start]), int(x[0][stop])
    out = torch.zeros(stop - start, n, device=x[2].device)
    row = repeated(x[0][start : stop + 1].diff(), z - a).long()
    out[row, x[1][a:z].long()] = x[2][a:z]
    return out


def _chunks(x: Sparse, n: int):
    """Ranges of rows of which each fits in `CHUNK` elements."""
    step, n_rows = max(1, CHUNK // max(1, n)), len(x[0]) - 1
    return [(k, min(k + step, n_rows)) for k in range(0, n_rows, step)]


def gram(x: Sparse, transposed: Sparse, out: Tensor) -> Tensor:
    """X'X, written to `out`; see `choices.gram`. Rows are written out by the chunk: the products are dense."""
    out.zero_()
    for start, stop in _chunks(x, len(out)):
        part = written_out(x, start, stop, len(out))
        out.addmm_(part.T, part)
    return out


def quadratic(x: Sparse, A: Tensor) -> Tensor:
    """x' A x of every row; see `choices.quadratic`."""
    found = []
    for start, stop in _chunks(x, len(A)):
        part = written_out(x, start, stop, len(A))
        found.append(((part @ A).double() * part).sum(dim=1))
    return torch.cat(found) if found else A.new_zeros(0, dtype=torch.float64)
