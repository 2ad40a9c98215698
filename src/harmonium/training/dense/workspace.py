"""Buffers of one run of dense learning, and the few products on them.

Chains lie first, the data of the mini-batch after them, so that the hidden fields of both are one product and the
gradient of the weights is another: its rows are weighed +1 / cases and -1 / chains, each phase by its own count. Two
more rows hold the centring correction, which is of rank two:

    <(v - mu)(h - lam)'>_data - <...>_model = <v h'>_data - <v h'>_model - mu dh' - dv lam'
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harmonium.kernels import backend
from harmonium.kernels.devices import CPU, Device
from harmonium.sampling.gibbs import LOW, noise
from harmonium.training.dense.on_device import DeviceLayer
from harmonium.units import Joined, Layer
from harmonium.units.layer import Floats

f32 = np.float32
N_CENTRING = 2  # rows of the centring correction


class Workspace:
    """Buffers for mini-batches of at most some cases beside some chains.

    Parameters
    ----------
    n_visible, n_hidden : int
        Columns of the two layers.
    n_chains, batch_size : int
    device : Device
        Where they lie.
    """

    def __init__(self, n_visible: int, n_hidden: int, n_chains: int, batch_size: int, device: Device = CPU):
        n = n_chains + batch_size + N_CENTRING
        self.V = np.zeros((n, n_visible), f32)
        self.M = np.zeros((n, n_hidden), f32)
        self.X = np.zeros((n, n_hidden), f32)
        self.Y = np.zeros((max(n_chains, batch_size), n_visible), f32)
        self.G = np.zeros((n_visible, n_hidden), f32)
        self.ones = np.ones(n, f32)
        self.n_chains = n_chains
        if device.on_torch:
            vars(self).update(device.kernels.to_device(vars(self), device.torch_name))


def means_and_draws(
    layer: Layer | DeviceLayer,
    x: Floats,
    bias: Floats,
    key: np.uint64,
    chain: npt.NDArray[np.int64],
    mean: Floats | None,
    state: Floats | None,
    scale: float = 1.0,
    total: Floats | None = None,
) -> Floats | None:
    """Means and draws of a layer from its fields without the bias, into buffers.

    Parameters
    ----------
    layer : Layer or DeviceLayer
        On a device all arrays are that device's.
    x : float32 array, (n, width)
        Left changed where the layer has no kernel: the bias is added.
    bias : float32 array, (width,)
        Or (n, width), where rows have biases of their own.
    key : uint64
    chain : int64 array, (n,)
    mean, state : float32 arrays, (n, width), or None
        Where means, times `scale`, and draws go.
    scale : float
    total : floats, (n,), optional
        Draws of multinomial rows.

    Returns
    -------
    float32 array, (n, width), or None
        The fields, where they had to be made.
    """
    if isinstance(layer, DeviceLayer):
        return layer.means_and_draws(x, bias, key, chain, mean, state, scale)
    if isinstance(layer, Joined):
        _joined_means_and_draws(layer, x, bias, key, chain, mean, state, scale)
        return x
    if layer.kind in LOW and bias.ndim == 1:
        backend().draw_binary(x, bias, key, chain, LOW[layer.kind], mean, state, scale)
        return None
    x += bias
    if mean is not None:
        np.multiply(layer.mean(x, total), f32(scale), out=mean)
    if state is not None:
        state[...] = layer.sample(x, noise(layer, f32, key, chain, total), total)
    return x


def _joined_means_and_draws(
    layer: Joined, x: Floats, bias: Floats, key: np.uint64, chain: npt.NDArray[np.int64],
    mean: Floats | None, state: Floats | None, scale: float,
) -> None:  # fmt: skip
    """Part by part; `x` is left with the bias in it."""
    out = [a for a in (mean, state) if a is not None]
    for k, (part, x_part, b_part, *places) in enumerate(layer.pieces(x, bias, *out)):
        own = iter(places)
        m, s = (None if a is None else next(own) for a in (mean, state))
        if means_and_draws(part, x_part, b_part, layer.key(key, k), chain, m, s, scale) is None:
            x_part += b_part
