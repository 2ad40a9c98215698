"""The peer "what everybody does": a rating RBM by CD-1 on dense matrices, missing ratings masked.

The mini-batch is one array (batch, n_items * n_features), so that every step is a large matrix product; the
work grows with users x items, not with the ratings there are. The same machine, rule and optimiser as the
sparse kernels': features (1, x) shared by the levels, mean-field negative phase over the rated items,
Adagrad.
"""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

Ints = npt.NDArray[np.integer]

BATCH = 500  # users
RATE = 0.02
BIAS_RATE = 0.3 * RATE
FIRST_SQUARE = 1e-4  # where Adagrad's accumulators start
INITIAL_SPREAD = 0.01
MISSING = 255


@dataclass
class Parameter:
    """An array and Adagrad's sum of its squared gradients."""

    value: torch.Tensor
    rate: float

    def __post_init__(self) -> None:
        self.squares = torch.full_like(self.value, FIRST_SQUARE)

    def ascend(self, gradient: torch.Tensor) -> None:
        """Take one Adagrad step up the gradient, in place."""
        self.squares.addcmul_(gradient, gradient)
        self.value.addcdiv_(gradient, self.squares.sqrt(), value=self.rate)


class DenseRBM:
    """A rating RBM whose batches are dense.

    Arrays over levels keep the levels first, which makes the softmax several times faster than with levels
    last.

    Parameters
    ----------
    n_items, n_levels, n_hidden : int
    device : str, optional
    """

    def __init__(self, n_items: int, n_levels: int, n_hidden: int, device: str = "cpu"):
        self.W = Parameter(torch.randn(n_items * 2, n_hidden, device=device) * INITIAL_SPREAD, RATE)  # ones, then x
        self.b = Parameter(torch.zeros(n_levels, n_items, device=device), BIAS_RATE)
        self.c = Parameter(torch.zeros(n_hidden, device=device), RATE)
        self.x = torch.linspace(-1, 1, n_levels, device=device)
        self.value_of = torch.zeros(MISSING + 1, device=device)  # of a level code; 0 where the rating is missing
        self.value_of[:n_levels] = self.x

    @torch.no_grad()
    def learn(self, level: torch.Tensor) -> None:
        """Learn from one mini-batch by CD-1.

        Parameters
        ----------
        level : uint8 tensor, (batch, n_items)
            MISSING where there is no rating.
        """
        n_levels, n_items = self.b.value.shape
        rated = (level != MISSING).float()  # (batch, n_items)
        counts = torch.stack([(level == k).sum(dim=0) for k in range(n_levels)])  # (n_levels, n_items)
        v = torch.cat([rated, self.value_of[level.int()]], dim=1)  # (batch, n_items * 2)
        h = torch.sigmoid(torch.addmm(self.c.value, v, self.W.value))
        z = h @ self.W.value[n_items:].T  # (batch, n_items); the feature 1 cancels in the softmax
        p = torch.softmax(torch.addcmul(self.b.value[:, None], z, self.x[:, None, None]), dim=0).mul_(rated)
        fantasy = torch.cat([rated, torch.tensordot(self.x, p, dims=1)], dim=1)
        h_fantasy = torch.sigmoid(torch.addmm(self.c.value, fantasy, self.W.value))
        self.W.ascend((v.T @ h).addmm_(fantasy.T, h_fantasy, alpha=-1))
        self.b.ascend(counts - p.sum(dim=1))
        self.c.ascend((h - h_fantasy).sum(dim=0))


def seconds_per_epoch(
    user: Ints,
    item: Ints,
    level: Ints,
    n_users: int,
    n_items: int,
    n_levels: int,
    n_hidden: int = 128,
    n_epochs: int = 2,
    device: str = "cpu",
) -> float:
    """Time epochs of dense CD-1 and return the seconds of the fastest.

    Parameters
    ----------
    user, item, level : int arrays, (n_ratings,)
        Levels are codes from 0.
    n_users, n_items, n_levels : int
    n_hidden : int, optional
    n_epochs : int, optional
        Timed, after one mini-batch that is not.
    device : str, optional
        "cpu" or "cuda".

    Returns
    -------
    float
        In seconds; the making of the mini-batches from the ratings is part of it.
    """
    torch.manual_seed(0)
    rbm = DenseRBM(n_items, n_levels, n_hidden, device)
    order = np.argsort(user, kind="stable")
    cell = torch.from_numpy((user[order] % BATCH).astype(np.int64) * n_items + item[order])
    code = torch.from_numpy(level[order].astype(np.uint8))
    starts = np.append(np.arange(0, n_users, BATCH), n_users)
    bounds = np.searchsorted(user[order], starts)
    heights = np.diff(starts)

    def batch(k: int) -> torch.Tensor:
        part = slice(bounds[k], bounds[k + 1])
        dense = torch.full((int(heights[k]) * n_items,), MISSING, dtype=torch.uint8, device=device)
        dense[cell[part].to(device)] = code[part].to(device)
        return dense.view(int(heights[k]), n_items)

    rbm.learn(batch(0))
    return min(_epoch(rbm, batch, len(heights), device) for _ in range(n_epochs))


def _epoch(rbm: DenseRBM, batch, n_batches: int, device: str) -> float:
    """Learn from every mini-batch once; return the seconds it took."""
    start = time.perf_counter()
    for k in np.random.default_rng(0).permutation(n_batches):
        rbm.learn(batch(int(k)))
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start
