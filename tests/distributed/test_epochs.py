"""Epochs of several workers equal those of one process, whatever the method."""

import numpy as np
import pytest
from _threads import together
from scipy import sparse

from harmonium.conventions import UNRATED
from harmonium.data import Ratings, Scale, Vocabulary, random_split
from harmonium.data.shards import Shards
from harmonium.distributed import dense_epoch, ratings_epoch, scoring, shards
from harmonium.distributed.exchange import Alone, shown_to_all
from harmonium.models import level_rbm
from harmonium.models import rbm as rbms
from harmonium.training import loop
from harmonium.training import state as states
from harmonium.training.dense import loop as dense_loop
from harmonium.training.dense import state as dense_states
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.settings import Learning
from harmonium.training.validation import Scorer
from harmonium.units import Bernoulli, Gaussian
from harmonium.units.levels import level_features

N_USERS, N_ITEMS, N_HIDDEN = 37, 19, 12
CLOSE = {"rtol": 2e-3, "atol": 2e-5}  # float32 sums in another order, over a few dozen steps
WORKERS = [1, 2, 4]


def made_ratings(unrated=True, seed=0):
    """Ratings with users and items that have none."""
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((N_USERS, N_ITEMS)) < rng.random((N_USERS, 1)))
    kept = (user % 9 != 4) & (item != 7)
    user, item = user[kept], item[kept]
    level = rng.integers(0, 5, len(user)).astype(np.uint8)
    if unrated:
        level[rng.random(len(level)) < 0.1] = UNRATED
    ids = [Vocabulary.from_ids(np.arange(n)) for n in (N_USERS, N_ITEMS)]
    return Ratings.from_arrays(user, item, level, *ids, Scale.stars())


def begun(cases, learning, features="linear"):
    phi = level_features(features, Scale.stars().x)
    return states.start(
        level_rbm.initial(cases.ratings, N_HIDDEN, phi, np.random.default_rng(5)), cases, learning, seed=11
    )


def epochs(cases, learning, n_workers, bucket=ratings_epoch.BUCKET_BYTES, features="linear"):
    """Each worker's state after all epochs, and the exchanges; cases are `Shards`."""
    cuts = [shards.edges(chunk.indptr, n_workers) for chunk in cases]

    def work(exchange):
        state = begun(cases, learning, features)
        own = [shards.shard_of(chunk, cut, exchange.rank) for chunk, cut in zip(cases, cuts)]
        if len(state.chain):
            starts = [(start, chunk.indptr) for start, chunk in zip(cases.entry_ends.tolist(), cases)]
            spans = [(start + p[one.first], start + p[one.last]) for (start, p), one in zip(starts, own)]
            state.chain = np.concatenate([state.chain[a:z] for a, z in spans])
        for _ in range(learning.n_epochs):
            ratings_epoch.run_epoch(state, own, learning, exchange, bucket)
        return state, exchange

    return together(n_workers, work)


def one_process(cases, learning, features="linear"):
    state = begun(cases, learning, features)
    for _ in loop.train(state, cases, learning):
        pass
    return state


RULES = {
    "multi-prediction": {"method": "multi-prediction"},
    "mean-field cd": {"method": "cd", "n_steps": 2},
    "sampled cd": {"method": "cd", "n_steps": (1, 3), "sample": True},
    "pcd": {"method": "pcd", "n_steps": 2},
}


@pytest.mark.parametrize("n_workers", WORKERS)
@pytest.mark.parametrize("rule", list(RULES))
def test_several_workers_learn_what_one_process_learns(rule, n_workers):
    cases = Shards(made_ratings())
    learning = Learning(**RULES[rule], n_epochs=3, batch_size=8, averaging=0.0)
    expected, found = one_process(cases, learning), epochs(cases, learning, n_workers)
    for name in ("W", "b", "c"):
        theirs = getattr(expected.machine, name)
        np.testing.assert_allclose(getattr(found[0][0].machine, name), theirs, **CLOSE, err_msg=name)
    for a, b in zip((*found[0][0].moments, *found[0][0].c_moments), (*expected.moments, *expected.c_moments)):
        np.testing.assert_allclose(a, b, **CLOSE)
    np.testing.assert_array_equal(np.concatenate([state.chain for state, _ in found]), expected.chain)


@pytest.mark.parametrize("rule", ["multi-prediction", "pcd"])
def test_chunks_on_several_workers_are_learnt_in_the_order_of_one_process(rule):
    cases = Shards(made_ratings(), np.array([0, 10, 25, N_USERS]))
    learning = Learning(**RULES[rule], n_epochs=3, batch_size=8, averaging=0.0, schedule="linear")
    expected, found = one_process(cases, learning), epochs(cases, learning, 3)
    for name in ("W", "b", "c"):
        theirs = getattr(expected.machine, name)
        np.testing.assert_allclose(getattr(found[2][0].machine, name), theirs, **CLOSE, err_msg=name)


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "momentum"])
@pytest.mark.parametrize("features", ["identity", "quadratic"])
def test_every_optimiser_and_every_way_to_share_weights_is_the_same_on_workers(optimizer, features):
    cases = Shards(made_ratings(unrated=features == "quadratic"))
    learning = Learning(optimizer=optimizer, n_epochs=2, batch_size=10, learning_rate=0.01, schedule="cosine")
    expected = one_process(cases, learning, features).machine
    found = epochs(cases, learning, 3, features=features)[1][0].machine
    for name in ("W", "b", "c"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), **CLOSE, err_msg=name)


def test_all_workers_end_with_the_same_parameters_to_the_last_bit_whatever_the_bucket():
    cases, learning = Shards(made_ratings()), Learning(n_epochs=2, batch_size=8)
    one_bucket, small = (epochs(cases, learning, 4, bucket) for bucket in (1 << 30, 100))
    for name in ("W", "b", "c"):
        for state, _ in (*one_bucket, *small):
            np.testing.assert_array_equal(getattr(state.machine, name), getattr(one_bucket[0][0].machine, name))


def test_only_units_that_a_mini_batch_touches_are_sent():
    cases = Shards(made_ratings())
    learning = Learning(n_epochs=1, batch_size=2)
    _, exchange = epochs(cases, learning, 2)[0]
    state = begun(cases, learning)
    row = 4 * (len(state.machine.W) * state.machine.W.shape[2] + state.machine.b.shape[1])
    batches = -(-int((np.diff(cases.ratings.indptr) > 0).sum()) // 2)
    rows_sent = (exchange.n_bytes - batches * 4 * (N_ITEMS + state.machine.W.shape[2])) / row
    assert 0 < rows_sent < batches * (N_ITEMS - 1)  # one item has no ratings, and pairs of users leave more out


def test_a_score_of_shards_is_that_of_all_validation_ratings():
    split = random_split(made_ratings(unrated=False), 0.2, rng=0)
    whole = Scorer(Shards(split.train), Shards(split.test), split.train.scale.values)
    rbm = begun(Shards(split.train), Learning()).rbm()
    cut = [0, 4, 5, 5, N_USERS]  # one worker has no cases, another no validation ratings perhaps

    def work(exchange):
        span = cut[exchange.rank], cut[exchange.rank + 1]
        known, held_out = (shards.part(ratings, *span) for ratings in split)
        own = [Scorer(Shards(known), Shards(held_out), whole.values)] if held_out.n_entries else []
        return scoring.SharedScorer(own, exchange)(rbm)

    scores, expected = together(4, work), whole(rbm)
    assert len(set(scores)) == 1
    assert scores[0].rmse == pytest.approx(expected.rmse, rel=1e-6)
    assert scores[0].log_loss == pytest.approx(expected.log_loss, rel=1e-6)


def test_cases_are_cut_into_parts_of_about_as_many_entries():
    indptr = np.cumsum([0, *np.random.default_rng(0).integers(0, 100, 1000)])
    cut = shards.edges(indptr, 4)
    assert cut[0] == 0 and cut[-1] == 1000
    assert np.ptp(np.diff(indptr[cut])) <= 200
    assert shards.edges(np.array([0, 5]), 3) in ([0, 0, 1, 1], [0, 0, 0, 1], [0, 1, 1, 1])  # more workers than cases


def test_every_worker_sees_the_numbers_of_all():
    found = together(3, lambda exchange: shown_to_all(exchange, 10 + exchange.rank).tolist())
    assert found == [[10, 11, 12]] * 3
    assert shown_to_all(Alone(), 7).tolist() == [7]


LAYERS = {
    "bernoulli": (Bernoulli(9), Bernoulli(6)),
    "gaussian": (Gaussian(9), Bernoulli(6)),
}


def dense_epochs(X, rbm, learning, n_workers):
    """Each worker's dense state after all epochs."""
    rows = shards.even(X.shape[0], n_workers)
    chains = shards.even(dense_loop.n_chains(X, learning), n_workers)

    def work(exchange):
        state = dense_begun(X, rbm, learning)
        dense_loop.begin_chains(state, X, learning)
        r, first = exchange.rank, rows[exchange.rank]
        state.v, state.h = state.v[chains[r] : chains[r + 1]], state.h[chains[r] : chains[r + 1]]
        n_chains = 0 if learning.method == "cd" else chains[-1]
        shard = dense_epoch.DenseShard(X[first : rows[r + 1]], first, X.shape[0], chains[r], n_chains)
        room = dense_epoch.workspace(state, shard, learning)
        for _ in range(learning.n_epochs):
            dense_epoch.run_epoch(state, shard, learning, room, exchange)
        return state

    return together(n_workers, work)


def dense_begun(X, rbm, learning):
    mean = np.asarray(X.mean(axis=0), np.float32).ravel()
    return dense_states.start(rbm, learning, 3, mean, X.shape[0])


@pytest.mark.parametrize("n_workers", WORKERS)
@pytest.mark.parametrize("method", ["cd", "pcd"])
@pytest.mark.parametrize("kind", [*LAYERS, "sparse"])
def test_a_dense_machine_on_several_workers_learns_what_one_process_learns(kind, method, n_workers):
    rng = np.random.default_rng(0)
    visible, hidden = LAYERS.get(kind, LAYERS["bernoulli"])
    X = (rng.random((30, 9)) < 0.3).astype(np.float32) if kind != "gaussian" else rng.normal(size=(30, 9)).astype("f4")
    rbm = rbms.initial(visible, hidden, 1, X.mean(axis=0), 0.1)
    X = sparse.csr_array(X) if kind == "sparse" else X
    learning = DenseLearning(
        method=method, n_steps=2, n_epochs=3, batch_size=7, n_chains=5, learning_rate=0.05, weight_decay=0.01,
        sparsity_cost=0.1, optimizer="momentum", centring=True,
    )  # fmt: skip
    expected = dense_begun(X, rbm, learning)
    for _ in dense_loop.train(expected, X, learning):
        pass
    found = dense_epochs(X, rbm, learning, n_workers)
    for name, array in expected.arrays.items():
        np.testing.assert_allclose(found[0].arrays[name], array, **CLOSE, err_msg=name)
        for other in found[1:]:
            np.testing.assert_array_equal(other.arrays[name], found[0].arrays[name])
    np.testing.assert_array_equal(np.concatenate([state.h for state in found]), expected.h)
