"""The closed form is the regression it stands for, in every shape; what cannot be done says so."""

import itertools

import numpy as np
import pytest

from harmonium import GaussianBoltzmann, Interactions
from harmonium.data import Vocabulary
from harmonium.errors import DataError, NotEnoughMemoryError, NotFittedError, SettingError

N_USERS, N_ITEMS = 60, 14


def made(rng, n_users=N_USERS, n_items=N_ITEMS, weighted=False):
    """Return choices with structure: two tastes, and some items nobody chose."""
    taste = rng.random((n_users, 1)) < 0.5
    liked = np.where(taste, np.arange(n_items) % 2, (np.arange(n_items) + 1) % 2) * 0.5 + 0.1
    x = rng.random((n_users, n_items)) < liked
    x[:, -1] = False
    user, item = np.nonzero(x)
    weight = rng.integers(1, 4, len(user)) if weighted else None
    return Interactions.from_arrays(user, item, Vocabulary(np.arange(n_users)), Vocabulary(np.arange(n_items)), weight)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def regressions(X, ridge):
    """Ridge regression of every column on all others, one at a time: (n_items, n_items)."""
    n = X.shape[1]
    B = np.zeros((n, n))
    for j in range(n):
        others = np.delete(np.arange(n), j)
        G = X[:, others].T @ X[:, others] + np.diag(ridge[others])
        B[others, j] = np.linalg.solve(G, X[:, others].T @ X[:, j])
    return B


@pytest.mark.parametrize("shape", ["dense", "dual", "neighbours"])
def test_the_closed_form_is_the_ridge_regression_of_each_item_on_the_others(rng, shape):
    x = made(rng)
    X = x.to_csr().toarray().astype(np.float64)
    model = GaussianBoltzmann(ridge=3.0, dropout=0.4, shape=shape, n_neighbours=N_ITEMS).fit(x)
    expected = X @ regressions(X, 3.0 + 0.4 / 0.6 * (X**2).sum(axis=0))
    assert model.scores(x) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("shape", ["dense", "dual", "neighbours"])
def test_weights_and_powers_are_what_they_say(rng, shape):
    x = made(rng, weighted=True)
    X = x.to_csr().toarray().astype(np.float64)
    powers = {"variance_power": 0.5, "user_degree": 0.5, "item_degree": 0.3, "output_degree": -0.2}
    model = GaussianBoltzmann(ridge=2.0, shape=shape, n_neighbours=N_ITEMS, **powers).fit(x)
    degree, rows = np.maximum(X.sum(axis=0), 1), X / np.sqrt(X.sum(axis=1, keepdims=True))
    ridge = 2 * degree**0.6 * np.maximum(X.var(axis=0), 1e-12) ** 0.5
    expected = X @ regressions(rows, ridge) * degree**-0.2
    assert model.scores(x) == pytest.approx(expected, abs=2e-3, rel=1e-3)


def test_dense_and_dual_score_new_people_alike(rng):
    x, new = made(rng), made(rng, n_users=9)
    settings = {"ridge": 3.0, "user_degree": 0.5, "item_degree": 0.5}
    dense, dual = (GaussianBoltzmann(shape=shape, **settings).fit(x) for shape in ("dense", "dual"))
    assert dual.scores(new) == pytest.approx(dense.scores(new), abs=1e-4)


def test_a_training_users_row_scores_the_same_as_a_strangers_with_that_history(rng):
    x = made(rng)
    model = GaussianBoltzmann(ridge=3.0, user_degree=0.5, shape="dual").fit(x)
    stranger = Interactions(x.indptr, x.item, Vocabulary(np.arange(N_USERS) + 1000), x.items)
    assert model.scores(stranger) == pytest.approx(model.scores(x), abs=1e-4)


def test_auto_inverts_the_smaller_matrix(rng):
    assert GaussianBoltzmann().fit(made(rng))._shape(made(rng)) == "dense"
    few = made(rng, n_users=8)
    assert GaussianBoltzmann().fit(few).learned_ is few


def test_third_order_terms_are_the_regression_on_items_and_pairs_without_what_holds_the_target(rng):
    x = made(rng)
    X = x.to_csr().toarray().astype(np.float64)
    model = GaussianBoltzmann(ridge=3.0, n_pairs=5, pair_ridge=2.0).fit(x)
    pairs = model.couplings_.pairs
    first, second = pairs.first, pairs.second
    together = np.triu(X.T @ X, 1)
    assert sorted(together[first, second]) == sorted(np.sort(together, axis=None)[-5:])
    Z = np.hstack((X, X[:, first] * X[:, second]))
    ridge = np.concatenate((np.full(N_ITEMS, 3.0), np.full(5, 2.0)))
    for j in range(N_ITEMS):
        holds = np.flatnonzero((first == j) | (second == j)) + N_ITEMS
        kept = np.setdiff1d(np.arange(N_ITEMS + 5), [j, *holds])
        b = np.linalg.solve(Z[:, kept].T @ Z[:, kept] + np.diag(ridge[kept]), Z[:, kept].T @ X[:, j])
        assert model.scores(x)[:, j] == pytest.approx(Z[:, kept] @ b, abs=1e-4)


def test_linear_hidden_units_are_the_principal_directions_of_the_normalised_interactions(rng):
    x = made(rng, weighted=True)
    X = x.to_csr().toarray().astype(np.float64)
    plain, more = (GaussianBoltzmann(ridge=3.0, n_factors=n, factor_share=0.7, output_degree=-0.1) for n in (0, 3))
    root = np.sqrt(np.maximum(X.sum(axis=0), 1))
    V = np.linalg.svd(X / np.sqrt(X.sum(axis=1, keepdims=True)) / root)[2][:3].T
    added = 0.7 * (X / root) @ V @ V.T * root * np.maximum(X.sum(axis=0), 1) ** -0.1
    assert more.fit(x).scores(x) - plain.fit(x).scores(x) == pytest.approx(added, abs=2e-3)


@pytest.mark.parametrize("shape", ["dense", "dual", "neighbours"])
def test_the_largest_couplings_alone_may_be_kept(rng, shape):
    x = made(rng)
    settings = {"ridge": 3.0, "dropout": 0.4, "shape": shape, "n_neighbours": N_ITEMS}
    B = GaussianBoltzmann(**settings | {"shape": "dense"}).fit(x).couplings_.B
    kept = GaussianBoltzmann(n_kept=4, **settings).fit(x)
    least = -np.sort(-np.abs(B), axis=1)[:, 3:4]
    expected = x.to_csr() @ np.where(np.abs(B) >= least, B, 0)
    assert np.allclose(kept.scores(x), expected, atol=1e-5)
    everything = GaussianBoltzmann(n_kept=N_ITEMS, **settings).fit(x)
    assert np.allclose(everything.scores(x), x.to_csr() @ B, atol=1e-5)
    with pytest.raises(SettingError, match="n_kept"):
        GaussianBoltzmann(n_kept=4, n_pairs=2).fit(x)


def test_few_neighbours_lose_little_and_more_lose_less(rng):
    x = made(rng, n_users=400, n_items=60)
    full = GaussianBoltzmann(ridge=5.0, shape="dense").fit(x).scores(x)
    loss = []
    for n in (5, 20, 59):
        found = GaussianBoltzmann(ridge=5.0, shape="neighbours", n_neighbours=n).fit(x).scores(x)
        loss.append(float(np.square(found - full).mean() / full.var()))
    assert loss[0] > loss[1] > loss[2]
    assert loss[2] < 1e-6


def test_what_does_not_fit_in_memory_is_refused_before_with_the_way_out(rng):
    x = made(rng, n_users=5000, n_items=2000)
    with pytest.raises(NotEnoughMemoryError, match=r"2,000 items need .* GB.*shape='neighbours' needs") as caught:
        GaussianBoltzmann(max_memory_gb=0.02, n_neighbours=5).fit(x)
    assert isinstance(caught.value, MemoryError)


def test_memory_is_said_before_it_is_taken(rng):
    events = []
    GaussianBoltzmann().fit(made(rng), watch=events.append)
    assert events[0].kind == "allocates"
    assert events[0].n_bytes >= 4 * N_ITEMS**2


def test_an_empty_history_gets_the_popular_list(rng):
    x = made(rng)
    nobody = Interactions(np.zeros(2, int), np.zeros(0, int), Vocabulary([1]), x.items)
    item, _ = GaussianBoltzmann().fit(x).recommend(nobody, n=N_ITEMS)
    popular = x.popularity()
    assert (np.diff(popular[item[0]]) <= 0).all()


def test_filters_are_exact_and_n_asked_is_n_given(rng):
    x = made(rng)
    model = GaussianBoltzmann(ridge=3.0).fit(x)
    item, score = model.recommend(x, n=3, allow=[0, 2, 4, 6, 8], deny=[4])
    seen = x.to_csr().toarray() > 0
    for user in range(N_USERS):
        left = [k for k in (0, 2, 6, 8) if not seen[user, k]]
        assert set(item[user][item[user] >= 0]) <= set(left)
        assert (item[user] >= 0).sum() == min(3, len(left))
    assert np.isneginf(score[item < 0]).all()
    everything, _ = model.recommend(x, n=N_ITEMS + 5, exclude_seen=False)
    assert (np.sort(everything[:, :N_ITEMS], axis=1) == np.arange(N_ITEMS)).all()
    assert (everything[:, N_ITEMS:] == -1).all()


def test_explanations_add_up_to_the_score(rng):
    x = made(rng, weighted=True)
    model = GaussianBoltzmann(ridge=3.0).fit(x)
    one = x.restricted(users=np.arange(N_USERS) == 4)
    target = int(np.setdiff1d(np.arange(N_ITEMS - 1), one.item)[0])
    parts = model.explain(one, target)
    assert parts.sum() == pytest.approx(model.scores(one)[0, target], abs=1e-5)
    assert parts == pytest.approx(one.weights() * model.couplings_.B[one.item, target], abs=1e-5)


def test_items_the_model_does_not_know_are_left_out_of_a_history(rng):
    x = made(rng)
    model = GaussianBoltzmann(ridge=3.0).fit(x)
    known = Interactions.from_pairs([1, 1], [3, 5])
    more = Interactions.from_pairs([1, 1, 1], [3, 5, 999])
    assert (model.scores(known) == model.scores(more)).all()


def test_probabilities_are_calibrated_on_validation_users(rng):
    x = made(rng, n_users=2000)
    model = GaussianBoltzmann(ridge=20.0).fit(x.rows(np.arange(1000)))
    held = np.random.default_rng(0).random(x.n_entries) < 0.3
    parts = x.select(~held), x.select(held)
    valid, test = ([part.restricted(users=mask) for part in parts] for mask in _halves())
    with pytest.raises(SettingError, match="calibrate"):
        model.probabilities(test[0])
    p = model.calibrate(*valid).probabilities(test[0])
    asked = test[0].to_csr().toarray() == 0
    happened = test[1].to_csr().toarray() > 0
    edges = np.quantile(p[asked], [0, 0.25, 0.5, 0.75, 1])
    for low, high in itertools.pairwise(edges):
        inside = asked & (p >= low) & (p <= high)
        assert p[inside].mean() == pytest.approx(happened[inside].mean(), abs=0.03)


def _halves():
    user = np.arange(2000)
    return (user >= 1000) & (user < 1500), user >= 1500


@pytest.mark.parametrize(
    "settings", [{"dropout": 0.4, "n_factors": 2}, {"n_pairs": 3}, {"shape": "neighbours"}, {"shape": "dual"}]
)
def test_a_saved_model_answers_as_the_one_that_was_saved(rng, tmp_path, settings):
    x = made(rng, weighted=True)
    model = GaussianBoltzmann(**settings).fit(x)
    held = np.arange(x.n_entries) % 3 == 0
    model.calibrate(x.select(~held), x.select(held))
    model.save(tmp_path / "m.harmonium")
    loaded = GaussianBoltzmann.load(tmp_path / "m.harmonium")
    assert loaded.get_params() == model.get_params()
    for rows in (x, made(rng, n_users=3)):
        assert (loaded.scores(rows) == model.scores(rows)).all()
        assert (loaded.probabilities(rows) == model.probabilities(rows)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ridge": 0}, "ridge"),
        ({"dropout": 1.0}, "dropout"),
        ({"shape": "round"}, "shape"),
        ({"n_pairs": 3, "shape": "dual"}, "n_pairs"),
        ({"ridge": "much"}, "ridge"),
    ],
)
def test_settings_out_of_range_are_named(rng, settings, message):
    with pytest.raises(SettingError, match=message):
        GaussianBoltzmann(**settings).fit(made(rng))


def test_what_is_no_history_is_refused(rng):
    with pytest.raises(DataError, match="Interactions"):
        GaussianBoltzmann().fit([[1, 2]])
    with pytest.raises(NotFittedError):
        GaussianBoltzmann().scores(made(rng))
    with pytest.raises(SettingError, match="allow"):
        GaussianBoltzmann().fit(made(rng)).recommend(made(rng), allow=[N_ITEMS])
