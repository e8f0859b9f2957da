"""The column editor: order, names, and the file that keeps choices for the next start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from textual.widgets import Input

from tests.support.waiting import wait_until
from tests.tui.driving import STILL, Driven, driven
from tickertui.settings.presets import read_presets, write_presets
from tickertui.tui.panels.base import ConfirmScreen
from tickertui.tui.panels.column_editor import ColumnsScreen
from tickertui.tui.view.options import ScreenOptions


def kept_in(path: Path) -> ScreenOptions:
    """Options of a start after what the file holds."""
    return replace(STILL, saved_presets=read_presets(path).presets, presets_file=path)


async def edit(run: Driven) -> ColumnsScreen:
    await run.press("C")
    await run.until(ColumnsScreen)
    screen = run.screen
    assert isinstance(screen, ColumnsScreen)
    return screen


def error_of(run: Driven) -> str:
    return str(run.screen.query_one(".panel-error").render())


async def refused(run: Driven, why: str) -> None:
    await wait_until(lambda: why in error_of(run), f"the sentence {why!r}")


async def test_a_choice_is_saved_under_a_name_and_there_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "presets.toml"
    async with driven(options=kept_in(path)) as run:
        await edit(run)
        await run.press("down", "space", "s")
        assert run.screen.query_one(Input).has_focus
        await run.write("scalp")
        await run.press("enter")
        await run.back_to_main()
        assert run.grid.preset.name == "scalp"
        assert "oi" not in run.grid.preset.columns
        chosen = run.grid.preset.columns
    async with driven(options=kept_in(path)) as run:
        await run.press("c", "c", "c", "c")
        assert run.grid.preset.name == "scalp"
        assert run.grid.preset.columns == chosen
        await run.press("c")
        assert run.grid.preset.name == "oi"
        await run.press("colon")
        await run.write("columns scalp")
        await run.press("enter")
        await run.back_to_main()
        await wait_until(lambda: run.grid.preset.name == "scalp", "the preset that was typed")


async def test_a_saved_choice_is_changed_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "presets.toml"
    write_presets(path, {"a": ("oi", "iv"), "b": ("volume",)})
    async with driven(options=replace(kept_in(path), preset="a")) as run:
        screen = await edit(run)
        assert str(screen.query_one("#panel").border_title).endswith("· a")
        await run.press("right")
        assert str(screen.query_one("#panel").border_title).endswith("· a, changed")
        await run.press("s")
        assert screen.query_one(Input).value == "a"
        await run.press("enter")
        await run.back_to_main()
    assert read_presets(path).presets == {"a": ("iv", "oi"), "b": ("volume",)}


async def test_a_name_that_is_taken_is_refused_and_escape_goes_back_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "presets.toml"
    options = replace(kept_in(path), presets={"mine": ("oi",)})
    async with driven(options=options) as run:
        screen = await edit(run)
        for name, why in (("full", "built in"), ("mine", "in config.toml"), ("2", "a name is a letter")):
            await run.press("s")
            screen.query_one(Input).value = name
            await run.press("enter")
            await refused(run, why)
            await run.press("escape")
            assert run.screen is screen
        await run.press("escape")
        await run.back_to_main()
        assert not path.exists()


async def test_a_saved_preset_is_deleted_after_a_question(tmp_path: Path) -> None:
    path = tmp_path / "presets.toml"
    write_presets(path, {"a": ("oi", "iv"), "b": ("volume",)})
    async with driven(options=kept_in(path)) as run:
        screen = await edit(run)
        await run.press("D")
        await refused(run, "'oi' is not a saved preset")
        await run.press("c", "c", "c", "c")
        assert str(screen.query_one("#panel").border_title).endswith("· a")
        await run.press("D")
        await run.until(ConfirmScreen)
        await run.press("enter")
        await wait_until(lambda: list(read_presets(path).presets) == ["b"], "the file without it")
        await run.press("escape")
        await run.back_to_main()
        await run.press("c", "c", "c", "c")
        assert run.grid.preset.name == "b"


async def test_what_another_terminal_saved_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "presets.toml"
    async with driven(options=kept_in(path)) as run:
        write_presets(path, {"theirs": ("iv",)})
        await edit(run)
        await run.press("s", "a", "b", "enter")
        await run.back_to_main()
    assert list(read_presets(path).presets) == ["theirs", "ab"]


async def test_a_file_with_a_mistake_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "presets.toml"
    path.write_text("[presets]\nbad = 3\n", encoding="utf-8")
    async with driven(options=kept_in(path)) as run:
        await edit(run)
        await run.press("s", "a", "b", "enter")
        await refused(run, "presets.bad")
    assert path.read_text(encoding="utf-8") == "[presets]\nbad = 3\n"


async def test_without_a_file_a_name_lasts_as_long_as_the_terminal() -> None:
    async with driven() as run:
        await edit(run)
        await run.press("space", "s", "a", "b", "enter")
        await run.back_to_main()
        assert run.grid.preset.name == "ab"
        await run.press("c")
        assert run.grid.preset.name == "oi"


async def test_a_choice_without_any_column_changes_nothing() -> None:
    async with driven(options=replace(STILL, presets={"one": ("iv",)}, preset="one")) as run:
        await edit(run)
        await run.press("space", "enter")
        await run.back_to_main()
        assert run.grid.preset.name == "one"
