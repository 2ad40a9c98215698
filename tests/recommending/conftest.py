"""One small model of the bundled ratings."""

import pytest

from harmonium.data import load, random_split
from harmonium.recommending import Recommender


@pytest.fixture(scope="session")
def films():
    """Return the bundled ratings in a training and a test part, and their titles."""
    dataset = load("movielens-small")
    train, test = random_split(dataset.ratings, 0.1, rng=0)
    return train, test, dataset.titles


@pytest.fixture(scope="session")
def recommender(films):
    """Return a recommender fitted on the training part, with both machines."""
    train, _, titles = films
    return Recommender.fit(train, titles, n_hidden=32, n_epochs=15)
