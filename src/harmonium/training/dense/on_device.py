"""Dense learning on a device: the layers there, and what of it runs nowhere but on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, final

from harmonium.errors import SettingError
from harmonium.events import Allocates
from harmonium.kernels.devices import Device
from harmonium.training.dense.settings import DenseLearning
from harmonium.training.memory import announced
from harmonium.units import Layer, Softmax

KINDS = ("bernoulli", "spin", "gaussian", "softmax")
METHODS = ("cd", "pcd", "fast-pcd")
WEIGHT_COPIES = 8  # parameters, moments, gradient, fast weights, the best model on its way out


@final
@dataclass(frozen=True)
class DeviceLayer:
    """A layer whose fields, states and parameters lie on a device.

    Parameters
    ----------
    layer : Layer
        Kind and sizes.
    side : str
        "visible" or "hidden".
    arrays : dict of tensors
        The learning state's own, by the names of `models.rbm.arrays`: as they are learnt, so they are here.
    kernels : module
    """

    layer: Layer
    side: str
    arrays: dict[str, Any]
    kernels: ModuleType

    @property
    def kind(self) -> str:
        """Kind of the layer."""
        return self.layer.kind

    @property
    def width(self) -> int:
        """Columns of a state."""
        return self.layer.width

    @property
    def parameters(self) -> dict[str, Any]:
        """Arrays of the layer that are learnt beside the biases."""
        return {name: self.arrays[f"{self.side}.{name}"] for name in self.layer.parameters}

    def total(self, v: Any) -> None:
        """Draws of each row: no layer on a device keeps them.

        Parameters
        ----------
        v : float32 tensor, (batch, width)
        """

    def means_and_draws(
        self, x: Any, bias: Any, key: Any, chain: Any, mean: Any, state: Any, scale: float = 1.0
    ) -> Any:
        """Means and draws into buffers; see `workspace.means_and_draws`.

        Parameters
        ----------
        x : float32 tensor, (n, width)
            Fields without the bias.
        bias : float32 tensor, (width,)
        key : uint64
        chain : int64 tensor, (n,)
        mean, state : float32 tensors, (n, width), or None
        scale : float

        Returns
        -------
        float32 tensor, (n, width), or None
            The fields, where the layer's own parameters learn from them.
        """
        where_to = key, chain, mean, state, scale
        if isinstance(self.layer, Softmax):
            self.kernels.draw_softmax(x, bias, self.layer.n_states, *where_to)
        elif self.kind == "gaussian":
            self.kernels.draw_gaussian(x, bias, self.parameters["log_variance"], *where_to)
            return x + bias
        else:
            low = 0.0 if self.kind == "bernoulli" else -1.0
            self.kernels.draw_binary(x, bias, key, chain, low, mean, state, scale)
        return None

    def parameter_statistics(self, v: Any) -> dict[str, Any]:
        """See `Layer.parameter_statistics`; of Gaussian units.

        Parameters
        ----------
        v : float32 tensor, (batch, width)
        """
        return {name: self.kernels.half_squares(v, own) for name, own in self.parameters.items()}

    def expected_statistics(self, x: Any) -> dict[str, Any]:
        """See `Layer.expected_statistics`; of Gaussian units.

        Parameters
        ----------
        x : float32 tensor, (batch, width)
        """
        return {name: self.kernels.half_mean_squares(x, own) for name, own in self.parameters.items()}


def announcement(
    device: Device, visible: Layer, hidden: Layer, learning: DenseLearning, n_entries: int, n_rows: int
) -> Allocates:
    """Say what learning is about to take of a device's memory; or that it does not fit, or does not run there.

    Parameters
    ----------
    device : Device
        One of torch's.
    visible, hidden : Layer
    learning : DenseLearning
    n_entries : int
        Of the cases that are kept.
    n_rows : int
        Chains and cases of a mini-batch.

    Raises
    ------
    SettingError
        A layer or a method of these runs on the CPU alone.
    NotEnoughMemoryError
        It does not fit.
    """
    for layer in (visible, hidden):
        if layer.kind not in KINDS:
            raise SettingError(
                f"device: {device.name} has {', '.join(KINDS)} units, not {layer.kind}; take device='cpu'"
            )
    if learning.method not in METHODS or learning.discrimination:
        method = learning.method if not learning.discrimination else "discrimination"
        raise SettingError(f"device: {device.name} learns by {', '.join(METHODS)}, not {method}; take device='cpu'")
    rows = 3 * n_rows * (visible.width + hidden.width)
    n_bytes = 4 * (WEIGHT_COPIES * visible.width * hidden.width + rows + 4 * n_rows * max(visible.width, hidden.width))
    way_out = "fewer units or a smaller batch_size need less, and device='cpu' takes the machine's own memory"
    return announced(f"cases and weights on {device.title}", n_bytes + 4 * n_entries, way_out, device=device)
