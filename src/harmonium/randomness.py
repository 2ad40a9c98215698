"""Randomness: one place where seeds become generators and counters become uniforms.

Two kinds are used. `as_generator` gives a NumPy generator (SPEC 7: a seed, a generator or None). `uniforms` gives
*counter-based* numbers: a pure function of a key and two counters, so that what a case draws depends neither on the
order of the batch nor on the number of threads, and every backend can draw the same numbers.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Seed: TypeAlias = "int | np.random.Generator | np.random.SeedSequence | None"

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: successive counters land far apart (Steele et al. 2014, SplitMix)
MIX_1 = 0xBF58476D1CE4E5B9  # the two multipliers of SplitMix64's finaliser
MIX_2 = 0x94D049BB133111EB
UNIFORM_BITS = 24  # a float32 holds 24 significant bits
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
    with np.errstate(over="ignore"):  # wrapping multiplication is the algorithm
        low = np.asarray(second, dtype=np.uint64)
        counter = (np.asarray(first, dtype=np.uint64) << np.uint64(32)) | low
        bits = mix(mix(counter * np.uint64(GOLDEN) + key) ^ key)
    return (bits >> np.uint64(64 - UNIFORM_BITS)).astype(np.float32) * np.float32(2.0**-UNIFORM_BITS)


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
