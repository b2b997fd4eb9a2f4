"""Private names of libraries: each stands in one place, and is there."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

import pipeline
from pipeline.edges import aiokafka_private, faust_private
from pipeline.edges.private_names import has, require
from pipeline.errors import Misconfigured

PACKAGE = Path(pipeline.__file__).parent
HOMES = {"edges/aiokafka_private.py", "edges/raw_fetches.py"}
OVERRIDING = ("intake/transport.py", "intake/reconnecting.py", "worker/faust_app.py")
PROMISED = {"_replace", "_make", "_asdict", "_fields", "_exit"}
"""Documented all the same: of named tuples, and of ``os``."""


def private(tree: ast.AST) -> set[str]:
    """Return the private attributes that are read or set of anything but ``self`` and ``cls``."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }


def own(tree: ast.AST) -> set[str]:
    """Return the private names that the classes and functions of a module define themselves."""
    return {
        name
        for node in ast.walk(tree)
        for name in (
            [node.name]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            else [node.attr]
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            else []
        )
        if name.startswith("_")
    }


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_names_of_libraries_stand_in_one_place(path: Path) -> None:
    if str(path.relative_to(PACKAGE)) in HOMES:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = private(tree) - own(tree) - PROMISED
    allowed = {name for names in faust_private.NAMES.values() for name in names} if is_overriding(path) else set()
    assert found - allowed == set()


def is_overriding(path: Path) -> bool:
    return str(path.relative_to(PACKAGE)) in OVERRIDING


def test_what_is_overridden_of_faust_is_in_the_list() -> None:
    listed = {name for names in faust_private.NAMES.values() for name in names}
    overridden: set[str] = set()
    used: set[str] = set()
    for file in OVERRIDING:
        for of in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
            if not isinstance(of, ast.ClassDef) or not of.bases:
                continue
            theirs = {name for name in listed if any(has(one, name) for one in faust_private.NAMES)}
            methods = {
                one.name
                for one in of.body
                if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name.startswith("_")
            }
            overridden |= {name for name in methods if not name.startswith("__")}
            used |= {node.attr for node in ast.walk(of) if isinstance(node, ast.Attribute) and node.attr in theirs}
    assert listed - overridden - used == set(), "listed, and neither overridden nor used"
    # Of our own are those alone that no class of Faust has.
    theirs = {name for name in overridden if any(has(one, name) for one in faust_private.NAMES)}
    assert theirs <= listed


def test_this_aiokafka_and_this_faust_have_them() -> None:
    aiokafka_private.check()
    faust_private.check()


def test_a_name_that_is_gone_is_said_in_one_line_with_the_remedy() -> None:
    class Consumer:
        def start(self) -> None:
            self._here = 1

    require("aiokafka", "<1", {Consumer: ("start", "_here")})
    with pytest.raises(Misconfigured, match=r"has no Consumer\._gone, .*: pip install 'aiokafka<1'$"):
        require("aiokafka", "<1", {Consumer: ("_gone",)})


def test_bounds_are_those_of_the_requirements() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    needed = project["project"]["dependencies"]
    assert f"aiokafka[lz4,snappy,zstd]{aiokafka_private.BOUNDS}" in needed
    assert f"faust-streaming{faust_private.BOUNDS}" in needed
