"""Learning on torch's CPU device, which takes the path of a GPU, ends where learning in NumPy and Numba does."""

import numpy as np
import pytest

from harmonium.data import Ratings
from harmonium.errors import NotEnoughMemoryError, SettingError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.kernels import devices
from harmonium.training import memory

SETTINGS = {"n_hidden": 12, "n_epochs": 3, "batch_size": 40, "random_state": 3}
TOLERANCE = {"rtol": 2e-3, "atol": 2e-4}  # float32 sums in another order, over three epochs


@pytest.fixture(scope="module")
def ratings():
    """Forty-odd ratings each of 90 users, of films that some like more than others."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((90, 70)) < np.linspace(0.9, 0.2, 70))
    taste = rng.normal(0, 1, (90, 2)) @ rng.normal(0, 1, (2, 70))
    level = np.clip(np.rint(3.2 + taste[user, item] + rng.normal(0, 0.5, len(user))), 1, 5)
    return Ratings.from_triples(user, item, level)


def difference(one, other):
    """Largest difference of the parameters of two fitted machines, in units of the tolerance."""
    for side in ("users", "items"):
        a, b = (getattr(machine.fitted_model, side) for machine in (one, other))
        a, b = (part.rbm if side == "items" and part else part for part in (a, b))
        if a is not None:
            for name in ("W", "b", "c"):
                np.testing.assert_allclose(getattr(a, name), getattr(b, name), **TOLERANCE, err_msg=f"{side} {name}")


@pytest.mark.parametrize(
    "changed",
    [
        {"cases": "both"},
        {"cases": "users", "method": "cd", "n_steps": 2, "optimizer": "adam", "learning_rate": 0.003},
        {"cases": "items", "method": "pcd", "features": "identity", "optimizer": "momentum", "learning_rate": 0.001},
    ],
    ids=lambda changed: changed.get("method", "multi-prediction"),
)
def test_a_rating_machine_learns_the_same_on_every_device(ratings, changed):
    machines = [RatingRBM(**SETTINGS | changed, device=name).fit(ratings) for name in ("cpu", "torch")]
    difference(*machines)
    rmse = [[event.validation_rmse for event in m.history_ if event.kind == "epoch"] for m in machines]
    np.testing.assert_allclose(rmse[1], rmse[0], rtol=1e-4)
    assert [next(event.device for event in m.history_ if event.kind == "began") for m in machines] == [
        "cpu",
        "torch on the cpu",
    ]


def test_a_checkpoint_of_one_device_goes_on_on_another(ratings, tmp_path, monkeypatch):
    monkeypatch.setattr("harmonium.training.checkpoints.SAVE_EVERY", 0.0)
    settings = SETTINGS | {"cases": "users", "validation_fraction": 0.0, "averaging": 4.0, "method": "pcd"}
    whole = RatingRBM(**settings | {"n_epochs": 4}).fit(ratings)
    for first, second in (("cpu", "torch"), ("torch", "cpu")):
        path = tmp_path / first
        begun = RatingRBM(**settings | {"n_epochs": 4}, device=first)
        for event in begun.fitting(ratings, checkpoint=path):
            if event.kind == "saved" and event.epoch == 2:
                break
        assert path.exists()
        resumed = RatingRBM(**settings | {"n_epochs": 4}, device=second).fit(ratings, checkpoint=path, resume=True)
        difference(whole, resumed)


def test_a_backend_named_in_the_environment_is_what_cpu_means(ratings, monkeypatch):
    monkeypatch.setenv("HARMONIUM_BACKEND", "gpu")
    assert devices.device("cpu") == devices.device("torch") != devices.CPU


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", 0, None])
def test_a_device_that_does_not_exist_is_refused_by_name(name):
    with pytest.raises(SettingError, match=r"device: .* is not one of cpu, cuda"):
        devices.device(name)


def test_a_gpu_that_is_not_there_is_refused_with_what_to_do(monkeypatch):
    arrays = pytest.importorskip("harmonium.kernels.gpu_arrays")
    monkeypatch.setattr(arrays, "gpus", list)
    with pytest.raises(SettingError, match=r"device: 'cuda', but torch .*; device='cpu' or 'auto' runs without a GPU"):
        devices.device("cuda")
    assert devices.device("auto") == devices.CPU


def test_a_gpu_is_chosen_by_its_number(monkeypatch):
    arrays = pytest.importorskip("harmonium.kernels.gpu_arrays")
    monkeypatch.setattr(arrays, "gpus", lambda: ["First", "Second"])
    assert devices.device("auto") == devices.Device("cuda:0", "cuda:0 (First)")
    assert devices.device("cuda:1").torch_name == "cuda:1"
    with pytest.raises(SettingError, match="'cuda:2', but the GPUs here are cuda:0, cuda:1"):
        devices.device("cuda:2")


def test_without_torch_the_error_says_what_to_install(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(devices.importlib, "import_module", missing)
    with pytest.raises(SettingError, match=r"pip install 'harmonium\[gpu\]'"):
        devices.device("cuda")
    assert devices.device("auto") == devices.CPU


def test_what_does_not_fit_on_a_device_is_refused_before_it_is_taken(ratings, monkeypatch):
    arrays = pytest.importorskip("harmonium.kernels.gpu")
    monkeypatch.setattr(arrays, "free_bytes", lambda where: 1000)
    with pytest.raises(NotEnoughMemoryError, match="ratings and weights on torch on the cpu need"):
        RatingRBM(**SETTINGS, device="torch").fit(ratings)
    assert memory.device_bytes(devices.CPU) == pytest.approx(memory.available_bytes(), rel=0.2)
