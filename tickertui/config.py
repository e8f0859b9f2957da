"""The settings: a TOML file, overridden by the environment, checked field by field.

`load_settings` reports every mistake at once, each with file, line, key, the wrong value, and the nearest valid key
where a key is unknown. `tickertui.config_text` writes the documented example from the same fields.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from tickertui.config_text import ConfigProblem, line_of, nearest_key, problem_from
from tickertui.paths import Paths
from tickertui.presets import BUILT_IN, column_choice, column_name, preset_name

ENVIRONMENT_PREFIX = "TICKERTUI_"

_NOT_SETTINGS = frozenset(("TICKERTUI_HOME", "TICKERTUI_CONFIG"))


class ConfigError(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: Every mistake, in the order of the file.
    """

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class _Section(BaseModel):
    # The docstrings under the fields are read by `tickertui.config_text` when the example is written; letting pydantic
    # read them at import would cost 90 ms at every start.
    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return value.rstrip("/")


def _is_stream_address(value: str) -> str:
    if not value.startswith(("ws://", "wss://")):
        raise ValueError("must start with ws:// or wss://")
    return value.rstrip("/")


WebAddress = Annotated[str, AfterValidator(_is_web_address)]
StreamAddress = Annotated[str, AfterValidator(_is_stream_address)]
ModeName = Literal["ltp", "quote", "full"]
PresetName = Annotated[str, AfterValidator(preset_name)]
Columns = Annotated[tuple[Annotated[str, AfterValidator(column_name)], ...], AfterValidator(column_choice)]


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
    timeout_seconds: float = Field(default=7.0, ge=1.0, le=60.0)
    """How long a REST call may take."""

    @property
    def is_simulated(self) -> bool:
        """Whether quotes or ticks come from anywhere but the broker's own hosts: then they are marked as such."""
        hosts = (urlsplit(self.api_url).hostname, urlsplit(self.stream_url).hostname)
        return not all(host is not None and host.endswith(".kite.trade") for host in hosts)


class AccountSettings(_Section):
    """One Kite Connect app. Secrets do not belong here: see `tickertui login`."""

    id: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,15}$")
    """Short name for the screen, for instance "Z1"."""
    api_key: SecretStr
    """The app's API key."""
    secret_command: str = ""
    """Command that prints the API secret, for instance "pass show kite/z1"."""
    sockets: int = Field(default=3, ge=1, le=3)
    """Stream connections this program may open; the broker allows three per API key."""

    @field_validator("api_key")
    @classmethod
    def _key_is_plain(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().isalnum():
            raise ValueError("must be the letters and digits that the broker's developer page shows")
        return value


class RuleSettings(_Section):
    """A chain to subscribe, for instance NIFTY, the next 2 expiries, 40 strikes each side of the money."""

    underlying: str = Field(min_length=1)
    """Name of the underlying as in the broker's dump: NIFTY, BANKNIFTY, SENSEX, RELIANCE ..."""
    expiries: int | tuple[date, ...] = 1
    """How many of the nearest expiries, or a list of dates."""
    strikes: int | Literal["all"] = 40
    """Strikes on each side of the money, or "all"."""
    mode: ModeName = "full"
    """What the broker sends: ltp, quote, or full (with open interest and depth)."""
    account: str = ""
    """Account that must carry it; empty for any with room."""
    include_future: bool = True
    """Also subscribe the nearest future."""

    @model_validator(mode="after")
    def _counts_are_positive(self) -> RuleSettings:
        if isinstance(self.expiries, int) and not 1 <= self.expiries <= 20:
            raise ValueError("expiries must be a number from 1 to 20 or a list of dates")
        if isinstance(self.strikes, int) and not 1 <= self.strikes <= 500:
            raise ValueError('strikes must be a number from 1 to 500 or "all"')
        return self


class FeedSettings(_Section):
    """What fills the screen."""

    source: Literal["auto", "mock"] = "auto"
    """"auto": live with an account, an unmistakable mock without one. "mock": always the mock."""
    silence_seconds: float = Field(default=5.0, ge=2.0, le=60.0)
    """A socket without any frame for this long is dropped and reconnected."""
    snapshot_quotes: bool = True
    """Fill instruments that have not ticked yet with REST quotes, marked SNAP."""


class MockSettings(_Section):
    """The synthetic market."""

    seed: int = Field(default=7, ge=0)
    """Same seed, same market."""
    regime: Literal["calm", "trending", "volatile", "expiry-afternoon", "closing-auction"] = "calm"
    """How it behaves."""
    interval_seconds: float = Field(default=1.0, ge=0.1, le=10.0)
    """Time between two steps."""


class ReloadSettings(_Section):
    """When changed subscriptions are applied."""

    debounce_seconds: float = Field(default=1.0, ge=0.0, le=30.0)
    """Quiet time to wait for after a change."""
    max_wait_seconds: float = Field(default=5.0, ge=0.0, le=120.0)
    """Longest wait while changes keep coming."""
    min_interval_seconds: float = Field(default=5.0, ge=0.0, le=300.0)
    """Least time between two reloads."""


class HistorySettings(_Section):
    """Backfill of missing candles."""

    enabled: bool = True
    """Start by itself; `b` starts and pauses it at any time."""
    days: int = Field(default=5, ge=0, le=60)
    """How many days back."""
    interval: Literal["minute", "3minute", "5minute", "10minute", "15minute", "30minute", "60minute", "day"] = "minute"
    """Length of a candle."""
    keep_days: int = Field(default=30, ge=1, le=3650)
    """Calendar days that candles are kept; never fewer than `days` asks for."""


class GreeksSettings(_Section):
    """How implied volatility and Greeks are computed."""

    convention: Literal["calendar", "trading-252", "exchange"] = "calendar"
    """Calendar time / 365 on the forward; 252 trading days as Kite shows; or Black-Scholes on spot at 10 %."""
    volatility_side: Literal["convention", "otm", "own"] = "convention"
    """As the convention does it, the out-of-the-money leg's volatility for both legs of a strike, or each leg's own."""


class StoreSettings(_Section):
    """Where subscriptions, candles and progress are kept."""

    url: str = ""
    """Empty for a SQLite file in the data directory; a path; or postgresql://... to share a desk's subscriptions."""


class ScreenSettings(_Section):
    """How it looks."""

    theme: str = "cvd-dark"
    """cvd-dark, cvd-light, classic, classic-asia, mono, high-contrast, or one of your own."""
    glyphs: Literal["auto", "unicode", "ascii"] = "auto"
    """Drawing characters."""
    underlying: str = "NIFTY"
    """Chain to show first."""
    header: tuple[str, ...] = ("INDIA VIX", "BANKNIFTY", "SENSEX")
    """Indices shown in the first line beside the chain's own; they are subscribed with whatever else is."""
    columns: str = "oi"
    """Column preset to start with: oi, price, greeks, full, or one of your own."""
    units: Literal["lots", "contracts", "lakh"] = "lakh"
    """Units of volume and open interest."""
    atm_reference: Literal["spot", "forward"] = "spot"
    """What the at-the-money strike is nearest to."""
    refresh_per_second: float = Field(default=10.0, ge=1.0, le=30.0)
    """Screen frames per second; 2 to 4 is enough over a slow connection."""
    presets: dict[PresetName, Columns] = {}
    """Presets of your own: name = columns from the outside in, by their names or as their headers say."""


class LogSettings(_Section):
    """The log file; nothing is ever logged to the screen."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is written."""


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
    screen: ScreenSettings = ScreenSettings()
    log: LogSettings = LogSettings()
    keys: dict[str, str] = {}
    """Keys of your own: action id = "key" or "key1,key2"; `?` in the program lists the ids."""

    @model_validator(mode="after")
    def _references_exist(self) -> Settings:
        ids = [account.id for account in self.accounts]
        twice = sorted({account_id for account_id in ids if ids.count(account_id) > 1})
        if twice:
            raise ValueError(f"accounts: the id {twice[0]!r} is used twice")
        keys = [account.api_key.get_secret_value() for account in self.accounts]
        if len(set(keys)) < len(keys):
            raise ValueError("accounts: two accounts share one api_key; the broker's limits are per key")
        for number, rule in enumerate(self.rules, 1):
            if rule.account and rule.account not in ids:
                raise ValueError(f"rules: rule {number} names the account {rule.account!r}, which is not configured")
        return self


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read, override and check the settings.

    Args:
        path: The TOML file; None or a file that is not there means the defaults.
        environ: ``TICKERTUI_SECTION__KEY=value`` overrides one key.

    Raises:
        ConfigError: With every mistake at once.
    """
    text = ""
    if path is not None and path.exists():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError((ConfigProblem(str(path), 0, "", f"cannot be read: {reason}"),)) from error
    name = str(path) if path is not None else "settings"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((ConfigProblem(name, _error_line(str(error)), "", f"is not valid TOML: {error}"),)) from error
    misplaced = _misplaced_secrets(document, text, name)
    if misplaced:
        raise ConfigError(misplaced)
    from_environment, problems = _overrides(environ)
    for section, key, value, _ in from_environment:
        document.setdefault(section, {})[key] = value
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        origin = {(section, key): variable for section, key, _, variable in from_environment}
        problems += [problem_from(detail, Settings, text, name, origin) for detail in error.errors()]
    if problems:
        raise ConfigError(tuple(sorted(problems, key=lambda problem: problem.line)))
    return settings


def check_starting_columns(path: Path, settings: Settings, saved: Iterable[str]) -> None:
    """Check that ``screen.columns`` names a preset, now that those of the column editor are known too.

    Args:
        path: The file that the settings come from.
        settings: As read.
        saved: Names of the presets that the column editor keeps.

    Raises:
        ConfigError: When there is no such preset, with the nearest one.
    """
    names = [*BUILT_IN, *settings.screen.presets, *saved]
    wanted = settings.screen.columns
    if wanted not in names:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        line = line_of(text, ("screen", "columns"))
        sentence = f"is no preset (it is {wanted!r}){nearest_key(wanted, names)}"
        raise ConfigError((ConfigProblem(str(path) if line else "environment", line, "screen.columns", sentence),))


def resolve_config_path(argument: str | None, environ: Mapping[str, str], paths: Paths) -> Path:
    """Return ``--config``, else ``TICKERTUI_CONFIG``, else the platform's file.

    Raises:
        ConfigError: When a file that was named is not there.
    """
    named = argument or environ.get("TICKERTUI_CONFIG")
    if not named:
        return paths.config_file
    path = Path(named).expanduser()
    if not path.is_file():
        origin = "--config" if argument else "TICKERTUI_CONFIG"
        raise ConfigError(
            (ConfigProblem(str(path), 0, "", f"does not exist ({origin}); `tickertui config init` writes one"),)
        )
    return path


def _error_line(message: str) -> int:
    _, _, tail = message.partition("at line ")
    digits = tail.split(",")[0].strip()
    return int(digits) if digits.isdigit() else 0


def _misplaced_secrets(document: dict[str, Any], text: str, name: str) -> tuple[ConfigProblem, ...]:
    """A secret in the configuration is refused before anything could print it."""
    accounts = document.get("accounts")
    return tuple(
        ConfigProblem(
            name,
            line_of(text, ("accounts", index, key)),
            f"accounts.{index + 1}.{key}",
            "does not belong in this file; put api_secret into secrets.toml (mode 0600) or secret_command, "
            "and let `tickertui login` keep the token",
        )
        for index, account in enumerate(accounts if isinstance(accounts, list) else [])
        for key in ("api_secret", "access_token", "request_token")
        if isinstance(account, dict) and key in account
    )


def _overrides(environ: Mapping[str, str]) -> tuple[list[tuple[str, str, Any, str]], list[ConfigProblem]]:
    """Return (section, key, value, variable) of the environment, and what it got wrong."""
    found: list[tuple[str, str, Any, str]] = []
    problems: list[ConfigProblem] = []
    for variable in sorted(environ):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in _NOT_SETTINGS or "__" not in variable:
            continue
        section, _, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        field = Settings.model_fields.get(section)
        model = field.annotation if field else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            names = [name for name, info in Settings.model_fields.items() if isinstance(info.annotation, type)]
            hint = nearest_key(section, names)
            problems.append(ConfigProblem("environment", 0, variable, f"names no section{hint}"))
            continue
        found.append((section, key, _plain(environ[variable]), variable))
    return found, problems


def _plain(text: str) -> Any:
    """Read a value of the environment as TOML would, else as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def environment() -> Mapping[str, str]:
    """Return the process environment (one place, so that tests hand in their own)."""
    return os.environ
