"""The README and docs/ run: Python blocks, and the `$ harmonium` lines of console blocks.

Blocks run in order, each document in a folder of its own and with one set of Python names. A `text` or
`output` block right after a Python block is what that block prints; in a console block the lines after a
command are what it prints. `...` stands for anything. A comment `<!-- not run: reason -->` right before a
block leaves it out.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("README.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(
    r"(?P<skip><!-- not run[^\n]*-->\s*)?^```(?P<language>\w+)[^\n]*\n(?P<body>.*?)^```[ \t]*$"
    r"(?=(?:\s*^```(?:text|output)\n(?P<output>.*?)^```)?)",
    re.MULTILINE | re.DOTALL,
)
COMMAND = re.compile(r"^\$ (?P<line>(?:.*\\\n)*.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
SECONDS = 120  # the longest a command of a document may take


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, what is said to be printed, and the line it begins on."""

    language: str
    body: str
    output: str | None
    line: int


def blocks(text: str) -> list[Block]:
    """Return the blocks of a Markdown text that are to be run."""
    return [
        Block(m["language"], m["body"], m["output"], text[: m.start("body")].count("\n") + 1)
        for m in BLOCK.finditer(text)
        if m["language"] in ("python", "console") and not m["skip"]
    ]


def check_output(place: str, shown: str, printed: str) -> None:
    """Fail unless what was printed is what the document shows."""
    want, got = ("\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n" for text in (shown, printed))
    if not doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS):
        pytest.fail(f"{place}: the document shows\n{want}\nbut this is printed\n{got}", pytrace=False)


def run_python(block: Block, names: dict, place: str) -> None:
    """Run a Python block with the document's names."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * (block.line - 1) + block.body, place, "exec"), names)
    if block.output is not None:
        check_output(place, block.output, printed.getvalue())


def run_console(block: Block, folder: Path, place: str) -> None:
    """Run the `$ harmonium` commands of a console block; one that fails must show the error it prints."""
    plain = {**os.environ, "COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    for command in COMMAND.finditer(block.body):
        words = shlex.split(command["line"].replace("\\\n", " "), comments=True)
        if words[0] != "harmonium":
            continue
        program = Path(sysconfig.get_path("scripts")) / "harmonium"
        done = subprocess.run(
            [program, *words[1:]],
            cwd=folder,
            env=plain,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode and not command["output"].strip():
            pytest.fail(f"{place}: $ {command['line']}\n{done.stderr}", pytrace=False)
        if command["output"].strip():
            check_output(place, command["output"], done.stderr if done.returncode else done.stdout)


def run_document(text: str, name: str, folder: Path) -> None:
    """Run the blocks of a document in a folder."""
    names = {"__name__": "__main__"}
    with contextlib.chdir(folder):
        for block in blocks(text):
            place = f"{name}, line {block.line}"
            if block.language == "python":
                run_python(block, names, place)
            else:
                run_console(block, folder, place)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_a_document_print_what_it_shows(path, tmp_path):
    run_document(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)), tmp_path)


def test_blocks_share_names_and_an_ellipsis_stands_for_anything(tmp_path):
    run_document("```python\na = 2\n```\n\n```python\nprint('is', a)\n```\n\n```text\n... 2\n```\n", "made", tmp_path)


def test_a_wrong_output_fails_and_names_the_line(tmp_path):
    with pytest.raises(pytest.fail.Exception, match="made, line 4"):
        run_document("Text.\n\n```python\nprint(1)\n```\n\n```output\n2\n```\n", "made", tmp_path)


def test_output_further_down_belongs_to_no_block():
    assert blocks("```python\nprint(1)\n```\nText.\n```text\n2\n```\n")[0].output is None


def test_a_block_marked_as_not_run_is_left_out():
    assert blocks("<!-- not run: needs a large file -->\n```python\nraise ValueError\n```\n") == []


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a command that prints its arguments, or fails without any."""
    program = tmp_path / "harmonium"
    program.write_text('#!/bin/sh\n[ $# = 0 ] && echo "no command" >&2 && exit 2\necho "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    return tmp_path


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_console_block_checks_what_is_shown_and_leaves_other_programs_alone(installed):
    run_document(
        "```console\n$ harmonium a 'b c'\na b c\n$ pip install x\n$ harmonium\nno ...\n```\n", "made", installed
    )


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
@pytest.mark.parametrize("commands", ["$ harmonium a\nb\n", "$ harmonium\n", "$ harmonium\nfine\n"])
def test_a_console_block_fails_on_other_output_and_on_an_error_it_does_not_show(commands, installed):
    with pytest.raises(pytest.fail.Exception, match="made, line 2"):
        run_document(f"```console\n{commands}```\n", "made", installed)


def test_commands_of_a_console_block_hold_their_continuations_and_output():
    found = [(m["line"], m["output"]) for m in COMMAND.finditer("$ a \\\n  b\nprinted\n$ c\n")]
    assert found == [("a \\\n  b", "printed\n"), ("c", "")]
