"""Ray's workers learn what one process learns; a worker that is killed changes nothing."""

import os
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
from harmonium.errors import HarmoniumError, SettingError
from harmonium.events import Began, DenseEpochEnded, EpochEnded, Exchanged
from harmonium.training.settings import Learning

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:ray", "ignore::FutureWarning:ray", "ignore::ResourceWarning"
)


def parameters(machine):
    return {name: getattr(machine.model_.users, name) for name in ("W", "b", "c")}


def assert_same(found, expected):
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, **CLOSE, err_msg=name)


def worker_processes():
    """Processes of Ray Train's workers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes()
        except OSError:
            continue
        if text.startswith(b"ray::") and b"RayTrainWorker" in text:
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds the worker's process by /proc")
def test_workers_of_whom_one_is_killed_fit_what_one_process_fits(ray_here, tmp_path):
    ratings = made_ratings(unrated=False)
    settings = {"cases": "users", "n_hidden": 8, "n_epochs": 12, "batch_size": 8, "method": "pcd",
                "validation_fraction": 0.2, "patience": 0}  # fmt: skip
    alone, killed, events = RatingRBM(**settings).fit(ratings), [], []

    def kill_one(event):
        events.append(event)
        if isinstance(event, EpochEnded) and event.epoch >= 2 and not killed:
            killed.append(max(worker_processes()))
            os.kill(killed[0], signal.SIGKILL)

    cluster = Cluster(2, storage=tmp_path, checkpoint_every=0)
    shared = RatingRBM(**settings).fit(ratings, engine=cluster, watch=kill_one)
    assert killed
    began = [e for e in events if isinstance(e, Began)]
    assert began[0] == next(e for e in alone.history_ if isinstance(e, Began))
    assert len(began) == 2 and 0 < began[1].first_epoch < 12  # went on from a checkpoint
    assert_same(parameters(shared), parameters(alone))
    mine, theirs = ({e.epoch: e for e in machine.history_ if isinstance(e, EpochEnded)} for machine in (shared, alone))
    assert [mine[k].best_epoch for k in theirs] == [theirs[k].best_epoch for k in theirs]
    rmse = [e.validation_rmse for e in theirs.values()]
    assert [mine[k].validation_rmse for k in theirs] == pytest.approx(rmse, rel=1e-4)
    exchanged = [e for e in events if isinstance(e, Exchanged)]
    assert {e.epoch for e in exchanged} == set(theirs)
    assert all(e.n_workers == 2 and e.n_bytes > 0 and 0 <= e.seconds_waiting <= e.seconds for e in exchanged)


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


def test_an_error_in_a_worker_is_one_message_and_is_not_tried_again(ray_here, tmp_path):
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file
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
