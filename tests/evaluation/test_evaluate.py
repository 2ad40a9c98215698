"""Evaluating a model: leaks are refused, ids are brought together, and what is counted is what was predicted."""

import json

import numpy as np
import pytest

from harmonium.data import Ratings, Scale, Vocabulary, load, random_split, strong_split
from harmonium.data.sketch import PairSketch
from harmonium.errors import DataError, LeakError, NotFittedError, SettingError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.evaluation.alignment import aligned, brought_to
from harmonium.evaluation.ratings import evaluate
from harmonium.recommending import Recommender


@pytest.fixture(scope="module")
def split():
    return random_split(load("movielens-small").ratings, 0.1, rng=0)


@pytest.fixture(scope="module")
def machine(split):
    return RatingRBM(n_hidden=32, n_epochs=15).fit(split.train)


@pytest.fixture(scope="module")
def found(machine, split):
    return evaluate(machine, *split)


def triples(ratings, chosen=slice(None)):
    """Return user ids, item ids and ratings of chosen entries."""
    users, items = ratings.users.ids[ratings.user_of()], ratings.items.ids[ratings.item]
    return users[chosen], items[chosen], ratings.values()[chosen]


def made(users, items, values):
    return Ratings.from_triples(users, items, values, scale=Scale.halves())


def test_the_model_beats_both_baselines_on_the_bundled_ratings(found):
    assert found.model.n == 10_083
    assert found.model.rmse < 0.86 and found.model.log_loss < 1.70
    for name, baseline in found.baselines.items():
        apart = found.differences[name]
        assert apart.rmse == pytest.approx(found.model.rmse - baseline.rmse)
        assert apart.log_loss == pytest.approx(found.model.log_loss - baseline.log_loss)
        assert apart.log_loss < -5 * apart.log_loss_se
    assert found.differences["popularity"].rmse < -5 * found.differences["popularity"].rmse_se


def test_a_rating_both_known_and_asked_is_a_leak(machine, split):
    both = split.train.select(np.arange(len(split.train)) < 3)
    with pytest.raises(LeakError, match="user 1 with item 1 is both in train and test, as 3 entries are"):
        evaluate(machine, split.train, both)
    with pytest.raises(LeakError, match="both in learned_from and test"):
        evaluate(machine, split.train, split.test, learned_from=split.test)


def test_a_rating_the_model_learned_from_is_a_leak_whatever_the_history(machine, split):
    user, item, value = triples(split.train, slice(0, 50))
    with pytest.raises(
        LeakError, match=r"the model learned from 100.0% of the 50 test ratings, that of user 1 for item 1"
    ):
        evaluate(machine, split.test, split.train.select(np.arange(len(split.train)) < 50))
    recommender = Recommender(machine, split.train.items, split.train.scale)
    with pytest.raises(LeakError, match="the model learned from"):
        evaluate(recommender, made([99_999], [1], [4.0]), made(user, item, value))


def test_a_model_that_does_not_remember_says_that_leaks_were_not_looked_up(machine, split, found):
    forgetful = machine.only("users")
    forgetful.learned_from_ = None
    assert not evaluate(forgetful, *split).leak_checked
    assert found.leak_checked
    assert not PairSketch.of(split.train).contains_any(split.test)


def test_a_recommender_scores_as_its_machine_does(machine, split, found):
    recommender = Recommender(machine, split.train.items, split.train.scale)
    assert evaluate(recommender, *split).to_dict() == found.to_dict()


def test_the_order_and_the_vocabularies_of_the_ratings_do_not_matter(machine, split):
    machine = machine.only("users")
    recommender = Recommender(machine, split.train.items, split.train.scale)
    order = np.random.default_rng(0).permutation(len(split.test))
    mine = evaluate(machine, *split).model.to_dict()
    theirs = evaluate(recommender, made(*triples(split.train)), made(*triples(split.test, order))).model.to_dict()
    del mine["reliability"], theirs["reliability"]
    assert mine == pytest.approx(theirs, rel=1e-5)


def test_unknown_items_are_predicted_by_the_training_shares_and_counted(machine, split):
    recommender = Recommender(machine.only("users"), split.train.items, split.train.scale)
    users, items, values = triples(split.test, slice(0, 300))
    asked = made(np.append(users, [1, 77_777]), np.append(items, [-5, -6]), np.append(values, [4.0, 3.5]))
    with_unknown = evaluate(recommender, split.train, asked)
    without = evaluate(recommender, split.train, made(users, items, values))
    assert (with_unknown.n_unknown_items, without.n_unknown_items) == (2, 0)
    assert with_unknown.n_without_history == 1
    counts = machine.model_.level_counts
    share = (counts + 0.5) / (counts + 0.5).sum()
    lost = -np.log(share[split.train.scale.code([4.0, 3.5])]).sum()
    assert with_unknown.model.log_loss * 302 == pytest.approx(without.model.log_loss * 300 + lost, rel=1e-5)


def test_entries_only_seen_are_not_asked_about(machine, split, found):
    level = split.test.level.copy()
    level[:100] = 255
    seen = Ratings.from_arrays(
        split.test.user_of(), split.test.item, level, split.test.users, split.test.items, split.test.scale
    )
    assert evaluate(machine.only("users"), split.train, seen).model.n == found.model.n - 100


def test_whole_users_held_out_are_known_by_their_history_alone():
    parts = strong_split(load("movielens-small").ratings, 0.2, rng=0)
    machine = RatingRBM(n_hidden=16, n_epochs=8, cases="users").fit(parts.train)
    blind = evaluate(machine, parts.fold_in, parts.held_out)
    fair = evaluate(machine, parts.fold_in, parts.held_out, learned_from=parts.train)
    assert blind.model == fair.model and blind.n_without_history == 0
    assert fair.baselines["popularity"].log_loss < blind.baselines["popularity"].log_loss
    assert fair.model.log_loss < fair.baselines["popularity"].log_loss


def test_plain_values_are_json_and_the_table_is_aligned(found):
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["model"]["rmse"] == found.model.rmse
    assert sum(row["n"] for row in plain["model"]["reliability"]) == found.model.n
    header, *rows, footer = found.table().splitlines()
    assert [row.split("  ")[0] for row in rows] == [
        "model", "popularity", "bias", "model - popularity", "model - bias",
    ]  # fmt: skip
    assert {row.index("0.") for row in rows[:3]} == {header.index("RMSE")}
    assert header.split() == ["RMSE", "MAE", "log-loss", "ECE"]
    assert footer.startswith("10,083 ratings of 597 users") and "ECE of 4 or more" in footer


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": RatingRBM()}, NotFittedError, "call fit"),
        ({"model": "films"}, DataError, "a str is neither a RatingRBM nor a Recommender"),
        ({"train": [(1, 2, 3)]}, DataError, "train: a list is not a Ratings"),
        ({"train": Ratings.from_triples([1, 2], [1, 1], [1, 5])}, DataError, "the model has 9,724 items of 10 levels"),
        ({"like": 0.5}, SettingError, "like: 0.5 is not a rating above 0.5 and up to 5"),
        ({"like": "4"}, SettingError, "like: '4'"),
    ],
)
def test_what_cannot_be_evaluated_says_why(machine, split, change, error, message):
    asked = {"model": machine, "train": split.train, "test": split.test} | change
    with pytest.raises(error, match=message):
        evaluate(**asked)


def test_no_ratings_to_predict_is_a_data_error(machine, split):
    with pytest.raises(DataError, match="there are no ratings to predict"):
        evaluate(machine, split.train, split.test.select(np.zeros(len(split.test), bool)))
    recommender = Recommender(machine, split.train.items, split.train.scale)
    with pytest.raises(DataError, match="the model knows none of its items, such as -7"):
        evaluate(recommender, split.train, made([1, 2], [-7, -7], [4.0, 2.0]))


def test_ratings_off_the_models_scale_are_named(machine, split):
    recommender = Recommender(machine, split.train.items, split.train.scale)
    tens = Ratings.from_triples([1, 2], [1, 2], [10, 4], scale=Scale.stars(10))
    with pytest.raises(DataError, match="test: rating 10 of user 1 for item 1 is not on the model"):
        evaluate(recommender, split.train, tens)


def test_alignment_unites_ids_and_passes_on_what_has_them_all():
    one = Ratings.from_triples([1, 2], [10, 20], [1, 5], scale=Scale.stars())
    other = Ratings.from_triples([2, 3], [20, 30], [4, 2], scale=Scale.stars(10))
    parts = aligned(one.scale, Vocabulary([5, 10]), one=one, other=other)
    assert parts["one"].users.ids.tolist() == parts["other"].users.ids.tolist() == [1, 2, 3]
    assert parts["one"].items.ids.tolist() == [5, 10, 20, 30]
    assert triples(parts["one"])[2].tolist() == [1, 5] and triples(parts["other"])[1].tolist() == [20, 30]
    assert parts["other"].scale == one.scale
    assert brought_to(one, one.users, one.items, one.scale) is one


def test_numbers_and_text_are_not_united():
    numbers = Ratings.from_triples([1, 2], [10, 20], [1, 5], scale=Scale.stars())
    text = Ratings.from_triples(["1", "2"], [10, 20], [1, 5], scale=Scale.stars())
    with pytest.raises(DataError, match=r"test: its user ids are text \(such as '1'\), the others are numbers"):
        aligned(numbers.scale, numbers.items, train=numbers, test=text)
