"""Serving from the command line: keys, retraining from a store, and a demo that never waits in a pipe."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from _program import SMALL, harmonium, in_a_process

from harmonium import Recommender
from harmonium.cli import recording
from harmonium.cli.opening import default_model, program, ready_folder
from harmonium.cli.serve import bundled_model
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


def fill(store: Store, n_users: int, first: int = 0) -> int:
    """Store ratings of people with the small world's two tastes; how many."""
    for user in range(first, first + n_users):
        for item in range(18, 34):
            store.put(f"new ☃ {user}", item, 4.5 if item % 2 == user % 2 else 1.5)
    return 16 * n_users


def test_retraining_goes_on_from_the_model_again_and_again(films, model, url, tmp_path):
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    store, arguments = stored(url), ("retrain", place, films / "known.csv", "--store", url, "--json", "--quiet")
    before = Recommender.load(place)
    n = fill(store, 3)
    store.put("1", 13, None)
    done = harmonium(*arguments)
    assert done.code == 0, done.err
    assert done.json["how"] == "going on" and done.json["n_stored"] == n + 1
    after = Recommender.load(place)
    assert after.machine.get_params() == before.machine.get_params() and after.titles == before.titles
    old, new = before.machine.fitted_model, after.machine.fitted_model
    assert new.level_counts.sum() == done.json["n_ratings"] > old.level_counts.sum()
    assert new.items.rbm.n_visible == old.items.rbm.n_visible + 3
    assert new.blend == old.blend  # what was calibrated on held-out ratings stays
    assert np.corrcoef(old.users.W.ravel(), new.users.W.ravel())[0, 1] > 0.9
    assert harmonium(*arguments).json["how"] == "nothing new"
    fill(store, 2, first=3)
    store.forget("new ☃ 0")
    again = harmonium(*arguments)
    assert again.code == 0, again.err
    last = Recommender.load(place)
    assert last.machine.fitted_model.items.rbm.n_visible == old.items.rbm.n_visible + 5
    assert len(last.record["store_users"]) == 5 and "new" not in str(last.record["store_users"])
    store.database.close()


def test_retraining_from_scratch_learns_the_same_people(films, model, url, tmp_path):
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    store = stored(url)
    fill(store, 3)
    full = ("retrain", place, films / "known.csv", "--store", url, "--json", "--quiet", "--full", "--hold-out", "0.1")
    done = harmonium(*full)
    assert done.code == 0 and done.json["how"] == "from scratch", done.err
    learnt = Recommender.load(place)
    assert learnt.record["evaluation"]["model"]["n"] > 100
    store.put("new ☃ 0", 40, 1.0)
    store.database.close()
    on = harmonium("retrain", place, films / "known.csv", "--store", url, "--json", "--quiet")
    assert on.code == 0 and on.json["how"] == "going on", on.err
    assert "the evaluation is of the model before" in Recommender.load(place).record["retrained"]


@pytest.mark.parametrize("command", ["train", "retrain"])
def test_a_model_with_choices_is_judged_on_ratings_that_neither_machine_learned_from(
    films, model, url, tmp_path, command, monkeypatch
):
    asked, real = [], recording.evaluate

    def measured(estimator, known, held, **how):
        asked.append((known, held))
        return real(estimator, known, held, **how)

    monkeypatch.setattr(recording, "evaluate", measured)
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    how = ("--hold-out", "0.3", "--json", "--quiet")
    if command == "train":
        done = harmonium("train", films / "known.csv", "-o", place, *SMALL, "--force", *how)
    else:
        store = stored(url)
        fill(store, 30)
        store.database.close()
        done = harmonium("retrain", place, films / "known.csv", "--store", url, "--full", *how)
    assert done.code == 0, done.err
    learnt, ((known, held),) = Recommender.load(place), asked
    assert held.n_ratings == pytest.approx(0.3 * (known.n_ratings + held.n_ratings), abs=1)
    assert learnt.record["evaluation"]["model"]["n"] == held.n_ratings and learnt.record["evaluation"]["leak_checked"]
    assert not set(zip(known.user_of(), known.item)) & set(zip(held.user_of(), held.item))
    chosen = np.bincount(known.item, minlength=known.n_items)
    assert (chosen != np.bincount(np.r_[known.item, held.item], minlength=known.n_items)).any()
    items = learnt.items.indices(learnt.choices.items_.ids)
    assert learnt.choices.popularity_.tolist() == chosen[items].tolist()  # what was held out counts nowhere
    assert learnt.machine.fitted_model.n_item_ratings.tolist() == chosen.tolist()


def test_retraining_on_new_ratings_alone_is_kept_only_if_it_predicts_better(films, model, url, tmp_path):
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    store, arguments = stored(url), ("retrain", place, "--store", url, "--new-only", "--json", "--quiet")
    fill(store, 1)
    few = harmonium(*arguments)
    assert few.code == 1 and "50 are needed" in few.err
    for user in range(40):  # people whose taste is another than the model's: they like what is rated low there
        for item in range(18, 34):
            store.put(f"other {user}", item, 5.0 if item < 26 else 0.5)
    before = Recommender.load(place)
    done = harmonium(*arguments)
    assert done.code == 0 and done.json["how"] == "new ratings alone", done.err
    after = Recommender.load(place)
    old, new = before.machine.fitted_model, after.machine.fitted_model
    assert new.level_counts.sum() == old.level_counts.sum() + 41 * 16
    assert np.array_equal(new.items.hidden, old.items.hidden) and not np.array_equal(new.users.W, old.users.W)
    store.database.close()
    content = place.read_bytes()
    worse = harmonium(*arguments, "--force", "--epochs", "1000")
    assert worse.code == 0 and (worse.json["how"] == "not better") == (place.read_bytes() == content)


def test_a_retraining_that_is_killed_leaves_the_old_model_and_the_next_one_works(films, model, url, tmp_path):
    place = Path(shutil.copy(model, tmp_path / "films.harmonium"))
    store = stored(url)
    fill(store, 3)
    store.database.close()
    content = place.read_bytes()
    command = in_a_process("retrain", place, films / "known.csv", "--store", url, "--epochs", "100000")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as learning:
        assert learning.stderr is not None
        assert any("going on from the model" in line for line in learning.stderr)
        learning.kill()
    assert place.read_bytes() == content
    assert harmonium("retrain", place, films / "known.csv", "--store", url, "--quiet").code == 0
    assert place.read_bytes() != content


def test_retraining_says_which_options_exclude_each_other(films, model, url):
    for options, message in (
        (("--full", "--new-only"), "exclude each other"),
        (("--hold-out", "0.1"), "goes with --full"),
    ):
        done = harmonium("retrain", model, films / "known.csv", "--store", url, *options)
        assert done.code == 1 and message in done.err


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
    done = harmonium("retrain", place, films / "new.csv", "--store", url)
    assert done.code == 1 and "not the ratings that the model was made of" in done.err
    assert place.read_bytes() == content


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
    model = re.search(r"to see the machine think: \S+ serve (\S+)", done.stderr)
    assert model and Path(model[1]).is_file()


def test_a_kept_model_that_cannot_be_read_is_learned_anew(home, monkeypatch):
    kept = ready_folder(default_model())
    kept.write_bytes(b"of another version")
    anew = SimpleNamespace(save=lambda path: path.write_bytes(b"anew"))
    monkeypatch.setattr("harmonium.cli.demo.learned", lambda settings, quiet: (anew, None))
    assert bundled_model() == kept and kept.read_bytes() == b"anew"


@pytest.mark.parametrize(("found", "typed"), [("/usr/bin/harmonium", "harmonium"), (None, ".venv/bin/harmonium")])
def test_what_is_to_be_typed_is_what_the_shell_finds(monkeypatch, found, typed):
    monkeypatch.setattr("shutil.which", lambda name: found)
    monkeypatch.setattr("sys.argv", [".venv/bin/harmonium", "demo"])
    assert program() == typed


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
