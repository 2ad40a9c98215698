"""Files agree with each other: versions, the words they may hold, names that pytest finds."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import harmonium

ROOT = Path(__file__).parents[2]
MADE = {"__pycache__", "node_modules", "dist", "build", "artifacts"}
DEVELOPER_PATHS = tuple("/" + name + "/" for name in ("work", "root", "home", "Users", "tmp/h"))
MOST_LINES = 500


def files() -> list[Path]:
    """Return the repository's own files: what git tracks or would, or else all that nothing has made."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        return sorted(path for name in listed.stdout.split("\0") if (path := ROOT / name).is_file())
    parts = ((path, path.relative_to(ROOT).parts) for path in ROOT.rglob("*") if path.is_file())
    return sorted(path for path, names in parts if not any(n.startswith(".") or n in MADE for n in names))


def text_of(path: Path) -> str:
    """Return a file's text, empty for binary files."""
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8", errors="replace")


def python_files(folder: str) -> list[Path]:
    """Return the repository's Python files under a folder."""
    return [path for path in files() if path.suffix == ".py" and path.is_relative_to(ROOT / folder)]


def test_no_file_names_a_path_of_a_developers_machine():
    found = [(path.name, word) for path in files() for word in DEVELOPER_PATHS if word in text_of(path)]
    assert found == []


def test_no_python_file_is_longer_than_a_reader_can_hold():
    sizes = {
        path: text_of(path).count("\n") for folder in ("src", "tests", "benchmarks") for path in python_files(folder)
    }
    assert {path.name: size for path, size in sizes.items() if size > MOST_LINES} == {}


def kernels() -> list[ast.FunctionDef]:
    """Return the compiled functions that Python calls: those whose names are not private."""
    trees = (ast.parse(text_of(path)) for path in python_files("src/harmonium/kernels"))
    defined = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return [f for f in defined if not f.name.startswith("_") and "compiled" in map(ast.unparse, f.decorator_list)]


def test_no_kernel_returns_an_array_since_ctrl_c_would_be_lost_meanwhile():
    returned = [f.name for f in kernels() for node in ast.walk(f) if isinstance(node, ast.Return) and node.value]
    assert kernels() and returned == []


def test_the_citation_names_the_packages_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == harmonium.__version__


def test_the_changelog_begins_with_the_packages_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", changelog, re.MULTILINE)[1] == harmonium.__version__


def test_the_package_is_typed_and_licensed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (ROOT / "src/harmonium/py.typed").exists()
    assert project["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_the_bundled_ratings_keep_their_readme_and_notice():
    folder = ROOT / "src/harmonium/data/movielens_small"
    assert "Harper" in (folder / "README.txt").read_text(encoding="utf-8")
    assert (folder / "NOTICE.md").exists()


def test_every_python_file_of_the_tests_is_one_that_pytest_finds_or_a_helper():
    found = re.compile(r"test_\w+|conftest|__init__|_\w+")
    assert [path.name for path in python_files("tests") if not found.fullmatch(path.stem)] == []


def test_no_two_test_files_share_a_name():
    names = [path.name for path in python_files("tests") if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", ["Makefile", ".ci/run", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"])
def test_what_a_visitor_looks_for_is_there(name):
    assert (ROOT / name).is_file()
