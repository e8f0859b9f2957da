"""The analytics pane: smile and open interest profile of the shown chain, and where its volatility stands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from tickertui.market.chain import Side
from tickertui.market.volatility_standing import (
    FEWEST_DAYS,
    HISTORY_DAYS,
    VolatilityStanding,
    volatility_standing,
)
from tickertui.tui.keys.actions import Context
from tickertui.tui.look import format as fmt
from tickertui.tui.look.glyphs import glyphs_of
from tickertui.tui.terminal.contained import Contained
from tickertui.tui.view.backend import Backend, BackendRefused
from tickertui.tui.view.frames import ChainFrame, Field

if TYPE_CHECKING:
    from tickertui.tui.widgets.strike_plot import StrikePlot

_FEWEST_POINTS = 3
_NEAR = 40
"""Strikes each side of the money that are worth drawing."""
_READ_AGAIN_NS = 600_000_000_000
"""Ten minutes: the kept volatilities change once a day, soon after the close."""


class AnalyticsPane(Contained, Vertical):
    """Two plots over strikes, drawn again when their numbers changed.

    Args:
        backend: The program behind it.
    """

    is_place = True
    CONTEXTS: ClassVar[tuple[Context, ...]] = ()
    BINDINGS: ClassVar[list[BindingType]] = []
    DEFAULT_CSS = """
    AnalyticsPane {
        & .plot-title { height: 1; color: $text-cell; text-style: bold; padding: 0 1; }
    }
    """

    def __init__(self, backend: Backend, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._backend = backend
        self._standing: tuple[str, VolatilityStanding | None] = ("", None)
        self._asked_ns = 0
        self._drawn: tuple[object, int, str] = (None, -1, "")
        self._frame: ChainFrame | None = None
        self._ready = False

    def compose(self) -> ComposeResult:
        """A title for each figure; the plots follow when the pane is opened."""
        yield Static("", id="smile-title", classes="plot-title", markup=False)
        yield Static("", id="standing-title", classes="plot-title", markup=False)
        yield Static("", id="profile-title", classes="plot-title", markup=False)

    def take_focus(self) -> None:
        """The plots take no keys; the pane's are the screen's."""
        self.screen.set_focus(None)
        if not self.query("#smile"):
            from tickertui.tui.widgets.strike_plot import StrikePlot

            self.mount(StrikePlot(id="smile"), after="#standing-title")
            self.mount(StrikePlot(id="profile"), after="#profile-title")
            self.call_after_refresh(self._open)

    def _open(self) -> None:
        self._ready = True
        self.show(self._frame)

    def show(self, frame: ChainFrame | None) -> None:
        """Draw the chain of a frame."""
        self._frame = frame
        if frame is None:
            self._title("smile", "Implied volatility: no chain yet")
            self._title("profile", "Open interest: no chain yet")
            return
        if self._ready:
            self._follow_standing(frame.key.underlying)
        drawn = (frame.key, int(frame.row_versions.max(initial=0)), self.app.theme)
        if drawn == self._drawn or not self._ready:
            return
        self._drawn = drawn
        mock = "~ MOCK · " if frame.is_mock else "REPLAY · " if frame.is_replay else ""
        name = f"{mock}{frame.key.underlying} {frame.key.expiry:%d %b}"
        self._draw_smile(frame, name)
        self._draw_profile(frame, name)

    def _follow_standing(self, underlying: str) -> None:
        """Ask for the kept volatilities where another underlying is shown, and again after a while."""
        now = self._backend.clock.monotonic_ns()
        known = underlying == self._standing[0]
        if known and now - self._asked_ns < _READ_AGAIN_NS:
            return
        self._asked_ns = now
        self._stand(underlying, self._standing[1] if known else None)
        self.run_worker(partial(self._read_standing, underlying), group="standing", exclusive=True)

    async def _read_standing(self, underlying: str) -> None:
        try:
            history = await self._backend.atm_iv_history(underlying, HISTORY_DAYS)
        except BackendRefused:
            # The line shows dashes or what it showed; the health pane says that the database cannot be reached.
            return
        self._stand(underlying, volatility_standing(history))

    def _stand(self, underlying: str, standing: VolatilityStanding | None) -> None:
        self._standing = (underlying, standing)
        self._title("standing", standing_line(underlying, standing))

    def _title(self, figure: str, text: str) -> None:
        self.query_one(f"#{figure}-title", Static).update(glyphs_of(self).text(text))

    def _plot(self, figure: str) -> StrikePlot:
        plot: StrikePlot = self.query_one(f"#{figure}")  # type: ignore[assignment]
        plot.clear()
        return plot

    def _draw_smile(self, frame: ChainFrame, name: str) -> None:
        from tickertui.tui.widgets.strike_plot import HiResMode

        plot = self._plot("smile")
        near = _near(frame)
        strikes = frame.strikes[near]
        # The out-of-the-money leg's volatility is the reliable one of a strike.
        below = strikes < frame.summary.reference.price
        values = np.where(below, frame.values[near, Side.PUT, Field.IV], frame.values[near, Side.CALL, Field.IV])
        known = ~np.isnan(values)
        title = f"{name} · implied volatility by strike, %"
        # Without points the axes would be those of what was shown before.
        plot.display = bool(np.count_nonzero(known) >= _FEWEST_POINTS)
        if not plot.display:
            self._title("smile", f"{title} · none yet")
            return
        self._title("smile", f"{title} · ATM {fmt.volatility(frame.summary.atm_iv)} at {_spot(frame)}")
        variables = self.app.theme_variables
        plot.set_xlimits(float(strikes[0]), float(strikes[-1]))
        for run in runs_of(known):
            # A line over strikes without a volatility would be an invention.
            x, y = strikes[run], 100 * values[run]
            if len(x) > 1:
                plot.plot(x, y, hires_mode=HiResMode.QUADRANT, line_style=variables["gain"])
            else:
                plot.scatter(x, y, hires_mode=HiResMode.QUADRANT, marker_style=variables["gain"])
        self._mark_spot(plot, frame)

    def _draw_profile(self, frame: ChainFrame, name: str) -> None:
        """Calls above the axis, puts below it: told apart by their place, not by a colour."""
        from tickertui.tui.widgets.strike_plot import HiResMode

        plot = self._plot("profile")
        near = _near(frame)
        strikes = frame.strikes[near]
        totals = frame.totals
        part = totals.coverage.oi.text
        sums = f"PCR {fmt.number(totals.pcr)} · pain {fmt.strike(totals.max_pain)}{f' · {part} legs' if part else ''}"
        self._title("profile", f"{name} · open interest, lakh: calls above, puts below · {sums}")
        variables = self.app.theme_variables
        interest: NDArray[np.float64] = frame.values[near, :, Field.OI] / fmt.LAKH
        drawn = np.count_nonzero(~np.isnan(interest), axis=0) >= _FEWEST_POINTS
        plot.display = bool(drawn.any())
        if not plot.display:
            return
        plot.set_xlimits(float(strikes[0]), float(strikes[-1]))
        for side, sign, colour in ((Side.CALL, 1, "loss"), (Side.PUT, -1, "gain")):
            oi = interest[:, side]
            known = ~np.isnan(oi)
            if drawn[side]:
                plot.bar(strikes[known], sign * oi[known], bar_style=variables[colour], hires_mode=HiResMode.QUADRANT)
        self._mark_spot(plot, frame)

    def _mark_spot(self, plot: StrikePlot, frame: ChainFrame) -> None:
        if not np.isnan(frame.summary.reference.price):
            plot.add_v_line(frame.summary.reference.price, line_style=self.app.theme_variables["stale"])


def standing_line(underlying: str, standing: VolatilityStanding | None) -> str:
    """Return rank and percentile of the last kept close with what they rest on; dashes where they are not known."""
    rank, percentile = (fmt.MISSING, fmt.MISSING)
    rest = ""
    if standing is not None and standing.day is not None and standing.days >= FEWEST_DAYS:
        rank, percentile = fmt.number(standing.rank, 0), fmt.number(standing.percentile, 0)
        close = f"close of {standing.day:%d %b} {fmt.volatility(standing.volatility)}"
        rest = f" · {close} · {standing.days} days"
    elif standing is not None:
        rest = f" · {standing.days} days kept, {FEWEST_DAYS} needed"
    return f"{underlying} · IV rank {rank} · percentile {percentile}{rest}"


def runs_of(known: NDArray[np.bool_]) -> list[slice]:
    """Return the stretches of a mask that are true without a break."""
    edges = np.flatnonzero(np.diff(known.astype(np.int8), prepend=0, append=0))
    return [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _near(frame: ChainFrame) -> slice:
    centre = frame.atm_row if frame.atm_row >= 0 else len(frame.strikes) // 2
    return slice(max(0, centre - _NEAR), centre + _NEAR + 1)


def _spot(frame: ChainFrame) -> str:
    mark = "~" if frame.is_mock else ""
    return mark + fmt.price(frame.summary.reference.price, frame.contracts.decimals)
