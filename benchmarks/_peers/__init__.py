"""Peers to compare with, each in an environment of its own beside the project's.

`peer_python` makes the environment on first use; a script of this folder is then run by that python with
`run_peer`.
"""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
SURPRISE = (
    "scikit-surprise==1.1.5",
    "numpy==1.26.4",
    "scipy==1.17.1",
)  # the wheels need no compiler on Python 3.11-3.13
RBMS = ("rbms==0.5.0", "torch==2.13.0", "numpy==2.4.6", "h5py==3.14.0", "matplotlib==3.10.3", "tqdm==4.67.1")


def peer_python(name: str, requirements: Sequence[str], root: Path = ROOT) -> Path:
    """Return the python of the environment `.venv-<name>`, made and filled first where it is not there yet.

    A stamp lists what was installed, so other requirements make the environment anew, and one whose
    installation was cut short is not taken for finished.

    Parameters
    ----------
    name : str
    requirements : sequence of str
        What pip installs; pin every version, or the comparison cannot be repeated.
    root : Path, optional
        The folder to make it in; the repository's root.

    Returns
    -------
    Path

    Raises
    ------
    subprocess.CalledProcessError
        pip could not install the requirements; its own message is on stderr.
    """
    folder = root / f".venv-{name}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp, wanted = folder / "installed.txt", "\n".join(requirements)
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *requirements], check=True, stdout=sys.stderr)
    stamp.write_text(wanted, encoding="utf-8")
    return python


def run_peer(python: Path, script: str, *arguments: str) -> dict:
    """Run a script of this folder and return the JSON object of its last line.

    Parameters
    ----------
    python : Path
        From `peer_python`.
    script : str
        File name, such as "surprise_ratings.py".
    *arguments : str
        The script's arguments.

    Returns
    -------
    dict
    """
    command = [str(python), str(FOLDER / script), *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
