"""Machines of choices learn the same on torch's CPU device, which takes the path of a GPU."""

import numpy as np
import pytest

from harmonium import Interactions, MultinomialRBM, SemiRestricted
from harmonium.errors import DivergenceError, NotEnoughMemoryError, SettingError

torch = pytest.importorskip("torch")
CLOSE = {"rtol": 2e-3, "atol": 2e-4}  # float32 sums in another order, over some epochs
SMALL = {"n_hidden": 7, "n_epochs": 4, "batch_size": 40, "random_state": 3}


@pytest.fixture(scope="module")
def choices():
    """Weighted choices of 150 people among 60 items, some of them much liked."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((150, 60)) < np.linspace(0.4, 0.03, 60))
    return Interactions.from_pairs(user, item, rng.uniform(0.5, 2, len(user)))


@pytest.fixture(scope="module")
def validation(choices):
    """The first 30 people's choices, cut in two."""
    mask = np.random.default_rng(1).random(choices.n_entries) < 0.5
    some = np.arange(choices.n_users) < 30
    return tuple(choices.select(part).restricted(users=some) for part in (mask, ~mask))


MACHINES = {
    "multi-prediction": (MultinomialRBM, {"weight_decay": 1e-3, "length_power": 0.3}),
    "cd": (MultinomialRBM, {"method": "cd", "n_gibbs": 2, "n_machines": 2, "weight_decay": 1e-3}),
    "cd-softmax": (MultinomialRBM, {"method": "cd-softmax", "n_gibbs": 2}),
    "semi-restricted": (SemiRestricted, {"ridge": 5.0}),
    "joint": (SemiRestricted, {"ridge": 5.0, "joint_epochs": 2, "coupling_rate": 1e-3}),
    "neighbours": (SemiRestricted, {"ridge": 5.0, "shape": "neighbours", "n_neighbours": 10}),
}


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_learns_the_same_on_every_device(choices, validation, tmp_path, name):
    kind, settings = MACHINES[name]
    here, there = (
        kind(**SMALL, **settings, device=device).fit(choices, validation=validation) for device in ("cpu", "torch")
    )
    mine, theirs = (machine.to_parts()[1] for machine in (there, here))
    assert mine.keys() == theirs.keys()
    for part, array in theirs.items():
        assert type(mine[part]) is np.ndarray and mine[part].dtype == array.dtype
        np.testing.assert_allclose(mine[part], array, **CLOSE, err_msg=part)
    epochs = [[e for e in machine.history_ if e.kind == "choice epoch"] for machine in (there, here)]
    for one, other in zip(*epochs, strict=True):
        assert one.loss == (None if other.loss is None else pytest.approx(other.loss, rel=1e-4))
        assert one.validation_ndcg == (
            None if other.validation_ndcg is None else pytest.approx(other.validation_ndcg, abs=0.01)
        )
    there.save(tmp_path / "m.harmonium")
    loaded = kind.load(tmp_path / "m.harmonium")
    assert loaded.device == "torch"
    np.testing.assert_array_equal(loaded.scores(choices), there.scores(choices))
    np.testing.assert_allclose(there.scores(choices), here.scores(choices), rtol=2e-3, atol=2e-3)


def test_the_device_and_what_it_is_about_to_hold_are_told(choices):
    machine = MultinomialRBM(**SMALL, device="torch").fit(choices)
    told = [event.what for event in machine.history_ if event.kind == "allocates"]
    assert told[-1] == "choices and weights of 60 items and 7 hidden units on torch on the cpu"
    assert MultinomialRBM(**SMALL, device="auto").fit(choices).history_


def test_what_does_not_fit_on_a_device_is_refused_before_it_is_taken(choices, monkeypatch):
    from harmonium.kernels import gpu

    monkeypatch.setattr(gpu, "free_bytes", lambda where: 1000)
    for machine in (MultinomialRBM(**SMALL, device="torch"), SemiRestricted(**SMALL, device="torch")):
        with pytest.raises(NotEnoughMemoryError, match="device='cpu' takes the machine's own memory"):
            machine.fit(choices)


def test_a_device_that_is_not_there_is_refused_with_what_to_do(choices, monkeypatch):
    arrays = pytest.importorskip("harmonium.kernels.gpu_arrays")
    monkeypatch.setattr(arrays, "gpus", list)
    for kind in (MultinomialRBM, SemiRestricted):
        with pytest.raises(SettingError, match=r"device: 'cuda', but torch .*; device='cpu' or 'auto' runs without"):
            kind(**SMALL, device="cuda").fit(choices)
        with pytest.raises(SettingError, match="device: 'gpu' is not one of cpu, cuda"):
            kind(**SMALL, device="gpu").fit(choices)


@pytest.mark.parametrize("method", ["multi-prediction", "cd"])
def test_learning_that_diverges_on_a_device_says_which_rate_to_try(choices, monkeypatch, method):
    monkeypatch.setattr("harmonium.training.choices.LARGEST_WEIGHT", 0.5)
    with pytest.raises(DivergenceError, match=r"learning_rate 9 .*try 0.9"):
        MultinomialRBM(**SMALL, learning_rate=9.0, method=method, device="torch").fit(choices)
