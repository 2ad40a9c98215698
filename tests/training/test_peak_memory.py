"""The memory that learning takes is measured, whoever asks for it."""

import sys
import time

import numpy as np
import pytest

from harmonium import GaussianBoltzmann, Interactions
from harmonium.evaluation.choice_models import compare
from harmonium.evaluation.choice_protocols import vae_cf
from harmonium.training import memory
from harmonium.training.memory import PeakMemory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
MB = 1e6


def peak_of(work):
    with PeakMemory() as peak:
        work()
    return peak.n_bytes


@pytest.mark.parametrize("kept", [True, False], ids=["kernel", "looks"])
def test_the_peak_is_that_of_the_block_alone(monkeypatch, kept):
    if not kept:
        monkeypatch.setattr(memory, "_reset_peak", lambda: False)

    def work(n):
        held = np.ones(n * 125_000)
        if not kept:
            time.sleep(0.2)
        return held

    for n in (100, 25, 100):  # an earlier, larger peak is not counted again
        assert peak_of(lambda n=n: work(n)) == pytest.approx(n * MB, abs=5 * MB)
    held = np.ones(125_000 * 50)
    assert (peak_of(lambda: None) or 0) < 5 * MB and held.any()


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "none")
    assert peak_of(lambda: None) is None


def test_a_comparison_says_what_each_model_took_whatever_came_before():
    n, rng = 3000, np.random.default_rng(0)
    x = Interactions.from_pairs(rng.integers(0, n, 60_000), rng.integers(0, n, 60_000))
    dense = {"shape": "dense", "ridge": 10.0}
    few = {"shape": "neighbours", "n_neighbours": 5, "ridge": 10.0}
    models = {"first": GaussianBoltzmann(**dense), "few": GaussianBoltzmann(**few), "again": GaussianBoltzmann(**dense)}
    rows = {row["model"]: row for row in compare(models, vae_cf(x)).rows(["ndcg@100"])}
    assert rows["again"]["peak_gb"] > 4 * n**2 / 1e9 > rows["few"]["peak_gb"]
    assert rows["again"]["peak_gb"] == pytest.approx(rows["first"]["peak_gb"], rel=0.2)
