"""`PresetBook`: every choice of columns by its name, and the column editor's file behind the saved ones.

The chain pane goes through it with one key; the column editor saves into it and deletes from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import anyio.to_thread

from tickertui.settings.presets import BUILT_IN, UNSAVED, preset_name, read_presets, write_presets
from tickertui.tui.chain_grid.columns import MARK_COLUMNS, PRESETS, Preset, user_preset
from tickertui.tui.view.options import ScreenOptions

_Change = Callable[[Mapping[str, tuple[str, ...]]], Mapping[str, tuple[str, ...]]]


class PresetRefused(Exception):  # noqa: N818 - an answer, not a defect
    """The name or the file will not do; the text is one sentence for the trader."""


class PresetBook:
    """The presets of one terminal.

    Args:
        options: Presets of the configuration and of the column editor, and where the latter are kept.
    """

    def __init__(self, options: ScreenOptions) -> None:
        self._configured: Mapping[str, tuple[str, ...]] = options.presets
        self._saved = {name: columns for name, columns in options.saved_presets.items() if name not in options.presets}
        self._unsaved: Preset | None = None
        self._file = options.presets_file

    def names(self, *, marked: bool = False) -> list[str]:
        """Return the names in the order of the key: built in, configured, saved, the unsaved one.

        Args:
            marked: Whether there is a mark, whose changes have columns of their own.
        """
        mark = [MARK_COLUMNS.name] if marked else []
        unsaved = [UNSAVED] if self._unsaved is not None else []
        return [*BUILT_IN, *mark, *self._configured, *self._saved, *unsaved]

    def get(self, name: str) -> Preset | None:
        """Return a preset, None for a name that is not there."""
        if name == MARK_COLUMNS.name:
            return MARK_COLUMNS
        if name == UNSAVED:
            return self._unsaved
        columns = self._configured.get(name) or self._saved.get(name)
        return PRESETS.get(name) or (user_preset(name, columns) if columns else None)

    def is_saved(self, name: str) -> bool:
        """Whether the column editor keeps it."""
        return name in self._saved

    def take_unsaved(self, columns: tuple[str, ...]) -> Preset:
        """Keep a choice without a name, for this session."""
        self._unsaved = user_preset(UNSAVED, columns)
        return self._unsaved

    async def save(self, name: str, columns: tuple[str, ...]) -> Preset:
        """Keep a choice under a name, for the next start too where there is a file.

        Raises:
            PresetRefused: When the name is taken or is none, or the file cannot be written.
        """
        try:
            preset = user_preset(preset_name(name), columns)
        except ValueError as error:
            raise PresetRefused(str(error)) from None
        if name in self._configured:
            raise PresetRefused(f"{name!r} is in config.toml, which is yours to edit; choose another name")
        await self._write(lambda kept: {**kept, name: columns})
        self._saved[name] = columns
        self._unsaved = None
        return preset

    async def delete(self, name: str) -> None:
        """Forget a saved choice.

        Raises:
            PresetRefused: When the column editor does not keep it, or the file cannot be written.
        """
        if name not in self._saved:
            where = "in config.toml, which is yours to edit" if name in self._configured else "not a saved preset"
            raise PresetRefused(f"{name!r} is {where}")
        await self._write(lambda kept: {key: columns for key, columns in kept.items() if key != name})
        del self._saved[name]

    async def _write(self, change: _Change) -> None:
        if self._file is None:
            return
        try:
            await anyio.to_thread.run_sync(partial(_rewrite, self._file, change))
        except OSError as error:
            raise PresetRefused(f"{self._file}: cannot be written: {error.strerror}") from error


def _rewrite(path: Path, change: _Change) -> None:
    """Change the file as it is now: another terminal may have saved since this one started."""
    now = read_presets(path)
    if now.problems:
        raise PresetRefused(f"{now.problems[0]}; mend or remove it first, nothing was saved")
    write_presets(path, change(now.presets))
