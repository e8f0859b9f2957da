"""`ChainView`: header, expiry strip, summary, grid and totals of one chain, fed by one `ChainFrame`.

It lays itself out for its height: the totals line goes first, then the summary, then the strip; the rows stay.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Offset
from textual.widget import Widget
from textual.widgets import Static

from tickertui.tui.chain_grid.columns import PRESETS, Preset
from tickertui.tui.chain_grid.grid import ChainGrid
from tickertui.tui.look.breakpoints import STRIP_HEIGHT, SUMMARY_HEIGHT, TOTALS_HEIGHT, WIDE, WIDEST
from tickertui.tui.look.format import UNICODE, GlyphSet
from tickertui.tui.panes.chain.expiry_strip import ExpiryStrip, StripView
from tickertui.tui.panes.chain.header import Header, header_view, phase_text
from tickertui.tui.panes.chain.summary import ChainSummaryLine, summary_view
from tickertui.tui.panes.chain.totals import Totals, totals_view
from tickertui.tui.view.frames import ChainFrame


class ChainView(Vertical):
    """One chain.

    Args:
        preset: Columns to start with.
        glyphs: Unicode or ASCII.
        instead: A widget that takes the place of rows and totals while it is displayed; hidden at the start.
        beside: A widget at the right of the rows, below the three lines that are as wide as the screen.
        id: As for every widget.
    """

    DEFAULT_CSS: ClassVar[str] = """
    ChainView { height: 1fr; background: $ground; }
    ChainView > #body { height: 1fr; }
    ChainView #rows { height: 1fr; width: 1fr; }
    ChainView #notice { display: none; height: 1fr; content-align: center middle; color: $text-cell; }
    ChainView.-notice #notice { display: block; }
    ChainView.-notice ChainGrid { display: none; }
    ChainView.-notice Totals { display: none; }
    """

    def __init__(
        self,
        *,
        preset: Preset = PRESETS["oi"],
        glyphs: GlyphSet = UNICODE,
        instead: Widget | None = None,
        beside: Widget | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._instead = instead
        self._beside = beside
        self._glyphs = glyphs
        self.header = Header(glyphs=glyphs)
        self.strip = ExpiryStrip(glyphs=glyphs)
        self.summary = ChainSummaryLine(glyphs=glyphs)
        self.grid = ChainGrid(preset=preset, glyphs=glyphs)
        self.totals = Totals(glyphs=glyphs)
        self._notice = ""
        self._loading = ""
        self._around: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header
        yield self.strip
        yield self.summary
        with Horizontal(id="body"):
            with Vertical(id="rows"):
                yield self.grid
                if self._instead is not None:
                    yield self._instead
                yield Static(id="notice", markup=False)
                yield self.totals
            if self._beside is not None:
                yield self._beside

    def show(self, frame: ChainFrame) -> None:
        """Display a frame; every line repaints only when what it says has changed."""
        self.grid.show(frame)
        self.show_around(frame)

    def show_around(self, frame: ChainFrame) -> None:
        """Renew the lines around the rows from a frame (after a key that changed the grid, too)."""
        self.header.show(header_view(frame, frame.tag(self._tagged_rows(frame)), self._loading))
        self.summary.show(summary_view(frame, with_skew=self.size.width >= WIDEST))
        grid = self.grid
        # What the other two lines say changes rarely; putting their texts together ten times a second would not pay.
        around = (
            frame.totals, frame.expiries, frame.key, frame.at.replace(microsecond=0), frame.market, frame.is_mock,
            grid.units, grid.preset, grid.strike_range, grid.auto_centre, self.size,
        )  # fmt: skip
        if around != self._around:
            self._around = around
            self.strip.show(StripView(frame.expiries, frame.key.expiry, self._settings(frame)))
            self.totals.show(totals_view(frame, grid.units))

    def _tagged_rows(self, frame: ChainFrame) -> NDArray[np.intp]:
        """The rows in sight; all of them when a filter or notice leaves none: the tag tells what the feed is worth."""
        rows = self.grid.visible_rows
        return rows if len(rows) and frame.legs else np.arange(len(frame.strikes), dtype=np.intp)

    def say_loading(self, text: str) -> None:
        """Say in the tag's place that another chain is on its way (``SENSEX W03Dec 84/162``), empty for no more."""
        self._loading = text

    def _settings(self, frame: ChainFrame) -> tuple[str, ...]:
        """How the grid is set, for the right end of the strip; the last one is dropped last."""
        grid, width = self.grid, self.size.width
        span = "all" if grid.strike_range is None else f"±{grid.strike_range}"
        if width < WIDE:
            return (span,)
        preset = f"cols {grid.preset.name}"
        centre = f"auto-centre {'ON' if grid.auto_centre else 'off'}"
        # On a shut day the first line has the word already.
        phase = (phase_text(frame.market),) if width < WIDEST and frame.market.closes_in else ()
        return (centre, str(grid.units), preset, span, *phase)

    def show_notice(self, text: str) -> None:
        """Say something in the place of the rows (why there are none, and the way out); empty brings them back."""
        if text == self._notice:
            return
        self._notice = text
        self.query_one("#notice", Static).update(Content(self._glyphs.text(text)))
        self.set_class(bool(text), "-notice")

    def expiry_offsets(self) -> list[tuple[date, Offset]]:
        """Return the expiries on the strip and where on the screen each one is written."""
        region = self.strip.region
        return [(expiry, Offset(region.x + x, region.y)) for expiry, x in self.strip.offsets()]

    def fit(self, width: int, height: int) -> None:
        """Adapt to a screen of this size (the view does so by itself whenever its own size changes)."""
        del width, height
        self._fit_height()

    def on_resize(self) -> None:
        """Give the rows what a low terminal leaves."""
        self._fit_height()

    def _fit_height(self) -> None:
        height = self.size.height
        if height:
            self.totals.display = height >= TOTALS_HEIGHT
            self.summary.display = height >= SUMMARY_HEIGHT
            self.strip.display = height >= STRIP_HEIGHT
