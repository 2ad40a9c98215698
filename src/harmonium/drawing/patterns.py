"""Black and white images to learn from that need no file: bars and stripes, digits of seven segments."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harmonium.errors import DataError
from harmonium.randomness import Seed, as_generator

Rows = npt.NDArray[np.float32]
SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")  # of each digit
HEIGHT, WIDTH = 12, 9  # pixels of an image
GLYPH = 9, 6  # pixels of a digit; the rest is room to move
N_IMAGES = 3000


class Images(NamedTuple):
    """Images as rows.

    Parameters
    ----------
    X : float32 array, (n, height * width)
        0 or 1.
    shape : tuple of int
        Height and width.
    """

    X: Rows
    shape: tuple[int, int]


def bars_and_stripes(side: int) -> Images:
    """All images whose rows are all alike or whose columns are; those all on and all off come twice.

    Parameters
    ----------
    side : int
    """
    lines = np.array(list(itertools.product((0, 1), repeat=side)), np.float32)
    bars = np.repeat(lines, side, axis=1)
    stripes = np.tile(lines, (1, side))
    return Images(np.concatenate((bars, stripes)), (side, side))


def best_likelihood(X: Rows) -> float:
    """Mean log-likelihood of rows under the distribution that is just them: the highest there is, in nats.

    Parameters
    ----------
    X : float32 array, (n, n_visible)
    """
    share = np.unique(X, axis=0, return_counts=True)[1] / len(X)
    return float((share * np.log(share)).sum())


def segment_digits(n: int = N_IMAGES, rng: Seed = 0) -> Images:
    """Digits as a pocket calculator shows them, moved about, thin or bold.

    Parameters
    ----------
    n : int
    rng : seed
    """
    generator = as_generator(rng)
    X = np.zeros((n, HEIGHT, WIDTH), np.float32)
    height, width = GLYPH
    for image in X:
        digit, bold = generator.integers(10), int(generator.integers(1, 3))
        top, left = generator.integers(HEIGHT - height + 1), generator.integers(WIDTH - width + 1)
        place = image[top : top + height, left : left + width]
        for segment in SEGMENTS[digit]:
            place[_segment(segment, bold)] = 1
    return Images(X.reshape(n, -1), (HEIGHT, WIDTH))


def _segment(name: str, bold: int) -> tuple[slice, slice]:
    """Pixels of one of the seven segments: a on top, then clockwise, g in the middle."""
    height, width = GLYPH
    middle = height // 2
    rows = {"a": (0, bold), "g": (middle, middle + bold), "d": (height - bold, height)}
    if name in rows:
        return slice(*rows[name]), slice(0, width)
    upper, right = name in "bf", name in "bc"
    column = slice(width - bold, width) if right else slice(0, bold)
    return (slice(0, middle + 1) if upper else slice(middle, height)), column


def read_images(path: Path) -> Images:
    """Read images of 0 to 1 from an .npy file.

    Parameters
    ----------
    path : Path
        Of an array (n, height, width), or (n, pixels) of square images.

    Raises
    ------
    DataError
        There is no such file, or it holds something else.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: is not an array of numbers that numpy.save wrote ({error})") from None
    if (
        not isinstance(array, np.ndarray)
        or array.dtype.kind not in "bifu"
        or array.ndim not in (2, 3)
        or not array.size
    ):
        raise DataError(f"{path}: images are an array of (n, height, width) or (n, pixels) numbers")
    side = math.isqrt(array.shape[1])
    if array.ndim == 2 and side**2 != array.shape[1]:
        raise DataError(f"{path}: {array.shape[1]} pixels are not those of a square image; give (n, height, width)")
    shape = (side, side) if array.ndim == 2 else (int(array.shape[1]), int(array.shape[2]))
    X = array.reshape(len(array), -1).astype(np.float32)
    if not (np.isfinite(X).all() and X.min() >= 0 and X.max() <= 1):
        raise DataError(f"{path}: pixels go from 0 to 1; the smallest is {X.min():g}, the largest {X.max():g}")
    return Images(X, shape)
