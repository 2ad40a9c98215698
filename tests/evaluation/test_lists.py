"""Metrics of ranked lists are ranx's, or differ as their definitions say; comparisons are paired."""

import math

import numpy as np
import pytest

from harmonium import GaussianBoltzmann, Interactions
from harmonium.data import Vocabulary, load
from harmonium.errors import DataError, SettingError
from harmonium.evaluation.choice_baselines import ItemNeighbours, PopularItems
from harmonium.evaluation.choices import ListComparison, evaluate_lists
from harmonium.training.lists import LIST_METRICS, hits


@pytest.fixture(scope="module")
def films():
    x = load("movielens-small").ratings.interactions(at_least=4)
    user, held = np.arange(x.n_users), np.random.default_rng(1).random(x.n_entries) < 0.2
    fit = x.restricted(users=user % 5 > 0)
    known, asked = (x.select(mask).restricted(users=user % 5 == 0) for mask in (~held, held))
    return fit, known, asked


@pytest.fixture(scope="module")
def measured(films):
    fit, known, asked = films
    models = {"popular": PopularItems(), "knn": ItemNeighbours(50), "gaussian": GaussianBoltzmann(ridge=100)}
    return {name: evaluate_lists(m.fit(fit), known, asked, (5, 20), fit) for name, m in models.items()}


@pytest.fixture(scope="module")
def lists():
    rng = np.random.default_rng(0)
    found = np.argsort(rng.random((40, 30)), axis=1)[:, :12]
    held = [np.flatnonzero(rng.random(30) < 0.2) for _ in range(40)]
    held = [h if len(h) else np.array([3]) for h in held]
    user = np.repeat(np.arange(40), [len(h) for h in held])
    wanted = Interactions.from_arrays(user, np.concatenate(held), Vocabulary(range(40)), Vocabulary(range(30)))
    return found, wanted


@pytest.mark.parametrize("k", [1, 5, 12])
@pytest.mark.parametrize("name", ["recall", "precision", "ndcg", "map", "mrr", "hit_rate"])
@pytest.mark.filterwarnings("ignore")  # of ranx's own imports
def test_metrics_are_those_of_ranx(lists, name, k):
    ranx = pytest.importorskip("ranx", exc_type=ImportError)
    found, wanted = lists
    qrels = {str(u): {str(i): 1 for i in wanted.item[wanted.indptr[u] : wanted.indptr[u + 1]]} for u in range(40)}
    run = {str(u): {str(i): 1.0 - place / 100 for place, i in enumerate(row)} for u, row in enumerate(found)}
    n = np.diff(wanted.indptr)
    mine = LIST_METRICS[name](hits(found, wanted), n, k)
    if name == "map":  # ranx divides by all held-out items, as many as there are
        mine = mine * np.minimum(n, k) / n
    theirs = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), f"{name}@{k}", return_mean=False)
    order = [int(u) for u in ranx.Qrels(qrels).keys()]  # noqa: SIM118
    assert mine[order] == pytest.approx(theirs, abs=1e-9)


def test_capped_recall_divides_by_the_most_hits_there_could_be(lists):
    found, wanted = lists
    hit, n = hits(found, wanted), np.diff(wanted.indptr)
    for k in (1, 5, 12):
        capped, plain = (LIST_METRICS[name](hit, n, k) for name in ("capped_recall", "recall"))
        assert capped == pytest.approx(plain * n / np.minimum(n, k))


def test_a_perfect_list_scores_one_by_every_metric():
    wanted = Interactions.from_pairs([1, 1, 1], [0, 1, 2])
    hit = hits(np.array([[2, 0, 1]]), wanted)
    assert {name: metric(hit, np.array([3]), 3)[0] for name, metric in LIST_METRICS.items()} == pytest.approx(
        dict.fromkeys(LIST_METRICS, 1.0)
    )


def test_models_beat_what_is_popular_beyond_chance(measured):
    for name in ("knn", "gaussian"):
        gain, error = measured[name].difference(measured["popular"], "ndcg@20")
        assert gain > 3 * error > 0
    assert measured["gaussian"]["ndcg@20"] > 0.2


def test_a_paired_difference_is_surer_than_two_apart(measured):
    gain, error = measured["gaussian"].difference(measured["knn"], "ndcg@20")
    assert gain == pytest.approx(measured["gaussian"]["ndcg@20"] - measured["knn"]["ndcg@20"])
    assert error < math.hypot(*(measured[name].standard_error("ndcg@20") for name in ("gaussian", "knn")))


def test_lists_of_the_popular_cover_little_and_are_no_news(measured):
    popular, model = measured["popular"], measured["gaussian"]
    assert popular["coverage@20"] < model["coverage@20"]
    assert popular["novelty@20"] < model["novelty@20"]
    assert popular["popularity_lift@20"] > model["popularity_lift@20"]
    assert 0 < popular["diversity@20"] < 1


def test_what_lists_are_together_is_what_its_definition_says():
    items = Vocabulary(range(4))
    learned = Interactions.from_arrays([0, 0, 1, 1, 2], [0, 1, 0, 1, 0], Vocabulary(range(3)), items)
    known = Interactions.from_arrays([0], [3], Vocabulary([9]), items)
    asked = Interactions.from_arrays([0], [1], Vocabulary([9]), items)
    found = evaluate_lists(PopularItems().fit(learned), known, asked, (2,), learned)
    assert found["coverage@2"] == 0.5
    assert found["novelty@2"] == pytest.approx((math.log2(1) + math.log2(1.5)) / 2)
    assert found["popularity_lift@2"] == pytest.approx(2.5 / 2 - 1)
    assert found["diversity@2"] == pytest.approx(1 - 2 / math.sqrt(6))
    assert found["recall@2"] == 1 and found["mrr@2"] == 0.5


def test_held_out_items_the_model_does_not_know_are_missed_and_users_without_any_left_out(films):
    fit, known, _ = films
    model = PopularItems().fit(fit)
    best = model.items_[int(np.argmax(model.popularity_))]
    asked = Interactions.from_pairs([1, 1], [best, 999_999])
    history = Interactions.from_pairs([1], [int(known.items[5])])
    found = evaluate_lists(model, history, asked, (10,))
    assert found["recall@10"] == 0.5
    with pytest.raises(DataError, match="same users"):
        evaluate_lists(model, known, asked)
    with pytest.raises(DataError, match="nothing is held out"):
        evaluate_lists(model, history, history.select(np.zeros(1, bool)))


def test_a_comparison_has_a_row_a_model_with_paired_gains(measured):
    rows = ListComparison(measured, {"gaussian": {"seconds": 1.5}}).rows(["ndcg@20"])
    assert [row["model"] for row in rows] == ["popular", "knn", "gaussian"]
    assert rows[0]["ndcg@20_gain"] == 0 and rows[2]["seconds"] == 1.5
    with pytest.raises(SettingError, match="ndcg@7"):
        measured["knn"]["ndcg@7"]
    with pytest.raises(DataError, match="different ones"):
        measured["knn"].difference(type(measured["knn"])({}, {}, np.array([1]), 0.0), "ndcg@20")


def test_a_saved_baseline_answers_as_before(films, tmp_path):
    fit, known, _ = films
    for model in (PopularItems(), ItemNeighbours(20)):
        model.fit(fit).save(tmp_path / "b.harmonium")
        assert (type(model).load(tmp_path / "b.harmonium").scores(known) == model.scores(known)).all()
