"""What is painted, read off the screen and calculated once more by plain code from what was sent.

Two hundred and forty seeded screens: eight kinds of market, each view, preset and unit of quantity, at several sizes.
A figure may differ by the rounding of its last digit and by nothing else; a dash stands where nothing is known, and
only there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from tests.support.boards import EXPIRIES
from tests.support.plain_numbers import PlainNumbers, ratio
from tests.support.screen_reader import Heading, Painted, cells, figure_after, headings, painted
from tests.support.screen_worlds import CALL, PUT, SITUATIONS, Situation, World, build_world
from tests.tui.driving import STILL, Driven, driven
from tickertui.market.board import Derived
from tickertui.services.loop.status import FeedMode
from tickertui.tui.chain_grid.columns import PRESETS, View
from tickertui.tui.look.format import Units

SEEDS = range(5)
SIZES = ((80, 24), (120, 40), (200, 50), (250, 60))
LOOKS = tuple(PRESETS)
"""Six screens a world: each preset, the view by straddles and that by expiry."""
COUNTED = {"OI": "oi", "dOI": "oi_change", "Vol": "volume", "BidQ": "bid_quantity", "AskQ": "ask_quantity"}
PRICES = {"Bid": "bid", "Ask": "ask", "Avg": "average", "High": "high", "Low": "low"}
GREEKS = {"dlt": "delta", "dl": "delta", "gamma": "gamma", "theta": "theta", "thet": "theta", "vega": "vega"}
UNCHECKED = {"bar", "age"}
"""A bar is no figure; ages are those of tests/unit/tui/view/test_chain_reader.py."""


class Screen:
    """The painted lines of a world, and what should stand there."""

    def __init__(self, world: World, lines: list[str], units: Units) -> None:
        self.world = world
        money = next(at for at, line in enumerate(lines) if " ATM " in line)
        self.lines = lines[money - 2 :]  # below the banner of a mock
        self.units = units
        self.by_expiry = {
            expiry: PlainNumbers(world, forward_of(world, expiry), expiry) for expiry in world.kind.expiries
        }
        self.numbers = self.by_expiry[world.expiry]
        self.checked = 0
        self.wrong: list[str] = []

    def check(self, where: str, found: Painted | None, value: float | None, slack: float = 1e-6) -> None:
        if found is None:
            return
        self.checked += 1
        if not found.shows(value, slack=slack):
            self.wrong.append(f"{where}: painted {found.text.strip()!r}, should be {value}")

    # ------------------------------------------------------------------ the rows

    def grid(self) -> tuple[list[Heading], list[str]]:
        """The heading, and the lines of strikes below it."""
        top = next(at for at, line in enumerate(self.lines) if "STRIKE" in line)
        width = len(self.lines[top].partition("╭")[0])  # beside the rows other panels begin
        columns = headings(self.lines[top][:width], joined=("net dl",))
        rows = []
        for line in (line[:width] for line in self.lines[top + 1 :]):
            if not line.strip("─ "):
                continue
            if "Σ" in line or not self.has_strike(line, columns):
                break
            rows.append(line)
        assert rows, "\n".join(self.lines)
        return columns, rows

    def has_strike(self, line: str, columns: list[Heading]) -> bool:
        place = [column.title for column in columns].index("STRIKE")
        start = columns[place - 1].end + 4 if place else 0  # behind the age of the calls
        return re.fullmatch(r"[▶•\s]*[\d,.]+[\s◀]*", line[start : columns[place].end + 2]) is not None

    def check_legs(self) -> None:
        columns, rows = self.grid()
        side = PUT if columns[0].title == "STRIKE" and "PUT" in {column.title for column in columns} else CALL
        for line in rows:
            strike = self.strike_of(line, columns)
            here = CALL if columns[0].title != "STRIKE" else side
            for column, text in cells(line, columns):
                if column.title == "STRIKE":
                    here = PUT if columns[0].title != "STRIKE" else side
                elif column.title not in UNCHECKED:
                    value = self.leg_figure(column.title, strike, here)
                    where = f"{strike:g} {here} {column.title}"
                    found = painted(text)
                    if column.title in ("dlt", "dl") and not found.has_sign and value is not None:
                        value = abs(value)  # the narrow column has no room for the sign
                    self.check(where, found, value, slack=1e-4)

    def strike_of(self, line: str, columns: list[Heading]) -> float:
        start = 0
        for column in columns:
            if column.title == "STRIKE":
                value = painted(line[start : column.end + 1]).value
                assert value in self.world.strikes, line
                return value
            start = column.end
        raise AssertionError(line)

    def leg_figure(self, title: str, strike: float, side: str) -> float | None:
        return self.figure_of(self.numbers, title, strike, side)

    def figure_of(self, numbers: PlainNumbers, title: str, strike: float, side: str) -> float | None:
        sent = numbers.sent(strike, side)
        if title in COUNTED:
            value = numbers.quantity(strike, side, COUNTED[title])
            if COUNTED[title].endswith("_quantity") and not value:
                return None
            return None if value is None else value / self.per_unit
        if title in GREEKS:
            return numbers.greeks(strike, side)[GREEKS[title]]
        if title == "IV":
            volatility = numbers.volatility(strike, side)
            return None if volatility is None else 100 * volatility
        if sent is None:
            return None
        if title in ("CALL", "PUT"):
            return sent.last
        if title in PRICES:
            return getattr(sent, PRICES[title]) or None
        if title == "Sprd":
            return sent.ask - sent.bid if sent.ask and sent.bid else None
        if title == "chg":
            return sent.last - sent.close
        if title == "chg%":
            return 100 * (sent.last / sent.close - 1)
        raise AssertionError(f"nobody calculates {title!r}")

    @property
    def per_unit(self) -> float:
        return 1.0 if self.units is Units.LAKH else float(self.world.kind.lot)

    def check_straddles(self) -> None:
        columns, rows = self.grid()
        for line in rows:
            strike = self.strike_of(line, columns)
            for column, text in cells(line, columns):
                if column.title != "STRIKE":
                    self.check(
                        f"{strike:g} {column.title}", painted(text), self.pair_figure(column.title, strike), slack=1e-4
                    )

    def pair_figure(self, title: str, strike: float) -> float | None:
        titles = {"Straddle": "CALL", "net dl": "dlt"}
        if title == "IV":
            known = [value for side in (CALL, PUT) if (value := self.leg_figure("IV", strike, side)) is not None]
            return sum(known) / len(known) if known else None
        if title == "PCR":
            return ratio(*(self.numbers.quantity(strike, side, "oi") for side in (PUT, CALL)))
        if title == "%":
            both = self.pair_figure("Straddle", strike)
            return None if both is None else 100 * both / self.reference
        call, put = (
            self.leg_figure(("CALL" if side == CALL else "PUT") if title == "Straddle" else titles.get(title, title),
                            strike, side)
            for side in (CALL, PUT)
        )  # fmt: skip
        return None if call is None or put is None else call + put

    def check_expiries(self) -> None:
        """The view by expiry: one strike, a line an expiry."""
        top = next(at for at, line in enumerate(self.lines) if re.search(r"expiry +~?days", line))
        width = len(self.lines[top - 1].partition("╭")[0])  # beside it other panels begin
        columns = headings(self.lines[top][:width])
        match = re.search(rf"{self.world.kind.name} ([\d,.]+) by expiry", self.lines[top - 1])
        assert match is not None, self.lines[top - 1]
        strike = painted(match[1]).value
        assert strike in self.world.strikes
        put = [column.title for column in columns].index("PUT")
        for expiry, numbers in self.by_expiry.items():
            line = next(line[:width].replace("│", " ") for line in self.lines[top + 1 :] if f"{expiry:%d%b}" in line)
            for place, (column, text) in enumerate(cells(line, columns)):
                where = f"{expiry:%d%b} {strike:g} {column.title}"
                if column.title in ("strd", "%"):
                    legs = [numbers.sent(strike, side) for side in (CALL, PUT)]
                    both = sum(leg.last for leg in legs if leg) if all(legs) else None
                    share = None if both is None else 100 * both / self.reference
                    self.check(where, painted(text), both if column.title == "strd" else share, slack=1e-4)
                elif column.title not in ("expiry", "days"):
                    side = PUT if place >= put else CALL
                    found, value = painted(text), self.figure_of(numbers, column.title, strike, side)
                    self.check(where, found, value, slack=1e-4)

    # ------------------------------------------------------------------ the lines around

    @property
    def reference(self) -> float:
        """The spot, or the forward where there is none, or where the auction has frozen it."""
        world = self.world
        if world.spot is None or world.situation.name == "auction":
            return self.numbers.forward
        return world.spot.last

    def check_header(self) -> None:
        world, line = self.world, self.lines[0]
        if world.spot is not None:
            self.check("spot", figure_after(line, world.kind.name), world.spot.last)
        if world.future is not None and (found := figure_after(line, "Fut")) is not None:
            self.check("future", found, world.future.last)
        if world.situation.name == "auction":
            self.check("F(par)", figure_after(line, "F(par)"), self.numbers.forward)

    def check_summary(self) -> None:
        numbers, line = self.numbers, self.lines[2]
        money = numbers.at_the_money(self.reference)
        self.check("ATM", figure_after(line, "ATM"), money)
        straddle = self.pair_figure("Straddle", money)
        for label in ("straddle", "strd"):
            self.check(label, figure_after(line, label), straddle)
        volatility = numbers.at_the_money_volatility()
        self.check("IV", figure_after(line, "IV"), None if volatility is None else 100 * volatility, slack=1e-3)
        totals = {what: [numbers.total(side, what) for side in (CALL, PUT)] for what in COUNTED.values()}
        self.check_sum("PCR", line, ratio(totals["oi"][1], totals["oi"][0]), "oi")
        self.check_sum("PCR dOI", line, ratio(totals["oi_change"][1], totals["oi_change"][0]), "oi_change")
        self.check_sum("pain", line, numbers.max_pain(), "oi")

    def check_sum(self, label: str, line: str, value: float | None, what: str) -> None:
        """A sum over strikes, or the dash where it is withheld for want of most of them."""
        found = figure_after(line, label)
        known, listed = self.numbers.coverage(what)
        if found is not None and found.value is None and known < listed:
            return
        self.check(label, found, value)

    def check_totals(self) -> None:
        line = next((line for line in self.lines if "Σ" in line), "")
        for name, side in (("CE", CALL), ("PE", PUT)):
            part = line.partition(f"Σ {name}")[2].partition("Σ")[0].partition("PCR")[0]
            if " OI " not in part:  # without room for words
                part = re.sub(r"^ (\S+) (\S+)", r" OI \1 dOI \2", part)
            for label, what in (("OI", "oi"), ("dOI", "oi_change"), ("vol", "volume")):
                value = self.numbers.total(side, what)
                value = None if value is None else value / self.per_unit
                self.check_sum(label, part, value, what)


def forward_of(world: World, expiry: date) -> float:
    """The forward that the program's valuation found for an expiry."""
    board = world.backend.board
    rows = board.rows([token for token in chain_tokens(world, expiry) if token in board])
    forwards = board.derived[rows, Derived.FORWARD]
    known = set(forwards[~np.isnan(forwards)].tolist())
    assert len(known) == 1, "one for all"
    return float(known.pop())


def chain_tokens(world: World, expiry: date) -> Iterator[int]:
    chain = world.backend.table.chain(world.kind.name, expiry)
    assert chain is not None
    yield from (token for token in [*chain.call_tokens.tolist(), *chain.put_tokens.tolist()] if token > 0)


async def look(run: Driven, world: World, units: Units, look_number: int) -> Screen:
    """Check one look of a world and return the screen."""
    run.main.frame()
    await run.pilot.pause()
    run.main.frame()
    await run.pilot.pause()
    screen = Screen(world, run.text(), units)
    if look_number < len(LOOKS):
        screen.check_legs()
    elif look_number == len(LOOKS):
        screen.check_straddles()
    else:
        screen.check_expiries()
    screen.check_header()
    screen.check_summary()
    screen.check_totals()
    return screen


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
async def test_every_figure_is_what_plain_code_makes_of_what_was_sent(situation: Situation, seed: int) -> None:
    units = list(Units)[seed % 3]
    wrong, checked = [], 0
    for number in range(len(LOOKS) + 2):
        world = build_world(situation, 1_000 * seed + number)
        size = SIZES[(seed + number) % len(SIZES)]
        preset = LOOKS[number % len(LOOKS)]
        options = replace(STILL, underlying=world.kind.name, header=(), preset=preset, units=str(units))
        async with driven(size=size, backend=world.backend, options=options) as run:
            if number >= len(LOOKS):
                while run.grid.view is not View.STRADDLE:
                    await run.press("v")
            if number > len(LOOKS):
                await run.press("v")
            screen = await look(run, world, units, number)
        wrong += [f"{size} {preset}: {sentence}" for sentence in screen.wrong]
        checked += screen.checked
        drift = abs(screen.numbers.forward - screen.numbers.parity_forward())
        assert drift <= 4 * world.kind.tick, "the forward is that of put-call parity"
    assert not wrong, "\n".join([f"{len(wrong)} of {checked} figures", *wrong[:40]])
    assert checked > 900, "it reads what is painted"
    assert situation.feed is not FeedMode.MOCK or "MOCK" in "\n".join(screen.lines)


@pytest.mark.parametrize("width", [80, 87, 94, 101, 123, 150, 200])
async def test_labels_of_axes_are_whole_and_of_what_is_drawn(width: int) -> None:
    world = build_world(SITUATIONS[0], width)
    options = replace(STILL, underlying=world.kind.name, header=())
    async with driven(size=(width, 40), backend=world.backend, options=options) as run:
        await run.press("5")
        for _ in range(5):
            run.main.frame()
            await run.pilot.pause()
        lines = run.text()
    axes = [at for at, line in enumerate(lines) if line.count("━") > 20][1::2]  # the lower edges of two frames
    assert len(axes) == 2, "\n".join(lines)
    for at in axes:
        labels = [value for word in lines[at + 1].split() if (value := painted(word).value) is not None]
        assert labels
        assert all(world.strikes[0] <= value <= world.strikes[-1] for value in labels), labels
        steps = {round(after - before, 6) for before, after in pairwise(labels)}
        assert len(steps) <= 1, f"evenly apart, none cut: {labels}"


async def test_a_chain_without_figures_has_no_axes_of_the_one_before() -> None:
    async with driven(size=(120, 40)) as run:
        await run.press("5")
        for _ in range(5):
            run.main.frame()
            await run.pilot.pause()
        assert sum(line.count("━") > 20 for line in run.text()) == 4
        expiry = EXPIRIES[3]  # it has no price yet
        run.chain.select("NIFTY", expiry)
        for _ in range(50):
            run.backend.clock.advance(0.1)  # the chain before stays for three seconds
            run.main.frame()
            await run.pilot.pause()
        text = "\n".join(run.text())
        assert "none yet" in text
        assert "━" * 20 not in text
