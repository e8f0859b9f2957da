"""Nothing that opens an account is committed: neither files that hold secrets nor values that look like them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

_FILES = re.compile(r"(^|/)(\.env(\..*)?|secrets\.toml|.*\.log|.*\.db|tokens/.*)$")
_VALUES = re.compile(
    r"""(api_secret|access_token|request_token|enctoken|password)["']?\s*[:=]\s*["'][A-Za-z0-9+/_-]{24,}["']"""
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


def tracked() -> list[str]:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("this is not a checkout: there is no list of committed files")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="ignore") if path.is_file() else ""


def test_no_committed_file_is_one_that_holds_secrets() -> None:
    assert [name for name in tracked() if _FILES.search(name)] == []


def test_no_committed_text_holds_a_value_that_looks_like_a_secret() -> None:
    assert [name for name in tracked() if _VALUES.search(text_of(REPOSITORY / name))] == []


@pytest.mark.parametrize("name", [".env", ".env.local", "secrets.toml", "tokens/Z1.json", "tickertui.log", "desk.db"])
def test_such_files_are_ignored(name: str) -> None:
    tracked()
    done = subprocess.run(["git", "check-ignore", "-q", name], cwd=REPOSITORY, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    "line",
    [f'api_secret = "{"a1B2" * 8}"', f'"access_token": "{"a1B2" * 8}"'],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert _VALUES.search(line)
