"""The screen of learning, from events alone."""

import io

import pytest
from rich.console import Console

from harmonium.cli.screen import LiveScreen, Progress, line, picture
from harmonium.events import Allocates, Began, ChoiceEpochEnded, Ended, EpochEnded, Event, Saved

BEGAN = Began("users", "choose", n_cases=610, n_ratings=95_795, n_epochs=10, first_epoch=0)


def epoch(k: int, rmse: float | None = 0.9) -> EpochEnded:
    """The end of an epoch that took a second."""
    return EpochEnded("users", "choose", k, 10, 1.0, 1e6, 0.02, rmse, rmse, rmse, best_epoch=k)


def drawn(progress: Progress, now: float, curves: bool = True) -> str:
    """The screen as text."""
    screen = Console(file=io.StringIO(), width=100)
    screen.print(picture(progress, now, curves))
    return screen.file.getvalue()


def after(*events: Event) -> Progress:
    """Progress with the events two seconds apart."""
    progress = Progress(BEGAN, at=0.0)
    for k, event in enumerate(events, start=1):
        progress = progress.after(event, 2.0 * k)
    return progress


def test_nothing_is_promised_before_the_first_epoch():
    assert after().seconds_left(5.0) is None
    assert "compiling" in drawn(after(), 5.0)


def test_the_time_left_follows_the_pace_of_the_epochs_after_the_first():
    assert after(epoch(1)).seconds_left(2.0) == pytest.approx(9.0)
    assert after(epoch(1), epoch(2), epoch(3)).seconds_left(6.5) == pytest.approx(7 * 2.0 - 0.5)
    assert after(epoch(9), epoch(10)).seconds_left(99.0) == 0.0


def test_the_curve_goes_from_the_first_epoch_to_the_last():
    progress = after(epoch(1, 0.9), epoch(2, 0.8), epoch(3, 0.7))
    assert "0.7000  █▅▁  best at epoch 3" in drawn(progress, 6.0)
    assert "█" not in drawn(progress, 6.0, curves=False)


def test_learning_without_validation_shows_no_curve():
    assert "validation RMSE" not in drawn(after(epoch(1, None)), 2.0)
    assert "RMSE" not in line(epoch(1, None))


def test_a_checkpoint_is_shown():
    assert "c.ckpt" in drawn(after(epoch(1), Saved("c.ckpt", "users", "choose", 1)), 4.0)


def test_a_machine_that_has_learned_leaves_one_line():
    lines: list[str] = []
    screen = LiveScreen(lines.append, curves=True)
    for event in (BEGAN, epoch(1), Ended("users", "choose", "diverged", 1, 1, "try 0.002")):
        screen(event)
    assert len(lines) == 1
    assert all(text in lines[0] for text in ("users: diverged", "RMSE 0.9000", "try 0.002"))


@pytest.mark.parametrize("event", [BEGAN, epoch(3), Saved("c.ckpt", "users", "choose", 1)])
def test_every_event_is_one_line_where_there_is_no_terminal(event):
    assert line(event) and "\n" not in line(event)


def test_learning_of_choices_shows_its_loss_and_what_validation_users_gain():
    began = Began("choices", "choose", n_cases=480, n_ratings=30_000, n_epochs=40, first_epoch=0, of="choices")
    assert line(began) == "choices: 480 users, 30,000 choices, with validation users held out; at most 40 epochs"
    progress = Progress(began, at=0.0)
    for k, ndcg in enumerate((None, 0.3, None, 0.25), start=1):
        event = ChoiceEpochEnded(k, 40, 0.5, 7.0 - k, 0.01, ndcg)
        progress = progress.after(event, 2.0 * k)
    screen = drawn(progress, 8.0)
    assert "60,000 choices/s" in screen and "3.0000  █▆▃▁" in screen and "0.2500  █▁  best at epoch 2" in screen
    assert line(event) == "epoch 4/40  0.50 s  loss 3.0000  validation nDCG@100 0.2500"
    said = []
    live = LiveScreen(said.append, curves=True)
    for event in (Allocates("couplings", 2_000_000_000, None), began, *progress.epochs):
        live(event)
    live(Ended("choices", "choose", "interrupted", 4, 2))
    assert said[0] == "couplings: 2.00 GB"
    assert said[1].startswith("choices: interrupted after 4 epochs, the best is epoch 2 (validation nDCG@100 0.3000)")
