"""A folder of ratings: plain arrays that open without being read, shared by all processes that have them open.

    header.json                       format, version, sizes, scale
    indptr.npy item.npy level.npy     the arrays of `Ratings`, 5 bytes a rating; time.npy where times are kept
    users.ids.npy                     or users.text.npy and users.offsets.npy; the same of items

The arrays are NumPy's own format, so that anything can map them. They can be appended to while nobody knows how many
ratings there will be; the header is written last, and the folder takes its name when it is whole.
"""

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, final

import numpy as np
import numpy.typing as npt

from harmonium.conventions import UNRATED
from harmonium.data.ratings import Ratings
from harmonium.data.scale import Scale
from harmonium.data.vocabulary import Vocabulary
from harmonium.errors import DataError, HarmoniumError

FORMAT, VERSION = "harmonium ratings", 1
HEADER = "header.json"
COLUMNS = {"item": np.dtype("<i4"), "level": np.dtype("u1"), "time": np.dtype("<i8")}
INDPTR = np.dtype("<i8")
NPY_HEADER = 128  # bytes before the data of a one-dimensional .npy file of whole numbers, whatever its length
AGAIN = "copy it again, or write it again with Ratings.save"


@final
class RatingsWriter:
    """Writes a folder of ratings, some rows at a time; nothing is left of one that was not ended.

    Parameters
    ----------
    path : path
        A folder of ratings that is there is replaced.
    users, items : Vocabulary
    scale : Scale
    timed : bool
        Whether there are times.
    facts : dict, optional
        More for the header, as plain values.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        users: Vocabulary,
        items: Vocabulary,
        scale: Scale,
        timed: bool = False,
        facts: dict[str, Any] | None = None,
    ):
        self.path, self.users, self.items, self.scale = Path(path), users, items, scale
        self.facts, self.names = facts or {}, [name for name in COLUMNS if timed or name != "time"]
        self._counts: list[npt.NDArray[np.int64]] = []
        self._n_entries = self._n_ratings = 0

    def __enter__(self) -> "RatingsWriter":
        """Make a folder under another name beside the path."""
        if self.path.exists() and not is_folder_of_ratings(self.path):
            raise DataError(f"{self.path}: is there already and no folder of ratings; choose another name")
        try:
            self._folder = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=f".{self.path.name}."))
            self._files = {name: _begun(self._folder / f"{name}.npy") for name in self.names}
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written ({error.strerror}); choose another folder") from error
        return self

    def append(
        self,
        counts: npt.NDArray[np.integer],
        item: npt.NDArray[np.int32],
        level: npt.NDArray[np.uint8],
        time: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Add the next rows.

        Parameters
        ----------
        counts : int array, (n_rows,)
            Entries of each row.
        item : int32 array, (n,)
            Increasing within a row.
        level : uint8 array, (n,)
        time : int64 array, (n,), optional
        """
        self._counts.append(np.asarray(counts, np.int64))
        self._n_entries += len(item)
        self._n_ratings += int(np.count_nonzero(level != UNRATED))
        for name, column in zip(self.names, (item, level, time)):
            self._files[name].write(np.ascontiguousarray(column, COLUMNS[name]).data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the folder its name, or remove it."""
        try:
            if kind is None:
                self._end()
        except OSError as fault:
            raise DataError(f"{self.path}: cannot be written ({fault.strerror})") from fault
        finally:
            for file in self._files.values():
                file.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self) -> None:
        indptr = np.zeros(len(self.users) + 1, INDPTR)
        np.cumsum(np.concatenate((*self._counts, np.empty(0, np.int64))), out=indptr[1:])
        for name, file in self._files.items():
            _ended(file, COLUMNS[name], self._n_entries)
        more = {"indptr": indptr, **_vocabulary_arrays("users", self.users), **_vocabulary_arrays("items", self.items)}
        for name, array in more.items():
            with _begun(self._folder / f"{name}.npy") as file:
                file.write(np.ascontiguousarray(array).data)
                _ended(file, array.dtype, len(array))
        header = {
            "format": FORMAT, "version": VERSION, "n_entries": self._n_entries, "n_ratings": self._n_ratings,
            "scale": asdict(self.scale), "arrays": {name: len(array) for name, array in more.items()}
            | dict.fromkeys(self.names, self._n_entries), **self.facts,
        }  # fmt: skip
        with (self._folder / HEADER).open("w", encoding="utf-8") as file:
            json.dump(header, file)
            _flush(file)
        put_in_place(self._folder, self.path)


def write_folder(ratings: Ratings, path: str | os.PathLike[str]) -> None:
    """Write ratings to a folder; it appears whole or not at all.

    Parameters
    ----------
    ratings : Ratings
    path : path
        A folder of ratings that is there is replaced.

    Raises
    ------
    DataError
        It cannot be written, or something else is there.
    """
    timed = ratings.time is not None
    with RatingsWriter(path, ratings.users, ratings.items, ratings.scale, timed) as writer:
        writer.append(np.diff(ratings.indptr), ratings.item, ratings.level, ratings.time)


def open_folder(path: str | os.PathLike[str]) -> Ratings:
    """Map the ratings of a folder into memory: nothing is read before it is asked for, and nothing is copied.

    Parameters
    ----------
    path : path

    Raises
    ------
    DataError
        There is no such folder, it is cut off, holds something else, or is of a later version.
    """
    path = Path(path)
    header = read_header(path)
    arrays = {name: _mapped(path / f"{name}.npy", length) for name, length in header["arrays"].items()}
    try:
        users, items = (_vocabulary(side, arrays) for side in ("users", "items"))
        names = header["scale"]["names"]
        scale = Scale(**header["scale"] | {"names": names and tuple(names)})
        columns = {name: arrays.get(name) for name in ("indptr", *COLUMNS)}
        ratings = unchecked(**columns, users=users, items=items, scale=scale)
        if len(ratings.indptr) != len(users) + 1 or ratings.indptr[-1] != header["n_entries"]:
            raise DataError(f"its row starts are not those of {len(users):,} users")
    except (KeyError, TypeError, HarmoniumError) as error:
        raise DataError(f"{path}: is incomplete or damaged ({error}); {AGAIN}") from error
    return ratings


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a folder of ratings.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        There is none that this release can read.
    """
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder of ratings; Ratings.save writes one")
    try:
        header = json.loads((path / HEADER).read_text(encoding="utf-8"))
        known = header["format"] == FORMAT
        version = int(header["version"])
    except (OSError, ValueError, KeyError, TypeError):
        known, version, header = False, 0, {}
    if not known:
        raise DataError(f"{path}: is no folder of ratings: its {HEADER} is missing or something else; name another")
    if version > VERSION:
        raise DataError(f"{path}: has version {version}, this release reads up to {VERSION}; update it")
    return header


def is_folder_of_ratings(path: Path) -> bool:
    """Whether there is a folder of ratings, of any version."""
    try:
        return json.loads((path / HEADER).read_text(encoding="utf-8"))["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_span(path: Path, name: str, start: int, stop: int) -> npt.NDArray[Any]:
    """Entries start..stop of a column, in memory of their own: mapped pages would count as this process's.

    Parameters
    ----------
    path : Path
        A folder of ratings.
    name : str
        "item", "level" or "time".
    start, stop : int
    """
    dtype = COLUMNS[name]
    array = np.fromfile(path / f"{name}.npy", dtype, stop - start, offset=NPY_HEADER + start * dtype.itemsize)
    if len(array) != stop - start:
        raise DataError(f"{path / name}.npy: was cut off while it was read; {AGAIN}")
    array.flags.writeable = False
    return array


def unchecked(**fields: Any) -> Ratings:
    """Ratings whose arrays are known to be right, without a look at every entry.

    Parameters
    ----------
    **fields
        Those of `Ratings`; arrays of their types, read-only.
    """
    ratings = object.__new__(Ratings)
    for name, value in fields.items():
        object.__setattr__(ratings, name, value)
    return ratings


def put_in_place(folder: Path, path: Path) -> None:
    """Rename a folder, in the place of one that is there.

    Parameters
    ----------
    folder, path : Path
        In one folder.
    """
    os.chmod(folder, 0o777 & ~_umask())  # mkdtemp's own mode keeps others out
    old = folder.with_name(folder.name + ".old")
    if path.exists():
        os.rename(path, old)
    os.rename(folder, path)
    shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _begun(path: Path) -> BinaryIO:
    file = path.open("w+b")
    file.write(bytes(NPY_HEADER))
    return file


def _ended(file: BinaryIO, dtype: np.dtype, length: int) -> None:
    """Write the header of a .npy file before its data."""
    file.seek(0)
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, described)
    if file.tell() != NPY_HEADER:
        raise AssertionError(f"a .npy header of {file.tell()} bytes")
    _flush(file)


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _mapped(path: Path, length: int) -> npt.NDArray[Any]:
    """A read-only view of a file's array."""
    try:
        array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError:
        raise DataError(f"{path}: is missing; {AGAIN}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is cut off or damaged ({error}); {AGAIN}") from None
    if array.shape != (length,):
        raise DataError(f"{path}: holds {len(array):,} numbers, the header says {length:,}; {AGAIN}")
    return array


def _vocabulary_arrays(side: str, vocabulary: Vocabulary) -> dict[str, npt.NDArray[Any]]:
    return {f"{side}.{name}": array for name, array in vocabulary.to_arrays().items()}


def _vocabulary(side: str, arrays: dict[str, npt.NDArray[Any]]) -> Vocabulary:
    mine = {name.removeprefix(f"{side}."): array for name, array in arrays.items() if name.startswith(f"{side}.")}
    return Vocabulary.from_arrays(mine)
