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
    few = SMALL_TASK if protocol == "vae-cf" else ("--quiet",)
    done = harmonium("evaluate", films / "ratings.csv", "--protocol", protocol, *few, "--json")
    assert done.code == 0, done.err
    assert done.json[0]["model"] == "gaussian" and done.json[0]["seconds_ranking"] > 0


def test_the_lightgcn_protocol_takes_two_files(films):
    both = films / "known.csv", "--protocol", "lightgcn", "--models", "gaussian", "--quiet"
    done = harmonium("compare", *both, "--test", films / "new.csv", "--json")
    assert done.code == 0, done.err
    assert 0 < done.json[0]["recall@20"] <= 1
    assert harmonium("compare", *both).code == 1
    assert harmonium("evaluate", films / "known.csv", "--protocol", "lightgcn").code == 2


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """A file of clicks without ratings."""
    path = tmp_path_factory.mktemp("clicks") / "clicks.tsv"
    pairs = (f"{user}\t{item}" for user in range(60) for item in range(12) if (user * item) % 5 != 1)
    path.write_text("\n".join(["user\titem", *pairs]), encoding="utf-8")
    return path


@pytest.mark.parametrize("named", [(), ("--rating", "none")])
def test_choices_without_ratings_need_no_threshold(clicks, named):
    done = harmonium("compare", clicks, "--models", "popular", "--held-out", 9, "--json", *named)
    assert done.code == 0, done.err
    assert ("every row is a choice" in done.err) == (not named)


def test_a_table_that_is_too_wide_for_the_screen_comes_in_two(films, monkeypatch):
    monkeypatch.setattr("harmonium.cli.choices.fits", lambda columns: False)
    done = harmonium("compare", films / "ratings.csv", "--models", "popular,gaussian", *SMALL_TASK)
    first, second = (part.splitlines() for part in done.out.split("\n\n"))
    assert first[0].split()[-1] == "ndcg@100" and second[0].split()[:3] == ["Model", "gain", "in"]
    assert [part[2].split()[0] for part in (first, second)] == ["gaussian"] * 2
    assert all(len(row) <= 80 for row in (*first, *second))


@pytest.mark.filterwarnings("ignore")  # of Optuna's own
def test_tune_chooses_settings_and_goes_on_later(films, tmp_path):
    pytest.importorskip("optuna")
    study = ("--study", tmp_path / "s.db", "--model", "gaussian", *SMALL_TASK)
    done = harmonium("tune", films / "ratings.csv", *study, "--trials", 2, "--json")
    assert done.code == 0, done.err
    assert done.json["n_trials"] == 2 and set(done.json["settings"]) == {"ridge"}
    more = harmonium("tune", films / "ratings.csv", *study, "--trials", 3)
    assert "after 3 trials" in more.out
    other = harmonium("tune", films / "ratings.csv", *study, "--trials", 4, "--at-least", 3)
    assert other.code == 1 and "holds trials on other choices" in other.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "none.csv"), "no such file"),
        (("compare", "{films}", "--models", "best"), "'best' is not one of popular"),
        (("compare", "{films}", "--protocol", "mine"), "'mine' is not one of vae-cf"),
        (("compare", "{films}", "--set", "gaussian.ridge"), "MODEL.SETTING=VALUE"),
        (("compare", "{films}", "--set", "other.ridge=1"), "'other' is not among"),
        (("compare", "{films}", "--set", "gaussian.rigde=1"), "rigde"),
        (("compare", "{films}", "--held-out", "9999"), "are too few"),
        (("compare", "{films}", "--set", "popular.ridge=1"), "there are none"),
        (("compare", "{films}", "--n", 2), "is of --protocol leave-last"),
        (("compare", "{films}", "--protocol", "leave-last", "--held-out", 9), "is of --protocol vae-cf"),
        (("compare", "{films}", "--at-least", 50), "no interactions in the source with a value of at least 50"),
        (("compare", "{films}", "--protocol", "leave-last", "--time", "none"), "--time NAME"),
        (("evaluate", "{films}", "--protocol", "vae-cf", "--n-hidden", 3), "n_hidden: GaussianBoltzmann has no such"),
        (("evaluate", "{clicks}"), "--protocol vae-cf"),
        (("tune", "none.csv", "--model", "popular"), "cannot be tuned"),
        (("tune", "{films}", "--metric", "recal@20"), "'recal@20' is not one of recall, "),
        (("tune", "{films}", "--metric", "ndcg@1oo"), "with its places"),
        (("tune", "{films}", "--set", "gaussian.ridge=1"), "'gaussian' is not --model gaussian-dropout"),
        (("tune", "{films}", "--study", "{films}"), "cannot be used as a file of trials"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(films, clicks, arguments, words):
    done = harmonium(*(str(a).format(films=films / "ratings.csv", clicks=clicks) for a in arguments), "--quiet")
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 1 and words in done.err
