"""The REST interface: which path does what, who may call it, how often, and what goes wrong on demand.

`RestApi.handle` is the handler of `tickertui.simulator.http.serve_http`. Paths, parameters, shapes, limits and words
are the broker's (Kite Connect v3). Not served: everything that places, changes or cancels an order.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, time
from functools import partial
from typing import Final

import anyio
import anyio.to_thread

from tickertui.frozen import frozen
from tickertui.market.candles import Interval
from tickertui.market.clock import IST
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import Word
from tickertui.simulator import faults as wrong
from tickertui.simulator import quotes
from tickertui.simulator.accounts import Sessions, SimulatedAccount
from tickertui.simulator.clock import SimulatedClock
from tickertui.simulator.http import Request, Response
from tickertui.simulator.instruments_csv import Dump, compressed
from tickertui.simulator.limits import Limits, RateClass, RateLimiter
from tickertui.simulator.market import SimulatedMarket
from tickertui.simulator.responses import (
    ApiError,
    Page,
    failure,
    input_error,
    permission_error,
    rate_error,
    success,
    token_error,
)

_EXCHANGES: Final = ("NSE", "NFO", "BFO", "CDS", "BSE", "MCX", "BCD", "MF")
_PRODUCTS: Final = ("CNC", "NRML", "MIS", "BO", "CO")
_ORDER_TYPES: Final = ("MARKET", "LIMIT", "SL", "SL-M")
_CASH: Final = 1_000_000.0
"""Every simulated account has this many rupees and no positions."""


@frozen
class Call:
    """A request that found its route.

    Attributes:
        request: As received.
        arguments: Variable parts of the path.
        account: Whose valid session it carries; None for the calls that need none.
        fault: What is to go wrong with the answer.
    """

    request: Request
    arguments: tuple[str, ...]
    account: SimulatedAccount | None
    fault: wrong.RestFault | None

    @property
    def owner(self) -> SimulatedAccount:
        """Whose session it is, for calls that need one."""
        assert self.account is not None
        return self.account


@frozen
class _Route:
    method: str
    path: str
    answer: Callable[[Call], Awaitable[Response]]
    rate: RateClass = RateClass.OTHER
    needs_session: bool = True
    needs_market_data: bool = False


class RestApi:
    """Answers REST requests.

    Args:
        market: What is quoted.
        sessions: Who may ask.
        clock: Market time.
        dump: The instruments dump.
        faults: What goes wrong.
        limits: How much may be asked.
        orders_of: Orders to list, by API key.
    """

    def __init__(
        self,
        *,
        market: SimulatedMarket,
        sessions: Sessions,
        clock: SimulatedClock,
        dump: Dump,
        faults: wrong.Faults,
        limits: Limits,
        orders_of: Callable[[str], Sequence[object]],
    ) -> None:
        self._market = market
        self._sessions = sessions
        self._clock = clock
        self._dump = dump
        self._faults = faults
        self._limits = limits
        self._rates = RateLimiter(limits)
        self._orders_of = orders_of
        self._keys: dict[str, int] = {}
        self._keys_of: InstrumentTable | None = None
        self._routes = self._build_routes()

    def _build_routes(self) -> tuple[_Route, ...]:
        full = partial(self._quotes, quotes.quote, self._limits.quote_instruments)
        ohlc = partial(self._quotes, quotes.ohlc, self._limits.ohlc_instruments)
        ltp = partial(self._quotes, quotes.ltp, self._limits.ltp_instruments)
        candles = r"/instruments/historical/([^/]+)/([^/]+)"
        return (
            _Route("POST", r"/session/token", self._open_session, needs_session=False),
            _Route("DELETE", r"/session/token", self._end_session, needs_session=False),
            _Route("POST", r"/session/refresh_token", self._refuse_refresh, needs_session=False),
            _Route("GET", r"/user/profile", self._profile),
            _Route("GET", r"/user/margins", self._margins),
            _Route("GET", r"/user/margins/([a-z]+)", self._margins),
            _Route("GET", r"/orders", self._orders),
            _Route("GET", r"/trades", partial(_answer_with, [])),
            _Route("GET", r"/portfolio/positions", partial(_answer_with, {"net": [], "day": []})),
            _Route("GET", r"/portfolio/holdings", partial(_answer_with, [])),
            _Route("GET", r"/instruments", self._instruments, needs_session=False),
            _Route("GET", r"/instruments/([A-Za-z]+)", self._instruments, needs_session=False),
            _Route("GET", candles, self._historical, RateClass.HISTORICAL, needs_market_data=True),
            _Route("GET", r"/quote", full, RateClass.QUOTE, needs_market_data=True),
            _Route("GET", r"/quote/ohlc", ohlc, RateClass.QUOTE, needs_market_data=True),
            _Route("GET", r"/quote/ltp", ltp, RateClass.QUOTE, needs_market_data=True),
        )

    # ------------------------------------------------------------------ one request

    async def handle(self, request: Request) -> Response:
        """Answer a request of the broker's interface."""
        api_key, access_token = _credentials(request)
        fault = self._faults.next_rest(request.path, api_key)
        instead = await _instead(fault)
        if instead is not None:
            return instead
        try:
            response = await self._answer(request, api_key, access_token, fault)
        except ApiError as error:
            response = failure(error)
        if isinstance(fault, wrong.CutAnswer):
            response = replace(response, cut_at=int(len(response.body) * fault.share))
        return response

    async def _answer(
        self, request: Request, api_key: str, access_token: str, fault: wrong.RestFault | None
    ) -> Response:
        route, arguments = self._find(request)
        account = self._sessions.account_of(api_key, access_token)
        if route.needs_session and account is None:
            raise token_error()
        if not self._rates.admit(api_key, route.rate, self._clock.base.monotonic_ns()):
            raise rate_error()
        if route.needs_market_data and account is not None and not account.market_data:
            raise permission_error()
        return await route.answer(Call(request, arguments, account, fault))

    def _find(self, request: Request) -> tuple[_Route, tuple[str, ...]]:
        path = request.path.rstrip("/") or "/"
        found = [(route, match) for route in self._routes if (match := re.fullmatch(route.path, path))]
        for route, match in found:
            if route.method == request.method or (route.method == "GET" and request.method == "HEAD"):
                return route, match.groups()
        if found:
            raise ApiError(405, "GeneralException", f"Method {request.method} is not allowed for {path}.")
        if path.startswith(("/orders", "/gtt", "/mf", "/portfolio")):
            raise ApiError(404, "GeneralException", "The simulator takes no orders: it is for market data.")
        raise ApiError(404, "GeneralException", "Route not found")

    # ------------------------------------------------------------------ session and user

    async def _open_session(self, call: Call) -> Response:
        form = call.request.form()
        api_key, request_token, checksum = (_required(form, name) for name in ("api_key", "request_token", "checksum"))
        opened = self._sessions.exchange(api_key, request_token, checksum)
        if opened is None:
            raise token_error("Token is invalid or has expired.")
        return success(
            {
                **_user(opened.account),
                "api_key": opened.account.api_key,
                "access_token": opened.access_token,
                "public_token": opened.access_token[::-1],
                "enctoken": "",
                "refresh_token": "",
                "silo": "",
                "login_time": opened.login_time.strftime("%Y-%m-%d %H:%M:%S"),
            }
        )

    async def _end_session(self, call: Call) -> Response:
        api_key, access_token = (call.request.first(name) or "" for name in ("api_key", "access_token"))
        if self._sessions.account_of(api_key, access_token) is None:
            raise token_error()
        self._sessions.log_out(access_token)
        return success(data=True)

    async def _refuse_refresh(self, call: Call) -> Response:
        raise token_error("Refresh tokens are only for approved platforms.")

    async def _profile(self, call: Call) -> Response:
        return success(_user(call.owner))

    async def _margins(self, call: Call) -> Response:
        both = {"equity": _margin(), "commodity": _margin()}
        if not call.arguments:
            return success(both)
        if call.arguments[0] not in both:
            raise input_error("Invalid segment.")
        return success(both[call.arguments[0]])

    async def _orders(self, call: Call) -> Response:
        return success(list(self._orders_of(call.owner.api_key)))

    # ------------------------------------------------------------------ market data

    async def _instruments(self, call: Call) -> Response:
        exchange = call.arguments[0].upper() if call.arguments else None
        content = await self._dump.csv(exchange)
        if isinstance(call.fault, wrong.ShortDump):
            lines = content.splitlines(keepends=True)
            content = b"".join(lines[: 1 + int((len(lines) - 1) * call.fault.share)])
        if not call.request.takes_gzip:
            return Response(body=content, content_type="text/csv")
        encoded = await compressed(content)
        return Response(body=encoded, content_type="text/csv", headers=(("Content-Encoding", "gzip"),))

    async def _quotes(self, shape: Callable[..., quotes.Json], most: int, call: Call) -> Response:
        asked = list(dict.fromkeys(call.request.all("i")))
        if not asked:
            raise input_error("Missing or empty field `i`")
        if len(asked) > most:
            raise input_error(f"Maximum {most} instruments are allowed in a request.")
        wanted = {key: instrument for key in asked if (instrument := self._instrument(key)) is not None}
        rows = self._market.rows([instrument.token for instrument in wanted.values()])
        row_of = {int(row[Word.TOKEN]): row for row in rows}
        found = {key: instrument for key, instrument in wanted.items() if instrument.token in row_of}
        return success({key: shape(row_of[instrument.token], instrument) for key, instrument in found.items()})

    def _instrument(self, key: str) -> Instrument | None:
        """Return the living contract that a key of a quote call means: ``EXCHANGE:SYMBOL`` or a bare token."""
        table = self._market.instruments
        if table is not self._keys_of:
            names = zip(table.exchanges, table.symbols, strict=True)
            self._keys = {f"{exchange}:{symbol}": row for row, (exchange, symbol) in enumerate(names)}
            self._keys_of = table
        row = table.row(int(key)) if key.isascii() and key.isdigit() else self._keys.get(key)
        if row is None:
            return None
        instrument = table.instrument(row)
        return None if quotes.is_expired(instrument, self._clock.now().date()) else instrument

    async def _historical(self, call: Call) -> Response:
        token_text, interval_text = call.arguments
        instrument = self._instrument(token_text) if token_text.isdigit() else None
        if instrument is None:
            raise input_error("invalid token")
        try:
            interval = Interval(interval_text)
        except ValueError:
            raise input_error("invalid interval") from None
        start = _moment(call.request, "from", time.min)
        end = _moment(call.request, "to", time(23, 59, 59))
        if (end.date() - start.date()).days > interval.max_days:
            raise input_error(f"interval exceeds max limit: {interval.max_days} days")
        if call.request.first("continuous") == "1" and (
            interval is not Interval.DAY or instrument.kind is not InstrumentKind.FUTURE
        ):
            raise input_error("continuous data is for day candles of futures only")
        candles = self._market.candles(instrument.token, start, end, interval)
        with_oi = call.request.first("oi") == "1"
        # 60 days of minutes are 23,000 candles: 30 ms of writing, off the event loop.
        rows = partial(quotes.candle_rows, candles, instrument.token, with_oi=with_oi)
        return await anyio.to_thread.run_sync(lambda: success({"candles": rows()}))


# ---------------------------------------------------------------------- pieces


async def _answer_with(data: object, call: Call) -> Response:
    return success(data)


def _credentials(request: Request) -> tuple[str, str]:
    """Return API key and access token of the Authorization header, empty without them."""
    scheme, _, pair = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "token":
        return "", ""
    api_key, _, access_token = pair.strip().partition(":")
    return api_key, access_token


def _required(form: dict[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise input_error(f"Missing or empty field `{name}`")
    return value


def _moment(request: Request, name: str, default: time) -> datetime:
    """Return a time parameter; one without a time of day means the whole day."""
    text = request.first(name) or ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise input_error(f"invalid {name} date") from None
    if moment.tzinfo is not None:
        raise input_error(f"invalid {name} date")
    if len(text) <= len("2026-11-25"):
        moment = datetime.combine(moment.date(), default)
    return moment.replace(tzinfo=IST)


def _user(account: SimulatedAccount) -> dict[str, object]:
    return {
        "user_id": account.user_id,
        "user_type": "individual",
        "email": f"{account.user_id.lower()}@simulator.invalid",
        "user_name": f"Simulated {account.user_id}",
        "user_shortname": account.user_id,
        "broker": "ZERODHA",
        "exchanges": list(_EXCHANGES),
        "products": list(_PRODUCTS),
        "order_types": list(_ORDER_TYPES),
        "avatar_url": None,
        "meta": {"demat_consent": "physical"},
    }


def _margin() -> dict[str, object]:
    available = ("adhoc_margin", "cash", "opening_balance", "live_balance", "collateral", "intraday_payin")
    utilised = (
        "debits", "exposure", "m2m_realised", "m2m_unrealised", "option_premium", "payout", "span", "holding_sales",
        "turnover", "liquid_collateral", "stock_collateral", "delivery",
    )  # fmt: skip
    cash = ("cash", "opening_balance", "live_balance")
    return {
        "enabled": True,
        "net": _CASH,
        "available": {name: _CASH if name in cash else 0 for name in available},
        "utilised": dict.fromkeys(utilised, 0),
    }


async def _instead(fault: wrong.RestFault | None) -> Response | None:
    """Return what a fault answers instead of the truth, None for the truth (late, perhaps)."""
    match fault:
        case wrong.SlowAnswer():
            await anyio.sleep(fault.delay)
        case wrong.ResetAnswer():
            return Response(reset=True)
        case wrong.ErrorAnswer():
            return failure(ApiError(fault.status, fault.error_type, fault.message), fault.retry_after)
        case wrong.ErrorInside200():
            return failure(ApiError(200, "", fault.message))
        case wrong.HtmlError():
            return Page(f"{fault.status} Bad Gateway", "<p>The origin did not answer.</p>").response(fault.status)
        case wrong.GarbageAnswer():
            return Response(body=fault.body.encode())
    return None
