"""Example tastes are of well-known items, far from each other, for any model."""

import numpy as np
import pytest

from harmonium import Recommender
from harmonium.data import load
from harmonium.recommending import similarity
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.examples import N_KNOWN, N_LIKED, tastes


@pytest.fixture(scope="module")
def of_ratings() -> Recommender:
    films = load("movielens-small")
    return Recommender.fit(films.ratings, films.titles, n_hidden=8, n_epochs=4)


def test_tastes_are_of_well_known_items_and_share_none_that_they_like(of_ratings):
    found = tastes(of_ratings)
    assert len(found) == 3
    liked = [item for taste in found for item in taste.liked]
    assert len(set(liked)) == len(liked) == 3 * N_LIKED
    counts = of_ratings.machine.fitted_model.n_item_ratings
    assert min(counts[item] for taste in found for item in (*taste.liked, *taste.disliked)) >= np.sort(counts)[-N_KNOWN]
    assert found[0].liked[0] == int(np.argmax(counts))
    assert not any(set(taste.liked) & set(taste.disliked) for taste in found)


def test_what_a_taste_likes_is_more_alike_than_what_it_does_not(of_ratings):
    for taste in tastes(of_ratings):
        cosine = similarity.cosines(of_ratings.machine.fitted_model, taste.liked[0])
        assert cosine[taste.liked[1:]].min() > cosine[taste.disliked].max()


def test_cosines_among_some_items_are_those_of_each(of_ratings):
    model, items = of_ratings.machine.fitted_model, np.array([5, 17, 300])
    expected = [similarity.cosines(model, item)[items] for item in items]
    np.testing.assert_allclose(similarity.among(model, items), expected, atol=1e-5)


def test_a_model_of_choices_has_tastes_too():
    films = load("movielens-small")
    found = tastes(ChoiceRecommender.fit(films.ratings.interactions(at_least=4), films.titles))
    assert len(found) == 3 and all(len(taste.liked) == N_LIKED for taste in found)


def test_too_few_items_make_no_tastes(of_ratings):
    ratings = load("movielens-small").ratings
    few = ratings.columns(np.sort(np.argsort(-np.bincount(ratings.item))[:5]))
    assert tastes(Recommender.fit(few, n_hidden=2, n_epochs=1)) == []
