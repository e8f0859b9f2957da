"""`ChainReader`: turns the board's rows of one chain into `ChainFrame`s, at the display's own pace.

The screen's one frame timer calls `ChainReader.read`; between two calls any number of ticks may have come. Only rows
that the board changed since are read again; ages and states, which change by themselves, are computed for all rows in
a few array operations. 200 strikes with every leg changed take well under 3 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market import figures
from tickertui.market.board import Derived, RowFacts
from tickertui.market.chain import ChainTotals, OptionChain, Reference, ReferenceKind, totals_of
from tickertui.market.clock import Clock
from tickertui.market.instruments import PRICE_DIVISORS
from tickertui.market.stamps import FIRST_TIME
from tickertui.market.ticks import ASK_PRICE, ASK_QUANTITY, BID_PRICE, BID_QUANTITY, Source, Word
from tickertui.market.wire_prices import NO_PRICE, known_prices, signed_words
from tickertui.services.loop.status import FeedMode
from tickertui.tui.view.chain_context import ChainContext, HeaderQuote
from tickertui.tui.view.chain_summary import Money, summarise
from tickertui.tui.view.data_states import (
    SHOWN_AGE_S,
    CellFacts,
    DataState,
    Link,
    MarketView,
    TypicalGap,
    classify,
    live_or_quiet,
    mark,
    refused_among,
)
from tickertui.tui.view.frames import BarMeaning, ChainFrame, ChainKey, ChainSummary, Field, ListedExpiry, QuoteView
from tickertui.tui.view.header_quotes import ARROW_NS, quote_view
from tickertui.tui.view.index_state import IndexState, index_state
from tickertui.tui.view.price_day import other_day, spot_of_session

FLASH_NS: Final = 400_000_000
"""How long a price that changed is lit."""
OLD_GREEKS_NS: Final = 10_000_000_000
"""Greeks whose oldest input is older than this are dimmed."""

_WORDS: Final = np.array(
    [
        Word.LAST_PRICE, Word.CLOSE, BID_PRICE, ASK_PRICE, Word.AVERAGE_PRICE, Word.HIGH, Word.LOW,
        Word.OPEN_INTEREST, Word.VOLUME, BID_QUANTITY, ASK_QUANTITY, Word.LAST_QUANTITY, Word.BUY_QUANTITY,
        Word.SELL_QUANTITY, Word.EXCHANGE_TIMESTAMP, Word.LAST_TRADE_TIME,
    ],
    dtype=np.intp,
)  # fmt: skip
"""Words of a packet in the order of `Field`: prices, quantities, and two times."""
_DERIVED: Final = np.array([Derived.IV, Derived.DELTA, Derived.GAMMA, Derived.THETA, Derived.VEGA], dtype=np.intp)
# Plain integers: a look into an enumeration takes Python 3.11 a microsecond, and a frame has dozens.
_LTP, _CLOSE, _BID, _ASK = int(Field.LTP), int(Field.CLOSE), int(Field.BID), int(Field.ASK)
_QUOTES: Final = slice(_BID, _ASK + 1)
_QUANTITIES: Final = slice(int(Field.BID_QTY), int(Field.ASK_QTY) + 1)
"""Of `_QUOTES`, in the same order."""
_AVERAGE = int(Field.AVERAGE)
_OI, _VOLUME, _IV, _OI_CHANGE = int(Field.OI), int(Field.VOLUME), int(Field.IV), int(Field.OI_CHANGE)
_CHANGE, _CHANGE_PCT, _SPREAD = int(Field.CHANGE), int(Field.CHANGE_PCT), int(Field.SPREAD)
_EXCHANGE_AT, _TODAY, _STAMP, _TRADED_AT = int(Field.EXCHANGE_AT), int(Field.TODAY), len(_WORDS) - 2, len(_WORDS) - 1
_LEAST: Final = np.zeros(len(_WORDS), dtype=np.uint32)
_LEAST[:_OI], _LEAST[_STAMP:] = 1, FIRST_TIME
"""From where each of the words means anything: a price of zero is none, nor is a time before there was a market."""
_FIELDS: Final = len(Field)
_ALL: Final = slice(None)
_LAST_OF_TODAY: Final = int(Source.SNAPSHOT)
_SAME_SESSION_S: Final = 8 * 3600.0
_LIVE_SOURCE, _MOCK, _REPLAY = int(Source.LIVE), int(DataState.MOCK), int(DataState.REPLAY)
_ARROW, _FLASH, _AGE, _OLD_GREEKS = 1, 2, 3, 4
"""Planes of the look of a frame; plane 0 holds the states."""
_MOVED_AT = 1 + RowFacts._fields.index("moved_ns")
"""Place in what `ChainReader._gather` tells of an instrument of the header, behind its row."""
_HEALTHY: Final = np.int8(Link.HEALTHY)
_MARKED: Final = (Field.OI, Field.LTP, Field.VOLUME)
_MARK_FIELDS: Final = (Field.MARK_OI, Field.MARK_LTP, Field.MARK_VOLUME)
_AGED: Final = np.zeros(len(DataState), dtype=np.bool_)
_AGED[[DataState.LIVE, DataState.QUIET, DataState.SNAP, DataState.STALE, DataState.REPLAY, DataState.CAS]] = True
_AGED[[DataState.PAST, DataState.DOUBT]] = True
_SCALE_SLACK: Final = 0.9
"""A bar's scale follows the largest value at once upward, and downward only when it has fallen by a tenth."""


class ChainReader:
    """Reads one chain, frame after frame.

    Args:
        chain: The chain; another expiry or underlying takes another reader.
        clock: For ages and the time of the frame.
        context: What is around it at the start; assign `context` when it changes.
        expiries: Listed expiries of its underlying; `list_expiries` takes later lists.
    """

    def __init__(
        self,
        chain: OptionChain,
        clock: Clock,
        context: ChainContext | None = None,
        expiries: Sequence[ListedExpiry] = (),
    ) -> None:
        self.chain = chain
        self.context = context or ChainContext()
        self.key = ChainKey(chain.underlying, chain.expiry)
        self._expiries = tuple(expiries)
        self._clock = clock
        self._number = 0
        self._seen = -1
        self._layout = -1
        self._scales = (0.0, 0.0, 0.0)
        self._known = float("nan")
        self._began = 0.0
        self._market: MarketView | None = None
        self._mark: NDArray[np.float64] | None = None
        self._marked_at: datetime | None = None
        self._reset()

    def _reset(self) -> None:
        """Start over: rows of the board have been given out anew."""
        shape = self.chain.tokens.shape
        self._values: NDArray[np.float64] = np.full((*shape, len(Field)), np.nan)
        self._typical_gap = TypicalGap(shape)
        self._previous_oi: NDArray[np.int64] = np.full(shape, -1, dtype=np.int64)
        self._row_versions: NDArray[np.int64] = np.full(len(self.chain), self._number + 1, dtype=np.int64)
        self._look: NDArray[np.int32] | None = None
        self._crossing: tuple[int, int] = (-1, -1)
        self._totals: ChainTotals | None = None
        self._shown: tuple[NDArray[np.float64], int] | None = None
        self._past: NDArray[np.bool_] | None = None
        self._may_be_past = False
        self._has_large = False
        self._forward: Reference | None = None
        self._on_board = self.chain.rows > 0
        self._on_board.setflags(write=False)
        self._seen = -1
        self._layout = self.chain.board.layout

    def list_expiries(self, underlying: str, expiries: Sequence[ListedExpiry]) -> None:
        """Take a newer list of expiries, if it is of this chain.

        While another underlying is on its way, or when the day's contracts have lost this expiry, the chain on display
        is not in the newest list: it keeps the one it was listed in, so that every frame is of one moment.

        Args:
            underlying: Whose expiries they are.
            expiries: Ascending.
        """
        if underlying == self.key.underlying and any(mark.expiry == self.key.expiry for mark in expiries):
            self._expiries = tuple(expiries)

    @property
    def _others(self) -> tuple[HeaderQuote, ...]:
        """Further instruments of the header: the chain's own underlying leads it already."""
        own = self.chain.underlying_token
        return tuple(quote for quote in self.context.others if quote.token != own)

    # ------------------------------------------------------------------ marks

    def set_mark(self, values: NDArray[np.float64] | None, at: datetime | None) -> None:
        """Show changes against these values from the next frame on, or none any more.

        Args:
            values: float64[k, 2, 3]: open interest, last price and volume at the mark, NaN where unknown.
            at: When that was.
        """
        self._mark = values
        self._marked_at = at
        self._seen = -1

    # ------------------------------------------------------------------ reading

    def read(self) -> ChainFrame:
        """Return the chain as the board holds it now."""
        board = self.chain.board
        if board.layout != self._layout:
            self._reset()
        if self.context.market is not self._market:
            self._market = self.context.market
            if (began := self._market.began) != self._began:
                self._began, self._seen = began, -1
        self._number += 1
        rows, now_ns = self.chain.rows, self._clock.monotonic_ns()
        facts, quotes = self._gather(rows)
        changed = self._read_changed(rows, facts)
        states, look = self._judge(rows, facts, now_ns)
        if self._look is not None:
            changed |= _either(np.logical_or.reduce(look != self._look, axis=0))
        self._look = look
        head = quotes[0]
        index = index_state(board, head[0], head[_MOVED_AT], self.context.market, self._clock)
        summary, atm_row = self._summarise(facts, index)
        self._mark_crossed(changed, summary.reference.price, atm_row)
        if self._rescale():
            changed[:] = True
        self._row_versions[changed] = self._number
        return self._frame(states, look, summary, atm_row, self._quotes(quotes, now_ns), now_ns)

    def _gather(self, rows: NDArray[np.intp]) -> tuple[RowFacts, list[tuple[int, ...]]]:
        """What the board knows of the legs, and of the instruments of the header line, row number first."""
        chain = self.chain
        tokens = [chain.underlying_token, *([chain.future_token] if chain.future_token else [])]
        heads = [chain.board.row(token) for token in (*tokens, *(quote.token for quote in self._others))]
        return chain.board.facts(rows), [(row, *chain.board.facts_of(row)) for row in heads]

    def _read_changed(self, rows: NDArray[np.intp], facts: RowFacts) -> NDArray[np.bool_]:
        """Read again the strikes with a leg that the board changed; return where a shown value differs, bool[k]."""
        board = self.chain.board
        # Yesterday's open interest comes from elsewhere than ticks and leaves the rows' versions alone.
        previous = board.previous_oi.take(rows)
        changed = _either((facts.version > self._seen) | (previous != self._previous_oi))
        self._previous_oi = previous
        self._seen = board.sequence
        count = np.count_nonzero(changed)
        if not count:
            return changed
        self._forward = None
        where = np.flatnonzero(changed) if count < len(changed) else _ALL
        old = self._values[where]
        new = self._values_of(rows[where], facts.mode[where], facts.source[where], previous[where], where, old)
        doubtful = facts.doubtful[where]
        if np.count_nonzero(doubtful):
            # Of nobody knows when: no change of today, in no straddle.
            new[doubtful > 0, _TODAY : _TODAY + 1] = np.nan
            new[doubtful > 0, int(Field.CHANGE) : int(Field.CHANGE_PCT) + 1] = np.nan
            self._may_be_past = True
        # Compared as bits, for which a missing value equals itself.
        same = new.view(np.int64) == old.view(np.int64)
        self._values[where] = new
        self._shown = None
        if self._may_be_past:
            self._note_past()
        changed[where] = ~np.logical_and.reduce(same[..., :_EXCHANGE_AT], axis=(1, 2))
        if not (same[..., _OI : _VOLUME + 1].all() and same[..., _OI_CHANGE].all()):
            self._totals = None
        return changed

    def _values_of(
        self,
        rows: NDArray[np.intp],
        modes: NDArray[np.int64],
        sources: NDArray[np.int64],
        previous: NDArray[np.int64],
        where: NDArray[np.intp] | slice,
        old: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """float64[n, 2, fields] of board rows intp[n, 2], after the ``old`` ones."""
        board = self.chain.board
        raw = board.words.take(rows, axis=0).take(_WORDS, axis=-1)
        has_value = (modes[..., None] > _WORDS) & (raw >= _LEAST)
        tokens, prices = board.tokens.take(rows)[..., None], raw[..., _LTP:_OI]
        if not (is_plain := bool(np.maximum.reduce(raw[..., :_IV], axis=None) < NO_PRICE)):
            has_value[..., :_OI] &= known_prices(prices, tokens)
            has_value[..., _OI:_IV] &= figures.known_quantities(raw[..., _OI:_IV])
            prices = signed_words(prices, tokens)
            self._has_large = True
        # Nobody bids: that is no quantity of 0 at a price.
        has_value[..., _QUANTITIES] &= has_value[..., _QUOTES]
        is_whole = bool(has_value.all())
        values = np.full((*rows.shape, _FIELDS), np.nan)
        divisors = PRICE_DIVISORS.take(tokens & 0xFF)
        if is_whole:
            np.divide(prices, divisors, out=values[..., _LTP:_OI])
            values[..., _OI:_IV], values[..., _EXCHANGE_AT] = raw[..., _OI:_IV], raw[..., _STAMP]
        else:
            np.divide(prices, divisors, out=values[..., _LTP:_OI], where=has_value[..., _LTP:_OI])
            np.copyto(values[..., _OI:_IV], raw[..., _OI:_IV], where=has_value[..., _OI:_IV])
            np.copyto(values[..., _EXCHANGE_AT], raw[..., _STAMP], where=has_value[..., _STAMP])
        values[..., _IV:_OI_CHANGE] = board.derived.take(rows, axis=0).take(_DERIVED, axis=-1)
        values[..., _TODAY] = values[..., _LTP]
        if not raw[..., _OI : _VOLUME + 1].all():
            figures.blank_zeros(values[..., _LTP], values[..., _VOLUME], values[..., _OI], previous)
            values[board.untraded(rows), _TODAY] = np.nan
            self._may_be_past = True
        if self._has_large:
            _hold_volume(values, old)
        values[..., _OI_CHANGE] = figures.change_of(values[..., _OI], previous)
        if self._began:
            self._blank_before(values, raw, has_value, sources)
        close = values[..., _CLOSE]
        change = values[..., _TODAY] - close
        values[..., _CHANGE] = change
        if is_whole and is_plain:
            values[..., _CHANGE_PCT] = 100 * change / close
        else:
            np.divide(100 * change, close, out=values[..., _CHANGE_PCT], where=close > 0)
        values[..., _SPREAD] = values[..., _ASK] - values[..., _BID]
        if self._mark is not None:
            self._compare(values, self._mark[where])
        return values

    def _note_past(self) -> None:
        """Keep which legs have a price that is of another day; None where none is."""
        prices, today = self._values[..., _LTP], self._values[..., _TODAY]
        past = np.isnan(today) & ~np.isnan(prices)
        self._past = past if past.any() else None
        self._may_be_past = self._past is not None

    def _blank_before(
        self,
        values: NDArray[np.float64],
        raw: NDArray[np.uint32],
        has_value: NDArray[np.bool_],
        sources: NDArray[np.int64],
    ) -> None:
        """Take a last trade of a day before the session that is shown for none of today, in place.

        Where the packet itself is of then, so are its volume, average and range. A mock and a replay have other days.
        """
        past = raw[..., _TRADED_AT] < self._began
        if past.any():
            of_market = sources <= _LAST_OF_TODAY
            past &= has_value[..., _TRADED_AT] & of_market
            values[past, _TODAY] = np.nan
            before = has_value[..., _STAMP] & (raw[..., _STAMP] < self._began) & of_market
            values[before, _AVERAGE:_OI] = values[before, _VOLUME : _VOLUME + 1] = np.nan
            self._may_be_past = True

    @staticmethod
    def _compare(values: NDArray[np.float64], mark: NDArray[np.float64]) -> None:
        """Fill in what has changed since the mark; a volume that has fallen is of another day, or has gone round."""
        for number, (difference, marked) in enumerate(zip(_MARK_FIELDS, _MARKED, strict=True)):
            now, before = values[..., marked], mark[..., number]
            values[..., difference] = now - before if marked is Field.LTP else figures.change_of(now, before)
        volume = values[..., Field.MARK_VOLUME]
        volume[volume < 0] = np.nan

    def _judge(
        self, rows: NDArray[np.intp], facts: RowFacts, now_ns: int
    ) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
        """States of all cells, and everything beside the values that decides how a row looks: int32[5, k, 2]."""
        board = self.chain.board
        received = facts.received_ns
        self._typical_gap.update(received)
        age_s = np.where(received > 0, (now_ns - received) / 1e9, np.nan)
        states = self._states(rows, facts, age_s, now_ns)
        past, direction = self._past, facts.direction
        if np.count_nonzero(facts.doubtful):
            mark(states, facts.doubtful > 0, DataState.DOUBT)
        if past is not None:
            mark(states, past, DataState.PAST)
            direction = np.where(past, 0, direction)
        cached = facts.packets <= 1
        if cached.any():
            # The broker's cached packet is as old as the exchange's stamp in it, not as its arrival here.
            stamp = self._values[..., _EXCHANGE_AT]
            cached &= ~np.isnan(stamp)
            age_s = np.where(cached, np.fmax(age_s, self._clock.time_ns() / 1e9 - stamp), age_s)
        moved, derived_ns = now_ns - facts.moved_ns, board.derived_ns.take(rows)
        look = np.empty((5, *rows.shape), dtype=np.int32)
        look[0] = states
        look[_ARROW] = direction * (moved < ARROW_NS)
        look[_FLASH] = direction * (moved < FLASH_NS)
        look[_AGE] = np.where(_AGED.take(states), _shown_age(age_s), -1)
        look[_OLD_GREEKS] = (derived_ns > 0) & (now_ns - derived_ns > OLD_GREEKS_NS)
        return states, look

    def _states(
        self, rows: NDArray[np.intp], facts: RowFacts, age_s: NDArray[np.float64], now_ns: int
    ) -> NDArray[np.int8]:
        """States of all cells; while nothing is wrong with any, the short way."""
        context = self.context
        codes, refused = context.socket_health.codes, context.refused
        open_market = context.market.is_open and context.feed is not FeedMode.CLOSED
        if open_market and not refused and not codes.any() and _all_plain(facts):
            return live_or_quiet(age_s, self._typical_gap.gap_s)
        subscribed = self.chain.board.subscribed_ns.take(rows)
        connections = facts.connection
        every = CellFacts(
            source=facts.source,
            packets=facts.packets,
            age_s=age_s,
            gap_s=self._typical_gap.gap_s,
            subscribed_s=np.where(subscribed > 0, (now_ns - subscribed) / 1e9, np.nan),
            link=np.where(
                (connections >= 0) & (connections < len(codes) - 1),
                codes[np.clip(connections, -1, len(codes) - 1)],
                _HEALTHY,
            ),
            refused=refused_among(self.chain.tokens, refused),
        )
        return classify(every, context.feed, context.market)

    def _steady(self, found: Reference) -> Reference:
        """Keep the last known price while the underlying sends none: for an index at 0 the money does not jump."""
        if found.kind in (ReferenceKind.SPOT, ReferenceKind.FUTURE, ReferenceKind.FORWARD):
            self._known = found.price
        elif self._known == self._known:
            return Reference(self._known, ReferenceKind.LAST)
        return found

    def _summarise(self, facts: RowFacts, index: IndexState) -> tuple[ChainSummary, int]:
        chain, context = self.chain, self.context
        preferred = ReferenceKind.FORWARD if index.is_frozen else context.reference
        if self._forward is None:
            self._forward = chain.forward()
        forward = self._forward
        spot = spot_of_session(chain, context.market)
        wanted, other = (forward, spot) if preferred is ReferenceKind.FORWARD else (spot, forward)
        reference = wanted if wanted.kind is not ReferenceKind.NONE else other
        if other_day(chain.board, chain.board.row(chain.underlying_token), context.market) is None:
            reference = self._steady(reference)
        atm_row = chain.nearest(reference.price)
        summary = summarise(
            chain, self._values, Money(reference, forward, atm_row, index), facts, self._clock, context.convention,
            self._marked_at,
        )  # fmt: skip
        return summary, atm_row

    def _mark_crossed(self, changed: NDArray[np.bool_], price: float, atm_row: int) -> None:
        """Mark the rows whose shading changes because the reference has crossed their strike."""
        border = int(self.chain.strikes.searchsorted(price)) if price == price else -1
        old_border, old_atm = self._crossing
        if (border, atm_row) == self._crossing:
            return
        if min(border, old_border) < 0:
            changed |= border != old_border
        elif border != old_border:
            changed[min(border, old_border) : max(border, old_border) + 1] = True
        if atm_row != old_atm:
            changed[[row for row in (atm_row, old_atm) if row >= 0]] = True
        self._crossing = (border, atm_row)

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

    def _quotes(self, facts: Sequence[tuple[int, ...]], now_ns: int) -> list[QuoteView]:
        """Header entries: the underlying, then the future where there is one, then the others."""
        chain = self.chain
        wanted = [(f"{chain.underlying} Fut" if chain.is_on_future else chain.underlying, not chain.is_on_future)]
        if chain.future_token:
            wanted.append(("Fut", False))
        wanted += [(quote.label, True) for quote in self._others]
        return [
            quote_view(chain, self.context, self._clock, label, fact, now_ns, is_index=is_index)
            for (label, is_index), fact in zip(wanted, facts, strict=True)
        ]

    def _frame(
        self,
        states: NDArray[np.int8],
        look: NDArray[np.int32],
        summary: ChainSummary,
        atm_row: int,
        quotes: list[QuoteView],
        now_ns: int,
    ) -> ChainFrame:
        chain, context = self.chain, self.context
        if self._totals is None:
            values = self._values
            oi, oi_change, volume = (values[..., column] for column in (_OI, _OI_CHANGE, _VOLUME))
            self._totals = totals_of(chain.strikes, oi, oi_change, volume, chain.listed)
        if self._shown is None:
            loaded = int(np.count_nonzero(~np.isnan(self._values[..., _LTP])))
            self._shown = (self._values.copy(), loaded)
        (values, loaded), versions = self._shown, self._row_versions.copy()
        old_greeks = look[_OLD_GREEKS] > 0
        for array in (values, states, look, old_greeks, versions):
            array.setflags(write=False)
        others = 2 if chain.future_token else 1
        seen = set(states.ravel().tolist())
        return ChainFrame(
            key=self.key,
            number=self._number,
            at=self._clock.now(),
            at_ns=now_ns,
            contracts=chain.contracts,
            values=values,
            states=states,
            directions=look[_ARROW],
            flashes=look[_FLASH],
            ages=look[_AGE],
            old_greeks=old_greeks,
            row_versions=versions,
            atm_row=atm_row,
            bar_scales=self._scales,
            totals=self._totals,
            summary=summary,
            underlying=quotes[0],
            future=quotes[1] if chain.future_token else None,
            others=tuple(quotes[others:]),
            expiries=self._expiries,
            market=context.market,
            loaded=loaded,
            on_board=self._on_board,
            is_mock=_MOCK in seen or quotes[0].state is DataState.MOCK,
            is_replay=_REPLAY in seen,
        )


def _hold_volume(values: NDArray[np.float64], old: NDArray[np.float64]) -> None:
    """Take a day's volume that has gone round for at least what a word holds, in place."""
    with np.errstate(invalid="ignore"):
        fallen = old[..., _VOLUME] - values[..., _VOLUME] > figures.HALF
    if fallen.any():
        fallen &= values[..., _EXCHANGE_AT] - old[..., _EXCHANGE_AT] < _SAME_SESSION_S
        values[..., _VOLUME][fallen] = figures.AT_LEAST


def _either(legs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where it is true of the call or of the put, bool[k]: `any` over so short an axis takes four times as long."""
    return legs[:, 0] | legs[:, 1]


def _all_plain(facts: RowFacts) -> bool:
    """Whether every leg is live and has ticked."""
    return bool(((facts.source == _LIVE_SOURCE) & (facts.packets > 1)).all())


def _shown_age(seconds: NDArray[np.float64]) -> NDArray[np.int32]:
    """Ages in the steps in which they are written, so that a row repaints only when its text changes; -1 for none."""
    shown = np.where(seconds >= SHOWN_AGE_S, seconds, -1).astype(np.int32)
    if not shown.size or shown.max() < 60:
        return shown
    for limit, step in ((60, 60), (3_600, 3_600), (172_800, 86_400)):
        shown = np.where(shown >= limit, shown - shown % step, shown)
    return shown.astype(np.int32, copy=False)


__all__ = ["ChainContext", "ChainReader", "HeaderQuote", "Reference"]
