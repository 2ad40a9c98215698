"""Ratings in memory: vocabularies, scales, readers, titles, splits and the bundled data set.

Importing this room loads numpy only; polars and narwhals load when a file or a table is read.
"""

from ._columns import MissingColumnError
from .choices import read_interactions
from .interactions import Interactions
from .presets import DATASETS, Dataset, load
from .ratings import UNRATED, DuplicateEntryError, Ratings
from .reading import read_ratings
from .scale import Scale
from .sketch import PairSketch
from .splits import (
    Split,
    StrongSplit,
    check_disjoint,
    last_n_split,
    per_user_split,
    random_split,
    split_by_mask,
    strong_split,
    time_split,
)
from .stored import StoredRatings, store_ratings
from .titles import Titles, read_titles
from .vocabulary import Vocabulary

__all__ = [
    "DATASETS",
    "UNRATED",
    "Dataset",
    "DuplicateEntryError",
    "Interactions",
    "MissingColumnError",
    "PairSketch",
    "Ratings",
    "Scale",
    "Split",
    "StoredRatings",
    "StrongSplit",
    "Titles",
    "Vocabulary",
    "check_disjoint",
    "last_n_split",
    "load",
    "per_user_split",
    "random_split",
    "read_interactions",
    "read_ratings",
    "read_titles",
    "split_by_mask",
    "store_ratings",
    "strong_split",
    "time_split",
]
