"""Lists of choices for everybody at once are those that each person would be given."""

import numpy as np
import polars as pl
import pytest

from harmonium import ChoiceRecommender, GaussianBoltzmann, Interactions, MultinomialRBM
from harmonium.data import load
from harmonium.errors import DataError, ModelFileError, SettingError
from harmonium.recommending.everyone import recommend_to_everyone
from harmonium.recommending.wanted_lists import Lists

PEOPLE = (1000, 1017, 1039)


@pytest.fixture(scope="module")
def films():
    return load("movielens-small")


@pytest.fixture(scope="module")
def recommender(films):
    x = films.ratings.interactions(at_least=4)
    return ChoiceRecommender(GaussianBoltzmann(ridge=100).fit(x.restricted(items=x.popularity() > 4)), films.titles)


@pytest.fixture(scope="module")
def model(recommender, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "films.harmonium"
    recommender.save(path)
    return path


@pytest.fixture(scope="module")
def histories(films):
    """What 40 people rated; one who knows strange items, one who liked nothing."""
    some = films.ratings.rows(np.arange(40))
    rows = {"userId": some.user_of() + 1000, "movieId": np.asarray(some.items.ids)[some.item], "rating": some.values()}
    odd = {"userId": [7, 7, 8], "movieId": [-5, -6, 1], "rating": [5.0, 4.0, 0.5]}
    return pl.DataFrame({name: np.concatenate((rows[name], odd[name])) for name in rows})


@pytest.fixture(scope="module")
def files(histories, tmp_path_factory):
    """The same, row by row over two Parquet files."""
    folder, frame = tmp_path_factory.mktemp("histories"), histories.sample(fraction=1, shuffle=True, seed=0)
    frame[:1000].write_parquet(folder / "a.parquet")
    frame[1000:].write_parquet(folder / "b.parquet")
    return folder / "*.parquet"


def list_of(found, user):
    rows = found.filter(pl.col("user_id") == user)
    assert rows["rank"].to_list() == list(range(1, rows.height + 1))
    return rows


@pytest.mark.parametrize(
    ("wanted", "at_least"),
    [(Lists(n=7), None), (Lists(n=3, exclude_seen=False, genres=("Comedy",), years=(1990, None), deny=(1,)), 4.0)],
)
def test_a_list_is_the_one_that_the_person_would_be_given(
    recommender, histories, files, model, tmp_path, wanted, at_least
):
    recommend_to_everyone(model, files, tmp_path / "lists", wanted, at_least=at_least)
    found = pl.read_parquet(tmp_path / "lists" / "*.parquet")
    assert found.columns == ["user_id", "rank", "item_id", "title", "score"]
    assert found["user_id"].n_unique() == 42 and found["user_id"].is_sorted()
    kept = histories if at_least is None else histories.filter(pl.col("rating") >= at_least)
    for user in (7, 8, *PEOPLE):
        chosen = kept.filter(pl.col("userId") == user)["movieId"].to_list()
        expected = recommender.recommend(
            chosen, wanted.n, exclude_seen=wanted.exclude_seen, genres=wanted.genres, years=wanted.years,
            deny=wanted.deny, unknown="drop",
        )  # fmt: skip
        rows = list_of(found, user)
        assert rows["item_id"].to_list() == [one.item_id for one in expected]
        assert rows["title"].to_list() == [one.title for one in expected]
        np.testing.assert_allclose(rows["score"], [one.score for one in expected], rtol=1e-4, atol=1e-6)


def test_numbers_of_plays_can_be_weights(tmp_path):
    x = Interactions.from_pairs([1, 1, 2, 2, 3, 3], ["tea", "milk", "tea", "rum", "rum", "coke"], [1, 5, 2, 1, 1, 3])
    recommender = ChoiceRecommender(MultinomialRBM(n_hidden=4, n_epochs=20, learning_rate=0.05).fit(x))
    recommender.save(tmp_path / "m.harmonium")
    rows = {"user": ["ann", "ann", "ann"], "item": ["tea", "rum", "tea"], "plays": [2.0, 1.0, 7.0]}
    pl.DataFrame(rows).write_parquet(tmp_path / "h.parquet")
    for weights, history in ((False, {"tea": 1, "rum": 1}), (True, {"tea": 9, "rum": 1})):
        where = tmp_path / "m.harmonium", tmp_path / "h.parquet", tmp_path / "lists"
        recommend_to_everyone(*where, Lists(n=9), weights=weights, force=True)
        found = pl.read_parquet(tmp_path / "lists" / "*.parquet")
        expected = recommender.recommend(history, 9)
        assert found["item_id"].to_list() == [one.item_id for one in expected]
        assert found["user_id"].to_list() == ["ann"] * len(expected)
        np.testing.assert_allclose(found["score"], [one.score for one in expected], rtol=1e-4)


def test_when_nobody_chose_anything_everybody_gets_the_popular_list(recommender, model, tmp_path):
    pl.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [1.0, 2.0]}).write_parquet(tmp_path / "h.parquet")
    recommend_to_everyone(model, tmp_path / "h.parquet", tmp_path / "lists", Lists(n=4), at_least=4)
    found = pl.read_parquet(tmp_path / "lists" / "*.parquet")
    for user in (1, 2):
        assert list_of(found, user)["item_id"].to_list() == [one.item_id for one in recommender.recommend([], 4)]


def test_what_is_wrong_is_told_and_leaves_no_folder(files, model, histories, tmp_path):
    wrong = tmp_path / "lists"
    with pytest.raises(SettingError, match="missing: a model of choices"):
        recommend_to_everyone(model, files, wrong, missing="seen")
    with pytest.raises(SettingError, match="n: 0"):
        recommend_to_everyone(model, files, wrong, Lists(n=0))
    with pytest.raises(DataError, match="no column 'stars'"):
        recommend_to_everyone(model, files, wrong, rating="stars", at_least=4)
    histories[[0, 0]].write_parquet(tmp_path / "twice.parquet")
    with pytest.raises(DataError, match="twice"):
        recommend_to_everyone(model, tmp_path / "twice.parquet", wrong, duplicates="error")
    (tmp_path / "x.harmonium").write_text("nothing", encoding="utf-8")
    with pytest.raises(ModelFileError):
        recommend_to_everyone(tmp_path / "x.harmonium", files, wrong)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
