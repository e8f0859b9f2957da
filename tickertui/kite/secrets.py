"""`Secret`: a string that does not show itself, and `redact` for texts that others wrote.

The broker wants the API key and the day's token in the address of the WebSocket, so both turn up in whatever a
library says about that address. Everything in `tickertui.kite` that passes such a text on redacts it first.
"""

from __future__ import annotations

import hmac
from typing import Final, NoReturn
from urllib.parse import quote

MASK: Final = "•••"
"""What stands in the place of a secret in every text."""

_SHORTEST_REDACTED: Final = 4
"""Shorter values than this occur inside ordinary words; the broker's are 16 and 32 characters."""


class Secret:
    """A secret string: `repr`, `str` and format give the mask, only `reveal` gives the value.

    Args:
        value: The secret.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; call it where the value leaves for the broker or the token file, nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def redact(text: str, *secrets: Secret | str | None) -> str:
    """Return ``text`` with every one of ``secrets`` masked, also where it stands percent-encoded."""
    for secret in secrets:
        value = secret.reveal() if isinstance(secret, Secret) else secret
        if value is None or len(value) < _SHORTEST_REDACTED:
            continue
        for form in (value, quote(value, safe=""), quote(value)):
            text = text.replace(form, MASK)
    return text
