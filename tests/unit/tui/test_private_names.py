"""Private names of Textual are used in `tickertui.tui.terminal` and nowhere else: a new Textual breaks one room."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import tickertui.tui
from tickertui.tui.panels.jump import JumpScreen

_NAMED_TUPLE = {"_replace", "_asdict", "_fields"}
"""Public in spite of their names."""


def modules() -> list[ModuleType]:
    """The interface without the room that may."""
    found = pkgutil.walk_packages(tickertui.tui.__path__, "tickertui.tui.")
    names = [info.name for info in found]
    assert "tickertui.tui.terminal" in names
    return [importlib.import_module(name) for name in names if not name.startswith("tickertui.tui.terminal")]


def tree_of(module: ModuleType) -> ast.Module:
    return ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in _NAMED_TUPLE


def imports_of_private_modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("textual"):
            for alias in node.names:
                path = f"{node.module}.{alias.name}"
                if any(is_private(part) for part in path.split(".")):
                    yield path
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("textual") and any(is_private(part) for part in alias.name.split(".")):
                    yield alias.name


def own_names(tree: ast.Module) -> set[str]:
    """What a module defines or assigns itself, as attribute or at the top."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return names


def foreign_attributes(tree: ast.Module) -> Iterator[str]:
    """Private attributes of anything but ``self`` that the module does not define."""
    own = own_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            whose = node.value.id if isinstance(node.value, ast.Name) else ""
            if whose not in ("self", "cls"):
                yield ast.unparse(node)


def textual_privates(cls: type) -> set[str]:
    """Private attributes that the Textual classes below a class of ours have."""
    names: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.split(".")[0] == "textual":
            names |= {name for name in vars(base) if is_private(name)}
            names |= set(re.findall(r"\bself\.(_[a-z]\w*)(?::[^=\n]+)? = ", inspect.getsource(base)))
    return names


def used_on_self(cls: type) -> set[str]:
    """Private attributes of itself that a class reads, sets or defines."""
    definition = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(definition, ast.ClassDef)
    used: set[str] = set()
    for statement in definition.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            used.add(statement.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            used |= {name.id for name in ast.walk(statement) if isinstance(name, ast.Name)}
    for node in ast.walk(definition):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "super()"):
            used.add(node.attr)
    return {name for name in used if is_private(name)}


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__.removeprefix("tickertui.tui."))
def test_no_private_name_of_textual(module: ModuleType) -> None:
    tree = tree_of(module)
    assert list(imports_of_private_modules(tree)) == []
    assert list(foreign_attributes(tree)) == []
    for cls in vars(module).values():
        if inspect.isclass(cls) and cls.__module__ == module.__name__:
            assert used_on_self(cls) & textual_privates(cls) == set(), cls.__name__


def test_the_search_finds_what_the_terminal_room_uses() -> None:
    room = importlib.import_module("tickertui.tui.terminal.responsive_screen")
    assert list(imports_of_private_modules(tree_of(room))) == ["textual._compositor.Compositor"]
    rate = importlib.import_module("tickertui.tui.terminal.display_rate")
    assert "app._driver" in list(foreign_attributes(tree_of(rate)))
    of_a_screen = textual_privates(JumpScreen)
    assert {"_compositor", "_on_idle", "_on_timer_update"} <= used_on_self(room.ResponsiveScreen) & of_a_screen
