"""A service whose model learned from choices: what it answers, and what it says it cannot."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from _world import recommender as of_ratings
from _world import world
from fastapi.testclient import TestClient

from harmonium.estimators.gaussian_boltzmann import GaussianBoltzmann
from harmonium.estimators.multinomial_rbm import MultinomialRBM
from harmonium.recommending.choice_recommender import ChoiceRecommender

CHOSEN = [{"item": 100, "rating": None}, {"item": 102, "rating": None}]
NOT_HERE = [
    ("POST", "/predict", {"items": [100]}),
    ("POST", "/activations", {}),
    ("POST", "/dream", {"units": [{"unit": 0, "on": True}]}),
    ("POST", "/gibbs", {"visible": [{"item": 100}]}),
    ("POST", "/energy", {}),
    ("GET", "/model/free-energies", None),
]


@pytest.fixture(scope="module")
def chooser() -> ChoiceRecommender:
    """A calibrated recommender of the small world's choices."""
    ratings, titles = world()
    return ChoiceRecommender.fit(
        ratings.interactions(at_least=3.5), titles, model=GaussianBoltzmann(ridge=5.0), validation=0.3
    )


@pytest.fixture
def choices(chooser: ChoiceRecommender, tmp_path: Path, serve) -> TestClient:
    """A service of it, with a key in every request."""
    chooser.save(tmp_path / "choices.harmonium")
    client = serve(model=tmp_path / "choices.harmonium")
    client.headers["Authorization"] = f"Bearer {client.app.state.service.keys.create('tests')}"
    return client


def test_lists_are_those_of_the_recommender_with_reasons_that_add_up(choices, chooser):
    answer = choices.post("/api/v1/recommend", json={"history": CHOSEN, "n": 5, "n_reasons": 2}).json()
    expected = chooser.recommend([100, 102], 5)
    assert answer["kind"] == "choices" and answer["n_rated"] == 2
    for row, place in zip(answer["recommendations"], expected, strict=True):
        assert (row["rank"], row["item_id"], row["title"]) == (place.rank, place.item_id, place.title)
        assert row["score"] == pytest.approx(place.score) and row["probability"] == pytest.approx(place.probability)
        assert row["n_ratings"] == place.n_users
        assert sum(reason["contribution"] for reason in row["reasons"]) == pytest.approx(row["score"], abs=1e-5)


def test_nobody_gets_what_most_people_chose(choices):
    rows = choices.post("/api/v1/recommend", json={"n": 5}).json()["recommendations"]
    counts = [row["n_ratings"] for row in rows]
    assert counts == sorted(counts, reverse=True)


def test_filters_leave_what_they_name(choices):
    asked = {"history": CHOSEN, "n": 50, "genres": ["comedy"], "years": {"first": 1980, "last": 1991}, "min_ratings": 3}
    rows = choices.post("/api/v1/recommend", json=asked).json()["recommendations"]
    assert rows and all("Comedy" in row["genres"] and 1980 <= row["year"] <= 1991 for row in rows)
    only = choices.post("/api/v1/recommend", json={"allow": [105, 106], "deny": [105], "min_ratings": 1}).json()
    assert [row["item_id"] for row in only["recommendations"]] == [106]


def test_a_weight_counts_and_must_be_above_0(choices, chooser):
    asked = {"history": [{"item": 100, "rating": 3.0}], "n": 3, "exclude_seen": False}
    rows = choices.post("/api/v1/recommend", json=asked).json()["recommendations"]
    assert [row["item_id"] for row in rows] == [p.item_id for p in chooser.recommend({100: 3}, 3, exclude_seen=False)]
    refused = choices.post("/api/v1/recommend", json={"history": [{"item": 100, "rating": 0.0}]})
    assert refused.status_code == 422 and "above 0" in refused.json()["detail"]


def test_explanations_and_similar_items_are_those_of_the_recommender(choices, chooser):
    found = choices.post("/api/v1/explain", json={"history": CHOSEN, "item": 104}).json()
    expected = chooser.explain([100, 102], 104)
    assert found["kind"] == "choices" and found["item"]["item_id"] == 104
    assert [one["item_id"] for one in found["reasons"]] == [one.item_id for one in expected]
    assert [one["contribution"] for one in found["reasons"]] == pytest.approx([one.contribution for one in expected])
    similar = choices.get("/api/v1/items/100/similar?n=4").json()["similar"]
    assert [one["item_id"] for one in similar] == [one.item_id for one in chooser.similar_items(100, 4)]
    assert all(one["similarity"] is None for one in similar)


def test_items_genres_and_the_model_are_told(choices):
    assert choices.get("/api/v1/items", params={"q": "twins"}).json()["total"] >= 2
    assert choices.get("/api/v1/items/100").json()["item_id"] == 100
    assert {"name": "Action", "n_items": 33} in choices.get("/api/v1/genres").json()["genres"]
    told = choices.get("/api/v1/model").json()
    assert (told["kind"], told["algorithm"], told["calibrated"]) == ("choices", "GaussianBoltzmann", True)
    assert told["n_units"] == 0 and choices.get("/api/v1/units").json()["units"] == []
    assert choices.get("/readyz").status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), NOT_HERE)
def test_what_needs_ratings_says_so(choices, method, path, body):
    answer = choices.request(method, "/api/v1" + path, json=body)
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["type"] == "/problems/learned-from-choices" and "choices" in problem["detail"] and problem["fix"]


@pytest.mark.parametrize("rank_by", ["joint", "liking"])
def test_another_ranking_is_refused(choices, rank_by):
    answer = choices.post("/api/v1/recommend", json={"history": CHOSEN, "n": 2, "rank_by": rank_by})
    assert answer.status_code == 422 and f"rank_by: {rank_by!r} is for a model of ratings" in answer.text


def test_choices_of_stored_people_are_kept_and_used(choices):
    assert choices.put("/api/v1/users/ann/ratings/100", json={"rating": None}).status_code == 200
    assert choices.put("/api/v1/users/ann/ratings/102", json={"rating": 2}).status_code == 200
    assert choices.put("/api/v1/users/ann/ratings/103", json={"rating": -1}).status_code == 422
    twice = {"ratings": [{"item_id": 104, "rating": None}, {"item_id": 104, "rating": 1}]}
    assert choices.post("/api/v1/users/ann/ratings", json=twice).status_code == 422
    of_user = choices.post("/api/v1/recommend", json={"user_id": "ann", "n": 4}).json()
    same = [{"item": 100, "rating": None}, {"item": 102, "rating": 2.0}]
    of_history = choices.post("/api/v1/recommend", json={"history": same, "n": 4}).json()
    assert of_user["recommendations"] == of_history["recommendations"] and of_user["n_rated"] == 2


def test_a_service_goes_over_from_ratings_to_choices_and_back(tmp_path, serve, chooser):
    path = tmp_path / "any.harmonium"
    of_ratings().save(path)
    client = serve(model=path, watch_seconds=0)
    client.headers["Authorization"] = f"Bearer {client.app.state.service.keys.create('tests')}"
    assert client.get("/api/v1/model").json()["kind"] == "ratings"
    chooser.save(tmp_path / "other")
    shutil.move(tmp_path / "other", path)
    assert client.post("/api/v1/model/reload").json()["kind"] == "choices"
    of_ratings().save(path)
    assert client.post("/api/v1/model/reload").json()["kind"] == "ratings"
    assert client.post("/api/v1/predict", json={"items": [100]}).status_code == 200


def test_a_model_of_choices_that_is_not_finite_is_refused(tmp_path, serve, chooser, monkeypatch):
    good = tmp_path / "choices.harmonium"
    chooser.save(good)
    client = serve(model=good, watch_seconds=0)
    monkeypatch.setattr(
        GaussianBoltzmann, "_scores", lambda self, history: np.full((history.n_users, self.n_items), np.nan)
    )
    with pytest.raises(Exception, match="not finite"):
        client.app.state.service.slot.reload()


def test_units_of_a_machine_of_choices_are_described(tmp_path, serve):
    ratings, titles = world()
    machine = MultinomialRBM(n_hidden=3, n_epochs=2)
    ChoiceRecommender.fit(ratings.interactions(at_least=3.5), titles, model=machine).save(tmp_path / "m.harmonium")
    client = serve(model=tmp_path / "m.harmonium")
    units = client.get("/api/v1/units?n=2").json()["units"]
    assert [one["unit"] for one in units] == [0, 1, 2] and all(len(one["positive"]) <= 2 for one in units)
    rows = client.post("/api/v1/recommend", json={"history": CHOSEN, "n": 2, "n_reasons": 1}).json()["recommendations"]
    assert rows[0]["probability"] is None and len(rows[0]["reasons"]) == 1
