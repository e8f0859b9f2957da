"""What the README shows is true: the table of keys is the registry's, the pictures are there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from scripts.readme_keys import BEGIN, END, MarkersMissingError, with_table
from scripts.screenshots import SHOTS, take
from tests.support.paths import REPOSITORY
from tickertui.tui.keys.actions import ACTIONS


def test_the_table_of_keys_is_current() -> None:
    check = [sys.executable, str(REPOSITORY / "scripts" / "readme_keys.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_table_lists_every_action_between_the_markers_and_leaves_the_rest_alone() -> None:
    text = with_table(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert all(f"| `{action.id}` |" in text for action in ACTIONS)
    assert with_table(text) == text


@pytest.mark.parametrize("text", ["", BEGIN, f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}"])
def test_a_readme_without_a_place_for_the_table_is_refused(text: str) -> None:
    with pytest.raises(MarkersMissingError, match="once each"):
        with_table(text)


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
