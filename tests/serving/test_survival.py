"""Power cuts, bad model files and crowds: no acknowledged rating is lost, no request is dropped."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from _world import N_ITEMS, recommender, running

from harmonium import Recommender
from harmonium.serving.store import Store, open_database
from harmonium.serving.store.keys import KeyRing

N_WRITERS, N_CLIENTS = 6, 200
MOST_SECONDS = 30


@pytest.fixture(scope="module")
def second(tmp_path_factory) -> Path:
    """Another model of the same items."""
    path = tmp_path_factory.mktemp("second") / "second.harmonium"
    recommender(1).save(path)
    return path


def key_for(url: str) -> dict[str, str]:
    """A header with a key of a store."""
    database = open_database(url)
    token = KeyRing(database).create("tests")
    database.close()
    return {"Authorization": f"Bearer {token}"}


def write(address: str, headers: dict[str, str], k: int, acknowledged: list[tuple[str, int, float]]) -> None:
    """Rate items until the service is gone, noting what it acknowledged."""
    with httpx2.Client(base_url=address, headers=headers, timeout=MOST_SECONDS) as client:
        for n in range(10_000):
            item, rating = 100 + n % N_ITEMS, 0.5 + (n % 10) / 2
            user = f"user {k}-{n // N_ITEMS}"
            try:
                answer = client.put(f"/api/v1/users/{user}/ratings/{item}", json={"rating": rating})
            except httpx2.TransportError:
                return
            assert answer.status_code == 200, answer.text
            acknowledged.append((user, item, rating))


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + MOST_SECONDS
    while not condition():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.02)


def test_no_acknowledged_rating_is_lost_when_the_service_is_killed(model, store_url):
    headers, acknowledged = key_for(store_url), []
    with running(model, store_url, "--no-log-requests") as service:
        threads = [
            threading.Thread(target=write, args=(service.address, headers, k, acknowledged)) for k in range(N_WRITERS)
        ]
        for thread in threads:
            thread.start()
        until(lambda: len(acknowledged) > 100, "enough ratings")
        service.kill()
        for thread in threads:
            thread.join(MOST_SECONDS)
    database = open_database(store_url)
    stored = {(user, item): rating for user, item, rating, _ in Store(database).everything()}
    database.close()
    assert {(user, item): rating for user, item, rating in acknowledged}.items() <= stored.items()


SWAPS = """
import sys
from harmonium import Recommender
first, second = (Recommender.load(path) for path in sys.argv[2:])
while True:
    for one in (second, first):
        one.save(sys.argv[1])
        print("saved", flush=True)
"""


def test_a_model_file_is_whole_wherever_its_writer_is_killed(model, second, tmp_path):
    place = shutil.copy(model, tmp_path / "films.harmonium")
    command = [sys.executable, "-c", SWAPS, str(place), str(model), str(second)]
    answers = [Recommender.load(path).recommend({}, 3) for path in (model, second)]
    for delay in (0.0, 0.004, 0.009):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None and writer.stdout.readline() == "saved\n"
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
        assert Recommender.load(place).recommend({}, 3) in answers


def test_a_running_service_goes_over_to_a_new_model_without_dropping_a_request(model, second, tmp_path):
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    store = f"sqlite:///{tmp_path / 'store.db'}"
    answers, stop = [], threading.Event()
    with running(place, store, "--no-log-requests") as service:

        def ask() -> None:
            with httpx2.Client(base_url=service.address, timeout=MOST_SECONDS) as client:
                while not stop.is_set():
                    answers.append(client.post("/api/v1/recommend", json={"n": 3}))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: len(answers) > 20, "answers of the first model")
            before = httpx2.get(f"{service.address}/api/v1/model").json()["fingerprint"]
            os.replace(shutil.copy(second, tmp_path / "new"), place)
            until(
                lambda: httpx2.get(f"{service.address}/api/v1/model").json()["fingerprint"] != before, "the new model"
            )
            n = len(answers)
            until(lambda: len(answers) > n + 20, "answers of the second model")
        finally:
            stop.set()
            for thread in threads:
                thread.join(MOST_SECONDS)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 2  # each is of one model throughout


def test_an_unusable_model_file_is_refused_and_the_old_model_stays(serve, model, second, tmp_path):
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    api = serve(model=place, watch_seconds=0)
    key = {"Authorization": f"Bearer {api.app.state.service.keys.create('tests')}"}
    before = api.get("/api/v1/model").json()["fingerprint"]
    broken = [b"", b"no model", place.read_bytes()[:-100], place.read_bytes()[:2_000]]
    for content in broken:
        place.write_bytes(content)
        answer = api.post("/api/v1/model/reload", headers=key)
        assert answer.status_code == 409 and answer.json()["type"] == "/problems/model-file"
        assert api.get("/api/v1/model").json()["fingerprint"] == before
        assert api.post("/api/v1/recommend", json={}).status_code == 200
        assert "was refused" in api.get("/readyz").json()["model"]
    place.unlink()
    assert api.post("/api/v1/model/reload", headers=key).status_code == 409
    shutil.copy(second, place)
    assert api.post("/api/v1/model/reload", headers=key).json()["fingerprint"] != before
    assert api.get("/readyz").json()["model"] == "ready"


def test_a_model_of_numbers_that_are_not_finite_is_refused(serve, model, tmp_path):
    bad = recommender(2)
    machine = bad.machine.users_machine
    machine.c.flags.writeable = True
    machine.c[0] = float("nan")
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    api = serve(model=place, watch_seconds=0.05)
    bad.save(place)
    until(lambda: "not finite" in api.get("/readyz").json()["model"], "the refusal")
    assert api.post("/api/v1/recommend", json={}).status_code == 200


def test_two_hundred_clients_at_once_are_all_answered(model, tmp_path):
    store = f"sqlite:///{tmp_path / 'store.db'}"
    headers = key_for(store)

    async def one(client: httpx2.AsyncClient, k: int) -> None:
        item, rating = 100 + k % N_ITEMS, 0.5 + (k % 10) / 2
        history = {"history": [{"item": item, "rating": rating}], "n": 5}
        answer = await client.post("/api/v1/recommend", json=history)
        assert answer.status_code == 200 and len(answer.json()["recommendations"]) == 5, answer.text
        address = f"/api/v1/users/user{k}/ratings"
        assert (await client.put(f"{address}/{item}", json={"rating": rating})).status_code == 200
        assert (await client.get(address)).json()["ratings"][0]["rating"] == rating
        assert (await client.post("/api/v1/recommend", json={"user_id": f"user{k}"})).json()["n_rated"] == 1
        assert (await client.post("/api/v1/explain", json={**history, "item": 100} | {"n": 5})).status_code == 200

    async def crowd(address: str) -> None:
        limits = httpx2.Limits(max_connections=N_CLIENTS)
        async with httpx2.AsyncClient(
            base_url=address, headers=headers, limits=limits, timeout=2 * MOST_SECONDS
        ) as client:
            await asyncio.gather(*(one(client, k) for k in range(N_CLIENTS)))

    with running(model, store, "--no-log-requests") as service:
        asyncio.run(crowd(service.address))
        figures = httpx2.get(f"{service.address}/metrics").text
    assert f'route="/api/v1/users/{{user_id}}/ratings/{{item_id}}",status="200"}} {N_CLIENTS}.0' in figures


def test_requests_under_way_are_answered_when_the_service_is_told_to_stop(model, tmp_path):
    asked = {"machine": {"kind": "general", "n_visible": 9, "J": [[0.0] * 14] * 14, "b": [0.0] * 14}}
    asked |= {"rule": "cd", "n_steps": 20, "n_updates": 1000, "record_every": 1000}  # a second or two
    with running(model, f"sqlite:///{tmp_path / 'store.db'}") as service:
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(
                httpx2.post(f"{service.address}/api/v1/lab/learn", json=asked, timeout=MOST_SECONDS)
            )
        )
        thread.start()
        under_way = "harmonium_requests_under_way 2.0"
        until(lambda: under_way in httpx2.get(f"{service.address}/metrics").text, "a request under way")
        service.process.terminate()
        thread.join(MOST_SECONDS)
        assert service.process.wait(MOST_SECONDS) == 0
    assert answers[0].status_code == 200


def test_each_request_is_one_line_of_json_in_the_log(model, tmp_path):
    with running(model, f"sqlite:///{tmp_path / 'store.db'}") as service:
        httpx2.get(f"{service.address}/api/v1/items/107", headers={"X-Request-Id": "seen-1"})
    lines = [json.loads(line) for line in service.lines if line.startswith("{")]
    (line,) = [one for one in lines if one["event"] == "request"]
    assert (line["request_id"], line["route"], line["status"]) == ("seen-1", "/api/v1/items/{item_id}", 200)
    assert line["milliseconds"] > 0 and line["time"].endswith("+00:00")
