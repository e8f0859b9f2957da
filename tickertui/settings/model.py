"""The settings as values: every section with its keys, their defaults, limits and meaning.

A program without a configuration file is built from the defaults alone. `tickertui.settings.load` reads a file and has
it checked by pydantic, which is loaded only then: it takes 110 ms, a fifth of the start of the demo. Hence the limits
are written as small marks of our own that pydantic asks when it checks. The docstring under each field is its text in
the example file (`tickertui.settings.text`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from tickertui.frozen import frozen
from tickertui.kite.secrets import Secret
from tickertui.settings.presets import column_choice, column_name, preset_name

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    from tickertui.market.subscriptions import ChainRule


class Limits:
    """Limits of a setting, in pydantic's words: ``ge``, ``le``, ``min_length``, ``pattern``."""

    __slots__ = ("_limits",)

    def __init__(self, **limits: float | str) -> None:
        self._limits = limits

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Add the limits to what the type says (pydantic calls this)."""
        return {**handler(source), **self._limits}


class After:
    """A function that checks a setting of the right type and perhaps changes it, or refuses it with `ValueError`.

    Args:
        check: The function.
        is_text: The configuration holds a text, which the function turns into the type.
    """

    __slots__ = ("_check", "_is_text")

    def __init__(self, check: Callable[[Any], object], *, is_text: bool = False) -> None:
        self._check = check
        self._is_text = is_text

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let the function follow the check of the type (pydantic calls this)."""
        from pydantic_core import core_schema

        before = core_schema.str_schema() if self._is_text else handler(source)
        return core_schema.no_info_after_validator_function(self._check, before)


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return value.rstrip("/")


def _stream_address(value: str) -> str:
    if not value.startswith(("ws://", "wss://")):
        raise ValueError("must start with ws:// or wss://")
    return value.rstrip("/")


def _store_place(value: str) -> str:
    scheme, is_address, _ = value.partition("://")
    if is_address and scheme not in ("postgresql", "postgres"):
        raise ValueError("must be a path without a scheme, or start with postgresql://")
    return value


def _api_key(value: str) -> Secret:
    if not value.isalnum():
        raise ValueError("must be the letters and digits that the broker's developer page shows")
    return Secret(value)


# What a rule may say, `tickertui.market.subscriptions` says. It needs numpy, which a start without rules does without
# until its first frame.


def _underlying(value: str) -> str:
    from tickertui.market.subscriptions import checked_underlying

    return checked_underlying(value)


def _expiries(value: int | tuple[date, ...]) -> int | tuple[date, ...]:
    from tickertui.market.subscriptions import checked_expiry_count

    return checked_expiry_count(value) if isinstance(value, int) else value


def _strikes(value: int | Literal["all"]) -> int | Literal["all"]:
    from tickertui.market.subscriptions import checked_strikes

    if value != "all":
        checked_strikes(value)
    return value


def _mode(value: str) -> str:
    from tickertui.market.subscriptions import parse_mode

    return parse_mode(value).label


WebAddress = Annotated[str, After(_web_address)]
StreamAddress = Annotated[str, After(_stream_address)]
StorePlace = Annotated[str, After(_store_place)]
PresetName = Annotated[str, After(preset_name)]
Columns = Annotated[tuple[Annotated[str, After(column_name)], ...], After(column_choice)]


class _Section:
    __slots__ = ()

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}
    """A key that is no setting is a mistake."""


@frozen
class BrokerSettings(_Section):
    """Where the broker is; point these at `tickertui simulate` to practise."""

    api_url: WebAddress = "https://api.kite.trade"
    """Root of the REST interface."""
    stream_url: StreamAddress = "wss://ws.kite.trade"
    """Address of the tick stream."""
    login_url: WebAddress = "https://kite.zerodha.com/connect/login"
    """Page on which you log in once a day."""
    clock_url: WebAddress | Literal[""] = ""
    """Address that tells the market time of a simulator; empty for this machine's clock."""
    timeout_seconds: Annotated[float, Limits(ge=1.0, le=60.0)] = 7.0
    """How long a REST call may take."""

    @property
    def is_simulated(self) -> bool:
        """Whether quotes or ticks come from anywhere but the broker's own hosts: then they are marked as such."""
        hosts = (urlsplit(self.api_url).hostname, urlsplit(self.stream_url).hostname)
        return not all(host is not None and host.endswith(".kite.trade") for host in hosts)


@frozen
class AccountSettings(_Section):
    """One Kite Connect app. Secrets do not belong here: see `tickertui login`."""

    id: Annotated[str, Limits(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,15}$")]
    """Short name for the screen, for instance "Z1"."""
    api_key: Annotated[Secret, After(_api_key, is_text=True)]
    """The app's API key."""
    secret_command: str = ""
    """Command that prints the API secret, for instance "pass show kite/z1"."""
    sockets: Annotated[int, Limits(ge=1, le=3)] = 3
    """Stream connections this program may open; the broker allows three per API key."""


@frozen
class RuleSettings(_Section):
    """A chain to subscribe, for instance NIFTY, the next 2 expiries, 40 strikes each side of the money.

    An entry becomes a rule once, at a start; what is dropped or pinned in the program stays so. An entry that is
    edited changes its rule at the next start, and an event says so: of the entries that are not as before, one takes
    the place of the one of the same underlying, else of the one that stood at its place. An entry that is taken out
    leaves its rule, which is dropped in the program or with `tickertui subs remove`.
    An underlying that several exchanges have is that of the first of NFO, BFO, CDS, MCX, BCD, NCO that lists it;
    "BCD:USDINR" is that of BCD and no other, "ABCSTEEL/910" the contracts of lot 910 beside the usual ones.
    """

    underlying: Annotated[str, After(_underlying)]
    """Name of the underlying as in the broker's dump: NIFTY, BANKNIFTY, SENSEX, RELIANCE ..."""
    expiries: Annotated[int | tuple[date, ...], After(_expiries)] = 1
    """How many of the nearest expiries, or a list of dates."""
    strikes: Annotated[int | Literal["all"], After(_strikes)] = 40
    """Strikes on each side of the money, or "all"."""
    mode: Annotated[str, After(_mode)] = "full"
    """What the broker sends: ltp, quote, or full (with open interest and depth)."""
    account: str = ""
    """Account that must carry it; empty for any with room."""
    include_future: bool = True
    """Also subscribe the nearest future."""

    def as_rule(self) -> ChainRule:
        """Return the rule that the entry stands for."""
        from tickertui.market.subscriptions import ChainRule, parse_mode

        return ChainRule(
            rule_id=0,
            underlying=self.underlying,
            expiry_count=self.expiries if isinstance(self.expiries, int) else 1,
            expiries=() if isinstance(self.expiries, int) else self.expiries,
            strikes=None if self.strikes == "all" else self.strikes,
            mode=parse_mode(self.mode),
            preferred_account=self.account,
            include_future=self.include_future,
        )


@frozen
class FeedSettings(_Section):
    """What fills the screen."""

    source: Literal["auto", "mock"] = "auto"
    """"auto": live with an account, an unmistakable mock without one. "mock": always the mock."""
    silence_seconds: Annotated[float, Limits(ge=2.0, le=60.0)] = 5.0
    """A socket without any frame for this long is dropped and reconnected."""
    snapshot_quotes: bool = True
    """Fill instruments that have not ticked yet with REST quotes, marked SNAP."""


@frozen
class MockSettings(_Section):
    """The synthetic market."""

    seed: Annotated[int, Limits(ge=0)] = 7
    """Same seed, same market."""
    regime: Literal["calm", "trending", "volatile", "expiry-afternoon", "closing-auction"] = "calm"
    """How it behaves."""
    interval_seconds: Annotated[float, Limits(ge=0.1, le=10.0)] = 1.0
    """Time between two steps."""


@frozen
class ReloadSettings(_Section):
    """When changed subscriptions are applied."""

    debounce_seconds: Annotated[float, Limits(ge=0.0, le=30.0)] = 1.0
    """Quiet time to wait for after a change."""
    max_wait_seconds: Annotated[float, Limits(ge=0.0, le=120.0)] = 5.0
    """Longest wait while changes keep coming."""
    min_interval_seconds: Annotated[float, Limits(ge=0.0, le=300.0)] = 5.0
    """Least time between two reloads."""


@frozen
class HistorySettings(_Section):
    """Backfill of missing candles."""

    enabled: bool = True
    """Start by itself; `b` starts and pauses it at any time."""
    days: Annotated[int, Limits(ge=0, le=60)] = 5
    """How many days back."""
    interval: Literal["minute", "3minute", "5minute", "10minute", "15minute", "30minute", "60minute", "day"] = "minute"
    """Length of a candle."""
    keep_days: Annotated[int, Limits(ge=1, le=3650)] = 30
    """Calendar days that candles are kept; never fewer than `days` asks for."""


@frozen
class GreeksSettings(_Section):
    """How implied volatility and Greeks are computed."""

    convention: Literal["calendar", "trading-252", "exchange"] = "calendar"
    """Calendar time / 365 on the forward; 252 trading days as Kite shows; or Black-Scholes on spot at 10 %."""
    volatility_side: Literal["convention", "otm", "own"] = "convention"
    """As the convention does it, the out-of-the-money leg's volatility for both legs of a strike, or each leg's own."""


@frozen
class StoreSettings(_Section):
    """Where subscriptions, candles and progress are kept."""

    url: StorePlace = ""
    """Empty for a SQLite file in the data directory; a path; or postgresql://... to share a desk's subscriptions."""


@frozen
class ScreenSettings(_Section):
    """How it looks."""

    theme: str = "cvd-dark"
    """cvd-dark, cvd-light, classic, classic-asia, mono, high-contrast, or one of your own."""
    glyphs: Literal["auto", "unicode", "ascii"] = "auto"
    """Drawing characters."""
    underlying: str = "NIFTY"
    """Chain to show first."""
    header: tuple[str, ...] = ("INDIA VIX", "BANKNIFTY", "SENSEX")
    """Indices shown in the first line beside the chain's own, by the name or symbol that the broker's list has; they
    are subscribed with whatever else is. The health pane says which cannot be shown."""
    columns: str = "oi"
    """Column preset to start with: oi, price, greeks, full, or one of your own."""
    units: Literal["lots", "contracts", "lakh"] = "lakh"
    """Units of volume and open interest."""
    atm_reference: Literal["spot", "forward"] = "spot"
    """What the at-the-money strike is nearest to."""
    refresh_per_second: Annotated[float, Limits(ge=1.0, le=30.0)] = 10.0
    """Screen frames per second; 2 to 4 is enough over a slow connection."""
    presets: dict[PresetName, Columns] = field(default_factory=dict)
    """Presets of your own: name = columns from the outside in, by their names or as their headers say."""


@frozen
class LogSettings(_Section):
    """The log file; nothing is ever logged to the screen."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is written."""


@frozen
class Settings(_Section):
    """All settings."""

    broker: BrokerSettings = BrokerSettings()
    accounts: tuple[AccountSettings, ...] = ()
    rules: tuple[RuleSettings, ...] = ()
    feed: FeedSettings = FeedSettings()
    mock: MockSettings = MockSettings()
    reload: ReloadSettings = ReloadSettings()
    history: HistorySettings = HistorySettings()
    greeks: GreeksSettings = GreeksSettings()
    store: StoreSettings = StoreSettings()
    screen: ScreenSettings = field(default_factory=ScreenSettings)
    log: LogSettings = LogSettings()
    keys: dict[str, str] = field(default_factory=dict)
    """Keys of your own: action id = "key" or "key1,key2"; `?` in the program lists the ids."""

    def __post_init__(self) -> None:
        ids = [account.id for account in self.accounts]
        twice = sorted({account_id for account_id in ids if ids.count(account_id) > 1})
        if twice:
            raise ValueError(f"accounts: the id {twice[0]!r} is used twice")
        keys = [account.api_key.reveal() for account in self.accounts]
        if len(set(keys)) < len(keys):
            raise ValueError("accounts: two accounts share one api_key; the broker's limits are per key")
        for number, rule in enumerate(self.rules, 1):
            if rule.account and rule.account not in ids:
                raise ValueError(f"rules: rule {number} names the account {rule.account!r}, which is not configured")
