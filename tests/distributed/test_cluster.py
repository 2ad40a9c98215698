"""Ray's workers learn what one process learns; a worker that is killed changes nothing."""

import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from test_epochs import CLOSE, begun, made_ratings

from harmonium import RBM, GaussianBoltzmann, RatingRBM
from harmonium.data import Interactions
from harmonium.data.shards import Shards
from harmonium.distributed import Cluster
from harmonium.distributed.runs import Newest
from harmonium.errors import HarmoniumError, SettingError
from harmonium.events import Began, DenseEpochEnded, EpochEnded, Exchanged, Saved
from harmonium.training.settings import Learning

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:ray", "ignore::FutureWarning:ray", "ignore::ResourceWarning"
)


def parameters(machine):
    return {name: getattr(machine.model_.users, name) for name in ("W", "b", "c")}


def assert_same(found, expected):
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, **CLOSE, err_msg=name)


@dataclass(frozen=True)
class Deadly(Learning):
    """Learning in whose fifth epoch one worker kills itself, the first time that it comes there."""

    marker: str = ""

    def rate_at(self, progress):
        """Kill the worker that is the first to make the marker."""
        if progress >= 4 / self.n_epochs:
            try:
                os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return super().rate_at(progress)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().rate_at(progress)


class DeadlyCluster:
    """A cluster of two, of whom one is killed."""

    def __init__(self, folder):
        self.cluster = Cluster(2, storage=folder, checkpoint_every=0)
        self.marker, self.bring_up = folder / "killed", self.cluster.bring_up

    def train_ratings(self, state, cases, learning, **how):
        """Learn on the cluster."""
        deadly = Deadly(**vars(learning), marker=os.fspath(self.marker))
        return self.cluster.train_ratings(state, cases, deadly, **how)


@pytest.fixture
def by_value(ray_here):
    """Workers cannot import this file: what they need of it is sent to them whole."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_workers_of_whom_one_is_killed_fit_what_one_process_fits(by_value, tmp_path, monkeypatch):
    monkeypatch.setattr("harmonium.training.checkpoints.SAVE_EVERY", 0.0)
    ratings = made_ratings(unrated=False)
    settings = {"cases": "users", "n_hidden": 8, "n_epochs": 12, "batch_size": 8, "method": "pcd",
                "validation_fraction": 0.2, "patience": 0}  # fmt: skip
    alone, events, kept = RatingRBM(**settings).fit(ratings), [], tmp_path / "kept"

    def watch(event):
        events.append(event)
        if isinstance(event, Saved) and 0 < event.epoch < 12 and not kept.exists():
            shutil.copy(event.path, kept)

    engine = DeadlyCluster(tmp_path)
    shared = RatingRBM(**settings).fit(ratings, engine=engine, watch=watch, checkpoint=tmp_path / "checkpoint")
    assert engine.marker.exists()
    began = [e for e in events if isinstance(e, Began)]
    assert began[0] == next(e for e in alone.history_ if isinstance(e, Began))
    assert len(began) == 2 and 0 < began[1].first_epoch < 5  # went on from a checkpoint
    assert_same(parameters(shared), parameters(alone))
    mine, theirs = ({e.epoch: e for e in machine.history_ if isinstance(e, EpochEnded)} for machine in (shared, alone))
    assert [mine[k].best_epoch for k in theirs] == [theirs[k].best_epoch for k in theirs]
    rmse = [e.validation_rmse for e in theirs.values()]
    assert [mine[k].validation_rmse for k in theirs] == pytest.approx(rmse, rel=1e-4)
    exchanged = [e for e in events if isinstance(e, Exchanged)]
    assert {e.epoch for e in exchanged} == set(theirs)
    assert all(e.n_workers == 2 and e.n_bytes > 0 and 0 <= e.seconds_waiting <= e.seconds for e in exchanged)
    resumed = RatingRBM(**settings).fit(ratings, checkpoint=kept, resume=True)  # as if the whole program had been lost
    assert 0 < next(e.first_epoch for e in resumed.history_ if isinstance(e, Began)) < 12
    assert_same(parameters(resumed), parameters(alone))


def test_only_whole_checkpoints_are_taken_and_each_once(tmp_path):
    taken = []

    def take(folder):
        taken.append((Path(folder) / "whole").read_text(encoding="utf-8"))

    newest = Newest(tmp_path, take)
    assert not newest.look()
    for name in ("checkpoint_1", "checkpoint_2", "checkpoint_3"):
        (tmp_path / name).mkdir()
    assert not newest.look()
    (tmp_path / "checkpoint_2" / "whole").write_text("second", encoding="utf-8")
    assert newest.look() and not newest.look()
    (tmp_path / "checkpoint_1" / "whole").write_text("first", encoding="utf-8")
    (tmp_path / "checkpoint_3" / "whole").write_text("third", encoding="utf-8")
    assert newest.look() and not newest.look() and taken == ["second", "third"]


def test_four_workers_share_a_dense_machine_and_its_chains(ray_here, tmp_path):
    X = (np.random.default_rng(0).random((60, 10)) < 0.3).astype(np.float32)
    settings = {"n_hidden": 6, "method": "pcd", "n_epochs": 4, "batch_size": 15, "n_chains": 10}
    alone = RBM(**settings).fit(X)
    shared = RBM(**settings).fit(X, engine=Cluster(4, storage=tmp_path))
    for name in ("W", "b", "c"):
        np.testing.assert_allclose(getattr(shared.model_, name), getattr(alone.model_, name), **CLOSE)
    np.testing.assert_array_equal(shared._state.h, alone._state.h)
    assert sum(isinstance(e, DenseEpochEnded) for e in shared.history_) == 4


def test_sums_over_users_by_map_and_reduce_give_the_same_couplings(ray_here):
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((50, 23)) < 0.3)
    x = Interactions.from_pairs(user.tolist(), item.tolist())
    alone = GaussianBoltzmann(ridge=3.0).fit(x)
    shared = GaussianBoltzmann(ridge=3.0).fit(x, engine=Cluster(3))
    np.testing.assert_allclose(shared.couplings_.B, alone.couplings_.B, rtol=1e-4, atol=1e-6)


def test_a_setting_that_cannot_be_is_told_before_anything_starts():
    with pytest.raises(SettingError, match="workers: 0"):
        Cluster(0)
    with pytest.raises(SettingError, match=r"'exact'.*'cd', 'pcd'"):
        RBM(method="exact").fit(np.eye(3), engine=Cluster(2))
    with pytest.raises(SettingError, match="monitor"):
        RBM(method="cd", monitor=True).fit(np.eye(3), engine=Cluster(2))


def test_a_cluster_that_is_too_small_says_so(ray_here):
    with pytest.raises(SettingError, match="64 of 1 processors each are wanted, and the cluster has 4"):
        RBM(method="cd").fit(np.eye(3), engine=Cluster(64))


@dataclass(frozen=True)
class Broken(Learning):
    """Learning that fails."""

    def rate_at(self, progress):
        """Fail."""
        raise ZeroDivisionError("broken here")


def test_an_error_in_a_worker_is_one_message_and_is_not_tried_again(by_value, tmp_path):
    cases, learning, events = Shards(made_ratings()), Broken(), []
    run = Cluster(1, storage=tmp_path).train_ratings(begun(cases, learning), cases, learning)
    with pytest.raises(HarmoniumError, match=r"worker 0 failed: ZeroDivisionError: broken here") as caught:
        events.extend(run)
    assert "\n" not in str(caught.value)
    assert not events or len(events) == 1  # it began once


def test_ctrl_c_keeps_what_was_learnt(ray_here, tmp_path):
    ratings = made_ratings()

    def interrupt(event):
        if isinstance(event, EpochEnded) and event.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    machine = RatingRBM(cases="users", n_hidden=8, n_epochs=100_000, validation_fraction=0.0)
    machine.fit(ratings, engine=Cluster(1, storage=tmp_path), watch=interrupt)
    assert machine.model_.users.n_hidden == 8
