"""The closed form on torch's arrays: the CPU's couplings, whatever the shape."""

import numpy as np
import pytest

from harmonium import GaussianBoltzmann
from harmonium.data import Interactions
from harmonium.errors import NotEnoughMemoryError, SettingError
from harmonium.kernels import choices, linear

torch = pytest.importorskip("torch")
gpu_gram = pytest.importorskip("harmonium.kernels.gpu_gram")
gpu_linear = pytest.importorskip("harmonium.kernels.gpu_linear")


def chosen(n_users=40, n_items=30, seed=0):
    taken = np.random.default_rng(seed).random((n_users, n_items)) < 0.3
    taken[:, 0] |= ~taken.any(axis=1)
    user, item = np.nonzero(taken)
    return Interactions.from_pairs(user, item)


def sparse(x):
    return x.indptr, x.item, np.random.default_rng(1).random(x.n_entries).astype(np.float32)


@pytest.mark.parametrize("chunk", [1, 70, 1 << 20])
def test_products_with_the_transpose_and_quadratic_forms_are_the_cpus(monkeypatch, chunk):
    monkeypatch.setattr(gpu_gram, "CHUNK", chunk)
    x = sparse(chosen())
    there = tuple(torch.as_tensor(np.array(part)) for part in x)
    M = choices.gram(x, choices.transposed(x, 30), np.empty((30, 30), np.float32))
    np.testing.assert_allclose(gpu_gram.gram(there, None, torch.empty(30, 30)).numpy(), M, rtol=1e-5, atol=1e-6)
    found = gpu_gram.quadratic(there, torch.as_tensor(M)).numpy()
    np.testing.assert_allclose(found, choices.quadratic(x, M), rtol=1e-5)


@pytest.mark.parametrize("block", [7, 64, 512])
def test_an_inverse_by_blocks_is_the_inverse(block):
    B = np.random.default_rng(2).standard_normal((150, 200)).astype(np.float32)
    A = B @ B.T + np.eye(150, dtype=np.float32)
    there = torch.as_tensor(np.tril(A))  # the upper triangle is not read
    gpu_linear.invert(there, block)
    here = A.copy()
    linear.invert(here, block)
    np.testing.assert_allclose(there.numpy(), here, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(there.numpy(), np.linalg.inv(A.astype(float)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"shape": "dense"}, {"shape": "dual"}, {"shape": "dense", "n_pairs": 20}, {"shape": "dual", "n_factors": 5}],
)
def test_scores_are_the_same_on_every_device(settings):
    x = chosen()
    settings = {"ridge": 2.0, "dropout": 0.3, "item_degree": 0.2, **settings}
    here, there = (GaussianBoltzmann(device=device, **settings).fit(x)._scores(x) for device in ("cpu", "torch"))
    np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-5)


def test_what_a_device_cannot_do_is_said(monkeypatch):
    with pytest.raises(SettingError, match="shape='neighbours' is for 'cpu'"):
        GaussianBoltzmann(shape="neighbours", device="torch").fit(chosen())
    from harmonium.kernels import gpu

    monkeypatch.setattr(gpu, "needed_bytes", lambda n: 1 << 60)
    with pytest.raises(NotEnoughMemoryError, match="device='cpu' takes the machine's own memory"):
        GaussianBoltzmann(shape="dense", device="torch").fit(chosen())
