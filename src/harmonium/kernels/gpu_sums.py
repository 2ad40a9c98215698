"""Sums of weighted rows by segments, and products of pairs of rows: what sparse data ask of dense weights in torch.

No sum uses atomic additions, so that the same input gives the same output, bit for bit.
"""

from typing import NamedTuple

import torch
from torch.nn.functional import embedding_bag

from harmonium.kernels.gpu_arrays import Tensor, fused

RUN = 64  # entries that are added one after the other: longer segments are added up in two rounds, side by side
MOST_ELEMENTS = 1 << 27  # of rows gathered at once where gathering is a kernel of its own


class Cuts(NamedTuple):
    """Where segments of entries begin, cut into runs of at most `RUN` entries.

    Parameters
    ----------
    runs : int32 tensor, (n_runs + 1,)
        Of entries.
    segments : int32 tensor, (n_segments + 1,)
        Of runs.
    """

    runs: Tensor
    segments: Tensor


def cuts(ptr: Tensor, n: int) -> Cuts:
    """Cut segments into runs; their number depends on sizes alone, so that nobody waits for the device.

    Parameters
    ----------
    ptr : int tensor, (n_segments + 1,)
        Where segments begin, from 0 to n.
    n : int
        Entries.
    """
    marks = torch.arange(0, n, RUN, dtype=torch.int32, device=ptr.device)
    begin = ptr[:-1].int()
    runs = torch.cat((begin, marks)).sort().values
    segments = torch.searchsorted(runs, begin, out_int32=True)
    return Cuts(_closed(runs, n), _closed(segments, len(runs)))


def _closed(starts: Tensor, n: int) -> Tensor:
    return torch.cat((starts, torch.full((1,), n, dtype=torch.int32, device=starts.device)))


def segment_sums(table: Tensor, row: Tensor | None, weight: Tensor | None, where: Cuts) -> Tensor:
    """Sum over the entries of each segment of weight[t] table[row[t]].

    Parameters
    ----------
    table : floats, (n_rows, width)
    row : int32 tensor, (n,), or None
        None takes entry t's row to be t.
    weight : floats, (n,), or None
    where : Cuts

    Returns
    -------
    floats, (n_segments, width)
    """
    part = _bags(table, row, weight, where.runs)
    return _bags(part, None, None, where.segments)


def _bags(table: Tensor, row: Tensor | None, weight: Tensor | None, starts: Tensor) -> Tensor:
    if row is None:
        row = torch.arange(len(table), dtype=torch.int32, device=table.device)
    return embedding_bag(row, table, starts, mode="sum", per_sample_weights=weight, include_last_offset=True)


@fused
def _dots(A: Tensor, row: Tensor, B: Tensor, other: Tensor) -> Tensor:
    return (A[row] * B[other]).sum(dim=-1)


def dots(A: Tensor, B: Tensor, row: Tensor, other: Tensor) -> Tensor:
    """A[row[t]] . B[other[t]] of every entry: (n,).

    Parameters
    ----------
    A, B : floats, (n_rows, width)
    row, other : int32 tensors, (n,)
    """
    step = max(1, MOST_ELEMENTS // max(1, A.shape[-1]))
    parts = [_dots(A, row[k : k + step], B, other[k : k + step]) for k in range(0, len(row), step)]
    return parts[0] if len(parts) == 1 else torch.cat([A.new_zeros(0), *parts])


def repeated(lengths: Tensor, n: int) -> Tensor:
    """The segment of every entry: 0 as often as lengths[0] says, and so on; int32, (n,).

    Parameters
    ----------
    lengths : int tensor, (n_segments,)
    n : int
        Their sum, known beforehand, so that nobody waits for the device.
    """
    segment = torch.arange(len(lengths), dtype=torch.int32, device=lengths.device)
    return torch.repeat_interleave(segment, lengths, output_size=n)


def pointers(lengths: Tensor) -> Tensor:
    """Where segments of given lengths begin, and where the last one ends: (n_segments + 1,).

    Parameters
    ----------
    lengths : int tensor, (n_segments,)
    """
    return torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
