"""Interactions: built from pairs in any order, merged, split, read from files; wrong ones are refused."""

import numpy as np
import pytest

from harmonium.data import (
    Interactions,
    Vocabulary,
    last_n_split,
    load,
    per_user_split,
    random_split,
    read_interactions,
    strong_split,
    time_split,
)
from harmonium.errors import DataError, LeakError, SettingError


@pytest.fixture
def some():
    user, item = ["b", "a", "b", "a", "b", "c"], [3, 3, 1, 2, 3, 1]
    return Interactions.from_pairs(user, item, weight=[1, 2, 3, 4, 5, 6], time=[10, 20, 30, 40, 50, 60])


def test_repeated_events_are_one_entry_with_their_sum_last_time_and_first_row(some):
    assert some.to_csr().toarray().tolist() == [[0, 4, 2], [3, 0, 6], [6, 0, 0]]
    assert some.time.tolist() == [40, 20, 30, 50, 60]
    assert some.row.tolist() == [3, 1, 2, 0, 5]
    assert some.popularity().tolist() == [2, 1, 2]


@pytest.mark.parametrize(("rule", "weight"), [("first", 1), ("last", 5)])
def test_the_first_or_the_last_of_repeated_events_can_be_kept(rule, weight):
    x = Interactions.from_pairs([1, 1], [7, 7], weight=[1, 5], duplicates=rule)
    assert x.weight.tolist() == [weight]


def test_repeated_events_can_be_an_error():
    with pytest.raises(DataError, match="user 1 and item 7 occur together twice"):
        Interactions.from_pairs([1, 1], [7, 7], duplicates="error")
    with pytest.raises(SettingError, match="duplicates"):
        Interactions.from_pairs([1], [7], duplicates="any")


def test_the_same_entries_in_any_order_are_the_same_interactions(some):
    order = [5, 3, 0, 4, 1, 2]
    user, item = np.array(["b", "a", "b", "a", "b", "c"]), np.array([3, 3, 1, 2, 3, 1])
    again = Interactions.from_pairs(user[order].tolist(), item[order])
    plain = Interactions.from_pairs(user.tolist(), item)
    assert (again.indptr == plain.indptr).all() and (again.item == plain.item).all()
    assert again != some and some == some.select(np.ones(5, bool))


def test_rows_selections_and_restrictions_keep_what_they_say(some):
    assert some.rows([1]).to_csr().toarray().tolist() == [[0, 0, 0], [3, 0, 6], [0, 0, 0]]
    small = some.restricted(users=[True, True, False], items=[True, False, True])
    assert (small.users.ids, small.items.ids.tolist()) == (("a", "b"), [1, 3])
    assert small.to_csr().toarray().tolist() == [[0, 2], [3, 6]]
    assert small.brought_to(some.items).to_csr().toarray().tolist() == [[0, 0, 2], [3, 0, 6]]
    assert (some.transposed().to_csr().toarray() == some.to_csr().toarray().T).all()


@pytest.mark.parametrize("weight", [[1, 0], [1, -2], [1, float("nan")], [1, float("inf")]])
def test_weights_are_numbers_above_0(weight):
    with pytest.raises(DataError, match="user 2 with item 7"):
        Interactions.from_pairs([1, 2], [7, 7], weight=weight)


def test_arrays_that_make_no_matrix_are_refused():
    two = Vocabulary([1, 2])
    with pytest.raises(DataError, match="strictly increasing"):
        Interactions([0, 2, 2], [1, 0], two, two)
    with pytest.raises(DataError, match="row starts"):
        Interactions([0, 2, 1], [0], two, two)
    with pytest.raises(DataError, match="outside"):
        Interactions([0, 1, 1], [2], two, two)
    with pytest.raises(DataError, match="as many values of weight"):
        Interactions([0, 1, 1], [0], two, two, weight=[1, 2])


def test_interactions_split_as_ratings_do():
    ratings = load("movielens-small").ratings
    x = ratings.interactions()
    for split, *args in ((random_split, 0.2), (per_user_split, 0.2), (last_n_split, 2), (time_split, 0.1)):
        of_ratings, of_x = split(ratings, *args), split(x, *args)
        assert of_x.test == of_ratings.test.interactions()
    strong = strong_split(x, 50)
    assert strong.held_out.n_entries and strong.train.items is x.items
    with pytest.raises(LeakError):
        type(random_split(x))(x, x)


def test_ratings_of_at_least_a_value_become_interactions():
    ratings = load("movielens-small").ratings
    x = ratings.interactions(at_least=4)
    assert x.n_entries == (ratings.values() >= 4).sum()
    assert (x.n_users, x.n_items) == (ratings.n_users, ratings.n_items)


def test_a_file_is_read_with_a_threshold_weights_and_the_place_of_every_row(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating,timestamp\n2,b,5,9\n1,a,3,8\n1,b,4,7\n2,b,1,6\n", encoding="utf-8")
    liked = read_interactions(path, at_least=4)
    assert (liked.users.ids.tolist(), liked.items.ids) == ([1, 2], ("b",))
    assert liked.row.tolist() == [2, 0]
    every = read_interactions(path)
    assert every.n_entries == 3 and every.weight is None and every.time.tolist() == [8, 7, 9]
    assert read_interactions(path, weights=True).to_csr().toarray().tolist() == [[3, 4], [0, 6]]


def test_what_cannot_be_read_says_where(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("user,item,count\n2,b,5\n1,a,0\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"r.csv, line 3: the weight 0"):
        read_interactions(path, weights=True)
    with pytest.raises(DataError, match="at least 9"):
        read_interactions(path, at_least=9)
    with pytest.raises(SettingError, match="value=False"):
        read_interactions(path, value=False, at_least=1)
    path.write_text("user,item\n2,b\n,a\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 3: the user id is missing"):
        read_interactions(path)
