"""Which model and store a service takes where none is named, and opening it where somebody looks."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harmonium.errors import SettingError

if TYPE_CHECKING:
    from harmonium.recommending.recommender import Recommender

STORE_VARIABLE = "HARMONIUM_STORE"
NAME = "harmonium"
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def default_model() -> Path:
    """Where the model of the bundled ratings is kept."""
    from harmonium._version import __version__

    return _folder("XDG_CACHE_HOME", ".cache") / f"films-{__version__}.harmonium"


def default_store() -> str:
    """The store's address: of the environment, else a file of this user's."""
    given = os.environ.get(STORE_VARIABLE)
    return given or f"sqlite:///{_folder('XDG_DATA_HOME', '.local/share') / 'store.db'}"


def of_ratings(path: Path) -> "Recommender":
    """Open a model file that answers about ratings.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ModelFileError
        It cannot be read, or holds a model of choices.
    """
    from harmonium.errors import ModelFileError
    from harmonium.recommending.opening import open_model
    from harmonium.recommending.recommender import Recommender

    found = open_model(path)
    if not isinstance(found, Recommender):
        raise ModelFileError(
            f"{path}: holds a model of choices, which knows no ratings; this command needs one learned from ratings "
            "(recommend, similar, units and evaluate --model take either)"
        )
    return found


def ready_folder(path: Path) -> Path:
    """The path, its folder made where it is missing.

    Parameters
    ----------
    path : Path
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def needs_serving() -> None:
    """Raise SettingError unless what a service needs is installed."""
    try:
        import fastapi  # noqa: F401
        import sqlalchemy  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise SettingError(f"{error.name} is not installed; pip install 'harmonium[serve]'") from None


def offer(model: Path, narrate: Callable[[str], None]) -> None:
    """Serve a model and open the page where somebody sits at a terminal; elsewhere say how to.

    Parameters
    ----------
    model : Path
    narrate : callable
    """
    command = f"{program()} serve {model}"
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        narrate(f"\nto see the machine think: {command}")
        return
    from harmonium.cli.serve import run

    narrate(f"\n$ {command}")
    run(model=model)


def program() -> str:
    """What to type for this program: its name where the shell finds it, else the path by which it was called."""
    called = Path(sys.argv[0])
    return NAME if shutil.which(NAME) or called.name != NAME else str(called)


def can_open_browser() -> bool:
    """Whether there is a screen to open a browser on."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in DISPLAYS)


def _folder(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / fallback) / "harmonium"
