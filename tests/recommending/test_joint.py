"""The product of a machine of choices and a machine of ratings."""

import numpy as np
import pytest

from harmonium import GaussianBoltzmann, JointRecommender, Recommender
from harmonium.data import load, strong_split
from harmonium.errors import DataError, ModelFileError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.training.lists import hits, ndcg

LIKES = {"alien 1979": 5, "Star Wars: Episode IV": 5, "matrix 1999": 4.5}


@pytest.fixture(scope="module")
def parts():
    films = load("movielens-small")
    return strong_split(films.ratings, 60, rng=5), films.titles


def rating_machine():
    return RatingRBM(cases="users", n_hidden=16, n_epochs=6)


@pytest.fixture(scope="module")
def joint(parts):
    split, titles = parts
    return JointRecommender.fit(split.train, titles, model=rating_machine(), choices=GaussianBoltzmann(ridge=100))


def test_people_get_what_they_are_likely_to_choose_and_like(joint):
    found = joint.recommend(LIKES, n=10)
    assert any("Empire Strikes Back" in place.title for place in found)
    assert all(0 < place.score <= 1 and place.rating > 3 for place in found)
    western = joint.recommend(LIKES, n=5, genres=["Western"])
    assert len(western) == 5 and all("Western" in place.genres for place in western)


def test_lists_hold_more_of_what_is_chosen_and_liked_than_those_of_ratings_alone(parts, joint):
    split, _ = parts
    wanted = split.held_out.interactions(at_least=4)
    users = np.flatnonzero(np.diff(wanted.indptr))
    asked = wanted.restricted(users=np.diff(wanted.indptr) > 0)
    gained = {}
    for name, one in (("joint", joint), ("ratings", joint.recommender)):
        lists = []
        for user in users:
            item, level = split.fold_in.history(int(user))
            values = split.train.scale.values[level]
            history = {split.train.items[int(k)]: float(v) for k, v in zip(item, values)}
            lists.append([one.recommend(history, 50)[k].item_id for k in range(50)])
        index = np.array([split.train.items.indices(row) for row in lists])
        gained[name] = ndcg(hits(index, asked), np.diff(asked.indptr), 50).mean()
    assert gained["joint"] > gained["ratings"] + 0.05


def test_a_saved_one_answers_as_before(joint, tmp_path):
    path = tmp_path / "joint.harmonium"
    joint.save(path)
    assert JointRecommender.load(path).recommend(LIKES) == joint.recommend(LIKES)
    joint.recommender.save(path)
    with pytest.raises(ModelFileError, match="holds a recommender"):
        JointRecommender.load(path)


def test_machines_that_do_not_fit_together_are_refused(parts, joint):
    split, _ = parts
    with pytest.raises(DataError, match="not calibrated"):
        JointRecommender(joint.recommender, GaussianBoltzmann().fit(split.train.interactions()))
    few = split.train.interactions().restricted(items=np.arange(split.train.n_items) < 50)
    with pytest.raises(DataError, match="different items"):
        JointRecommender(Recommender(joint.recommender.machine, split.train.items, split.train.scale),
                         GaussianBoltzmann().fit(few))  # fmt: skip
