"""The benchmarks' helpers: made-up ratings have their shape, the dense peer learns, figures print as JSON."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture(scope="module", autouse=True)
def benchmarks_on_the_path():
    """Make the helpers importable as the scripts beside them do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield


@pytest.fixture(scope="module")
def synthetic():
    """Return the module that makes ratings."""
    return importlib.import_module("_synthetic")


@pytest.fixture(scope="module")
def made(synthetic):
    """Return 20,000 made ratings of 400 users and 800 items."""
    return synthetic.ml20m_shape(20_000, 400, 800, seed=3)


def test_made_ratings_have_the_size_asked_for_and_no_pair_twice(made):
    user, item, rating = made
    assert len(user) == len(item) == len(rating) == 20_000
    assert (user.dtype, item.dtype, rating.dtype) == (np.int32, np.int32, np.int8)
    assert (np.diff(user.astype(np.int64) * 800 + item) > 0).all()
    assert np.unique(user).tolist() == list(range(400))
    assert item.min() >= 0
    assert item.max() < 800
    assert set(rating.tolist()) == {1, 2, 3, 4, 5}


def test_made_ratings_come_again_from_the_same_seed_and_differ_from_another(synthetic, made):
    again, other = (synthetic.ml20m_shape(20_000, 400, 800, seed=seed) for seed in (3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(made, again))
    assert not np.array_equal(made[1], other[1])


def test_made_items_are_as_popular_as_the_stretched_curve(synthetic, made):
    _, item_counts, frequencies = synthetic._shape_of(None)
    wanted = synthetic.stretched(item_counts, 800, 20_000, 400)
    got = np.sort(np.bincount(made[1], minlength=800))
    assert np.abs(got - wanted).sum() < 0.1 * 20_000  # draws scatter by about the root of each count
    assert np.abs(np.bincount(made[2])[1:] / 20_000 - frequencies).max() < 0.01


def test_made_ratings_hold_something_to_learn(made):
    _, item, rating = made
    counts = np.bincount(item)
    item_mean = np.bincount(item, rating) / np.maximum(counts, 1)
    assert np.var(rating - item_mean[item]) < 0.85 * np.var(rating)


def test_more_ratings_than_fit_are_refused(synthetic):
    with pytest.raises(ValueError, match="n_ratings=90"):
        synthetic.ml20m_shape(90, 10, 16)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 1000), min_size=2, max_size=30), st.integers(1, 50), st.floats(0, 1))
def test_a_stretched_curve_has_the_exact_total_within_its_bounds(counts, n, fill):
    stretched = importlib.import_module("_synthetic").stretched
    most = 40
    total = n + int(fill * n * (most - 1))
    result = stretched(np.array(counts), n, total, most)
    assert result.sum() == total
    assert result.min() >= 1
    assert result.max() <= most
    assert (np.diff(result) >= 0).all()


def test_a_parquet_file_of_made_ratings_keeps_its_narrow_columns(synthetic, made, tmp_path):
    polars = pytest.importorskip("polars")
    synthetic.write_parquet(tmp_path / "made.parquet", *made)
    frame = polars.read_parquet(tmp_path / "made.parquet")
    assert frame.schema == {"user_id": polars.Int32, "item_id": polars.Int32, "rating": polars.Int8}
    assert frame["item_id"].to_numpy().tolist() == made[1].tolist()


def test_the_dense_peer_learns_who_likes_what():
    torch = pytest.importorskip("torch")
    dense = importlib.import_module("_dense")
    torch.manual_seed(0)
    level = torch.full((40, 6), dense.MISSING, dtype=torch.uint8)
    level[:20, :3], level[:20, 3:5], level[20:, :3], level[20:, 3:] = 4, 0, 0, 4
    rbm = dense.DenseRBM(n_items=6, n_levels=5, n_hidden=8)
    for _ in range(200):
        rbm.learn(level)
    W, n_items = rbm.W.value, 6
    rated = (level != dense.MISSING).float()
    h = torch.sigmoid(rbm.c.value + torch.cat([rated, rbm.value_of[level.int()]], dim=1) @ W)
    p = torch.softmax(rbm.b.value[:, None] + (h @ W[n_items:].T) * rbm.x[:, None, None], dim=0)
    chosen = torch.gather(p, 0, level.clamp(max=4).long()[None])[0]
    assert chosen[rated.bool()].min() > 0.5  # on opposite ratings, only a machine that tells the groups apart


def test_the_dense_peer_times_an_epoch_of_users_in_any_order(made):
    pytest.importorskip("torch")
    dense = importlib.import_module("_dense")
    shuffled = np.random.default_rng(0).permutation(len(made[0]))[:5000]
    user, item, rating = (array[shuffled] for array in made)
    assert dense.seconds_per_epoch(user, item, rating - 1, 400, 800, 5, n_hidden=4, n_epochs=1) > 0


def test_figures_print_as_one_line_of_json(capsys):
    machine = importlib.import_module("_machine")
    machine.print_json({"peak": np.float32(2.5), "ids": np.arange(2), "machine": machine.describe()})
    line = capsys.readouterr().out
    figures = json.loads(line)
    assert line.count("\n") == 1
    assert figures["peak"] == 2.5
    assert figures["ids"] == [0, 1]
    assert figures["machine"]["cores"] >= 1
    assert figures["machine"]["versions"]["numpy"] == np.__version__


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is not on Windows")
def test_peak_memory_and_speed_are_of_the_right_size():
    machine = importlib.import_module("_machine")
    assert 0.02 < machine.peak_memory_gb() < 100
    assert machine.gemm_peak(np.float32, seconds=0.05) > 0.1


def test_a_peers_environment_is_made_once_and_anew_for_other_requirements(tmp_path, monkeypatch):
    peers = importlib.import_module("_peers")
    made = []

    def create(folder, with_pip):
        made.append(folder.name)
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/python").touch()

    monkeypatch.setattr(peers.venv, "create", create)
    monkeypatch.setattr(peers.subprocess, "run", lambda *args, **kwargs: None)
    monkeypatch.setattr(peers.sys, "platform", "linux")
    first, second, third = (peers.peer_python("x", [v], root=tmp_path) for v in ("a==1", "a==1", "a==2"))
    assert first == second == third == tmp_path / ".venv-x/bin/python"
    assert made == [".venv-x", ".venv-x"]
