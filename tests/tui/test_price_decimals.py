"""Prices are shown with the decimals of their tick wherever they are shown; nothing is cut to paise."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from tests.support.fake_backend import FakeBackend
from tests.support.fakes import chain_of, future_of
from tests.support.prepared_backend import Situation, prepared_backend
from tests.tui.driving import driven
from tickertui.market.instruments import InstrumentKind, InstrumentTable, decimals_of
from tickertui.market.ticks import ASK_PRICE, ASK_QUANTITY, BID_PRICE, BID_QUANTITY, WORDS, Source, TickBatch, Word
from tickertui.tui.panels.leg import LegScreen

DEC = date(2026, 12, 29)
PAIR = "XAUINR"
STRIKES = [100.0, 100.25, 100.5, 100.75, 101.0]
LAST, CLOSE = 2.7625, 2.6325
SIZES = ((80, 24), (120, 40), (200, 50))


@pytest.mark.parametrize(
    ("tick", "decimals"), [(0.05, 2), (0.01, 2), (1.0, 2), (0.0, 2), (0.25, 2), (0.005, 3), (0.0025, 4), (0.0001, 4)]
)
def test_as_many_decimals_as_the_tick_has(tick: float, decimals: int) -> None:
    assert decimals_of(tick) == decimals


def backend(source: Source = Source.LIVE) -> FakeBackend:
    """A desk with a currency whose tick is a quarter of a paisa, every leg at `LAST`."""
    desk = prepared_backend(Situation.MOCK if source is Source.MOCK else Situation.LIVE)
    rows = [desk.table.instrument(at) for at in range(len(desk.table))]
    pair = [*chain_of(PAIR, DEC, STRIKES, first=91_000, exchange="CDS", code=3, lot_size=1)]
    pair.append(future_of(PAIR, DEC, number=92_000, exchange="CDS", code=3))
    pair = [replace(one, tick_size=0.0025) for one in pair]
    desk.table = InstrumentTable.from_instruments([*rows, *pair])
    tokens = [one.token for one in pair]
    desk.board.ensure(tokens)
    for wave in (0, 25_000):
        packets = np.zeros((len(tokens), WORDS), dtype=np.uint32)
        packets[:, Word.TOKEN] = tokens
        packets[:, Word.EXCHANGE_TIMESTAMP] = packets[:, Word.LAST_TRADE_TIME] = desk.clock.time_ns() // 1_000_000_000
        packets[:, Word.VOLUME] = 5_000
        is_future = np.array([one.kind is InstrumentKind.FUTURE for one in pair])
        level = np.where(is_future, 100.4975, LAST)
        packets[:, Word.LAST_PRICE] = np.rint(level * 1e7) + wave - 25_000
        packets[:, Word.CLOSE] = np.rint((level - LAST + CLOSE) * 1e7)
        packets[:, Word.HIGH] = packets[:, Word.LOW] = packets[:, Word.AVERAGE_PRICE] = np.rint(level * 1e7)
        packets[:, BID_PRICE], packets[:, ASK_PRICE] = np.rint((level - 0.0025) * 1e7), np.rint((level + 0.0025) * 1e7)
        packets[:, BID_QUANTITY] = packets[:, ASK_QUANTITY] = 100
        packets[:, Word.OPEN_INTEREST] = 1_000
        desk.board.apply(
            TickBatch.from_rows(
                packets, source, received_ns=desk.clock.monotonic_ns(), received_wall_ns=desk.clock.time_ns(),
                connection=0,
            )
        )  # fmt: skip
    return desk


@pytest.mark.parametrize("source", [Source.LIVE, Source.MOCK])
@pytest.mark.parametrize("size", SIZES)
async def test_the_chain_shows_every_price_as_the_broker_sends_it(size: tuple[int, int], source: Source) -> None:
    mark = "~" if source is Source.MOCK else ""
    async with driven(backend=backend(source), size=size) as run:
        run.chain.select(PAIR)
        run.main.frame()
        text = "\n".join(run.text())
        assert text.count(f"{mark}2.7625") >= 10, text
        assert "100.4975" in text, "the future, in the header"
        assert f"{mark}5.5250" in text, "the straddle"
        for _ in range(4):
            await run.press("c")
            run.main.frame()
            text = "\n".join(run.text())
            assert text.count(f"{mark}2.7625") >= 10, text
            assert "2.76 " not in text
            assert "2.763" not in text


async def test_columns_of_prices_have_room_for_their_decimals() -> None:
    async with driven(backend=backend(), size=(200, 50)) as run:
        run.chain.select(PAIR)
        await run.press("c")
        run.main.frame()
        text = "\n".join(run.text())
        for price in ("2.7600", "2.7650", "+0.1300", "0.0050"):
            assert text.count(price) >= 10, price


async def test_straddles_and_expiries_and_copies_have_them_too() -> None:
    async with driven(backend=backend()) as run:
        run.chain.select(PAIR)
        run.main.frame()
        await run.press("y")
        assert run.app.clipboard == "2.7625"
        await run.press("v", "v")
        run.main.frame()
        assert "\n".join(run.text()).count("5.5250") >= 5
        await run.press("v")
        run.main.frame()
        text = "\n".join(run.text())
        assert "by expiry" in text
        assert text.count("2.7625") == 2
        assert "5.5250" in text


@pytest.mark.parametrize(
    ("key", "prices"),
    [("i", ("2.7625", "2.7600", "2.7650")), ("d", ("2.7600", "2.7650", "0.0050")), ("enter", ("2.7625", "2.6325"))],
)
async def test_the_panels_of_a_leg_have_them_too(key: str, prices: tuple[str, ...]) -> None:
    async with driven(backend=backend()) as run:
        run.chain.select(PAIR)
        run.main.frame()
        await run.press(key)
        await run.until(LegScreen)
        text = "\n".join(run.text())
        for price in prices:
            assert price in text
