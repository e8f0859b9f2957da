"""What the screen gets of the configuration: own keys, and mistakes in them with file and line."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from tickertui.commands.common import CommandFailed, load_configuration
from tickertui.commands.run import screen_options
from tickertui.process.exit_codes import ExitCode


def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: str) -> tuple[Namespace, Path]:
    """Write a configuration where only the argument names it; return the arguments of a start and its path."""
    monkeypatch.setenv("TICKERTUI_HOME", str(tmp_path / "home"))
    path = tmp_path / "mine.toml"
    path.write_text(config, encoding="utf-8")
    return Namespace(config=str(path)), path


def test_own_keys_are_taken_those_of_panels_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arguments, _ = start(monkeypatch, tmp_path, '[keys]\nwhy = "f5, w"\ntake = "f6"\n')
    assert screen_options(load_configuration(arguments), {}).keymap == {"why": "f5,w", "take": "f6"}


def test_every_mistake_in_the_keys_is_told_with_file_and_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = '[screen]\nunits = "lots"\n\n[keys]\nwhhy = "f5"\ncopy-text = "j"\ndepth = "i"\ntake = "x"\n'
    arguments, path = start(monkeypatch, tmp_path, config)
    with pytest.raises(CommandFailed) as caught:
        screen_options(load_configuration(arguments), {})
    assert caught.value.code is ExitCode.USAGE
    assert str(caught.value).splitlines() == [
        f"{path}:5: keys.whhy: is not an action; did you mean 'why'?",
        f"{path}:8: keys.take: 'x' could not be typed any more in Panels that take something; "
        "take a key without a sign",
        f"{path}:7: keys: 'i' means both 'why' and 'depth'; move one of them",
        f"{path}:6: keys: 'j' means both 'list-down' and 'copy-text'; move one of them",
    ]
