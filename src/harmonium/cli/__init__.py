"""The command line: one file a command, which parses, calls and prints; results on stdout, narration on stderr."""

import io
import os
import sys
from collections.abc import Sequence

from harmonium.cli.console import INTERRUPTED
from harmonium.errors import HarmoniumError

REPORT = "please report it with what you typed; HARMONIUM_DEBUG=1 shows the traceback"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0: fine. 1: the work failed, and one line on stderr says why. 2: the command was not understood. 130: interrupted
    without a result.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process when None.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title must not fail where the terminal lacks its letters
    try:
        from harmonium.cli.app import app

        app(arguments, prog_name="harmonium")
    except HarmoniumError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:
        if os.environ.get("HARMONIUM_DEBUG"):
            raise
        _fail(f"unexpected {type(error).__name__}: {error}; {REPORT}")


def _fail(message: str) -> None:
    print("error:", " ".join(message.splitlines()), file=sys.stderr)
    sys.exit(1)
