"""`StatusBar`: the row of figures about the feed itself, in a fixed order, dropped from the right without room.

What is not in order stands in reverse video with a word, wherever it stands in the row, and is dropped last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tickertui.frozen import frozen
from tickertui.tui.look.breakpoints import WIDE
from tickertui.tui.widgets.one_line import OneLine, Piece, Tint

"""From this width on fields have bars between them."""
_OK: Final = Tint("header-text", "header")
_ALERT: Final = Tint("warn", "header", bold=True, reverse=True)


@frozen
class StatusField:
    """One figure.

    Attributes:
        text: ``Z1 0.4s``.
        short: The same for a narrow terminal, empty for no shorter form.
        alert: Whether it is not in order; its text then says so in words.
    """

    text: str
    short: str = ""
    alert: bool = False


class StatusBar(OneLine[tuple[StatusField, ...]]):
    """The figures of the feed."""

    TINT = _OK

    def lay_out(self, view: tuple[StatusField, ...], width: int) -> Sequence[Piece]:
        """Return the fields that fit, in their order."""
        wide = width >= WIDE
        separator = " │ " if wide else "  "
        texts = [field.text if wide or not field.short else field.short for field in view]
        kept = _kept(view, texts, width - 2, len(separator))
        pieces = [Piece(" ", _OK)]
        for place, index in enumerate(kept):
            if place:
                pieces.append(Piece(separator, _OK))
            pieces.append(Piece(texts[index], _ALERT if view[index].alert else _OK))
        return pieces


def _kept(fields: Sequence[StatusField], texts: Sequence[str], room: int, gap: int) -> list[int]:
    """Places of the fields that fit: alerts are counted first, then the others from the left."""
    kept: set[int] = set()
    for alert in (True, False):
        for index, field in enumerate(fields):
            if field.alert is not alert or not texts[index]:
                continue
            cost = len(texts[index]) + (gap if kept else 0)
            if cost <= room:
                kept.add(index)
                room -= cost
            elif not alert:
                # Nothing to the right of a dropped field is shown: the eye has learned the order.
                return sorted(kept)
    return sorted(kept)
