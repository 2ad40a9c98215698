"""The recommender of choices in people's words: histories, filters, reasons, files."""

import itertools

import pytest

from harmonium import ChoiceRecommender, GaussianBoltzmann, Interactions, SemiRestricted
from harmonium.data import load, strong_split
from harmonium.errors import AmbiguousTitleError, DataError, ModelFileError, SettingError, UnknownIdError


@pytest.fixture(scope="module")
def films():
    return load("movielens-small")


@pytest.fixture(scope="module")
def recommender(films):
    parts = strong_split(films.ratings.interactions(at_least=4), 60)
    return ChoiceRecommender.fit(
        parts.train, films.titles, model=GaussianBoltzmann(ridge=100), validation=(parts.fold_in, parts.held_out)
    )


SPACE = ["alien 1979", "Star Wars: Episode IV", "matrix 1999"]


def test_people_who_like_space_get_space(recommender):
    found = recommender.recommend(SPACE, n=10)
    assert [place.rank for place in found] == list(range(1, 11))
    assert any("Empire Strikes Back" in place.title for place in found)
    assert all(a.score >= b.score for a, b in itertools.pairwise(found))
    assert all(0 < place.probability < 1 for place in found)
    assert found[0].probability > recommender.recommend(SPACE, n=2000)[-1].probability


def test_someone_without_a_history_gets_the_popular_list(recommender):
    found = recommender.recommend([], n=5)
    assert [place.n_users for place in found] == sorted((place.n_users for place in found), reverse=True)


def test_filters_are_exact_and_n_asked_is_n_given(recommender):
    found = recommender.recommend(SPACE, n=40, genres=["Western"], years=(1960, 1970), deny=["Good, the Bad and"])
    assert all("Western" in place.genres and 1960 <= place.year <= 1970 for place in found)
    allowed = recommender.recommend(SPACE, n=9, allow=["toy story 1995", "matrix 1999", "aladdin 1992"])
    assert sorted(place.title for place in allowed) == ["Aladdin (1992)", "Toy Story (1995)"]
    kept = recommender.recommend(SPACE, n=9, exclude_seen=False, allow=["matrix 1999"])
    assert kept[0].title == "Matrix, The (1999)"
    assert len(recommender.recommend(SPACE, n=3000)) == 3000


def test_a_history_is_items_or_items_with_weights_and_repeated_ones_add_up(recommender):
    twice = recommender.history(["matrix 1999", "matrix 1999", "alien 1979"])
    assert twice == recommender.history({"matrix 1999": 2, "alien 1979": 1})
    ids = [recommender.items[int(k)] for k in twice.item]
    assert recommender.history(Interactions.from_pairs([1, 1, 1], [*ids, 999_999])).n_entries == 2


def test_unknown_items_are_an_error_or_left_out(recommender):
    with pytest.raises(UnknownIdError, match="nearest"):
        recommender.history([999_999])
    assert recommender.history([999_999, "alien 1979"], unknown="drop").n_entries == 1
    assert recommender.recommend([999_999], n=3, unknown="drop") == recommender.recommend([], n=3)
    with pytest.raises(AmbiguousTitleError):
        recommender.history(["star"])
    with pytest.raises(SettingError, match="unknown"):
        recommender.history([], unknown="keep")


@pytest.mark.parametrize("wrong", ["alien 1979", 7, {"alien 1979": 0}, {"alien 1979": "much"}, {"alien 1979": -1}])
def test_what_is_no_history_is_refused(recommender, wrong):
    with pytest.raises(DataError):
        recommender.history(wrong)


def test_reasons_add_up_to_the_score_and_the_strongest_come_first(recommender):
    target = recommender.recommend(SPACE, n=1)[0]
    reasons = recommender.explain(SPACE, target.item_id)
    assert sum(reason.contribution for reason in reasons) == pytest.approx(target.score, abs=1e-5)
    assert abs(reasons[0].contribution) >= abs(reasons[-1].contribution)
    assert len(recommender.explain(SPACE, target.item_id, n=1)) == 1


def test_a_saved_recommender_answers_as_before(recommender, films, tmp_path):
    path = tmp_path / "films.harmonium"
    recommender.save(path)
    assert ChoiceRecommender.load(path).recommend(SPACE) == recommender.recommend(SPACE)
    small = SemiRestricted(n_hidden=4, n_epochs=1, shape="neighbours", n_neighbours=20)
    other = ChoiceRecommender.fit(films.ratings.interactions(at_least=5), model=small)
    other.save(path)
    assert ChoiceRecommender.load(path).recommend([1, 2]) == other.recommend([1, 2])
    small.save(path)
    with pytest.raises(ModelFileError, match="holds a SemiRestricted"):
        ChoiceRecommender.load(path)
