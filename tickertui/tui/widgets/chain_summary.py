"""`ChainSummaryLine`: the third line: the money, the straddle, volatility, ratios, max pain and the clock of the OI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tickertui.market.chain import ReferenceKind
from tickertui.tui import format as fmt
from tickertui.tui.frames import ChainFrame
from tickertui.tui.states import DataState
from tickertui.tui.widgets.one_line import MUTED, PLAIN, STRONG, OneLine, Piece, Tint

_WIDE = 110
_WIDEST = 180


@dataclass(frozen=True, slots=True)
class SummaryView:
    """Values of the line, already rounded to what it shows, so that an equal view repaints nothing.

    Attributes:
        atm: Strike at the money as text.
        reference: What it is measured from.
        straddle: Call plus put at the money as text.
        straddle_pct: In percent of the reference as text.
        iv: Implied volatility at the money as text.
        pcr: Put/call ratio of the open interest as text.
        pcr_change: Of its changes as text.
        pcr_volume: Of the volume as text.
        pain: Max pain as text.
        lot_size: Units per lot.
        convention: How Greeks are computed.
        oi_at: When open interest was seen to change last.
        oi_age: Seconds since then, as text.
        marked_at: When the mark was set.
        is_mock: Whether the values are synthetic.
        is_stale: Whether a leg of the straddle is stale.
        note: What the closing auction means for now, empty outside it.
    """

    atm: str
    reference: ReferenceKind
    straddle: str
    straddle_pct: str
    iv: str
    pcr: str
    pcr_change: str
    pcr_volume: str
    pain: str
    lot_size: int
    convention: str
    oi_at: datetime | None
    oi_age: str
    marked_at: datetime | None
    is_mock: bool
    is_stale: bool
    note: str = ""


def summary_view(frame: ChainFrame) -> SummaryView:
    """Return the line's view of a frame."""
    summary, totals = frame.summary, frame.totals
    stale = frame.atm_row >= 0 and bool((frame.states[frame.atm_row] == DataState.STALE).any())
    return SummaryView(
        atm=fmt.strike(summary.atm_strike),
        reference=summary.reference.kind,
        straddle=fmt.price(summary.straddle),
        straddle_pct=fmt.percent(summary.straddle_pct),
        iv=fmt.volatility(summary.atm_iv),
        pcr=fmt.number(totals.pcr),
        pcr_change=fmt.number(totals.pcr_change),
        pcr_volume=fmt.number(totals.pcr_volume),
        pain=fmt.strike(totals.max_pain),
        lot_size=summary.lot_size,
        convention=summary.convention,
        oi_at=summary.oi_at,
        oi_age=fmt.duration(summary.oi_age_s),
        marked_at=summary.marked_at,
        is_mock=frame.is_mock,
        is_stale=stale,
        note=frame.market.detail if frame.market.index_frozen else "",
    )


class ChainSummaryLine(OneLine[SummaryView]):
    """The third line."""

    def lay_out(self, view: SummaryView, width: int) -> Sequence[Piece]:
        """Return the parts that fit, from the left; in the closing auction its note comes first."""
        pieces = [Piece(" ")]
        room = width - 1
        for part in _parts(view, width):
            cost = sum(len(piece.text) for piece in part) + (2 if len(pieces) > 1 else 0)
            if cost > room:
                # What follows might fit, but a part that is missing in the middle would be misread.
                break
            if len(pieces) > 1:
                pieces.append(Piece("  "))
            pieces.extend(part)
            room -= cost
        return pieces


def _pair(label: str, value: str, tint: Tint = PLAIN) -> list[Piece]:
    return [Piece(f"{label} ", MUTED), Piece(value, tint)]


def _parts(view: SummaryView, width: int) -> list[list[Piece]]:
    mark = "~" if view.is_mock else ""
    tint = Tint("mock") if view.is_mock else PLAIN
    wide = width >= _WIDE
    straddle_mark = "~" if view.is_mock or view.is_stale else ""
    straddle_tint = tint if view.is_mock else Tint("stale") if view.is_stale else PLAIN
    share = f" ({view.straddle_pct})" if wide else f" {view.straddle_pct}"
    atm = [*_pair("ATM", mark + view.atm, STRONG if not view.is_mock else tint)]
    if view.reference is not ReferenceKind.NONE:
        atm.append(Piece(f" {view.reference.value}", MUTED))
    parts = [
        atm,
        [
            *_pair("straddle" if wide else "strd", straddle_mark + view.straddle, straddle_tint),
            Piece(share, straddle_tint),
        ],
        _pair("IV", mark + view.iv, tint),
        _pair("PCR", mark + view.pcr, tint),
        _pair("pain", mark + view.pain, tint),
    ]
    clock = _oi_clock(view, wide=wide)
    if view.note:
        parts.insert(1, [Piece(view.note, Tint("cas", bold=True))])
    if width >= _WIDEST:
        parts.append([*_pair("PCR dOI", mark + view.pcr_change, tint), *_pair(" vol", mark + view.pcr_volume, tint)])
    if wide:
        parts.append(_pair("lot", str(view.lot_size)))
    parts.append(clock)
    if wide and view.convention:
        parts.append([Piece(view.convention, MUTED)])
    if view.marked_at is not None:
        parts.append(_pair("mark", f"{view.marked_at:%H:%M}"))
    return parts


def _oi_clock(view: SummaryView, *, wide: bool) -> list[Piece]:
    if view.is_mock:
        return [Piece("OI:mock", Tint("mock"))]
    if view.oi_at is None:
        return [Piece("OI@—", MUTED)]
    age = f" ({view.oi_age})" if wide else ""
    return [Piece("OI@", MUTED), Piece(f"{view.oi_at:%H:%M}"), Piece(age, MUTED)]
