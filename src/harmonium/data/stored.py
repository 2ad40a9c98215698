"""Ratings on disk, to learn from when they are more than memory holds."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, final

import numpy as np

from harmonium.data._columns import ColumnChoice, ColumnChoices
from harmonium.data._files import PARQUET, expand
from harmonium.data.folders import is_folder_of_ratings, read_header
from harmonium.data.reading import check_reading, source_batches
from harmonium.data.scale import Scale
from harmonium.data.shards import Shards, even_ends
from harmonium.data.splits import held_out_mask
from harmonium.data.vocabulary import Vocabulary
from harmonium.errors import DataError, NotEnoughDiskError, SettingError
from harmonium.events import Event, Stored, TakesDisk

SHARD_RATINGS = 4_000_000  # 100 MB while one is learnt from
BYTES = 5  # of a rating that is stored
SCRATCH_BYTES = 9  # of a rating on its way, users and items by number
TIME_BYTES = 8
TEXT_ROW_BYTES = 8  # of the shortest usual row: "1,10,3.5"
PARTS = ("all", "known", "held")
COMPRESSED = (".gz", ".zst", ".zstd")
GB = 1e9


@final
class StoredRatings:
    """Ratings in a folder of shards on disk, of which one at a time is read; made by `store_ratings`.

    An estimator takes them in place of `Ratings`. Memory then holds one shard, the ids, and the model.

    Parameters
    ----------
    folder : path
        That `store_ratings` filled.

    Raises
    ------
    DataError
        The folder holds no such shards.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder)
        self._facts = read_header(self.folder / "users")
        self._users = Shards.of_folder(self.folder / "users", np.array(self._facts["ends"]))

    @property
    def users(self) -> Vocabulary:
        """Raw ids of the users."""
        return self._users.ratings.users

    @property
    def items(self) -> Vocabulary:
        """Raw ids of the items."""
        return self._users.ratings.items

    @property
    def scale(self) -> Scale:
        """Scale of the ratings."""
        return self._users.scale

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.items)

    @property
    def n_entries(self) -> int:
        """Number of entries, rated or only seen."""
        return self._users.n_entries

    @property
    def n_ratings(self) -> int:
        """Number of rated entries."""
        return self._users.n_ratings

    @property
    def n_shards(self) -> int:
        """Number of shards with users as rows."""
        return len(self._users)

    def __repr__(self) -> str:
        return (
            f"StoredRatings({self.n_users:,} users, {self.n_items:,} items, {self.n_ratings:,} ratings, "
            f"{self.scale.describe()}, {self.n_shards} shard{'s' if self.n_shards > 1 else ''})"
        )

    def cases(self, kind: str, part: str = "all") -> Shards:
        """One of the orders that `prepare` has written; users as rows of all ratings is always there.

        Parameters
        ----------
        kind : {"users", "items"}
            What the rows are.
        part : {"all", "known", "held"}
            All ratings, those without the ones held out, or the ones held out.
        """
        if (kind, part) == ("users", "all"):
            return self._users
        folder = self._place(kind, part)
        return Shards.of_folder(folder, np.array(read_header(folder)["ends"]))

    def prepare(self, kinds: Iterable[str], fraction: float = 0.0, seed: int = 0) -> Iterator[Event]:
        """Write what learning needs and is not there yet: held-out ratings apart, items as rows.

        Parameters
        ----------
        kinds : iterable of {"users", "items"}
            What the cases will be.
        fraction : float
            Share of each shard's entries to hold out, rounded down; 0 holds none out.
        seed : int

        Yields
        ------
        Event
            `TakesDisk` before room is taken, then `Stored`.

        Raises
        ------
        NotEnoughDiskError
            The disk has too little room.
        """
        wanted = [("users", part) for part in PARTS[1:]] if fraction else []
        if "items" in kinds:
            wanted += [("items", part) for part in PARTS[: 3 if fraction else 1]]
        facts = {"source": self._facts["source"]}
        cut = facts | {"fraction": fraction, "seed": seed}
        missing = [
            (kind, part) for kind, part in wanted if not self._is_there(kind, part, facts if part == "all" else cut)
        ]
        if not missing:
            return
        yield self._takes_disk(missing)
        if ("users", "known") in missing or ("users", "held") in missing:
            yield from self._hold_out(fraction, seed, cut)
        for kind, part in missing:
            if kind == "items":
                yield from self._transpose(part, facts if part == "all" else cut)

    def _hold_out(self, fraction: float, seed: int, facts: dict[str, Any]) -> Iterator[Stored]:
        from harmonium.data._convert import hold_out

        def mask(k: int, n: int) -> np.ndarray:
            return held_out_mask(
                n, fraction, np.random.SeedSequence([seed, k]) if k else seed
            )  # one shard: as random_split has it

        known, held = (self._place("users", part) for part in PARTS[1:])
        yield from hold_out(self._users, mask, known, held, facts)

    def _transpose(self, part: str, facts: dict[str, Any]) -> Iterator[Stored]:
        from harmonium.data._convert import item_counts, transpose

        ends = even_ends(item_counts(self._users), self._facts["shard_ratings"])
        yield from transpose(self.cases("users", part), ends, self._place("items", part), facts)

    def _is_there(self, kind: str, part: str, facts: dict[str, Any]) -> bool:
        folder = self._place(kind, part)
        if not is_folder_of_ratings(folder):
            return False
        header = read_header(folder)
        return all(header.get(name) == value for name, value in facts.items())

    def _place(self, kind: str, part: str) -> Path:
        return self.folder / (kind if part == "all" else f"{part}-{kind}")

    def _takes_disk(self, missing: list[tuple[str, str]]) -> TakesDisk:
        n = self.n_entries
        wholes = sum(part == "all" for _, part in missing)
        kept = BYTES * n * (wholes + len({kind for kind, part in missing if part != "all"}))
        scratch = SCRATCH_BYTES * n if any(kind == "items" for kind, _ in missing) else 0
        return takes_disk(self.folder, "the orders in which ratings are learnt", kept + scratch)


def takes_disk(folder: Path, what: str, n_bytes: int) -> TakesDisk:
    """Say how much room is about to be taken, or that there is too little.

    Parameters
    ----------
    folder : Path
    what : str
    n_bytes : int

    Raises
    ------
    NotEnoughDiskError
        The disk has too little room.
    """
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise NotEnoughDiskError(
            f"{folder}: {what} need up to {n_bytes / GB:,.1f} GB, and the disk has {free / GB:,.1f} GB left; "
            "name a folder on another disk"
        )
    return TakesDisk(os.fspath(folder), what, n_bytes, free)


def store_ratings(
    source: Any,
    folder: str | os.PathLike[str],
    *,
    user: ColumnChoice = None,
    item: ColumnChoice = None,
    rating: ColumnChoice = None,
    time: ColumnChoice = False,
    scale: Scale | None = None,
    ids: str = "auto",
    duplicates: str = "error",
    missing: str = "error",
    shard_ratings: int = SHARD_RATINGS,
    watch: Callable[[Event], Any] | None = None,
) -> StoredRatings:
    """Bring files of ratings, however large, into the order in which they are learnt from, in a folder of shards.

    The same source and settings find the folder ready; what an interruption left is done again.

    Parameters
    ----------
    source : path, str or sequence of them
        Files as for `read_ratings`, a pattern, or a folder of Parquet files.
    folder : path
        Made where it is missing; for these shards alone.
    user, item, rating, time, scale, ids, duplicates, missing
        As for `read_ratings`; times are left out unless named, since learning does not read them.
    shard_ratings : int, default 4,000,000
        Ratings a shard, at most (one user's are not divided). Memory grows with it, about 25 bytes a rating.
    watch : callable, optional
        Called with every event: `TakesDisk`, `Stored`.

    Returns
    -------
    StoredRatings

    Raises
    ------
    DataError
        With file and line, the value and the fix; or the folder holds other things.
    SettingError
        A setting is out of range.
    NotEnoughDiskError
        The disk has too little room.

    Notes
    -----
    Memory: one batch of rows, one shard, and the ids. Disk: 18 bytes a rating while it works, 5 when done (13 and 8
    bytes more with times).
    """
    if not isinstance(shard_ratings, int | np.integer) or shard_ratings < 1:
        raise SettingError(f"shard_ratings: {shard_ratings!r} is not a whole number from 1")
    check_reading(ids, duplicates, missing)
    files, folder = expand(source), Path(folder)
    choices = ColumnChoices(user, item, rating, time)
    asked = (*vars(choices).values(), scale, ids, duplicates, missing, int(shard_ratings))
    fingerprint = _fingerprint(files, asked)
    _make_ready(folder)
    users = folder / "users"
    if not is_folder_of_ratings(users) or read_header(users).get("source") != fingerprint:
        from harmonium.data._convert import Conversion, convert
        from harmonium.data._encoding import Encoder

        for old in _entries(folder):
            shutil.rmtree(folder / old)
        n_rows, exactly = _n_rows(files)
        watch = watch or (lambda event: None)
        per_row = 2 * SCRATCH_BYTES + (2 * TIME_BYTES if time is not False else 0)
        watch(takes_disk(folder, "ratings while they are sorted", n_rows * per_row))

        def batches() -> Iterator[Any]:
            return source_batches(files, choices, ids)

        what = Conversion(batches, Encoder(scale, missing), duplicates, int(shard_ratings), n_rows if exactly else None)
        for event in convert(what, users, {"source": fingerprint, "shard_ratings": int(shard_ratings)}):
            watch(event)
    return StoredRatings(folder)


def source_rows(source: Any) -> int | None:
    """How many rows some files hold, without reading them; at the most, of text; None of compressed text.

    Parameters
    ----------
    source : path, str or sequence of them
    """
    files = expand(source)
    return None if any(file.suffix in COMPRESSED for file in files) else _n_rows(files)[0]


def _fingerprint(files: list[Path], asked: tuple[Any, ...]) -> str:
    """What tells a source and the way it is read from others: names, sizes and times of files, and the settings."""
    stats = [(os.fspath(file.resolve()), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps([stats, [repr(one) for one in asked]]).encode()).hexdigest()


def _make_ready(folder: Path) -> None:
    """Make the folder, or find nothing in it but what was put there; remove what a killed run left."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(os.listdir(folder))
    except OSError as error:
        raise DataError(f"{folder}: cannot be made or read ({error.strerror}); name another folder") from None
    ours = set(_names())
    for name in found:
        if name in ours and is_folder_of_ratings(folder / name):
            continue
        if name.startswith(".") and name[1:].split(".")[0] in ours:
            shutil.rmtree(folder / name, ignore_errors=True)
            continue
        raise DataError(f"{folder}: holds {name!r}; name a folder for the shards alone")


def _entries(folder: Path) -> list[str]:
    return [name for name in _names() if (folder / name).is_dir()]


def _names() -> list[str]:
    kinds = ("users", "items")
    return [*kinds, *(f"{part}-{kind}" for part in PARTS[1:] for kind in kinds)]


def _n_rows(files: list[Path]) -> tuple[int, bool]:
    """Rows of some files, and whether that is exact: Parquet tells, of text the bytes do, at the most."""
    n, exactly = 0, True
    for file in files:
        if file.suffix in PARQUET:
            n += _parquet_rows(file)
        else:
            n, exactly = n + file.stat().st_size // TEXT_ROW_BYTES, False
    return n, exactly


def _parquet_rows(file: Path) -> int:
    import polars as pl

    try:
        return int(pl.scan_parquet(file, glob=False).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{file.name} cannot be read as Parquet: {str(error).strip().splitlines()[0]}") from None
