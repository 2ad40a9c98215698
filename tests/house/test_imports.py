"""What importing the package costs and loads, and which room may import which."""

import ast
import subprocess
import sys
import sysconfig
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import harmonium

ROOT = Path(__file__).parents[2]
HEAVY = ("fastapi", "numba", "pandas", "polars", "narwhals", "ray", "rich", "scipy", "sklearn", "torch", "typer")
MOST_SECONDS = 0.150  # user time of interpreter and import together
TRIES = 5  # the best of them: others may be at work on the machine


def output_of(*arguments: str) -> str:
    """Run a fresh interpreter and return what it prints."""
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stdout


def test_importing_the_package_loads_no_heavy_library_and_no_room():
    loaded = set(output_of("-c", "import sys, harmonium; print(*sys.modules)").split())
    assert "harmonium" in loaded
    assert not loaded & {*HEAVY, "numpy"}
    assert {name for name in loaded if name.startswith("harmonium.")} == {"harmonium._version"}


def test_importing_the_data_room_loads_neither_tables_nor_kernels():
    loaded = set(output_of("-c", "import sys, harmonium.data; print(*sys.modules)").split())
    assert not loaded & set(HEAVY)


def test_the_error_tree_loads_without_numpy():
    assert "numpy" not in output_of("-c", "import sys, harmonium.errors; print(*sys.modules)").split()


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is not on Windows")
def test_importing_the_package_is_quick():
    timed = "import harmonium, resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)"
    assert min(float(output_of("-c", timed)) for _ in range(TRIES)) < MOST_SECONDS


@pytest.mark.parametrize("name", harmonium.__all__)
def test_every_public_name_loads(name):
    assert getattr(harmonium, name) is not None


def test_the_stub_and_the_package_list_the_same_names():
    stub = ast.parse((ROOT / "src/harmonium/__init__.pyi").read_text(encoding="utf-8"))
    listed = next(ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign))
    assert sorted(listed) == sorted(harmonium.__all__) == sorted(dir(harmonium))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        harmonium.no_such_name  # noqa: B018


def test_every_room_keeps_to_its_place():
    lint_imports = Path(sysconfig.get_path("scripts")) / "lint-imports"
    done = subprocess.run([lint_imports], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_stands_in_the_import_contract():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    listed = {room.strip(" ()") for layer in layers for room in layer.split("|")}
    rooms = {f"harmonium.{path.parent.name}" for path in (ROOT / "src/harmonium").glob("*/__init__.py")}
    assert rooms <= listed


def test_every_room_explains_itself():
    for path in (ROOT / "src/harmonium").glob("*/__init__.py"):
        assert import_module(f"harmonium.{path.parent.name}").__doc__, f"{path}: no docstring"
