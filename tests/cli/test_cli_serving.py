"""Serving from the command line: keys, retraining from a store, and a demo that never waits in a pipe."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from _program import harmonium, in_a_process

from harmonium import Recommender
from harmonium.serving.store import Store, open_database

SECONDS = 120


@pytest.fixture
def url(tmp_path) -> str:
    """The address of an empty store."""
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Folders of a user of whom nothing is kept yet."""
    for variable in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.delenv("HARMONIUM_STORE", raising=False)
    return tmp_path


def stored(url: str) -> Store:
    """An open store."""
    return Store(open_database(url))


def test_a_key_is_made_listed_and_revoked(url):
    made = harmonium("keys", "create", "shop", "--store", url, "--json").json
    assert made["name"] == "shop" and made["key"].startswith("hm_")
    (listed,) = harmonium("keys", "list", "--store", url, "--json").json
    assert listed["name"] == "shop" and listed["revoked_at"] is None and made["key"] not in str(listed)
    assert harmonium("keys", "revoke", listed["key_id"], "--store", url).code == 0
    again = harmonium("keys", "revoke", listed["key_id"], "--store", url)
    assert again.code == 1 and "there is no valid key" in again.err
    assert "shop" in harmonium("keys", "list", "--store", url).out


def test_keys_and_the_service_share_a_store_where_none_is_named(home):
    assert harmonium("keys", "create", "me").code == 0
    assert (home / "XDG_DATA_HOME/harmonium/store.db").exists()


def test_retraining_learns_new_users_and_says_when_there_is_nothing_new(films, model, url, tmp_path):
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    store = stored(url)
    for item in range(18, 40):
        store.put("some new ☃ user", item, 5.0 if item % 2 else 0.5)
    store.put("1", 13, None)
    arguments = ("retrain", place, films / "known.csv", "--store", url, "--json", "--quiet")
    before = Recommender.load(place)
    done = harmonium(*arguments)
    assert done.code == 0, done.err
    after = Recommender.load(place)
    assert done.json["n_stored"] == 23
    assert after.machine.fitted_model.level_counts.sum() >= before.machine.fitted_model.level_counts.sum() + 20
    assert after.machine.get_params() == before.machine.get_params() and after.titles == before.titles
    assert harmonium(*arguments).json["n_ratings"] is None
    store.put("1", 13, 4.0)
    assert harmonium(*arguments).json["n_stored"] == 23
    store.database.close()


def test_retraining_that_cannot_be_done_leaves_the_model_as_it_was(films, model, url, tmp_path):
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    store = stored(url)
    store.put("ann", 13, 4.0)
    store.database.close()
    content = place.read_bytes()
    for source in (tmp_path / "no such file.csv", "movielens-tiny"):
        done = harmonium("retrain", place, source, "--store", url)
        assert done.code == 1 and "no such file" in done.err
    done = harmonium("retrain", place, films / "known.csv", "--store", url, "--scale", "1:5")
    assert done.code == 1 and place.read_bytes() == content


def test_a_model_remembers_what_was_held_out(films, tmp_path):
    path = tmp_path / "kept.harmonium"
    small = ("--n-hidden", "4", "--n-epochs", "2", "--quiet")
    done = harmonium("train", films / "ratings.csv", "-o", path, "--hold-out", "0.2", *small)
    assert done.code == 0, done.err
    record = Recommender.load(path).record
    assert record is not None
    assert record["evaluation"]["protocol"].startswith("20 %") and record["evaluation"]["model"]["n"] == 480
    assert {event["kind"] for event in record["events"]} == {"began", "epoch", "ended"}
    assert sum(record["free_energies"]["surprise_per_rating"]["counts"]) == record["free_energies"]["n_users"] == 120
    assert harmonium("train", films / "ratings.csv", "-o", path, "--force", "--hold-out", "1.5", *small).code == 1


def test_the_demo_serves_nothing_in_a_pipe_but_says_how_to(home):
    command = in_a_process("demo", "--serve", "--n-epochs", "1", "--n-hidden", "4")
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=True, stdin=subprocess.DEVNULL
    )
    model = re.search(r"to see the machine think: harmonium serve (\S+)", done.stderr)
    assert model and Path(model[1]).is_file()


def test_the_service_trains_a_model_where_none_is_named_and_answers(home):
    (home / "XDG_CACHE_HOME/harmonium").mkdir(parents=True)
    first = harmonium("demo", "-q", "--n-epochs", "1", "--n-hidden", "4", "--serve")  # in place of the full size
    assert first.code == 0, first.err
    command = in_a_process("serve", "--port", "0", "--no-open", "--log-format", "text")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        address = next(line for line in service.stderr if line.startswith("http://")).split()[0]
        with urllib.request.urlopen(f"{address}api/v1/model", timeout=SECONDS) as answer:
            found = json.load(answer)
        service.terminate()
        service.stderr.read()
    assert found["has_record"] and found["n_hidden"] == 4
    assert service.returncode == 0


def test_what_cannot_be_served_is_said_in_one_line(model, url, tmp_path):
    for arguments, message in (
        (("no.harmonium",), "there is no such file"),
        ((model, "--reading", "perhaps"), "'perhaps' is not one of open, closed"),
        ((model, "--host", "256.0.0.1"), "cannot be listened on"),
        ((model, "--store", "mysql://a/b"), "neither sqlite nor postgresql"),
        ((model, "--page", tmp_path), "holds no index.html"),
    ):
        done = harmonium("serve", "--port", "0", "--store", url, *arguments)
        assert done.code == 1 and message in done.err and done.err.count("\n") == 1, done.err


def test_without_the_serving_packages_the_command_says_what_to_install(model):
    blocked = "import sys; sys.modules['fastapi'] = None; from harmonium.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", blocked, "serve", str(model)],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "pip install 'harmonium[serve]'" in done.stderr
