import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonium.data import Ratings, Scale, Vocabulary
from harmonium.errors import DataError
from harmonium.evaluation.alignment import aligned, brought_to, united

PAIRS = st.dictionaries(st.tuples(st.integers(0, 9), st.integers(0, 9)), st.integers(1, 5), min_size=1, max_size=30)


def rated(pairs, scale=None):
    users, items = zip(*pairs)
    return Ratings.from_triples(
        list(users), list(items), list(pairs.values()), scale=scale or Scale.stars(), time=[60] * len(pairs)
    )


def pairs_of(ratings):
    users, items = (
        [v[k] for k in index] for v, index in ((ratings.users, ratings.user_of()), (ratings.items, ratings.item))
    )
    return dict(zip(zip(users, items), ratings.values().tolist()))


@given(PAIRS, PAIRS)
def test_aligned_parts_keep_all_their_ratings_and_share_vocabularies(first, second):
    extra = Vocabulary.from_ids([3, 77])
    parts = aligned(Scale.halves(), extra, a=rated(first), b=rated(second))
    assert pairs_of(parts["a"]) == first
    assert pairs_of(parts["b"]) == second
    assert parts["a"].items == parts["b"].items == Vocabulary.from_ids({3, 77} | {i for _, i in (*first, *second)})
    assert parts["a"].users == parts["b"].users
    assert parts["b"].scale == Scale.halves()


@given(PAIRS, st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_entries_whose_ids_are_not_wanted_are_left_out(pairs, users, items):
    found = brought_to(rated(pairs), Vocabulary.from_ids(users), Vocabulary.from_ids(items), Scale.stars())
    assert pairs_of(found) == {(u, i): r for (u, i), r in pairs.items() if u in users and i in items}
    assert found.time is not None and len(found.time) == len(found)


def test_ratings_that_fit_already_are_passed_on_as_they_are():
    one, other = (rated({(u, 1): 3, (2, 5): 4, (9, 2): r}) for u, r in ((2, 1), (9, 2)) if u == 2 for r in (1, 2))
    parts = aligned(one.scale, one.items, one=one, other=other)
    assert parts["one"] is one and parts["other"] is other


def test_an_entry_seen_but_not_rated_stays_so_on_another_scale():
    seen = Ratings.from_triples([1, 1], [1, 2], [np.nan, 4.0], scale=Scale.stars())
    found = brought_to(seen, seen.users, seen.items, Scale.halves())
    assert found.level.tolist() == [255, 7]


def test_a_rating_off_the_scale_is_refused_with_its_user_and_item():
    ratings = rated({("ann", "alien"): 4, ("bob", "jaws"): 9}, Scale.stars(10))
    with pytest.raises(
        DataError, match="test: rating 9 of user 'bob' for item 'jaws' is not on the model's scale 1 to 5"
    ):
        brought_to(ratings, ratings.users, ratings.items, Scale.stars(), "test")


def test_numbers_and_text_are_not_mixed():
    with pytest.raises(DataError, match=r"test: its item ids are text \(such as '1'\), the others are numbers"):
        aligned(Scale.stars(), Vocabulary.from_ids([1]), train=rated({(1, 1): 2}), test=rated({(1, "1"): 2}))


def test_a_vocabulary_that_has_all_ids_is_kept_itself():
    wide, narrow, empty = (Vocabulary.from_ids(ids) for ids in (["a", "b"], ["b"], []))
    assert united(wide, narrow, "x") is wide
    assert united(wide, empty, "x") is wide
    assert united(empty, wide, "x") is wide
    assert united(narrow, wide, "x") == wide
