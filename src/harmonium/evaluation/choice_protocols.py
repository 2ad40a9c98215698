"""Published protocols of top-N recommendation, step by step: who is learned from, what is known, what is asked."""

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.data import Interactions, Vocabulary, last_n_split, per_user_split, time_split
from harmonium.errors import DataError, SettingError
from harmonium.evaluation.alignment import united
from harmonium.training.settings import check_count

VAE_CF_SEED = 98765  # of the published splits
FOLD_IN_SHARE = 0.8
FEWEST_TO_SPLIT = 5  # choices below which a held-out user is not asked about
LIGHTGCN_VALIDATION = 0.1
TIME_SHARE = 0.2


@final
@dataclass(frozen=True, eq=False)
class Question:
    """What is known of some people, and what they are asked about.

    Parameters
    ----------
    history, held_out : Interactions
        The same rows.
    """

    history: Interactions
    held_out: Interactions


@final
@dataclass(frozen=True, eq=False)
class ChoiceTask:
    """One protocol on one data set.

    Parameters
    ----------
    train : Interactions
        Learned from for the test.
    test : Question
    tuning_train : Interactions
        Learned from while settings are chosen; never holds what validation asks about.
    validation : Question
    cutoffs : tuple of int
        Places that the protocol reports.
    metrics : tuple of str
        What it reports, the published row.
    """

    train: Interactions
    test: Question
    tuning_train: Interactions
    validation: Question
    cutoffs: tuple[int, ...]
    metrics: tuple[str, ...]


@final
@dataclass(frozen=True)
class VaeCf:
    """What differs between the data sets of Liang et al. 2018.

    Parameters
    ----------
    n_held_out : int
        Users of validation, and as many of test.
    min_user, min_item : int
        Fewest choices of a user, and fewest users of an item; the items go first, once.
    """

    n_held_out: int
    min_user: int = 5
    min_item: int = 0


VAE_CF = {"vae-cf": VaeCf(10_000), "vae-cf-netflix": VaeCf(40_000), "vae-cf-msd": VaeCf(50_000, 20, 200)}
CHOICE_PROTOCOLS = (*VAE_CF, "lightgcn", "leave-last", "global-time")
MOST_SHARE = 8  # at most an eighth of the users where a data set is small


def vae_cf(
    x: Interactions, n_held_out: int | None = None, *, preset: str = "vae-cf", seed: int = VAE_CF_SEED
) -> ChoiceTask:
    """Strong generalisation as Liang, Krishnan, Hoffman & Jebara (WWW 2018) do it.

    Parameters
    ----------
    x : Interactions
        Choices already made binary (ratings of 4 or more), with `row`, the place of each in its file.
    n_held_out : int, optional
        Users of validation, and as many of test; those of the preset, or an eighth of the users where that is less.
    preset : {"vae-cf", "vae-cf-netflix", "vae-cf-msd"}
    seed : int

    Returns
    -------
    ChoiceTask

    Raises
    ------
    DataError
        There are too few users.

    Notes
    -----
    1. Drop items of fewer than `min_item` users, then users of fewer than `min_user` choices. 2. Permute the users, in
    order of their ids, by NumPy's legacy generator: numpy.random.RandomState(seed). The last n_held_out test, the
    n_held_out before them validate, the others train. 3. Keep the items that training users chose. 4. For each
    validation user in order of id, choices in the file's order, hold out int(0.2 n) of them by
    RandomState.choice(n, size, replace=False); users with fewer than 5 choices left are not asked about. 5. The same
    for test users, the generator seeded anew before each of steps 2, 4 and 5.

    With ids that are numbers here and text there the order differs, as it does in the original.
    """
    if preset not in VAE_CF:
        raise SettingError(f"preset: {preset!r} is not one of {', '.join(VAE_CF)}")
    how = VAE_CF[preset]
    if how.min_item:
        x = x.restricted(items=x.popularity() >= how.min_item)
    x = x.restricted(users=np.diff(x.indptr) >= how.min_user)
    n = min(how.n_held_out, x.n_users // MOST_SHARE) if n_held_out is None else n_held_out
    check_count("n_held_out", n, 0, 1 << 31)
    if not 0 < 2 * n < x.n_users:
        raise DataError(
            f"{x.n_users:,} users of {how.min_user} choices or more are too few: {preset} asks 2 x {max(1, n):,} of "
            "them, and learns from others"
        )
    order = np.random.RandomState(seed).permutation(x.n_users)
    train, valid, test = (_mask(x.n_users, part) for part in (order[: -2 * n], order[-2 * n : -n], order[-n:]))
    learned = x.restricted(users=train)
    kept = learned.popularity() > 0
    learned = learned.restricted(items=kept)
    parts = (_asked(x.restricted(users=mask, items=kept), seed) for mask in (valid, test))
    metrics = ("capped_recall@20", "capped_recall@50", "ndcg@100")
    validation, tested = parts
    return ChoiceTask(learned, tested, learned, validation, (20, 50, 100), metrics)


def _mask(n: int, index: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(n, dtype=bool)
    mask[index] = True
    return mask


def _asked(x: Interactions, seed: int) -> Question:
    """Hold out a fifth of each user's choices, drawn in the order of the file."""
    rng = np.random.RandomState(seed)
    held = np.zeros(x.n_entries, dtype=bool)
    for start, stop in zip(x.indptr[:-1].tolist(), x.indptr[1:].tolist()):
        n = stop - start
        if n >= FEWEST_TO_SPLIT:
            order = np.arange(n) if x.row is None else np.argsort(x.row[start:stop], kind="stable")
            drawn = rng.choice(n, size=int((1 - FOLD_IN_SHARE) * n + 1e-9), replace=False)
            held[start + order[drawn]] = True
    return Question(x.select(~held), x.select(held))


def lightgcn(train: Interactions, test: Interactions, *, seed: int = 0) -> ChoiceTask:
    """The published splits of NGCF and LightGCN: every user trains, and is asked about further choices.

    Parameters
    ----------
    train, test : Interactions
        As the two files hold them; brought to common users and items.
    seed : int
        Of the tenth of each user's training choices that settings are chosen on.

    Notes
    -----
    All training items of a user are left out of the list, and plain recall divides by all of the test items (He et al.,
    SIGIR 2020). Users without test items are not asked about.
    """
    both = paired(train, test)
    train, test = both.history, both.held_out
    fit, held = per_user_split(train, LIGHTGCN_VALIDATION, seed)
    metrics = ("recall@20", "ndcg@20")
    return ChoiceTask(train, Question(train, test), fit, Question(fit, held), (20,), metrics)


def paired(history: Interactions, held_out: Interactions) -> Question:
    """Two files' interactions over the users and items of either.

    Parameters
    ----------
    history, held_out : Interactions
    """
    users = united(history.users, held_out.users, "test: its user ids")
    items = united(history.items, held_out.items, "test: its item ids")
    return Question(*(_over(part, users, items) for part in (history, held_out)))


def _over(x: Interactions, users: Vocabulary, items: Vocabulary) -> Interactions:
    user, item = users.indices(x.users.ids)[x.user_of()], items.indices(x.items.ids)[x.item]
    return Interactions.from_arrays(user, item, users, items, x.weight, x.time, x.row)


def leave_last(x: Interactions, n: int = 1) -> ChoiceTask:
    """Ask about every user's last choices, and choose settings on the last of those before.

    Parameters
    ----------
    x : Interactions
        With times.
    n : int
        Choices of each user that are asked about.
    """
    train, test = last_n_split(x, n)
    fit, held = last_n_split(train, n)
    metrics = ("hit_rate@10", "ndcg@10", "mrr@10")
    return ChoiceTask(train, Question(train, test), fit, Question(fit, held), (10, 20), metrics)


def global_time(x: Interactions, fraction: float = TIME_SHARE) -> ChoiceTask:
    """Ask about what happened last over all users, and choose settings on the last part of what came before.

    Parameters
    ----------
    x : Interactions
        With times.
    fraction : float
        Share asked about; the same share of the rest validates.

    Notes
    -----
    No model sees a choice that came after one it is asked about.
    """
    train, test = time_split(x, fraction)
    fit, held = time_split(train, fraction)
    metrics = ("recall@20", "ndcg@20", "hit_rate@20")
    return ChoiceTask(train, Question(train, test), fit, Question(fit, held), (20,), metrics)
