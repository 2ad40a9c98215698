"""Histories go through Ray Data: whole people, models that load once, the lists of one process; and the commands."""

import json

import numpy as np
import polars as pl
import pytest

from harmonium import ChoiceRecommender, GaussianBoltzmann
from harmonium.cli import main
from harmonium.cli.clustering import cluster_of
from harmonium.data import read_interactions
from harmonium.distributed import people

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:ray", "ignore::FutureWarning:ray", "ignore::ResourceWarning"
)


def run(*arguments):
    """Run a command to its exit code."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code or 0


@pytest.fixture(scope="module")
def histories(tmp_path_factory):
    """A folder with two files, every person's rows in both."""
    folder, rng = tmp_path_factory.mktemp("histories"), np.random.default_rng(0)
    user, item = np.nonzero(rng.random((60, 25)) < 0.4)
    rows = {"user": [f"person {k}" for k in user], "item": item, "rating": rng.integers(1, 6, len(user)).astype(float)}
    frame = pl.DataFrame(rows).sample(fraction=1, shuffle=True, seed=0)
    frame[::2].write_parquet(folder / "a.parquet")
    frame[1::2].write_parquet(folder / "b.parquet")
    return folder


def test_commands_with_workers_do_what_they_do_without(ray_here, histories, capsys):
    source, models, lists = histories / "*.parquet", [], []
    small = "--n-hidden", "4", "--n-epochs", "2", "--cases", "users", "--quiet", "--json"
    for workers in ((), ("--workers", "1")):
        models.append(histories / f"{len(models)}.harmonium")
        assert run("train", source, "-o", models[-1], *small, *workers) == 0
    capsys.readouterr()
    for workers in ((), ("--workers", "2")):
        lists.append(histories / f"lists-{len(lists)}")
        assert run("batch", models[1], source, "-o", lists[-1], "-n", "5", "--deny", "3", "--json", *workers) == 0
        told = capsys.readouterr().out  # Ray may tell more, of workers that another test has killed
        assert json.JSONDecoder().raw_decode(told[told.index("{\n") :])[0]["files"]
    alone, shared = (pl.read_parquet(folder / "*.parquet").sort("user_id", "rank") for folder in lists)
    assert alone.height == 300 and 3 not in alone["item_id"]
    assert alone.drop("score").equals(shared.drop("score"))
    np.testing.assert_allclose(shared["score"], alone["score"], rtol=1e-5)
    assert run("batch", models[0], source, "-o", histories / "other", "-n", "5", "--deny", "3", "--quiet") == 0
    by_one = pl.read_parquet(histories / "other" / "*.parquet").sort("user_id", "rank")
    np.testing.assert_allclose(by_one["score"], alone["score"], rtol=1e-3)  # of the machine learnt in one process


def test_lists_of_choices_are_the_same_with_workers(ray_here, histories, tmp_path, capsys):
    x = read_interactions(histories / "*.parquet", at_least=3)
    ChoiceRecommender(GaussianBoltzmann(ridge=3.0).fit(x)).save(tmp_path / "c.harmonium")
    for workers in ((), ("--workers", "2")):
        where = tmp_path / "c.harmonium", histories / "*.parquet", "-o", tmp_path / f"lists-{len(workers)}"
        assert run("batch", *where, "-n", "5", "--at-least", "5", "--quiet", *workers) == 0
    alone, shared = (pl.read_parquet(tmp_path / f"lists-{k}" / "*.parquet").sort("user_id", "rank") for k in (0, 2))
    assert alone["user_id"].n_unique() == 60 and alone.height == 300
    assert alone.drop("score").equals(shared.drop("score"))
    np.testing.assert_allclose(shared["score"], alone["score"], rtol=1e-4, atol=1e-6)


def test_an_error_on_a_worker_is_the_error_of_one_process(ray_here, histories, tmp_path, capsys):
    pl.DataFrame({"user": [1, 1], "item": [1, 1], "rating": [5.0, 4.0]}).write_parquet(tmp_path / "twice.parquet")
    where = histories / "1.harmonium", tmp_path / "twice.parquet", "-o", tmp_path / "lists"
    assert run("batch", *where, "--workers", "1") == 1
    told = capsys.readouterr().err
    assert "user 1 and item 1" in told and "twice" in told and "Traceback" not in told
    assert not (tmp_path / "lists").exists()


def test_what_ray_prints_meanwhile_is_no_result(capsys):
    with cluster_of(2, 1, None, None):
        print("(raylet) A worker died or was killed while executing a task by an unexpected system error.")
    print("result")
    told = capsys.readouterr()
    assert told.out == "result\n" and "A worker died" in told.err


def test_workers_options_without_workers_are_told(histories, tmp_path, capsys):
    assert (
        run("batch", histories / "1.harmonium", histories / "a.parquet", "-o", tmp_path / "x", "--address", "auto") == 1
    )
    assert "--address: is of workers" in capsys.readouterr().err


@pytest.mark.parametrize("text", [False, True])
def test_all_rows_of_a_person_go_to_one_part_and_parts_are_about_as_large(text):
    ids = np.repeat(np.arange(-500, 1500), 3)
    ids = np.array([f"name {k}" for k in ids], object) if text else ids
    part = people.part_of(ids, 4)
    assert all(len(set(three)) == 1 for three in part.reshape(-1, 3).tolist())
    np.testing.assert_array_equal(part[:10], people.part_of(ids[:10], 4))
    assert (np.abs(np.bincount(part, minlength=4) / len(part) - 0.25) < 0.05).all()
