"""`Banner`: the first row while something about all numbers must be known. No key and no click dismisses it.

It is told three ways: words, a hatch that stands for the kind (``▓▒░`` mock, ``<<<`` replay, ``!!`` trouble), and
reverse video. It disappears only when the screen shows None.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from tickertui.frozen import frozen
from tickertui.tui.widgets.one_line import OneLine, Piece, Tint


class BannerKind(StrEnum):
    """Why the first row is taken; the value is the theme variable of its hue."""

    MOCK = "mock"
    REPLAY = "replay"
    SILENT = "warn"
    LOGIN = "error"


@frozen
class BannerView:
    """The first row while something about all numbers must be known; it cannot be dismissed.

    Attributes:
        kind: Decides hue, hatch and words.
        text: What stands between the hatches; begins with the state's word.
        shorter: Other ways to say it for narrower rows, the longest first; the first that fits is shown.
    """

    kind: BannerKind
    text: str
    shorter: tuple[str, ...] = ()


_HATCHES: Final = {
    BannerKind.MOCK: ("▓▒░", "░▒▓"),
    BannerKind.REPLAY: ("<<<", "<<<"),
    BannerKind.SILENT: ("!!", "!!"),
    BannerKind.LOGIN: ("!!", "!!"),
}


class Banner(OneLine[BannerView]):
    """One row, or none."""

    DEFAULT_CSS = """
    Banner { display: none; }
    """

    def show(self, view: BannerView | None) -> None:
        """Display a banner, or give the row back."""
        if view is None:
            self.display = False
            self._view = None
            return
        self.display = True
        super().show(view)

    def lay_out(self, view: BannerView, width: int) -> Sequence[Piece]:
        """Hatch, words, hatch up to the end of the row; the words are cut before the hatch in front is."""
        return [Piece(banner_text(view, width), Tint(view.kind.value, "ground", bold=True, reverse=True))]


def banner_text(view: BannerView, width: int) -> str:
    """Return the banner's row in exactly ``width`` cells."""
    front, back = _HATCHES[view.kind]
    room = width - len(front) - 1
    words = next((words for words in (view.text, *view.shorter) if len(words) <= room), view.text)
    text = f"{front} {words}"
    if len(text) > width:
        return text[: max(width - 1, 0)] + "…"[: max(width, 0)]
    if view.kind is BannerKind.MOCK:
        room = width - len(text) - 1
        return text + " " + (back * (room // len(back) + 1))[:room] if room > 0 else text.ljust(width)
    room = width - len(text) - len(back)
    return text + " " * room + back if room > 0 else text.ljust(width)
