"""What to say to the broker so that a connection carries what is desired: few long messages, never one a token.

Used by `tickertui.kite.stream`. The broker confirms nothing; ticks are the only sign that it understood.

Source: Kite Connect v3 documentation, WebSocket streaming, "Subscribing to tickers".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tickertui.frozen import frozen
from tickertui.market.ticks import Mode

MAX_INSTRUMENTS: Final = 3000
"""Most instruments the broker serves on one connection."""

_CHUNK: Final = 1000
"""Tokens in one message: 10 kB of JSON."""

_MODES: Final = (Mode.FULL, Mode.QUOTE, Mode.LTP)


@frozen
class SubscriptionMessage:
    """A message to the broker and what is so once it is sent.

    Attributes:
        text: The JSON.
        modes: Tokens with the modes they have afterwards; NONE for those it unsubscribes.
        subscribes: Whether these tokens were not subscribed before it.
    """

    text: str
    modes: Mapping[int, Mode]
    subscribes: bool = False


def changes(sent: Mapping[int, Mode], desired: Mapping[int, Mode]) -> Iterator[SubscriptionMessage]:
    """Yield the messages that lead from what was sent to what is desired.

    Unsubscriptions come first, so that the broker's limit is not passed on the way. A subscription starts in quote
    mode at the broker, so a mode message follows each.

    Args:
        sent: Token -> mode as the broker was told on this connection.
        desired: Token -> mode.
    """
    for tokens in _chunks([token for token in sent if token not in desired]):
        yield SubscriptionMessage(_message("unsubscribe", tokens), dict.fromkeys(tokens, Mode.NONE))
    wanted: dict[Mode, tuple[list[int], list[int]]] = {mode: ([], []) for mode in _MODES}
    for token, mode in desired.items():
        before = sent.get(token, Mode.NONE)
        if before != mode:
            new, changed = wanted[mode]
            (changed if before else new).append(token)
    for mode, (new, changed) in wanted.items():
        for tokens in _chunks(new):
            yield SubscriptionMessage(_message("subscribe", tokens), dict.fromkeys(tokens, Mode.QUOTE), True)
            yield SubscriptionMessage(_message("mode", [mode.label, tokens]), dict.fromkeys(tokens, mode))
        for tokens in _chunks(changed):
            yield SubscriptionMessage(_message("mode", [mode.label, tokens]), dict.fromkeys(tokens, mode))


def _chunks(tokens: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(tokens), _CHUNK):
        yield tokens[start : start + _CHUNK]


def _message(action: str, value: object) -> str:
    return json.dumps({"a": action, "v": value}, separators=(",", ":"))
