"""Histories: what people write becomes indices and level codes, or an error that says what to write."""

import numpy as np
import pytest
from _worlds import CASES, N_ITEMS, machine, recommender
from hypothesis import given
from hypothesis import strategies as st

from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Scale, Titles, Vocabulary
from harmonium.errors import AmbiguousTitleError, DataError, UnknownIdError
from harmonium.recommending import Recommender

WORLD = recommender()


def as_pairs(history):
    return dict(zip(history.item.tolist(), history.level.tolist()))


@pytest.mark.parametrize(
    "written",
    [
        {103: 5, 107: 1, 110: None},
        {"film 3": 5, "Film 7": 1.0, "FILM 10 (1990)": float("nan")},
        [(103, 5), ("Film 7", 1), (np.int64(110), None)],
        ((item, rating) for item, rating in [(103, np.float32(5)), (107, 1), (110, None)]),
        Ratings.from_triples([8, 8, 8], [103, 107, 110], [5, 1, np.nan], scale=Scale.stars()),
        [[103.0, 5], [107.0, 1], [110.0, None]],
    ],
)
def test_every_way_of_writing_a_history_is_the_same_history(written):
    history = WORLD.history(written)
    assert as_pairs(history) == {3: 4, 7: 0, 10: UNRATED}
    assert repr(history) == "History(2 rated, 1 only seen)"
    assert WORLD.history(history) is history


@pytest.mark.parametrize(
    ("written", "error", "message"),
    [
        ({103: 7}, DataError, "103: rating 7 is not on the scale 1 to 5"),
        ({103: 2.5}, DataError, "rating 2.5 is not on the scale"),
        ({103: "5"}, DataError, "the rating '5' is not a number"),
        ({103: True}, DataError, "the rating True is not a number"),
        ({103: float("inf")}, DataError, "rating inf is not on the scale"),
        ({103: 5, "film 3": 4}, DataError, r"'Film 3 \(1983\)' is in the history twice"),
        ({104.5: 5}, UnknownIdError, "id 104.5 is unknown"),
        ({7: 5}, UnknownIdError, "id 7 is unknown; the nearest of 40 known ids: 100, 101, 102"),
        ({"flim 13": 5}, UnknownIdError, r"no title fits 'flim 13'; the nearest: Film 13 \(1993\)"),
        ({True: 5}, DataError, "an item is an id or a title, not True, a bool"),
        ([([], 5)], DataError, "an item is an id or a title"),
        ([(103, 5), 107], DataError, "entry 1: 107 is not a pair"),
        ("film 3", DataError, "not 'film 3'"),
        (5, DataError, "not 5"),
        (None, DataError, "not None"),
    ],
)
def test_a_history_that_cannot_be_read_says_why(written, error, message):
    with pytest.raises(error, match=message):
        WORLD.history(written)


def test_a_title_that_fits_several_lists_them():
    named = Titles.from_rows([0, 1, 2], ["Heat (1995)", "Heat (1986)", "Alien (1979)"])
    world = Recommender(machine(), Vocabulary(np.arange(N_ITEMS)), Scale.stars(), named)
    with pytest.raises(AmbiguousTitleError, match="fits 2 titles") as error:
        world.predict({"heat": 5}, ["alien"])
    assert error.value.candidates == ("Heat (1995)", "Heat (1986)")
    assert world.history({"heat 1986": 5}).item.tolist() == [1]


def test_an_id_goes_before_a_title():
    ids = Vocabulary.from_ids([f"item {k}" for k in range(N_ITEMS)])
    named = Titles.from_rows(["item 3", "item 5"], ["item 5", "item 3"])
    world = Recommender(machine(), ids, Scale.stars(), named)
    assert world.history({"item 5": 1}).item.tolist() == [ids.index("item 5")]


def test_the_ratings_of_two_people_are_no_history():
    two = Ratings.from_triples([1, 2], [103, 104], [5, 4], scale=Scale.stars())
    with pytest.raises(DataError, match="of one person; these ratings are of 2"):
        WORLD.history(two)
    assert as_pairs(WORLD.history(two.rows([1]))) == {4: 3}


def test_a_history_read_for_other_items_is_refused():
    other = Recommender(machine(), Vocabulary(np.arange(N_ITEMS)), Scale.stars())
    with pytest.raises(DataError, match="recommender of other items"):
        WORLD.recommend(other.history({3: 5}))


@pytest.mark.parametrize("cases", CASES)
@given(order=st.permutations([(100, 5), (107, 1), (112, 3), (120, 4), (121, None)]))
def test_the_order_of_a_history_does_not_matter(cases, order):
    world = recommender(cases)
    first, second = (
        [item.probabilities for item in world.predict(history, list(world.items))] for history in (order, sorted(order))
    )
    np.testing.assert_allclose(first, second, atol=1e-4)  # fold-in stops at a gradient of 1e-3


def test_a_level_without_a_constant_feature_cannot_be_only_seen():
    with pytest.raises(DataError, match="seen but not rated"):
        recommender("users", features="value").recommend({100: None})
