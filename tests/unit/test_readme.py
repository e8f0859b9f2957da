"""What the README shows is true: the tables of keys are the registry's, the pictures are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.readme_keys import BEGIN, END, FIRST_KEYS, TABLES, MarkersMissingError, main, with_table
from scripts.screenshots import SHOTS, take
from tests.support.paths import REPOSITORY
from tickertui.tui.keys.actions import ACTIONS, key_table


def test_the_tables_of_keys_are_current() -> None:
    check = [sys.executable, str(REPOSITORY / "scripts" / "readme_keys.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_table_stands_between_the_markers_and_the_rest_is_left_alone() -> None:
    text = with_table(f"before\n{BEGIN}\nold\n{END}\nafter\n", "| new |")
    assert text == f"before\n{BEGIN}\n\n| new |\n\n{END}\nafter\n"
    assert with_table(text, "| new |") == text


def test_all_keys_are_in_their_own_file_and_the_first_dozen_in_the_readme() -> None:
    listed = {path: re.findall(r"\| `([\w-]+)` \|$", (REPOSITORY / path).read_text("utf-8"), re.M) for path in TABLES}
    assert listed[Path("docs/keys.md")] == [action.id for action in ACTIONS]
    assert listed[Path("README.md")] == list(FIRST_KEYS)
    assert 10 <= len(FIRST_KEYS) <= 14
    assert "(docs/keys.md)" in (REPOSITORY / "README.md").read_text("utf-8")


@pytest.mark.parametrize("text", ["", BEGIN, f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}"])
def test_a_file_without_a_place_for_the_table_is_refused(text: str) -> None:
    with pytest.raises(MarkersMissingError, match="once each"):
        with_table(text, key_table())


def test_each_file_that_is_not_current_is_named_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in TABLES:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(f"{BEGIN}\n{END}\n", "utf-8")
    assert main(["--check"], tmp_path) == 1
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == [str(path) for path in TABLES]
    assert main(["--write"], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0


def test_every_picture_of_the_readme_is_there_and_is_taken_by_the_script() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^]]+\]\(docs/([\w-]+)\.svg\)", readme)
    assert pictures
    for name in pictures:
        assert name in SHOTS
        assert (REPOSITORY / "docs" / f"{name}.svg").is_file(), name


async def test_a_picture_comes_from_the_application() -> None:
    picture = await take(SHOTS["mock"])
    assert "MOCK&#160;DATA" in picture
    assert "~183.15" in picture
