"""harmonium train from shards on disk."""

import os
import signal
import subprocess

import polars as pl
import pytest
from _program import SMALL, harmonium, in_a_process

from harmonium import Recommender
from harmonium.cli import streaming
from harmonium.data.stored import StoredRatings

STREAM = ("--stream", "--shard-ratings", "700")


@pytest.fixture(scope="module")
def shards(films, tmp_path_factory):
    """The films' ratings in three Parquet files."""
    folder = tmp_path_factory.mktemp("parquet")
    rows = pl.read_csv(films / "ratings.csv")
    for k in range(3):
        rows[k::3].write_parquet(folder / f"part-{k}.parquet")
    return folder


def test_files_a_pattern_and_a_folder_are_the_same_ratings(shards, tmp_path):
    found = []
    for k, source in enumerate(([*sorted(shards.iterdir())], [shards / "*.parquet"], [shards])):
        path = tmp_path / f"{k}.harmonium"
        done = harmonium("train", *source, "-o", path, *SMALL, *STREAM, "--quiet", "--json")
        assert done.code == 0, done.err
        assert (done.json["n_users"], done.json["n_ratings"], done.json["n_shards"]) == (120, 2400, 4)
        found.append(harmonium("predict", path, "id:14", "--like", "id:11", "--json").json)
    assert found[0] == found[1] == found[2]


def test_one_shard_writes_the_model_that_memory_does(films, shards, tmp_path):
    answers = []
    for name, more in (("memory", ()), ("shard", ("--stream",))):
        path = tmp_path / name
        done = harmonium("train", shards, "-o", path, *SMALL, "--quiet", *more)
        assert done.code == 0, done.err
        answers.append(harmonium("predict", path, "id:14", "id:30", "--like", "id:11", "--json").json)
    assert answers[0] == answers[1]


def test_shards_are_gone_when_the_model_is_there_and_their_room_was_said(shards, tmp_path):
    done = harmonium("train", shards, "-o", tmp_path / "m", *SMALL, *STREAM)
    assert done.code == 0, done.err
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    lines = done.err.splitlines()
    said = next(k for k, line in enumerate(lines) if "GB in" in line)
    assert said < next(k for k, line in enumerate(lines) if line.startswith("reading: 2,400 ratings (100 %)"))
    assert any(line.startswith("sorting by item: 2,400 ratings (100 %)") for line in lines)


def test_a_named_folder_keeps_the_shards_and_is_not_sorted_again(shards, tmp_path):
    work = tmp_path / "work"
    first = harmonium("train", shards, "-o", tmp_path / "a", *SMALL, "--work", work)
    again = harmonium("train", shards, "-o", tmp_path / "b", *SMALL, "--work", work)
    assert "reading: 2,400" in first.err and "reading: 2,400" not in again.err
    assert StoredRatings(work).n_ratings == 2400


def test_a_resumed_stream_equals_an_uninterrupted_one(shards, tmp_path):
    settings = ("--n-hidden", "4", "--n-epochs", "4", "--patience", "0", "--quiet", *STREAM)
    checkpoint = ("--checkpoint", tmp_path / "checkpoint")
    harmonium("train", shards, "-o", tmp_path / "whole", *settings)
    harmonium("train", shards, "-o", tmp_path / "part", *settings, *checkpoint)
    again = harmonium("train", shards, "-o", tmp_path / "part", *settings, *checkpoint, "--resume", "--force")
    assert again.code == 0, again.err
    answers = [
        harmonium("predict", tmp_path / name, "id:14", "--like", "id:11", "--json").json for name in ("whole", "part")
    ]
    assert answers[0] == answers[1]


def test_ratings_that_memory_does_not_hold_are_streamed_unasked(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "available_bytes", lambda: 50_000)
    done = harmonium("train", shards, "-o", tmp_path / "m", *SMALL)
    assert done.code == 0, done.err
    assert "2,400 ratings need about" in done.err and "streamed from shards" in done.err
    held = harmonium("train", shards, "-o", tmp_path / "n", *SMALL, "--no-stream")
    assert held.code == 0 and "streamed" not in held.err


def test_a_killed_run_leaves_nothing_that_a_later_one_trips_over(shards, tmp_path):
    """SIGINT while shards are made ends it with 130; what a SIGKILL leaves is cleared away."""
    work = tmp_path / "work"
    work.mkdir()
    (work / ".users.abc123").mkdir()
    done = harmonium("train", shards, "-o", tmp_path / "m", *SMALL, "--work", work, "--quiet")
    assert done.code == 0, done.err
    assert not any(path.name.startswith(".") for path in work.iterdir())


def test_ctrl_c_while_learning_from_shards_keeps_what_was_learnt(shards, tmp_path):
    command = in_a_process(
        "train", shards, "-o", tmp_path / "m", "--n-hidden", "4", "--n-epochs", "100000", "--patience", "0",
        "--cases", "users", *STREAM,
    )  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("users epoch 3/"):
                os.kill(process.pid, signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 0, rest
    assert "interrupted: the best model so far was saved" in rest
    assert Recommender.load(tmp_path / "m").n_units == 4
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--no-stream", "--work", "w"), "--work"),
        (("--stream", "--hold-out", "0.1"), "evaluate --model"),
        (("--stream", "--shard-ratings", "0"), "shard_ratings"),
        (("--stream", "--path", "x"), "--path"),
    ],
)
def test_what_does_not_go_together_is_said(shards, tmp_path, arguments, words):
    done = harmonium("train", shards, "-o", tmp_path / "m", "--quiet", *arguments)
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert words in done.err
    assert not list(tmp_path.iterdir())


def test_a_data_set_is_not_streamed(tmp_path):
    done = harmonium("train", "movielens-small", "-o", tmp_path / "m", "--stream")
    assert done.code == 1 and "known data set" in done.err


def test_a_folder_of_other_things_is_not_taken_for_shards(shards, tmp_path):
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    done = harmonium("train", shards, "-o", tmp_path / "m", *SMALL, "--work", tmp_path)
    assert done.code == 1 and "letter.txt" in done.err
    assert (tmp_path / "letter.txt").exists()


def test_a_wrong_rating_in_the_third_file_names_file_and_row(shards, tmp_path):
    rows = pl.read_parquet(shards / "part-2.parquet")
    wrong = rows.with_columns(rating=pl.when(pl.arange(len(rows)) == 17).then(7.0).otherwise(pl.col("rating")))
    for k in range(2):
        (tmp_path / f"part-{k}.parquet").write_bytes((shards / f"part-{k}.parquet").read_bytes())
    wrong.write_parquet(tmp_path / "part-2.parquet")
    done = harmonium("train", tmp_path, "-o", tmp_path / "m", *SMALL, *STREAM, "--quiet", "--scale", "0.5:5:0.5")
    assert done.code == 1
    assert "part-2.parquet, row 18" in done.err and "rating 7 is not on the scale" in done.err
    assert len(list(tmp_path.iterdir())) == 3
