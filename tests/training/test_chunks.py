"""An epoch of several chunks of cases: each case once, draws of its own, and the same whatever was learnt before."""

from dataclasses import replace

import numpy as np

from harmonium.data import Ratings, Scale, Vocabulary
from harmonium.models import level_rbm
from harmonium.training import loop
from harmonium.training import state as states
from harmonium.training.batches import Chunk, layout
from harmonium.training.settings import Learning
from harmonium.units.levels import level_features

SCALE = Scale((1.0, 2.0, 3.0))
N_CASES, N_VISIBLE = 30, 8


def made_cases(seed=0):
    rng = np.random.default_rng(seed)
    case, unit = np.nonzero(rng.random((N_CASES, N_VISIBLE)) < 0.5)
    vocabularies = (Vocabulary.from_ids(np.arange(n)) for n in (N_CASES, N_VISIBLE))
    return Ratings.from_arrays(case, unit, rng.integers(0, 3, len(case)).astype(np.uint8), *vocabularies, SCALE)


def in_chunks(cases, *ends):
    """Chunks of consecutive cases, the ends between them given."""
    chunks = []
    for start, stop in zip((0, *ends), (*ends, cases.n_users)):
        first, last = cases.indptr[start], cases.indptr[stop]
        part = replace(
            cases, indptr=cases.indptr[start : stop + 1] - first, item=cases.item[first:last],
            level=cases.level[first:last], users=Vocabulary(cases.users.ids[start:stop]),
        )  # fmt: skip
        chunks.append(Chunk.of(layout(part))._replace(first_entry=int(first)))
    return chunks


def learnt(chunks, cases, n_epochs=1, **settings):
    learning = Learning(**{"n_epochs": 4, "batch_size": 4, "method": "cd"} | settings)
    rbm = level_rbm.initial(cases, 4, level_features("linear", SCALE.x), 0)
    state = states.start(rbm, cases, learning, seed=3)
    for _ in range(n_epochs):
        loop.run_epoch(state, chunks, learning)
    return state


def test_all_chunks_together_learn_what_one_does_when_steps_are_small():
    cases = made_cases()
    how = {"learning_rate": 1e-4, "optimizer": "momentum", "momentum": 0.0, "batch_size": N_CASES, "weight_decay": 0.0}
    whole = learnt(in_chunks(cases), cases, **how)
    parts = learnt(in_chunks(cases, 7, 19), cases, **how)
    before = level_rbm.initial(cases, 4, level_features("linear", SCALE.x), 0)
    gone, also = (state.rbm().b - before.b for state in (whole, parts))
    np.testing.assert_allclose(also, gone, atol=2e-2 * np.abs(gone).max())
    assert parts.n_updates == 3


def test_the_same_place_in_different_chunks_draws_differently():
    state = learnt([], made_cases(), 0)
    keys = [key for number in range(3) for key in loop._keys(state, number, 2).tolist()]
    assert len(set(keys)) == 6


def test_persistent_chains_stay_with_their_chunk():
    cases = made_cases()
    chunks = in_chunks(cases, 10)
    state = learnt(chunks, cases, 0, method="pcd")
    before = state.chain.copy()
    learning = Learning(method="pcd", n_epochs=4, batch_size=4)
    loop._run_chunk(state, chunks[1], 1, learning, 0, 8)
    mine = int(cases.indptr[10])
    assert np.array_equal(state.chain[:mine], before[:mine])
    assert not np.array_equal(state.chain[mine:], before[mine:])


def test_the_learning_rate_falls_over_the_whole_epoch_not_over_each_chunk():
    cases, rates = made_cases(), []

    class Watched(Learning):
        def rate_at(self, progress):
            rates.append(progress)
            return super().rate_at(progress)

    learning = Watched(method="cd", n_epochs=1, batch_size=4)
    rbm = level_rbm.initial(cases, 4, level_features("linear", SCALE.x), 0)
    state = states.start(rbm, cases, learning, seed=3)
    loop.run_epoch(state, in_chunks(cases, 7, 19), learning)
    assert rates == [k / 8 for k in range(8)]  # 2 + 3 + 3 mini-batches


def test_chunks_come_in_another_order_every_epoch_and_the_same_from_the_same_seed():
    cases = made_cases()

    def order():
        seen = []
        ends = range(4, N_CASES, 4)
        chunks = [
            chunk._replace(load=lambda k=k, chunk=chunk: seen.append(k) or chunk.load())
            for k, chunk in enumerate(in_chunks(cases, *ends))
        ]
        learnt(chunks, cases, 2)
        return seen[: len(chunks)], seen[len(chunks) :]

    first, second = order()
    assert sorted(first) == sorted(second) == list(range(8))
    assert first != second
    assert order() == (first, second)
