"""How pictures look: two palettes, light and dark, and figures that need no screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harmonium.errors import HarmoniumError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESOLUTION = 130  # dots an inch of PNG files


class Style(NamedTuple):
    """Colours of a picture.

    Parameters
    ----------
    name : str
    paper, ink, faint : str
        Background, text and pixels that are on, lines that should not be seen first.
    series : tuple of str
        Colours of curves, in order.
    """

    name: str
    paper: str
    ink: str
    faint: str
    series: tuple[str, ...]


STYLES = {
    "light": Style("light", "#ffffff", "#1d2733", "#c9d1da", ("#2f6db5", "#d9731a", "#2a8f62", "#8a5bb3", "#7b8794")),
    "dark": Style("dark", "#12171e", "#e3e9f0", "#39434f", ("#6cabf0", "#f3a053", "#5cc796", "#bd93e3", "#93a0ae")),
}


def require_matplotlib() -> None:
    """Raise HarmoniumError, naming the extra, where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise HarmoniumError("pictures need matplotlib: pip install 'harmonium[plot]'") from None


def settings(style: Style) -> Any:
    """Settings of matplotlib for a style.

    Parameters
    ----------
    style : Style
    """
    return {
        "figure.facecolor": style.paper, "axes.facecolor": style.paper, "savefig.facecolor": style.paper,
        "text.color": style.ink, "axes.labelcolor": style.ink, "xtick.color": style.ink, "ytick.color": style.ink,
        "axes.edgecolor": style.faint, "grid.color": style.faint, "grid.linewidth": 0.6, "axes.grid": False,
        "axes.spines.top": False, "axes.spines.right": False, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
        "font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 10, "axes.titleweight": "bold",
        "axes.titlelocation": "left", "axes.titlepad": 8, "legend.frameon": False, "lines.linewidth": 1.6,
        "svg.hashsalt": "harmonium", "figure.dpi": 100,
    }  # fmt: skip


def figure(width: float, height: float) -> Figure:
    """An empty figure, its parts laid out to fit.

    Parameters
    ----------
    width, height : float
        In inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def diverging(style: Style) -> Any:
    """Colours from negative over nothing, which is the paper, to positive.

    Parameters
    ----------
    style : Style
    """
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("diverging", [style.series[0], style.paper, style.series[1]])


def pixels(style: Style) -> Any:
    """Colours of pixels from off, which is the paper, to on.

    Parameters
    ----------
    style : Style
    """
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("pixels", [style.paper, style.ink])


def framed(axes: Axes, style: Style) -> None:
    """Take ticks away and draw a thin frame: for images.

    Parameters
    ----------
    axes : Axes
    style : Style
    """
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=style.faint, linewidth=0.8)


def save(drawn: Figure, path: Path) -> None:
    """Write a figure as the SVG or PNG file that its name says.

    Parameters
    ----------
    drawn : Figure
    path : Path
    """
    svg = path.suffix == ".svg"
    drawn.savefig(path, dpi=RESOLUTION, metadata={"Date": None} if svg else {"Software": None})
