"""A whole round of valuation: gathering 9,000 live rows, their forwards, prices, volatilities, Greeks, writing back."""

from __future__ import annotations

from datetime import date

import numpy as np

from tests.benchmarks.harness import Result, best_of
from tests.support.priced_boards import Market
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import InstrumentKind
from tickertui.services.valuation.valuation import Valuation

_EXPIRIES = (
    date(2026, 12, 1), date(2026, 12, 8), date(2026, 12, 15), date(2026, 12, 22), date(2026, 12, 29), date(2027, 1, 25),
)  # fmt: skip


def run() -> list[Result]:
    """Measure a round with every slice touched, and one with a single slice touched."""
    names = {f"INDEX{number}": 20_000.0 + 3_000 * number for number in range(5)}
    market = Market(names, _EXPIRIES, strikes=75)
    market.apply()
    valuation = Valuation(market.board, market, load_calendar(), market.clock)
    options = int(np.count_nonzero(market.table.kinds >= InstrumentKind.CALL))
    rows = market.board.rows(market.table.tokens.tolist())

    def whole() -> None:
        market.board.touch(rows)
        valuation.round()

    one = market.board.rows(market.table.chain("INDEX0", _EXPIRIES[0]).call_tokens[:1].tolist())  # type: ignore[union-attr]

    def single() -> None:
        market.board.touch(one)
        valuation.round()

    idle = best_of(valuation.round, rounds=7, inner=20)
    results = [
        Result(f"round of {options:,} live rows", best_of(whole, rounds=9, inner=5) * 1e3, "ms", target="< 4 ms"),
        Result("round with one slice touched (302 rows)", best_of(single, rounds=7, inner=10) * 1e3, "ms"),
        Result("round with nothing touched", idle * 1e3, "ms"),
    ]
    assert np.isfinite(market.board.derived[rows[: options // 2], 0]).any()
    return results
