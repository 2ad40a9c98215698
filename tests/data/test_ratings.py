import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonium.data import UNRATED, Ratings, Scale, Vocabulary
from harmonium.data.sorting import stable_order
from harmonium.errors import DataError, SettingError

triples = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("abcdefg"), st.integers(1, 5)), min_size=1, max_size=40
).map(lambda rows: list({(user, item): (user, item, rating) for user, item, rating in rows}.values()))


def ratings_of(rows, **more):
    users, items, values = zip(*rows)
    return Ratings.from_triples(users, items, values, scale=Scale.stars(), **more)


def as_dict(ratings):
    return {(user, item): rating for user, item, rating in ratings.to_frame().rows()}


@given(triples)
def test_every_triple_comes_back(rows):
    assert as_dict(ratings_of(rows)) == {(user, item): rating for user, item, rating in rows}


@given(triples, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert ratings_of(shuffled) == ratings_of(rows)


@given(triples)
def test_transposing_swaps_the_roles_and_twice_is_nothing(rows):
    ratings = ratings_of(rows, time=np.arange(len(rows)))
    swapped = ratings.transposed()
    assert as_dict(ratings_of(rows).transposed()) == {(item, user): r for user, item, r in rows}
    assert (swapped.n_users, swapped.n_items) == (ratings.n_items, ratings.n_users)
    assert swapped.transposed() == ratings


@given(triples, st.data())
def test_selecting_keeps_exactly_the_masked_entries_and_the_shape(rows, data):
    ratings = ratings_of(rows)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(ratings), max_size=len(ratings))), dtype=bool)
    part = ratings.select(mask)
    assert part.users is ratings.users and part.indptr.shape == ratings.indptr.shape
    assert as_dict(part) == {key: r for (key, r), keep in zip(as_dict(ratings).items(), mask) if keep}


@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 3))))
def test_the_radix_sort_is_a_stable_sort(pairs):
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    expected = np.lexsort((second, first))
    order = stable_order(first, second)
    assert (np.arange(len(pairs)) if order is None else order).tolist() == expected.tolist()


def test_keys_too_wide_for_one_word_are_sorted_all_the_same():
    rng = np.random.default_rng(0)
    keys = [rng.integers(2**31 - 4, 2**31 - 1, 50) for _ in range(2)]
    assert stable_order(*keys).tolist() == np.lexsort(keys[::-1]).tolist()


def test_entries_are_sorted_and_compared_block_by_block(monkeypatch):
    for module in ("sorting", "_entries"):
        monkeypatch.setattr(f"harmonium.data.{module}.BLOCK", 3)
    rng = np.random.default_rng(0)
    rows = [(int(user), int(item), 1 + k % 5) for k, (user, item) in enumerate(rng.integers(0, 5, (40, 2)))]
    users, items, values = zip(*rows)
    last = Ratings.from_triples(users, items, values, scale=Scale.stars(), duplicates="last")
    assert as_dict(last) == {(user, item): value for user, item, value in rows}
    with pytest.raises(DataError, match="occur together twice"):
        Ratings.from_triples(users, items, values, scale=Scale.stars())
    again = Ratings.from_triples(
        *last.to_frame().select("user_id", "item_id", "rating").to_dict(as_series=False).values()
    )
    assert as_dict(again) == as_dict(last)


def test_a_rating_costs_five_bytes():
    n = 1000
    ratings = Ratings.from_triples(np.zeros(n, int), np.arange(n), np.ones(n))
    assert ratings.nbytes == 5 * n + ratings.indptr.nbytes


def test_history_gives_one_users_items_and_levels():
    ratings = ratings_of([("b", "y", 2), ("a", "z", 5), ("b", "x", 1)])
    item, level = ratings.history(ratings.users.index("b"))
    assert item.tolist() == [0, 1] and level.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"user index 2 is outside 0\.\.1"):
        ratings.history(2)


def test_rows_empties_the_other_users():
    ratings = ratings_of([(1, "x", 1), (2, "x", 2), (3, "x", 3)])
    assert as_dict(ratings.rows([0, 2])) == {(1, "x"): 1, (3, "x"): 3}


def test_a_seen_item_without_a_rating_is_no_rating():
    ratings = Ratings.from_triples([1, 1, 2], [1, 2, 1], [4, np.nan, 5])
    assert (ratings.n_ratings, ratings.n_entries) == (2, 3)
    assert ratings.level.tolist() == [3, UNRATED, 4]
    assert np.isnan(ratings.values()[1])
    assert ratings.to_frame()["rating"].to_list() == [4, None, 5]
    assert repr(ratings) == "Ratings(2 users, 2 items, 2 ratings, 1 to 5)"


def test_duplicates_follow_the_rule_given():
    rows = [(1, "x", 1), (2, "x", 4), (1, "x", 2), (1, "x", 3)]
    assert as_dict(ratings_of(rows, duplicates="first"))[1, "x"] == 1
    assert as_dict(ratings_of(rows, duplicates="last"))[1, "x"] == 3
    with pytest.raises(DataError, match="user 1 and item 'x' occur together twice, at 0 and 2"):
        ratings_of(rows)
    with pytest.raises(SettingError, match="'mean'"):
        ratings_of(rows, duplicates="mean")


def test_equality_sees_times_levels_and_scale():
    plain = Ratings.from_triples([1], [1], [2])
    assert plain == Ratings.from_triples([1], [1], [2])
    assert plain != Ratings.from_triples([1], [1], [2], time=[0])
    assert plain != Ratings.from_triples([1], [1], [3])
    assert plain != Ratings.from_triples([1], [1], [2], scale=Scale.halves())
    assert plain != "ratings"


def test_arrays_cannot_be_changed_and_are_not_those_given():
    indptr, item, level = np.array([0, 1]), np.array([0]), np.array([0])
    ratings = Ratings(indptr, item, level, Vocabulary([1]), Vocabulary([1]), Scale.stars())
    indptr[1] = 0
    assert ratings.indptr.tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        ratings.level[0] = 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"indptr": [0, 1]}, "one row start more"),
        ({"indptr": [0, 2, 1]}, "must rise"),
        ({"item": [0, 5, 1]}, r"outside 0\.\.1"),
        ({"item": [-1, 1, 1]}, r"outside 0\.\.1"),
        ({"item": [1, 0, 1]}, "strictly increasing"),
        ({"item": [1, 1, 1]}, "strictly increasing"),
        ({"level": [0, 5, 1]}, "level 5"),
        ({"level": [0, 1]}, "as many levels"),
        ({"time": [0, 1]}, "as many levels and times"),
    ],
)
def test_arrays_that_are_no_matrix_are_refused(change, says):
    good = Ratings.from_triples([1, 1, 2], ["x", "y", "y"], [1, 2, 3])
    with pytest.raises(DataError, match=says):
        dataclasses.replace(good, **{name: np.array(array) for name, array in change.items()})


@pytest.mark.parametrize(
    ("user", "item", "level", "says"),
    [
        ([2], [0], [0], r"user index 2 is outside 0\.\.1"),
        ([0], [-1], [0], r"item index -1"),
        ([0.5], [0], [0], "whole numbers"),
        ([0, 1], [0], [0], "item has shape"),
        ([0], [0], [0, 1], "level has shape"),
    ],
)
def test_wrong_indices_are_named(user, item, level, says):
    vocabulary = Vocabulary([0, 1])
    with pytest.raises(DataError, match=says):
        Ratings.from_arrays(user, item, level, vocabulary, vocabulary, Scale.stars())


def test_a_mask_must_be_one_truth_value_an_entry():
    ratings = Ratings.from_triples([1, 2], [1, 1], [1, 2])
    with pytest.raises(SettingError, match="bool array of shape"):
        ratings.select(np.array([0, 1]))
