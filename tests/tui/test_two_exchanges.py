"""One name on two exchanges, and two contracts at one strike, on the screen: all can be had, and are told apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
from textual.widgets import Input

from tests.support.fake_backend import FakeBackend
from tests.support.fakes import chain_of
from tests.support.prepared_backend import prepared_backend, prices_around
from tests.support.waiting import wait_until
from tests.tui.driving import STILL, Driven, driven
from tickertui.market.instruments import Instrument, InstrumentTable
from tickertui.market.subscriptions import ChainRule
from tickertui.market.ticks import Source, TickBatch, Word
from tickertui.tui.panels.base import PickerScreen
from tickertui.tui.panels.command_line import CommandLineScreen
from tickertui.tui.panels.new_rule import NewRuleScreen

DEC = date(2026, 12, 29)
OIL, MILLS = "BRENTOIL", "QRSMILLS"


def backend() -> FakeBackend:
    """A desk with crude of two exchanges and a share with contracts of two lots at its strikes."""
    desk = prepared_backend()
    rows = [desk.table.instrument(at) for at in range(len(desk.table))]
    strikes = [4_900.0, 5_000.0, 5_100.0]
    rows += chain_of(OIL, DEC, strikes, first=91_000, exchange="MCX", code=7, lot_size=100)
    rows += chain_of(OIL, DEC, strikes, first=92_000, exchange="NCO", code=12, lot_size=10)
    rows += chain_of(MILLS, DEC, [240.0, 245.0, 250.0], first=93_000, lot_size=700)
    rows += [
        replace(row, tradingsymbol=row.tradingsymbol.replace(MILLS, f"{MILLS}1"))
        for row in chain_of(MILLS, DEC, [245.0, 250.0], first=94_000, lot_size=910)
    ]
    desk.table = InstrumentTable.from_instruments(rows)
    for name, level in ((OIL, 5_000.0), (f"NCO:{OIL}", 5_040.0), (MILLS, 245.0), (f"{MILLS}/910", 247.0)):
        price(desk, name, level)
    return desk


def price(desk: FakeBackend, name: str, level: float) -> None:
    """Packets of every leg of a chain; the open interest of each is ten lots."""
    contracts = desk.table.chain(name, DEC)
    assert contracts is not None
    tokens = [*contracts.call_tokens.tolist(), *contracts.put_tokens.tolist()]
    desk.board.ensure(tokens)
    lots = {token: one.lot_size for token in tokens if isinstance(one := desk.instrument(token), Instrument)}
    for wave in (0.0, 0.05):
        packets = np.array(prices_around(contracts, level, wave, desk.clock.time_ns() // 1_000_000_000))
        packets[:, Word.OPEN_INTEREST] = [10 * lots[token] for token in packets[:, Word.TOKEN].tolist()]
        desk.board.apply(
            TickBatch.from_rows(
                packets, Source.LIVE, received_ns=desk.clock.monotonic_ns(), received_wall_ns=desk.clock.time_ns(),
                connection=0,
            )
        )  # fmt: skip


def shown_exchange(run: Driven) -> str:
    run.main.frame()
    frame = run.chain.current_frame
    assert frame is not None
    return frame.contracts.exchange


async def test_the_picker_lists_both_and_shows_the_one_that_is_chosen() -> None:
    async with driven(backend=backend()) as run:
        await run.press("u")
        await run.until(PickerScreen)
        text = "\n".join(run.text())
        assert "MCX, lot 100" in text
        assert "NCO, lot 10" in text
        assert f"{MILLS}/910" in text
        await run.write("nco")
        await run.press("enter")
        await run.back_to_main()
        assert shown_exchange(run) == "NCO"
        assert f"NCO:{OIL}" in "\n".join(run.text())


async def test_the_command_line_takes_a_name_with_its_exchange() -> None:
    async with driven(backend=backend()) as run:
        for typed, exchange in ((f"NCO:{OIL}", "NCO"), (f"mcx:{OIL}", "MCX"), (OIL, "MCX")):
            await run.press("colon")
            await run.until(CommandLineScreen)
            run.screen.query_one(Input).value = f"underlying {typed}"
            await run.press("enter")
            await run.back_to_main()
            assert shown_exchange(run) == exchange


async def test_a_new_rule_says_whose_a_bare_name_is_and_takes_the_other() -> None:
    async with driven(backend=backend()) as run:
        await run.press("2", "n")
        await run.until(NewRuleScreen)
        run.screen.query_one(Input).value = f"{OIL} 1 5 full"
        sentence = f"{OIL} is MCX's; NCO's is NCO:{OIL}"
        await wait_until(lambda: sentence in "\n".join(run.text()), "whose the name is")
        run.screen.query_one(Input).value = f"nco:{OIL} 1 5 full"
        await run.press("enter")
        await run.called("add_rule")
        assert run.last_call() == ("add_rule", ChainRule(0, f"NCO:{OIL}", 1, (), 5))


async def test_a_chain_names_the_series_beside_it_and_each_counts_its_own_lots() -> None:
    async with driven(backend=backend(), size=(120, 40)) as run:
        run.chain.select(MILLS)
        run.main.frame()
        assert f"also {MILLS}/910" in "\n".join(run.text())
        await run.press("z", "z")
        run.main.frame()
        # Ten lots a leg: three strikes of calls here, two in the other series, whatever the lot is.
        assert "Σ CE OI 30 " in "\n".join(run.text())
        run.chain.select(f"{MILLS}/910")
        run.main.frame()
        text = "\n".join(run.text())
        assert "Σ CE OI 20 " in text
        assert "lot 910" in text


async def test_the_chain_to_begin_with_may_be_named_with_its_exchange() -> None:
    async with driven(backend=backend(), options=replace(STILL, underlying=f"NCO:{OIL}")) as run:
        assert shown_exchange(run) == "NCO"
    async with driven(backend=backend(), options=replace(STILL, underlying=f"MCX:{OIL}")) as run:
        assert shown_exchange(run) == "MCX"
        assert run.chain.underlying == OIL
