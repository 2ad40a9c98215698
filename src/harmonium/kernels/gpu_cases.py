"""First pass of the rating machine in torch: over the entries of a mini-batch, in the order of its cases."""

from typing import NamedTuple

import torch

from harmonium.conventions import UNRATED
from harmonium.kernels.gpu_arrays import Tensor
from harmonium.kernels.gpu_random import uniforms
from harmonium.kernels.gpu_sums import Cuts, cuts, dots, pointers, repeated, segment_sums
from harmonium.kernels.records import Layout, Machine, Phase


class Entries(NamedTuple):
    """Entries of some cases, one case after the other.

    Parameters
    ----------
    at : int64 tensor, (n,)
        Places among all entries.
    case : int32 tensor, (n,)
        Which of the cases.
    unit, level : int32 tensor, uint8 tensor, (n,)
    where : Cuts
        By case.
    """

    at: Tensor
    case: Tensor
    unit: Tensor
    level: Tensor
    where: Cuts


def entries_of(cases: Tensor, layout: Layout, n: int | None = None) -> Entries:
    """Gather the entries of some cases.

    Parameters
    ----------
    cases : int tensor, (n_cases,)
    layout : Layout
    n : int, optional
        Their number, where it is known: otherwise the device is waited for.
    """
    begin = layout.indptr[cases]
    ptr = pointers(layout.indptr[cases + 1] - begin)
    n = int(ptr[-1]) if n is None else n
    case = repeated(ptr.diff(), n)
    at = torch.arange(n, device=case.device) + (begin - ptr[:-1])[case]
    return Entries(at, case, layout.visible[at], layout.level[at], cuts(ptr, n))


def entry_features(level: Tensor, phi: Tensor, conditional: bool) -> Tensor:
    """Features of each entry's level; see `reference.entry_features`."""
    unrated = torch.zeros_like(phi[:1])
    unrated[:, : 1 if conditional else 0] = 1
    return torch.cat((phi, unrated))[codes(level, len(phi))]


def codes(level: Tensor, n_levels: int) -> Tensor:
    """Levels as indices, UNRATED being the one after the last: int64, (n,).

    Parameters
    ----------
    level : uint8 tensor, (n,)
    n_levels : int
    """
    return torch.where(level == UNRATED, n_levels, level.long())


def field_of(W: Tensor, scale: Tensor, entries: Entries, first: int = 0) -> Tensor:
    """Sum over each case's entries of scale[t, f] W[f, unit[t]]: (n_cases, n_hidden).

    Parameters
    ----------
    W : float32 tensor, (n_features, n_visible, n_hidden)
    scale : float32 tensor, (n, n_features)
    entries : Entries
    first : int
        Features before it are left out.
    """
    planes = range(first, len(W))
    parts = [segment_sums(W[f], entries.unit, scale[:, f].contiguous(), entries.where) for f in planes]
    return torch.stack(parts).sum(dim=0) if parts else W.new_zeros(len(entries.where.segments) - 1, W.shape[2])


def entry_fields(W: Tensor, h: Tensor, entries: Entries, first: int) -> Tensor:
    """W[f, unit[t]] . h[case[t]], (n, n_features - first)."""
    planes = [dots(W[f], h, entries.unit, entries.case) for f in range(first, len(W))]
    return torch.stack(planes, dim=1) if planes else h.new_zeros(len(entries.unit), 0)


def level_probabilities(unit: Tensor, z: Tensor, b: Tensor, phi: Tensor) -> Tensor:
    """Softmax over levels of b[unit] + z phi', (n, n_levels)."""
    return torch.softmax(torch.addmm(b[unit], z, phi.T), dim=1)


def one_hot(code: Tensor, n_levels: int) -> Tensor:
    """Levels written out, an UNRATED one as zeros: float32, (n, n_levels)."""
    return (code[:, None] == torch.arange(n_levels, device=code.device)).float()


def case_uniforms(key: int, cases: Tensor, n: int) -> Tensor:
    """What the hidden units of cases draw: (n_cases, n)."""
    return uniforms(key, cases[:, None], torch.arange(n, device=cases.device))


def cd_phase(
    cases, layout: Layout, machine: Machine, keys, sample, chain, persistent, phase: Phase,
    entries: Entries | None = None,
) -> None:  # fmt: skip
    """First pass of CD-k and PCD; see `reference.cd_phase`. `entries` are the cases', where they are known."""
    W, b, c, phi, live, conditional = machine
    e = entries_of(cases, layout) if entries is None else entries
    first, rated = 1 if conditional else 0, e.level != UNRATED
    shown = entry_features(e.level, phi, conditional)
    data = c + field_of(W, shown, e)

    def activate(features: Tensor) -> Tensor:
        """Hidden means when the rated entries show other features than their own."""
        return live * torch.sigmoid(data + field_of(W, (features - shown) * rated[:, None], e, first))

    def drawn_at(level: Tensor) -> Tensor:
        return entry_features(level, phi, conditional)

    h = live * torch.sigmoid(data)
    phase.H0[: len(cases)] = h
    if persistent:
        h = activate(drawn_at(chain[e.at]))
    z = drawn = W.new_zeros(len(e.unit), 0)
    for up, down in zip(keys[::2], keys[1::2]):
        if sample:
            h = live * (case_uniforms(up, cases, len(c)) < h)
        z = entry_fields(W, h, e, first)
        p = level_probabilities(e.unit, z, b, phi[:, first:])
        if sample:
            u = uniforms(down, cases[e.case], e.unit)
            drawn = (u[:, None] >= p.cumsum(dim=1)[:, :-1]).sum(dim=1).to(torch.uint8)
            chain[e.at] = torch.where(rated, drawn, chain[e.at])
            h = activate(drawn_at(drawn))
        else:
            h = activate(p @ phi)
    phase.H1[: len(cases)] = phase.H0[: len(cases)] - h
    told = drawn[:, None].float() if sample else z
    _leave(phase.Z, told, rated)


def mp_phase(
    cases, layout: Layout, machine: Machine, keys, keep, drop, phase: Phase, entries: Entries | None = None
) -> None:
    """First pass of multi-prediction; see `reference.mp_phase`. `entries` are the cases', where they are known."""
    W, b, c, phi, live, conditional = machine
    e = entries_of(cases, layout) if entries is None else entries
    n_levels, first = len(phi), 1 if conditional else 0
    target = (e.level != UNRATED) & (uniforms(keys[0], cases[e.case], e.unit) >= keep)
    shown = entry_features(e.level, phi, conditional)
    mean = torch.sigmoid(c + field_of(W, shown * ~target[:, None], e))
    mask = live
    if drop > 0:
        mask = live * (case_uniforms(keys[1], cases, len(c)) >= drop) / (1 - drop)
    h = mask * mean
    z = entry_fields(W, h, e, first)
    p = level_probabilities(e.unit, z, b, phi[:, first:])
    residual = (one_hot(codes(e.level, n_levels), n_levels) - p) * target[:, None]
    phase.H0[: len(cases)] = h
    phase.H1[: len(cases)] = mask * mean * (1 - mean) * field_of(W, residual @ phi, e, first)
    _leave(phase.Z, z, target)


def _leave(Z: Tensor, told: Tensor, there: Tensor) -> None:
    """Leave what entries tell the second pass in the first rows of Z; an entry that tells nothing begins with NaN."""
    rows = Z[: len(told), : told.shape[1]]
    rows[...] = torch.where(there[:, None], told, 0.0)
    Z[: len(told), 0].masked_fill_(~there, torch.nan)


def hidden_fields(indptr, visible, level, phi, conditional, W, c):
    """Hidden fields of every case; see `reference.hidden_fields`."""
    every = _all_entries(indptr, visible, level)
    return c + field_of(W, entry_features(level, phi, conditional), every)


def entry_probabilities(indptr, visible, h, W, b, phi, conditional):
    """Level probabilities of every entry; see `reference.entry_probabilities`."""
    every, first = _all_entries(indptr, visible, visible), 1 if conditional else 0
    return level_probabilities(visible, entry_fields(W, h, every, first), b, phi[:, first:])


def predictions(known, asked, phi, conditional, W, b, c):
    """Level probabilities of entries given others of the same cases; see `reference.predictions`."""
    indptr, visible, level = known
    h = torch.sigmoid(hidden_fields(indptr, visible, level, phi, conditional, W, c))
    indptr, visible = asked
    return entry_probabilities(indptr, visible, h, W, b, phi, conditional)


def _all_entries(indptr: Tensor, visible: Tensor, level: Tensor) -> Entries:
    n = len(visible)
    return Entries(torch.arange(n, device=visible.device), repeated(indptr.diff(), n), visible, level, cuts(indptr, n))
