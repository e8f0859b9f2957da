"""What the documents name is there: files, links, modules, classes and functions, commands of the command line."""

from __future__ import annotations

import importlib
import pkgutil
import re
from datetime import date
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY
from tickertui import __version__, services

DOCUMENTS = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for path in (REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").glob("*.md"))
    if path.is_file()
)
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[\w-]+)?\)")
_QUOTED = re.compile(r"`([^`\n]+)`")
_FILE = re.compile(
    r"[\w.-]+(?:/[\w.-]+)*\.(?:py|toml|md|sql|svg|tcss)|(?:tickertui|tests|scripts|docs|themes)(?:/[\w-]+)+/?"
)
_NAME_IN_FILE = re.compile(r"([\w/]+\.py)::([A-Za-z_][\w.]*)")
_CLASS = re.compile(r"[A-Z]\w*[a-z]\w*[A-Z]\w*(?:\.\w+)?")
_KEYS = {"PgUp", "PgDn"}
_ROOMS = ("", "tickertui/", "tickertui/services/", "tickertui/tui/", "docs/")
"""What a path in a document may leave out."""
_WRITTEN_BY_THE_USER = {"config.toml", "secrets.toml", "calendar.toml", "presets.toml"}


def quoted(document: str) -> list[str]:
    """Return everything that a document has between single backticks, outside its blocks of code."""
    text = re.sub(r"^```.*?^```", "", (REPOSITORY / document).read_text("utf-8"), flags=re.M | re.S)
    return _QUOTED.findall(text)


def file_of(path: str) -> Path | None:
    """Return what a path means, None when nothing is there."""
    return next((file for room in _ROOMS if (file := REPOSITORY / room / path).exists()), None)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    here = (REPOSITORY / document).parent
    links = _LINK.findall((REPOSITORY / document).read_text("utf-8"))
    assert [link for link in links if not (here / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_is_there(document: str) -> None:
    paths = [text for text in quoted(document) if _FILE.fullmatch(text) and text not in _WRITTEN_BY_THE_USER]
    assert [path for path in paths if file_of(path) is None] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_name_in_a_file_is_there(document: str) -> None:
    missing = []
    for path, name in filter(
        None, (match and match.groups() for match in map(_NAME_IN_FILE.fullmatch, quoted(document)))
    ):
        file = file_of(path)
        value: object = None
        if file is not None:
            value = importlib.import_module(".".join(file.relative_to(REPOSITORY).with_suffix("").parts))
            for part in name.split("."):
                value = getattr(value, part, None)
        if value is None:
            missing.append(f"{path}::{name}")
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_class_is_there(document: str) -> None:
    sources = (path for package in ("tickertui", "tests") for path in (REPOSITORY / package).rglob("*.py"))
    classes = {name for path in sources for name in re.findall(r"^class (\w+)", path.read_text("utf-8"), re.M)}
    named = {text.partition(".")[0] for text in quoted(document) if _CLASS.fullmatch(text)}
    assert sorted(named - classes - _KEYS) == []


def test_the_classes_of_the_original_service_have_the_names_that_their_callers_know() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([\w/]+)\.py` \| (.*) \|$", architecture(), re.M)
    assert {name for name, _, _ in rows} >= set(services.__all__)
    for name, path, names in rows:
        known = getattr(importlib.import_module("tickertui." + path.replace("/", ".")), name)
        methods = [text for text in _QUOTED.findall(names) if "." not in text]
        assert [method for method in methods if not hasattr(known, method)] == [], name
        if name in services.__all__:
            assert getattr(services, name) is known
            assert methods


def test_the_ticker_loop_is_as_short_as_is_said() -> None:
    assert "The ticker loop has under 500 lines" in architecture()
    loop = REPOSITORY / "tickertui/services/loop/ticker_loop.py"
    assert len(loop.read_text("utf-8").splitlines()) < 500


def test_every_room_is_in_the_drawing_of_the_house() -> None:
    drawn = set(re.findall(r"\w+", "".join(re.findall(r"^```\n(.*?)^```", architecture(), re.M | re.S))))
    packages = ("tickertui", "tickertui.services", "tickertui.tui")
    rooms = {info.name for name in packages for info in pkgutil.iter_modules(importlib.import_module(name).__path__)}
    assert sorted(rooms - drawn) == []


def test_the_newest_version_of_the_changelog_is_that_of_the_code() -> None:
    headings = re.findall(
        r"^## \[(.*?)\](?: - (\d{4}-\d\d-\d\d))?$", (REPOSITORY / "CHANGELOG.md").read_text("utf-8"), re.M
    )
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == __version__
    assert all(date.fromisoformat(day) for _, day in headings[1:])


def architecture() -> str:
    return (REPOSITORY / "docs/architecture.md").read_text("utf-8")


def test_there_are_documents_to_look_at() -> None:
    assert {"README.md", "docs/keys.md", "docs/commands.md"} <= set(DOCUMENTS)
    assert len(quoted("README.md")) > 20
