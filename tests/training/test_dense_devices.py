"""Dense machines learn the same on torch's CPU device, which takes the path of a GPU, as in NumPy and Numba."""

import gc

import numpy as np
import pytest
from scipy import sparse

from harmonium.errors import DivergenceError, NotEnoughMemoryError, SettingError
from harmonium.estimators.bernoulli_rbm import BernoulliRBM
from harmonium.estimators.rbm import RBM
from harmonium.models import rbm as rbms

TOLERANCE = {"rtol": 2e-3, "atol": 5e-5}  # float32 sums in another order, over three epochs
SETTINGS = {"n_hidden": 12, "n_epochs": 3, "batch_size": 20, "n_chains": 30, "learning_rate": 0.02}


def cases(kind, n=110, width=18):
    """Rows with some structure: a few prototypes and noise."""
    rng = np.random.default_rng(1)
    X = (rng.random((4, width)) < 0.4)[rng.integers(0, 4, n)] ^ (rng.random((n, width)) < 0.1)
    if kind == "spin":
        return 2.0 * X - 1
    if kind == "gaussian":
        return X + rng.normal(0, 0.5, X.shape)
    if kind == "softmax:3":
        return np.eye(3)[rng.integers(0, 3, (n, width // 3))].reshape(n, -1)
    return X.astype(float)


def fitted(X, **settings):
    """The same machine learnt on both devices."""
    return [RBM(**SETTINGS | settings, device=name).fit(X) for name in ("cpu", "torch")]


def same(one, other):
    """Assert that two fitted machines have the same parameters, to float32's rounding."""
    other = rbms.arrays(other.fitted_model)
    for name, a in rbms.arrays(one.fitted_model).items():
        np.testing.assert_allclose(other[name], a, **TOLERANCE, err_msg=name)
        assert isinstance(other[name], np.ndarray)


@pytest.mark.parametrize("visible", ["bernoulli", "spin", "gaussian", "softmax:3"])
@pytest.mark.parametrize("hidden", ["bernoulli", "spin", "gaussian", "softmax:3"])
def test_every_pair_of_layers_learns_the_same_on_every_device(visible, hidden):
    spread = 0.001 if visible == hidden == "gaussian" else 0.01
    same(*fitted(cases(visible), visible=visible, hidden=hidden, initial_spread=spread, n_epochs=2))


@pytest.mark.parametrize("method", ["cd", "pcd", "fast-pcd"])
@pytest.mark.parametrize(
    "more",
    [
        {"centring": False, "momentum": 0.5, "weight_decay": 0.01},
        {"optimizer": "adam", "sparsity_cost": 0.1, "n_steps": 3, "learning_rate": 0.002},  # it enlarges rounding
        {"optimizer": "adagrad", "max_norm": 0.5, "centring": False},
    ],
    ids=["momentum", "adam", "adagrad"],
)
def test_every_setting_of_learning_means_the_same_on_every_device(method, more):
    same(*fitted(cases("bernoulli"), method=method, **more))


def test_sparse_rows_learn_the_same_on_a_device():
    X = cases("bernoulli")
    dense, from_sparse = (RBM(**SETTINGS, device="torch").fit(rows) for rows in (X, sparse.csr_array(X)))
    same(dense, from_sparse)
    same(RBM(**SETTINGS).fit(sparse.csr_array(X)), from_sparse)


def test_validation_rows_score_the_same_on_every_device():
    X, scores = cases("bernoulli"), []
    for name in ("cpu", "torch"):
        machine = RBM(**SETTINGS, device=name).fit(X, validation=X[:20])
        scores.append([event.score for event in machine.history_ if event.kind == "dense epoch"])
    assert len(scores[0]) == 3
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-4)


@pytest.mark.parametrize(("first", "second"), [("cpu", "torch"), ("torch", "cpu")])
def test_a_dense_checkpoint_of_one_device_goes_on_on_another(first, second, tmp_path, monkeypatch):
    monkeypatch.setattr("harmonium.training.checkpoints.SAVE_EVERY", 0.0)
    X, path = cases("gaussian"), tmp_path / "checkpoint"
    settings = SETTINGS | {"visible": "gaussian", "n_epochs": 6}
    for event in RBM(**settings, device=first).fitting(X, checkpoint=path):
        if event.kind == "saved" and event.epoch == 3:
            break
    same(RBM(**settings).fit(X), RBM(**settings, device=second).fit(X, checkpoint=path, resume=True))


def test_learning_on_continues_on_another_device():
    X = cases("bernoulli")
    one, other = fitted(X)
    other.device = "cpu"
    same(one.partial_fit(X, n_epochs=2), other.partial_fit(X, n_epochs=2))


def test_the_stand_in_for_scikit_learns_machine_learns_the_same_on_every_device():
    X, settings = cases("bernoulli"), {"n_components": 9, "n_iter": 4, "random_state": 0}
    one, other = (BernoulliRBM(**settings, device=name).fit(X) for name in ("cpu", "torch"))
    same(one, other)
    same(one.partial_fit(X[:13]), other.partial_fit(X[:13]))
    np.testing.assert_array_equal(one.h_samples_, other.h_samples_)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "exact"}, r"device: torch learns by cd, pcd, fast-pcd, not exact; take device='cpu'"),
        ({"hidden": "relu"}, r"device: torch has bernoulli, .* units, not relu; take device='cpu'"),
        ({"device": "abacus"}, r"device: 'abacus' is not one of cpu"),
    ],
)
def test_what_a_device_cannot_learn_is_refused_with_the_way_out(settings, message):
    with pytest.raises(SettingError, match=message):
        RBM(**SETTINGS | {"device": "torch"} | settings).fit(cases("bernoulli"))


def test_dense_learning_that_does_not_fit_on_a_device_is_refused(monkeypatch):
    monkeypatch.setattr("harmonium.kernels.gpu.free_bytes", lambda where: 1000)
    with pytest.raises(NotEnoughMemoryError, match="cases and weights on torch on the cpu need"):
        RBM(**SETTINGS, device="torch").fit(cases("bernoulli"))


def test_divergence_on_a_device_is_seen_after_the_epoch():
    machine = RBM(**SETTINGS | {"learning_rate": 90.0}, visible="gaussian", device="torch")
    with pytest.raises(DivergenceError, match="learning_rate 90"):
        machine.fit(100 * cases("gaussian"))


def test_learning_on_torch_leaves_no_graph_of_gradients_behind():
    torch = pytest.importorskip("torch")
    RBM(3, method="pcd", n_epochs=2, device="torch").fit(np.repeat([[0, 0, 1, 1], [1, 1, 0, 0]], 20, axis=0))
    tensors = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
    assert not any(one.requires_grad or one.grad_fn is not None for one in tensors)
