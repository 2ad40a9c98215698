"""train, evaluate, demo and data describe."""

import json

import pytest
from _program import SMALL, harmonium

from harmonium import Recommender
from harmonium.errors import DivergenceError
from harmonium.estimators.rating_rbm import RatingRBM


def test_train_writes_a_model_that_loads(films, tmp_path):
    path = tmp_path / "new.harmonium"
    done = harmonium("train", films / "ratings.csv", "-o", path, *SMALL, "--cases", "users", "--json")
    assert done.code == 0
    assert (done.json["n_users"], done.json["interrupted"]) == (120, False)
    machine = Recommender.load(path).machine
    assert (machine.n_hidden, machine.n_epochs, machine.cases) == (4, 3, "users")


def test_train_tells_an_epoch_a_line_where_there_is_no_terminal(films, tmp_path):
    done = harmonium("train", films / "ratings.csv", "-o", tmp_path / "m", *SMALL, "--cases", "users")
    assert sum(line.startswith("users epoch ") for line in done.err.splitlines()) == 3
    assert "\x1b" not in done.err


def test_quiet_training_says_nothing_on_stderr(films, tmp_path):
    assert harmonium("train", films / "ratings.csv", "-o", tmp_path / "m", *SMALL, "--quiet").err == ""


def test_the_log_holds_every_event(films, tmp_path):
    log = tmp_path / "events.jsonl"
    harmonium("train", films / "ratings.csv", "-o", tmp_path / "m", *SMALL, "--cases", "users", "--log", log)
    kinds = [json.loads(line)["kind"] for line in log.read_text(encoding="utf-8").splitlines()]
    assert kinds == ["began", "epoch", "epoch", "epoch", "ended"]


def test_the_log_of_a_resumed_training_goes_on(films, tmp_path):
    paths = ("-o", tmp_path / "m", "--checkpoint", tmp_path / "checkpoint", "--log", tmp_path / "events.jsonl")
    harmonium("train", films / "ratings.csv", *paths, *SMALL, "--quiet")
    before = (tmp_path / "events.jsonl").read_text(encoding="utf-8")
    (tmp_path / "m").unlink()
    assert harmonium("train", films / "ratings.csv", *paths, *SMALL, "--quiet", "--resume").code == 0
    assert (tmp_path / "events.jsonl").read_text(encoding="utf-8").startswith(before)


def test_an_existing_file_is_replaced_only_by_force(films, tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("precious", encoding="utf-8")
    refused = harmonium("train", films / "ratings.csv", "-o", path, *SMALL)
    assert refused.code == 1 and "--force" in refused.err
    assert path.read_text(encoding="utf-8") == "precious"
    assert harmonium("train", films / "ratings.csv", "-o", path, *SMALL, "--force").code == 0
    assert Recommender.load(path).n_units == 4


def test_a_resumed_training_equals_an_uninterrupted_one(films, tmp_path):
    settings = ("--n-hidden", "4", "--n-epochs", "4", "--cases", "users", "--patience", "0", "--quiet")
    whole, part, checkpoint = (tmp_path / name for name in ("whole", "part", "checkpoint"))
    harmonium("train", films / "ratings.csv", "-o", whole, *settings)
    harmonium("train", films / "ratings.csv", "-o", part, *settings, "--checkpoint", checkpoint)
    again = harmonium(
        "train", films / "ratings.csv", "-o", part, *settings, "--checkpoint", checkpoint, "--resume", "--force"
    )
    assert again.code == 0, again.err
    answers = [harmonium("predict", path, "id:14", "--like", "id:11", "--json").json for path in (whole, part)]
    assert answers[0] == answers[1]


def test_a_checkpoint_is_not_overwritten_unasked(films, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.write_bytes(b"days of work")
    done = harmonium("train", films / "ratings.csv", "-o", tmp_path / "m", *SMALL, "--checkpoint", checkpoint)
    assert done.code == 1 and "--resume" in done.err
    assert checkpoint.read_bytes() == b"days of work"


def test_resuming_without_a_checkpoint_is_a_usage_error(films, tmp_path):
    assert harmonium("train", films / "ratings.csv", "-o", tmp_path / "m", "--resume").code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--n-hidden", "0"), ("n_hidden", "0")),
        (("--method", "magic"), ("method", "magic")),
        (("--n-steps", "1,x"), ("n_steps", "1,x")),
        (("--scale", "1:3"), ("line", "1 to 3")),
        (("--scale", "tall"), ("tall", "0.5:5:0.5")),
        (("--user", "who"), ("who", "userId")),
        (("--titles", "none.csv"), ("none.csv",)),
        (("--path", "somewhere"), ("--path",)),
        (("--log", "nowhere/events.jsonl"), ("nowhere",)),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(films, tmp_path, arguments, words):
    path = tmp_path / "m"
    done = harmonium("train", films / "ratings.csv", "-o", path, "--quiet", *arguments)
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1
    assert all(word in done.err for word in words)
    assert not path.exists()


@pytest.mark.parametrize(("source", "words"), [("movielens", "movielens-small"), ("ml-20m", "--path")])
def test_a_source_that_is_not_there_says_what_there_is(tmp_path, source, words):
    done = harmonium("train", source, "-o", tmp_path / "m")
    assert done.code == 1 and words in done.err


def test_a_folder_that_is_not_there_fails_before_the_ratings_are_read(tmp_path):
    done = harmonium("train", tmp_path / "none.csv", "-o", tmp_path / "no" / "m.harmonium")
    assert done.code == 1 and "there is no folder" in done.err


def test_columns_and_scale_can_be_named(films, tmp_path):
    path = tmp_path / "odd.csv"
    rows = [f"{user};{item};{1 + (user + item) % 3}" for user in range(30) for item in range(10)]
    path.write_text("\n".join(["who;what;how", *rows]), encoding="utf-8")
    named = ("--user", "who", "--item", "1", "--rating", "how", "--time", "none", "--scale", "1,2,3")
    done = harmonium("data", "describe", path, *named, "--json")
    assert done.json["scale"] == "1 to 3"
    assert sum(done.json["levels"].values()) == done.json["n_ratings"] == 300


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("like", (0, 1)),
        ("1:5", (1, 2, 3, 4, 5)),
        ("0.5:2:0.5", (0.5, 1, 1.5, 2)),
        ("1,2,7", (1, 2, 7)),
        ("buckets:1,5", (1, 5)),
    ],
)
def test_a_scale_is_read_in_five_ways(text, levels):
    from harmonium.cli.reading import scale_of

    assert scale_of(text).levels == levels


def test_data_describe_counts_the_bundled_ratings():
    done = harmonium("data", "describe", "movielens-small", "--json").json
    assert (done["n_users"], done["n_items"], done["n_ratings"]) == (610, 9724, 100836)
    assert done["first"].startswith("1996") and done["last"].startswith("2018")
    assert "GroupLens" in harmonium("data", "describe", "movielens-small").out


def test_options_of_a_file_do_not_go_with_a_data_set():
    done = harmonium("data", "describe", "movielens-small", "--scale", "1:5")
    assert done.code == 1 and "--scale" in done.err


@pytest.mark.parametrize("protocol", ["random", "per-user", "time", "last-n", "strong"])
def test_evaluate_learns_afresh_under_every_protocol(films, protocol):
    done = harmonium("evaluate", films / "ratings.csv", "--protocol", protocol, *SMALL, "--quiet", "--json")
    assert done.code == 0, done.err
    assert 0 < done.json["model"]["rmse"] < 2
    assert set(done.json["baselines"]) == {"popularity", "bias"}


def test_evaluate_measures_a_model_on_parts(films, model):
    parts = ("--history", films / "known.csv", "--test", films / "new.csv")
    found = harmonium("evaluate", "--model", model, *parts, "--json").json
    assert found["model"]["n"] == len((films / "new.csv").read_text(encoding="utf-8").splitlines()) - 1
    table = harmonium("evaluate", "--model", model, *parts, "--markdown").out.splitlines()
    assert len(table) == 7
    assert all(line.startswith("|") and line.endswith("|") for line in table)
    assert len(harmonium("evaluate", "--model", model, *parts).out.splitlines()) == 7


def test_evaluate_refuses_ratings_that_the_model_learned_from(films, model):
    done = harmonium("evaluate", "--model", model, "--history", films / "new.csv", "--test", films / "known.csv")
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--model", "m"),
        ("ratings.csv", "--model", "m", "--history", "h", "--test", "t"),
        ("--model", "m", "--history", "h", "--test", "t", "--n-hidden", "3"),
        ("ratings.csv", "--test", "t"),
    ],
)
def test_the_two_forms_of_evaluate_do_not_mix(arguments):
    assert harmonium("evaluate", *arguments).code == 2


def test_an_unknown_protocol_lists_the_known_ones(films):
    done = harmonium("evaluate", films / "ratings.csv", "--protocol", "magic")
    assert done.code == 1 and "last-n" in done.err


def test_an_interruption_before_any_epoch_leaves_nothing(films, tmp_path, monkeypatch):
    def interrupted(self, ratings, **options):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(RatingRBM, "fitting", interrupted)
    done = harmonium("train", films / "ratings.csv", "-o", tmp_path / "m", "--quiet")
    assert done.code == 130
    assert list(tmp_path.iterdir()) == []


def test_a_divergence_without_any_model_is_an_error(films, tmp_path, monkeypatch):
    def diverged(self, ratings, **options):
        raise DivergenceError("learning diverged in the first epoch: try 0.002")
        yield

    monkeypatch.setattr(RatingRBM, "fitting", diverged)
    done = harmonium("train", films / "ratings.csv", "-o", tmp_path / "m", "--quiet")
    assert done.code == 1
    assert "try 0.002" in done.err


def test_an_unexpected_error_asks_for_a_report_and_hides_the_traceback(films, tmp_path, monkeypatch):
    def broken(self, ratings, **options):
        raise ZeroDivisionError("by nothing")
        yield

    monkeypatch.setattr(RatingRBM, "fitting", broken)
    done = harmonium("train", films / "ratings.csv", "-o", tmp_path / "m", "--quiet")
    assert done.code == 1
    assert "report" in done.err and "ZeroDivisionError" in done.err and len(done.err.splitlines()) == 1
    monkeypatch.setenv("HARMONIUM_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        harmonium("train", films / "ratings.csv", "-o", tmp_path / "m", "--quiet")


def test_the_demo_measures_recommends_and_names_the_terms(tmp_path):
    path = tmp_path / "demo.harmonium"
    done = harmonium("demo", "--n-hidden", "4", "--n-epochs", "1", "-o", path)
    assert done.code == 0, done.err
    assert done.out.count("Someone likes") == 3
    for word in ("popularity", "unit", "GroupLens"):
        assert word in done.out
    assert "harmonium recommend" in done.err
    assert Recommender.load(path).n_units == 4


def test_the_demo_prints_json():
    found = harmonium("demo", "--n-hidden", "4", "--n-epochs", "1", "--cases", "users", "--quiet", "--json").json
    assert len(found["recommendations"]) == 3
    assert all(len(listed) == 5 for listed in found["recommendations"].values())
    assert found["evaluation"]["model"]["n"] == 10_083
