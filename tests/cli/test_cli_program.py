"""The program as a process: what it loads, terminals, signals, exit codes and help."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest
from _program import harmonium, in_a_process

from harmonium import Recommender
from harmonium.cli.app import SUMMARIES, load

PATIENCE = 60  # seconds
LOADED = "import sys; from harmonium.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
COLOURS = re.compile(rb"\x1b\[[0-9;]*m")


def loaded_by(*arguments: object) -> set[str]:
    """Run a command in a fresh process and return the modules it loaded."""
    command = [*in_a_process()[:2], LOADED, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def on_a_terminal(*arguments: object, **environment: str) -> tuple[int, bytes]:
    """Run a command on a pseudo-terminal; return its exit code and what the terminal got."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **environment}
    process = subprocess.Popen(in_a_process(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # Linux says so when the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    return process.wait(PATIENCE), written


def leaves(command, path=()):
    """Yield every command with its words, those of groups included."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path, command


COMMANDS = [leaf for name in SUMMARIES for leaf in leaves(load(name), (name,))]


def test_the_help_loads_no_library_of_numbers():
    assert not loaded_by("--help") & {"numpy", "scipy", "numba", "polars", "rich.live"}


def test_a_recommendation_loads_neither_kernels_nor_tables(model):
    assert not loaded_by("recommend", model, "--like", "alien") & {"numba", "polars", "narwhals", "pandas", "torch"}


def test_the_help_lists_every_command():
    done = harmonium("--help")
    assert done.code == 0
    assert all(f" {name} " in done.out for name in SUMMARIES)


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(words) for words, _ in COMMANDS])
def test_the_help_of_a_command_mentions_every_option_and_json(words, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    done = harmonium(*words, "--help")
    assert done.code == 0
    options = [flag for param in command.params for flag in (*param.opts, *param.secondary_opts) if flag[0] == "-"]
    assert "--json" in options
    assert [flag for flag in options if flag not in done.out] == []
    assert [param.name for param in command.params if not param.help] == []


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_is_the_first_sentence_of_the_commands_help(name):
    assert load(name).help.strip().splitlines()[0] == SUMMARIES[name]


def test_every_setting_of_the_estimator_is_an_option_with_its_default():
    from harmonium.estimators.rating_rbm import RatingRBM

    options = {param.name: param.default for param in load("train").params}
    settings = RatingRBM().get_params()
    assert {name: options[name] for name in settings} == {**settings, "n_steps": str(settings["n_steps"])}


@pytest.mark.parametrize("arguments", [("bake",), ("train",), ("recommend", "m", "-n", "many"), ("similar", "m")])
def test_what_is_not_understood_ends_with_2(arguments):
    done = harmonium(*arguments)
    assert done.code == 2
    assert done.out == ""


def test_the_version_is_printed():
    assert re.fullmatch(r"harmonium \d+\.\d+\.\d+\S*\n", harmonium("--version").out)


def test_the_doctor_knows_what_is_installed():
    done = subprocess.run(in_a_process("doctor", "--json"), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["numba"] and found["numpy"] and found["threads"] >= 1
    assert done.stderr == ""


def test_a_pipe_that_closes_early_is_no_error(model):
    command = " ".join(f"'{word}'" for word in in_a_process("units", model))
    done = subprocess.run(f"{command} | head -1", shell=True, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr and "error" not in done.stderr


def test_letters_that_the_terminal_lacks_are_replaced(model):
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(in_a_process("predict", model, "alien"), capture_output=True, env=env, check=True)
    assert b"###" in done.stdout


def test_a_terminal_gets_a_screen_of_learning(films, tmp_path):
    settings = ("--n-hidden", "4", "--n-epochs", "60", "--patience", "0", "--cases", "users")
    code, written = on_a_terminal("train", films / "ratings.csv", "-o", tmp_path / "m", *settings)
    assert code == 0
    assert b"validation RMSE" in written and b"\x1b[" in written
    assert "users: finished after 60 epochs" in written.decode()


def test_no_color_is_obeyed_on_a_terminal(model):
    code, plain = on_a_terminal("recommend", model, "--like", "alien", NO_COLOR="1")
    assert code == 0
    assert b"Film" in plain and b"\x1b" not in plain
    assert COLOURS.search(on_a_terminal("recommend", model, "--like", "alien", NO_COLOR="")[1])


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals on Windows")
def test_ctrl_c_while_learning_saves_the_best_model_so_far(tmp_path):
    path, log = tmp_path / "long.harmonium", tmp_path / "events.jsonl"
    settings = ("--n-hidden", "16", "--n-epochs", "100000", "--patience", "0", "--cases", "users")
    process = subprocess.Popen(
        in_a_process("train", "movielens-small", "-o", path, "--log", log, *settings),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up and not (log.exists() and log.read_text().count('"epoch"') > 3):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "interrupted: the best model so far was saved" in err
    assert str(path) in out
    assert Recommender.load(path).machine.n_hidden == 16
