import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonium.data import (
    Ratings,
    Scale,
    Split,
    StrongSplit,
    check_disjoint,
    last_n_split,
    per_user_split,
    random_split,
    split_by_mask,
    strong_split,
    time_split,
)
from harmonium.errors import DataError, LeakError, SettingError


def made(seed=0, n_users=30, n_items=20, n=300):
    rng = np.random.default_rng(seed)
    cells = rng.choice(n_users * n_items, size=n, replace=False)
    return Ratings.from_triples(
        cells // n_items,
        cells % n_items,
        rng.integers(1, 6, n),
        scale=Scale.stars(),
        time=rng.integers(0, 50, n),
    )


def keys(ratings):
    return (ratings.user_of().astype(int) * ratings.n_items + ratings.item).tolist()


@given(st.integers(0, 2**32), st.floats(0.01, 0.99))
def test_the_parts_of_every_split_are_the_whole_and_share_nothing(seed, fraction):
    ratings = made(seed % 1000)
    strong = strong_split(ratings, 5, fraction, seed)
    for parts in (
        random_split(ratings, fraction, seed),
        per_user_split(ratings, fraction, seed),
        time_split(ratings, fraction),
        last_n_split(ratings, 1 + seed % 9),
    ):
        assert sorted(keys(parts.train) + keys(parts.test)) == keys(ratings)
        assert parts.train.users is ratings.users and parts.test.items is ratings.items
    assert sorted(keys(strong.train) + keys(strong.fold_in) + keys(strong.held_out)) == keys(ratings)


def test_a_random_split_is_the_start_of_the_seeds_permutation():
    ratings = made()
    expected = np.sort(np.random.default_rng(7).permutation(300)[:30])
    assert keys(random_split(ratings, 0.1, 7).test) == np.array(keys(ratings))[expected].tolist()


def test_a_seed_gives_the_same_split_and_another_seed_another():
    for split in (random_split, per_user_split, strong_split):
        assert split(made(), rng=1) == split(made(), rng=1)
        assert split(made(), rng=1) != split(made(), rng=2)
        assert split(made(), rng=np.random.default_rng(1)) == split(made(), rng=1)


def test_every_user_gives_up_the_same_share():
    ratings = made()
    parts = per_user_split(ratings, 0.25)
    assert (np.diff(parts.test.indptr) == np.diff(ratings.indptr) // 4).all()


def test_a_time_split_trains_on_the_past_only():
    parts = time_split(made(), 0.2)
    assert parts.train.time.max() < parts.test.time.min()
    assert 0 < len(parts.test) <= 60
    at = time_split(made(), time=25)
    assert at.train.time.max() < 25 <= at.test.time.min()


def test_the_last_n_of_a_user_are_the_latest():
    ratings = made()
    parts = last_n_split(ratings, 2)
    for user in range(ratings.n_users):
        row = slice(ratings.indptr[user], ratings.indptr[user + 1])
        newest = sorted(zip(ratings.time[row], ratings.item[row]))[-2:]
        assert sorted(parts.test.history(user)[0].tolist()) == sorted(item for _, item in newest)


def test_a_user_with_too_few_entries_keeps_them_all():
    ratings = Ratings.from_triples([1, 1, 2], [1, 2, 1], [1, 2, 3], time=[1, 2, 3])
    assert np.diff(last_n_split(ratings, 1).test.indptr).tolist() == [1, 0]


def test_a_strong_split_holds_out_whole_users_and_leaves_something_to_ask():
    ratings = made()
    parts = strong_split(ratings, 6, fold_in=0.99)
    tested = np.flatnonzero(np.diff(parts.held_out.indptr))
    assert len(tested) == 6
    assert not np.diff(parts.train.indptr)[tested].any()
    assert (np.diff(parts.fold_in.indptr)[tested] >= 1).all()
    assert len(strong_split(ratings, 0.2).fold_in) > 0


def test_users_with_a_single_entry_always_train():
    ratings = Ratings.from_triples([1, 2, 3, 3, 4, 4], [1, 1, 1, 2, 1, 2], [1, 2, 3, 4, 5, 1])
    parts = strong_split(ratings, 1)
    assert np.diff(parts.train.indptr)[:2].tolist() == [1, 1]


def test_a_part_that_leaks_is_refused():
    ratings = made()
    with pytest.raises(LeakError, match="both in train and test, as 300 entries are"):
        Split(ratings, ratings)
    half = np.arange(300) < 150
    with pytest.raises(LeakError, match="both in the training and in the test part"):
        StrongSplit(ratings.select(half), ratings.select(~half), ratings.select(np.zeros(300, dtype=bool)))
    with pytest.raises(DataError, match="same users"):
        check_disjoint(train=ratings, test=made(1, n_users=10, n=50))


def test_a_mask_of_ones_own_splits():
    mask = np.arange(300) % 3 == 0
    assert len(split_by_mask(made(), mask).test) == 100


def test_settings_out_of_range_are_named():
    ratings = made()
    for split in (random_split, per_user_split, time_split):
        with pytest.raises(SettingError, match=r"between 0 and 1, both excluded, not 1\.5"):
            split(ratings, 1.5)
    with pytest.raises(SettingError, match="n must be at least 1"):
        last_n_split(ratings, 0)
    with pytest.raises(SettingError, match="n_test_users=30"):
        strong_split(ratings, 30)
    with pytest.raises(SettingError, match="a fraction or a time"):
        time_split(ratings)
    with pytest.raises(SettingError, match="not both"):
        time_split(ratings, 0.1, time=3)


def test_splits_by_time_need_times():
    ratings = Ratings.from_triples([1, 2], [1, 1], [1, 2])
    with pytest.raises(DataError, match="no times"):
        time_split(ratings, 0.5)
    with pytest.raises(DataError, match="no times"):
        last_n_split(ratings)
