"""The gallery: every picture by its name, measured once and drawn in each style."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harmonium.drawing import images, small, style
from harmonium.drawing.learnt import Ask

Measured = tuple[Any, dict[str, Any]]  # what is drawn, and the key numbers


class Picture(NamedTuple):
    """One picture of the gallery.

    Parameters
    ----------
    words : str
        What it shows.
    measure : callable
        From an `Ask`, or from the machine of images, to what is drawn and the key numbers.
    draw : callable
        From what was measured and a style to a figure.
    of_images : bool
        Whether it needs the machine of images.
    """

    words: str
    measure: Callable[[Any], Measured]
    draw: Callable[[Any, style.Style], Any]
    of_images: bool = False


PICTURES = {
    "filters": Picture("weights of the hidden units", images.filters, images.draw_filters, True),
    "fantasies": Picture("what chains dream, step by step", images.fantasies, images.draw_fantasies, True),
    "free-energies": Picture("data, fantasies and noise", images.free_energies, images.draw_free_energies, True),
    "landscape": Picture("all 512 states before and after learning", small.landscape, small.draw_landscape),
    "chains": Picture("one-step short cuts against the full chain", small.chains, small.draw_chains),
    "ladder": Picture("exchanges of parallel tempering", small.ladder, small.draw_ladder),
}


class Drawn(NamedTuple):
    """A picture that was made.

    Parameters
    ----------
    name, words : str
    files : tuple of str
    numbers : dict
    """

    name: str
    words: str
    files: tuple[str, ...]
    numbers: dict[str, Any]


def draw(folder: Path, names: Sequence[str], ask: Ask, styles: Sequence[str], kind: str) -> Iterator[Drawn]:
    """Make pictures, one after the other.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    names : sequence of str
        Of `PICTURES`.
    ask : Ask
    styles : sequence of str
        "light", "dark" or both.
    kind : str
        "svg" or "png".

    Yields
    ------
    Drawn

    Raises
    ------
    HarmoniumError
        matplotlib is missing.
    """
    style.require_matplotlib()
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    machine = images.measure(ask) if any(PICTURES[name].of_images for name in names) else None
    for name in names:
        picture, files = PICTURES[name], []
        found, numbers = picture.measure(machine if picture.of_images else ask)
        for look in styles:
            with mpl.rc_context(style.settings(style.STYLES[look])):
                path = folder / (f"{name}.{kind}" if len(styles) == 1 else f"{name}-{look}.{kind}")
                style.save(picture.draw(found, style.STYLES[look]), path)
            files.append(str(path))
        yield Drawn(name, picture.words, tuple(files), numbers)
