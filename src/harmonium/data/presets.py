"""Known data sets: the bundled one, and official layouts of files that are already on disk."""

import os
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import final

from harmonium.data.ratings import Ratings
from harmonium.data.reading import read_ratings
from harmonium.data.scale import Scale
from harmonium.data.titles import Titles, read_titles
from harmonium.errors import DataError, SettingError

GROUPLENS = "https://grouplens.org/datasets/movielens"
GROUPLENS_TERMS = (
    "GroupLens Research, University of Minnesota: for research, not for commercial use without permission; "
    "see the README of the data set. Cite Harper & Konstan 2015, https://doi.org/10.1145/2827872"
)
BUNDLED_TERMS = f"{GROUPLENS_TERMS}. Bundled under the same terms, apart from harmonium's own licence"
NETFLIX_TERMS = "Netflix: for research, without redistribution; see the README of the data set"
COMPRESSIONS = ("", ".gz", ".zst")


@final
@dataclass(frozen=True)
class Dataset:
    """Ratings with the titles of their items.

    Parameters
    ----------
    ratings : Ratings
    titles : Titles or None
        Of all items of the source, rated or not; `Titles.aligned_to` brings them to the items of the ratings.
    name : str
    licence : str
        Whose the data are, and on which terms.
    """

    ratings: Ratings
    titles: Titles | None
    name: str
    licence: str


@dataclass(frozen=True)
class _Preset:
    """Where a data set keeps what.

    Parameters
    ----------
    ratings, titles : str
        File names.
    folder : str
        What the official archive calls its folder.
    scale : Scale
    site : str
        Where to get it.
    """

    ratings: str
    titles: str
    folder: str
    scale: Scale
    site: str


_PRESETS = {
    "ml-100k": _Preset("u.data", "u.item", "ml-100k", Scale.stars(), f"{GROUPLENS}/100k/"),
    "ml-1m": _Preset("ratings.dat", "movies.dat", "ml-1m", Scale.stars(), f"{GROUPLENS}/1m/"),
    "ml-10m": _Preset("ratings.dat", "movies.dat", "ml-10M100K", Scale.halves(), f"{GROUPLENS}/10m/"),
    "ml-20m": _Preset("ratings.csv", "movies.csv", "ml-20m", Scale.halves(), f"{GROUPLENS}/20m/"),
    "ml-25m": _Preset("ratings.csv", "movies.csv", "ml-25m", Scale.halves(), f"{GROUPLENS}/25m/"),
    "ml-32m": _Preset("ratings.csv", "movies.csv", "ml-32m", Scale.halves(), f"{GROUPLENS}/32m/"),
}
DATASETS = ("movielens-small", *_PRESETS, "netflix")


def load(name: str, path: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a known data set.

    Parameters
    ----------
    name : {"movielens-small", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "netflix"}
        "movielens-small" (610 users, 9,724 rated films, 100,836 ratings) is bundled; nothing is downloaded.
    path : path, optional
        The folder that holds the unpacked files, for all others.

    Returns
    -------
    Dataset

    Raises
    ------
    SettingError
        The name is unknown, or a path is missing or not wanted.
    DataError
        A file is missing or damaged.

    Examples
    --------
    >>> load("movielens-small").ratings
    Ratings(610 users, 9,724 items, 100,836 ratings, 0.5 to 5 in steps of 0.5)
    """
    if name not in DATASETS:
        raise SettingError(f"there is no data set {name!r}; known are {', '.join(DATASETS)}")
    if name == "movielens-small":
        if path is not None:
            raise SettingError("movielens-small is bundled and takes no path; use read_ratings for other files")
        return _bundled()
    if path is None:
        raise SettingError(f"{name} is not bundled: pass path=, the folder with its files")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DataError(f"{name}: {path} is not a folder")
    return _netflix(folder) if name == "netflix" else _movielens(name, folder)


def _bundled() -> Dataset:
    with as_file(files("harmonium.data") / "movielens_small") as folder:
        ratings = read_ratings(folder / "ratings.csv.gz", scale=Scale.halves())
        titles = read_titles(folder / "movies.csv.gz")
    return Dataset(ratings, titles, "movielens-small", BUNDLED_TERMS)


def _movielens(name: str, folder: Path) -> Dataset:
    preset = _PRESETS[name]
    if (folder / preset.folder).is_dir():
        folder = folder / preset.folder
    where = f"{name} has it, from {preset.site}"
    ratings = read_ratings(_existing(folder, preset.ratings, where), scale=preset.scale)
    titles = read_titles(_existing(folder, preset.titles, where))
    return Dataset(ratings, titles, name, GROUPLENS_TERMS)


def _netflix(folder: Path) -> Dataset:
    from harmonium.data._encoding import assemble
    from harmonium.data._netflix import netflix_batches, netflix_title_rows

    sources = sorted(folder.glob("combined_data_[0-9].txt*")) or sorted(folder.glob("training_set/mv_*.txt*"))
    if not sources:
        raise DataError(
            f"{folder} holds neither combined_data_1.txt nor training_set/mv_0000001.txt; the Netflix prize "
            "data are mirrored by the Internet Archive, https://archive.org/details/nf_prize_dataset.tar"
        )
    ratings = assemble(netflix_batches(sources), Scale.stars(), "error", "error")
    listed = [file for ending in ("txt", "csv") if (file := folder / f"movie_titles.{ending}").is_file()]
    titles = Titles.from_rows(*netflix_title_rows(listed[0])) if listed else None
    return Dataset(ratings, titles, "netflix", NETFLIX_TERMS)


def _existing(folder: Path, name: str, where: str) -> Path:
    for ending in COMPRESSIONS:
        if (folder / (name + ending)).is_file():
            return folder / (name + ending)
    raise DataError(f"{folder} has no file {name}; {where}")
