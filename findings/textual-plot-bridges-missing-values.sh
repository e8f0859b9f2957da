#!/usr/bin/env bash
# A gap in a series, marked with NaN, is drawn as a straight line by Textual's plotting companion.
#
# What: textual-plot 0.10.1 on textual 8.2.8, `PlotWidget.plot` in its Braille mode. A series of 20 points whose middle ten
#   are NaN, as plotting libraries mark what is missing: 1 before the gap, 2 behind it.
# Source: the widget drops what is not finite before it draws the line, so that the neighbours of the gap are joined.
# Seen: every column of the canvas has a dot, those of the gap on the way from 1 to 2. A chart of a day with an outage
#   shows a trend that nobody has quoted. (Two calls of `plot`, one for each side, leave the gap.)
# Needs python3. Ends with 1 when it behaves otherwise.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env && env/bin/pip install --quiet textual==8.2.8 textual-plot==0.10.1

env/bin/python - <<'PY'
import asyncio, math, sys
from textual.app import App
from textual_hires_canvas import Canvas
from textual_plot import HiResMode, PlotWidget

DOTS = {chr(code) for code in range(0x2801, 0x2900)}

class Chart(App):
    def compose(self):
        yield PlotWidget()

    def on_mount(self):
        values = [1.0] * 5 + [math.nan] * 10 + [2.0] * 5
        self.query_one(PlotWidget).plot(range(20), values, hires_mode=HiResMode.BRAILLE)

async def painted() -> list[str]:
    async with (app := Chart()).run_test(size=(60, 14)) as pilot:
        for _ in range(20):
            await pilot.pause()
        canvases = app.query(Canvas)
        plot = max(canvases, key=lambda canvas: canvas.size.area)
        return ["".join(segment.text for segment in plot.render_line(y)) for y in range(plot.size.height)]

lines = asyncio.run(painted())
print("\n".join(lines))
with_dots = [bool(DOTS & set(column)) for column in zip(*lines)]
first, last = with_dots.index(True), len(with_dots) - 1 - with_dots[::-1].index(True)
gap = with_dots[first : last + 1]
print(f"columns from the first dot to the last: {len(gap)}, without a dot: {gap.count(False)}")
sys.exit(0 if len(gap) > 30 and not gap.count(False) else "the widget has changed")
PY
