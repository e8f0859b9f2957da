"""`ExpiryStrip`: the second line: listed expiries, the chosen one in brackets, and how the grid is set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from textual import events
from textual.message import Message

from tickertui.frozen import frozen
from tickertui.tui.look.breakpoints import WIDE
from tickertui.tui.view.frames import ListedExpiry
from tickertui.tui.widgets.one_line import MUTED, PLAIN, STRONG, OneLine, Piece, Tint, justified, length

"""From this width on every expiry shows its days."""


@frozen
class StripView:
    """What the strip says.

    Attributes:
        expiries: Listed expiries, ascending.
        chosen: The one whose chain is shown.
        settings: How the grid is set, the most useful last; dropped from the front without room.
    """

    expiries: tuple[ListedExpiry, ...]
    chosen: date
    settings: tuple[str, ...] = ()


class ExpiryStrip(OneLine[StripView]):
    """The second line; a click on an expiry asks for it."""

    @dataclass
    class Chosen(Message):
        """An expiry was clicked."""

        expiry: date

    def lay_out(self, view: StripView, width: int) -> Sequence[Piece]:
        """Return the most talkative form that fits."""
        pieces, _ = self._placed(view, width)
        return pieces

    def _placed(self, view: StripView, width: int) -> tuple[list[Piece], list[tuple[int, int, date]]]:
        """Pieces of the line, and the cells of each expiry."""
        room = width - (len(view.settings[-1]) + 2 if view.settings else 0)
        for talk in (4, 3, 2, 1):
            entries = [_entry(mark, view.chosen, talk) for mark in view.expiries]
            if length(entries) <= room:
                break
        else:
            # Near expiries with their days are worth more than the years of the far ones.
            entries = [_entry(mark, view.chosen, 2 if width >= WIDE else 1) for mark in view.expiries]
            entries = _around(entries, [mark.expiry for mark in view.expiries].index(view.chosen), room)
        cells, x = [], 0
        for mark, entry in zip(view.expiries, entries, strict=True):
            if entry.text.strip(" …"):
                cells.append((x, x + len(entry.text), mark.expiry))
            x += len(entry.text)
        for first in range(len(view.settings)):
            right = [Piece("  ".join(view.settings[first:]) + " ", MUTED)]
            if length(entries) + length(right) < width:
                return justified(entries, right, width), cells
        return entries, cells

    def offsets(self) -> list[tuple[date, int]]:
        """Return the expiries on display and the cell where each one begins."""
        if self.shown is None:
            return []
        return [(expiry, start + 1) for start, _, expiry in self._placed(self.shown, self.size.width)[1]]

    def on_click(self, event: events.Click) -> None:
        """Ask for the expiry under the pointer."""
        if self.shown is None:
            return
        for start, end, expiry in self._placed(self.shown, self.size.width)[1]:
            if start <= event.x < end:
                self.post_message(self.Chosen(expiry))


def _entry(mark: ListedExpiry, chosen: date, talk: int) -> Piece:
    """One expiry; ``talk`` 1 has the days that matter, 2 all days, 3 and 4 the reasons too."""
    day = f"{mark.expiry:%d %b}" if talk == 4 else f"{mark.expiry:%d%b}"
    is_chosen = mark.expiry == chosen
    spelled = mark.is_today and talk >= 3
    text = f"{mark.letter} {day}"
    if mark.note and not mark.is_today:
        text += "*"
    if talk >= 2 or (talk == 1 and (is_chosen or mark.is_today)):
        text += f" {mark.days}d"
    if spelled:
        # ``Tue 24 Nov is a holiday: Prakash Gurpurb``: the picker of expiries has the holiday's name too.
        reason = mark.note.partition(":")[0]
        text += f" EXPIRY{', ' + reason if reason else ''}"
    elif mark.is_today:
        text += "!"
    if is_chosen:
        return Piece(f" [{text}]", STRONG)
    if mark.is_today:
        return Piece(f" <{text}>", Tint("warn"))
    return Piece(f" {text} ", PLAIN if mark.letter == "M" else MUTED)


def _around(entries: list[Piece], place: int, room: int) -> list[Piece]:
    """Keep the chosen expiry, what fits behind it, then what fits before it; where others are left out, dots stand."""
    dots = Piece(" … ", MUTED)
    room -= len(entries[place].text) + 2 * len(dots.text)
    first = last = place
    while last + 1 < len(entries) and len(entries[last + 1].text) <= room:
        last += 1
        room -= len(entries[last].text)
    while first > 0 and len(entries[first - 1].text) <= room:
        first -= 1
        room -= len(entries[first].text)
    shown = [entry if first <= i <= last else Piece("") for i, entry in enumerate(entries)]
    if first:
        shown[first - 1] = dots
    if last + 1 < len(entries):
        shown[last + 1] = dots
    return shown
