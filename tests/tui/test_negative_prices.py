"""A commodity below zero on the screen: the price has its sign, and what the model cannot say is a dash."""

from __future__ import annotations

from datetime import date

import numpy as np

from tests.support.fake_backend import FakeBackend
from tests.support.fakes import chain_of, future_of
from tests.support.prepared_backend import prepared_backend
from tests.tui.driving import driven
from tickertui.market.board import Derived
from tickertui.market.instruments import InstrumentTable
from tickertui.market.ticks import ASK_PRICE, ASK_QUANTITY, BID_PRICE, BID_QUANTITY, WORDS, Source, TickBatch, Word
from tickertui.market.wire_prices import price_word
from tickertui.services.valuation.valuation import Valuation
from tickertui.tui.view.frames import Field

EXPIRY = date(2026, 12, 17)
OIL = "BRENTOIL"
FUTURE = future_of(OIL, EXPIRY, number=92_000, exchange="MCX", code=7)
STRIKES = [50.0, 100.0, 150.0, 200.0]


class Contracts:
    """What the valuation asks of the day's contracts."""

    def __init__(self, table: InstrumentTable) -> None:
        self.table = table

    def index_token(self, underlying: str) -> int | None:
        return None


def backend(future: float) -> FakeBackend:
    """A desk with crude whose puts are worth their strike less the future, the calls next to nothing."""
    desk = prepared_backend()
    rows = [desk.table.instrument(at) for at in range(len(desk.table))]
    options = chain_of(OIL, EXPIRY, STRIKES, first=91_000, exchange="MCX", code=7, lot_size=100)
    desk.table = InstrumentTable.from_instruments([*rows, *options, FUTURE])
    desk.board.ensure([FUTURE.token, *(one.token for one in options)])
    now_s = desk.clock.time_ns() // 1_000_000_000
    for wave in (0.0, -0.5):
        packets = []
        for one in (FUTURE, *options):
            strike = one.strike or 0.0
            price = future + wave if one is FUTURE else max(strike - future, 1.0) if one.kind.label == "PE" else 1.0
            row = np.zeros(WORDS, dtype=np.uint32)
            row[Word.TOKEN], row[Word.EXCHANGE_TIMESTAMP], row[Word.LAST_TRADE_TIME] = one.token, now_s, now_s
            row[Word.LAST_PRICE], row[Word.CLOSE] = price_word(price, one.token), price_word(price + 40, one.token)
            row[BID_PRICE], row[ASK_PRICE] = price_word(price - 0.05, one.token), price_word(price + 0.05, one.token)
            row[BID_QUANTITY] = row[ASK_QUANTITY] = 100
            packets.append(row)
        desk.board.apply(
            TickBatch.from_rows(
                np.array(packets), Source.LIVE, received_ns=desk.clock.monotonic_ns(),
                received_wall_ns=desk.clock.time_ns(), connection=0,
            )
        )  # fmt: skip
    Valuation(desk.board, Contracts(desk.table), desk.calendar, desk.clock).round()
    return desk


async def test_a_future_below_zero_is_shown_so_and_nothing_is_valued_on_it() -> None:
    desk = backend(-37.0)
    async with driven(backend=desk) as run:
        run.chain.select(OIL)
        run.main.frame()
        text = "\n".join(run.text())
        assert "Fut -37.50" in text
        assert "42," not in text, "the word read without its sign"
        frame = run.chain.current_frame
        assert frame is not None
        greeks = frame.values[..., [Field.IV, Field.DELTA, Field.THETA]]
        assert np.isnan(greeks).all()
        assert np.isnan(desk.board.derived[:, Derived.FORWARD][desk.board.rows(frame.tokens.ravel())]).all()


async def test_the_same_chain_above_zero_is_valued() -> None:
    async with driven(backend=backend(137.0)) as run:
        run.chain.select(OIL)
        run.main.frame()
        assert "Fut 136.50" in "\n".join(run.text())
        frame = run.chain.current_frame
        assert frame is not None
        assert not np.isnan(frame.values[..., Field.IV]).all()
