"""Kernels for choices in torch: the functions of `choices` that learning calls, on the device where their tensors lie.

Sparse matrices are (indptr, item, weight): int64, int32, float32 tensors. What has a number of entries that only the
device knows is not cut short, as nobody should wait for it: entries left out weigh 0.
"""

import torch

from harmonium.kernels.choice_arrays import BETA_1, BETA_2, EPS, FINE, HIDDEN, SWEEP
from harmonium.kernels.choices import Alias
from harmonium.kernels.gpu_arrays import Tensor
from harmonium.kernels.gpu_dense import copied as copied
from harmonium.kernels.gpu_gram import gram as gram
from harmonium.kernels.gpu_gram import quadratic as quadratic
from harmonium.kernels.gpu_random import uniforms
from harmonium.kernels.gpu_sums import cuts, dots, pointers, repeated, segment_sums

Sparse = tuple[Tensor, Tensor, Tensor]
Chains = tuple[Tensor, Tensor, Tensor]


def take(x: Sparse, rows: Tensor, n: int | None = None) -> tuple[Sparse, Tensor]:
    """Some rows of a sparse matrix; see `choices.take`."""
    first = x[0][rows]
    ptr = pointers(x[0][rows + 1] - first)
    n = int(ptr[-1]) if n is None else n
    row = repeated(ptr.diff(), n)
    entry = torch.arange(n, device=row.device) + (first - ptr[:-1])[row]
    return (ptr, x[1][entry], x[2][entry]), first


def thinned(x: Sparse, kept: Tensor) -> Sparse:
    """Some entries of a sparse matrix, the others weighing 0; see `choices.thinned`."""
    return x[0], x[1], x[2] * kept


def rows_of(x: Sparse) -> Tensor:
    """The row of every entry: int32, (n_entries,).

    Parameters
    ----------
    x : sparse, (n_rows, n)
    """
    return repeated(x[0].diff(), len(x[1]))


def row_sums(x: Sparse) -> Tensor:
    """Sum of the weights of each row; see `choices.row_sums`."""
    return segment_sums(x[2][:, None], None, None, cuts(x[0], len(x[1])))[:, 0]


def sum_rows(x: Sparse, M: Tensor) -> Tensor:
    """Sparse times dense; see `choices.sum_rows`."""
    return segment_sums(M, x[1], x[2], cuts(x[0], len(x[1])))


def transposed(x: Sparse, n: int) -> Sparse:
    """The same by columns; see `choices.transposed`."""
    item, order = x[1].sort(stable=True)
    edges = torch.arange(n + 1, dtype=item.dtype, device=item.device)
    return torch.searchsorted(item, edges), rows_of(x)[order], x[2][order]


def product_by_columns(x: Sparse, of_columns: Sparse, n: int) -> Tensor:
    """Sparse times sparse, written out: X M; the second one is given by its columns.

    Parameters
    ----------
    x : sparse, (n_rows, n)
    of_columns : sparse, (n_columns, n)
    n : int

    Returns
    -------
    float32 tensor, (n_rows, n_columns)
    """
    written = x[2].new_zeros(n, len(x[0]) - 1)
    written.index_put_((x[1].long(), rows_of(x).long()), x[2], accumulate=True)
    return sum_rows(of_columns, written).T.contiguous()


def hidden_means(x: Sparse, W: Tensor, c: Tensor) -> Tensor:
    """Means of hidden units; see `choices.hidden_means`."""
    return torch.sigmoid(sum_rows(x, W) + c)


def residual(Z: Tensor, x: Sparse) -> Tensor:
    """Turn fields into the gradient of the softmax's loss; see `choices.residual`."""
    where = rows_of(x).long(), x[1].long()
    Z -= Z.logsumexp(dim=1, keepdim=True)
    told = (x[2] * Z[where]).double()
    Z.exp_().mul_(row_sums(x)[:, None]).index_put_(where, -x[2], accumulate=True)
    return -segment_sums(told[:, None], None, None, cuts(x[0], len(told)))[:, 0]


def adam(x: Tensor, gradient: Tensor, moments: tuple[Tensor, Tensor], rate: float, t: int) -> None:
    """One Adam step downhill, in place; see `choices.adam`."""
    mean, square = moments
    mean.mul_(BETA_1).add_(gradient, alpha=1 - BETA_1)
    square.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
    root = (square / (1 - BETA_2**t)).sqrt_().add_(EPS)
    x.addcdiv_(mean, root, value=-rate / (1 - BETA_1**t))


def chains(
    x: Sparse, first: Tensor, key, W: Tensor, b: Tensor, c: Tensor, table: Alias, n_gibbs: int, n_moves: int
) -> Chains:
    """Fantasies at a cost that does not depend on the number of items; see `choices.chains`."""
    fantasy, case, entry = x[1], rows_of(x), _entries(x, first)
    part, hidden = torch.arange(4, device=entry.device), torch.arange(len(c), device=entry.device)
    p = q = hidden_means(x, W, c)
    for sweep in range(n_gibbs):
        h = (uniforms(key, first[:, None], HIDDEN + sweep * SWEEP + hidden) < q).float()
        field = _field(fantasy, case, h, W, b, table)
        for m in range(sweep * n_moves, (sweep + 1) * n_moves):
            u = uniforms(key, entry[:, None], 4 * m + part)  # (n_entries, 4)
            place = ((u[:, 0].double() + u[:, 1].double() * FINE) * len(b)).long().clamp_(max=len(b) - 1)
            proposal = torch.where(u[:, 2] < table.threshold[place], place, table.other[place]).int()
            there = _field(proposal, case, h, W, b, table)
            accepted = u[:, 3] < torch.exp((there - field).clamp_(max=0))
            fantasy, field = torch.where(accepted, proposal, fantasy), torch.where(accepted, there, field)
        q = hidden_means((x[0], fantasy, x[2]), W, c)
    return p, q, fantasy


def _entries(x: Sparse, first: Tensor) -> Tensor:
    """The number of every entry among all, from that of its row's first one."""
    return (first - x[0][:-1])[rows_of(x)] + torch.arange(len(x[1]), device=first.device)


def _field(item: Tensor, case: Tensor, h: Tensor, W: Tensor, b: Tensor, table: Alias) -> Tensor:
    return b[item] + dots(W, h, item, case) - table.log_q[item]


def exact_chains(x: Sparse, first: Tensor, key, W: Tensor, b: Tensor, c: Tensor, n_gibbs: int) -> Chains:
    """Fantasies with draws from the exact softmax; see `choices.exact_chains`. The device is waited for once."""
    fantasy, case, entry = x[1], rows_of(x).long(), _entries(x, first)
    number, hidden = entry - first[case], torch.arange(len(c), device=entry.device)
    p = q = hidden_means(x, W, c)
    longest = int(x[0].diff().max())
    for sweep in range(n_gibbs):
        h = (uniforms(key, first[:, None], HIDDEN + sweep * len(c) + hidden) < q).float()
        rising = torch.addmm(b, h, W.T)
        rising = (rising - rising.amax(dim=1, keepdim=True)).exp_().double().cumsum(dim=1)
        asked = rising.new_zeros(len(p), longest)
        asked[case, number] = uniforms(key, entry, torch.full_like(entry, sweep)).double() * rising[case, -1]
        found = torch.searchsorted(rising, asked, right=True)[case, number]
        fantasy = found.clamp_(max=len(b) - 1).int()
        q = hidden_means((x[0], fantasy, x[2]), W, c)
    return p, q, fantasy


def touched_step(
    x: Sparse, fantasy: Tensor, p: Tensor, q: Tensor, W: Tensor, b: Tensor, square: Tensor, rate: float, decay: float
) -> None:
    """One Adagrad step of the rows of items that occur; see `choices.touched_step`.

    How many occur only the device knows: there are as many places as there might be, and those of none add 0 to a row
    of their own.
    """
    item, order = torch.cat((x[1], fantasy)).sort(stable=True)
    n, slot = len(item), rows_of(x)
    slot, sign = torch.cat((slot, slot + len(p)))[order], torch.cat((x[2], -x[2]))[order]
    segment = item.diff(prepend=item[:1]).ne(0).cumsum(0)
    places = torch.arange(min(n, len(b)) + 1, device=item.device)
    ptr = torch.searchsorted(segment, places)
    there, where = ptr[:-1] < n, cuts(ptr, n)
    touched = torch.where(there, item[ptr[:-1].clamp(max=n - 1)].long(), places[:-1])
    g = torch.where(there[:, None], segment_sums(torch.cat((p, q)), slot, sign, where) - decay * W[touched], 0)
    g_b = segment_sums(sign[:, None], None, None, where)[:, 0]
    square.index_add_(0, touched, torch.stack((g.square().mean(dim=1), g_b.square()), dim=1))
    root = (square[touched] + EPS).sqrt_()
    W.index_add_(0, touched, rate * g / root[:, :1])
    b.index_add_(0, touched, rate * g_b / root[:, 1])


def inner(A: Tensor, B: Tensor) -> Tensor:
    """Sum of products; see `choices.inner`."""
    return (A * B).sum()[None]


def masked(on: Tensor, value: float) -> Tensor:
    """A value where a mask is set; see `choices.masked`."""
    return on * value


def clear_diagonal(A: Tensor) -> None:
    """Set the diagonal to 0; see `choices.clear_diagonal`."""
    A.fill_diagonal_(0)


def largest(A: Tensor) -> float:
    """Largest absolute value; see `choices.largest`."""
    return float(A.abs().max()) if A.numel() else 0.0


def zeros_like(A: Tensor) -> Tensor:
    """Zeros of an array's shape; see `choices.zeros_like`."""
    return torch.zeros_like(A)
