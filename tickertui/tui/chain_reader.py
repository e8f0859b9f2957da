"""`ChainReader`: turns the board's rows of one chain into `ChainFrame`s, at the display's own pace.

The screen's one frame timer calls `ChainReader.read`; between two calls any number of ticks may have come. Only rows
that the board changed since are read again; ages and states, which change by themselves, are computed for all rows in
a few array operations. 200 strikes with every leg changed take well under 3 ms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.board import Derived
from tickertui.market.chain import ChainTotals, OptionChain, Reference, ReferenceKind, totals_of
from tickertui.market.clock import Clock, from_epoch
from tickertui.market.instruments import PRICE_DIVISORS
from tickertui.market.ticks import ASK_PRICE, ASK_QUANTITY, BID_PRICE, BID_QUANTITY, Word
from tickertui.services.state import FeedMode
from tickertui.tui.frames import (
    BannerView,
    BarMeaning,
    ChainFrame,
    ChainKey,
    ChainSummary,
    ExpiryMark,
    Field,
    QuoteView,
)
from tickertui.tui.states import (
    NO_LINKS,
    SHOWN_AGE_S,
    CellFacts,
    DataState,
    GapHabit,
    Link,
    Links,
    MarketView,
    classify,
    spot_state,
)

FLASH_NS: Final = 400_000_000
"""How long a price that changed is lit."""
ARROW_NS: Final = 10_000_000_000
"""How long the arrow of the last change stands; then a dot."""
OLD_GREEKS_NS: Final = 10_000_000_000
"""Greeks whose oldest input is older than this are dimmed."""

_PRICES: Final = np.array(
    [Word.LAST_PRICE, Word.CLOSE, BID_PRICE, ASK_PRICE, Word.AVERAGE_PRICE, Word.HIGH, Word.LOW], dtype=np.intp
)
_QUANTITIES: Final = np.array(
    [
        Word.OPEN_INTEREST, Word.VOLUME, BID_QUANTITY, ASK_QUANTITY, Word.LAST_QUANTITY, Word.BUY_QUANTITY,
        Word.SELL_QUANTITY,
    ],
    dtype=np.intp,
)  # fmt: skip
_DERIVED: Final = np.array([Derived.IV, Derived.DELTA, Derived.GAMMA, Derived.THETA, Derived.VEGA], dtype=np.intp)
# Plain integers: a look into an enumeration takes Python 3.11 a microsecond, and a frame has dozens.
_LTP, _CLOSE, _BID, _ASK = int(Field.LTP), int(Field.CLOSE), int(Field.BID), int(Field.ASK)
_OI, _VOLUME, _IV, _OI_CHANGE = int(Field.OI), int(Field.VOLUME), int(Field.IV), int(Field.OI_CHANGE)
_CHANGE, _CHANGE_PCT, _SPREAD = int(Field.CHANGE), int(Field.CHANGE_PCT), int(Field.SPREAD)
_EXCHANGE_AT, _TIMESTAMP = int(Field.EXCHANGE_AT), int(Word.EXCHANGE_TIMESTAMP)
_HEALTHY: Final = np.int8(Link.HEALTHY)
_MARKED: Final = (Field.OI, Field.LTP, Field.VOLUME)
_MARK_FIELDS: Final = (Field.MARK_OI, Field.MARK_LTP, Field.MARK_VOLUME)
_AGED: Final = np.zeros(len(DataState), dtype=np.bool_)
_AGED[[DataState.LIVE, DataState.QUIET, DataState.SNAP, DataState.STALE, DataState.REPLAY, DataState.CAS]] = True
_SCALE_SLACK: Final = 0.9
"""A bar's scale follows the largest value at once upward, and downward only when it has fallen by a tenth."""


@dataclass(frozen=True, slots=True)
class HeaderQuote:
    """An instrument that the header line shows beside the underlying and its future."""

    label: str
    token: int


@dataclass(frozen=True, slots=True)
class ChainContext:
    """What is around the chain and changes slowly; the screen renews it about once a second.

    Attributes:
        feed: What fills the board.
        market: What the calendar says.
        links: Health of the sockets.
        expiries: The strip.
        others: Further instruments of the header line.
        banner: What the first row must say.
        reference: What the at-the-money row is measured from; the forward takes its place in the closing auction.
        convention: How implied volatility and Greeks are computed, in words.
        refused: Tokens that the broker has refused.
    """

    feed: FeedMode = FeedMode.LIVE
    market: MarketView = field(default_factory=MarketView)
    links: Links = NO_LINKS
    expiries: tuple[ExpiryMark, ...] = ()
    others: tuple[HeaderQuote, ...] = ()
    banner: BannerView | None = None
    reference: ReferenceKind = ReferenceKind.SPOT
    convention: str = ""
    refused: frozenset[int] = frozenset()


class ChainReader:
    """Reads one chain, frame after frame.

    Args:
        chain: The chain; another expiry or underlying takes another reader.
        clock: For ages and the time of the frame.
        context: What is around it at the start; assign `context` when it changes.
    """

    def __init__(self, chain: OptionChain, clock: Clock, context: ChainContext | None = None) -> None:
        self.chain = chain
        self.context = context or ChainContext()
        self.key = ChainKey(chain.underlying, chain.expiry)
        self._clock = clock
        self._number = 0
        self._seen = -1
        self._layout = -1
        self._scales = (0.0, 0.0, 0.0)
        self._mark: NDArray[np.float64] | None = None
        self._marked_at: datetime | None = None
        self._reset()

    def _reset(self) -> None:
        """Start over: rows of the board have been given out anew."""
        shape = self.chain.tokens.shape
        self._values: NDArray[np.float64] = np.full((*shape, len(Field)), np.nan)
        self._habit = GapHabit(shape)
        self._previous_oi: NDArray[np.int64] = np.full(shape, -1, dtype=np.int64)
        self._row_versions: NDArray[np.int64] = np.full(len(self.chain), self._number + 1, dtype=np.int64)
        self._look: tuple[NDArray[np.int8] | NDArray[np.int32] | NDArray[np.bool_], ...] | None = None
        self._crossing: tuple[int, int] = (-1, -1)
        self._totals: ChainTotals | None = None
        self._seen = -1
        self._layout = self.chain.board.layout

    # ------------------------------------------------------------------ marks

    def mark_now(self) -> datetime:
        """Take the present values as the mark that changes are shown against."""
        self._mark = self._values[..., _MARKED].copy()
        self._marked_at = self._clock.now()
        self._seen = -1
        return self._marked_at

    def clear_mark(self) -> None:
        """Show no changes since a mark any more."""
        self._mark = None
        self._marked_at = None
        self._seen = -1

    # ------------------------------------------------------------------ reading

    def read(self) -> ChainFrame:
        """Return the chain as the board holds it now."""
        board = self.chain.board
        if board.layout != self._layout:
            self._reset()
        self._number += 1
        rows = self.chain.rows
        changed = self._read_changed(rows)
        now_ns = self._clock.monotonic_ns()
        states, look = self._judge(rows, now_ns)
        if self._look is not None:
            for old, new in zip(self._look, look, strict=True):
                changed |= (old != new).any(axis=1)
        self._look = look
        summary, atm_row = self._summarise(now_ns)
        changed |= self._crossed(summary.reference.price, atm_row)
        if self._rescale():
            changed[:] = True
        self._row_versions[changed] = self._number
        return self._frame(rows, states, look, summary, atm_row, now_ns)

    def _read_changed(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Read again the strikes with a leg that the board changed; return where a shown value differs, bool[k]."""
        board = self.chain.board
        # Yesterday's open interest comes from elsewhere than ticks and leaves the rows' versions alone.
        previous = board.previous_oi[rows]
        changed: NDArray[np.bool_] = np.any(
            (board.versions[rows] > self._seen) | (previous != self._previous_oi), axis=1
        )
        self._previous_oi = previous
        self._seen = board.sequence
        where = np.flatnonzero(changed)
        if not len(where):
            return changed
        new = self._values_of(rows[where], where)
        old = self._values[where]
        same = (new == old) | (np.isnan(new) & np.isnan(old))
        self._values[where] = new
        changed[where] = ~same[..., :_EXCHANGE_AT].all(axis=(1, 2))
        if not same[..., (_OI, _VOLUME, _OI_CHANGE)].all():
            self._totals = None
        return changed

    def _values_of(self, rows: NDArray[np.intp], where: NDArray[np.intp]) -> NDArray[np.float64]:
        """float64[n, 2, fields] of board rows intp[n, 2]."""
        board = self.chain.board
        words = board.words[rows]
        carried = board.modes[rows][..., None]
        values = np.full((*rows.shape, len(Field)), np.nan)
        divisors = PRICE_DIVISORS[board.tokens[rows] & 0xFF][..., None]
        raw = words[..., _PRICES]
        np.divide(raw, divisors, out=values[..., _LTP:_OI], where=(carried > _PRICES) & (raw > 0))
        values[..., _OI:_IV] = np.where(carried > _QUANTITIES, words[..., _QUANTITIES], np.nan)
        values[..., _IV:_OI_CHANGE] = board.derived[rows][..., _DERIVED]
        stamp = words[..., _TIMESTAMP]
        values[..., _EXCHANGE_AT] = np.where((carried[..., 0] > _TIMESTAMP) & (stamp > 0), stamp, np.nan)
        previous = board.previous_oi[rows]
        values[..., _OI_CHANGE] = np.where(previous < 0, np.nan, values[..., _OI] - previous)
        change = values[..., _LTP] - values[..., _CLOSE]
        values[..., _CHANGE] = change
        values[..., _CHANGE_PCT] = 100 * change / values[..., _CLOSE]
        values[..., _SPREAD] = values[..., _ASK] - values[..., _BID]
        if self._mark is not None:
            values[..., _MARK_FIELDS] = values[..., _MARKED] - self._mark[where]
        return values

    def _judge(
        self, rows: NDArray[np.intp], now_ns: int
    ) -> tuple[
        NDArray[np.int8],
        tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.int8], NDArray[np.int32], NDArray[np.bool_]],
    ]:
        """States of all cells, and everything beside the values that decides how a row looks."""
        board, context = self.chain.board, self.context
        received = board.received_ns[rows]
        self._habit.update(received)
        source, packets = board.sources[rows], board.packets[rows]
        age_s = np.where(received > 0, (now_ns - received) / 1e9, np.nan)
        subscribed = board.subscribed_ns[rows]
        codes = context.links.codes
        connections = board.connections[rows]
        facts = CellFacts(
            source=source,
            packets=packets,
            age_s=age_s,
            gap_s=self._habit.gap_s,
            subscribed_s=np.where(subscribed > 0, (now_ns - subscribed) / 1e9, np.nan),
            link=np.where(
                (connections >= 0) & (connections < len(codes) - 1),
                codes[np.clip(connections, -1, len(codes) - 1)],
                _HEALTHY,
            ),
            refused=self._refused(),
        )
        states = classify(facts, context.feed, context.market)
        # The broker's cached packet is as old as the exchange's stamp in it, not as its arrival here.
        stamp = self._values[..., _EXCHANGE_AT]
        cached = (packets <= 1) & ~np.isnan(stamp)
        age_s = np.where(cached, np.fmax(age_s, self._clock.time_ns() / 1e9 - stamp), age_s)
        moved = now_ns - board.moved_ns[rows]
        direction = board.direction[rows]
        zero = np.int8(0)
        derived_ns = board.derived_ns[rows]
        look = (
            states,
            np.where(moved < ARROW_NS, direction, zero),
            np.where(moved < FLASH_NS, direction, zero),
            np.where(_AGED[states], _shown_age(age_s), np.int32(-1)),
            (derived_ns > 0) & (now_ns - derived_ns > OLD_GREEKS_NS),
        )
        return states, look

    def _refused(self) -> NDArray[np.bool_]:
        refused = self.context.refused
        if not refused:
            return np.zeros(self.chain.tokens.shape, dtype=np.bool_)
        return np.isin(self.chain.tokens, np.fromiter(refused, dtype=np.int64, count=len(refused)))

    def _summarise(self, now_ns: int) -> tuple[ChainSummary, int]:
        board, chain, context = self.chain.board, self.chain, self.context
        preferred = ReferenceKind.FORWARD if context.market.index_frozen else context.reference
        reference = chain.reference(preferred)
        atm_row = chain.nearest(reference.price)
        straddle = iv = float("nan")
        if atm_row >= 0:
            straddle = float(self._values[atm_row, :, _LTP].sum())
            volatilities = self._values[atm_row, :, _IV]
            known = volatilities[~np.isnan(volatilities)]
            iv = float(known.mean()) if len(known) else iv
        oi_ns = int(board.oi_changed_ns[chain.rows].max(initial=0))
        summary = ChainSummary(
            reference=reference,
            atm_strike=float(chain.strikes[atm_row]) if atm_row >= 0 else float("nan"),
            straddle=straddle,
            straddle_pct=100 * straddle / reference.price,
            atm_iv=iv,
            forward=chain.forward(),
            oi_at=from_epoch(oi_ns // 1_000_000_000) if oi_ns else None,
            oi_age_s=(self._clock.time_ns() - oi_ns) / 1e9 if oi_ns else float("nan"),
            lot_size=chain.contracts.lot_size,
            convention=context.convention,
            marked_at=self._marked_at,
        )
        return summary, atm_row

    def _crossed(self, price: float, atm_row: int) -> NDArray[np.bool_]:
        """Rows whose shading changes because the reference has crossed their strike, bool[k]."""
        border = int(np.searchsorted(self.chain.strikes, price)) if price == price else -1
        crossed = np.zeros(len(self.chain), dtype=np.bool_)
        old_border, old_atm = self._crossing
        if min(border, old_border) < 0:
            crossed[:] = border != old_border
        elif border != old_border:
            crossed[min(border, old_border) : max(border, old_border) + 1] = True
        if atm_row != old_atm:
            crossed[[row for row in (atm_row, old_atm) if row >= 0]] = True
        self._crossing = (border, atm_row)
        return crossed

    def _rescale(self) -> bool:
        """Let the scales of the bars follow the largest values; True when one changed."""
        if self._totals is not None:
            return False
        scales = []
        for meaning, old in zip(BarMeaning, self._scales, strict=True):
            column = np.abs(self._values[..., meaning.field])
            largest = float(np.fmax.reduce(column, axis=None, initial=0.0))
            scales.append(old if _SCALE_SLACK * old <= largest <= old else largest)
        changed = tuple(scales) != self._scales
        self._scales = (scales[0], scales[1], scales[2])
        return changed

    def _quotes(self, now_ns: int) -> list[QuoteView]:
        """Header entries: the underlying, then the future where there is one, then the others."""
        board, chain, context = self.chain.board, self.chain, self.context
        wanted = [(chain.underlying, chain.underlying_token, True)]
        if chain.future_token:
            wanted.append(("Fut", chain.future_token, False))
        wanted += [(quote.label, quote.token, True) for quote in context.others]
        rows = [board.row(token) for _, token, _ in wanted]
        prices, closes = board.price(rows).tolist(), board.price(rows, Word.CLOSE).tolist()
        return [
            self._quote(label, row, price, close, now_ns, is_index=is_index)
            for (label, _, is_index), row, price, close in zip(wanted, rows, prices, closes, strict=True)
        ]

    def _quote(self, label: str, row: int, price: float, close: float, now_ns: int, *, is_index: bool) -> QuoteView:
        board, context = self.chain.board, self.context
        received, connection = int(board.received_ns[row]), int(board.connections[row])
        age_s = (now_ns - received) / 1e9 if received else float("nan")
        codes = context.links.codes
        link = Link(int(codes[connection])) if 0 <= connection < len(codes) - 1 else Link.HEALTHY
        moved = row and now_ns - int(board.moved_ns[row]) < ARROW_NS
        source = board.source_of(row)
        return QuoteView(
            label=label,
            price=price,
            change=price - close,
            change_pct=100 * (price - close) / close,
            direction=int(board.direction[row]) if moved else 0,
            # A future may be silent for a while; an index prints each second.
            state=spot_state(source, age_s if is_index else 0.0, link, context.feed, context.market),
            age_s=age_s,
        )

    def _frame(
        self,
        rows: NDArray[np.intp],
        states: NDArray[np.int8],
        look: tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.int8], NDArray[np.int32], NDArray[np.bool_]],
        summary: ChainSummary,
        atm_row: int,
        now_ns: int,
    ) -> ChainFrame:
        chain, context = self.chain, self.context
        if self._totals is None:
            values = self._values
            self._totals = totals_of(chain.strikes, values[..., _OI], values[..., _OI_CHANGE], values[..., _VOLUME])
        values, versions = self._values.copy(), self._row_versions.copy()
        _, directions, flashes, ages, old_greeks = look
        for array in (values, states, directions, flashes, ages, old_greeks, versions):
            array.setflags(write=False)
        quotes = self._quotes(now_ns)
        others = 2 if chain.future_token else 1
        return ChainFrame(
            key=self.key,
            number=self._number,
            at=self._clock.now(),
            at_ns=now_ns,
            contracts=chain.contracts,
            values=values,
            states=states,
            directions=directions,
            flashes=flashes,
            ages=ages,
            old_greeks=old_greeks,
            row_versions=versions,
            atm_row=atm_row,
            bar_scales=self._scales,
            totals=self._totals,
            summary=summary,
            underlying=quotes[0],
            future=quotes[1] if chain.future_token else None,
            others=tuple(quotes[others:]),
            expiries=context.expiries,
            market=context.market,
            banner=context.banner,
            loaded=int(np.count_nonzero(~np.isnan(values[..., _LTP]))),
            legs=int(np.count_nonzero(rows)),
        )


def _shown_age(seconds: NDArray[np.float64]) -> NDArray[np.int32]:
    """Ages in the steps in which they are written, so that a row repaints only when its text changes; -1 for none."""
    shown = np.where(seconds >= SHOWN_AGE_S, seconds, -1).astype(np.int32)
    for limit, step in ((60, 60), (3_600, 3_600), (172_800, 86_400)):
        shown = np.where(shown >= limit, shown - shown % step, shown)
    result: NDArray[np.int32] = shown.astype(np.int32, copy=False)
    return result


__all__ = ["ChainContext", "ChainReader", "HeaderQuote", "Reference"]
