"""A tiny app around `ChainView`: no timers, no services, one frame at a time, a theme from the shipped ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from textual.app import App, ComposeResult
from textual.message import Message

from tests.support.boards import EXPIRIES, START, Scene, build_scene
from tests.support.strips import expiry_marks
from tickertui.market.hours import Phase
from tickertui.market.ticks import Source
from tickertui.services.loop.status import FeedMode
from tickertui.tui.chain_grid.columns import PRESETS, Preset
from tickertui.tui.chain_grid.grid import ChainGrid
from tickertui.tui.look.format import UNICODE, GlyphSet
from tickertui.tui.look.themes import load_themes, variable_defaults
from tickertui.tui.panes.chain.view import ChainView
from tickertui.tui.view.chain_reader import ChainContext, ChainReader
from tickertui.tui.view.data_states import Link, MarketView, SocketHealth
from tickertui.tui.view.frames import ChainFrame
from tickertui.tui.widgets.banner import Banner, BannerKind, BannerView
from tickertui.tui.widgets.status_bar import StatusBar, StatusField

MARKS = expiry_marks(EXPIRIES, START.date(), {EXPIRIES[0]: "moved from Tue 24", EXPIRIES[-1]: "moved from Tue 26"})
CONVENTION = "B76 F=parity T→15:40"
FIELDS = (
    StatusField("●LIVE"), StatusField("Z1 0.4s"), StatusField("1,312 t/s"), StatusField("queue 0 drop 0"),
    StatusField("tick→screen p99 121 ms", "p99 121"), StatusField("OI 3m07s"), StatusField("boot 93%"),
    StatusField("DB ●"), StatusField("tok→06:00"),
)  # fmt: skip


class ChainHost(App[None]):
    """Shows the frames of one reader.

    Args:
        reader: Where frames come from.
        theme: Name of a shipped theme.
        preset: Columns.
        glyphs: Unicode or ASCII.
    """

    def __init__(
        self,
        reader: ChainReader,
        theme: str = "cvd-dark",
        *,
        preset: Preset = PRESETS["oi"],
        glyphs: GlyphSet = UNICODE,
    ) -> None:
        super().__init__()
        self.reader = reader
        for shipped in load_themes()[0].values():
            self.register_theme(shipped)
        self.theme = theme
        self.animation_level = "none"
        self.banner = Banner(glyphs=glyphs)
        self.chain_view = ChainView(preset=preset, glyphs=glyphs)
        self.status = StatusBar(glyphs=glyphs)
        self.messages: list[Message] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return variable_defaults()

    def compose(self) -> ComposeResult:
        yield self.banner
        yield self.chain_view
        yield self.status

    @property
    def grid(self) -> ChainGrid:
        return self.chain_view.grid

    def on_mount(self) -> None:
        self.grid.focus()
        self.step()
        self.status.show(FIELDS)
        # The lines around the rows count the legs in sight, which are known after the first layout.
        self.call_after_refresh(self.step)

    def step(self) -> ChainFrame:
        """Read one frame and show it."""
        frame = self.reader.read()
        self.banner.show(banner_of(self.reader.context))
        self.chain_view.show(frame)
        return frame

    def on_chain_grid_cell_highlighted(self, message: ChainGrid.CellHighlighted) -> None:
        self.messages.append(message)

    def on_chain_grid_leg_selected(self, message: ChainGrid.LegSelected) -> None:
        self.messages.append(message)

    def lines(self) -> list[str]:
        """The screen as text, line by line."""
        return [strip.text for strip in self.screen._compositor.render_strips()]


_BANNERS: Final = {
    FeedMode.MOCK: BannerView(BannerKind.MOCK, "MOCK DATA · seeded from close Mon 23 Nov 15:40 · NOT EXCHANGE PRICES"),
    FeedMode.REPLAY: BannerView(
        BannerKind.REPLAY, "REPLAY  Mon 23 Nov 2026 11:42:07 IST  x10  |=====------| 92%  not live"
    ),
}


def banner_of(context: ChainContext) -> BannerView | None:
    """What the first row says, as the main screen would find it from the same facts."""
    if context.socket_health.codes.any():
        return BannerView(BannerKind.SILENT, "Z1/s2 SILENT 14s · R rebuilds it now")
    return _BANNERS.get(context.feed)


def _live() -> ChainReader:
    scene = build_scene()
    # One open interest changes at 11:39, three minutes before the frame.
    scene.board.oi_changed_ns[scene.chain.rows[30, 0]] = scene.clock.time_ns() - 187_000_000_000
    return ChainReader(scene.chain, scene.clock, ChainContext(market=OPEN_MARKET, convention=CONVENTION), MARKS)


OPEN_MARKET = MarketView(closes_in=14_273.0)
HOLIDAY = MarketView(Phase.CLOSED, "HOLIDAY Prakash Gurpurb", "next open Wed 25 Nov 09:15", None, "Mon 23 Nov")
WEEKEND = MarketView(Phase.CLOSED, "WEEKEND", "next open Mon 23 Nov 09:15", None, "Fri 20 Nov")
AUCTION = MarketView(
    Phase.CAS, "F&O OPEN", "index in its closing auction; options trade to 15:40", 1_070.0, "Fri 20 Nov"
)


def _stale() -> ChainReader:
    scene = build_scene(connections=2)
    _tick_puts_only(scene, 14.0)
    codes = [Link.HEALTHY, Link.SILENT, Link.HEALTHY]
    return ChainReader(
        scene.chain,
        scene.clock,
        ChainContext(
            market=OPEN_MARKET,
            convention=CONVENTION,
            socket_health=SocketHealth(np.array(codes, dtype=np.int8)),
        ),
        MARKS,
    )


def _tick_puts_only(scene: Scene, seconds: float) -> None:
    """Let time pass in which only the first socket (puts, spot, future) sends."""
    scene.clock.advance(seconds - 0.5)
    scene.apply(scene.words(np.arange(len(scene.chain)))[1::2], 0)
    scene.tick_underlying()
    scene.clock.advance(0.5)


def _mock() -> ChainReader:
    scene = build_scene(source=Source.MOCK)
    return ChainReader(
        scene.chain,
        scene.clock,
        ChainContext(feed=FeedMode.MOCK, market=HOLIDAY, convention=CONVENTION),
        MARKS,
    )


def _replay() -> ChainReader:
    scene = build_scene(source=Source.REPLAY)
    return ChainReader(
        scene.chain,
        scene.clock,
        ChainContext(feed=FeedMode.REPLAY, market=OPEN_MARKET, convention=CONVENTION),
        MARKS,
    )


def _closed() -> ChainReader:
    scene = build_scene()
    return ChainReader(
        scene.chain,
        scene.clock,
        ChainContext(feed=FeedMode.CLOSED, market=WEEKEND, convention=CONVENTION),
        MARKS,
    )


def _auction() -> ChainReader:
    scene = build_scene()
    scene.clock.advance(60.0)
    scene.apply(scene.words(np.arange(len(scene.chain))))
    scene.clock.advance(0.5)
    return ChainReader(scene.chain, scene.clock, ChainContext(market=AUCTION, convention=CONVENTION), MARKS)


READERS: dict[str, Callable[[], ChainReader]] = {
    "live": _live,
    "stale": _stale,
    "mock": _mock,
    "replay": _replay,
    "closed": _closed,
    "cas": _auction,
}
"""A reader for each state of a chain that looks different as a whole."""
