"""The counter-based numbers of `harmonium.randomness` in torch: the same for the same key and counters.

torch's integers are signed. Addition, multiplication and exclusive or do not see the sign; a shift to the right copies
it, so that its bits are masked off.
"""

import torch

from harmonium.kernels.gpu_arrays import Tensor, fused
from harmonium.randomness import FINE_BITS, GOLDEN, MIX_1, MIX_2, UNIFORM_BITS, key_of

TAU = 6.283185307179586


def signed(x: int) -> int:
    """The signed 64-bit integer with the same bits.

    Parameters
    ----------
    x : int
        Taken modulo 2^64.
    """
    x = int(x) & ((1 << 64) - 1)
    return x - (1 << 64) if x >> 63 else x


_FIRST, _SECOND = signed(GOLDEN << 32), signed(GOLDEN)
_MIX_1, _MIX_2 = signed(MIX_1), signed(MIX_2)


def _shifted(z: Tensor, by: int) -> Tensor:
    return (z >> by) & ((1 << (64 - by)) - 1)


def mix(z: Tensor) -> Tensor:
    """SplitMix64's finaliser.

    Parameters
    ----------
    z : int64 tensor, any shape
    """
    z = (z ^ _shifted(z, 30)) * _MIX_1
    z = (z ^ _shifted(z, 27)) * _MIX_2
    return z ^ _shifted(z, 31)


def counters(key: int, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What `uniform_of` takes: both counters' parts, whose sum is (first 2^32 + second) GOLDEN + key, and the key.

    Parameters
    ----------
    key : int
    first, second : int tensors
        Counters below 2^32.
    """
    number = torch.full((1,), signed(int(key)), dtype=torch.int64, device=first.device)
    return first.long() * _FIRST + number, second.long() * _SECOND, number


def uniform_of(first: Tensor, second: Tensor, key: Tensor) -> Tensor:
    """Uniforms in [0, 1) of the parts of two counters; taken into fused kernels.

    Parameters
    ----------
    first, second, key : int64 tensors
        From `counters`; the first two broadcast against each other.
    """
    bits = mix(mix(first + second) ^ key)
    return _shifted(bits, 64 - UNIFORM_BITS).float() * 2.0**-UNIFORM_BITS


def fine_uniform_of(first: Tensor, second: Tensor, key: Tensor) -> Tensor:
    """The same in double precision, strictly between 0 and 1.

    Parameters
    ----------
    first, second, key : int64 tensors
    """
    bits = _shifted(mix(mix(first + second) ^ key), 64 - FINE_BITS)
    return (bits.double() + 0.5) * 2.0**-FINE_BITS


@fused
def _uniforms(first: Tensor, second: Tensor, key: Tensor) -> Tensor:
    return uniform_of(first, second, key)


@fused
def _fine_uniforms(first: Tensor, second: Tensor, key: Tensor) -> Tensor:
    return fine_uniform_of(first, second, key)


@fused
def _normals(first: Tensor, second: Tensor, key: Tensor, first_b: Tensor, second_b: Tensor, key_b: Tensor) -> Tensor:
    radius = torch.sqrt(-2 * torch.log(fine_uniform_of(first, second, key)))
    return radius * torch.cos(TAU * fine_uniform_of(first_b, second_b, key_b))


def uniforms(key: int, first: Tensor, second: Tensor) -> Tensor:
    """Uniforms in [0, 1) in float32; see `harmonium.randomness.uniforms`."""
    return _uniforms(*counters(key, first, second))


def fine_uniforms(key: int, first: Tensor, second: Tensor) -> Tensor:
    """Uniforms strictly between 0 and 1 in float64; see `harmonium.randomness.fine_uniforms`."""
    return _fine_uniforms(*counters(key, first, second))


def standard_normals(key: int, first: Tensor, second: Tensor) -> Tensor:
    """Standard normals in float64; see `harmonium.randomness.normals`."""
    other = key_of(int(key), 1)
    return _normals(*counters(key, first, second), *counters(int(other), first, second))
