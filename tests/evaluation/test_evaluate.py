import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from harmonium.data import PairSketch, Ratings, Scale, Vocabulary, load, random_split, sketch, strong_split
from harmonium.errors import DataError, LeakError, NotFittedError, SettingError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.evaluation.alignment import brought_to
from harmonium.evaluation.ratings import Evaluation, evaluate
from harmonium.evaluation.scores import Difference, Score
from harmonium.training.validation import log_loss

SETTINGS = {"n_hidden": 32, "cases": "users", "n_epochs": 12}


@dataclass(frozen=True)
class Named:
    """A machine with its items, as a recommender is one."""

    machine: RatingRBM
    items: Vocabulary
    scale: Scale


@pytest.fixture(scope="module")
def split():
    """Return the bundled ratings, a tenth held out."""
    return random_split(load("movielens-small").ratings, 0.1, rng=0)


@pytest.fixture(scope="module")
def machine(split):
    """Return a small machine that learned from the training part."""
    return RatingRBM(**SETTINGS).fit(split.train)


@pytest.fixture(scope="module")
def found(machine, split):
    """Return its evaluation."""
    return evaluate(machine, split.train, split.test)


@pytest.fixture
def named(machine, split):
    """Return the machine with its items."""
    return Named(machine, split.train.items, split.train.scale)


def frame(ratings):
    """Raw user ids, item ids and values of the entries."""
    return ratings.users.ids[ratings.user_of()], ratings.items.ids[ratings.item], ratings.values()


def small_test(split, n=300):
    keep = np.zeros(len(split.test), bool)
    keep[:n] = True
    return split.test.select(keep)


def test_a_fitted_machine_beats_popularity_for_sure(found):
    popularity = found.differences["popularity"]
    assert popularity.rmse + 5 * popularity.rmse_se < 0
    assert popularity.log_loss + 5 * popularity.log_loss_se < 0


def test_a_machine_of_items_beats_biases_for_sure(split):
    machine = RatingRBM(n_hidden=32, cases="items", n_epochs=15).fit(split.train)
    bias = evaluate(machine, split.train, split.test).differences["bias"]
    assert bias.rmse + 2 * bias.rmse_se < 0
    assert bias.log_loss + 5 * bias.log_loss_se < 0


def test_the_scores_are_those_of_the_machines_own_predictions(found, machine, split):
    p = machine.predict_proba(split.train, split.test)
    error = p @ split.test.scale.values - split.test.values()
    assert found.model.rmse == pytest.approx(math.sqrt(np.mean(error**2)))
    assert found.model.mae == pytest.approx(np.abs(error).mean())
    assert found.model.log_loss == pytest.approx(log_loss(p, split.test.level))


def test_counts_are_of_the_test_ratings(found, split):
    assert found.model.n == found.baselines["bias"].n == split.test.n_ratings
    assert found.n_users == np.count_nonzero(np.diff(split.test.indptr))
    assert (found.n_without_history, found.n_unknown_items) == (0, 0)
    assert found.like == 4.0
    assert found.leak_checked


def test_one_rating_in_both_parts_is_a_leak_and_named(named, split):
    one = (column[:1] for column in frame(split.test))
    user, item, value = (np.concatenate(columns) for columns in zip(frame(split.train), one))
    train = Ratings.from_triples(user, item, value, scale=split.train.scale)
    shared = f"user {user[-1]} with item {item[-1]} is both in train and test, as 1 entries"
    with pytest.raises(LeakError, match=shared):
        evaluate(named, train, split.test)


def test_a_rating_that_the_machine_learned_from_is_a_leak_even_out_of_the_history(machine, split):
    again = random_split(split.train, 0.01, rng=1)
    with pytest.raises(LeakError, match="learned from 907 of the 907 test ratings"):
        evaluate(machine, again.train, again.test)
    mixed = split.test.select(np.arange(len(split.test)) > 0)
    one = again.test.select(np.arange(len(again.test)) == 0)
    user, item, value = (np.concatenate(columns) for columns in zip(frame(mixed), frame(one)))
    with pytest.raises(LeakError, match=f"learned from 1 of .* user {user[-1]} for item {item[-1]}"):
        evaluate(machine, again.train, Ratings.from_triples(user, item, value, scale=split.test.scale))


def test_a_leak_is_noticed_under_other_spellings_of_the_ids(named, split):
    again = random_split(split.train, 0.5, rng=1)
    texts = Vocabulary.from_ids([str(raw) for raw in named.items.ids])
    order = texts.indices([str(raw) for raw in named.items.ids])
    train, test = (
        Ratings.from_arrays(r.user_of(), order[r.item], r.level, r.users, texts, r.scale)
        for r in (again.train, again.test)
    )
    with pytest.raises(LeakError, match="learned from 45,376 of the 45,376"):
        evaluate(named.machine, train, test)


def test_of_a_sampled_memory_the_number_of_leaks_is_an_estimate(machine, split, monkeypatch):
    monkeypatch.setattr(sketch, "MOST_HASHES", 2000)
    forgetful = machine.only("users")
    forgetful.learned_from_ = PairSketch.of(split.train)
    again = random_split(split.train, 0.5, rng=1)
    with pytest.raises(LeakError, match="learned from about 45,376 of the 45,376"):
        evaluate(forgetful, again.train, again.test)


def test_a_machine_that_does_not_remember_is_measured_and_marked_unchecked(machine, split):
    forgetful = machine.only("users")
    forgetful.learned_from_ = None
    assert not evaluate(forgetful, split.train, split.test).leak_checked


def test_whole_users_held_out_are_predicted_from_what_is_known_of_them():
    parts = strong_split(load("movielens-small").ratings, 60, rng=0)
    machine = RatingRBM(**SETTINGS | {"n_epochs": 3}).fit(parts.train)
    found = evaluate(machine, parts.fold_in, parts.held_out)
    informed = evaluate(machine, parts.fold_in, parts.held_out, learned_from=parts.train)
    assert found.n_users == 60
    assert found.model == informed.model
    assert informed.baselines["bias"].rmse < found.baselines["bias"].rmse
    with pytest.raises(LeakError, match="learned_from and test"):
        evaluate(machine, parts.fold_in, parts.held_out, learned_from=parts.held_out)


def test_ratings_of_a_file_of_their_own_give_the_same_scores(named, found, split):
    train = Ratings.from_triples(*frame(split.train), scale=split.train.scale)
    test = Ratings.from_triples(*frame(split.test), scale=split.test.scale)
    assert test.items != named.items and test.users != train.users
    again = evaluate(named, train, test)
    assert again.model == found.model
    assert again.n_unknown_items == 0


def test_whole_stars_are_read_on_a_scale_of_halves(named, split):
    whole = split.test.select(split.test.level % 2 == 1)
    stars = Ratings.from_triples(*frame(whole))
    assert stars.scale == Scale.stars()
    assert evaluate(named, split.train, stars).model == evaluate(named, split.train, whole).model


def test_an_item_unknown_to_the_model_is_predicted_by_the_shares_of_all_ratings(named, split):
    test = small_test(split)
    user, item, value = frame(test)
    item = np.where(np.arange(300) < 100, 10**6 + item, item)
    found = evaluate(named, split.train, Ratings.from_triples(user, item, value, scale=test.scale))
    known = test.select(np.arange(300) >= 100)
    counts = np.bincount(split.train.level, minlength=10) + 0.5
    shares = np.tile(counts / counts.sum(), (100, 1))
    p = named.machine.predict_proba(split.train, known)
    assert found.n_unknown_items == 100
    by_hand = (log_loss(p, known.level) * 200 + log_loss(shares, test.level[:100]) * 100) / 300
    assert found.model.log_loss == pytest.approx(by_hand, rel=1e-5)


def test_items_of_the_history_that_the_model_does_not_know_are_left_out(named, split):
    test = small_test(split)
    user, item, value = frame(split.train)
    more = Ratings.from_triples(
        np.append(user, user[:5]), np.append(item, 10**6 + np.arange(5)), np.append(value, value[:5]), scale=test.scale
    )
    assert evaluate(named, more, test).model == evaluate(named, split.train, test).model


def test_a_user_without_history_is_counted_and_predicted(named, split):
    test = small_test(split)
    history = split.train.rows(np.arange(1, split.train.n_users))
    found = evaluate(named, history, test)
    assert found.n_without_history == 1
    stranger = brought_to(test, Vocabulary.from_ids(test.users.ids + 10**6), test.items, test.scale)
    assert len(stranger) == 0
    moved = replace(test, users=Vocabulary.from_ids(test.users.ids + 10**6))
    assert evaluate(named, split.train, moved).n_without_history == evaluate(named, split.train, moved).n_users


def test_entries_without_a_rating_are_not_predicted(machine, split):
    test = small_test(split)
    level = np.where(np.arange(300) < 100, 255, test.level)
    seen = Ratings(test.indptr, test.item, level, test.users, test.items, test.scale)
    assert evaluate(machine, split.train, seen).model.n == 200


@pytest.mark.parametrize(("like", "first"), [(3.0, 3.0), (4.2, 4.5), (5, 5.0)])
def test_liking_begins_where_one_says(machine, split, like, first):
    found = evaluate(machine, split.train, small_test(split), like=like)
    liked = sum(row.observed * row.n for row in found.model.reliability)
    assert found.like == first
    assert liked == pytest.approx(np.count_nonzero(small_test(split).values() >= first))


@pytest.mark.parametrize("like", [0.5, 5.1, math.nan, "much", True])
def test_a_liking_off_the_scale_is_refused(machine, split, like):
    with pytest.raises(SettingError, match=r"like: .* above 0\.5 and up to 5"):
        evaluate(machine, split.train, split.test, like=like)


def test_nothing_to_predict_is_an_error(machine, split):
    with pytest.raises(DataError, match="test: there are no ratings"):
        evaluate(machine, split.train, split.test.rows([]))


def test_a_machine_before_fit_is_an_error(split):
    with pytest.raises(NotFittedError, match="call fit"):
        evaluate(RatingRBM(), split.train, split.test)


def test_other_things_than_models_and_ratings_are_refused_by_name(machine, split):
    with pytest.raises(DataError, match="model: a dict is neither"):
        evaluate({}, split.train, split.test)
    with pytest.raises(DataError, match="test: a list is not a Ratings"):
        evaluate(machine, split.train, [1])
    with pytest.raises(DataError, match="learned_from: a int"):
        evaluate(machine, split.train, split.test, learned_from=3)


def test_another_vocabulary_than_the_machines_is_an_error(machine, split):
    train = Ratings.from_triples(*frame(split.train), scale=split.train.scale)
    with pytest.raises(DataError, match=r"items rated 0\.5 to 5 .*, but the model has 9,724"):
        evaluate(machine, train, split.test)


def test_a_test_of_unknown_items_alone_is_an_error(named, split):
    moved = replace(split.test, items=Vocabulary.from_ids(split.test.items.ids + 10**7))
    with pytest.raises(DataError, match="knows none of its items, such as 10000"):
        evaluate(named, split.train, moved)


def test_an_evaluation_is_plain_json_with_the_names_of_its_parts(found):
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["model"]["rmse"] == found.model.rmse
    assert list(plain["baselines"]) == list(plain["differences"]) == ["popularity", "bias"]
    assert plain["n_unknown_items"] == 0


def test_the_table_is_plain_text_in_columns():
    one = Score(0.9, 0.7, 1.3, 0.01, 0.004, 1234, 0.002, 0.001, 0.003, ())
    less = Difference(-0.05, -0.04, 0.1, 0.001, 0.001, 0.002)
    found = Evaluation(one, {"bias": replace(one, rmse=0.95)}, {"bias": less}, 56, 7, 8, 4.0, True)
    assert found.table().splitlines() == [
        "              RMSE              MAE               log-loss          ECE",
        "model         0.9000 ± 0.0020   0.7000 ± 0.0010   1.3000 ± 0.0030   0.0100",
        "bias          0.9500 ± 0.0020   0.7000 ± 0.0010   1.3000 ± 0.0030   0.0100",
        "model - bias  -0.0500 ± 0.0010  -0.0400 ± 0.0010  +0.1000 ± 0.0020",
        (
            "1,234 ratings of 56 users; 7 of them without history; 8 ratings of items unknown to the model; "
            "ECE of 4 or more, by chance alone 0.0040"
        ),
    ]
