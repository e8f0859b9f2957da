"""`ChainSummaryLine`: the third line: the money, the straddle, volatility, ratios, max pain and the clock of the OI."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tickertui.frozen import frozen
from tickertui.market.arrays import distinct
from tickertui.market.chain import ReferenceKind
from tickertui.market.instruments import ChainRows
from tickertui.market.volatility_analytics import skew
from tickertui.tui.look import format as fmt
from tickertui.tui.look.breakpoints import WIDE, WIDEST
from tickertui.tui.view.data_states import DataState, MarketView
from tickertui.tui.view.frames import ChainFrame, Field
from tickertui.tui.widgets.one_line import MUTED, PLAIN, STRONG, OneLine, Piece, Tint, length


@frozen
class SummaryView:
    """Values of the line, already rounded to what it shows, so that an equal view repaints nothing.

    Attributes:
        atm: Strike at the money as text.
        reference: What it is measured from.
        straddle: Call plus put at the money as text.
        straddle_pct: In percent of the reference as text.
        iv: Implied volatility at the money as text.
        pcr: Put/call ratio of the open interest as text, with its coverage where it is not of the whole chain.
        pcr_change: Of its changes as text.
        pcr_volume: Of the volume as text.
        pain: Max pain as text.
        lots: Units per lot; each, where the legs differ.
        series: The series of other terms at the same strikes, which are chains of their own; empty for none.
        convention: How Greeks are computed: the model and where its forward comes from.
        counted: From when and to when time is counted, ``T→15:40`` or ``T 4.0d Fri 15:39→15:30?``; empty where it is
            not known.
        oi_at: When open interest was seen to change last.
        oi_age: Seconds since then, as text.
        marked_at: When the mark was set.
        risk_reversal: Volatility of the 25-delta call less that of the put, points, as text.
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
    lots: str
    series: str
    convention: str
    counted: str
    oi_at: datetime | None
    oi_age: str
    marked_at: datetime | None
    is_mock: bool
    is_stale: bool
    note: str = ""
    risk_reversal: str = fmt.MISSING


_TIME = " T"
"""Where the time begins in the words of the model (`ChainSelection`)."""


def summary_view(frame: ChainFrame, *, with_skew: bool = False) -> SummaryView:
    """Return the line's view of a frame.

    Args:
        frame: The newest.
        with_skew: Whether there is room for the risk reversal, which takes some arithmetic.
    """
    summary, totals, coverage = frame.summary, frame.totals, frame.totals.coverage
    model, before_time, counted = summary.convention.partition(_TIME)
    stale = frame.atm_row >= 0 and bool((frame.states[frame.atm_row] == DataState.STALE).any())
    return SummaryView(
        atm=fmt.strike(summary.atm_strike),
        reference=summary.reference.kind,
        straddle=fmt.price(summary.straddle, frame.contracts.decimals),
        straddle_pct=fmt.percent(summary.straddle_pct),
        iv=fmt.volatility(summary.atm_iv),
        pcr=fmt.covered(fmt.number(totals.pcr), coverage.oi),
        pcr_change=fmt.covered(fmt.number(totals.pcr_change), coverage.oi_change),
        pcr_volume=fmt.covered(fmt.number(totals.pcr_volume), coverage.volume),
        pain=fmt.covered(fmt.strike(totals.max_pain), coverage.oi),
        lots=_lots(frame.contracts),
        series=", ".join(frame.contracts.series),
        convention=model,
        counted=(before_time + counted).strip(),
        oi_at=summary.oi_at,
        oi_age=fmt.duration(summary.oi_age_s),
        marked_at=summary.marked_at,
        is_mock=frame.is_mock,
        is_stale=stale,
        note=_note(frame),
        risk_reversal=_risk_reversal(frame) if with_skew else fmt.MISSING,
    )


def _note(frame: ChainFrame) -> str:
    """What is said before all figures: of which day they are where the index is of another, what the auction does."""
    market, underlying = frame.market, frame.underlying
    if underlying.day is not None and not market.is_open and market.session_day:
        return f"all of {market.session_day}"
    return _auction_note(market) if market.index_frozen and not underlying.settled_at else ""


def _auction_note(market: MarketView) -> str:
    """What the auction does; a question mark where its hours are announced and unconfirmed: the phase says so."""
    return f"{market.detail}?" if market.unconfirmed else market.detail


def _lots(contracts: ChainRows) -> str:
    lots = contracts.lots[contracts.lots > 0]
    if (lots == contracts.lot_size).all():
        return str(contracts.lot_size)
    return "/".join(str(lot) for lot in distinct(lots).tolist())


def _risk_reversal(frame: ChainFrame) -> str:
    deltas, volatilities = frame.values[..., Field.DELTA], frame.values[..., Field.IV]
    lean = skew(deltas[:, 0], volatilities[:, 0], deltas[:, 1], volatilities[:, 1])
    return fmt.signed_number(100 * lean.risk_reversal, 1)


class ChainSummaryLine(OneLine[SummaryView]):
    """The third line."""

    def lay_out(self, view: SummaryView, width: int) -> Sequence[Piece]:
        """Return the parts that fit, those that matter most first; in the closing auction its note comes before all."""
        parts = [part for part in _parts(view, width) if part.pieces]
        kept: list[_Part] = []
        room = width - 1
        for part in sorted(parts, key=lambda part: part.rank):
            cost = length(part.pieces) + (2 if kept else 0)
            if cost <= room:
                kept.append(part)
                room -= cost
        pieces = [Piece(" ")]
        for part in parts:
            if part in kept:
                pieces += [*([Piece("  ")] if len(pieces) > 1 else []), *part.pieces]
        return pieces


@frozen
class _Part:
    """A labelled figure and how soon it is dropped (a higher rank sooner)."""

    rank: int
    pieces: list[Piece]


def _pair(label: str, value: str, tint: Tint = PLAIN) -> list[Piece]:
    return [Piece(f"{label} ", MUTED), Piece(value, tint)]


def _parts(view: SummaryView, width: int) -> list[_Part]:
    """All figures in the order of the line."""
    mark = "~" if view.is_mock else ""
    tint = Tint("mock") if view.is_mock else PLAIN
    wide = width >= WIDE
    straddle_mark = "~" if view.is_mock or view.is_stale else ""
    straddle_tint = tint if view.is_mock else Tint("stale") if view.is_stale else PLAIN
    share = f" ({view.straddle_pct})" if width >= WIDEST else f" {view.straddle_pct}"
    atm = [*_pair("ATM", mark + view.atm, STRONG if not view.is_mock else tint)]
    if view.reference is not ReferenceKind.NONE:
        atm.append(Piece(f" {view.reference.value}", MUTED))
    straddle = _pair("straddle" if wide else "strd", straddle_mark + view.straddle, straddle_tint)
    ratios = [*_pair("PCR dOI", mark + view.pcr_change, tint), *_pair(" vol", mark + view.pcr_volume, tint)]
    return [
        _Part(0, atm),
        _Part(1, [Piece(view.note, Tint("cas", bold=True))] if view.note else []),
        _Part(1, _pair("also", view.series) if view.series else []),
        _Part(2, [*straddle, Piece(share, straddle_tint)]),
        _Part(3, _pair("IV", mark + view.iv, tint)),
        _Part(4, _pair("PCR", mark + view.pcr, tint)),
        _Part(5, _pair("pain", mark + view.pain, tint)),
        _Part(10, _pair("25d RR", mark + view.risk_reversal, tint) if width >= WIDEST else []),
        _Part(11, ratios if width >= WIDEST else []),
        _Part(8, _pair("lot", view.lots) if wide else []),
        *_model(view, wide=wide),
        _Part(6, _oi_clock(view, width)),
        _Part(7, _pair("mark", f"{view.marked_at:%H:%M}") if view.marked_at is not None else []),
    ]


def _model(view: SummaryView, *, wide: bool) -> list[_Part]:
    """The model and its time, which matters more where it is of another day's prices or of hours not confirmed."""
    says_more = view.counted.endswith("?") or not view.counted.startswith("T→")
    if view.counted and says_more:
        model = _Part(9, [Piece(view.convention, MUTED)] if wide and view.convention else [])
        return [model, _Part(3, [Piece(view.counted, MUTED)])]
    words = f"{view.convention} {view.counted}".rstrip()
    return [_Part(9, [Piece(words, MUTED)] if wide and words else [])]


def _oi_clock(view: SummaryView, width: int) -> list[Piece]:
    if view.is_mock:
        return [Piece("OI:mock", Tint("mock"))]
    if view.oi_at is None:
        return [Piece("OI@—", MUTED)]
    if width >= WIDEST:
        return [Piece("OI @", MUTED), Piece(f"{view.oi_at:%H:%M:%S}"), Piece(f" ({view.oi_age})", MUTED)]
    age = f" ({view.oi_age})" if width >= WIDE else ""
    return [Piece("OI@", MUTED), Piece(f"{view.oi_at:%H:%M}"), Piece(age, MUTED)]
