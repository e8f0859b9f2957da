"""`broker_of`: which broker a configuration is about, the one place that says so.

The commands ask it once a start (`tickertui.commands.common.locate`); directories, database and tokens follow from it
(`tickertui.settings.paths.Paths.of`).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from tickertui.settings.model import BrokerSettings, Settings
from tickertui.store.identity import KITE, MOCK, BrokerIdentity, BrokerKind

_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9.]+")
_LONGEST_FOLDER: Final = 80


def broker_of(settings: Settings, market: str = "") -> BrokerIdentity:
    """Return whose data a configuration works on.

    Args:
        settings: The configuration.
        market: How the simulator at ``broker.clock_url`` names its market; empty where there is none, or it was not
            asked. Every port shows the same market of one name, so the address does not count then.
    """
    if not settings.accounts:
        return MOCK
    broker = settings.broker
    if not broker.is_simulated:
        return KITE
    if market and _is_one_host(broker):
        return BrokerIdentity(
            BrokerKind.SIMULATOR,
            f"simulator {market}",
            f'the simulated market "{market}"',
            _folder(f"simulator {market}"),
        )
    address = _address(broker)
    return BrokerIdentity(BrokerKind.ADDRESS, address, f"the broker at {address}", _folder(address))


def _is_one_host(broker: BrokerSettings) -> bool:
    """Whether quotes and clock come from one server, so that what it says of itself goes for the quotes."""
    api, clock = urlsplit(broker.api_url), urlsplit(broker.clock_url)
    return (api.hostname, _port(api)) == (clock.hostname, _port(clock))


def _address(broker: BrokerSettings) -> str:
    """Where quotes come from, and the stream where it comes from another host; without user names and passwords."""
    api, stream = urlsplit(broker.api_url), urlsplit(broker.stream_url)
    address = f"{_place(api)}{api.path}"
    return address if api.hostname == stream.hostname else f"{address}, {_place(stream)}"


def _place(parts: SplitResult) -> str:
    return f"{parts.hostname or ''}:{_port(parts)}"


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme in ("https", "wss") else 80)


def _folder(text: str) -> str:
    return _NOT_IN_NAMES.sub("-", text.lower()).strip("-.")[:_LONGEST_FOLDER]
