"""Each segment by its own hours, and by what is seen of it: the real loop over real sockets, out of the usual hours."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import anyio

from tests.support.broker_loop import BrokerLoop, live_loop
from tests.support.fakes import chain_of, future_of
from tests.support.loop_rig import running
from tests.support.plain_market import PlainMarket, plain_instruments
from tickertui.market.clock import IST
from tickertui.services.accounts.status import AccountStatus
from tickertui.services.loop.status import FeedMode
from tickertui.simulator.faults import Silent
from tickertui.tui.view.data_states import LinkWatch

EVENING = datetime(2026, 11, 30, 18, 0, tzinfo=IST)
SATURDAY = datetime(2026, 11, 28, 10, 0, tzinfo=IST)
FUTURE = future_of("ZINCMINI", date(2026, 12, 31), number=31_000, exchange="MCX", code=7)
OPTIONS = chain_of(
    "ZINCMINI", date(2026, 12, 22), [float(strike) for strike in range(250, 351, 5)], first=32_000, exchange="MCX",
    code=7, lot_size=1,
)  # fmt: skip


def of_account(live: BrokerLoop, account: str) -> AccountStatus:
    return next(one for one in live.loop.runtime_state().accounts if one.account_id == account)


async def test_in_the_evening_commodities_run_and_only_their_sockets_are_missed(tmp_path: Path) -> None:
    market = PlainMarket([*plain_instruments(), FUTURE, *OPTIONS])
    async with live_loop(tmp_path, accounts=2, market=market, start=EVENING) as live, running(live.rig):
        rig = live.rig
        await live.until_contracts()
        await rig.add_rule("ZINCMINI", strikes=2, preferred_account="Z1", include_future=False)
        await rig.add_rule("NIFTY", strikes=2, preferred_account="Z2")
        await live.loop.reload_subscriptions()
        await rig.until(lambda: live.loop.runtime_state().feed is FeedMode.LIVE, "the feed is live")
        price = live.loop.spots("ZINCMINI")
        assert price is not None, "asked of its future by REST, for the first plan"
        zinc = next(status for status in rig.reconciler.rules() if status.rule.underlying == "ZINCMINI")
        strikes = [float(strike) for strike in range(250, 351, 5)]
        assert zinc.centre == min(strikes, key=lambda strike: abs(strike - price))
        assert zinc.detail == ""
        await rig.until(lambda: of_account(live, "Z1").connections, "Z1 streams")
        await rig.until(lambda: of_account(live, "Z2").connections, "Z2 streams")
        await live.step()
        assert [socket.expects_data for socket in of_account(live, "Z1").connections] == [True]
        assert [socket.expects_data for socket in of_account(live, "Z2").connections] == [False]
        watch = LinkWatch()
        await live.broker.misbehave(Silent())

        def troubled() -> set[str]:
            accounts = live.loop.runtime_state().accounts
            return {problem.account for problem in watch.update(accounts, market_open=True).problems}

        await rig.until(lambda: troubled() == {"Z1"}, "Z1 is silent, and of Z2 nobody expects anything", timeout=40)


async def test_a_session_on_a_saturday_is_seen_within_seconds(tmp_path: Path) -> None:
    async with live_loop(tmp_path, start=SATURDAY) as live, running(live.rig):
        rig = live.rig
        await live.until_contracts()
        await rig.add_rule("NIFTY", strikes=2)
        await live.loop.reload_subscriptions()
        assert live.loop.runtime_state().feed is FeedMode.CLOSED
        with anyio.fail_after(90):
            while live.loop.runtime_state().feed is FeedMode.CLOSED:
                live.broker.step()
                await anyio.sleep(0.4)
        told = " / ".join(rig.texts("calendar"))
        assert "NFO trades since Sat 10:00, though the calendar says closed" in told
        assert "the indices trade since Sat 10:00" in told
        assert of_account(live, "Z1").connections[0].expects_data
