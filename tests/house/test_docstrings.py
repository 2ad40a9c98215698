"""Docstrings say what the signatures say: every public function, class and method, parameter by parameter."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from numpydoc.docscrape import NumpyDocString

SOURCE = Path(__file__).parents[2] / "src"
SECTIONS = ("Parameters", "Returns", "Yields", "Raises")


def module_names() -> list[str]:
    """Return the public modules but those of `harmonium.cli`, whose docstrings are help texts."""
    paths = (path.relative_to(SOURCE).with_suffix("") for path in SOURCE.rglob("*.py"))
    names = (".".join(part for part in path.parts if part != "__init__") for path in paths)
    return sorted(name for name in names if "._" not in name and not name.startswith("harmonium.cli"))


def public_members(owner: Any, module_name: str) -> Iterator[tuple[str, Any]]:
    """Yield the public functions, classes, methods and properties written in a module."""
    for name, member in vars(owner).items():
        member = getattr(member, "__func__", member)  # of a static or class method
        member = getattr(member, "py_func", member)  # of a compiled function
        ours = getattr(member, "__module__", None) == module_name or isinstance(member, property)
        if name.startswith(("_", "test_")) or not ours:  # a test's name is its sentence
            continue
        if inspect.isclass(member):
            yield name, member
            yield from ((f"{name}.{inner}", item) for inner, item in public_members(member, module_name))
        elif inspect.isfunction(member) or isinstance(member, property):
            yield name, member


def signature_names(member: Callable) -> list[str]:
    """Return the public parameters as numpydoc writes them: stars kept, `self` and `cls` left out."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    try:
        parameters = inspect.signature(member).parameters.values()
    except ValueError:  # an exception class without an __init__ of its own
        return []
    names = [stars.get(p.kind, "") + p.name for p in parameters]
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def documented_names(docstring: NumpyDocString) -> list[str]:
    """Return the names in the Parameters section; one entry may hold several."""
    return [name.strip() for entry in docstring["Parameters"] for name in entry.name.split(",")]


def fault(member: Any) -> str | None:
    """Return what is wrong with a docstring, or None; one without any section need not list parameters."""
    text = inspect.getdoc(member)
    if not text or (inspect.isclass(member) and member.__doc__ is None):
        return "has no docstring"
    if isinstance(member, property):
        return None
    docstring = NumpyDocString(text)
    documented, taken = documented_names(docstring), signature_names(member)
    if any(docstring[section] for section in SECTIONS) and documented != taken:
        return f"documents {documented}, takes {taken}"
    return None


@pytest.mark.parametrize("module_name", module_names())
def test_docstrings_document_the_parameters_that_there_are(module_name):
    module = importlib.import_module(module_name)
    assert module.__doc__ or module_name == "harmonium._version", f"{module_name}: no module docstring"
    found = ((name, fault(member)) for name, member in public_members(module, module_name))
    assert [f"{module_name}.{name} {wrong}" for name, wrong in found if wrong] == []


def test_a_drifted_docstring_is_found():
    def drifted(a, b):
        """Add.

        Parameters
        ----------
        a, c : int
        """

    assert fault(drifted) == "documents ['a', 'c'], takes ['a', 'b']"


def test_a_missing_docstring_is_found():
    def silent(a):
        return a

    assert fault(silent) == "has no docstring"
