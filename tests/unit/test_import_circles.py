"""Modules know each other one way only: no circle of imports, those inside functions and under TYPE_CHECKING too."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tickertui

ROOT = Path(tickertui.__file__).parent


def modules_below(root: Path) -> dict[str, Path]:
    """Every module of a package by its name, those of its rooms too."""
    named = {".".join((root.name, *path.relative_to(root).with_suffix("").parts)): path for path in root.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in named.items()}


def imported_by(name: str, path: Path, modules: Mapping[str, Path]) -> set[str]:
    """The modules of the package that a module names in an import, wherever in it that stands."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            found |= {full if (full := f"{source}.{alias.name}") in modules else source for alias in node.names}
    return (found & modules.keys()) - {name}


def circle_below(root: Path) -> list[str]:
    """A circle of modules, empty where there is none."""
    modules = modules_below(root)
    try:
        TopologicalSorter({name: imported_by(name, path, modules) for name, path in modules.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert len(modules_below(ROOT)) == len(list(ROOT.rglob("*.py")))
    assert circle_below(ROOT) == []


@pytest.mark.parametrize(
    "back",
    [
        "from house.room.a import A",
        "from .a import A",
        "from . import a",
        "import house.room.a",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.room.a import A",
        "def late():\n    from ..room import a",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(tmp_path: Path, back: str) -> None:
    room = tmp_path / "house" / "room"
    room.mkdir(parents=True)
    (room.parent / "__init__.py").touch()
    (room / "__init__.py").touch()
    (room / "a.py").write_text("from house.room import b\n", encoding="utf-8")
    (room / "b.py").write_text(back, encoding="utf-8")
    assert {"house.room.a", "house.room.b"} == set(circle_below(room.parent))
    (room / "b.py").write_text("import json\n", encoding="utf-8")
    assert circle_below(room.parent) == []
