"""Contracts that are others overnight, and exchanges without hours, as the screen tells them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from tests.support.boards import EXPIRIES
from tests.support.fake_backend import FakeBackend
from tests.support.prepared_backend import prepared_backend
from tests.tui.driving import Driven, driven
from tests.tui.test_odd_chains import DAY, with_chain
from tickertui.market.contract_terms import Terms, TermsChange
from tickertui.market.instruments import InstrumentTable
from tickertui.market.ticks import Mode
from tickertui.services.plan.desired_plan import SINGLES
from tickertui.services.plan.legs import WatchedInstrument
from tickertui.tui.panels.leg import LegScreen
from tickertui.tui.view.data_states import DataState

STRIKES = [70.0 + step for step in range(9)]


def text_of(run: Driven) -> str:
    return "\n".join(run.text())


def look_around(run: Driven) -> None:
    """Draw until what changes slowly has been looked at too: twice a second."""
    for _ in range(round(run.main.options.frames_per_second)):
        run.main.frame()


def abroad() -> FakeBackend:
    """A desk with a chain on an exchange that the calendar has no hours for."""
    backend = with_chain(STRIKES, 74.0, name="BRENT")
    rows = [backend.table.instrument(at) for at in range(len(backend.table))]
    backend.table = InstrumentTable.from_instruments(
        [replace(row, exchange="IFSC", segment="IFSC-OPT") if row.name == "BRENT" else row for row in rows]
    )
    return backend


async def test_a_chain_of_an_exchange_without_hours_lives_and_says_so() -> None:
    backend = abroad()
    backend.clock.advance(5 * 3600)  # the equity segments are shut by then
    async with driven(backend=backend, size=(160, 40)) as run:
        run.chain.select("BRENT")
        run.main.frame()
        run.main.frame()
        await run.pilot.pause()
        frame = run.grid.frame
        assert frame is not None
        assert "IFSC HOURS NOT KNOWN" in text_of(run)
        assert not (frame.states == DataState.CLOSED).any(), "nobody knows that it is shut"
        await run.press("down", "i")
        await run.until(LegScreen)
        text = "\n".join(item.text for item in run.rows.rows)
        assert "IFSC's are not known: its time is counted to the end of the expiry day" in text
        await run.press("escape")
        await run.press("u")
        await run.pilot.pause()
        assert "BRENT" in text_of(run)


async def test_a_leg_that_was_adjusted_says_what_it_was() -> None:
    backend = prepared_backend()
    async with driven(backend=backend) as run:
        instrument = run.chain.instrument
        assert instrument is not None
        before = replace(Terms.of(instrument), tradingsymbol="OLD48700CE", strike=48_700.0, lot_size=33)
        backend.terms[instrument.token] = TermsChange(instrument.token, date(2026, 11, 23), before, is_another=False)
        await run.press("i")
        await run.until(LegScreen)
        text = "\n".join(item.text for item in run.rows.rows)
        assert "until 23 Nov 2026 OLD48700CE (strike 48,700, lot 33): history and change in OI begin then" in text


async def test_the_chain_on_display_follows_a_new_name() -> None:
    backend = with_chain(STRIKES, 74.0, name="OLDCO")
    async with driven(backend=backend) as run:
        run.chain.select("OLDCO")
        run.main.frame()
        rows = [backend.table.instrument(at) for at in range(len(backend.table))]
        backend.table = InstrumentTable.from_instruments(
            [replace(row, name="NEWCO") if row.name == "OLDCO" else row for row in rows]
        )
        look_around(run)
        assert run.chain.underlying == "OLDCO", "gone, and nobody says where to"
        backend.new_names["OLDCO"] = "NEWCO"
        look_around(run)
        await run.pilot.pause()
        assert run.chain.underlying == "NEWCO"
        frame = run.grid.frame
        assert frame is not None
        assert frame.key.underlying == "NEWCO"
        assert EXPIRIES[0] not in {mark.expiry for mark in frame.expiries}


async def test_a_mark_of_the_day_before_knows_nothing_of_adjusted_legs() -> None:
    backend = with_chain(STRIKES, 74.0, name="OLDCO")
    async with driven(backend=backend) as run:
        run.chain.select("OLDCO")
        run.main.frame()
        await run.press("m")
        contracts = backend.table.chain("OLDCO", DAY)
        assert contracts is not None
        token = int(contracts.call_tokens[0])
        instrument = backend.instrument(token)
        assert instrument is not None
        mark = run.chain.selection.mark
        assert mark is not None
        assert not np.isnan(mark.values(np.array([[token, token]]))).all()
        since = mark.at.date() + timedelta(days=1)
        backend.terms[token] = TermsChange(token, since, Terms.of(instrument), is_another=False)
        rows = [backend.table.instrument(at) for at in range(len(backend.table))]
        backend.table = InstrumentTable.from_instruments(rows)
        look_around(run)
        other = int(contracts.call_tokens[1])
        assert np.isnan(mark.values(np.array([[token, token]]))).all()
        assert not np.isnan(mark.values(np.array([[other, other]]))).all()


async def test_the_list_of_subscriptions_says_what_a_single_leg_was() -> None:
    backend = prepared_backend()
    async with driven(backend=backend) as run:
        instrument = run.chain.instrument
        assert instrument is not None
        label = instrument.tradingsymbol
        single = WatchedInstrument(instrument.token, label, Mode.FULL, "Z1", 0, (SINGLES, 1))
        of_rule = WatchedInstrument(instrument.token + 256, "OTHER", Mode.FULL, "Z1", 0, (1,))
        backend.leg_list = (single, of_rule)
        before = replace(Terms.of(instrument), tradingsymbol="OLD48700CE", strike=48_700.0, lot_size=33)
        for token in (single.token, of_rule.token):
            backend.terms[token] = TermsChange(token, date(2026, 11, 23), before, is_another=False)
        await run.press("2")
        look_around(run)
        await run.pilot.pause()
        text = text_of(run)
        assert "Adjusted: the leg that you asked for is another one now: 1" in text
        assert f"{label:<28.28} until 23 Nov 2026 OLD48700CE (strike 48,700, lot 33)" in text
