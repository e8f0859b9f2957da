"""Chains that are not like NIFTY's: one strike, strikes with paise, prices above a lakh, an expiry that goes away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest

from tests.support.boards import EXPIRIES
from tests.support.fake_backend import FakeBackend
from tests.support.prepared_backend import prepared_backend, prices_around
from tests.tui.driving import driven
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import Source, TickBatch
from tickertui.tui.chain_grid.columns import View

DAY = date(2026, 12, 29)
SIZES = ((80, 24), (200, 50), (60, 20))


def with_chain(strikes: Sequence[float], level: float, *, name: str = "ODD", priced: bool = True) -> FakeBackend:
    """A desk with one more underlying whose chain has these strikes."""
    backend = prepared_backend()
    rows = [backend.table.instrument(at) for at in range(len(backend.table))]
    for number, strike in enumerate(strikes):
        for place, kind in enumerate((InstrumentKind.CALL, InstrumentKind.PUT)):
            token = (95_000 + 2 * number + place) << 8 | 2
            symbol = f"{name}26DEC{strike:g}{kind.label}"
            rows.append(
                Instrument(token, symbol, name, kind, "NFO-OPT", "NFO", DAY, strike, lot_size=25, exchange_token=token)
            )
    backend.table = InstrumentTable.from_instruments(rows)
    contracts = backend.table.chain(name, DAY)
    assert contracts is not None
    backend.board.ensure([*contracts.call_tokens.tolist(), *contracts.put_tokens.tolist()])
    if priced:
        now_s = backend.clock.time_ns() // 1_000_000_000
        for wave in (0.0, 0.05):
            batch = TickBatch.from_rows(
                np.array(prices_around(contracts, level, wave, now_s)), Source.LIVE,
                received_ns=backend.clock.monotonic_ns(), received_wall_ns=backend.clock.time_ns(), connection=0,
            )  # fmt: skip
            backend.board.apply(batch)
    return backend


CHAINS = {
    "one strike": ([352.5], 350.0),
    "two strikes": ([350.0, 352.5], 350.0),
    "paise": ([347.5 + 2.5 * step for step in range(9)], 352.0),
    "above a lakh": ([100_000.0 + 500.0 * step for step in range(21)], 225_432.1),
    "pennies": ([0.5, 1.0, 1.5], 0.05),
}


@pytest.mark.parametrize("chain", CHAINS)
async def test_every_key_and_size(chain: str) -> None:
    strikes, level = CHAINS[chain]
    async with driven(backend=with_chain(strikes, level)) as run:
        run.chain.select("ODD")
        for width, height in SIZES:
            await run.pilot.resize_terminal(width, height)
            for key in (
                "c", "c", "c", "c", "z", "z", "z", "o", "o", "o", "minus", "plus", "G", "g", "a", "s", "s", "s",
                "space", "space", "pagedown", "pageup", "right", "left", "m", "y", "Y",
            ):  # fmt: skip
                await run.press(key)
                run.main.frame()
            text = "\n".join(run.text())
            assert "ODD" in text
            assert "#" not in text, "a number without room is seen, not hidden"
            for _ in range(4):
                await run.press("v")
                run.main.frame()
            assert run.grid.view is View.CHAIN
            lines = run.screen._compositor.render_strips()
            assert {strip.cell_length for strip in lines} == {width}


async def test_prices_above_a_lakh_keep_their_digits_at_every_size() -> None:
    async with driven(backend=with_chain(*CHAINS["above a lakh"])) as run:
        run.chain.select("ODD")
        for width, height in SIZES:
            await run.pilot.resize_terminal(width, height)
            run.main.frame()
            await run.pilot.pause()
            text = "\n".join(run.text())
            frame = run.grid.frame
            assert frame is not None
            row = int(run.grid.visible_rows[0])
            whole = f"{frame.values[row, 0, 0]:.0f}"
            assert whole in text.replace(",", ""), (width, height)


async def test_strikes_with_paise_stand_whole_and_can_be_gone_to() -> None:
    async with driven(backend=with_chain(*CHAINS["paise"])) as run:
        run.chain.select("ODD")
        run.main.frame()
        await run.pilot.pause()
        text = "\n".join(run.text())
        assert "352.50" in text
        run.chain.find("357.5")
        assert run.grid.cursor.strike == 357.5


async def test_a_filter_that_leaves_nothing_says_so_and_lets_go() -> None:
    backend = with_chain([100.0, 110.0], 105.0, priced=False)
    async with driven(backend=backend) as run:
        run.chain.select("ODD")
        backend.clock.advance(5)
        run.main.frame()
        assert run.chain.underlying == "ODD"
        run.chain.appearance.keep("open interest")
        run.main.frame()
        await run.pilot.pause()
        assert len(run.grid._order) == 0
        assert any(
            "No strike passes the filter (strikes with open interest).  Esc  show all" in line for line in run.text()
        )
        for key in ("j", "k", "G", "g", "pagedown", "a", "s", "space", "i", "d", "y", "m", "c", "v", "v", "v", "v"):
            await run.press(key)
            run.main.frame()
        await run.press("escape", "escape")
        run.main.frame()
        assert len(run.grid._order) == 2


async def test_sort_then_filter_then_another_expiry_and_back() -> None:
    async with driven() as run:
        await run.press("s")
        run.chain.appearance.keep("heavy")
        for key in ("right_square_bracket", "left_square_bracket", "left_square_bracket", "U"):
            await run.press(key)
            run.backend.clock.advance(5)
            run.main.frame()
            frame = run.grid.frame
            assert frame is not None
            assert run.grid.sort is not None
            shown = run.grid._order.rows
            keys = frame.values[shown, run.grid.sort.side, run.grid.sort.field]
            known = keys[~np.isnan(keys)]
            assert (np.diff(known) <= 0).all(), key
        assert run.chain.expiry == EXPIRIES[0]


async def test_pins_at_the_edges_and_more_than_fit() -> None:
    async with driven(size=(80, 24)) as run:
        for key in ("g", "space", "G", "space"):
            await run.press(key)
        for _ in range(12):
            await run.press("up", "space")
        assert len(run.grid.pins) == 14
        for width, height in SIZES:
            await run.pilot.resize_terminal(width, height)
            run.main.frame()
            leg = run.grid.leg
            assert leg is not None
            assert leg.row in run.grid.visible_rows.tolist(), (width, height)


async def test_an_expiry_that_goes_away_gives_way_to_the_next() -> None:
    async with driven() as run:
        await run.press("left_square_bracket")
        run.main.frame()
        assert run.chain.expiry == EXPIRIES[0]
        table = run.backend.table
        rows = [table.instrument(at) for at in range(len(table))]
        run.backend.table = InstrumentTable.from_instruments(
            [row for row in rows if (row.name, row.expiry) != ("NIFTY", EXPIRIES[0])]
        )
        for _ in range(4):
            # The expired one stays for ten seconds; then the next has three to bring its first price.
            run.main._frames = 0
            run.main.frame()
            run.backend.clock.advance(5)
        run.main.frame()
        assert run.chain.expiry == EXPIRIES[1]
        assert run.grid.frame is not None
        assert run.grid.frame.key.expiry == EXPIRIES[1]
