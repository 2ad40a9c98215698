"""Machines over choices: learning follows the exact likelihood, fantasies are the model's, models are kept."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import chisquare

from harmonium import Interactions, MultinomialRBM, SemiRestricted
from harmonium.data import Vocabulary, load
from harmonium.errors import SettingError
from harmonium.kernels import choices as kernels
from harmonium.models.multinomial_rbm import MultinomialMachine, energy, free_energy
from harmonium.randomness import key_of
from harmonium.training.choice_state import ChoiceState, first_state
from harmonium.training.choices import ChoiceLearning, cd_step, multi_prediction_step

FALSE_ALARM = 1e-6
N_ITEMS, N_HIDDEN, N_CHOICES = 4, 3, 3


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def machine(rng, n_items=N_ITEMS, n_hidden=N_HIDDEN):
    W = rng.normal(size=(n_items, n_hidden)).astype(np.float32)
    return MultinomialMachine(
        W, rng.normal(size=n_items).astype(np.float32), rng.normal(size=n_hidden).astype(np.float32)
    )


def sequences(n=N_CHOICES):
    """Every sequence of n choices, as counts: (n_items ** n, n_items)."""
    return np.array(
        [np.bincount(s, minlength=N_ITEMS) for s in itertools.product(range(N_ITEMS), repeat=n)], np.float64
    )


def test_summing_out_the_hidden_units_gives_the_free_energy(rng):
    model, v = machine(rng), sequences()
    total = sum(
        np.exp(-energy(model, v, np.tile(np.array(h, float), (len(v), 1))))
        for h in itertools.product((0, 1), repeat=N_HIDDEN)
    )
    assert -np.log(total) == pytest.approx(free_energy(model, v), abs=1e-5)


def test_given_the_hidden_units_choices_are_draws_from_one_softmax(rng):
    model, h = machine(rng), np.array([[1.0, 0.0, 1.0]])
    v = sequences()
    p = np.exp(-energy(model, v, np.repeat(h, len(v), axis=0)))
    softmax = np.exp(model.b + model.W @ h[0])
    softmax /= softmax.sum()
    assert p / p.sum() == pytest.approx(np.prod(softmax**v, axis=1), rel=1e-5)


@pytest.mark.parametrize("exact", [True, False])
def test_long_chains_draw_from_the_model_itself(rng, exact):
    model, n = machine(rng), 20_000
    x = (
        np.arange(n + 1) * N_CHOICES,
        rng.integers(0, N_ITEMS, n * N_CHOICES).astype(np.int32),
        np.ones(n * N_CHOICES, np.float32),
    )
    args = x, x[0][:-1], key_of(4), model.W, model.b, model.c
    table = kernels.alias(np.array([1.0, 2, 3, 4]))
    fantasy = kernels.exact_chains(*args, 12)[2] if exact else kernels.chains(*args, table, 40, 4)[2]
    code = fantasy.reshape(n, N_CHOICES) @ (N_ITEMS ** np.arange(N_CHOICES))[::-1]
    p = np.exp(-free_energy(model, sequences()).astype(np.float64))
    assert chisquare(np.bincount(code, minlength=len(p)), p / p.sum() * n).pvalue > FALSE_ALARM


def log_likelihood(model, v):
    every = -free_energy(model, sequences()).astype(np.float64)
    return float((-free_energy(model, v) - np.logaddexp.reduce(every)).sum())


@pytest.mark.parametrize("method", ["cd", "cd-softmax"])
def test_with_long_chains_a_step_goes_where_the_exact_likelihood_rises(rng, method):
    model = machine(rng)
    v = sequences()[rng.choice(N_ITEMS**N_CHOICES, 1000, p=np.random.default_rng(9).dirichlet(np.full(64, 0.2)))]
    gradient = np.empty_like(model.W, np.float64)
    for i, j in np.ndindex(model.W.shape):
        sides = []
        for step in (1e-2, -1e-2):
            W = model.W.copy()
            W[i, j] += step
            sides.append(log_likelihood(MultinomialMachine(W, model.b, model.c), v))
        gradient[i, j] = (sides[0] - sides[1]) / 2e-2
    state = ChoiceState(MultinomialMachine(*(a.copy() for a in (model.W, model.b, model.c))), np.zeros(1, np.float32))
    learning = ChoiceLearning(method=method, n_gibbs=30, n_moves=4, n_hidden=N_HIDDEN)
    table = kernels.alias(np.ones(N_ITEMS)) if method == "cd" else None
    one_each = expanded(v)
    cd_step(state, one_each, one_each[0][:-1], key_of(1), learning, 1e-3, table)
    moved = (state.machine.W - model.W).astype(np.float64)  # Adagrad scales each row by a positive number
    for i in range(N_ITEMS):
        cosine = moved[i] @ gradient[i] / np.linalg.norm(moved[i]) / np.linalg.norm(gradient[i])
        assert cosine > 0.9


def expanded(v):
    """Counts as one entry a choice, so that every choice has a fantasy of its own."""
    item = np.concatenate([np.repeat(np.arange(N_ITEMS), row.astype(int)) for row in v]).astype(np.int32)
    return np.arange(len(v) + 1) * N_CHOICES, item, np.ones(len(item), np.float32)


def test_multi_predictions_gradient_is_that_of_its_loss(rng):
    model = machine(rng)
    x = np.array([0, 2, 5]), np.array([0, 2, 0, 1, 3], np.int32), np.array([1, 2, 1, 1, 3], np.float32)
    learning = ChoiceLearning(n_hidden=N_HIDDEN, keep=0.5, hidden_dropout=0.0, length_power=0.0)
    B = rng.normal(size=(N_ITEMS, N_ITEMS)).astype(np.float32)
    np.fill_diagonal(B, 0)
    kept = kernels.thinned(x, np.random.default_rng(7).random(5) < 0.5)
    written = [np.zeros((2, N_ITEMS)) for _ in range(2)]
    for dense, part in zip(written, (x, kept)):
        dense[np.repeat([0, 1], np.diff(part[0])), part[1]] = part[2]

    def loss(W, b, c, scale, couplings):
        z = b + 1 / (1 + np.exp(-(c + written[1] @ W))) @ W.T + scale * (written[1] @ couplings)
        return -(written[0] * (z - np.logaddexp.reduce(z, axis=1)[:, None])).sum() / 2

    before = [a.astype(np.float64) for a in (model.W, model.b, model.c, np.array([1.5]), B)]
    state = ChoiceState(model, np.array([1.5], np.float32), couplings=B.copy(), steps=1)
    found = multi_prediction_step(
        state, x, learning, 1e-9, np.random.default_rng(7), lambda case: kernels.sum_rows(case, B), 1e-12
    )
    assert found / 2 == pytest.approx(loss(*before), rel=1e-5)
    for position, name in enumerate(("W", "b", "c", "scale", "couplings")):
        gradient = state.moments[name][0] / 0.1  # Adam's running mean after one step
        for at in np.ndindex(before[position].shape):
            if name == "couplings" and at[0] == at[1]:
                continue
            sides = []
            for step in (1e-5, -1e-5):
                moved = [a.copy() for a in before]
                moved[position][at] += step
                sides.append(loss(*moved))
            assert gradient[at] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=2e-4)


@pytest.fixture(scope="module")
def films():
    x = load("movielens-small").ratings.interactions(at_least=4)
    x = x.restricted(items=x.popularity() >= 10)
    user, held = np.arange(x.n_users), np.random.default_rng(1).random(x.n_entries) < 0.2
    fit = x.restricted(users=user % 5 > 0)
    known, asked = (x.select(mask).restricted(users=user % 5 == 0) for mask in (~held, held))
    return fit, known, asked


@pytest.mark.parametrize(
    ("model", "least"),
    [
        (MultinomialRBM(n_hidden=100, n_epochs=40), 0.25),
        (MultinomialRBM(n_hidden=64, n_epochs=30, method="cd"), 0.26),
        (MultinomialRBM(n_hidden=32, n_epochs=10, method="cd-softmax"), 0.25),
        (SemiRestricted(ridge=50, n_hidden=100, n_epochs=40), 0.31),
        (SemiRestricted(ridge=50, n_hidden=60, n_epochs=20, shape="neighbours", n_machines=2), 0.31),
        (SemiRestricted(ridge=50, n_hidden=60, n_epochs=20, joint_epochs=3), 0.31),
    ],
    ids=["multi-prediction", "cd", "cd-softmax", "semi-restricted", "neighbours", "joint"],
)
def test_accuracy_on_the_bundled_films_keeps_its_floor(films, model, least, tmp_path):
    fit, known, asked = films
    events = []
    model.fit(fit, validation=(known, asked), watch=events.append)
    assert max(e.validation_ndcg for e in events if e.kind == "choice epoch" and e.validation_ndcg) > least
    model.calibrate(known, asked).save(tmp_path / "m.harmonium")
    loaded = type(model).load(tmp_path / "m.harmonium")
    assert (loaded.scores(known) == model.scores(known)).all()
    assert (loaded.probabilities(known) == model.probabilities(known)).all()


@pytest.mark.parametrize("method", ["multi-prediction", "cd", "cd-softmax"])
def test_the_same_seed_gives_the_same_model(films, method):
    scores = [
        MultinomialRBM(n_hidden=8, n_epochs=2, method=method, random_state=seed).fit(films[0]).scores(films[1])
        for seed in (3, 3, 4)
    ]
    assert (scores[0] == scores[1]).all()
    assert (scores[0] != scores[2]).any()


def test_an_empty_history_gets_the_popular_list_from_every_model(films):
    fit = films[0]
    nobody = Interactions(np.zeros(2, int), np.zeros(0, int), Vocabulary([1]), fit.items)
    for model in (MultinomialRBM(n_hidden=4, n_epochs=1), SemiRestricted(n_hidden=4, n_epochs=1)):
        item, _ = model.fit(fit).recommend(nobody, n=20)
        assert (np.diff(fit.popularity()[item[0]]) <= 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultinomialRBM(method="pcd"), "method"),
        (lambda: MultinomialRBM(keep=0.0), "keep"),
        (lambda: MultinomialRBM(n_machines=0), "n_machines"),
        (lambda: SemiRestricted(shape="dual"), "shape"),
        (lambda: SemiRestricted(shape="neighbours", joint_epochs=1), "joint_epochs"),
        (lambda: SemiRestricted(random_state=-1), "random_state"),
    ],
)
def test_settings_out_of_range_are_named(films, make, message):
    with pytest.raises(SettingError, match=message):
        make().fit(films[0])


def test_first_weights_are_small_and_biases_log_popularity():
    state = first_state(np.array([3, 0, 1]), 2, 0, 1.0)
    assert state.machine.b == pytest.approx([math.log(3.5 / 5.5), math.log(0.5 / 5.5), math.log(1.5 / 5.5)])
    assert np.abs(state.machine.W).max() < 0.1
