"""Randomness: one place where seeds become generators and counters become uniforms.

Two kinds are used. `as_generator` gives a NumPy generator (SPEC 7: a seed, a generator or None). `uniforms` gives
*counter-based* numbers: a pure function of a key and two counters, so that what a case draws depends neither on the
order of the batch nor on the number of threads, and every backend can draw the same numbers.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Seed: TypeAlias = "int | np.integer | np.random.Generator | np.random.SeedSequence | None"

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: successive counters land far apart (Steele et al. 2014, SplitMix)
MIX_1 = 0xBF58476D1CE4E5B9  # the two multipliers of SplitMix64's finaliser
MIX_2 = 0x94D049BB133111EB
UNIFORM_BITS = 24  # a float32 holds 24 significant bits
FINE_BITS = 52  # so that the half step above the highest still rounds below 1
_MASK = (1 << 64) - 1


def as_generator(rng: Seed) -> np.random.Generator:
    """Turn a seed, a seed sequence, a generator or None into a NumPy generator.

    Parameters
    ----------
    rng : int, SeedSequence, Generator or None
        None draws fresh entropy from the operating system.
    """
    return np.random.default_rng(rng)


def key_of(*parts: int) -> np.uint64:
    """Fold integers (a seed, a phase, an epoch, a step) into one 64-bit key for `uniforms`.

    Parameters
    ----------
    *parts : int
        The order matters.
    """
    key = 0
    for part in parts:
        key = _mix_int((key + GOLDEN * ((int(part) & _MASK) + 1)) & _MASK)
    return np.uint64(key)


def keys_of(*parts: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Keys of many draws at once: `key_of`, elementwise.

    Parameters
    ----------
    *parts : array-like of int
        Not negative; broadcast against each other.
    """
    key = np.zeros((), np.uint64)
    with np.errstate(over="ignore"):  # wrapping multiplication is the algorithm
        for part in parts:
            key = mix(key + np.uint64(GOLDEN) * (np.asarray(part, np.uint64) + np.uint64(1)))
    return key


def key_from(rng: Seed) -> np.uint64:
    """Return the key of one sampler step: an integer's own, or one drawn from a generator.

    Parameters
    ----------
    rng : seed
        The same integer gives the same key; a Generator moves on by one number.
    """
    if isinstance(rng, int | np.integer):
        return key_of(int(rng))
    return np.uint64(as_generator(rng).integers(2**64, dtype=np.uint64))


def uniforms(key: np.uint64, first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Uniforms in [0, 1) that are a pure function of a key and two counters.

    Parameters
    ----------
    key : uint64
        From `key_of`.
    first, second : array-like of int
        Counters below 2^32, broadcast against each other: a case and a unit, say.

    Returns
    -------
    float32 array, the broadcast shape

    Notes
    -----
    SplitMix64's finaliser, applied twice, to key + counter: Steele, Lea & Flood, OOPSLA 2014. The CPU and GPU
    kernels hold the same formula and are tested against this one.
    """
    bits = _bits(key, first, second)
    return (bits >> np.uint64(64 - UNIFORM_BITS)).astype(np.float32) * np.float32(2.0**-UNIFORM_BITS)


def fine_uniforms(key: np.uint64, first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Uniforms strictly between 0 and 1 with 52 bits, for continuous laws; otherwise as `uniforms`.

    Parameters
    ----------
    key : uint64
    first, second : array-like of int
        Counters below 2^32, broadcast against each other.

    Returns
    -------
    float64 array, the broadcast shape
    """
    bits = _bits(key, first, second) >> np.uint64(64 - FINE_BITS)
    return (bits.astype(np.float64) + 0.5) * 2.0**-FINE_BITS


def normals(key: np.uint64, first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Standard normals that are a pure function of a key and two counters.

    Parameters
    ----------
    key : uint64
    first, second : array-like of int
        Counters below 2^32, broadcast against each other.

    Returns
    -------
    float64 array, the broadcast shape

    Notes
    -----
    Box & Muller (1958), one normal from two uniforms.
    """
    radius = np.sqrt(-2 * np.log(fine_uniforms(key, first, second)))
    return radius * np.cos(2 * np.pi * fine_uniforms(key_of(int(key), 1), first, second))


def _bits(key: np.uint64, first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):  # wrapping multiplication is the algorithm
        low = np.asarray(second, dtype=np.uint64)
        counter = (np.asarray(first, dtype=np.uint64) << np.uint64(32)) | low
        return mix(mix(counter * np.uint64(GOLDEN) + key) ^ key)


def _mix_int(z: int) -> int:
    z = ((z ^ (z >> 30)) * MIX_1) & _MASK
    z = ((z ^ (z >> 27)) * MIX_2) & _MASK
    return z ^ (z >> 31)


def mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Mix the bits of each number: SplitMix64's finaliser.

    Parameters
    ----------
    z : uint64 array, any shape
    """
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX_2)
    return z ^ (z >> np.uint64(31))
