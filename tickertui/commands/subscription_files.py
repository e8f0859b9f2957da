"""Subscriptions as files: chain rules and single instruments, as CSV for a spreadsheet and as TOML for people.

Read and written by ``tickertui subs import|export``; the two formats hold the same.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import tomli_w

from tickertui.frozen import frozen
from tickertui.market.subscriptions import ChainRule, parse_mode
from tickertui.market.ticks import Mode
from tickertui.process.atomic_write import write_where_it_leads

T = TypeVar("T")

FileFormat = Literal["csv", "toml"]

_COLUMNS = ("kind", "name", "expiries", "strikes", "mode", "account", "future")
_RULE_KEYS = ("underlying", "expiries", "strikes", "mode", "account", "include_future")
_INSTRUMENT_KEYS = ("symbol", "mode", "account")


class SubscriptionFileError(ValueError):
    """A file of subscriptions cannot be used; the text names file, place and what was expected."""


@frozen
class WantedInstrument:
    """A single instrument as a file names it.

    Attributes:
        symbol: ``EXCHANGE:TRADINGSYMBOL``.
        mode: Requested mode.
        account: Account that must carry it, None for any.
    """

    symbol: str
    mode: Mode = Mode.FULL
    account: str | None = None


@frozen
class SubscriptionSet:
    """What a file holds."""

    rules: tuple[ChainRule, ...] = ()
    instruments: tuple[WantedInstrument, ...] = ()


def read_subscriptions(path: Path, kind: FileFormat | None = None) -> SubscriptionSet:
    """Read a file.

    Args:
        path: The file.
        kind: Its format; by its name when None.

    Raises:
        SubscriptionFileError: With the file, the line or entry, and what was expected.
    """
    kind = kind or _format(path)
    try:
        return parse_subscriptions(str(path), path.read_bytes(), kind)
    except OSError as error:
        raise SubscriptionFileError(f"{path}: cannot be read: {error.strerror}") from None


def parse_subscriptions(name: str, data: bytes, kind: FileFormat) -> SubscriptionSet:
    """Read what a file holds.

    Args:
        name: Of the file, for the errors.
        data: UTF-8, with a byte order mark or without.
        kind: Its format.

    Raises:
        SubscriptionFileError: With the file, the line or entry, and what was expected.
    """
    try:
        text = io.StringIO(data.decode("utf-8-sig"), newline=None).read()
    except UnicodeDecodeError:
        raise SubscriptionFileError(f"{name}: is not UTF-8 text") from None
    return _from_csv(name, text) if kind == "csv" else _from_toml(name, text)


def write_subscriptions(path: Path, subscriptions: SubscriptionSet, kind: FileFormat | None = None) -> None:
    """Write a file; one that cannot be written whole leaves the old one as it was.

    Args:
        path: The file.
        subscriptions: What it shall hold.
        kind: Its format; by its name when None.

    Raises:
        SubscriptionFileError: When it cannot be written.
    """
    text = format_subscriptions(subscriptions, kind or _format(path))
    try:
        write_where_it_leads(path, text)
    except OSError as error:
        raise SubscriptionFileError(f"{path}: cannot be written: {error.strerror}") from None


def format_subscriptions(subscriptions: SubscriptionSet, kind: FileFormat) -> str:
    """Return what a file of this format holds."""
    return _to_csv(subscriptions) if kind == "csv" else _to_toml(subscriptions)


def _format(path: Path) -> FileFormat:
    match path.suffix.lower():
        case ".csv":
            return "csv"
        case ".toml":
            return "toml"
    raise SubscriptionFileError(f"{path}: must end in .csv or .toml, or be told with --format")


# ---------------------------------------------------------------------- words


def _rule(values: Mapping[str, str]) -> ChainRule:
    return ChainRule.of_words(
        values["name"] or "",
        expiries=values.get("expiries") or "1",
        strikes=values.get("strikes") or "40",
        mode=values.get("mode") or "full",
        account=values.get("account") or "",
        future=values.get("future") or "yes",
    )


def wanted_instrument(symbol: str, mode: str = "full", account: str = "") -> WantedInstrument:
    """Read a single instrument.

    Raises:
        ValueError: With what was expected.
    """
    exchange, colon, name = symbol.strip().partition(":")
    if not (exchange and colon and name):
        raise ValueError(f"an instrument is named EXCHANGE:TRADINGSYMBOL, not {symbol!r}")
    return WantedInstrument(f"{exchange.upper()}:{name}", parse_mode(mode), account.strip() or None)


# ---------------------------------------------------------------------- CSV


def _from_csv(path: str, text: str) -> SubscriptionSet:
    reader = csv.DictReader(io.StringIO(text))
    unknown = [name for name in reader.fieldnames or () if name not in _COLUMNS]
    if unknown or "kind" not in (reader.fieldnames or ()) or "name" not in (reader.fieldnames or ()):
        found = ",".join(reader.fieldnames or ()) or "nothing"
        raise SubscriptionFileError(f"{path}:1: the first line must be {','.join(_COLUMNS)}, not {found}")
    rules: list[ChainRule] = []
    instruments: list[WantedInstrument] = []
    for values in reader:
        try:
            kind = (values["kind"] or "").strip().lower()
            if kind == "rule":
                rules.append(_rule(values))
            elif kind == "instrument":
                instruments.append(
                    wanted_instrument(values["name"] or "", values.get("mode") or "full", values.get("account") or "")
                )
            else:
                raise ValueError(f"kind must be rule or instrument, not {values['kind']!r}")
        except ValueError as error:
            raise SubscriptionFileError(f"{path}:{reader.line_num}: {error}") from None
    return SubscriptionSet(tuple(rules), tuple(instruments))


def _to_csv(subscriptions: SubscriptionSet) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for rule in subscriptions.rules:
        expiries = ";".join(expiry.isoformat() for expiry in rule.expiries) or rule.expiry_count
        strikes = "all" if rule.strikes is None else rule.strikes
        future = "yes" if rule.include_future else "no"
        account = rule.preferred_account or ""
        writer.writerow(("rule", rule.underlying, expiries, strikes, rule.mode.label, account, future))
    for item in subscriptions.instruments:
        writer.writerow(("instrument", item.symbol, "", "", item.mode.label, item.account or "", ""))
    return out.getvalue()


# ---------------------------------------------------------------------- TOML


def _from_toml(path: str, text: str) -> SubscriptionSet:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SubscriptionFileError(f"{path}: is not valid TOML: {error}") from None
    unknown = [key for key in document if key not in ("rules", "instruments")]
    if unknown:
        raise SubscriptionFileError(f"{path}: {unknown[0]}: is not known here; there are rules and instruments")
    rules = [
        _checked(path, f"rules.{number}", table, _RULE_KEYS, _rule_of_table)
        for number, table in enumerate(_tables(path, document, "rules"), 1)
    ]
    instruments = [
        _checked(path, f"instruments.{number}", table, _INSTRUMENT_KEYS, _instrument_of_table)
        for number, table in enumerate(_tables(path, document, "instruments"), 1)
    ]
    return SubscriptionSet(tuple(rules), tuple(instruments))


def _tables(path: str, document: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    tables = document.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SubscriptionFileError(f"{path}: {key}: must be tables, each under [[{key}]]")
    return tables


def _checked(
    path: str, place: str, table: Mapping[str, Any], keys: Sequence[str], build: Callable[[Mapping[str, Any]], T]
) -> T:
    unknown = [key for key in table if key not in keys]
    if unknown:
        raise SubscriptionFileError(f"{path}: {place}.{unknown[0]}: is not known here; there are {', '.join(keys)}")
    try:
        return build(table)
    except (ValueError, KeyError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise SubscriptionFileError(f"{path}: {place}: {reason}") from None


def _rule_of_table(table: Mapping[str, Any]) -> ChainRule:
    expiries = table.get("expiries", 1)
    listed = expiries if isinstance(expiries, list) else [expiries]
    return _rule(
        {
            "name": str(table["underlying"]),
            "expiries": ",".join(str(item) for item in listed),
            "strikes": str(table.get("strikes", 40)),
            "mode": str(table.get("mode", "full")),
            "account": str(table.get("account", "")),
            "future": str(table.get("include_future", True)),
        }
    )


def _instrument_of_table(table: Mapping[str, Any]) -> WantedInstrument:
    return wanted_instrument(str(table["symbol"]), str(table.get("mode", "full")), str(table.get("account", "")))


def _to_toml(subscriptions: SubscriptionSet) -> str:
    document: dict[str, list[dict[str, object]]] = {}
    if subscriptions.rules:
        document["rules"] = [_table_of_rule(rule) for rule in subscriptions.rules]
    if subscriptions.instruments:
        document["instruments"] = [_table_of_instrument(item) for item in subscriptions.instruments]
    return tomli_w.dumps(document)


def _table_of_instrument(item: WantedInstrument) -> dict[str, object]:
    table: dict[str, object] = {"symbol": item.symbol, "mode": item.mode.label}
    return table | ({"account": item.account} if item.account else {})


def _table_of_rule(rule: ChainRule) -> dict[str, object]:
    table: dict[str, object] = {
        "underlying": rule.underlying,
        "expiries": list(rule.expiries) or rule.expiry_count,
        "strikes": "all" if rule.strikes is None else rule.strikes,
        "mode": rule.mode.label,
        "include_future": rule.include_future,
    }
    return table | ({"account": rule.preferred_account} if rule.preferred_account else {})
