"""Lists for several people at once are the lists of each alone."""

import numpy as np
import pytest

from harmonium.data import load
from harmonium.kernels import cpu_fold_in, cpu_liking, cpu_top
from harmonium.models import fold_in, rating_model
from harmonium.recommending import Recommender, ranking
from harmonium.recommending.liking import LikingTables
from harmonium.recommending.many import Wanted, recommend_many


@pytest.fixture(scope="module", params=[True, False], ids=["with choices", "liking alone"])
def films(request: pytest.FixtureRequest) -> Recommender:
    """A recommender of the bundled films: more items than a block holds."""
    bundled = load("movielens-small")
    return Recommender.fit(bundled.ratings, bundled.titles, n_hidden=8, n_epochs=2, choices=request.param)


def histories(recommender: Recommender, n: int, seed: int = 0):
    """Made-up histories of 0 to 30 entries."""
    rng = np.random.default_rng(seed)
    levels = [*recommender.scale.levels, None]
    return [
        recommender.history(
            [
                (recommender.items[int(k)], levels[rng.integers(len(levels))])
                for k in rng.choice(len(recommender.items), rng.integers(0, 31), replace=False)
            ]
        )
        for _ in range(n)
    ]


@pytest.mark.parametrize("cases", ["users", "items", "both"])
def test_the_compiled_probabilities_are_those_of_numpy(films, cases):
    model = rating_model.only(films.machine.fitted_model, cases)
    tables = LikingTables.of(model, 7)
    people = [rating_model.person(model, one.item, one.level) for one in histories(films, 7)]
    expected = np.array([tables.probability(who) for who in people])
    assert np.allclose(tables.probabilities(people), expected, rtol=0, atol=2e-6)


def test_the_compiled_fold_in_is_that_of_numpy(films):
    assert fold_in.MOST_COMPILED > 30  # so that the made-up histories take it
    model = films.machine.fitted_model
    for one in histories(films, 20):
        units = [rating_model.person(model, one.item, one.level, compiled).unit for compiled in (False, True)]
        for expected, found in zip(*units, strict=True):
            assert np.allclose(found, expected, rtol=0, atol=1e-5)


def test_an_answer_does_not_depend_on_who_else_asks(films):
    people = [films._predictor.person(one) for one in histories(films, 9)]
    together = films._liking.probabilities(people)
    for k, who in enumerate(people):
        assert np.array_equal(films._liking.probabilities([who])[0], together[k])
    wanted = [Wanted(one, 10, None, True) for one in histories(films, 9)]
    assert [recommend_many(films, [one])[0] for one in wanted] == recommend_many(films, wanted)


def test_each_list_is_the_one_that_recommend_gives(films):
    known = histories(films, 6)
    some = films._catalogue.left_by(None, None, 5, ["comedy"], (1980, 2000))
    wanted = [Wanted(one, 5 + k, some if k % 2 else None, k % 3 > 0) for k, one in enumerate(known)]
    for one, rows in zip(wanted, recommend_many(films, wanted), strict=True):
        filters = {} if one.candidates is None else {"min_ratings": 5, "genres": ["comedy"], "years": (1980, 2000)}
        expected = films.recommend(one.history, one.n, exclude_seen=one.exclude_seen, **filters)
        assert [row["rank"] for row in rows] == list(range(1, one.n + 1))
        assert np.allclose([row["score"] for row in rows], [place.score for place in expected], atol=1e-5)
        assert [row["item_id"] for row in rows] == [place.item_id for place in expected]


@pytest.mark.parametrize("n_items", [5, 128, 1000])
def test_the_compiled_list_is_that_of_numpy_ties_and_left_out_items_included(n_items):
    rng = np.random.default_rng(n_items)
    n_people, usual = 4, np.float32(0.5)
    liking = rng.integers(0, 4, (n_people, n_items)).astype(np.float32) / 4  # exact: many ties
    trusted = rng.integers(0, 3, n_items).astype(np.float32) / 2
    n_ratings = rng.integers(0, 3, n_items)
    left_out = rng.random((n_people, n_items)) < [[0.0], [0.3], [0.9], [1.0]]
    places = np.array([min(n, n_items) for n in (1, 7, 100, 3)])
    item = np.empty((n_people, places.max()), np.int64)
    score = np.empty(item.shape, np.float32)
    cpu_top.best(liking.copy(), left_out, trusted, usual, n_ratings, places, item, score)
    for k in range(n_people):
        expected = ranking.shrunk(liking[k], trusted, 0.5)
        order = ranking.best(expected, n_ratings, ~left_out[k], int(places[k]))
        assert item[k, item[k] >= 0].tolist() == order.tolist()
        assert score[k, item[k] >= 0].tolist() == expected[order].tolist()


@pytest.mark.parametrize("n", [1, 2, 12, 40])
def test_the_compiled_basis_spans_the_rows_dependent_ones_included(n):
    rng = np.random.default_rng(n)
    g = rng.random((n, 40))
    if n > 2:
        g[2] = g[0] + 2 * g[1]
    basis, rows = np.empty((n, 40)), np.empty((n, n))
    cpu_fold_in.row_space(g, basis, rows)
    kept = np.linalg.norm(basis, axis=1) > 0
    assert kept.sum() == np.linalg.matrix_rank(g)
    np.testing.assert_allclose(rows @ basis, g, atol=1e-12)
    np.testing.assert_allclose(basis[kept] @ basis[kept].T, np.eye(kept.sum()), atol=1e-12)


def test_probabilities_at_pairs_are_those_of_each_person(films):
    model = films.machine.fitted_model
    people = [rating_model.person(model, one.item, one.level) for one in histories(films, 3)]
    row, item = np.array([2, 0, 1, 1]), np.array([5, 5, 0, 17])
    found = rating_model.pair_probabilities(model, people, row, item)
    for k, (who, i) in enumerate(zip(row, item)):
        expected = rating_model.person_probabilities(model, people[who], np.array([i]))
        np.testing.assert_allclose(found[k], expected[0], atol=1e-6)


def test_the_limit_of_sharpness_is_that_of_the_model():
    assert np.float32(rating_model.LARGEST_LOG) == cpu_liking._LARGEST_LOG


def test_the_compiled_logarithm_is_exact_to_a_few_units_in_the_last_place():
    x = np.exp(np.linspace(-87, 3, 20_001)).astype(np.float32)
    found = np.array([cpu_liking.log(one) for one in x])
    expected = np.log(x.astype(np.float64))
    assert np.abs(found - expected).max() / np.spacing(np.float32(87)) < 2
    near = np.abs(x - 1) < 0.3
    assert np.abs((found - expected)[near]).max() < 1e-7
