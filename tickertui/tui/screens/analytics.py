"""The analytics pane: the smile and the open interest profile of the shown chain."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static
from textual_plot import HiResMode, PlotWidget

from tickertui.market.chain import Side
from tickertui.tui import format as fmt
from tickertui.tui.actions import Context
from tickertui.tui.frames import ChainFrame, Field

_FEWEST_POINTS = 3


class AnalyticsPane(Vertical):
    """Two plots over strikes, drawn again when their numbers changed."""

    CONTEXTS: ClassVar[tuple[Context, ...]] = ()
    BINDINGS: ClassVar[list[BindingType]] = []
    DEFAULT_CSS = """
    AnalyticsPane {
        & .plot-title { height: 1; color: $text-cell; text-style: bold; padding: 0 1; }
        & PlotWidget { height: 1fr; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._drawn: tuple[object, int] = (None, -1)

    def compose(self) -> ComposeResult:
        """A titled plot for each figure."""
        yield Static("", id="smile-title", classes="plot-title", markup=False)
        yield PlotWidget(id="smile", allow_pan_and_zoom=False)
        yield Static("", id="profile-title", classes="plot-title", markup=False)
        yield PlotWidget(id="profile", allow_pan_and_zoom=False)

    def take_focus(self) -> None:
        """The plots take no keys; the pane's are the screen's."""
        self.screen.set_focus(None)

    def show(self, frame: ChainFrame | None) -> None:
        """Draw the chain of a frame."""
        if frame is None:
            self.query_one("#smile-title", Static).update(" Implied volatility: no chain yet")
            self.query_one("#profile-title", Static).update(" Open interest: no chain yet")
            return
        drawn = (frame.key, int(frame.row_versions.max(initial=0)))
        if drawn == self._drawn:
            return
        self._drawn = drawn
        mock = "~ MOCK  " if frame.is_mock else "REPLAY  " if frame.is_replay else ""
        name = f"{frame.key.underlying} {frame.key.expiry:%d %b}"
        self._draw_smile(frame, f" {mock}Implied volatility by strike · {name}")
        self._draw_profile(frame, f" {mock}Open interest by strike · {name}")

    def _near(self, frame: ChainFrame) -> slice:
        """Strikes worth drawing: up to forty each side of the money."""
        centre = frame.atm_row if frame.atm_row >= 0 else len(frame.strikes) // 2
        return slice(max(0, centre - 40), centre + 41)

    def _draw_smile(self, frame: ChainFrame, title: str) -> None:
        plot = self.query_one("#smile", PlotWidget)
        plot.clear()
        near = self._near(frame)
        strikes = frame.strikes[near]
        # The out-of-the-money leg's volatility is the reliable one of a strike.
        below = strikes < frame.summary.reference.price
        values = np.where(below, frame.values[near, Side.PUT, Field.IV], frame.values[near, Side.CALL, Field.IV])
        known = ~np.isnan(values)
        summary = f"   ATM {fmt.volatility(frame.summary.atm_iv)}%"
        self.query_one("#smile-title", Static).update(title + summary)
        if np.count_nonzero(known) < _FEWEST_POINTS:
            self.query_one("#smile-title", Static).update(f"{title}   no volatility yet")
            return
        variables = self.app.theme_variables
        plot.plot(strikes[known], 100 * values[known], hires_mode=HiResMode.BRAILLE, line_style=variables["gain"])
        if not np.isnan(frame.summary.reference.price):
            plot.add_v_line(frame.summary.reference.price, line_style=variables["stale"])

    def _draw_profile(self, frame: ChainFrame, title: str) -> None:
        plot = self.query_one("#profile", PlotWidget)
        plot.clear()
        near = self._near(frame)
        strikes = frame.strikes[near]
        variables = self.app.theme_variables
        totals = frame.totals
        pain = f"   PCR {fmt.number(totals.pcr)}   pain {fmt.strike(totals.max_pain)}   ▏call ▏put"
        self.query_one("#profile-title", Static).update(title + pain)
        for side, style in ((Side.CALL, variables["loss"]), (Side.PUT, variables["gain"])):
            oi = frame.values[near, side, Field.OI]
            known = ~np.isnan(oi)
            if np.count_nonzero(known) >= _FEWEST_POINTS:
                plot.plot(strikes[known], oi[known] / fmt.LAKH, hires_mode=HiResMode.BRAILLE, line_style=style)
