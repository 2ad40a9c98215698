"""Learning on behalf of a command: watched, logged, and ended by Ctrl-C with the best model so far."""

import json
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from harmonium.cli.screen import watching
from harmonium.data import Ratings
from harmonium.data.stored import StoredRatings
from harmonium.errors import DataError
from harmonium.estimators.rating_rbm import RatingRBM
from harmonium.events import Ended, Event
from harmonium.training.engine import HERE, Engine


def learn(
    machine: RatingRBM,
    ratings: Ratings | StoredRatings,
    quiet: bool,
    checkpoint: Path | None = None,
    resume: bool = False,
    log: Path | None = None,
    engine: Engine = HERE,
) -> bool:
    """Fit the machine; say whether it was interrupted.

    Parameters
    ----------
    machine : RatingRBM
    ratings : Ratings or StoredRatings
    quiet : bool
    checkpoint, log : Path, optional
    resume : bool
    engine : Engine
        Where it learns.

    Raises
    ------
    KeyboardInterrupt
        It was interrupted before there was any model.
    """
    interrupted = False
    with logging(log, resume) as write, watching(quiet) as show:
        events = cast(Generator[Event], machine.fitting(ratings, checkpoint=checkpoint, resume=resume, engine=engine))
        try:
            for event in events:
                interrupted |= isinstance(event, Ended) and event.reason == "interrupted"
                write(event)
                show(event)
        except KeyboardInterrupt:  # it came while an event was shown
            interrupted = True
            events.close()
    if machine.model_ is None:
        raise KeyboardInterrupt
    return interrupted


@contextmanager
def logging(path: Path | None, go_on: bool = False) -> Iterator[Callable[[Event], None]]:
    """What writes an event to a file, one JSON object a line.

    Parameters
    ----------
    path : Path, optional
        None logs nothing.
    go_on : bool
        Write after what the file holds already.
    """
    if path is None:
        yield lambda event: None
        return
    check_folder(path)
    with path.open("a" if go_on else "w", encoding="utf-8", buffering=1) as file:
        yield lambda event: print(json.dumps(event.to_dict()), file=file)


def check_folder(path: Path) -> None:
    """Raise DataError unless a file can be put there.

    Parameters
    ----------
    path : Path
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise DataError(f"{path}: there is no folder {path.parent}; make it first")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise DataError(f"{path}: the folder {path.parent} cannot be written to ({error.strerror})") from None
