"""The model that answers, and how another takes its place while requests go on."""

import hashlib
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

import numpy as np

from harmonium.errors import HarmoniumError, ModelFileError
from harmonium.recommending import Recommender
from harmonium.recommending.choice_recommender import ChoiceRecommender
from harmonium.recommending.many import Wanted, recommend_many
from harmonium.recommending.opening import open_model

TRIES = 5  # at reading a file that is being replaced
N_TRIED = 10  # places of the first answer
CHUNK = 1 << 20  # bytes hashed at a time
State = tuple[int, int, int]  # inode, size, time of change: enough to see that a file was replaced


@final
@dataclass(frozen=True, eq=False)
class Loaded:
    """A model as read from a file.

    Parameters
    ----------
    recommender : Recommender or ChoiceRecommender
    name : str
        Of the file, without its folder.
    fingerprint : str
        SHA-256 of the file.
    loaded_at : datetime
    state : tuple of int
        Of the file when it was read.
    """

    recommender: Recommender | ChoiceRecommender
    name: str
    fingerprint: str
    loaded_at: datetime
    state: State


@final
class ModelSlot:
    """Holds one loaded model; `current` is read once a request, so that each is answered by one model throughout.

    Parameters
    ----------
    path : Path
    loaded : Loaded, optional
        What was read from it already.
    """

    def __init__(self, path: Path, loaded: Loaded | None = None):
        self.path = path
        self.current = load(path) if loaded is None else loaded
        self.refused = ""  # why the file that lies there now was not taken
        self._refused_state: State | None = None
        self._lock = threading.Lock()

    def reload(self) -> Loaded:
        """Read the file again and answer by it from now on.

        Returns
        -------
        Loaded

        Raises
        ------
        ModelFileError
            It cannot be used; the old model stays.
        """
        with self._lock:
            try:
                self.current, self.refused = load(self.path), ""
            except HarmoniumError as error:
                self.refused, self._refused_state = str(error), state_of(self.path)
                raise
            return self.current

    def look(self) -> bool:
        """Reload if the file has changed; whether another model answers now.

        Returns
        -------
        bool

        Raises
        ------
        ModelFileError
            The new file cannot be used; said once a file.
        """
        state = state_of(self.path)
        if state in (None, self.current.state, self._refused_state):
            return False
        before = self.current.fingerprint
        return self.reload().fingerprint != before


def load(path: Path) -> Loaded:
    """Read a model file and try it out.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Loaded

    Raises
    ------
    ModelFileError
        It is missing, damaged, or gives numbers that are not finite.
    """
    for _ in range(TRIES):
        before = state_of(path)
        recommender = open_model(path)
        fingerprint = fingerprint_of(path)
        if before is not None and before == state_of(path):
            if isinstance(recommender, ChoiceRecommender):
                _try_choices(path, recommender)
            else:
                _try_out(path, recommender)
            return Loaded(recommender, path.name, fingerprint, datetime.now(UTC), before)
    raise ModelFileError(f"{path}: changes while it is read; replace it by renaming a whole file")


def state_of(path: Path) -> State | None:
    """Inode, size and time of change of a file; None where there is none.

    Parameters
    ----------
    path : Path
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def fingerprint_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file.

    Parameters
    ----------
    path : Path
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def _try_out(path: Path, recommender: Recommender) -> None:
    """Refuse a model whose first answer is no answer."""
    try:
        nobody = recommender.history({})
        (found,) = recommend_many(recommender, [Wanted(nobody, N_TRIED, None, True)])  # compiles what is slow at first
    except (ArithmeticError, ValueError, IndexError) as error:
        raise ModelFileError(f"{path}: the model cannot answer ({error})") from error
    model = recommender.machine.fitted_model
    arrays = [array for rbm in (model.users, model.items and model.items.rbm) if rbm for array in (rbm.W, rbm.b, rbm.c)]
    if not all(np.isfinite(array).all() for array in arrays) or not np.isfinite([one["score"] for one in found]).all():
        raise ModelFileError(f"{path}: the model holds numbers that are not finite; learn it again")


def _try_choices(path: Path, recommender: ChoiceRecommender) -> None:
    """The same of a model of choices: what most people chose, and what goes with the first item."""
    try:
        scores = recommender.model.scores(recommender.history([recommender.items[0]]))
        recommender.recommend([], min(N_TRIED, len(recommender.items)))
    except (ArithmeticError, ValueError, IndexError) as error:
        raise ModelFileError(f"{path}: the model cannot answer ({error})") from error
    if not np.isfinite(scores).all():
        raise ModelFileError(f"{path}: the model holds numbers that are not finite; learn it again")
