"""Fixtures of the screen's tests, and the gate in front of the pictures.

The text of an SVG depends on the versions of Textual and Rich: pictures are compared with the pinned pair only and
refused to be taken with any other.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def pinned(package: str) -> str:
    """The version that the committed pictures were taken with, from the ``test`` group of pyproject.toml."""
    found = re.search(rf'"{package}==([^"]+)"', PYPROJECT.read_text(encoding="utf-8"))
    assert found is not None, f"pyproject.toml pins no {package}"
    return found[1]


def other_versions() -> list[str]:
    """What is installed differently from the pins, in words."""
    packages = ("textual", "rich")
    return [f"{name} {version(name)} instead of {pinned(name)}" for name in packages if version(name) != pinned(name)]


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--snapshot-update", default=False) and other_versions():
        raise pytest.UsageError(f"pictures are taken with the pinned versions only: {', '.join(other_versions())}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    differing = other_versions()
    if differing:
        skip = pytest.mark.skip(reason=f"pictures need the pinned versions: {', '.join(differing)}")
        for item in items:
            if "snap_compare" in getattr(item, "fixturenames", ()):
                item.add_marker(skip)


class _Collected(logging.Handler):
    """Keeps what a logger says."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sentences.append(self.format(record))


@pytest.fixture(autouse=True)
def nothing_fails_unseen(request: pytest.FixtureRequest) -> Iterator[None]:
    """The application shows an error and goes on: a test must not go on with it unless errors are its matter."""
    if request.node.get_closest_marker("failures_expected"):
        yield
        return
    logger, collected = logging.getLogger("tickertui.tui.terminal.failures"), _Collected()
    logger.addHandler(collected)
    try:
        yield
    finally:
        logger.removeHandler(collected)
    assert not collected.sentences, "\n".join(collected.sentences)
