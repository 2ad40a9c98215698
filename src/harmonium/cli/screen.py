"""What learning looks like: a live screen on a terminal, a line an event elsewhere; both read the stream of events."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harmonium.cli.console import console, duration, has_blocks, narrator, sparkline
from harmonium.events import (
    Allocates,
    Began,
    ChoiceEpochEnded,
    Ended,
    EpochEnded,
    Event,
    Exchanged,
    Listed,
    Saved,
    Stored,
    TakesDisk,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

FRAMES_PER_SECOND = 4
CURVE_COLUMNS = 40
SECONDS_BETWEEN = 5.0  # lines that say how far a step is
GB = 1e9
PURPOSES = {
    "ratings": {"choose": "with validation ratings held out", "final": "from all ratings"},
    "choices": {
        "choose": "with validation users held out",
        "final": "from all choices",
        "joint": "couplings and hidden units together",
    },
}
Watcher = Callable[[Event], None]
AnEpoch = EpochEnded | ChoiceEpochEnded
MEASURES = {
    "validation RMSE": "validation_rmse",
    "log-loss": "validation_log_loss",
    "free-energy gap": "free_energy_gap",
    "loss": "loss",
    "validation nDCG@100": "validation_ndcg",
}
CHOOSING = ("validation RMSE", "validation nDCG@100")  # what the best epoch is chosen by


@dataclass(frozen=True)
class Progress:
    """Where a machine's learning stands, as its events tell.

    Parameters
    ----------
    began : Began
    at : float
        When, on the monotonic clock, in seconds.
    epochs : tuple of EpochEnded, or of ChoiceEpochEnded
    first_at, last_at : float
        When the first and the last of them ended.
    checkpoint : str
        The last one written, empty before.
    """

    began: Began
    at: float
    epochs: tuple[AnEpoch, ...] = ()
    first_at: float = 0.0
    last_at: float = 0.0
    checkpoint: str = ""

    def after(self, event: Event, now: float) -> "Progress":
        """Progress once an event has come.

        Parameters
        ----------
        event : Event
        now : float
        """
        if isinstance(event, AnEpoch):
            first_at = self.first_at if self.epochs else now
            return replace(self, epochs=(*self.epochs, event), first_at=first_at, last_at=now)
        if isinstance(event, Saved):
            return replace(self, checkpoint=event.path)
        return self

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the last epoch at the present pace; None before the first has ended.

        Parameters
        ----------
        now : float
        """
        if not self.epochs:
            return None
        last, timed = self.epochs[-1], len(self.epochs) - 1  # the first epoch also compiles: it is not timed
        pace = (self.last_at - self.first_at) / timed if timed else last.seconds
        return max(0.0, pace * (last.n_epochs - last.epoch) - (now - self.last_at))


@dataclass
class LiveScreen:
    """Draws the machine that learns; a callable for events, and a renderable that Rich asks for again and again.

    Parameters
    ----------
    summarise : callable
        Takes a line when a machine has learned.
    curves : bool
        Whether the terminal can show them.
    progress : Progress, optional
    stored : Stored, optional
        How far ratings have been brought to disk, before a machine learns.
    """

    summarise: Callable[[str], None]
    curves: bool
    progress: Progress | None = None
    stored: Stored | None = None

    def __call__(self, event: Event) -> None:
        """Take an event.

        Parameters
        ----------
        event : Event
        """
        now = time.monotonic()
        if isinstance(event, Began):
            self.progress = Progress(event, now)
        elif isinstance(event, TakesDisk | Allocates):
            self.summarise(line(event))
        elif isinstance(event, Stored):
            self.stored = event
            if event.done == event.total:
                self.summarise(line(event))
        elif isinstance(event, Ended):
            self.summarise(_summary(event, self.progress, now))
        elif self.progress is not None:
            self.progress = self.progress.after(event, now)

    def __rich__(self) -> "RenderableType":
        """The picture at this moment."""
        if self.progress:
            return picture(self.progress, time.monotonic(), self.curves)
        return line(self.stored) if self.stored else ""


@contextmanager
def watching(quiet: bool) -> Iterator[Watcher]:
    """A watcher of events that suits stderr: a screen, lines, or nothing.

    Parameters
    ----------
    quiet : bool
    """
    screen = console(sys.stderr)
    if quiet:
        yield lambda event: None
    elif screen.is_terminal and not screen.is_dumb_terminal:
        from rich.live import Live

        picture_now = LiveScreen(screen.print, has_blocks(sys.stderr))
        with Live(picture_now, console=screen, transient=True, refresh_per_second=FRAMES_PER_SECOND):
            yield picture_now
    else:
        narrate = narrator(quiet)
        yield sparingly(lambda event: narrate(line(event)))


def sparingly(watch: Watcher) -> Watcher:
    """The watcher without events of a step that is going on, but for one in a while.

    Parameters
    ----------
    watch : callable
    """
    said = {"at": time.monotonic()}

    def take(event: Event) -> None:
        going_on = isinstance(event, Stored | Listed) and event.done != event.total
        if going_on and time.monotonic() - said["at"] < SECONDS_BETWEEN:
            return
        said["at"] = time.monotonic()
        watch(event)

    return take


def line(event: Event) -> str:
    """An event in one line.

    Parameters
    ----------
    event : Event
    """
    if isinstance(event, Began):
        return f"{_about(event)}; at most {event.n_epochs} epochs" + (
            f", from epoch {event.first_epoch}" if event.first_epoch else ""
        )
    if isinstance(event, ChoiceEpochEnded):
        parts = [f"epoch {event.epoch}/{event.n_epochs}", f"{event.seconds:.2f} s"]
        if event.loss is not None:
            parts.append(f"loss {event.loss:.4f}")
        if event.validation_ndcg is not None:
            parts.append(f"validation nDCG@100 {event.validation_ndcg:.4f}")
        return "  ".join(parts)
    if isinstance(event, Allocates):
        n_bytes = event.n_bytes
        return f"{event.what}: " + (f"{n_bytes / GB:.2f} GB" if n_bytes > GB / 10 else f"{n_bytes / 1e6:.1f} MB")
    if isinstance(event, EpochEnded):
        parts = [f"{event.machine} epoch {event.epoch}/{event.n_epochs}", f"{event.ratings_per_second:,.0f} ratings/s"]
        if event.validation_rmse is not None:
            parts.append(f"validation RMSE {event.validation_rmse:.4f} (best at epoch {event.best_epoch})")
        if event.validation_log_loss is not None:
            parts.append(f"log-loss {event.validation_log_loss:.4f}")
        if event.free_energy_gap is not None:
            parts.append(f"free-energy gap {event.free_energy_gap:.3f}")
        return "  ".join(parts)
    if isinstance(event, Saved):
        return f"checkpoint {event.path} written at epoch {event.epoch} of {event.machine}"
    if isinstance(event, Ended):
        return _summary(event, None, 0.0)
    if isinstance(event, Stored):
        share = f" ({100 * event.done / event.total:.0f} %)" if event.total else ""
        return f"{event.step}: {event.done:,} ratings{share}, {duration(event.seconds)}"
    if isinstance(event, Listed):
        share = 100 * event.done / max(event.total, 1)
        return f"lists: {event.done:,} people ({share:.0f} %), {duration(event.seconds)}"
    if isinstance(event, TakesDisk):
        return (
            f"{event.what} take up to {event.n_bytes / GB:.3g} GB in {event.path}, whose disk has "
            f"{event.free_bytes / GB:,.0f} GB left"
        )
    if isinstance(event, Exchanged):
        share = event.seconds_waiting / max(event.seconds, 1e-9)
        return f"{event.n_workers} workers added up {event.n_bytes / 1e6:,.1f} MB, {share:.0%} of the epoch waiting"
    return event.kind


def picture(progress: Progress, now: float, curves: bool) -> "RenderableType":
    """The screen of one machine's learning.

    Parameters
    ----------
    progress : Progress
    now : float
        On the monotonic clock.
    curves : bool
        Whether to draw how the measures went.
    """
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    began, done = progress.began, len(progress.epochs)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column()
    grid.add_row("machine", _about(began))
    epoch = progress.epochs[-1].epoch if done else began.first_epoch
    grid.add_row("epoch", f"{epoch} of at most {began.n_epochs}")
    grid.add_row("", ProgressBar(total=began.n_epochs, completed=epoch, width=CURVE_COLUMNS))
    left = progress.seconds_left(now)
    waiting = "compiling and running the first epoch" if left is None else f"at most {duration(left)} left"
    grid.add_row("time", f"{duration(now - progress.at)} gone, {waiting}")
    for name, value in _measures(progress, curves):
        grid.add_row(name, value)
    if progress.checkpoint:
        grid.add_row("checkpoint", progress.checkpoint)
    grid.add_row("", "Ctrl-C ends learning and keeps the best model so far")
    return grid


def _measures(progress: Progress, curves: bool) -> Iterator[tuple[str, str]]:
    """Rows of what the epochs measured."""
    if not progress.epochs:
        return
    last = progress.epochs[-1]
    if isinstance(last, EpochEnded):
        yield "speed", f"{last.ratings_per_second:,.0f} ratings/s"
    else:
        yield "speed", f"{progress.began.n_ratings / max(last.seconds, 1e-9):,.0f} choices/s"
    measured = {name: [getattr(epoch, field, None) for epoch in progress.epochs] for name, field in MEASURES.items()}
    for name, values in measured.items():
        known = [value for value in values if value is not None]
        if known:
            curve = f"  {sparkline(known, CURVE_COLUMNS)}" if curves else ""
            best = f"  best at epoch {_best_epoch(progress)}" if name in CHOOSING else ""
            yield name, f"{known[-1]:.4f}{curve}{best}"


def _about(began: Began) -> str:
    cases = "users" if began.of == "choices" else "cases"
    purpose = PURPOSES[began.of][began.phase]
    return f"{began.machine}: {began.n_cases:,} {cases}, {began.n_ratings:,} {began.of}, {purpose}"


def _best_epoch(progress: Progress) -> int:
    last = progress.epochs[-1]
    if isinstance(last, EpochEnded):
        return last.best_epoch
    chosen = [e for e in progress.epochs if isinstance(e, ChoiceEpochEnded) and e.validation_ndcg is not None]
    return max(chosen, key=lambda e: e.validation_ndcg or 0.0).epoch


def _summary(event: Ended, progress: Progress | None, now: float) -> str:
    text = f"{event.machine}: {event.reason}"
    if event.epoch:
        text += f" after {event.epoch} epochs, the best is epoch {event.best_epoch}"
    if progress is not None:
        best = next((e for e in progress.epochs if e.epoch == event.best_epoch), None)
        found = {name: getattr(best, MEASURES[name], None) for name in CHOOSING}
        text += "".join(f" ({name} {value:.4f})" for name, value in found.items() if value is not None)
        text += f", {duration(now - progress.at)}"
    return f"{text}; {event.advice}" if event.advice else text
