"""What the documents name is there: files, links, modules, classes and functions, commands of the command line."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

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
_ROOMS = ("", "tickertui/", "tickertui/services/", "tickertui/tui/", "docs/")
"""What a path in a document may leave out."""
_WRITTEN_BY_THE_USER = {"config.toml", "secrets.toml", "presets.toml"}


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


def test_there_are_documents_to_look_at() -> None:
    assert {"README.md", "docs/keys.md", "docs/commands.md"} <= set(DOCUMENTS)
    assert len(quoted("README.md")) > 20
