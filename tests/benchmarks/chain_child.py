"""The program under test of `bench_chain_grid`: a live chain on a terminal, in our grid or in Textual's `DataTable`.

It is started in a pty of 200x50, paints the chain at a steady rate from a real board, measures itself after a warm-up
and writes its figures to a file. Key ``j`` moves the cursor and counts in the status bar, so that the other end of the
pty can time a key to the first byte that it causes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

os.environ.setdefault("TEXTUAL_FPS", "120")

import numpy as np
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable

from tests.support.boards import EXPIRIES, START, build_scene
from tests.support.strips import expiry_marks
from tickertui.market.ticks import WORDS, Source, TickBatch
from tickertui.tui.chain_grid.columns import PRESETS, fit
from tickertui.tui.chain_grid.row_painter import RowPainter
from tickertui.tui.look.format import UNICODE, Units
from tickertui.tui.look.styles import build_palette
from tickertui.tui.look.themes import load_themes, variable_defaults
from tickertui.tui.panes.chain.view import ChainView
from tickertui.tui.terminal.responsive_screen import ResponsiveScreen, hurry_for
from tickertui.tui.view.chain_reader import ChainContext, ChainReader
from tickertui.tui.view.data_states import MarketView
from tickertui.tui.view.frames import BarMeaning, ChainFrame
from tickertui.tui.widgets.status_bar import StatusBar, StatusField

WIDTH, STRIKES = 156, 61
WARMUP_S = 1.5
MARKER = "K={:06d}"


@dataclass
class Figures:
    """Milliseconds of CPU, and characters written, per painted frame."""

    handler: list[float] = field(default_factory=list)
    paint: list[float] = field(default_factory=list)
    characters: list[int] = field(default_factory=list)
    writes: int = 0
    on: bool = False

    def summary(self) -> dict[str, float]:
        def middle(values: Sequence[float]) -> float:
            return statistics.median(values) if values else float("nan")

        return {
            "handler_ms": 1e3 * middle(self.handler),
            "paint_ms": 1e3 * middle(self.paint),
            "characters": middle(self.characters),
            "frames": len(self.paint),
        }


FIGURES = Figures()


class Measured(ResponsiveScreen, Screen[None]):
    """The screen whose paints are timed."""

    def _on_timer_update(self) -> None:
        before, start = FIGURES.writes, time.thread_time()
        super()._on_timer_update()
        if FIGURES.on and FIGURES.writes != before:
            FIGURES.paint.append(time.thread_time() - start)


class Child(App[None]):
    """A chain on a board, repainted at a rate."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("j", "down", "down", priority=True)]

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        self.options = options
        self.register_theme(load_themes()[0]["cvd-dark"])
        self.theme = "cvd-dark"
        self.scene = build_scene(strikes=STRIKES)
        self.reader = ChainReader(
            self.scene.chain,
            self.scene.clock,
            ChainContext(market=MarketView(closes_in=14_273)),
            expiry_marks(EXPIRIES, START.date()),
        )
        self.status = StatusBar()
        self.keys = 0
        self.ticks = 0
        middle = STRIKES // 2
        shown = np.arange(middle - 6, middle + 6) if options.rows == "12" else np.arange(STRIKES)
        # Made beforehand: what is measured is the display, not the making of prices.
        self.batches = [
            self.scene.words(shown, moves=np.full((len(shown), 2), move)) for move in (0.5, 1.0, 1.5, 2.0, 1.2, 0.7)
        ]
        self.load = self._load_batch()

    def _load_batch(self) -> np.ndarray[Any, np.dtype[np.uint32]]:
        """Rows of instruments that are on the board but not on the screen."""
        count = max(self.options.ticks // 20, 1)
        tokens = [(200_000 + i) << 8 | 2 for i in range(count)]
        self.scene.board.ensure(tokens)
        words = np.zeros((count, WORDS), dtype=np.uint32)
        words[:, 0] = tokens
        return words

    def get_default_screen(self) -> Screen[None]:
        return Measured(id="_default")

    async def on_event(self, event: events.Event) -> None:
        hurry_for(self, event)
        await super().on_event(event)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return variable_defaults()

    def on_mount(self) -> None:
        """Start the clocks. Textual calls this one beside that of the subclass: it must not be called from there."""
        self._count_writes()
        self._key()
        if self.options.rate:
            self.set_interval(1 / self.options.rate, self.tick)
        if self.options.ticks:
            self.set_interval(0.05, self.feed)
        self.set_timer(WARMUP_S, self.begin)

    def _count_writes(self) -> None:
        driver = self._driver
        assert driver is not None
        write = driver.write

        def counted(data: str) -> None:
            FIGURES.writes += 1
            if FIGURES.on and len(data) > 16:
                FIGURES.characters.append(len(data))
            write(data)

        driver.write = counted  # type: ignore[method-assign]

    def feed(self) -> None:
        """Let instruments out of sight tick, as the rest of a 9,000-instrument feed does."""
        self.load[:, 1] += 5
        self.scene.apply(self.load)

    def tick(self) -> None:
        """Let the chain tick and show it."""
        self.scene.clock.advance(1 / self.options.rate)
        batch = self.batches[self.ticks % len(self.batches)]
        self.ticks += 1
        self.scene.board.apply(
            TickBatch.from_rows(batch, Source.LIVE, received_ns=self.scene.clock.monotonic_ns(), connection=0)
        )
        start = time.thread_time()
        self.show(self.reader.read())
        if FIGURES.on:
            FIGURES.handler.append(time.thread_time() - start)

    def show(self, frame: ChainFrame) -> None:
        raise NotImplementedError

    def move(self) -> None:
        raise NotImplementedError

    def action_down(self) -> None:
        self.keys += 1
        self._key()
        self.move()

    def _key(self) -> None:
        self.status.show((StatusField(MARKER.format(self.keys)),))

    def begin(self) -> None:
        FIGURES.on = True
        self.started = time.perf_counter()
        self.usage = resource.getrusage(resource.RUSAGE_SELF)
        self.set_timer(self.options.seconds, self.finish)

    def finish(self) -> None:
        wall, now = time.perf_counter() - self.started, resource.getrusage(resource.RUSAGE_SELF)
        used = now.ru_utime + now.ru_stime - self.usage.ru_utime - self.usage.ru_stime
        figures = FIGURES.summary() | {"cpu": 100 * used / wall, "wall": wall, "rss_mb": now.ru_maxrss / 1024}
        figures["synchronised"] = self._sync_available
        Path(self.options.out).write_text(json.dumps(figures), encoding="utf-8")
        self.exit()


class GridChild(Child):
    """Our grid with everything around it."""

    CSS = "ChainView { width: 156; }"

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.chain_view = ChainView()

    def compose(self) -> ComposeResult:
        yield self.chain_view
        yield self.status

    def on_mount(self) -> None:
        self.show(self.reader.read())

    def show(self, frame: ChainFrame) -> None:
        self.chain_view.show(frame)

    def move(self) -> None:
        self.chain_view.grid.move_cursor(rows=1 if self.keys % 20 < 10 else -1)


class TableChild(Child):
    """The same cells in a `DataTable`: changed rows only, text formatted by the same code."""

    CSS = "DataTable { height: 1fr; width: 156; }"

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.table: DataTable[Text] = DataTable(cursor_type="row")
        layout = fit(PRESETS["oi"], WIDTH)
        self.painter = RowPainter(
            layout,
            build_palette(variable_defaults()),
            units=Units.LAKH,
            bars=BarMeaning.OI,
            glyphs=UNICODE,
        )
        self.cuts = [*sorted([placed.x for placed in layout.placed] + [layout.strike_x]), WIDTH]
        self.number = 0

    def compose(self) -> ComposeResult:
        yield self.table
        yield self.status

    def on_mount(self) -> None:
        for column, (start, end) in enumerate(zip(self.cuts, self.cuts[1:], strict=False)):
            self.table.add_column(str(column), key=str(column), width=max(end - start - 2, 1))
        frame = self.reader.read()
        for row in range(STRIKES):
            self.table.add_row(*self.cells(frame, row), key=str(row))
        self.number = frame.number

    def cells(self, frame: ChainFrame, row: int) -> list[Text]:
        text = self.painter.row(frame, row).text
        style = Style.parse("#4DA3FF on #0B0E14") if frame.directions[row, 0] > 0 else Style.parse("#E6EAF0 on #0B0E14")
        return [
            Text(text[start:end].strip(), style, justify="right")
            for start, end in zip(self.cuts, self.cuts[1:], strict=False)
        ]

    def show(self, frame: ChainFrame) -> None:
        changed = np.flatnonzero(frame.row_versions > self.number).tolist()
        self.number = frame.number
        with self.batch_update():
            for row in changed:
                for column, cell in enumerate(self.cells(frame, row)):
                    self.table.update_cell(str(row), str(column), cell)

    def move(self) -> None:
        self.table.move_cursor(row=(self.table.cursor_row + 1) % 40)


def main() -> None:
    """Run one child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widget", choices=["grid", "table"], required=True)
    parser.add_argument("--rows", choices=["all", "12"], default="all")
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--ticks", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    # As `tickertui.__main__` does: modules are never looked through for garbage.
    gc.freeze()
    (GridChild if options.widget == "grid" else TableChild)(options).run(mouse=False)


if __name__ == "__main__":
    main()
