"""`KiteClient`: the broker's REST calls of one account, paced, typed, in worker threads.

The services call it through `tickertui.services.accounts.session_orchestrator`; ``tickertui login`` uses it directly.
The HTTP is done by the official ``kiteconnect`` package (`tickertui.kite.rest`), which is loaded in the worker thread
of the first call: importing this module loads neither it nor Twisted. Its two slow parsers are not used: candles and
instruments are read by `tickertui.kite.responses` and `tickertui.kite.instruments_csv`.

Each call waits for its turn under the API key's limits, is retried a few times at once where a second attempt may
help and does no harm, and otherwise fails with a `tickertui.kite.errors.KiteError`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
import numpy as np
import stamina

from tickertui.kite.errors import AuthExpired, BrokerTimeout, BrokerUnavailable, RateLimited
from tickertui.kite.instruments_csv import parse_instruments
from tickertui.kite.login import LOGIN_ROOT, login_url
from tickertui.kite.pacing import CallClass, Pacer
from tickertui.kite.responses import (
    AnswerError,
    Profile,
    Quote,
    quote_words,
    read_candles,
    read_last_prices,
    read_profile,
    read_quotes,
    read_session,
)
from tickertui.kite.responses import Session as Session
from tickertui.kite.rest import RestLine
from tickertui.kite.secrets import Secret
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import IST, Clock
from tickertui.market.instruments import Instrument, InstrumentTable
from tickertui.market.ticks import Source, TickBatch

API_ROOT: Final = "https://api.kite.trade"

QUOTES_PER_CALL: Final = 500
"""Most instruments of one ``/quote`` (Kite Connect v3, market quotes)."""

PRICES_PER_CALL: Final = 1000
"""Most instruments of one ``/quote/ltp`` or ``/quote/ohlc`` (Kite Connect v3, market quotes)."""

_LOG: Final = logging.getLogger(__name__)

_ATTEMPTS: Final = 3
_DEADLINE_SECONDS: Final = 60.0
"""A call takes no longer, however slowly its answer drips in: the timeout is for each piece of it."""

_SHORT_WAIT_SECONDS: Final = 5.0
"""A 429 is waited out within the call when the broker asks for no more than this."""

_THREADS: Final = {CallClass.QUOTE: 3, CallClass.HISTORICAL: 6, CallClass.OTHER: 4}
"""Calls under way at once: the rates times an answer of about 2 s."""

T = TypeVar("T")


class KiteClient:
    """REST calls of one account. Used on one event loop; several accounts have one each.

    Args:
        account_id: For the errors ("Z1").
        api_key: Of the account's app.
        access_token: Token of the day, None before the login.
        root: Address of the API, without a path.
        login_root: Address of the login page.
        timeout: Seconds to connect, and between two pieces of an answer.
        pacer: Shared by everybody who uses the same API key; a new one by default.
        clock: Stamps quotes in `quote_batch`; without one they carry no time of receipt.
    """

    def __init__(
        self,
        account_id: str,
        api_key: str,
        access_token: Secret | None = None,
        *,
        root: str = API_ROOT,
        login_root: str = LOGIN_ROOT,
        timeout: float = 7.0,
        pacer: Pacer | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.account_id = account_id
        self.pacer = Pacer() if pacer is None else pacer
        self._api_key = api_key
        self._token = access_token
        self._root = root
        self._login_root = login_root
        self._timeout = timeout
        self._clock = clock
        self._turns = {kind: anyio.CapacityLimiter(count) for kind, count in _THREADS.items()}
        self._threads = anyio.CapacityLimiter(sum(_THREADS.values()))
        # Taken from and put back by worker threads; list.append and list.pop are atomic.
        self._idle: list[RestLine] = []
        self._closed = False

    def __repr__(self) -> str:
        return f"KiteClient({self.account_id!r}, {self._root!r})"

    # ------------------------------------------------------------------ session

    @property
    def login_url(self) -> str:
        """Address of the broker's login page for this app."""
        return login_url(self._api_key, self._login_root)

    def set_access_token(self, token: Secret) -> None:
        """Use another token from the next call on."""
        self._token = token

    async def exchange_request_token(self, request_token: Secret, api_secret: Secret) -> Session:
        """Finish a login: the request token, good for a few minutes and once, for the token of the day.

        The client uses the new token from then on. Never retried: a request token is good for one attempt.

        Raises:
            AuthExpired: The request token is used up, too old or another app's.
            KiteError: See `tickertui.kite.errors`.
        """
        signed = f"{self._api_key}{request_token.reveal()}{api_secret.reveal()}"
        parameters = {
            "api_key": self._api_key,
            "request_token": request_token.reveal(),
            "checksum": hashlib.sha256(signed.encode()).hexdigest(),
        }
        session = await self._call(
            "the login",
            CallClass.OTHER,
            lambda kite: kite._post("api.token", params=parameters),
            read_session,
            attempts=1,
            needs_token=False,
        )
        self._token = session.access_token
        return session

    async def profile(self) -> Profile:
        """Return whose session it is: the cheapest call that needs one."""
        return await self._call("the profile", CallClass.OTHER, lambda kite: kite._get("user.profile"), read_profile)

    # ------------------------------------------------------------------ instruments

    async def fetch_instruments(self, exchange: str | None = None) -> InstrumentTable:
        """Return the day's contracts, of one exchange or of all.

        Raises:
            UnexpectedAnswer: What came is not an instruments dump.
            KiteError: See `tickertui.kite.errors`.
        """
        return await self._dump(exchange, parse_instruments)

    async def fetch_instruments_csv(self, exchange: str | None = None) -> bytes:
        """Return the day's contracts as the broker's CSV, not looked into."""
        return await self._dump(exchange, bytes)

    async def _dump(self, exchange: str | None, read: Callable[[bytes], T]) -> T:
        def request(kite: Any) -> object:
            if exchange is None:
                return kite._get("market.instruments.all")
            return kite._get("market.instruments", url_args={"exchange": exchange})

        def read_csv(content: object) -> T:
            if not isinstance(content, bytes):
                raise AnswerError("it is not CSV")
            return read(content)

        endpoint = f"the instruments of {exchange}" if exchange else "the instruments"
        return await self._call(endpoint, CallClass.OTHER, request, read_csv, needs_token=False)

    # ------------------------------------------------------------------ quotes

    async def get_quote(self, keys: Sequence[str]) -> dict[str, Quote]:
        """Return full quotes, 500 instruments a call.

        Args:
            keys: ``EXCHANGE:TRADINGSYMBOL`` each.

        Returns:
            By key; an instrument that the broker has no data for is not in it.
        """
        return await self._by_key("quotes", "market.quote", keys, QUOTES_PER_CALL, read_quotes)

    async def get_last_price(self, keys: Sequence[str]) -> dict[str, float]:
        """Return last prices in rupees, 1,000 instruments a call; see `get_quote`."""
        return await self._by_key("last prices", "market.quote.ltp", keys, PRICES_PER_CALL, read_last_prices)

    async def _by_key(
        self, endpoint: str, route: str, keys: Sequence[str], most: int, read: Callable[[object], dict[str, T]]
    ) -> dict[str, T]:
        answers: dict[str, T] = {}
        unique = list(dict.fromkeys(keys))
        for start in range(0, len(unique), most):
            chunk = unique[start : start + most]
            answers |= await self._call(endpoint, CallClass.QUOTE, _get_chunk(route, chunk), read)
        return answers

    async def quote_batch(self, instruments: Sequence[Instrument]) -> TickBatch:
        """Return full quotes as one batch of source SNAPSHOT, rows of full width, index rows in the board's order.

        An instrument that the broker has no data for is left out, as is a quote of another token than the
        instrument's (the symbol belongs to another contract by now).
        """
        quotes = await self.get_quote([instrument.quote_key for instrument in instruments])
        rows = [
            quote
            for instrument in instruments
            if (quote := quotes.get(instrument.quote_key)) is not None and quote.token == instrument.token
        ]
        clock = self._clock
        return TickBatch.from_rows(
            np.ascontiguousarray(quote_words(rows)),
            Source.SNAPSHOT,
            received_ns=0 if clock is None else clock.monotonic_ns(),
            received_wall_ns=0 if clock is None else clock.time_ns(),
        )

    # ------------------------------------------------------------------ history

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
        """Return the candles of one instrument.

        Args:
            token: The broker's ``instrument_token``.
            start: First instant, aware.
            end: Last instant, aware; at most `Interval.max_days` later.
            interval: Length of a candle.
            oi: Whether to ask for the open interest.
            continuous: Day candles over expired contracts of a future.

        Returns:
            Ascending; prices as the wire's integers; the forming candle included where the range reaches now.

        Raises:
            ValueError: An instant has no time zone, or the range is empty or too long for one request.
            KiteError: See `tickertui.kite.errors`.
        """
        parameters = {
            "from": _market_time(start),
            "to": _market_time(end),
            "interval": interval.value,
            "continuous": int(continuous),
            "oi": int(oi),
        }
        if start > end:
            raise ValueError(f"a history begins before it ends, not {start} to {end}")
        if (end - start).days > interval.max_days:
            raise ValueError(
                f"one request for {interval.value} candles spans at most {interval.max_days} days, not {end - start}"
            )
        return await self._call(
            f"the history of {token}",
            CallClass.HISTORICAL,
            lambda kite: kite._get(
                "market.historical",
                url_args={"instrument_token": token, "interval": interval.value},
                params=parameters,
            ),
            lambda data: read_candles(data, token),
        )

    # ------------------------------------------------------------------ calls

    @property
    def history_refusals(self) -> int:
        """Requests for candles that were refused for too many (HTTP 429), those that succeeded later included."""
        return self.pacer.refusals(CallClass.HISTORICAL)

    async def aclose(self) -> None:
        """Close what is open; calls under way are not waited for, their threads clean up behind them."""
        self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while True:
            try:
                line = self._idle.pop()
            except IndexError:
                return
            line.close()

    async def _call(
        self,
        endpoint: str,
        kind: CallClass,
        request: Callable[[Any], object],
        read: Callable[[Any], T],
        *,
        attempts: int = _ATTEMPTS,
        needs_token: bool = True,
    ) -> T:
        """Send a request when it is its turn; again where that may help."""
        if needs_token and not self._token:
            raise AuthExpired("there is no token for today", account=self.account_id, endpoint=endpoint)
        reason: Exception | None = None

        def is_worth_it(error: Exception) -> bool:
            nonlocal reason
            reason = error
            return _worth_another_attempt(error)

        retries = stamina.retry_context(
            on=is_worth_it, attempts=attempts, timeout=None, wait_initial=0.2, wait_max=2.0, wait_jitter=0.3
        )
        async for attempt in retries:
            if reason is not None:
                _LOG.warning("asking for %s again (%d of %d): %s", endpoint, attempt.num, attempts, reason)
            with attempt:
                return await self._attempt(endpoint, kind, request, read)
        raise AssertionError("a retry either returns or raises")

    async def _attempt(
        self, endpoint: str, kind: CallClass, request: Callable[[Any], object], read: Callable[[Any], T]
    ) -> T:
        async with self._turns[kind]:
            await self.pacer.wait(kind)
            token = self._token
            asked_at = monotonic()
            try:
                with anyio.fail_after(_DEADLINE_SECONDS):
                    answer = await anyio.to_thread.run_sync(
                        lambda: self._in_thread(endpoint, token, request, read),
                        abandon_on_cancel=True,
                        limiter=self._threads,
                    )
                _LOG.debug("%s: %s came in %.0f ms", self.account_id, endpoint, 1000 * (monotonic() - asked_at))
                return answer
            except RateLimited as error:
                self.pacer.slow_down(kind, error.retry_after)
                raise
            except TimeoutError:
                raise BrokerTimeout(account=self.account_id, endpoint=endpoint) from None

    def _in_thread(
        self, endpoint: str, token: Secret | None, request: Callable[[Any], object], read: Callable[[Any], T]
    ) -> T:
        try:
            line = self._idle.pop()
        except IndexError:
            line = RestLine(self.account_id, self._api_key, self._root, self._timeout)
        try:
            return line.call(endpoint, token, request, read)
        finally:
            self._idle.append(line)
            if self._closed:
                self._close_idle()


def _get_chunk(route: str, keys: Sequence[str]) -> Callable[[Any], object]:
    return lambda kite: kite._get(route, params={"i": keys})


def _worth_another_attempt(error: Exception) -> bool:
    """Whether the same call may succeed within seconds."""
    if isinstance(error, RateLimited):
        return (error.retry_after or 0.0) <= _SHORT_WAIT_SECONDS
    return isinstance(error, BrokerTimeout | BrokerUnavailable)


def _market_time(instant: datetime) -> str:
    """``yyyy-mm-dd hh:mm:ss`` in IST, which is how the broker reads it."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone; market time is Asia/Kolkata")
    return instant.astimezone(IST).strftime("%Y-%m-%d %H:%M:%S")
