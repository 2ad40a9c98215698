"""The commands about choices: evaluate under their protocols, compare, tune."""

import pytest
from _program import harmonium

SMALL_TASK = ("--held-out", 20, "--quiet")


def test_compare_prints_a_row_a_model_with_errors_time_and_memory(films):
    done = harmonium("compare", films / "ratings.csv", "--models", "popular,gaussian", *SMALL_TASK)
    assert done.code == 0, done.err
    header, *rows = done.out.splitlines()
    assert all(word in header for word in ("Model", "ndcg@100", "gain", "learning", "peak GB"))
    assert [row.split()[0] for row in rows] == ["popular", "gaussian"]


def test_compare_prints_json_and_markdown(films):
    models = ("--models", "item-knn,multinomial", "--set", "multinomial.n_epochs=2", "--set", "multinomial.n_hidden=4")
    done = harmonium("compare", films / "ratings.csv", *models, *SMALL_TASK, "--json")
    assert done.code == 0, done.err
    assert [row["model"] for row in done.json] == ["item-knn", "multinomial"]
    assert done.json[1]["ndcg@100_gain_se"] > 0 and done.json[1]["seconds_learning"] > 0
    marked = harmonium("compare", films / "ratings.csv", "--models", "popular", *SMALL_TASK, "--markdown")
    assert marked.out.startswith("| Model |")


@pytest.mark.parametrize("protocol", ["vae-cf", "leave-last", "global-time"])
def test_evaluate_measures_ranked_lists_under_a_protocol_of_choices(films, protocol):
    done = harmonium("evaluate", films / "ratings.csv", "--protocol", protocol, *SMALL_TASK, "--json")
    assert done.code == 0, done.err
    assert done.json[0]["model"] == "gaussian" and done.json[0]["seconds_ranking"] > 0


def test_the_lightgcn_protocol_takes_two_files(films):
    both = films / "known.csv", "--protocol", "lightgcn", "--models", "gaussian", "--quiet"
    done = harmonium("compare", *both, "--test", films / "new.csv", "--json")
    assert done.code == 0, done.err
    assert 0 < done.json[0]["recall@20"] <= 1
    assert harmonium("compare", *both).code == 1
    assert harmonium("evaluate", films / "known.csv", "--protocol", "lightgcn").code == 2


def test_choices_without_ratings_need_no_threshold(films, tmp_path):
    path = tmp_path / "clicks.tsv"
    pairs = (f"{user}\t{item}" for user in range(60) for item in range(12) if (user * item) % 5 != 1)
    path.write_text("\n".join(["user\titem", *pairs]), encoding="utf-8")
    arguments = ("--models", "popular", "--rating", "none", "--held-out", 9, "--quiet", "--json")
    done = harmonium("compare", path, *arguments)
    assert done.code == 0, done.err


@pytest.mark.filterwarnings("ignore")  # of Optuna's own
def test_tune_chooses_settings_and_goes_on_later(films, tmp_path):
    pytest.importorskip("optuna")
    study = ("--study", tmp_path / "s.db", "--model", "gaussian", *SMALL_TASK)
    done = harmonium("tune", films / "ratings.csv", *study, "--trials", 2, "--json")
    assert done.code == 0, done.err
    assert done.json["n_trials"] == 2 and set(done.json["settings"]) == {"ridge"}
    more = harmonium("tune", films / "ratings.csv", *study, "--trials", 3)
    assert "after 3 trials" in more.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "none.csv"), "no such file"),
        (("compare", "{films}", "--models", "best"), "'best' is not one of popular"),
        (("compare", "{films}", "--protocol", "mine"), "'mine' is not one of vae-cf"),
        (("compare", "{films}", "--set", "gaussian.ridge"), "MODEL.SETTING=VALUE"),
        (("compare", "{films}", "--set", "other.ridge=1"), "'other' is not among"),
        (("compare", "{films}", "--set", "gaussian.rigde=1"), "rigde"),
        (("compare", "{films}", "--held-out", "9999"), "leave none to learn from"),
        (("tune", "{films}", "--model", "popular"), "cannot be tuned"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(films, arguments, words):
    done = harmonium(*(str(a).format(films=films / "ratings.csv") for a in arguments), "--quiet")
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1 and words in done.err
