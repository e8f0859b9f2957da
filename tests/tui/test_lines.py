"""The one-line widgets: what they say at each width, and what they drop first."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.boards import START
from tests.support.chain_host import FIELDS, MARKS, READERS
from tests.support.strips import expiry_marks
from tickertui.market.chain import ReferenceKind
from tickertui.market.hours import Phase
from tickertui.tui.look.format import Units
from tickertui.tui.panes.chain.expiry_strip import ExpiryStrip, StripView
from tickertui.tui.panes.chain.header import Header, header_view, phase_text, tag_text
from tickertui.tui.panes.chain.rail import movers_span
from tickertui.tui.panes.chain.summary import ChainSummaryLine, summary_view
from tickertui.tui.panes.chain.totals import Totals, totals_view
from tickertui.tui.view.data_states import DataState, MarketView
from tickertui.tui.view.frames import ListedExpiry, QuoteView
from tickertui.tui.widgets.banner import BannerKind, BannerView, banner_text
from tickertui.tui.widgets.one_line import Piece, Tint, length
from tickertui.tui.widgets.status_bar import StatusBar, StatusField

FRAMES = {name: build().read() for name, build in READERS.items()}
widths = st.integers(40, 260)


def text(pieces: object) -> str:
    assert isinstance(pieces, (list, tuple))
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece))


def header(name: str, width: int) -> str:
    frame = FRAMES[name]
    return text(Header().lay_out(header_view(frame, frame.tag(frame.strikes.argsort()[20:37])), width))


def test_the_header_at_eighty_columns() -> None:
    assert header("live", 80) == "[LIVE 34/34] NIFTY 24,352.40▲ +0.36%  Fut 24,371.20            F&O OPEN 11:42:07"
    assert header("stale", 80).startswith("[STALE 17/34] NIFTY 24,352.40")
    assert header("mock", 80) == "[MOCK] NIFTY ~24,352.40▲  (synthetic)  Fut ~24,371.20   HOLIDAY Mon 23 Nov 11:42"
    assert header("closed", 80).startswith("[CLOSED Fri 20 Nov] NIFTY 24,352.40 +0.36%")
    assert header("replay", 80).startswith("[REPLAY] NIFTY 24,352.40")
    assert header("cas", 80) == "[LIVE 34/34] NIFTY 24,352.40= CAS frozen  F(par) 24,371.20          F&O 11:43:07"
    frame = FRAMES["cas"]
    since = replace(frame, market=replace(frame.market, frozen_since="15:15"))
    view = header_view(since, since.tag(since.strikes.argsort()[20:37]))
    assert "24,352.40= CAS frozen 15:15  F(par) 24,371.20" in text(Header().lay_out(view, 80))


@pytest.mark.parametrize("width", [64, 80, 120, 200])
def test_an_index_without_a_price_shows_its_last_close_as_such(width: int) -> None:
    frame = FRAMES["live"]
    nothing = QuoteView("NIFTY", float("nan"), last_close=24_266.25, close_day="Fri 20 Nov")
    view = header_view(replace(frame, underlying=nothing), frame.tag(frame.strikes.argsort()[20:37]))
    pieces = Header().lay_out(view, width)
    assert "NIFTY 24,266.25 close Fri 20 Nov" in text(pieces)
    (piece,) = (piece for piece in pieces if "24,266.25" in piece.text)
    assert piece.tint == Tint("closed"), "not the hue of a price of now"
    assert header_view(replace(frame, underlying=nothing), view.tag) == view, "an equal view repaints nothing"


def test_the_header_has_more_to_say_with_more_room() -> None:
    assert "+86.15 +0.36%  Fut 24,371.20 (+18.80)" in header("live", 120)
    assert header("live", 120).endswith("11:42:07 IST")
    assert header("live", 200).endswith("11:42:07 IST · F&O OPEN 3h57m")


INDICES = (
    QuoteView("VIX", 12.84, -0.13, -1.0, -1),
    QuoteView("BANKNIFTY", 57_912.05, -62.30, -0.11, -1),
    QuoteView("SENSEX", 79_640.15, 222.10, 0.28, 1),
)


def with_indices(width: int, *, others: tuple[QuoteView, ...] = INDICES, future: DataState = DataState.LIVE) -> str:
    frame = FRAMES["live"]
    assert frame.future is not None
    frame = replace(frame, others=others, future=replace(frame.future, state=future))
    return text(Header().lay_out(header_view(frame, frame.tag(frame.strikes.argsort()[20:37])), width))


def test_further_indices_are_dropped_from_the_end_of_the_traders_own_order() -> None:
    assert with_indices(80) == "[LIVE 34/34] NIFTY 24,352.40▲ +0.36%  Fut 24,371.20  VIX 12.84 F&O OPEN 11:42:07", (
        "the reference's first line"
    )
    assert "  Fut 24,371.20 (+18.80)  VIX 12.84  BANKNIFTY 57,912.05▼ -0.11% 11:42:07 IST" in with_indices(120)
    whole = "  VIX 12.84▼ -0.13 -1.00%  BANKNIFTY 57,912.05▼ -62.30 -0.11%  SENSEX 79,640.15▲ +222.10 +0.28%  "
    assert whole in with_indices(200)
    assert "VIX" not in with_indices(79)


def test_an_index_that_nothing_subscribes_has_no_place() -> None:
    nothing = (QuoteView("BANKNIFTY", float("nan"), state=DataState.WAITING), INDICES[0])
    assert "BANKNIFTY" not in with_indices(200, others=nothing)
    assert "VIX 12.84" in with_indices(200, others=nothing)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_stale_future_is_marked_at_every_width(width: int) -> None:
    assert "Fut 24,371.20~" in with_indices(width, future=DataState.STALE)
    assert "Fut 24,371.20'" in with_indices(width, future=DataState.SNAP)


@given(st.sampled_from(sorted(FRAMES)), st.integers(64, 260))
def test_the_header_fills_its_line_and_keeps_tag_and_spot(name: str, width: int) -> None:
    line = header(name, width)
    assert len(line) == width
    assert line.startswith("[")
    assert "24,352.40" in line


def test_the_tag_of_a_chain_without_data() -> None:
    frame = FRAMES["live"]
    waiting = replace(frame, states=frame.states * 0 + DataState.WAITING)
    assert tag_text(waiting.tag(frame.strikes.argsort()[:5]), frame.market) == "[WAITING 10/10]"
    assert tag_text(waiting.tag(frame.strikes.argsort()[:0]), frame.market) == "[NOT SUBSCRIBED]"


def test_a_shut_evening_leaves_room_for_the_future() -> None:
    frame = FRAMES["mock"]
    evening = replace(frame, market=MarketView(Phase.CLOSED, "F&O CLOSED", "next open Thu 26 Nov 09:15"))
    line = text(Header().lay_out(header_view(evening, evening.tag(frame.strikes.argsort()[20:37])), 80))
    assert line == "[MOCK] NIFTY ~24,352.40▲  (synthetic)  Fut ~24,371.20    CLOSED Mon 23 Nov 11:42"


def test_another_chain_on_its_way_takes_the_tags_place() -> None:
    frame = FRAMES["live"]
    view = header_view(frame, frame.tag(frame.strikes.argsort()), "SENSEX W03Dec 84/162")
    assert text(Header().lay_out(view, 80)).startswith("[SENSEX W03Dec 84/162]")


def strip(width: int, marks: tuple[ListedExpiry, ...] = MARKS, settings: tuple[str, ...] = ("±8",)) -> str:
    return text(ExpiryStrip().lay_out(StripView(marks, date(2026, 12, 1), settings), width))


def test_the_strip_marks_the_chosen_todays_and_moved_expiries() -> None:
    line = strip(80)
    assert line.startswith(" <M 23Nov 0d!> [W 01Dec 8d] W 08Dec  W 15Dec  W 22Dec  M 29Dec  M 25Jan*")
    assert line.endswith("±8 ")
    assert len(line) == 80


def test_the_strip_talks_more_with_more_room() -> None:
    assert "W 08Dec 15d" in strip(120)
    assert "<M 23 Nov 0d EXPIRY, moved from Tue 24>" in strip(200)
    assert "M 25 Jan* 63d" in strip(200)


FAR = expiry_marks(tuple(START.date() + timedelta(days=8 + 28 * i) for i in range(24)), START.date())


@given(st.integers(40, 240), st.integers(0, 23))
def test_many_expiries_keep_the_chosen_one_in_sight(width: int, place: int) -> None:
    pieces = ExpiryStrip().lay_out(StripView(FAR, FAR[place].expiry, ("±8",)), width)
    line = text(pieces)
    assert length(pieces) <= width
    assert f"[{FAR[place].letter} {FAR[place].expiry:%d%b}" in line.replace(
        f"{FAR[place].expiry:%d %b}", f"{FAR[place].expiry:%d%b}"
    )
    assert "±8" in line
    assert ("…" in line) == (sum(f"{mark.expiry:%d%b}" in line or f"{mark.expiry:%d %b}" in line for mark in FAR) < 24)


def test_settings_are_dropped_from_the_front() -> None:
    settings = ("auto-centre ON", "lakh", "cols oi", "all")
    assert strip(200, settings=settings).endswith("auto-centre ON  lakh  cols oi  all ")
    assert strip(84, settings=settings).endswith("  all ")


def summary(name: str, width: int) -> str:
    return text(ChainSummaryLine().lay_out(summary_view(FRAMES[name], with_skew=width >= 180), width))


def test_the_summary_names_its_reference() -> None:
    assert summary("live", 80) == " ATM 24,350 spot  strd 344.60 1.42%  IV 11.8  PCR 0.89  pain 24,300  OI@11:39"
    assert "OI@11:39 (3m07s)" in summary("live", 120)
    large = summary("live", 200)
    assert "pain 24,300  25d RR -0.9  PCR dOI 0.90 vol 0.83  lot 65" in large
    assert "OI @11:39:00 (3m07s)" in large
    assert "ATM 24,350 fwd  index in its closing auction" in summary("cas", 80)
    assert summary_view(FRAMES["cas"]).reference is ReferenceKind.FORWARD


def test_the_summary_of_the_middle_size_is_the_references() -> None:
    frame = FRAMES["live"]
    frame = replace(frame, summary=replace(frame.summary, convention="B76 F=parity T→15:40"))
    line = text(ChainSummaryLine().lay_out(summary_view(frame), 120))
    assert line == (
        " ATM 24,350 spot  straddle 344.60 1.42%  IV 11.8  PCR 0.89  pain 24,300  lot 65  B76 F=parity T→15:40  "
        "OI@11:39 (3m07s)"
    )


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("counted", ["T 4.0d Fri 15:39→15:40", "T→15:30?", "T 4.9d Thu 15:39→15:30?"])
def test_what_the_time_to_expiry_has_to_say_has_room_at_every_size(width: int, counted: str) -> None:
    """Of another day's prices, of hours that nothing confirms: it gave way to the lot."""
    frame = FRAMES["live"]
    summary = replace(frame.summary, convention=f"B76 F=parity {counted}", oi_at=None)
    line = text(ChainSummaryLine().lay_out(summary_view(replace(frame, summary=summary)), width))
    assert counted in line
    assert "PCR 0.89" in line


def test_there_is_no_basis_beside_a_doubtful_index() -> None:
    frame = FRAMES["live"]
    assert frame.future is not None
    assert "Fut 24,371.20 (+18.80)" in header("live", 120)
    doubtful = replace(frame, underlying=replace(frame.underlying, state=DataState.DOUBT))
    view = header_view(doubtful, frame.tag(frame.strikes.argsort()[20:37]))
    line = text(Header().lay_out(view, 200))
    assert "Fut 24,371.20" in line
    assert "(" not in line


def test_the_movers_of_a_shut_market_are_of_its_last_session() -> None:
    assert movers_span(FRAMES["live"]) == "since yesterday"
    assert movers_span(FRAMES["mock"]) == "since yesterday"
    assert movers_span(FRAMES["closed"]) == "of Fri 20 Nov"


def test_what_matters_less_is_dropped_wherever_it_stands() -> None:
    frame = FRAMES["live"]
    marked = replace(frame, summary=replace(frame.summary, marked_at=frame.at))
    line = text(ChainSummaryLine().lay_out(summary_view(marked), 120))
    assert line.endswith("OI@11:39 (3m07s)  mark 11:42")
    assert "lot 65" in line


def test_a_stale_leg_at_the_money_marks_the_straddle() -> None:
    assert "strd ~" in summary("stale", 80)
    assert "strd 3" in summary("live", 80)


@given(st.sampled_from(sorted(FRAMES)), widths)
def test_the_summary_never_outgrows_its_line(name: str, width: int) -> None:
    assert len(summary(name, width)) <= width


@pytest.mark.parametrize("units", list(Units))
@pytest.mark.parametrize("width", [80, 120, 200])
def test_totals_stand_at_both_ends(width: int, units: Units) -> None:
    line = text(Totals().lay_out(totals_view(FRAMES["live"], units), width))
    assert line.startswith(" Σ CE ")
    assert "Σ PE " in line or units is Units.CONTRACTS
    if units is Units.LAKH:
        assert len(line) == width


def test_the_totals_of_the_reference_size() -> None:
    line = text(Totals().lay_out(totals_view(FRAMES["live"], Units.LAKH), 80))
    assert line == " Σ CE 4.75C +50.3L   PCR dOI 0.90 vol 0.83                    Σ PE 4.23C +45.1L "


@pytest.mark.parametrize("kind", list(BannerKind))
@given(words=st.text("abc ·", min_size=1, max_size=120), width=st.integers(1, 200))
@example(words="aaa", width=8)
def test_a_banner_fills_its_row_and_keeps_its_hatch(kind: BannerKind, words: str, width: int) -> None:
    line = banner_text(BannerView(kind, words), width)
    assert len(line) == width
    if width > 4:
        assert line[:2] in ("▓▒", "<<", "!!")


def test_the_banners_of_the_reference() -> None:
    mock = banner_text(
        BannerView(BannerKind.MOCK, "MOCK DATA · seeded from close Mon 23 Nov 15:40 · NOT EXCHANGE PRICES"), 80
    )
    assert mock == "▓▒░ MOCK DATA · seeded from close Mon 23 Nov 15:40 · NOT EXCHANGE PRICES ░▒▓░▒▓░"
    silent = banner_text(BannerView(BannerKind.SILENT, "Z1/s2 SILENT 14s"), 40)
    assert silent == "!! Z1/s2 SILENT 14s                   !!"


@pytest.mark.parametrize(
    ("width", "line"),
    [(20, "!! long and so on !!"), (17, "!! long and so on"), (16, "!! long and sho "), (14, "!! short    !!")],
)
def test_a_banner_says_the_longest_that_fits(width: int, line: str) -> None:
    assert banner_text(BannerView(BannerKind.SILENT, "long and so on", ("long and sho", "short")), width) == line
    assert banner_text(BannerView(BannerKind.SILENT, "long and so on", ("long and sho",)), 10) == "!! long a…"


def status(fields: tuple[StatusField, ...], width: int) -> str:
    return text(StatusBar().lay_out(fields, width))


def test_status_fields_are_dropped_from_the_right() -> None:
    assert status(FIELDS, 200).count("│") == len(FIELDS) - 1
    assert status(FIELDS, 50) == " ●LIVE  Z1 0.4s  1,312 t/s  queue 0 drop 0"
    assert "p99 121" in status(FIELDS, 80)


def test_an_alert_is_dropped_last() -> None:
    fields = (*FIELDS[:-1], StatusField("tok! Z1 refused", alert=True))
    assert "tok! Z1 refused" in status(fields, 50)
    assert status(fields, 50).startswith(" ●LIVE")


@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=20), st.booleans()), max_size=15), st.integers(1, 200))
def test_the_status_bar_never_outgrows_its_line(fields: list[tuple[str, bool]], width: int) -> None:
    assert len(status(tuple(StatusField(words, alert=alert) for words, alert in fields), width)) <= max(width, 1)


def test_the_phase_counts_down() -> None:
    assert phase_text(FRAMES["live"].market) == "F&O OPEN 3h57m"
    assert phase_text(FRAMES["closed"].market) == "WEEKEND"
