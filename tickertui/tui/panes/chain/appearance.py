"""`ChainAppearance`: what changes how the chain's rows look and which of them are shown; nothing else changes.

The chain pane has one and runs it by the ids of the registry's actions (`ChainAppearance.run`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from tickertui.tui.chain_grid.filters import FILTERS
from tickertui.tui.chain_grid.grid import ChainGrid
from tickertui.tui.chain_grid.presets import PresetBook
from tickertui.tui.keys.actions import key_name
from tickertui.tui.panels.base import Choice, PickerScreen
from tickertui.tui.panes.chain.choices import choose
from tickertui.tui.view.options import ScreenOptions

if TYPE_CHECKING:
    from tickertui.tui.panels.column_editor import ColumnChoice


class ChainAppearance:
    """How the rows look.

    Args:
        grid: The rows.
        presets: Every choice of columns.
        options: How the trader wants it.
        has_mark: Whether changes since a mark can be shown.
        say: Told in a few words what the rows alone do not tell.
    """

    def __init__(
        self,
        grid: ChainGrid,
        presets: PresetBook,
        options: ScreenOptions,
        *,
        has_mark: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        self._grid = grid
        self._presets = presets
        self._keys = options.keymap
        self._has_mark = has_mark
        self._say = say
        self._filtered = False
        self._changes: Mapping[str, Callable[[], None]] = {
            "chain-to-atm": grid.to_atm,
            "auto-centre": self._follow_the_money,
            "wider": lambda: grid.widen_range(1),
            "narrower": lambda: grid.widen_range(-1),
            "next-columns": self._next_columns,
            "edit-columns": self._edit_columns,
            "next-bar": self._next_bar,
            "next-units": self._next_units,
            "sort": self._next_sort,
            "filter": self._choose_filter,
            "pin": grid.toggle_pin,
        }

    @property
    def action_ids(self) -> Collection[str]:
        """Actions that are done here."""
        return self._changes.keys()

    def run(self, action_id: str) -> None:
        """Do what an action of the registry asks for, whose method is `LOOK`."""
        self._changes[action_id]()

    def widen(self) -> bool:
        """Take filter and sort away; tell whether there was any."""
        narrowed = self._filtered or self._grid.sort is not None
        if narrowed:
            self._filtered = False
            self._grid.set_filter(None)
            self._grid.set_sort(None)
        return narrowed

    def _follow_the_money(self) -> None:
        """Follow the money, or not."""
        self._grid.set_auto_centre(not self._grid.auto_centre)
        self._say(f"auto-centre {'on' if self._grid.auto_centre else 'off'}")

    def _next_columns(self) -> None:
        """Switch the column preset."""
        names = self._presets.names(marked=self._has_mark())
        place = names.index(self._grid.preset.name) if self._grid.preset.name in names else -1
        self.show_preset(names[(place + 1) % len(names)])

    def show_preset(self, name: str) -> bool:
        """Show a column preset; tell whether there is one of that name."""
        preset = self._presets.get(name)
        if preset is not None:
            self._grid.set_preset(preset)
            self._say(f"columns: {name}")
        return preset is not None

    def _edit_columns(self) -> None:
        """Choose the columns of an own preset, and keep it under a name."""
        from tickertui.tui.panels.column_editor import ColumnsScreen  # 1 ms of the start

        def take(choice: ColumnChoice | None) -> None:
            if choice is None:
                return
            if not choice.name:
                self._grid.set_preset(self._presets.take_unsaved(choice.columns))
            self.show_preset(choice.name or self._grid.preset.name)

        self._grid.app.push_screen(ColumnsScreen(self._grid.preset, self._presets), take)

    def _next_bar(self) -> None:
        """Switch what the bars mean."""
        self._grid.set_bars(self._grid.bars.next)
        self._say(f"bars: {self._grid.bars.label}")

    def _next_units(self) -> None:
        """Switch units."""
        self._grid.set_units(self._grid.units.next)
        self._say(f"units: {self._grid.units}")

    def _next_sort(self) -> None:
        """Sort by the column under the cursor, the other way round, then by strike again."""
        sort = self._grid.sort_by_cursor()
        if sort is None:
            self._say("sorted by strike")
        else:
            way = "largest first" if sort.descending else "smallest first"
            self._say(f"sorted by {sort.what}, {way}")

    def _choose_filter(self) -> None:
        """Choose which strikes are shown."""
        choices = [Choice(name, name, note) for name, (note, _) in FILTERS.items()]
        choose(self._grid.app, PickerScreen("Show", choices), self.keep)

    def keep(self, name: str) -> None:
        """Show only the rows that pass a filter.

        Args:
            name: In `FILTERS`.
        """
        note, keep = FILTERS[name]
        self._filtered = keep is not None
        self._grid.empty_text = f" No strike passes the filter ({note}).  {key_name('back', self._keys)}  show all"
        self._grid.set_filter(keep)
        self._say(f"strikes: {FILTERS[name][0]}")
