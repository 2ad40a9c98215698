"""Draw the pictures of the README: what the command line prints on a terminal, as SVG.

    python docs/pictures/make.py

Trains on the bundled data first; takes about half a minute.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE, COLUMNS = Path(__file__).parent, 146
TRAIN = ["train", "movielens-small", "--n-hidden", "64", "--n-epochs", "40", "--quiet"]
ASK = ["recommend", "films.harmonium", "--like", "matrix", "--like", "toy story 1995", "--dislike", "titanic 1997",
       "-n", "6", "--explain"]  # fmt: skip


def harmonium(*arguments: str, folder: str) -> str:
    """Standard output of a command, with its colours."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    command = [str(Path(sys.executable).with_name("harmonium")), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def shown(arguments: list[str]) -> str:
    """A command as one types it."""
    return "$ harmonium " + " ".join(f'"{word}"' if " " in word else word for word in arguments)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        harmonium(*TRAIN, "-o", "films.harmonium", folder=folder)
        printed = harmonium(*ASK, folder=folder)
    screen = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    screen.print(Text(shown(ASK), style="bold"))
    screen.print(Text.from_ansi(printed))
    screen.save_svg(str(HERE / "recommend.svg"), title="harmonium")


if __name__ == "__main__":
    main()
