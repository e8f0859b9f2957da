"""The broker's REST client as the services use it: a protocol, so that tests and the simulator stand in for it.

`tickertui.kite.client.KiteClient` is the real one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tickertui.kite.secrets import Secret
from tickertui.market.candles import Candles, Interval
from tickertui.market.instruments import Instrument
from tickertui.market.ticks import TickBatch


class BrokerProfile(Protocol):
    """Whose session it is."""

    @property
    def user_id(self) -> str:
        """The broker's user."""
        ...


class BrokerSession(Protocol):
    """What a login gives."""

    @property
    def access_token(self) -> Secret:
        """Token of the day."""
        ...

    @property
    def user_id(self) -> str:
        """The broker's user."""
        ...


class BrokerClient(Protocol):
    """One account's REST calls; each raises a `tickertui.kite.errors.KiteError` and nothing else."""

    async def profile(self) -> BrokerProfile:
        """Return whose session it is: the cheapest call that needs one."""
        ...

    async def exchange_request_token(self, request_token: Secret, api_secret: Secret) -> BrokerSession:
        """Finish a login."""
        ...

    def set_access_token(self, token: Secret) -> None:
        """Use another token from the next call on."""
        ...

    async def fetch_instruments_csv(self, exchange: str | None = None) -> bytes:
        """Return the day's contracts as the broker's CSV."""
        ...

    async def quote_batch(self, instruments: Sequence[Instrument]) -> TickBatch:
        """Return full quotes as a batch of source SNAPSHOT."""
        ...

    async def fetch_historical(
        self,
        token: int,
        start: datetime,
        end: datetime,
        interval: Interval,
        *,
        oi: bool = True,
        continuous: bool = False,
    ) -> Candles:
        """Return the candles of one instrument."""
        ...

    @property
    def history_refusals(self) -> int:
        """Requests for candles that were refused for too many (HTTP 429), those that succeeded later included."""
        ...

    async def aclose(self) -> None:
        """Release what the client holds."""
        ...
