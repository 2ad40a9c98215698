"""Learning from ratings on disk: with one shard bit for bit what memory gives, with many nearly as good; resumable."""

import numpy as np
import pytest

from harmonium.data import Ratings, load, random_split
from harmonium.data.stored import store_ratings
from harmonium.errors import DataError, ModelFileError, SettingError
from harmonium.estimators import rating_file
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.events import EpochEnded, Stored
from harmonium.recommending.recommender import Recommender

SMALL = {"n_hidden": 12, "n_epochs": 4, "batch_size": 50}
MANY = 15_000  # ratings a shard: 7 shards of users


@pytest.fixture(scope="module")
def parts():
    return random_split(load("movielens-small").ratings, 0.1, rng=0)


@pytest.fixture(scope="module")
def files(parts, tmp_path_factory):
    """The training part in shuffled rows over four Parquet files."""
    folder = tmp_path_factory.mktemp("files")
    rows = parts.train.to_frame().sample(fraction=1, shuffle=True, seed=1)
    for k in range(4):
        rows[k::4].write_parquet(folder / f"part-{k}.parquet")
    return folder


@pytest.fixture(scope="module")
def train(files):
    from harmonium.data import read_ratings

    return read_ratings(str(files / "*.parquet"))


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory):
    return store_ratings(files, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def sharded(files, tmp_path_factory):
    return store_ratings(files, tmp_path_factory.mktemp("sharded"), shard_ratings=MANY)


def same_model(a, b):
    (header_a, arrays_a), (header_b, arrays_b) = rating_file.to_parts(a), rating_file.to_parts(b)
    assert header_a == header_b
    assert set(arrays_a) == set(arrays_b)
    for name, array in arrays_a.items():
        assert np.array_equal(array, arrays_b[name]), name
    return True


def measures(machine):
    return [
        (e.machine, e.phase, e.epoch, e.validation_rmse, e.validation_log_loss, e.free_energy_gap)
        for e in machine.history_
        if isinstance(e, EpochEnded)
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"cases": "both"},
        {"cases": "users", "refit": True, "n_machines": 2, "n_epochs": 2},
        {"cases": "users", "method": "cd", "sample": True},
        {"cases": "users", "method": "pcd", "optimizer": "momentum", "learning_rate": 1e-3},
        {"cases": "items", "validation_fraction": 0.0},
    ],
)
def test_one_shard_learns_bit_for_bit_what_memory_does(train, whole, settings):
    in_memory = RatingRBM(**SMALL | settings).fit(train)
    streamed = RatingRBM(**SMALL | settings).fit(whole)
    assert measures(streamed) == measures(in_memory)
    assert same_model(streamed, in_memory)
    assert np.array_equal(streamed.learned_from_.hashes, in_memory.learned_from_.hashes)


def test_many_shards_learn_nearly_as_well(parts, train, sharded):
    assert sharded.n_shards == 7
    known, asked = parts
    errors = []
    for ratings in (train, sharded):
        machine = RatingRBM(n_hidden=24, n_epochs=12, batch_size=50, cases="users").fit(ratings)
        aligned = _aligned(known, ratings), _aligned(asked, ratings)
        errors.append(float(np.sqrt(np.mean((machine.predict(*aligned) - aligned[1].values()) ** 2))))
    assert abs(errors[0] - errors[1]) < 0.012  # two seeds in memory differ by half of that
    assert max(errors) < 0.91


def _aligned(part, ratings):
    """The entries of a part whose items the training part has, over its vocabularies."""
    item = ratings.items.indices(part.items.ids, unknown=-1)[part.item]
    user = ratings.users.indices(part.users.ids)[part.user_of()]
    kept = item >= 0
    return Ratings.from_arrays(user[kept], item[kept], part.level[kept], ratings.users, ratings.items, ratings.scale)


def stopped_after(machine, ratings, checkpoint, n):
    """Leave a fit at its n-th checkpoint, as a killed process would."""
    run, saved = machine.fitting(ratings, checkpoint=checkpoint), 0
    for event in run:
        saved += event.kind == "saved"
        if saved == n:
            break
    run.close()


@pytest.mark.parametrize(
    ("n", "settings"),
    [
        (1, {"cases": "users"}),
        (4, {"cases": "both", "n_epochs": 2}),
        (3, {"cases": "users", "method": "pcd", "validation_fraction": 0.0}),
    ],
)
def test_an_interrupted_fit_goes_on_bit_for_bit(sharded, tmp_path, monkeypatch, n, settings):
    monkeypatch.setattr("harmonium.training.checkpoints.SAVE_EVERY", 0.0)
    undisturbed = RatingRBM(**SMALL | settings).fit(sharded)
    stopped_after(RatingRBM(**SMALL | settings), sharded, tmp_path / "checkpoint", n)
    resumed = RatingRBM(**SMALL | settings).fit(sharded, checkpoint=tmp_path / "checkpoint", resume=True)
    assert same_model(resumed, undisturbed)


def test_a_checkpoint_of_other_shards_is_refused(sharded, whole, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    RatingRBM(**SMALL, cases="users").fit(whole, checkpoint=checkpoint)
    with pytest.raises(ModelFileError, match="shards"):
        RatingRBM(**SMALL, cases="users").fit(sharded, checkpoint=checkpoint, resume=True)


def test_held_out_ratings_are_the_same_for_both_machines(sharded):
    for _ in sharded.prepare(("users", "items"), 0.05, 3):
        pass
    by_user, by_item = (sharded.cases(kind, "held").ratings for kind in ("users", "items"))
    assert by_user.n_entries == sum(int(0.05 * shard.n_entries) for shard in sharded.cases("users"))
    assert by_item == by_user.transposed()
    known = sharded.cases("users", "known").ratings
    assert known.n_entries + by_user.n_entries == sharded.n_entries
    keys = [part.user_of().astype(np.int64) * part.n_items + part.item for part in (known, by_user)]
    assert not len(np.intersect1d(*keys))


def test_ctrl_c_while_shards_are_sorted_leaves_no_model_and_no_half_folder(files, tmp_path):
    stored = store_ratings(files, tmp_path / "work", shard_ratings=MANY)
    machine = RatingRBM(**SMALL, cases="both")

    def interrupt(event):
        if isinstance(event, Stored) and event.step == "sorting by item":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machine.fit(stored, watch=interrupt)
    assert machine.model_ is None
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["held-users", "known-users", "users"]
    brief = SMALL | {"n_epochs": 1, "cases": "items", "validation_fraction": 0.0}
    assert same_model(RatingRBM(**brief).fit(stored), RatingRBM(**brief).fit(stored))


def test_ctrl_c_while_learning_keeps_what_was_learnt(sharded):
    machine = RatingRBM(**SMALL, cases="users")

    def interrupt(event):
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    machine.fit(sharded, watch=interrupt)
    assert machine.model_ is not None
    assert machine.history_[-1].epoch == 2


def test_a_recommender_of_stored_ratings_is_one_as_ever(whole, train, tmp_path):
    how = SMALL | {"cases": "users", "n_epochs": 2}
    streamed = Recommender.fit(whole, **how)
    streamed.save(tmp_path / "m.harmonium")
    in_memory = Recommender.fit(train, choices=False, **how)
    history = {int(train.items[k]): 5.0 for k in (3, 50, 700)}
    again = Recommender.load(tmp_path / "m.harmonium")
    assert again.recommend(history, 5) == streamed.recommend(history, 5) == in_memory.recommend(history, 5)


def test_choices_are_learned_in_memory(whole):
    from harmonium import GaussianBoltzmann

    found = Recommender.fit(whole, **SMALL | {"n_epochs": 1, "cases": "users"})
    assert found.choices is None
    with pytest.raises(DataError, match="in memory"):
        found.with_choices(whole, GaussianBoltzmann())
    assert found.with_choices(whole.cases("users").ratings).choices is not None


def test_validation_ratings_of_ones_own_are_for_memory(whole, train):
    with pytest.raises(SettingError, match="validation_fraction"):
        RatingRBM(**SMALL).fit(whole, validation=train)
