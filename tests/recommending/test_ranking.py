"""Ranked lists: n asked is n given, filters hold, the score is the documented one, ties have an order."""

import itertools

import numpy as np
import pytest
from _worlds import CASES, GENRES, N_ITEMS, machine, recommender, titles
from hypothesis import given
from hypothesis import strategies as st

from harmonium.data import Scale, Vocabulary
from harmonium.errors import SettingError, UnknownIdError
from harmonium.recommending import Recommender, ranking

WORLD = recommender()
IDS = list(WORLD.items)
P0 = 450 / 800  # ratings of 4 and 5 among the level counts of the random models
sets_of_items = st.none() | st.lists(st.sampled_from(IDS), unique=True)


@given(
    n=st.integers(1, N_ITEMS + 5),
    rated=st.dictionaries(st.sampled_from(IDS), st.integers(1, 5), max_size=8),
    exclude_seen=st.booleans(),
    allow=sets_of_items,
    deny=sets_of_items,
    min_ratings=st.integers(0, 40),
    genres=st.none() | st.lists(st.sampled_from(GENRES), min_size=1),
    years=st.none() | st.tuples(st.integers(1980, 2000), st.integers(2000, 2025)),
)
def test_n_asked_is_n_given_wherever_the_filters_leave_as_many(
    n, rated, exclude_seen, allow, deny, min_ratings, genres, years
):
    filters = {"allow": allow, "deny": deny, "min_ratings": min_ratings, "genres": genres, "years": years}
    found = WORLD.recommend(rated, n, exclude_seen=exclude_seen, **filters)
    remaining = [
        item.item_id
        for item in WORLD.predict({}, IDS)
        if not (exclude_seen and item.item_id in rated)
        and (allow is None or item.item_id in allow)
        and (deny is None or item.item_id not in deny)
        and item.n_ratings >= min_ratings
        and (genres is None or set(genres) & set(item.genres))
        and (years is None or (item.year is not None and years[0] <= item.year <= years[1]))
    ]
    assert [item.rank for item in found] == list(range(1, min(n, len(remaining)) + 1))
    assert len({item.item_id for item in found}) == len(found)
    assert {item.item_id for item in found} <= set(remaining)
    assert all(a.score >= b.score for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("cases", CASES)
def test_the_score_is_the_documented_one(cases):
    found = recommender(cases).recommend({100: 5, 103: 1}, N_ITEMS)
    assert len(found) == N_ITEMS - 2
    for item in found:
        n, k = item.n_ratings, ranking.PSEUDO_RATINGS
        assert item.score == pytest.approx((n * item.probability_of_liking + k * P0) / (n + k), abs=1e-6)


def test_a_list_begins_with_the_best_of_all():
    everything = [(item.item_id, item.score) for item in WORLD.recommend({105: 4}, N_ITEMS)]
    for n in (1, 2, 7):
        assert [(item.item_id, item.score) for item in WORLD.recommend({105: 4}, n)] == everything[:n]


def test_items_that_nobody_rated_rank_by_the_usual_share_of_likes_in_the_order_of_ids():
    unrated = [item for item in WORLD.recommend({}, N_ITEMS) if item.n_ratings == 0]
    assert [item.item_id for item in unrated] == IDS[-5:]
    assert [item.score for item in unrated] == [pytest.approx(P0)] * 5


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=30), st.integers(1, 40))
def test_the_partial_sort_is_the_full_sort_cut(rows, n):
    score = np.array([score for score, _, _ in rows], np.float32)
    count = np.array([count for _, count, _ in rows], np.int64)
    candidates = np.array([candidate for _, _, candidate in rows], bool)
    order = sorted(np.flatnonzero(candidates).tolist(), key=lambda item: (-score[item], -count[item], item))
    assert ranking.best(score, count, candidates, n).tolist() == order[:n]


@given(st.floats(0, 1), st.integers(0, 10**6), st.floats(0, 1))
def test_what_few_rated_is_drawn_towards_the_usual(value, n, usual):
    drawn = float(ranking.shrunk(np.array([value], np.float32), ranking.trust(np.array([n])), usual)[0])
    k = ranking.PSEUDO_RATINGS
    assert drawn == pytest.approx((n * value + k * usual) / (n + k), abs=1e-6)
    assert min(value, usual) - 1e-6 <= drawn <= max(value, usual) + 1e-6


def test_other_ids_in_another_order_give_the_same_list():
    order = np.random.default_rng(5).permutation(N_ITEMS)
    mine, fitted = recommender("users"), machine("users")
    model = fitted.model_
    arrays = {"W": model.users.W[:, order], "b": model.users.b[order], "c": model.users.c, "phi": model.users.phi}
    moved = machine("users", n_ratings=model.n_item_ratings[order])
    moved.model_ = type(model)(
        type(model.users)(**arrays), None, model.blends, model.values, moved.model_.n_item_ratings, model.level_counts
    )
    other = Recommender(moved, Vocabulary(np.arange(N_ITEMS)), Scale.stars())
    new_id = {100 + int(old): new for new, old in enumerate(order)}
    theirs = other.recommend({new_id[104]: 5, new_id[111]: 2}, 20, min_ratings=1)
    ours = mine.recommend({104: 5, 111: 2}, 20, min_ratings=1)
    assert [new_id[item.item_id] for item in ours] == [item.item_id for item in theirs]
    assert [item.score for item in ours] == pytest.approx([item.score for item in theirs], abs=1e-6)


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3", None])
def test_a_number_of_places_that_is_none_is_a_setting_error(n):
    with pytest.raises(SettingError, match=r"n: .* is not a whole number from 1 to"):
        WORLD.recommend({}, n)


@pytest.mark.parametrize(
    ("filters", "error", "message"),
    [
        ({"allow": [7]}, UnknownIdError, "id 7 is unknown; the nearest of 40 known ids: 100"),
        ({"deny": ["Flim 13"]}, UnknownIdError, "nearest: Film 13"),
        ({"genres": ["Wra"]}, SettingError, "'Wra' is none of Comedy, Drama, War"),
        ({"years": (2000, 1990)}, SettingError, "is not a pair"),
        ({"years": 1990}, SettingError, "is not a pair"),
        ({"min_ratings": -1}, SettingError, "min_ratings: -1"),
    ],
)
def test_a_filter_that_cannot_be_says_what_can(filters, error, message):
    with pytest.raises(error, match=message):
        WORLD.recommend({}, **filters)


def test_genres_and_years_need_titles():
    untitled = Recommender(machine(), Vocabulary(np.arange(N_ITEMS)), Scale.stars())
    with pytest.raises(SettingError, match="these items, which have none"):
        untitled.recommend({}, genres=["War"])
    with pytest.raises(SettingError, match="the year of no item is known"):
        untitled.recommend({}, years=(1990, None))


def test_filters_take_titles_one_value_open_ends_and_any_case():
    (only,) = WORLD.recommend({}, allow="film 13")
    assert only.item_id == 113
    assert WORLD.recommend({}, allow=[]) == []
    assert all("War" in item.genres for item in WORLD.recommend({}, 40, genres="war"))
    assert max(item.year for item in WORLD.recommend({}, 40, years=(None, 1990))) <= 1990
    assert min(item.year for item in WORLD.recommend({}, 40, years=(2001, None))) >= 2001


def test_titles_of_more_items_are_brought_to_those_of_the_model():
    ids = Vocabulary(np.arange(80, 160))
    world = Recommender(machine(), Vocabulary(np.arange(100, 140)), Scale.stars(), titles(ids))
    assert world.predict({}, [100])[0].title == "Film 20 (2000)"
