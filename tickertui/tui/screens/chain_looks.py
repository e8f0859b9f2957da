"""`ChainLooks`: the keys that change how the chain's rows look and which of them are shown; nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.message import Message

from tickertui.tui.actions import key_name
from tickertui.tui.columns import PRESETS, Preset
from tickertui.tui.contained import Contained
from tickertui.tui.options import ScreenOptions
from tickertui.tui.preset_book import PresetBook
from tickertui.tui.row_filters import FILTERS
from tickertui.tui.screens.modals import Choice, PickerScreen
from tickertui.tui.widgets.chain_grid import ChainGrid
from tickertui.tui.widgets.chain_view import ChainView

if TYPE_CHECKING:
    from tickertui.tui.screens.columns import ColumnChoice


class ChainLooks(Contained, Vertical):
    """What the chain pane is built on.

    Args:
        options: How the trader wants it.
        id: As for every widget.
    """

    @dataclass
    class Said(Message):
        """A key has changed the look in a way that the rows alone do not tell.

        Attributes:
            text: A few words for the status bar.
        """

        text: str

    def _say(self, text: str) -> None:
        self.post_message(self.Said(text))

    def __init__(self, options: ScreenOptions, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.presets = PresetBook(options)
        self._first_preset = options.preset
        self._keys = options.keymap
        self._filtered = False

    @property
    def first_preset(self) -> Preset:
        """The columns to start with."""
        return self.presets.get(self._first_preset) or PRESETS["oi"]

    @property
    def grid(self) -> ChainGrid:
        """The rows."""
        return self.query_one(ChainView).grid

    def _ask(self, picker: PickerScreen, take: Callable[[str], None]) -> None:
        self.app.push_screen(picker, lambda chosen: take(chosen) if chosen else None)

    def widen(self) -> bool:
        """Take filter and sort away; tell whether there was any."""
        narrowed = self._filtered or self.grid.sort is not None
        if narrowed:
            self._filtered = False
            self.grid.set_filter(None)
            self.grid.set_sort(None)
        return narrowed

    def action_to_atm(self) -> None:
        """Go to the money."""
        self.grid.to_atm()

    def action_auto_centre(self) -> None:
        """Follow the money, or not."""
        self.grid.set_auto_centre(not self.grid.auto_centre)
        self._say(f"auto-centre {'on' if self.grid.auto_centre else 'off'}")

    def action_strike_range(self, steps: int) -> None:
        """Show more or fewer strikes."""
        self.grid.widen_range(steps)

    def action_next_columns(self) -> None:
        """Switch the column preset."""
        names = self.presets.names(marked=self.has_mark)
        place = names.index(self.grid.preset.name) if self.grid.preset.name in names else -1
        self.show_preset(names[(place + 1) % len(names)])

    def show_preset(self, name: str) -> bool:
        """Show a column preset; tell whether there is one of that name."""
        preset = self.presets.get(name)
        if preset is not None:
            self.grid.set_preset(preset)
            self._say(f"columns: {name}")
        return preset is not None

    @property
    def has_mark(self) -> bool:
        """Whether changes since a mark can be shown."""
        return False

    def action_edit_columns(self) -> None:
        """Choose the columns of an own preset, and keep it under a name."""
        from tickertui.tui.screens.columns import ColumnsScreen  # 1 ms of the start

        def take(choice: ColumnChoice | None) -> None:
            if choice is None:
                return
            if not choice.name:
                self.grid.set_preset(self.presets.take_unsaved(choice.columns))
            self.show_preset(choice.name or self.grid.preset.name)

        self.app.push_screen(ColumnsScreen(self.grid.preset, self.presets), take)

    def action_next_bar(self) -> None:
        """Switch what the bars mean."""
        self.grid.set_bars(self.grid.bars.next)
        self._say(f"bars: {self.grid.bars.label}")

    def action_next_units(self) -> None:
        """Switch units."""
        self.grid.set_units(self.grid.units.next)
        self._say(f"units: {self.grid.units}")

    def action_next_sort(self) -> None:
        """Sort by the column under the cursor, the other way round, then by strike again."""
        sort = self.grid.sort_by_cursor()
        if sort is None:
            self._say("sorted by strike")
        else:
            way = "largest first" if sort.descending else "smallest first"
            self._say(f"sorted by {sort.what}, {way}")

    def action_filter(self) -> None:
        """Choose which strikes are shown."""
        choices = [Choice(name, name, note) for name, (note, _) in FILTERS.items()]
        self._ask(PickerScreen("Show", choices), self._filter)

    def _filter(self, name: str) -> None:
        note, keep = FILTERS[name]
        self._filtered = keep is not None
        self.grid.empty_text = f" No strike passes the filter ({note}).  {key_name('back', self._keys)}  show all"
        self.grid.set_filter(keep)
        self._say(f"strikes: {FILTERS[name][0]}")

    def action_pin(self) -> None:
        """Keep this strike in sight."""
        self.grid.toggle_pin()
