"""The two-way map between raw ids and indices."""

import difflib
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, final

import numpy as np

from harmonium.errors import DataError, SettingError, UnknownIdError

Id = int | str
N_NEAREST = 3  # how many known ids an error about an unknown one names


@final
class Vocabulary:
    """Raw ids in increasing order, and the index of each: 0 for the smallest.

    All ids are whole numbers, or all are text. The order is fixed (numbers ascending, text by code point), so
    the same ids in any order make the same vocabulary. Immutable.

    Parameters
    ----------
    ids : ints, (n,), or sequence of str
        Strictly increasing; `Vocabulary.from_ids` sorts and removes duplicates.

    Raises
    ------
    DataError
        The ids are not strictly increasing, are of mixed types, or do not fit in 64 bits.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_ids(["matrix", "alien", "matrix"])
    >>> vocabulary.ids
    ('alien', 'matrix')
    >>> vocabulary.index("matrix")
    1
    """

    def __init__(self, ids: Any):
        self._ids = _checked_ids(ids)
        if isinstance(self._ids, np.ndarray):
            increasing = bool((self._ids[1:] > self._ids[:-1]).all())
        else:
            increasing = all(a < b for a, b in itertools.pairwise(self._ids))
        if not increasing:
            raise DataError("the ids of a vocabulary must be strictly increasing; use Vocabulary.from_ids")

    @classmethod
    def from_ids(cls, ids: Any) -> "Vocabulary":
        """Sort ids and drop duplicates.

        Parameters
        ----------
        ids : array-like of int or str, (n,)

        Returns
        -------
        Vocabulary
        """
        checked = _checked_ids(ids)
        if isinstance(checked, np.ndarray):
            return cls(np.unique(checked))
        return cls(sorted(set(checked)))

    @property
    def ids(self) -> np.ndarray | tuple[str, ...]:
        """The raw ids by index: a read-only int64 array (n,), or a tuple of str."""
        return self._ids

    @property
    def is_text(self) -> bool:
        """Whether the ids are text rather than whole numbers."""
        return isinstance(self._ids, tuple)

    @cached_property
    def _index_of(self) -> dict[Id, int]:
        ids = self._ids.tolist() if isinstance(self._ids, np.ndarray) else self._ids
        return {raw: index for index, raw in enumerate(ids)}

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Id]:
        return iter(self._ids.tolist() if isinstance(self._ids, np.ndarray) else self._ids)

    def __getitem__(self, index: int) -> Id:
        raw = self._ids[index]
        return raw if isinstance(raw, str) else int(raw)

    def __contains__(self, raw: object) -> bool:
        return _plain(raw) in self._index_of

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        if self.is_text != other.is_text or len(self) != len(other):
            return False
        return self is other or bool(np.all(np.asarray(self._ids) == np.asarray(other._ids)))

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        shown = ", ".join(repr(self[i]) for i in range(min(3, len(self))))
        return f"Vocabulary({len(self):,} ids: {shown}{', ...' if len(self) > 3 else ''})"

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 over the ids; equal vocabularies have equal fingerprints on every machine."""
        digest = hashlib.sha256()
        for name, array in self.to_arrays().items():
            digest.update(name.encode())
            digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def index(self, raw: Id) -> int:
        """Index of one raw id.

        Parameters
        ----------
        raw : int or str

        Returns
        -------
        int

        Raises
        ------
        UnknownIdError
            The id is not in the vocabulary; the message names the nearest known ids.
        """
        found = self._index_of.get(_plain(raw))
        if found is None:
            raise UnknownIdError(self._unknown_message(raw))
        return found

    def indices(self, ids: Iterable[Id] | np.ndarray, *, unknown: str | int = "error") -> np.ndarray:
        """Indices of many raw ids.

        Parameters
        ----------
        ids : array-like of int or str, (n,)
        unknown : {"error", "drop"} or int, default "error"
            What becomes of an unknown id: an error, nothing, or this number in its place.

        Returns
        -------
        int64 array, (n,)
            Shorter than `ids` only with ``unknown="drop"``.

        Raises
        ------
        UnknownIdError
            An id is not in the vocabulary and `unknown` is "error".
        """
        if isinstance(unknown, str) and unknown not in ("error", "drop"):
            raise SettingError(f'unknown must be "error", "drop" or a whole number, not {unknown!r}')
        index_of = self._index_of
        raws = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        found = [index_of.get(_plain(raw)) for raw in raws]
        if unknown == "error" and None in found:
            raise UnknownIdError(self._unknown_message(raws[found.index(None)]))
        if unknown == "drop":
            return np.array([index for index in found if index is not None], dtype=np.int64)
        return np.array([unknown if index is None else index for index in found], dtype=np.int64)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays to store: no Python objects, no pickle.

        Returns
        -------
        dict of str to array
            ``{"ids": int64 (n,)}`` for numbers; ``{"text": uint8 (n_bytes,), "offsets": int64 (n + 1,)}``, in
            UTF-8, for text.
        """
        if isinstance(self._ids, np.ndarray):
            return {"ids": self._ids}
        return pack_text(self._ids)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Vocabulary":
        """Rebuild a vocabulary from `to_arrays`.

        Parameters
        ----------
        arrays : mapping of str to array

        Returns
        -------
        Vocabulary

        Raises
        ------
        DataError
            The arrays are not those of a vocabulary.
        """
        if "ids" in arrays:
            return cls(arrays["ids"])
        return cls(unpack_text(arrays))

    def _unknown_message(self, raw: object) -> str:
        nearest = ", ".join(repr(known) for known in self._nearest(raw))
        if not len(self):
            return f"id {raw!r} is unknown: the vocabulary is empty"
        return f"id {raw!r} is unknown; the nearest of {len(self):,} known ids: {nearest}"

    def _nearest(self, raw: object) -> list[Id]:
        raw = _plain(raw)
        if isinstance(self._ids, np.ndarray):
            if isinstance(raw, str) and raw.strip().lstrip("-").isdecimal():
                raw = int(raw)
            if not isinstance(raw, int):
                return [int(known) for known in self._ids[:N_NEAREST]]
            distance = np.abs(self._ids.astype(np.float64) - float(raw))
            return [int(known) for known in self._ids[np.argsort(distance, kind="stable")[:N_NEAREST]]]
        close = difflib.get_close_matches(str(raw), self._ids, n=N_NEAREST, cutoff=0.0)
        return list(close)


def pack_text(texts: Iterable[str]) -> dict[str, np.ndarray]:
    """Concatenate strings as UTF-8 bytes with the offset of each.

    Parameters
    ----------
    texts : iterable of str

    Returns
    -------
    dict of str to array
        text uint8 (n_bytes,), offsets int64 (n + 1,).
    """
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(raw) for raw in encoded], out=offsets[1:])
    return {"text": np.frombuffer(b"".join(encoded), dtype=np.uint8), "offsets": offsets}


def unpack_text(arrays: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Strings from their bytes and offsets; the inverse of `pack_text`.

    Parameters
    ----------
    arrays : mapping of str to array
        text uint8 (n_bytes,), offsets int64 (n + 1,).

    Returns
    -------
    tuple of str

    Raises
    ------
    DataError
        The arrays are missing, inconsistent or not UTF-8.
    """
    try:
        raw = np.asarray(arrays["text"], dtype=np.uint8).tobytes()
        offsets = np.asarray(arrays["offsets"], dtype=np.int64).tolist()
        if not offsets or offsets[0] != 0 or offsets[-1] != len(raw) or offsets != sorted(offsets):
            raise DataError(f"stored text is damaged: its offsets do not cover its {len(raw):,} bytes")
        return tuple(raw[start:stop].decode() for start, stop in itertools.pairwise(offsets))
    except KeyError as error:
        raise DataError(f"stored text is incomplete: array {error} is missing") from None
    except UnicodeDecodeError as error:
        raise DataError(f"stored text is damaged: {error}") from None


def _plain(raw: object) -> Any:
    """A raw id as Python's own int or str, so that np.int64(7), 7 and 7.0 are one id."""
    if isinstance(raw, np.generic):
        raw = raw.item()
    return str(raw) if isinstance(raw, str) else raw


def _checked_ids(ids: Any) -> np.ndarray | tuple[str, ...]:
    """Ids as a read-only int64 array or a tuple of str."""
    if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu":
        return _int_ids(ids)
    values = [_plain(raw) for raw in ids]
    if values and all(isinstance(raw, str) for raw in values):
        return tuple(values)
    for position, raw in enumerate(values):
        if type(raw) is not int:
            kind = "text among numbers" if isinstance(raw, str) else f"a {type(raw).__name__}"
            raise DataError(f"id {raw!r} at position {position} is {kind}; make all ids numbers or all text")
    try:
        return _int_ids(np.array(values, dtype=np.int64))
    except OverflowError:
        raise DataError(f"id {max(values, key=abs)} does not fit in 64 bits; pass the ids as text") from None


def _int_ids(ids: np.ndarray) -> np.ndarray:
    if ids.ndim != 1:
        raise DataError(f"ids must be one-dimensional, not of shape {ids.shape}")
    if ids.dtype.kind == "u" and len(ids) and int(ids.max()) > np.iinfo(np.int64).max:
        raise DataError(f"id {int(ids.max())} does not fit in 64 bits with a sign; pass the ids as text")
    ids = np.array(ids, dtype=np.int64)
    ids.setflags(write=False)
    return ids
