"""The command palette (Ctrl+P) below the first row: what it shows comes from the registry of actions."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.command import CommandPalette
from textual.containers import Container

from tickertui.tui.look.glyphs import glyphs_of
from tickertui.tui.panels.closes_once import ClosesOnce
from tickertui.tui.terminal.responsive_screen import ExactLines
from tickertui.tui.widgets.banner import Banner, BannerView


class Palette(ClosesOnce, ExactLines, CommandPalette):
    """Textual's palette with the banner above: no key may hide what it says; the prices behind stay readable."""

    DEFAULT_CSS: ClassVar[str] = """
    Palette {
        background: transparent;
        & > #first-row { dock: top; height: 1; display: none; }
        & > Vertical { margin-top: 2; }
    }
    """

    def compose(self) -> ComposeResult:
        """The banner, then the palette."""
        with Container(id="first-row"):
            yield Banner(glyphs=glyphs_of(self))
        yield from super().compose()

    def on_mount(self) -> None:
        """Show the main screen's banner."""
        banners = self.app.screen_stack[0].query(Banner)
        if banners:
            self.show_banner(banners.first(Banner).shown)

    def show_banner(self, view: BannerView | None) -> None:
        """Show what the main screen's first row says."""
        if not self.query(Banner):
            return  # a frame came while the palette opens; `on_mount` will look itself
        self.query_one(Banner).show(view)
        self.query_one("#first-row").display = view is not None
