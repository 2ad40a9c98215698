import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonium.data import PairSketch, Ratings, Scale, sketch
from harmonium.errors import DataError


def rated(pairs, rating=3.0):
    users, items = zip(*pairs)
    return Ratings.from_triples(list(users), list(items), [rating] * len(pairs), scale=Scale.stars())


def many(n, seed=0, first_user=0):
    cells = np.random.default_rng(seed).choice(n * 10, n, replace=False)
    return Ratings.from_triples(cells // 100 + first_user, cells % 100, np.full(n, 4.0), scale=Scale.stars())


@given(st.sets(st.tuples(st.integers(-5, 50), st.integers(0, 9)), min_size=2, max_size=60), st.randoms())
def test_a_sketch_finds_just_the_pairs_it_was_made_of(pairs, random):
    pairs = sorted(pairs)
    random.shuffle(pairs)
    half = pairs[: len(pairs) // 2]
    ratings = rated(pairs)
    found = PairSketch.of(rated(half)).found(ratings)
    users, items = ratings.users.ids[ratings.user_of()], ratings.items.ids[ratings.item]
    assert {(u, i) for u, i, f in zip(users.tolist(), items.tolist(), found) if f} == set(half)


def test_hashes_are_the_same_in_every_process_and_release():
    assert PairSketch.of(rated([(1, 318), (2, 318)])).hashes.tolist() == [7279668439512712559, 10906739056111805718]


def test_user_and_item_do_not_change_places():
    assert not PairSketch.of(rated([(1, 2)])).contains_any(rated([(2, 1)]))


def test_a_number_as_text_is_the_same_id_and_a_padded_one_is_not():
    numbers = PairSketch.of(rated([(7, -12)]))
    assert numbers.contains_any(rated([("7", "-12")]))
    assert not numbers.contains_any(rated([("07", "-12")]))
    assert not numbers.contains_any(rated([("seven", "-12")]))


def test_the_rating_given_does_not_matter():
    assert PairSketch.of(rated([("ann", "alien")], 1.0)).contains_any(rated([("ann", "alien")], 5.0))


def test_a_pair_seen_but_not_rated_is_no_pair():
    seen = Ratings.from_triples([1, 1], [1, 2], [np.nan, 4.0], scale=Scale.stars())
    assert len(PairSketch.of(seen).hashes) == 1
    assert PairSketch.of(rated([(1, 1), (1, 2)])).found(seen).tolist() == [False, True]


def test_chunks_change_nothing(monkeypatch):
    ratings = many(500)
    whole = PairSketch.of(ratings).hashes
    monkeypatch.setattr(sketch, "CHUNK", 7)
    assert np.array_equal(PairSketch.of(ratings).hashes, whole)


def test_of_many_pairs_a_sample_is_kept_that_tells_the_share_of_shared_ones(monkeypatch):
    monkeypatch.setattr(sketch, "MOST_HASHES", 1000)
    ratings = many(16_000)
    sketched = PairSketch.of(ratings)
    assert sketched.bits == 4
    assert abs(len(sketched.hashes) - 1000) < 5 * np.sqrt(1000)  # binomial, five deviations
    assert (np.diff(sketched.hashes.astype(object)) > 0).all()
    assert sketched.share_in(ratings) == 1.0
    assert sketched.share_in(many(16_000, first_user=10**6)) == 0.0
    half = Ratings.from_triples(
        ratings.user_of() + 10**6 * (np.arange(16_000) % 2), ratings.item, np.full(16_000, 2.0), scale=Scale.stars()
    )
    renumbered = Ratings.from_triples(ratings.user_of(), ratings.item, np.full(16_000, 2.0), scale=Scale.stars())
    assert PairSketch.of(renumbered).share_in(half) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(1000))


@pytest.mark.parametrize(("n", "bits"), [(1000, 0), (1001, 1), (2000, 1), (2001, 2)])
def test_the_sample_halves_when_the_pairs_outgrow_it(monkeypatch, n, bits):
    monkeypatch.setattr(sketch, "MOST_HASHES", 1000)
    assert PairSketch.of(many(n)).bits == bits


def test_no_ratings_make_an_empty_sketch_that_holds_nothing():
    empty = many(10).select(np.zeros(10, bool))
    sketched = PairSketch.of(empty)
    assert not sketched.contains_any(many(10))
    assert sketched.share_in(empty) == 0.0


def test_a_sketch_survives_storage():
    sketched = PairSketch.of(many(100))
    again = PairSketch.from_arrays(sketched.to_arrays())
    assert np.array_equal(again.hashes, sketched.hashes) and again.bits == sketched.bits


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": np.array([64])}, "bits \\[64\\]"),
        ({"bits": np.array([1, 2])}, "damaged"),
        ({"hashes": np.array([2, 1], np.uint64)}, "damaged"),
        ({"hashes": np.array([1, 2], np.int64)}, "damaged"),
    ],
)
def test_a_damaged_stored_sketch_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        PairSketch.from_arrays(PairSketch.of(many(10)).to_arrays() | change)


def test_a_stored_sketch_without_an_array_is_refused_by_its_name():
    with pytest.raises(DataError, match="'bits' is missing"):
        PairSketch.from_arrays({"hashes": np.zeros(0, np.uint64)})
