"""The command line as a function, and as a process."""

import contextlib
import io
import json
import sys
from typing import Any, NamedTuple

import pytest

from harmonium.cli import main

SMALL = ("--n-hidden", "4", "--n-epochs", "3")


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as JSON."""
        return json.loads(self.out)


def harmonium(*arguments: object) -> Result:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return Result(int(left.value.code or 0), out.getvalue(), err.getvalue())


def in_a_process(*arguments: object) -> list[str]:
    """The command line of a fresh process that runs a command."""
    return [sys.executable, "-c", "from harmonium.cli import main; main()", *map(str, arguments)]
