"""Printing: results to stdout, narration to stderr, plain lines wherever nobody looks at a terminal."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

GAP = 2  # columns between those of a table
UNLIMITED = 10_000  # columns where no terminal limits them
BAR_COLUMNS = 40  # of the longest bar
INTERRUPTED = 130  # exit code of what Ctrl-C ended before its end
BLOCKS = "▁▂▃▄▅▆▇█"


def console(stream: TextIO) -> "Console":
    """A console that writes escape codes to a terminal only, and neither colour nor bold under NO_COLOR.

    Parameters
    ----------
    stream : text stream
        `sys.stdout` or `sys.stderr`.
    """
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        file=stream,
        width=None if stream.isatty() else UNLIMITED,
        color_system=None if plain else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )


def narrator(quiet: bool) -> Callable[[str], None]:
    """What prints a line of narration on stderr; nothing when quiet.

    Parameters
    ----------
    quiet : bool
    """
    return (lambda line: None) if quiet else (lambda line: print(line, file=sys.stderr, flush=True))


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout, numbers that are not finite as null.

    Parameters
    ----------
    value : dataclass, mapping, sequence, array or plain value
    """
    print(json.dumps(_plain(value), ensure_ascii=False, indent=2, allow_nan=False))


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[str] = (), title: str = ""
) -> None:
    """Print aligned columns on stdout.

    Parameters
    ----------
    header : sequence of str, (n_columns,)
    rows : iterable of sequences of str, each (n_columns,)
    left : sequence of str
        Headings of the columns that hold text; the others are flush right.
    title : str
        A line above.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name in header:
        table.add_column(name, justify="left" if name in left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    screen = console(sys.stdout)
    if title:
        screen.print(title, style="bold")
    if screen.is_terminal:
        screen.print(table)
        return
    with screen.capture() as lines:
        screen.print(table)
    for line in lines.get().splitlines():
        print(line.rstrip())


def fits(columns: Mapping[str, Sequence[str]]) -> bool:
    """Whether a table of these columns has room on stdout.

    Parameters
    ----------
    columns : mapping of sequences of str, by heading
    """
    widths = (max(map(len, (name, *cells))) for name, cells in columns.items())
    return sum(widths) + GAP * len(columns) <= console(sys.stdout).width


def print_markdown(header: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[str] = ()) -> None:
    """Print a Markdown table on stdout.

    Parameters
    ----------
    header : sequence of str, (n_columns,)
    rows : iterable of sequences of str, each (n_columns,)
    left : sequence of str
        Headings of the columns that hold text.
    """
    print("| " + " | ".join(header) + " |")
    print("|" + "|".join(":---" if name in left else "---:" for name in header) + "|")
    for row in rows:
        print("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")


def bar(share: float) -> str:
    """A bar as long as a share, in 0..1, of the longest.

    Parameters
    ----------
    share : float
    """
    block = "█" if has_blocks(sys.stdout) else "#"
    return block * round(BAR_COLUMNS * share)


def sparkline(values: Sequence[float], columns: int) -> str:
    """The last values as blocks between the lowest and the highest; nothing where there are fewer than two.

    Parameters
    ----------
    values : sequence of float
    columns : int
        How many of them at most.
    """
    shown = [value for value in values if math.isfinite(value)][-columns:]
    if len(shown) < 2:
        return ""
    low, high = min(shown), max(shown)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((value - low) * scale)] for value in shown)


def percent(share: float) -> str:
    """A share as "37 %".

    Parameters
    ----------
    share : float
    """
    return f"{100 * share:.0f} %"


def duration(seconds: float) -> str:
    """Seconds as "0:42", "12:05" or "3:07:21".

    Parameters
    ----------
    seconds : float
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def has_blocks(stream: TextIO) -> bool:
    """Whether a stream's encoding has block characters.

    Parameters
    ----------
    stream : text stream
    """
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    to_list = getattr(value, "tolist", None)  # of an array or a number of NumPy
    if to_list is not None:
        return _plain(to_list())
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
