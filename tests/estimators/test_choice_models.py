"""What every model of choices promises, each one asked: lists, weights, unknown items, reasons, probabilities."""

import itertools

import numpy as np
import pytest

from harmonium import GaussianBoltzmann, Interactions, MultinomialRBM, SemiRestricted
from harmonium.data import Vocabulary

N_TASTES, N_ITEMS, N_USERS = 4, 24, 2400
LEARNED = {"n_hidden": 12, "n_epochs": 12, "keep": 0.7, "hidden_dropout": 0.2}
MODELS = {
    "gaussian": GaussianBoltzmann(ridge=20.0),
    "neighbours": GaussianBoltzmann(ridge=20.0, shape="neighbours", n_neighbours=6),
    "multinomial": MultinomialRBM(**LEARNED),
    "cd": MultinomialRBM(n_hidden=12, n_epochs=12, method="cd"),
    "semi-restricted": SemiRestricted(ridge=20.0, **LEARNED),
}


@pytest.fixture(scope="module")
def choices():
    """People of four tastes, some items liked by all: who chose what, and which of it is kept back."""
    rng = np.random.default_rng(0)
    pull = rng.normal(size=N_ITEMS)[None] + 2.0 * (np.arange(N_ITEMS)[None] % N_TASTES == np.arange(N_TASTES)[:, None])
    p = 1 / (1 + np.exp(2.2 - pull))
    chosen = rng.random((N_USERS, N_ITEMS)) < p[np.arange(N_USERS) % N_TASTES]
    x = Interactions.from_arrays(*np.nonzero(chosen), Vocabulary(np.arange(N_USERS)), Vocabulary(np.arange(N_ITEMS)))
    return x, rng.random(x.n_entries) < 0.3


@pytest.fixture(scope="module", params=MODELS)
def model(request, choices):
    return MODELS[request.param].fit(choices[0].restricted(users=np.arange(N_USERS) < 1200))


def history(items, weight=None):
    return Interactions.from_pairs(["me"] * len(items), items, weight)


def test_as_many_items_as_are_asked_for_are_given_wherever_so_many_are_left(model, choices):
    asked = choices[0].restricted(users=np.arange(N_USERS) >= 2300)
    seen = asked.to_csr().toarray() > 0
    for n, allow, deny in ((5, None, None), (N_ITEMS, None, None), (N_ITEMS + 9, None, [3]), (6, [1, 5, 9, 2], [9])):
        item, score = model.recommend(asked, n=n, allow=allow, deny=deny)
        left = np.isin(np.arange(N_ITEMS), np.arange(N_ITEMS) if allow is None else allow) & ~seen
        left[:, deny or []] = False
        assert ((item >= 0).sum(axis=1) == np.minimum(n, left.sum(axis=1))).all()
        for row, places in enumerate(item):
            given = places[places >= 0]
            assert left[row, given].all() and len(set(given)) == len(given)
            best = np.sort(np.where(left[row], model.scores(asked)[row], -np.inf))[::-1][: len(given)]
            assert score[row, : len(given)] == pytest.approx(best, abs=1e-5)


def test_nothing_left_is_an_empty_list_and_no_history_the_popular_one(model, choices):
    nobody = Interactions(np.zeros(2, int), np.zeros(0, int), Vocabulary(["me"]), choices[0].items)
    item, score = model.recommend(nobody, n=3, allow=[4], deny=[4])
    assert (item == -1).all() and np.isneginf(score).all()
    assert (np.diff(model.popularity_[model.recommend(nobody, n=N_ITEMS)[0][0]]) <= 0).all()


def test_unknown_items_change_nothing_and_repeated_ones_add_up(model):
    known = model.scores(history([3, 7]))
    assert (model.scores(history([3, 7, 99, 100])) == known).all()
    assert (model.scores(history([99, 100])) == model.scores(history([98]))).all()  # nothing is left: the popular list
    twice = model.scores(history([3, 7, 3]))
    assert (model.scores(history([3, 3, 7], [0.5, 0.5, 1.0])) == known).all()
    assert (model.scores(history([3, 7], [2.0, 1.0])) == model.scores(history([3, 3, 7], [1.0, 1.0, 1.0]))).all()
    assert (twice == known).all()  # where events have no weights, a pair is there once
    assert (model.scores(history([3, 7], [5.0, 1.0])) != known).any()
    assert np.isfinite(model.scores(history([3, 7], [1e6, 1e-6]))).all()


def test_reasons_are_what_the_score_loses_without_each_choice(model):
    items, target = [0, 5, 9, 14], 4
    weight = [1.0, 2.0, 0.5, 1.0]
    parts = model.explain(history(items, weight), target)
    whole = model.scores(history(items, weight))[0, target]
    for k, part in enumerate(parts):
        rest = [items[:k] + items[k + 1 :], weight[:k] + weight[k + 1 :]]
        assert part == pytest.approx(whole - model.scores(history(*rest))[0, target], abs=1e-5)
    if isinstance(model, GaussianBoltzmann):
        assert parts.sum() == pytest.approx(whole, abs=1e-5)


def test_probabilities_are_as_often_right_as_they_say(model, choices):
    x, held = choices
    user = np.arange(N_USERS)
    valid, test = (
        [x.select(mask).restricted(users=some) for mask in (~held, held)]
        for some in ((user >= 1200) & (user < 1800), user >= 1800)
    )
    p = model.calibrate(*valid).probabilities(test[0])
    asked, happened = test[0].to_csr().toarray() == 0, test[1].to_csr().toarray() > 0
    edges = np.quantile(p[asked], [0, 0.25, 0.5, 0.75, 0.9, 1])
    for low, high in itertools.pairwise(edges):
        inside = asked & (p >= low) & (p <= high)
        assert p[inside].mean() == pytest.approx(happened[inside].mean(), abs=0.03)
    rising = np.take_along_axis(p, np.argsort(model.scores(test[0]), axis=1), axis=1)
    assert (np.diff(rising, axis=1) >= 0).all()  # what scores more is never less likely
