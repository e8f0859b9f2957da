"""The column editor's file: what is written is read again, and a mistake in it is told instead of raised."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from tests.support.full_disk import full_disk
from tickertui.commands.common import CommandFailed, load_configuration
from tickertui.commands.run import screen_options
from tickertui.settings.presets import (
    COLUMN_NAMES,
    SavedPresets,
    column_choice,
    preset_name,
    read_presets,
    write_presets,
)
from tickertui.tui.chain_grid.columns import COLUMNS, MARK_COLUMNS, PRESETS


def test_names_are_those_of_the_columns() -> None:
    assert tuple(COLUMNS) == COLUMN_NAMES
    for preset in (*PRESETS.values(), MARK_COLUMNS):
        assert (*column_choice(preset.columns), "ltp") == preset.columns


def test_every_header_that_is_no_name_is_known() -> None:
    for column in COLUMNS.values():
        if column.title and column.title not in ("OI",):
            assert column_choice([column.title]) == (column.name,)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "not yet there" / "presets.toml"
    assert read_presets(path) == SavedPresets()
    kept = {"mine": ("oi", "iv"), "b-2": ("volume",)}
    write_presets(path, kept)
    assert read_presets(path) == SavedPresets(kept)
    assert list(read_presets(path).presets) == ["mine", "b-2"]
    write_presets(path, {})
    assert read_presets(path) == SavedPresets()
    assert [file.name for file in path.parent.iterdir()] == ["presets.toml"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "presets.toml"
    write_presets(path, {"mine": ("oi",)})
    with full_disk(), pytest.raises(OSError, match="too large"):
        write_presets(path, {"other": ("iv",)})
    assert read_presets(path).presets == {"mine": ("oi",)}
    assert [file.name for file in tmp_path.iterdir()] == ["presets.toml"]


@pytest.mark.parametrize(
    ("text", "kept", "problem"),
    [
        ("[presets", {}, ": is not valid TOML: "),
        ("\xff", {}, ": is not valid TOML: it is not UTF-8 text"),
        ("presets = 3", {}, ": presets: must be a table"),
        ("[prests]\na = 1", {}, ": prests: is not expected here; presets stand in [presets]"),
        ("[presets]\nfull = ['oi']\nmine = ['iv']", {"mine": ("iv",)}, ": presets.full: 'full' is built in"),
        ("[presets]\na = ['io']\nb = ['iv']", {"b": ("iv",)}, ": presets.a: 'io' is no column; did you mean 'oi'?"),
        ("[presets]\na = 'oi'", {}, ": presets.a: must be a list of columns"),
        ("[presets]\na = [1]", {}, ": presets.a: must be a list of columns"),
    ],
)
def test_a_mistake_is_told_with_file_and_key(tmp_path: Path, text: str, kept: dict[str, object], problem: str) -> None:
    path = tmp_path / "presets.toml"
    path.write_bytes(text.encode("latin-1"))
    saved = read_presets(path)
    assert saved.presets == kept
    (sentence,) = saved.problems
    assert sentence.startswith(f"{path}{problem}")


@pytest.mark.parametrize("name", ["oi", "mark", "own", "", "2x", "a b", "a" * 17])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"built in|a name is a letter"):
        preset_name(name)


# ---------------------------------------------------------------------- the start of the program


def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, config: str = "", presets: str = "") -> Namespace:
    """Prepare a home and return the arguments of a start in it."""
    monkeypatch.setenv("TICKERTUI_HOME", str(tmp_path))
    home = tmp_path / "config"
    home.mkdir()
    for name, text in (("config.toml", config), ("presets.toml", presets)):
        if text:
            (home / name).write_text(text, encoding="utf-8")
    return Namespace(config=None)


def test_the_screen_gets_both_kinds_of_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = '[screen]\ncolumns = "saved"\n[screen.presets]\nmine = ["iv"]\n'
    arguments = start(tmp_path, monkeypatch, config=config, presets='[presets]\nsaved = ["oi"]\n')
    options = screen_options(load_configuration(arguments), {})
    assert options.preset == "saved"
    assert options.presets == {"mine": ("iv",)}
    assert options.saved_presets == {"saved": ("oi",)}
    assert options.presets_file == tmp_path / "config" / "presets.toml"
    assert options.notices == ()


def test_the_demo_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = load_configuration(start(tmp_path, monkeypatch))
    assert screen_options(configuration, {}, demo=True).presets_file is None


def test_a_start_with_columns_that_are_nowhere_ends_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = start(tmp_path, monkeypatch, config='[screen]\ncolumns = "fulll"\n')
    with pytest.raises(CommandFailed, match=r"config.toml:2: screen.columns: is no preset .* did you mean 'full'"):
        load_configuration(arguments)


def test_a_broken_file_of_the_editor_never_ends_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = start(tmp_path, monkeypatch, config='[screen]\ncolumns = "saved"\n', presets="[presets")
    options = screen_options(load_configuration(arguments), {})
    (notice,) = options.notices
    assert notice.startswith(f"{tmp_path}/config/presets.toml: is not valid TOML")
