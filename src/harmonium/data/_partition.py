"""Sorting more ratings than memory holds: entries go to a region of a file by their row, then region by region."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from harmonium.data._entries import entries_to_keep
from harmonium.data.folders import RatingsWriter
from harmonium.data.ratings import DuplicateEntryError
from harmonium.data.sorting import stable_order

Records = npt.NDArray[Any]
BLOCK = 1 << 20  # records read at a time
PLAIN = np.dtype([("row", "<i4"), ("column", "<i4"), ("level", "u1")])  # packed: 9 bytes
TIMED = np.dtype([*PLAIN.descr, ("time", "<i8")])


def records_of(row: npt.NDArray, column: npt.NDArray, level: npt.NDArray, time: npt.NDArray | None = None) -> Records:
    """Bring columns together, one record an entry.

    Parameters
    ----------
    row, column : int arrays, (n,)
    level : uint8 array, (n,)
    time : int64 array, (n,), optional
    """
    records = np.empty(len(row), PLAIN if time is None else TIMED)
    records["row"], records["column"], records["level"] = row, column, level
    if time is not None:
        records["time"] = time
    return records


@final
class Spill:
    """A nameless file of records: it is gone when closed, whatever ends the process.

    Parameters
    ----------
    folder : Path
    dtype : dtype
    """

    def __init__(self, folder: Path, dtype: np.dtype):
        self.dtype, self.length = dtype, 0
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (`close` ends it)

    def append(self, records: Records) -> None:
        """Add records at the end.

        Parameters
        ----------
        records : structured array
        """
        self.write(self.length, records)
        self.length += len(records)

    def write(self, start: int, records: Records) -> None:
        """Put records at a place.

        Parameters
        ----------
        start : int
        records : structured array
        """
        self._file.seek(start * self.dtype.itemsize)
        self._file.write(np.ascontiguousarray(records, self.dtype).data)

    def read(self, start: int, stop: int) -> Records:
        """Records start..stop.

        Parameters
        ----------
        start, stop : int
        """
        self._file.seek(start * self.dtype.itemsize)
        return np.frombuffer(self._file.read((stop - start) * self.dtype.itemsize), self.dtype)

    def blocks(self) -> Iterator[Records]:
        """All records, some at a time."""
        for start in range(0, self.length, BLOCK):
            yield self.read(start, min(start + BLOCK, self.length))

    def close(self) -> None:
        """Give the room on the disk back."""
        self._file.close()


@final
class Regions:
    """A file of records cut into regions of known sizes, each filled in the order in which records come.

    Parameters
    ----------
    folder : Path
    counts : int array, (n_rows,)
        Records of each row.
    ends : int array, (n_regions + 1,)
        Rows at which regions begin, and the number of rows.
    dtype : dtype
    """

    def __init__(self, folder: Path, counts: npt.NDArray[np.integer], ends: npt.NDArray[np.integer], dtype: np.dtype):
        self.ends, self._spill = np.asarray(ends, np.int64), Spill(folder, dtype)
        total = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        self._starts = total[self.ends]
        self._filled = self._starts[:-1].copy()
        self._region_of = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.ends))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def add(self, records: Records) -> None:
        """Put records into the regions of their rows.

        Parameters
        ----------
        records : structured array
        """
        region = self._region_of[records["row"]]
        order = stable_order(region)
        if order is not None:
            records, region = records[order], region[order]
        cuts = np.searchsorted(region, np.arange(len(self) + 1))
        for k in np.flatnonzero(np.diff(cuts)).tolist():
            part = records[cuts[k] : cuts[k + 1]]
            self._spill.write(int(self._filled[k]), part)
            self._filled[k] += len(part)

    def write_sorted(self, writer: RatingsWriter, duplicates: str) -> Iterator[int]:
        """Sort region after region into a folder of ratings.

        Parameters
        ----------
        writer : RatingsWriter
        duplicates : {"error", "first", "last"}

        Yields
        ------
        int
            Records done.

        Raises
        ------
        DuplicateEntryError
            A row and a column occur together twice, and that is an error; `first` and `second` are the pair.
        """
        for k in range(len(self)):
            records = self._spill.read(int(self._starts[k]), int(self._starts[k + 1]))
            row, column = records["row"] - np.int32(self.ends[k]), records["column"].copy()
            kept = entries_to_keep(row, column, stable_order(row, column), duplicates)
            if isinstance(kept, tuple):
                twice = records[kept[0]]
                raise DuplicateEntryError("a pair occurs twice", int(twice["row"]), int(twice["column"]))
            counts = np.bincount(row[kept], minlength=int(self.ends[k + 1] - self.ends[k]))
            time = np.ascontiguousarray(records["time"][kept]) if "time" in (records.dtype.names or ()) else None
            writer.append(counts, column[kept], records["level"][kept], time)
            yield int(self._starts[k + 1])

    def close(self) -> None:
        """Give the room on the disk back."""
        self._spill.close()
