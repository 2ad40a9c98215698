"""A sketch of which (user, item) pairs some ratings hold: enough to notice that a model has seen the test."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data.ratings import Ratings
from harmonium.data.shards import Shards
from harmonium.data.vocabulary import Vocabulary
from harmonium.errors import DataError
from harmonium.randomness import GOLDEN, mix

Hashes = npt.NDArray[np.uint64]
MOST_HASHES = 1 << 20  # 8 MB in a model file
MOST_BITS = 63
LONGEST_NUMBER = 18  # digits, sign included: surely below 2^63
CHUNK = 1 << 22  # pairs hashed at a time, so that memory stays small


@final
@dataclass(frozen=True, eq=False)
class PairSketch:
    """Hashes of rated (user, item) pairs by their raw ids; the same in every process and order of vocabularies.

    Up to 2^20 pairs are kept all. Of more, those whose hash ends in `bits` zeros are kept, a fixed sample of one in
    2^bits, so that ratings which share many pairs with them are still found out. A pair that was seen but not rated is
    no pair: it tells no rating.

    Parameters
    ----------
    hashes : uint64 array, (n,)
        Sorted.
    bits : int
    """

    hashes: Hashes
    bits: int

    @classmethod
    def of(cls, *parts: Ratings | Shards) -> "PairSketch":
        """Sketch the rated pairs of some ratings, given in one part or several.

        Parameters
        ----------
        *parts : Ratings or Shards

        Notes
        -----
        O(n), a few nanoseconds a pair.
        """
        n_ratings = sum(part.n_ratings for part in parts)
        bits = (max(0, n_ratings - 1) // MOST_HASHES).bit_length()
        wholes = (ratings for part in parts for ratings in ([part] if isinstance(part, Ratings) else part))
        kept = [hashes[_sampled(hashes, bits)] for ratings in wholes for hashes in _pair_hashes(ratings)]
        return cls(np.sort(np.concatenate((*kept, np.empty(0, np.uint64)))), bits)

    def found(self, ratings: Ratings) -> npt.NDArray[np.bool_]:
        """Which entries are rated pairs of the sketch.

        Parameters
        ----------
        ratings : Ratings

        Returns
        -------
        bool array, (n_entries,)
            False also for entries outside the sample, of which the sketch knows nothing.
        """
        found = np.zeros(ratings.n_entries, dtype=bool)
        hashes = np.concatenate((*_pair_hashes(ratings), np.empty(0, np.uint64)))
        if len(self.hashes):
            place = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
            found[ratings.level != UNRATED] = self.hashes[place] == hashes
        return found

    def contains_any(self, ratings: Ratings) -> bool:
        """Whether any rated pair is in the sketch.

        Parameters
        ----------
        ratings : Ratings
        """
        return bool(self.found(ratings).any())

    def share_in(self, ratings: Ratings) -> float:
        """Estimate which share of the rated pairs is among those sketched; exact where all are kept.

        Parameters
        ----------
        ratings : Ratings

        Returns
        -------
        float
            0 to 1; 0 where none of them is in the sample.
        """
        n = sum(int(_sampled(hashes, self.bits).sum()) for hashes in _pair_hashes(ratings))
        return float(self.found(ratings).sum()) / max(1, n)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays to store.

        Returns
        -------
        dict of str to array
            hashes uint64 (n,), bits int64 (1,).
        """
        return {"hashes": self.hashes, "bits": np.array([self.bits], np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "PairSketch":
        """Rebuild a sketch from `to_arrays`.

        Parameters
        ----------
        arrays : mapping of str to array

        Raises
        ------
        DataError
            The arrays are not those of a sketch.
        """
        if missing := {"hashes", "bits"} - set(arrays):
            raise DataError(f"a stored sketch of pairs is incomplete: array {min(missing)!r} is missing")
        hashes, bits = np.asarray(arrays["hashes"]), np.asarray(arrays["bits"])
        good = hashes.dtype == np.uint64 and hashes.ndim == 1 and bits.shape == (1,) and 0 <= bits[0] <= MOST_BITS
        if not good or (hashes[1:] < hashes[:-1]).any():
            raise DataError(f"a stored sketch of pairs is damaged: {len(hashes):,} hashes, bits {bits.tolist()}")
        return cls(hashes, int(bits[0]))


def _sampled(hashes: Hashes, bits: int) -> npt.NDArray[np.bool_]:
    return hashes & np.uint64((1 << bits) - 1) == 0


def _pair_hashes(ratings: Ratings) -> Iterator[Hashes]:
    """Hashes of the rated pairs in their order, in chunks."""
    rated = np.flatnonzero(ratings.level != UNRATED)
    user, item = _id_hashes(ratings.users) * np.uint64(GOLDEN), _id_hashes(ratings.items)
    of_user = ratings.user_of()
    for start in range(0, len(rated), CHUNK):
        chunk = rated[start : start + CHUNK]
        yield _mixed(user[of_user[chunk]] ^ item[ratings.item[chunk]])


def _id_hashes(vocabulary: Vocabulary) -> Hashes:
    """One hash an id; the text of a whole number has that of the number."""
    if isinstance(vocabulary.ids, np.ndarray):
        return _mixed(vocabulary.ids.astype(np.uint64))
    numbers = (_text_hash(raw) for raw in vocabulary.ids)
    return _mixed(np.fromiter(numbers, dtype=np.uint64, count=len(vocabulary)))


def _text_hash(raw: str) -> int:
    if len(raw) <= LONGEST_NUMBER and raw.removeprefix("-").isdecimal() and raw == str(int(raw)):
        return int(raw) % (1 << 64)
    return int.from_bytes(hashlib.blake2b(raw.encode(), digest_size=8).digest(), "little")


def _mixed(z: Hashes) -> Hashes:
    """SplitMix64's finaliser (Steele, Lea & Flood, OOPSLA 2014) after an odd step, elementwise."""
    return mix(z + np.uint64(GOLDEN))
