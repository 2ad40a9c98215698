"""The API: its answers are the library's, what is wrong is refused and named, and nothing is interpreted."""

import json
import math
from urllib.parse import quote

import numpy as np
import pytest
from _world import NASTY, recommender

from harmonium.conventions import UNRATED

HISTORY = [{"item": 107, "rating": 5}, {"item": 109, "rating": 4.5}, {"item": 108, "rating": 0.5}]
IDS = [
    "ann",
    "a/b",
    "..",
    "a%2Fb",
    "%",
    "é",
    "e\u0301",
    "\x00",
    "'; DROP TABLE users; --",
    "<b>",
    "映\U0001f3ac",
    " ",
    "?#&=",
]


def pairs(history=HISTORY):
    """The history as the library reads it."""
    return [(entry["item"], entry["rating"]) for entry in history]


def problem(answer, status, kind):
    """Check that an answer is a problem document and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"/problems/{kind}" and body["status"] == status
    assert all(body[name] for name in ("title", "detail", "where", "fix", "request_id"))
    return body


def test_recommendations_are_those_of_the_library(api, trained):
    found = api.post("/api/v1/recommend", json={"history": HISTORY, "n": 7}).json()
    expected = trained.recommend(pairs(), 7)
    assert found["n_rated"] == 3
    assert [row["item_id"] for row in found["recommendations"]] == [one.item_id for one in expected]
    assert np.allclose([row["score"] for row in found["recommendations"]], [one.score for one in expected], atol=1e-5)
    assert found["recommendations"][0]["probabilities"] == pytest.approx(list(expected[0].probabilities))


def test_nobody_gets_the_popular_list_and_one_rating_changes_it(api, trained):
    nobody = api.post("/api/v1/recommend", json={}).json()["recommendations"]
    assert [row["item_id"] for row in nobody] == [one.item_id for one in trained.recommend({})]
    one = api.post("/api/v1/recommend", json={"history": HISTORY[:1]}).json()["recommendations"]
    assert [row["score"] for row in one] != [row["score"] for row in nobody]


@pytest.mark.parametrize("rank_by", ["joint", "liking", None])
def test_a_list_is_ranked_as_asked_and_its_reasons_are_of_what_ranks_it(serve, tmp_path, rank_by):
    chosen = recommender(choices=True)
    chosen.save(tmp_path / "joint.harmonium")
    api = serve(model=tmp_path / "joint.harmonium")
    asked = {"history": HISTORY, "n": 5, "n_reasons": 2, "rank_by": rank_by}
    found = api.post("/api/v1/recommend", json=asked).json()["recommendations"]
    expected = chosen.recommend(pairs(), 5, rank_by=rank_by)
    assert [row["item_id"] for row in found] == [one.item_id for one in expected]
    assert all((row["probability_of_choice"] is None) == (rank_by == "liking") for row in found)
    for row, place in zip(found, expected):
        assert row["score"] == pytest.approx(place.score, abs=1e-5)
        for reason in row["reasons"]:
            less = [pair for pair in pairs() if pair[0] != reason["item_id"]]
            (without,) = chosen.recommend(less, 1, allow=[row["item_id"]], rank_by=rank_by)
            assert reason["score_contribution"] == pytest.approx(place.score - without.score, abs=1e-5)


def test_a_ranking_that_the_model_cannot_do_is_refused_alone(serve, tmp_path):
    recommender(choices=False).save(tmp_path / "liking.harmonium")
    api = serve(model=tmp_path / "liking.harmonium")
    refused = problem(api.post("/api/v1/recommend", json={"rank_by": "joint"}), 422, "setting")
    assert "machine of choices" in refused["detail"]
    assert api.post("/api/v1/recommend", json={"rank_by": "liking"}).status_code == 200


def test_filters_are_those_of_the_library(api, trained):
    asked = {"history": HISTORY, "genres": ["comedy"], "years": {"first": 1990, "last": None}, "deny": [101]}
    found = api.post("/api/v1/recommend", json=asked).json()["recommendations"]
    expected = trained.recommend(pairs(), genres=["comedy"], years=(1990, None), deny=[101])
    assert [row["item_id"] for row in found] == [one.item_id for one in expected] == [103]


def test_each_reason_of_a_place_is_that_of_its_explanation(api, trained):
    found = api.post("/api/v1/recommend", json={"history": HISTORY, "n": 2, "n_reasons": 3}).json()["recommendations"]
    for row in found:
        reasons = trained.explain(pairs(), row["item_id"]).reasons
        assert [one["item_id"] for one in row["reasons"]] == [one.item_id for one in reasons]
        for mine, theirs in zip(row["reasons"], reasons):
            assert mine["contribution"] == pytest.approx(theirs.contribution, abs=1e-6)


def test_a_recommendation_tells_the_hidden_units_where_asked(api, trained):
    found = api.post("/api/v1/recommend", json={"history": HISTORY, "with_hidden": True}).json()
    assert found["hidden"] == pytest.approx(trained.energy(pairs())["hidden"], abs=1e-6)


def test_predictions_and_explanations_are_those_of_the_library(api, trained):
    found = api.post("/api/v1/predict", json={"history": HISTORY, "items": [100, "film 20"]}).json()["predictions"]
    for mine, theirs in zip(found, trained.predict(pairs(), [100, "film 20"]), strict=True):
        assert mine["rating"] == pytest.approx(theirs.rating) and sum(mine["probabilities"]) == pytest.approx(1)
    why = api.post("/api/v1/explain", json={"history": HISTORY, "item": 100}).json()
    theirs = trained.explain(pairs(), 100)
    assert why["baseline"]["rating"] == pytest.approx(theirs.baseline.rating)
    assert [(one["unit"], one["part"]) for one in why["units"]] == list(theirs.units)
    assert why["reasons"][0]["by_unit"][0]["unit"] == theirs.reasons[0].by_unit[0][0]


def test_items_are_found_by_title_with_typing_errors_genre_and_year(api):
    found = api.get("/api/v1/items", params={"q": "flim 12"}).json()
    assert found["items"][0]["title"] == "Film 12 (1972)"
    some = api.get("/api/v1/items", params={"genre": ["horror", "Drama"], "year_to": 1990, "sort": "year"}).json()
    assert [one["item_id"] for one in some["items"]] == [100, 106] and some["total"] == 2
    everything = api.get("/api/v1/items", params={"limit": 3, "offset": 1}).json()
    counts = [one["n_ratings"] for one in everything["items"]]
    assert everything["total"] == 40 and counts == sorted(counts, reverse=True)
    assert api.get("/api/v1/genres").json()["genres"][0] == {"name": "Action", "n_items": 33}


def test_a_title_is_text_wherever_it_comes_from(api):
    for k, (title, _) in enumerate(NASTY):
        answer = api.get(f"/api/v1/items/{100 + k}")
        assert answer.json()["title"] == title
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_similar_items_and_units_are_those_of_the_library(api, trained):
    similar = api.get("/api/v1/items/107/similar", params={"n": 4}).json()["similar"]
    assert [one["item_id"] for one in similar] == [one.item_id for one in trained.similar_items(107, 4)]
    unit = api.get("/api/v1/units/2", params={"n": 3}).json()
    theirs = trained.describe_unit(2, 3)
    assert [one["item_id"] for one in unit["positive"]] == [row[0] for row in theirs.positive]
    assert len(api.get("/api/v1/units").json()["units"]) == trained.n_units
    problem(api.get("/api/v1/units/5"), 404, "setting")


def test_an_energy_is_that_of_the_library_and_has_a_place_among_the_users(api, trained):
    found = api.post("/api/v1/energy", json={"history": HISTORY}).json()
    theirs = trained.energy(pairs())
    assert found["free_energy"] == pytest.approx(theirs["free_energy"], abs=1e-4)
    assert [one["free_energy"] for one in found["ratings"]] == pytest.approx(
        [one["free_energy"] for one in theirs["ratings"]], abs=1e-4
    )
    assert found["percentile"] is None  # this model has no record
    activations = api.post("/api/v1/activations", json={"history": HISTORY}).json()["units"]
    assert [one["probability"] for one in activations] == pytest.approx(theirs["hidden"], abs=1e-5)


def test_a_gibbs_chain_goes_on_where_it_was_however_the_steps_are_asked_for(api):
    asked = {"visible": [{"item": 107}, {"item": 108, "level": 9, "clamped": True}], "seed": 3, "n_half_steps": 6}
    whole = api.post("/api/v1/gibbs", json=asked).json()
    state = {**asked, "n_half_steps": 1}
    for step in range(6):
        part = api.post("/api/v1/gibbs", json=state).json()
        (made,) = part["half_steps"]
        assert made == whole["half_steps"][step]
        assert made["levels"][1] == 9
        visible = [{**one, "level": level} for one, level in zip(asked["visible"], made["levels"])]
        state |= {"visible": visible, "hidden": made["hidden"], "next": part["next"], "step": part["step"]}


@pytest.mark.parametrize("user", IDS)
def test_a_user_id_may_be_any_text(keyed, user):
    address = f"/api/v1/users/{quote(user, safe='').replace('.', '%2E')}/ratings"
    put = keyed.put(f"{address}/107", json={"rating": 4.5})
    assert put.status_code == 200 and put.json()["title"] == "Film 7 (1967)"
    found = keyed.get(address).json()
    assert found["user_id"] == user and found["total"] == 1 and found["ratings"][0]["rating"] == 4.5
    assert keyed.get("/api/v1/users").json() == {"total": 1, "users": [user]}
    assert keyed.post("/api/v1/recommend", json={"user_id": user}).json()["n_rated"] == 1
    assert keyed.delete(f"{address}/107").status_code == 204
    problem(keyed.delete(f"{address}/107"), 404, "no-such-rating")
    assert keyed.delete(address.removesuffix("/ratings")).status_code == 204


def test_an_export_can_be_imported_again(keyed):
    keyed.put("/api/v1/users/ann/ratings/107", json={"rating": 4.5})
    keyed.put("/api/v1/users/ann/ratings/100", json={"rating": None})
    keyed.post("/api/v1/users/ann/events", json={"kind": "opened", "item_id": 101})
    export = keyed.get("/api/v1/users/ann/export").json()
    assert [one["kind"] for one in export["events"]] == ["opened", "seen", "rated"]
    answer = keyed.post("/api/v1/users/bob/ratings", json=export)  # the file as it is
    assert answer.json() == {"stored": 2, "removed": 0, "skipped": 0}
    assert keyed.get("/api/v1/users/bob/ratings").json()["ratings"] == export["ratings"]
    problem(keyed.get("/api/v1/users/nobody/export"), 404, "no-such-user")


def test_an_import_is_stored_as_a_whole_or_not_at_all(keyed):
    unknown = {"ratings": [{"item_id": 107, "rating": 1}, {"item_id": 7, "rating": 1}]}
    assert "item 7" in problem(keyed.post("/api/v1/users/ann/ratings", json=unknown), 422, "unknown-id")["detail"]
    off = {"ratings": [{"item_id": 107, "rating": 1}, {"item_id": 108, "rating": 1.3}]}
    problem(keyed.post("/api/v1/users/ann/ratings", json=off), 422, "data")
    assert keyed.get("/api/v1/users/ann/ratings").json()["total"] == 0
    skipped = keyed.post("/api/v1/users/ann/ratings", json={**unknown, "unknown": "skip"}).json()
    assert skipped == {"stored": 1, "removed": 0, "skipped": 1}


@pytest.mark.parametrize(
    "body",
    [
        {"history": [{"item": 107, "rating": 5, "extra": 1}]},
        {"history": [{"item": 107, "rating": "5"}]},
        {"history": [{"item": 107, "rating": True}]},
        {"history": [{"item": 107.5, "rating": 5}]},
        {"history": [{"item": 10**400, "rating": 5}]},
        {"history": [{"item": "x" * 501, "rating": 5}]},
        {"history": [{"item": 107}]},
        {"history": {}},
        {"history": [], "user_id": "ann"},
        {"n": 0},
        {"n": 10.0 + 0.5},
        {"n": 201},
        {"other": 1},
        {"years": {"first": 1990, "last": "now"}},
        [],
    ],
)
def test_what_is_not_in_the_document_is_refused(api, body):
    assert problem(api.post("/api/v1/recommend", json=body), 422, "not-valid")["where"].startswith("body")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_numbers_that_are_not_finite_are_refused(api, number):
    body = '{"history": [{"item": 107, "rating": ' + number + "}]}"
    answer = api.post("/api/v1/recommend", content=body, headers={"content-type": "application/json"})
    problem(answer, 422, "not-valid")


@pytest.mark.parametrize("body", [b"", b"{", b'"\\ud800"', b"\xff", b'{"history": [{"item": "\\ud800", "rating": 1}]}'])
def test_a_body_that_is_no_json_is_refused(api, body):
    answer = api.post("/api/v1/recommend", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422) and answer.headers["content-type"] == "application/problem+json"


def test_errors_of_the_library_say_what_and_the_fix(api):
    off = problem(api.post("/api/v1/recommend", json={"history": [{"item": 107, "rating": 5.2}]}), 422, "data")
    assert "5.2 is not on the scale 0.5 to 5 in steps of 0.5" in off["detail"]
    twins = problem(api.post("/api/v1/explain", json={"item": "twins"}), 422, "ambiguous-title")
    assert twins["candidates"] == ["Twins (1988)", "Twins (1925)"]
    problem(api.post("/api/v1/predict", json={"items": ["no such film at all"]}), 422, "unknown-id")
    problem(api.get("/api/v1/items/7"), 404, "unknown-id")
    problem(api.get("/api/v1/items", params={"genre": "western"}), 422, "setting")
    problem(api.get("/api/v1/nothing"), 404, "not-found")
    problem(api.post("/api/v1/items"), 405, "method-not-allowed")
    problem(api.get("/api/v1/model/evaluation"), 404, "not-recorded")


def test_whatever_is_stored_of_people_needs_a_key(api):
    for method, address in (
        ("GET", "/users"), ("GET", "/users/a/ratings"), ("PUT", "/users/a/ratings/107"), ("DELETE", "/users/a"),
        ("POST", "/users/a/ratings"), ("POST", "/users/a/events"), ("GET", "/users/a/export"),
        ("POST", "/model/reload"),
    ):  # fmt: skip
        answer = api.request(method, "/api/v1" + address, json={"rating": 1})
        assert problem(answer, 401, "key-needed")["fix"].startswith("send the header")
        assert answer.headers["www-authenticate"] == "Bearer"
    problem(api.post("/api/v1/recommend", json={"user_id": "a"}), 401, "key-needed")
    problem(api.get("/api/v1/users", headers={"Authorization": "Bearer hm_0_0"}), 401, "key-not-valid")


def test_closed_reading_asks_for_a_key_and_health_does_not(serve):
    api = serve(reading="closed")
    for method, address in (("POST", "/recommend"), ("GET", "/items"), ("GET", "/model"), ("GET", "/lab/data")):
        problem(api.request(method, "/api/v1" + address, json={}), 401, "key-needed")
    key = api.app.state.service.keys.create("reader")
    assert api.post("/api/v1/recommend", json={}, headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json()["status"] == "ready"


def test_a_body_over_the_limit_is_refused_whether_its_length_is_said_or_not(serve):
    api = serve(max_body=2_000)
    long = json.dumps({"history": HISTORY, "genres": ["x" * 100] * 30}).encode()
    problem(api.post("/api/v1/recommend", content=long), 413, "body-too-long")
    chunks = (long[k : k + 500] for k in range(0, len(long), 500))
    answer = api.post("/api/v1/recommend", content=chunks, headers={"content-type": "application/json"})
    assert answer.status_code == 413 and answer.headers["content-type"] == "application/problem+json"


def test_a_client_that_asks_too_often_is_told_when_to_come_back(serve):
    api = serve(rate_limit=0.5, burst=3)
    answers = [api.get("/api/v1/genres") for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    problem(answers[-1], 429, "too-many-requests")
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert api.get("/healthz").status_code == 200


@pytest.mark.parametrize("address", ["/", "/docs", "/healthz", "/api/v1/genres", "/nothing", "/openapi.json"])
def test_every_answer_has_the_security_headers_and_an_id(api, address):
    headers = api.get(address, headers={"Origin": "https://elsewhere.example", "X-Request-Id": "mine-1"}).headers
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY" and headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
    assert headers["x-request-id"] == "mine-1"


def test_a_request_id_that_could_forge_a_log_line_is_replaced(api):
    assert " " not in api.get("/healthz", headers={"X-Request-Id": 'a" b'}).headers["x-request-id"]


def test_the_documentation_asks_nothing_of_other_hosts(api):
    page = api.get("/docs").text
    assert "//" not in page.replace("<!doctype", "") and "<script>" not in page
    for address in ("/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/start.js", "/openapi.json"):
        assert api.get(address).status_code == 200
    assert api.get("/docs/../app.py").status_code == 404
    assert api.get("/docs/%2e%2e%2fmain.py").status_code == 404


def test_metrics_count_requests_by_pattern_not_by_address(api):
    for item in (107, 108, 7):
        api.get(f"/api/v1/items/{item}")
    text = api.get("/metrics").text
    assert 'harmonium_requests_total{method="GET",route="/api/v1/items/{item_id}",status="200"} 2.0' in text
    assert 'status="404"} 1.0' in text and "/items/107" not in text


def test_the_model_is_described_with_its_settings(api, trained):
    found = api.get("/api/v1/model").json()
    assert found["n_items"] == 40 and found["n_hidden"] == 5 and found["settings"]["n_epochs"] == 4
    assert found["scale"]["levels"] == list(trained.scale.levels) and len(found["fingerprint"]) == 64
    assert math.isclose(found["like"], 4.0) and found["has_record"] is False


def test_dreaming_of_a_unit_raises_what_it_stands_for(api, trained):
    found = api.post("/api/v1/dream", json={"units": [{"unit": 1, "on": True}], "n": 5}).json()
    off = api.post("/api/v1/dream", json={"units": [{"unit": 1, "on": False}], "n": 5}).json()
    rises = [one["rise"] for one in found["rising"]]
    assert rises == sorted(rises, reverse=True) and all(rise > 0 for rise in rises)
    strongest = {row[0] for row in trained.describe_unit(1, 8).positive}
    assert {one["item_id"] for one in found["rising"][:2]} <= strongest or not strongest
    assert all(one["rise"] < 0 for one in found["falling"] + off["falling"])
    problem(api.post("/api/v1/dream", json={"units": [{"unit": 5, "on": True}]}), 422, "setting")


def test_seen_but_unrated_items_are_left_out_of_the_list(api, trained):
    first = api.post("/api/v1/recommend", json={"n": 1}).json()["recommendations"][0]["item_id"]
    rest = api.post("/api/v1/recommend", json={"n": 40, "history": [{"item": first, "rating": None}]}).json()
    assert first not in [row["item_id"] for row in rest["recommendations"]]
    assert rest["n_rated"] == 0 and trained.history([(first, None)]).level[0] == UNRATED


def test_the_short_way_and_the_long_way_give_the_same_answers(api):
    bodies = [{"history": HISTORY[:k], "n": 5} for k in range(4)]
    bodies += [{"history": HISTORY, "n_reasons": 1, "deny": [101], "genres": ["action"]}, {"history": HISTORY, "n": 0}]
    bodies += [{"history": HISTORY * 2}, {"history": [{"item": "twins", "rating": 1}]}]
    for body in bodies:
        short = api.post("/api/v1/recommend", json=body)
        long = api.post("/api/v1/recommend", json=body, headers={"content-type": "application/json; charset=utf-8"})
        assert short.status_code == long.status_code
        different = {"request_id"}
        assert {k: v for k, v in short.json().items() if k not in different} == {
            k: v for k, v in long.json().items() if k not in different
        }
        assert short.headers["content-security-policy"] == long.headers["content-security-policy"]


def test_what_would_take_too_long_is_refused_rather_than_begun(api, monkeypatch):
    monkeypatch.setattr("harmonium.serving.answering.MOST_WEIGHED", 2)
    for address, more in (("recommend", {"n_reasons": 1}), ("explain", {"item": 100})):
        answer = api.post(f"/api/v1/{address}", json={"history": HISTORY, **more})
        assert "3 entries are more than 2" in problem(answer, 422, "setting")["detail"]
    monkeypatch.setattr("harmonium.serving.answering.MOST_TITLES", 1)
    titles = [{"item": "film 12", "rating": 1}, {"item": "film 13", "rating": 1}]
    assert (
        "2 titles are more than 1"
        in problem(api.post("/api/v1/energy", json={"history": titles}), 422, "setting")["detail"]
    )


def test_titles_are_looked_for_outside_the_event_loop_and_give_the_same_answer(api):
    by_title = [
        {"item": "film 7", "rating": 5},
        {"item": "film 9 1969", "rating": 4.5},
        {"item": "FILM 8", "rating": 0.5},
    ]
    ids, titles = (api.post("/api/v1/recommend", json={"history": history}).json() for history in (HISTORY, by_title))
    assert ids == titles
