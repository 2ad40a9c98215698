"""Model files of choices: learned, asked and measured by the commands."""

import numpy as np
import pytest
from _program import harmonium

from harmonium import ChoiceRecommender, Recommender
from harmonium.recommending.opening import open_model
from harmonium.training import choices as training


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """A file of clicks without ratings: two tastes."""
    folder = tmp_path_factory.mktemp("clicks")
    rng = np.random.default_rng(1)
    rows = [
        f"u{user},i{item:02},{1 + int(rng.integers(3))}"
        for user in range(80)
        for item in rng.choice(np.arange(user % 2, 40, 2), 8, replace=False)
    ]
    (folder / "clicks.csv").write_text("\n".join(["user,item,times", *rows]) + "\n", encoding="utf-8")
    return folder / "clicks.csv"


@pytest.fixture(scope="module")
def shop(clicks):
    """A model file learned from them."""
    path = clicks.with_name("shop.harmonium")
    done = harmonium("train", clicks, "-o", path)
    assert done.code == 0, done.err
    assert "no column of ratings" in done.err
    return path


@pytest.fixture(scope="module")
def semi(films):
    """A model file of choices with hidden units and titles."""
    path = films / "semi.harmonium"
    settings = ("--model", "semi-restricted", "--n-hidden", 4, "--n-epochs", 2, "--set", "ridge=30")
    named = ("--titles", films / "movies.csv", "--at-least", 3, "--hold-out", 0.1, "--log", films / "semi.jsonl")
    done = harmonium("train", films / "ratings.csv", "-o", path, *settings, *named, "--json", "--quiet")
    assert done.code == 0, done.err
    assert done.json["model"] == "semi-restricted" and done.json["calibrated"]
    assert 0 < done.json["evaluation"]["ndcg@100"] <= 1 and done.json["bytes"] == path.stat().st_size
    return path


def test_a_file_without_ratings_makes_a_model_of_choices(shop):
    recommender = open_model(shop)
    assert isinstance(recommender, ChoiceRecommender)
    assert recommender.model.get_params()["dropout"] == 0.5 and recommender.model.calibration_ is not None
    found = harmonium("recommend", shop, "--like", "i02", "--like", "i04=2", "--json")
    assert found.code == 0, found.err
    assert all(int(place["item_id"][1:]) % 2 == 0 and 0 <= place["probability"] <= 1 for place in found.json)


def test_named_settings_reach_the_model_and_the_file_keeps_a_record(films, semi):
    recommender = ChoiceRecommender.load(semi)
    settings = recommender.model.get_params()
    assert (settings["n_hidden"], settings["n_epochs"], settings["ridge"]) == (4, 2, 30)
    record = recommender.record
    assert (record["source"], record["at_least"]) == (str(films / "ratings.csv"), 3)
    assert len(record["events"]) == len((films / "semi.jsonl").read_text(encoding="utf-8").splitlines())
    assert record["evaluation"]["n_users"] == 12


def test_it_recommends_with_titles_filters_and_reasons(semi):
    done = harmonium("recommend", semi, "--like", "matrix 1999", "--like", "alien", "--explain", "-n", 5)
    assert done.code == 0, done.err
    header, *rows = done.out.splitlines()
    assert header.split() == ["#", "Title", "Probability", "Score", "Users", "Why"] and len(rows) == 5
    assert "Matrix, The (1999) +" in done.out or "Matrix, The (1999) -" in done.out
    some = harmonium("recommend", semi, "--like", "alien", "--seen", "matrix 1999", "--genre", "Sci-Fi", "--json")
    assert [place["title"] for place in some.json] == ["Matrix Reloaded, The (2003)"]
    none = harmonium("recommend", semi, "--allow", "alien", "--deny", "alien")
    assert (none.code, none.out) == (0, "") and "no item is left" in none.err


def test_a_history_comes_from_a_file(films, semi, shop, clicks):
    one = harmonium("recommend", shop, "--history", clicks, "--user", "u3", "--json")
    assert one.code == 0, one.err
    assert all(int(place["item_id"][1:]) % 2 == 1 for place in one.json[:5])
    assert harmonium("recommend", shop, "--history", clicks).code == 2
    wrong = harmonium("recommend", semi, "--history", clicks, "--user", "u3")
    assert wrong.code == 1 and len(wrong.err.splitlines()) == 1


def test_similar_items_and_hidden_units_are_shown(shop, semi):
    alike = harmonium("similar", shop, "i02", "-n", 3, "--json")
    assert alike.code == 0, alike.err
    assert all(int(place["item_id"][1:]) % 2 == 0 for place in alike.json)
    assert "Score" in harmonium("similar", semi, "alien").out
    listed = harmonium("units", semi, "--json")
    assert listed.code == 0 and len(listed.json) == 4
    assert harmonium("units", semi, "--unit", 3).out.startswith("unit 3")
    none = harmonium("units", shop)
    assert none.code == 1 and "no hidden units" in none.err


def test_a_model_file_is_measured_on_lists(films, semi):
    two = ("--history", films / "known.csv", "--test", films / "new.csv", "--at-least", 3)
    done = harmonium("evaluate", "--model", semi, *two, "--json", "--quiet")
    assert done.code == 0, done.err
    assert done.json[0]["model"] == "SemiRestricted" and 0 < done.json[0]["capped_recall@20"] <= 1
    assert "gain" not in harmonium("evaluate", "--model", semi, *two).out.splitlines()[0]


def test_commands_about_ratings_say_why_they_do_not_answer(semi):
    for command in (("predict", semi, "alien"), ("energy", semi), ("retrain", semi)):
        done = harmonium(*command)
        assert (done.code, done.out) == (1, "") and "knows no ratings" in done.err
    assert harmonium("recommend", semi, "--dislike", "alien").code == 2


def test_weights_and_ratings_that_are_left_out(clicks, films, tmp_path):
    weighed = harmonium("train", clicks, "-o", tmp_path / "w", "--model", "gaussian", "--rating", "times", "--weights")
    assert weighed.code == 0, weighed.err
    assert ChoiceRecommender.load(tmp_path / "w").model.ridge == 500
    liked = harmonium("train", films / "ratings.csv", "-o", tmp_path / "l", "--rating", "none", "--quiet")
    assert liked.code == 0, liked.err
    assert isinstance(open_model(tmp_path / "l"), ChoiceRecommender)
    few = harmonium(
        "train", films / "ratings.csv", "-o", tmp_path / "f", "--rating", "none", "--validation-fraction", 0
    )
    assert few.code == 0 and ChoiceRecommender.load(tmp_path / "f").model.calibration_ is None
    assert "Probability" not in harmonium("recommend", tmp_path / "f", "--like", 11).out
    small = harmonium("train", films / "ratings.csv", "-o", tmp_path / "r", "--n-epochs", 1, "--n-hidden", 2, "--quiet")
    assert small.code == 0 and isinstance(open_model(tmp_path / "r"), Recommender)


def test_a_resumed_training_on_choices_equals_an_uninterrupted_one(clicks, tmp_path):
    asked = ("train", clicks, "--model", "semi-restricted", "--n-hidden", 4, "--set", "n_machines=2")
    path, checkpoint, log = tmp_path / "m", tmp_path / "c", tmp_path / "log"
    whole = harmonium(*asked, "--n-epochs", 6, "-o", path, "--checkpoint", checkpoint, "--json")
    assert whole.code == 0 and not whole.json["interrupted"], whole.err
    assert [machine["reason"] for machine in whole.json["machines"]] == ["finished"] * 2
    assert "choices 2: 72 users" in whole.err and "choices 2: finished after 6 epochs" in whole.err
    assert "epoch 5/6" in whole.err and f"checkpoint {checkpoint} written" in whole.err
    again = (*asked, "--n-epochs", 6, "-o", tmp_path / "n", "--checkpoint", checkpoint, "--log", log)
    refused = harmonium(*again)
    assert refused.code == 1 and "--resume goes on from it" in refused.err
    done = harmonium(*again, "--resume", "--quiet")
    assert done.code == 0 and not done.err
    first, second = (ChoiceRecommender.load(tmp_path / name).model.to_parts()[1] for name in ("m", "n"))
    assert all((first[name] == second[name]).all() for name in first)
    other = harmonium(*asked, "--n-epochs", 7, "-o", tmp_path / "o", "--checkpoint", checkpoint, "--resume", "--quiet")
    assert other.code == 1 and "these differ: n_epochs" in other.err and len(other.err.splitlines()) == 1


def test_a_closed_form_says_that_there_is_no_checkpoint(clicks, tmp_path):
    done = harmonium("train", clicks, "-o", tmp_path / "m", "--checkpoint", tmp_path / "c")
    assert done.code == 0 and "no checkpoint" in done.err and not (tmp_path / "c").exists()


def test_ctrl_c_while_choices_are_learned_saves_the_best_model_so_far(clicks, tmp_path, monkeypatch):
    real, calls = training.multi_prediction_step, []

    def step(*given):
        calls.append(given)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(training, "multi_prediction_step", step)
    asked = ("--model", "multinomial", "--n-hidden", 4, "--hold-out", 0.2, "--json", "--quiet")
    done = harmonium("train", clicks, "-o", tmp_path / "m", *asked)
    assert done.code == 0 and done.json["interrupted"] and done.json["calibrated"]
    assert done.err.strip() == f"interrupted: the best model so far was saved in {tmp_path / 'm'}"
    assert done.json["machines"][0]["reason"] == "interrupted" and done.json["machines"][0]["best_epoch"] == 5
    assert harmonium("recommend", tmp_path / "m", "--like", "i02").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "best"), "'best' is not one of ratings, gaussian"),
        (("--model", "popular"), "'popular' is not one of ratings"),
        (("--model", "ratings"), "no rating column"),
        (("--model", "gaussian", "--set", "rigde=1"), "rigde: gaussian has no such setting"),
        (("--model", "gaussian", "--set", "ridge"), "SETTING=VALUE"),
        (("--model", "gaussian", "--set", "ridge=-1"), "ridge"),
        (("--model", "gaussian", "--n-hidden", "5"), "n_hidden: gaussian has no such setting"),
        (("--model", "gaussian", "--at-least", "4"), "no rating column"),
        (("--model", "gaussian", "--titles", "none.csv"), "there is no such file"),
        (("--model", "gaussian", "--hold-out", "2"), "hold_out"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_writes_nothing(clicks, tmp_path, arguments, words):
    done = harmonium("train", clicks, "-o", tmp_path / "m", *arguments, "--quiet")
    assert (done.code, done.out) == (1, ""), done.err
    assert len(done.err.splitlines()) == 1 and words in done.err
    assert not (tmp_path / "m").exists()


def test_options_of_choices_are_refused_for_ratings(films, tmp_path):
    done = harmonium("train", films / "ratings.csv", "-o", tmp_path / "m", "--at-least", 4, "--quiet")
    assert done.code == 1 and "--at-least is of learning choices" in done.err
