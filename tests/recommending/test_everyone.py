"""Lists for everybody at once are those that each person would be given."""

import numpy as np
import polars as pl
import pytest

from harmonium.data import Ratings, Vocabulary
from harmonium.errors import DataError, SettingError
from harmonium.kernels import jit
from harmonium.recommending.everyone import lists_for, recommend_to_everyone
from harmonium.recommending.wanted_lists import Lists


@pytest.fixture(scope="module")
def histories(films):
    """The training histories of 40 people, of whom one likes items that no model knows."""
    train, _, _ = films
    some = train.rows(np.arange(40))
    user, item = some.user_of(), np.asarray(train.items.ids)[some.item]
    table = {"userId": user + 1000, "movieId": item, "rating": some.values()}
    strange = {"userId": [7, 7], "movieId": [-5, -6], "rating": [5.0, 4.0]}
    return {name: np.concatenate((table[name], strange[name])) for name in table}


@pytest.fixture(scope="module")
def files(histories, tmp_path_factory):
    """The same, row by row over two Parquet files."""
    folder = tmp_path_factory.mktemp("histories")
    frame = pl.DataFrame(histories).sample(fraction=1, shuffle=True, seed=0)
    frame[:1000].write_parquet(folder / "a.parquet")
    frame[1000:].write_parquet(folder / "b.parquet")
    return folder / "*.parquet"


@pytest.fixture(scope="module")
def model(recommender, tmp_path_factory):
    """The recommender's file."""
    path = tmp_path_factory.mktemp("model") / "films.harmonium"
    recommender.save(path)
    return path


@pytest.mark.parametrize("wanted", [Lists(n=7), Lists(n=3, exclude_seen=False, genres=("Comedy",), years=(1990, None))])
def test_a_list_is_the_one_that_the_person_would_be_given(recommender, histories, files, model, wanted, tmp_path):
    recommend_to_everyone(model, files, tmp_path / "lists", wanted)
    found = pl.read_parquet(tmp_path / "lists" / "*.parquet")
    assert found["user_id"].n_unique() == 41
    assert found["user_id"].is_sorted()
    for user in (7, 1000, 1017, 1039):
        mine = histories["userId"] == user
        pairs = zip(histories["movieId"][mine].tolist(), histories["rating"][mine].tolist())
        expected = recommender.recommend(
            [(item, rating) for item, rating in pairs if item > 0], wanted.n, exclude_seen=wanted.exclude_seen,
            genres=wanted.genres, years=wanted.years,
        )  # fmt: skip
        rows = found.filter(pl.col("user_id") == user)
        assert rows["item_id"].to_list() == [one.item_id for one in expected]
        assert rows["rank"].to_list() == list(range(1, wanted.n + 1))
        assert rows["title"].to_list() == [one.title for one in expected]
        np.testing.assert_allclose(rows["score"], [one.score for one in expected], rtol=1e-5)


def test_lists_do_not_depend_on_how_many_people_are_asked_for_together(recommender, films):
    train, _, _ = films
    some = train.rows(np.arange(20))
    tables = [list(lists_for(recommender, some, Lists(n=4), at_once)) for at_once in (3, 1000)]
    one, other = (np.concatenate([table["item_id"] for table in parts]) for parts in tables)
    np.testing.assert_array_equal(one, other)


def test_lists_do_not_depend_on_threads(recommender, films):
    train, _, _ = films
    some, before = train.rows(np.arange(40)), jit.n_threads()
    try:
        tables = []
        for n in (1, 3):
            jit.set_n_threads(n)
            tables.append(list(lists_for(recommender, some, Lists(n=4), 4)))
    finally:
        jit.set_n_threads(before)
    assert len(tables[0]) == len(tables[1]) > 10
    for one, other in zip(*tables):
        for name, column in one.items():
            np.testing.assert_array_equal(other[name], column)


def test_how_many_have_lists_is_told(files, model, tmp_path):
    told = []
    recommend_to_everyone(model, files, tmp_path / "lists", Lists(n=1), watch=told.append)
    assert told[-1].done == told[-1].total == 41
    assert [event.kind for event in told] == ["listed"] * len(told)


def test_ids_of_text_stay_text(recommender):
    ids = Vocabulary.from_ids(["ann", "bob"]), recommender.items
    people = Ratings.from_arrays([0, 1], [5, 9], [9, 9], *ids, recommender.scale)
    (table,) = lists_for(recommender, people, Lists(n=2))
    assert table["user_id"] == ["ann", "ann", "bob", "bob"]


def test_a_folder_that_exists_is_kept_unless_it_is_to_be_replaced(files, model, tmp_path):
    (tmp_path / "lists").mkdir()
    with pytest.raises(DataError, match="lists: exists already"):
        recommend_to_everyone(model, files, tmp_path / "lists")
    recommend_to_everyone(model, files, tmp_path / "lists", Lists(n=1), force=True)
    assert pl.read_parquet(tmp_path / "lists" / "*.parquet").height == 41


def test_what_is_wrong_is_told_and_leaves_no_folder(files, model, tmp_path):
    with pytest.raises(SettingError, match="n: 0"):
        recommend_to_everyone(model, files, tmp_path / "lists", Lists(n=0))
    pl.DataFrame({"user": [1], "item": [1]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="no rating column"):
        recommend_to_everyone(model, tmp_path / "x.parquet", tmp_path / "lists")
    pl.DataFrame({"user": [1], "item": [1], "rating": [77.0]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="77"):
        recommend_to_everyone(model, tmp_path / "x.parquet", tmp_path / "lists")
    (tmp_path / "y.parquet").write_text("no such thing", encoding="utf-8")
    with pytest.raises(DataError, match=r"y\.parquet: cannot be read as Parquet"):
        recommend_to_everyone(model, tmp_path / "y.parquet", tmp_path / "lists")
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
