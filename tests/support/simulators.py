"""A running simulated broker for tests, on free ports of loopback, with accounts that are logged in already.

    async with simulated_broker(accounts=2) as broker:
        client = KiteClient("Z1", broker.accounts[0].api_key, Secret(broker.accounts[0].access_token),
                            root=broker.rest_url)
        ...
        broker.step()          # the market moves now; it does not by itself unless `timing` says so

The market is a `tests.support.plain_market.PlainMarket` unless another is given (`mock_market()` for the project's
own). `broker` is the `tickertui.simulator.server.RunningSimulator` with a little convenience.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from tests.support.plain_market import PlainMarket
from tests.support.waiting import wait_until
from tickertui.clock import SystemClock
from tickertui.market.clock import IST
from tickertui.market.hours import load_calendar
from tickertui.market.universe import load_universe
from tickertui.simulator.accounts import SimulatedAccount, simulated_accounts
from tickertui.simulator.clock import SimulatedClock
from tickertui.simulator.faults import AnyFault
from tickertui.simulator.limits import Limits
from tickertui.simulator.market import SimulatedMarket
from tickertui.simulator.server import RunningSimulator, Simulator, Timing
from tickertui.simulator.subscriber import Subscriber
from tickertui.synthetic.market import MockMarket

MARKET_TIME = datetime(2026, 11, 25, 11, 0, tzinfo=IST)
"""A Wednesday, the market open."""

GENEROUS = Limits(quote_per_second=1000, historical_per_second=1000, other_per_second=1000, total_per_second=1000)
"""No rate limits in the way: a test that is not about them must not wait for them."""

BY_HAND = Timing(heartbeat=0.05, step=0.0)
"""Quick heartbeats; the market moves only by `RunningSimulator.step`."""


@dataclass(frozen=True)
class SimulatedBroker:
    """A running simulator.

    Attributes:
        simulator: All of it.
        market: The market behind it.
        accounts: Its accounts; each has a valid access token.
    """

    simulator: RunningSimulator
    market: SimulatedMarket
    accounts: tuple[SimulatedAccount, ...]

    @property
    def rest_url(self) -> str:
        return self.simulator.rest_url

    @property
    def stream_url(self) -> str:
        return self.simulator.stream_url

    @property
    def login_url(self) -> str:
        return self.simulator.login_url

    @property
    def clock(self) -> SimulatedClock:
        return self.simulator.clock

    @property
    def sockets(self) -> tuple[Subscriber, ...]:
        return tuple(self.simulator.sockets)

    def step(self) -> int:
        """Move the market once; how many instruments changed."""
        return self.simulator.step()

    async def misbehave(self, fault: AnyFault) -> int:
        return await self.simulator.misbehave(fault)

    async def until_sockets(self, count: int) -> None:
        """Wait until so many sockets are open."""
        await wait_until(lambda: len(self.sockets) == count, f"{count} sockets are open at the simulator")

    async def until_subscribed(self, count: int) -> None:
        """Wait until so many instruments are subscribed on all sockets together."""
        await wait_until(
            lambda: sum(len(socket.modes) for socket in self.sockets) == count,
            f"{count} instruments are subscribed at the simulator",
        )


def mock_market(start: datetime = MARKET_TIME, seed: int = 7) -> MockMarket:
    """The project's own market with the bundled universe, in the calendar's sessions."""
    return MockMarket(load_universe(), load_calendar(), start=start, seed=seed, sessions=True)


def logged_in_accounts(count: int) -> tuple[SimulatedAccount, ...]:
    """Accounts that are logged in."""
    return tuple(
        replace(account, access_token=f"token{number}") for number, account in enumerate(simulated_accounts(count), 1)
    )


@asynccontextmanager
async def simulated_broker(
    market: SimulatedMarket | None = None,
    *,
    accounts: int | tuple[SimulatedAccount, ...] = 1,
    limits: Limits = GENEROUS,
    timing: Timing = BY_HAND,
    start: datetime = MARKET_TIME,
    speed: float = 0.0,
    seed: int = 7,
) -> AsyncIterator[SimulatedBroker]:
    """A simulated broker that listens.

    Args:
        market: The market behind it; a `PlainMarket` when None.
        accounts: How many, or which.
        limits: What is allowed.
        timing: How often heartbeats and steps come.
        start: Market time.
        speed: Of the market's clock; by default it stands still.
        seed: Of tokens and faults.
    """
    behind = PlainMarket() if market is None else market
    users = logged_in_accounts(accounts) if isinstance(accounts, int) else accounts
    clock = SimulatedClock(SystemClock(), start, speed)
    simulator = Simulator(behind, clock=clock, accounts=users, limits=limits, timing=timing, seed=seed)
    async with simulator.serve() as running:
        yield SimulatedBroker(running, behind, users)
