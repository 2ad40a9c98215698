"""The recommender on the bundled ratings, its file, its threads and its errors."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from _worlds import N_ITEMS, machine
from _worlds import recommender as made

from harmonium import GaussianBoltzmann, storage
from harmonium.data import Ratings, Scale, Titles, Vocabulary
from harmonium.errors import DataError, ModelFileError, NotFittedError, SettingError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.recommending import Recommender

SCIENCE_FICTION = {"Matrix, The (1999)": 5, "Alien (1979)": 5, "Blade Runner (1982)": 5, "Titanic (1997)": 1}
N_ASKED = 100  # users of the accuracy floor
LEAST_LIKED = {"liking": 0.75, "joint": 0.7}


@pytest.mark.parametrize("cases", ["users", "items", "both"])
def test_a_user_with_no_ratings_gets_the_popular_list(films, recommender, cases):
    train, _, titles = films
    world = Recommender(recommender.machine.only(cases), train.items, train.scale, titles)
    mean = np.bincount(train.item, weights=train.values(), minlength=train.n_items)
    for item in world.recommend({}, 10):
        assert item.n_ratings >= 40
        assert mean[train.items.index(item.item_id)] / item.n_ratings > train.values().mean()


@pytest.mark.parametrize(("rank_by", "least_met"), [("liking", 1 / 2), ("joint", 1)])
def test_what_top_lists_meet_of_the_held_out_ratings_is_liked(films, recommender, rank_by, least_met):
    train, test, _ = films
    liked = met = 0
    for user in range(N_ASKED):
        item, level = test.history(user)
        rated = dict(zip((test.items[k] for k in item.tolist()), train.scale.values[level]))
        found = {item.item_id for item in recommender.recommend(train.rows([user]), 20, rank_by=rank_by)}
        met += len(found & set(rated))
        liked += sum(rated[item_id] >= recommender.like for item_id in found & set(rated))
    assert met > least_met * N_ASKED
    assert liked / met > LEAST_LIKED[rank_by]


def test_taste_moves_predictions_its_way(recommender):
    (fan,) = recommender.predict({"Toy Story (1995)": 5}, ["toy story 2"])
    (foe,) = recommender.predict({"Toy Story (1995)": 0.5}, ["toy story 2"])
    assert fan.probability_of_liking > foe.probability_of_liking
    assert (fan.year, fan.title) == (1999, "Toy Story 2 (1999)") and "Animation" in fan.genres


def test_neighbours_share_genres_more_than_strangers_do(films, recommender):
    known = [item for item in recommender.recommend({}, 1000) if item.n_ratings >= 40]
    strangers = np.mean([likeness(a.genres, b.genres) for a in known for b in known if a is not b])
    near = [(a, b) for a in known[:50] for b in recommender.similar_items(a.item_id, 10)]
    assert np.mean([likeness(a.genres, b.genres) for a, b in near]) > 1.1 * strangers


def likeness(genres, others):
    """Return the share of the genres of both that they have in common."""
    return len({*genres} & {*others}) / max(1, len({*genres, *others}))


def test_a_saved_recommender_answers_bit_for_bit_the_same(recommender, tmp_path):
    recommender.save(tmp_path / "films.harmonium")
    loaded = Recommender.load(tmp_path / "films.harmonium")
    for question in (
        lambda world: world.recommend(SCIENCE_FICTION, 50, genres=["Sci-Fi"]),
        lambda world: world.explain(SCIENCE_FICTION, "aliens 1986"),
        lambda world: world.similar_items("aliens 1986"),
        lambda world: world.describe_unit(3),
        lambda world: world.energy(SCIENCE_FICTION),
        repr,
    ):
        assert question(loaded) == question(recommender)
    assert (loaded.items, loaded.scale, loaded.titles, loaded.like) == (
        recommender.items,
        recommender.scale,
        recommender.titles,
        recommender.like,
    )
    loaded.save(tmp_path / "again.harmonium")
    (header, arrays), (again, others) = (
        storage.read(tmp_path / f"{name}.harmonium", "recommender") for name in ("films", "again")
    )
    assert header == again and arrays.keys() == others.keys()
    assert all(arrays[name].tobytes() == others[name].tobytes() for name in arrays)


def test_a_file_keeps_text_ids_odd_scales_and_the_absence_of_titles(tmp_path):
    ids = Vocabulary.from_ids([f"ä{k}" for k in range(N_ITEMS)])
    scale = Scale((1.0, 2.0, 3.0, 4.0, 5.0), names=("no", "hm", "so", "well", "yes"))
    world = Recommender(machine(), ids, scale, like=3)
    world.save(tmp_path / "m")
    loaded = Recommender.load(tmp_path / "m")
    assert (loaded.items, loaded.scale, loaded.titles, loaded.like) == (ids, scale, None, 3)
    assert loaded.recommend({"ä5": 5}) == world.recommend({"ä5": 5})


def test_a_damaged_or_foreign_file_is_a_model_file_error(tmp_path):
    path = tmp_path / "m.harmonium"
    with pytest.raises(ModelFileError, match="there is no such file"):
        Recommender.load(path)
    made().save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match=r"m\.harmonium: is not a model file, or is damaged"):
        Recommender.load(path)
    storage.write(path, "checkpoint", {}, {"x": np.zeros(3)})
    with pytest.raises(ModelFileError, match="holds a checkpoint, not a recommender"):
        Recommender.load(path)


@pytest.mark.parametrize("lost", ["items.ids", "titles.year", "model.users.b", "model.values"])
def test_a_file_without_one_of_its_arrays_is_a_model_file_error(tmp_path, lost):
    path = tmp_path / "m.harmonium"
    made().save(path)
    header, arrays = storage.read(path, "recommender")
    del arrays[lost]
    storage.write(path, "recommender", header, arrays)
    with pytest.raises(ModelFileError, match=r"m\.harmonium: "):
        Recommender.load(path)


def test_a_file_whose_items_are_not_the_models_is_a_model_file_error(tmp_path):
    path = tmp_path / "m.harmonium"
    Recommender(machine(), Vocabulary(np.arange(N_ITEMS)), Scale.stars()).save(path)
    header, arrays = storage.read(path, "recommender")
    storage.write(path, "recommender", header, arrays | {"items.ids": np.arange(7)})
    with pytest.raises(ModelFileError, match="do not fit together"):
        Recommender.load(path)


def test_eight_threads_answer_as_one_does(films, recommender):
    items = [(item.item_id, 5) for item in recommender.recommend({}, 40)]
    histories = [dict(items[k : k + 5]) for k in range(32)]
    serial = [recommender.recommend(history) for history in histories]
    fresh = recommender.with_choices(films[0], GaussianBoltzmann(**recommender.choices.get_params()))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(fresh.recommend, histories)) == serial


def test_fitting_takes_settings_or_a_model(films):
    train = films[0].rows(np.arange(60))
    watched = []
    quick = {"n_hidden": 4, "n_epochs": 1, "cases": "users", "validation_fraction": 0.0}
    world = Recommender.fit(train, like=3.5, watch=watched.append, **quick)
    same = Recommender.fit(train, like=3.5, model=RatingRBM(**quick))
    assert watched and world.recommend({}) == same.recommend({})
    assert world.like == 3.5 and world.n_units == 4
    with pytest.raises(SettingError, match="n_hidden: pass a model or its settings"):
        Recommender.fit(train, model=RatingRBM(), n_hidden=4)
    with pytest.raises(SettingError, match="hidden_units: RatingRBM has no such setting"):
        Recommender.fit(train, hidden_units=4)


def test_parts_that_do_not_fit_together_are_refused():
    with pytest.raises(NotFittedError, match="call fit"):
        Recommender(RatingRBM(), Vocabulary([1]), Scale.stars())
    with pytest.raises(DataError, match="the model has 40 items"):
        Recommender(machine(), Vocabulary([1]), Scale.stars())
    with pytest.raises(DataError, match=r"of the levels \[1.0, 2.0, 3.0, 4.0, 5.0\]"):
        Recommender(machine(), Vocabulary(np.arange(N_ITEMS)), Scale.halves())


def test_its_representation_says_what_it_knows():
    assert repr(made()) == "Recommender(40 items, 800 training ratings, 1 to 5, cases='both')"


def test_a_new_film_is_recommended_once_enough_people_have_rated_it(films, recommender):
    train = films[0]
    fans = np.argsort(-np.diff(train.indptr))[:120]
    some = train.rows(fans)
    user = np.concatenate((some.user_of(), np.arange(len(fans))))
    item = np.concatenate((train.items.ids[some.item], np.full(len(fans), 999_999)))
    rating = np.concatenate((some.values(), np.full(len(fans), train.scale.maximum)))
    more = Titles.from_rows([999_999], ["Harmonium, The (2026)"], [["Drama"]])
    grown = recommender.with_items(Ratings.from_triples(user, item, rating, scale=train.scale), more)
    assert len(grown.items) == len(recommender.items) + 1
    found = grown.recommend(SCIENCE_FICTION, 5)
    assert "Harmonium, The (2026)" in [film.title for film in found]
    before, after = (world.predict(SCIENCE_FICTION, ["heat 1995"])[0] for world in (recommender, grown))
    assert before == after
    with pytest.raises(DataError, match="known to the model already"):
        recommender.with_items(train)
