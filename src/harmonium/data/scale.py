"""The levels that a rating can take."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from harmonium.errors import DataError, SettingError

MAX_LEVELS = 254  # codes 0..253 in one byte; 255 is UNRATED
OFF_LEVEL = 1e-4  # a value further from its level than this share of the smallest gap is off the scale
MAX_UNEVEN = 20  # more distinct values than this, unevenly spaced, are measurements or counts, not levels


@final
@dataclass(frozen=True)
class Scale:
    """Strictly increasing levels; a rating is stored as the number of its level, counting from 0.

    Parameters
    ----------
    levels : tuple of float, (n_levels,)
        2 to 254 values, strictly increasing, evenly or unevenly spaced.
    names : tuple of str, optional
        What people call the levels.
    bucketed : bool, default False
        Each level is the smallest value of a bucket which reaches up to the next level, the last without end.

    Raises
    ------
    SettingError
        Too few or too many levels, not increasing, or not finite.

    Examples
    --------
    >>> Scale.halves().describe()
    '0.5 to 5 in steps of 0.5'
    >>> Scale.stars().code([1, 5]).tolist()
    [0, 4]
    """

    levels: tuple[float, ...]
    names: tuple[str, ...] | None = None
    bucketed: bool = False

    def __post_init__(self):
        levels = tuple(float(level) for level in self.levels)
        object.__setattr__(self, "levels", levels)
        if not 2 <= len(levels) <= MAX_LEVELS:
            raise SettingError(f"a scale has 2 to {MAX_LEVELS} levels, not {len(levels)}")
        if not np.isfinite(levels).all() or not (np.diff(levels) > 0).all():
            raise SettingError(f"the levels of a scale must be finite and strictly increasing, not {levels}")
        if self.names is not None and len(self.names) != len(levels):
            raise SettingError(f"{len(levels)} levels need {len(levels)} names, not {len(self.names)}")

    @classmethod
    def stars(cls, maximum: int = 5) -> "Scale":
        """Whole stars from 1.

        Parameters
        ----------
        maximum : int, default 5

        Returns
        -------
        Scale
        """
        return cls(tuple(range(1, maximum + 1)))

    @classmethod
    def halves(cls) -> "Scale":
        """Half stars, 0.5 to 5, as MovieLens has used since 2003.

        Returns
        -------
        Scale
        """
        return cls(tuple(half / 2 for half in range(1, 11)))

    @classmethod
    def like(cls) -> "Scale":
        """0 for dislike, 1 for like.

        Returns
        -------
        Scale
        """
        return cls((0.0, 1.0), names=("dislike", "like"))

    @classmethod
    def buckets(cls, edges: Sequence[float]) -> "Scale":
        """Buckets of raw counts (plays, clicks): bucket k holds ``edges[k] <= count < edges[k + 1]``.

        Parameters
        ----------
        edges : sequence of float, (n_levels,)
            The smallest count of each bucket, which also stands for the bucket in `values`. The last bucket
            has no upper end; a count below the first edge is off the scale.

        Returns
        -------
        Scale

        Examples
        --------
        >>> Scale.buckets([1, 2, 5, 20]).code([1, 4, 5, 1000]).tolist()
        [0, 1, 2, 3]
        """
        return cls(tuple(edges), bucketed=True)

    @classmethod
    def infer(cls, values: Any) -> "Scale":
        """Scale of the distinct values seen.

        Parameters
        ----------
        values : floats, (n,)

        Returns
        -------
        Scale

        Raises
        ------
        DataError
            No values, a value that is not finite, one single value, or values that look continuous.

        Notes
        -----
        The first rule that fits: only 0 and 1, like; whole numbers in 1..5, five stars; whole numbers in
        1..10, ten stars; multiples of a half in 0.5..5, halves; otherwise exactly the values seen, up to 254
        when evenly spaced and up to 20 when not.
        """
        distinct = np.unique(np.asarray(values, dtype=np.float64))
        if not len(distinct):
            raise DataError("there are no ratings to infer a scale from; pass scale=")
        if not np.isfinite(distinct).all():
            raise DataError(f"ratings must be finite numbers, not {distinct[~np.isfinite(distinct)][0]}")
        for known in (cls.like(), cls.stars(5), cls.stars(10), cls.halves()):
            if np.isin(distinct, known.values).all():
                return known
        if len(distinct) == 1:
            raise DataError(f"every rating is {distinct[0]:g}: one level says nothing; pass scale=")
        gaps = np.diff(distinct)
        even = np.allclose(gaps, gaps[0], rtol=OFF_LEVEL)
        if len(distinct) > (MAX_LEVELS if even else MAX_UNEVEN):
            raise DataError(
                f"{len(distinct):,} distinct ratings from {distinct[0]:g} to {distinct[-1]:g} look like "
                "counts or measurements, not levels; pass scale=Scale.buckets([...]) or scale=Scale((...))"
            )
        return cls(tuple(distinct.tolist()))

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return len(self.levels)

    @property
    def minimum(self) -> float:
        """Value of the lowest level."""
        return self.levels[0]

    @property
    def maximum(self) -> float:
        """Value of the highest level."""
        return self.levels[-1]

    @cached_property
    def values(self) -> np.ndarray:
        """Value of each level, float64 (n_levels,), read-only."""
        values = np.array(self.levels, dtype=np.float64)
        values.setflags(write=False)
        return values

    @cached_property
    def x(self) -> np.ndarray:
        """Value of each level mapped linearly to -1..1, float64 (n_levels,), read-only."""
        x = 2.0 * (self.values - self.minimum) / (self.maximum - self.minimum) - 1.0
        x.setflags(write=False)
        return x

    @property
    def is_even(self) -> bool:
        """Whether all levels are equally far apart."""
        gaps = np.diff(self.values)
        return bool(np.allclose(gaps, gaps[0], rtol=OFF_LEVEL))

    def on_scale(self, values: Any) -> np.ndarray:
        """Whether each value is a level (or, for buckets, falls in one).

        Parameters
        ----------
        values : floats, (n,)

        Returns
        -------
        bool array, (n,)
        """
        values = np.asarray(values, dtype=np.float64)
        if self.bucketed:
            return np.isfinite(values) & (values >= self.minimum)
        return np.abs(self.values[self._nearest(values)] - values) <= self._tolerance

    def code(self, values: Any) -> np.ndarray:
        """Level code of each rating value.

        Parameters
        ----------
        values : floats, (n,)

        Returns
        -------
        uint8 array, (n,)
            In 0..n_levels-1.

        Raises
        ------
        DataError
            A value is off the scale.
        """
        values = np.asarray(values, dtype=np.float64)
        on = self.on_scale(values)
        if not on.all():
            raise DataError(f"rating {values[~on].flat[0]:g} is not on the scale {self.describe()}")
        if self.bucketed:
            return (np.searchsorted(self.values, values, side="right") - 1).astype(np.uint8)
        return self._nearest(values).astype(np.uint8)

    def describe(self) -> str:
        """One phrase for people.

        Returns
        -------
        str
        """
        low, high = f"{self.minimum:g}", f"{self.maximum:g}"
        if self.names is not None:
            return f"{', '.join(self.names[:-1])} or {self.names[-1]}"
        if self.bucketed:
            return f"buckets from {', '.join(f'{level:g}' for level in self.levels)}"
        if self.is_even:
            step = (self.maximum - self.minimum) / (self.n_levels - 1)
            return f"{low} to {high}" if step == 1 else f"{low} to {high} in steps of {step:g}"
        return f"{self.n_levels} levels from {low} to {high}"

    @cached_property
    def _middles(self) -> np.ndarray:
        return (self.values[1:] + self.values[:-1]) / 2

    @cached_property
    def _tolerance(self) -> float:
        return OFF_LEVEL * float(np.diff(self.values).min())

    def _nearest(self, values: np.ndarray) -> np.ndarray:
        return self._middles.searchsorted(values)
