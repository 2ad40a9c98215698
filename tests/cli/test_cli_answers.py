"""recommend, predict, similar, units and energy, on a small model."""

import json

import pytest
from _program import harmonium


def test_recommend_lists_as_many_as_asked_and_not_what_was_rated(model):
    found = harmonium("recommend", model, "--like", "matrix 1999", "-n", "7", "--json").json
    assert len(found) == 7
    assert "Matrix, The (1999)" not in [item["title"] for item in found]
    assert [item["rank"] for item in found] == list(range(1, 8))


def test_recommend_prints_a_line_an_item(model):
    done = harmonium("recommend", model, "--like", "alien", "-n", "3")
    assert done.code == 0
    assert len(done.out.splitlines()) == 4
    assert "\x1b" not in done.out + done.err


def test_someone_without_a_history_gets_a_list_too(model):
    assert len(harmonium("recommend", model, "--json").json) == 10


def test_a_title_in_brackets_is_printed_as_it_is(model):
    assert "[REC] (2007)" in harmonium("recommend", model, "--allow", "rec").out


def test_likes_and_dislikes_are_the_ends_of_the_scale(model):
    spelled = harmonium("predict", model, "--like", "alien=5", "--like", "titanic 1997=0.5", "toy story", "--json")
    short = harmonium("predict", model, "--like", "alien", "--dislike", "titanic 1997", "toy story", "--json")
    assert short.json == spelled.json


def test_a_rating_after_the_title_counts(model):
    five, one = (harmonium("predict", model, "--like", f"alien={r}", "film 19", "--json").json for r in (5, 1))
    assert five[0]["rating"] != one[0]["rating"]


def test_seen_without_a_rating_is_not_recommended(model):
    found = harmonium("recommend", model, "--seen", "toy story", "-n", "39", "--json").json
    assert len(found) == 39
    assert "Toy Story (1995)" not in [item["title"] for item in found]


def test_an_id_works_where_a_title_does(model):
    by_id, by_title = (harmonium("predict", model, text, "--json").json for text in ("id:15", "titanic 1997"))
    assert by_id == by_title


def test_the_history_can_come_from_a_file(model, films, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("user,item,rating\nann,13,5\nann,14,\nbob,15,1\n", encoding="utf-8")
    from_file = harmonium("predict", model, "--history", path, "--user", "ann", "film 20", "--json")
    typed = harmonium("predict", model, "--like", "alien", "--seen", "toy story", "film 20", "--json")
    assert from_file.json == typed.json


def test_filters_leave_only_what_fits(model):
    romances = harmonium("recommend", model, "--genre", "Romance", "--json").json
    assert [item["title"] for item in romances] == ["Titanic (1997)"]
    old = harmonium("recommend", model, "--year-to", "1979", "--json").json
    assert old and all(item["year"] <= 1979 for item in old)
    denied = harmonium("recommend", model, "-n", "40", "--deny", "alien", "--json").json
    assert "Alien (1979)" not in [item["title"] for item in denied]


def test_filters_that_leave_nothing_say_so(model):
    done = harmonium("recommend", model, "--year-from", "2030")
    assert (done.code, done.out) == (0, "")
    assert "loosen" in done.err
    assert harmonium("recommend", model, "--year-from", "2030", "--json").json == []


def test_explain_names_the_ratings_that_speak(model):
    found = harmonium("recommend", model, "--like", "alien", "--explain", "-n", "2", "--json").json
    assert [reason["title"] for reason in found[0]["explanation"]["reasons"]] == ["Alien (1979)"]
    assert "Why" in harmonium("recommend", model, "--like", "alien", "--explain").out


def test_predict_prints_the_whole_distribution(model):
    done = harmonium("predict", model, "--like", "alien", "toy story", "titanic 1997")
    assert done.out.count("expected") == 2
    assert [line.split()[0] for line in done.out.splitlines()[2:12]] == [
        "5",
        "4.5",
        "4",
        "3.5",
        "3",
        "2.5",
        "2",
        "1.5",
        "1",
        "0.5",
    ]
    found = harmonium("predict", model, "toy story", "--json").json[0]
    assert sum(found["probabilities"]) == pytest.approx(1, abs=1e-5)


def test_similar_leaves_the_item_itself_out(model):
    found = harmonium("similar", model, "alien", "-n", "5", "--json").json
    assert len(found) == 5
    assert "Alien (1979)" not in [item["title"] for item in found]
    assert len(harmonium("similar", model, "alien", "-n", "5").out.splitlines()) == 6


def test_units_lists_all_or_shows_one(model):
    assert len(harmonium("units", model, "--json").json) == 4
    assert len(harmonium("units", model).out.splitlines()) == 5
    one = harmonium("units", model, "--unit", "2", "-n", "3", "--json").json
    assert one["unit"] == 2
    assert len(one["positive"]) <= 3
    assert "unit 2" in harmonium("units", model, "--unit", "2").out


def test_energy_weighs_a_history(model):
    found = harmonium("energy", model, "--like", "alien", "--dislike", "toy story", "--json").json
    assert isinstance(found["free_energy"], float)
    assert len(found["hidden"]) == 4
    assert "hidden units are more on than off" in harmonium("energy", model, "--like", "alien").out


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("titanic", ("Titanic (1997)", "Titanic (1953)")),
        ("matrx", ("Matrix, The (1999)",)),
        ("id:999", ("999", "50")),
        ("id:alien", ("'alien'",)),
        ("alien=nan", ("nan", "0.5 to 5")),
    ],
)
def test_an_unclear_item_is_an_error_that_names_what_is_near(model, typed, answer):
    done = harmonium("recommend", model, "--like", typed)
    assert done.code == 1
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("error: ")
    assert all(text in done.err for text in answer)


def test_a_rating_off_the_scale_is_an_error_with_the_scale(model):
    done = harmonium("recommend", model, "--like", "alien=9")
    assert (done.code, done.out) == (1, "")
    assert "9" in done.err and "0.5 to 5" in done.err


@pytest.mark.parametrize("content", [None, b"", b"no model", json.dumps({"format": "other"}).encode()])
def test_a_missing_or_foreign_model_file_is_one_line(tmp_path, content):
    path = tmp_path / "other.harmonium"
    if content is not None:
        path.write_bytes(content)
    done = harmonium("recommend", path)
    assert done.code == 1
    assert len(done.err.splitlines()) == 1 and "other.harmonium" in done.err


def test_a_history_without_its_user_is_a_usage_error(model, films):
    assert harmonium("recommend", model, "--history", films / "known.csv").code == 2


def test_a_user_whom_the_file_does_not_have_is_named(model, films):
    done = harmonium("recommend", model, "--history", films / "known.csv", "--user", "100000")
    assert done.code == 1
    assert "100000" in done.err
