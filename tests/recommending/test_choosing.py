"""Lists of a recommender that also knows what people choose: p(chosen next) times p(liked)."""

import itertools

import numpy as np
import pytest

from harmonium import GaussianBoltzmann, Interactions, Ratings, Recommender
from harmonium.data import Vocabulary, load, strong_split
from harmonium.errors import DataError, SettingError
from harmonium.kernels import cpu_choosing
from harmonium.models.score_calibration import ScoreCalibration
from harmonium.recommending.choosing import NOT_LIKED, Chooser
from harmonium.recommending.many import Wanted, recommend_many
from harmonium.training.lists import hits, ndcg

LIKES = {"alien 1979": 5, "Star Wars: Episode IV": 5, "matrix 1999": 4.5, "titanic 1997": 1, "aliens": None}


@pytest.fixture(scope="module")
def parts():
    films = load("movielens-small")
    return strong_split(films.ratings, 60, rng=5), films.titles


@pytest.fixture(scope="module")
def joint(parts):
    split, titles = parts
    return Recommender.fit(split.train, titles, cases="users", n_hidden=16, n_epochs=6)


def histories(split):
    """Return what is known of the test users, in people's words."""
    for user in np.flatnonzero(np.diff(split.fold_in.indptr)):
        item, level = split.fold_in.history(int(user))
        values = split.train.scale.values[level].tolist()
        yield int(user), {split.train.items[int(k)]: value for k, value in zip(item, values)}


def test_lists_hold_more_of_what_is_chosen_and_liked_than_those_of_ratings_alone(parts, joint):
    split, _ = parts
    wanted = split.held_out.interactions(at_least=4)
    asked = wanted.restricted(users=np.diff(wanted.indptr) > 0)
    gained = {}
    for rank_by in ("joint", "liking"):
        lists = [
            split.train.items.indices([one.item_id for one in joint.recommend(history, 50, rank_by=rank_by)])
            for user, history in histories(split)
            if wanted.indptr[user + 1] > wanted.indptr[user]
        ]
        gained[rank_by] = ndcg(hits(np.array(lists), asked), np.diff(asked.indptr), 50).mean()
    assert gained["joint"] > gained["liking"] + 0.1


def test_the_score_is_the_product_of_both_probabilities(joint):
    found = joint.recommend(LIKES, n=40)
    drawn = {one.item_id: one.score for one in joint.recommend(LIKES, n=9000, rank_by="liking")}
    assert all(one.score == pytest.approx(one.probability_of_choice * drawn[one.item_id], rel=1e-5) for one in found)
    assert all(a.score >= b.score for a, b in itertools.pairwise(found))
    assert any("Empire Strikes Back" in one.title for one in found[:10])
    assert joint.recommend(LIKES, n=1, rank_by="liking")[0].probability_of_choice is None
    assert joint.recommend(LIKES, n=5) == joint.recommend(LIKES, n=5, rank_by="joint")


def test_filters_are_exact_and_n_asked_is_n_given(joint):
    western = joint.recommend(LIKES, n=5, genres=["Western"], years=(None, 1975), deny=["Good, the Bad and"])
    assert len(western) == 5 and all("Western" in one.genres and one.year <= 1975 for one in western)
    assert len(joint.recommend(LIKES, n=len(joint.items) - len(LIKES))) == len(joint.items) - len(LIKES)
    assert len(joint.recommend(LIKES, n=100_000)) == len(joint.items) - len(LIKES)


def test_reasons_are_exact_and_those_of_the_choice_add_up(joint):
    place = joint.recommend(LIKES, n=1)[0]
    why = joint.explain(LIKES, place.item_id)
    assert (why.score, why.probability_of_choice) == pytest.approx((place.score, place.probability_of_choice), rel=1e-5)
    assert sum(reason.choice_contribution for reason in why.reasons) == pytest.approx(why.choice_score, abs=1e-5)
    strength = [abs(reason.score_contribution) for reason in why.reasons]
    assert strength == sorted(strength, reverse=True)
    for reason in why.reasons:
        less = {raw: value for raw, value in LIKES.items() if joint._catalogue.index(raw) !=
                joint.items.index(reason.item_id)}  # fmt: skip
        without = joint.recommend(less, n=1, allow=[place.item_id])[0].score
        assert reason.score_contribution == pytest.approx(place.score - without, abs=1e-6)
    plain = Recommender(joint.machine, joint.items, joint.scale, joint.titles).explain(LIKES, place.item_id)
    assert plain.choice_score is plain.probability_of_choice is plain.reasons[0].choice_contribution is None


def test_an_item_of_which_the_model_knows_nothing_is_explained_too(joint):
    rare = int(np.argmin(joint._catalogue.n_ratings))
    why = joint.explain(LIKES, joint.items[rare])
    assert why.choice_score == 0 and all(reason.choice_contribution == 0 for reason in why.reasons)


def test_what_was_not_liked_counts_half(joint):
    chooser = joint._chooser
    alien, titanic = (joint._catalogue.index(title) for title in ("alien 1979", "titanic 1997"))
    rows = Interactions.from_arrays(
        [0, 0], chooser.place[[alien, titanic]], Vocabulary([0]), joint.choices.items_, [1.0, NOT_LIKED]
    )
    expected = joint.choices.probabilities(rows)[0]
    found = chooser.probabilities([joint.history({"alien 1979": 5, "titanic 1997": 1})])[0]
    assert np.array_equal(found[chooser.place >= 0], expected[chooser.place[chooser.place >= 0]])


def test_probabilities_are_those_of_people_whom_the_model_has_not_seen(parts, joint):
    split, _ = parts
    expected = happened = 0.0
    for user, history in histories(split):
        p = joint._chooser.probabilities([joint.history(history)])[0].astype(np.float64)
        p[split.train.items.indices(list(history))] = 0
        expected += p.sum()
        happened += split.held_out.indptr[user + 1] - split.held_out.indptr[user]
    assert expected == pytest.approx(happened, rel=0.35)  # 60 people, whose numbers differ much


def test_many_lists_at_once_are_those_of_each_alone(parts, joint):
    asked = [joint.history(history) for _, history in itertools.islice(histories(parts[0]), 7)] + [joint.history({})]
    together = recommend_many(joint, [Wanted(one, 20, None, True) for one in asked])
    for one, rows in zip(asked, together):
        alone = joint.recommend(one, 20)
        assert [row["item_id"] for row in rows] == [place.item_id for place in alone]
        assert [row["score"] for row in rows] == pytest.approx([place.score for place in alone], rel=1e-5)


def test_someone_without_a_history_gets_what_many_choose_and_like(joint):
    found = joint.recommend({}, n=10)
    assert all(one.n_ratings > 100 and one.rating > 3.5 for one in found)


def test_a_saved_one_answers_as_before_and_holds_nobodys_history(joint, tmp_path):
    joint.save(tmp_path / "m")
    loaded = Recommender.load(tmp_path / "m")
    assert loaded.recommend(LIKES) == joint.recommend(LIKES)
    assert loaded.explain(LIKES, "aliens") == joint.explain(LIKES, "aliens")
    assert loaded.choices.learned_ is None


def test_new_items_take_part(parts, joint):
    split, _ = parts
    some = split.fold_in.rows(np.flatnonzero(np.diff(split.fold_in.indptr))[:30])
    user = [some.users[int(k)] for k in some.user_of()]
    item = [int(some.items[int(k)]) for k in some.item]
    fans = sorted(set(user))
    more = Ratings.from_triples(
        [*user, *fans], [*item, *[999_999] * len(fans)], [*some.values(), *[5.0] * len(fans)], scale=some.scale
    )
    grown = joint.with_items(more)
    assert 999_999 in {one.item_id for one in grown.recommend(LIKES, n=9000)}
    (new,) = grown.recommend(LIKES, n=1, allow=[999_999])
    (old,) = grown.recommend(LIKES, n=1, allow=["Star Wars: Episode V"])
    assert 0 < new.probability_of_choice < old.probability_of_choice
    assert grown.explain(LIKES, 999_999).choice_score == 0


def test_what_cannot_be_ranked_says_so(parts, joint):
    split, _ = parts
    plain = Recommender(joint.machine, joint.items, joint.scale)
    with pytest.raises(SettingError, match="needs a machine of choices"):
        plain.recommend({}, rank_by="joint")
    with pytest.raises(SettingError, match="rank_by"):
        joint.recommend({}, rank_by="best")
    with pytest.raises(DataError, match="not calibrated"):
        Recommender(joint.machine, joint.items, joint.scale,
                    choices=GaussianBoltzmann(n_kept=5).fit(split.train.interactions()))  # fmt: skip
    few = split.train.rows(np.arange(20))
    quick = {"cases": "users", "n_hidden": 2, "n_epochs": 1}
    assert Recommender.fit(few, **quick).choices is None
    with pytest.raises(DataError, match="too few users"):
        Recommender.fit(few, choices=GaussianBoltzmann(), **quick)
    other = Vocabulary(np.arange(len(joint.choices.items_)))
    with pytest.raises(DataError, match="different items"):
        Chooser.of(joint.choices, other, 3, np.ones(len(other), int))


def test_compiled_chances_are_those_of_numpy(joint):
    asked = [joint.history(one) for one in ({}, LIKES, {"alien 1979": 1}, {"toy story 1995": 4, "titanic 1997": None})]
    expected = joint._chooser.probabilities(asked)
    assert np.allclose(joint._chooser.chances(asked), expected, rtol=1e-5, atol=1e-9)


def chances(x, curve: ScoreCalibration, root: bool):
    """What the kernel makes of scores of one person."""
    n = len(x)
    chance, zero = np.empty((1, n), np.float32), np.zeros(n, np.float32)
    nobody = np.zeros(1, bool)
    cpu_choosing.chances(x[None].copy(), nobody, root, curve.guided(), zero, np.arange(n), zero, chance)
    return chance[0]


@pytest.mark.parametrize("n_knots", [1, 2, 3, 200])
def test_a_guided_curve_is_the_curve(n_knots):
    rng = np.random.default_rng(n_knots)
    knot = np.cumsum(rng.exponential(size=n_knots) ** 6)  # many close together, few far apart
    curve = ScoreCalibration(knot, np.cumsum(rng.random(n_knots)), 0.1)
    ends = [-np.inf, np.inf, *knot, *np.nextafter(knot, np.inf)]
    x = np.array([*(knot[0] - 1 + rng.random(5000) * (np.ptp(knot) + 2)), *ends], np.float32)
    assert np.allclose(chances(x, curve, False), curve(x), rtol=1e-6)


def test_cube_roots_are_those_of_numpy():
    x = np.concatenate([np.geomspace(1e-30, 1e30, 10_001), [0.0, 1.0, 8.0]]).astype(np.float32)
    x = np.concatenate([x, -x])
    root = np.sort(np.cbrt(x).astype(np.float64))
    straight = ScoreCalibration(np.unique(root), np.unique(root), 0.1)
    assert np.allclose(chances(x, straight, True), np.cbrt(x), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("n", [1, 3, 10, 200, 9000])
def test_lists_by_both_are_those_of_all_products(joint, n):
    asked = [joint.history(one) for one in (LIKES, {}, {"alien 1979": 1}, {"toy story 1995": 4})]
    found = recommend_many(joint, [Wanted(one, n, None, True) for one in asked])
    for one, rows in zip(asked, found, strict=True):
        expected = joint.recommend(one, n)
        assert [row["score"] for row in rows] == pytest.approx([place.score for place in expected], rel=1e-4)
        assert [row["item_id"] for row in rows][:100] == [place.item_id for place in expected][:100]


def test_a_list_of_nothing_that_is_left_is_empty(joint):
    nothing, one = np.zeros(len(joint.items), bool), np.zeros(len(joint.items), bool)
    one[5] = True
    found = recommend_many(joint, [Wanted(joint.history(LIKES), 7, mask, True) for mask in (nothing, one, None)])
    assert [len(rows) for rows in found] == [0, 1, 7]
