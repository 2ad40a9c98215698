"""Lists for several people at once are the lists of each alone."""

import numpy as np
import pytest

from harmonium.data import load
from harmonium.kernels import cpu_liking
from harmonium.models import fold_in, rating_model
from harmonium.recommending import Recommender
from harmonium.recommending.liking import LikingTables
from harmonium.recommending.many import Wanted, recommend_many


@pytest.fixture(scope="module")
def films() -> Recommender:
    """A recommender of the bundled films: more items than a block holds."""
    bundled = load("movielens-small")
    return Recommender.fit(bundled.ratings, bundled.titles, n_hidden=8, n_epochs=2)


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


def test_the_limit_of_sharpness_is_that_of_the_model():
    assert np.float32(rating_model.LARGEST_LOG) == cpu_liking._LARGEST_LOG


def test_the_compiled_logarithm_is_exact_to_a_few_units_in_the_last_place():
    x = np.exp(np.linspace(-87, 3, 20_001)).astype(np.float32)
    found = np.array([cpu_liking.log(one) for one in x])
    expected = np.log(x.astype(np.float64))
    assert np.abs(found - expected).max() / np.spacing(np.float32(87)) < 2
    near = np.abs(x - 1) < 0.3
    assert np.abs((found - expected)[near]).max() < 1e-7
