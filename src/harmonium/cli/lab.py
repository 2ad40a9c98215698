"""harmonium lab."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harmonium.cli.console import INTERRUPTED, narrator, print_json, print_table
from harmonium.cli.options import Json, Quiet
from harmonium.errors import DataError, SettingError

if TYPE_CHECKING:
    from harmonium.drawing.patterns import Images

NAMES = ("filters", "fantasies", "free-energies", "landscape", "chains", "ladder")
STYLES = {"light": ("light",), "dark": ("dark",), "both": ("light", "dark")}
app = typer.Typer(add_completion=False)


@app.command(epilog="Example: harmonium lab pictures --only landscape --style dark")
def lab(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the pictures go; made where missing.")],
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"{', '.join(NAMES)}; all when not given. Repeatable.")
    ] = None,
    images: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="segments, bars, or an .npy file of images from 0 to 1.")
    ] = "segments",
    n_hidden: Annotated[int, typer.Option(min=1, help="Hidden units of the machine of images.")] = 60,
    effort: Annotated[
        float, typer.Option(min=0.001, max=100, help="Share of the usual learning: 0.1 for a quick look.")
    ] = 1.0,
    style: Annotated[str, typer.Option(help="light, dark or both.")] = "light",
    file_format: Annotated[str, typer.Option("--format", help="svg or png.")] = "svg",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pictures, but for the clock.")] = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw pictures of machines at work: filters, fantasies, energy landscapes, chains, ladders.

    Each machine learns first; all of it takes a minute or two; Ctrl-C leaves what is drawn by then. Needs matplotlib,
    which the extra "plot" installs.
    """
    from harmonium.drawing import gallery
    from harmonium.drawing.learnt import Ask
    from harmonium.drawing.style import require_matplotlib

    require_matplotlib()
    names = [_one_of(name, NAMES, "--only") for name in only or NAMES]
    looks = STYLES[_one_of(style, tuple(STYLES), "--style")]
    kind = _one_of(file_format, ("svg", "png"), "--format")
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; name a folder")
    ask, narrate, made = Ask(_images(images), n_hidden, effort, seed), narrator(quiet), []
    narrate(f"learning and drawing {', '.join(names)}")
    try:
        for drawn in gallery.draw(folder, names, ask, looks, kind):
            narrate(f"{drawn.name}: {', '.join(drawn.files)}")
            made.append(drawn)
    except KeyboardInterrupt:
        if not made:
            raise
        narrate(f"interrupted: {', '.join(names[len(made) :])} not drawn")
    if as_json:
        print_json({drawn.name: {"files": drawn.files, **drawn.numbers} for drawn in made})
    else:
        columns = "Picture", "Shows", "File"
        print_table(columns, ([d.name, d.words, " ".join(d.files)] for d in made), columns)
    if len(made) < len(names):
        raise typer.Exit(INTERRUPTED)


def _one_of(name: str, known: tuple[str, ...], option: str) -> str:
    if name not in known:
        raise SettingError(f"{option}: {name!r} is not one of {', '.join(known)}")
    return name


def _images(name: str) -> "Images":
    from harmonium.drawing import patterns

    if name == "segments":
        return patterns.segment_digits()
    return patterns.bars_and_stripes(6) if name == "bars" else patterns.read_images(Path(name))
