"""`MockQuotes`: the contracts that the mock market quotes, and what each shows at an instant.

The pricing half of `tickertui.synthetic.market.MockMarket`: columns of rows and groups (`book`), filled from
the levels (`levels`) by the array functions of `pricing`. One look at 9,000 options takes a few
milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.arrays import distinct
from tickertui.market.clock import from_epoch
from tickertui.market.hours import MarketCalendar, UnderlyingKind
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import Word
from tickertui.market.underlyings import spot_tokens, underlying_kind
from tickertui.synthetic.book import GroupKind, MockGroups, MockRows
from tickertui.synthetic.levels import MarketLevels
from tickertui.synthetic.paths import Floats
from tickertui.synthetic.pricing import (
    OI_STEP_SECONDS,
    extreme_states,
    fill_book,
    mixed,
    open_interest_lots,
    option_ticks,
    total_volatility,
    volume_lots,
)

Rows = NDArray[np.intp]
Span = tuple[float, float]
"""Open and close of a session, epoch seconds."""

YEAR: Final = 365 * 86_400.0
_OI_YEARS: Final = 0.12
"""Open interest of an expiry this far away is 1/e of the nearest's."""
_VOLUME_YEARS: Final = 0.035
_EXTREME_STEP: Final = 60.0
"""Spacing of the looks at a session's past when a row is begun in its midst."""


_KIND_OF: Final = {
    int(InstrumentKind.FUTURE): GroupKind.FUTURE,
    int(InstrumentKind.CALL): GroupKind.OPTION,
    int(InstrumentKind.PUT): GroupKind.OPTION,
}


@frozen
class OptionState:
    """What the model knows of an option at its last look.

    Attributes:
        forward: Rupees.
        years: To its expiry.
        volatility: Yearly, on the smile at its strike.
    """

    forward: float
    years: float
    volatility: float


class MockQuotes:
    """Rows of contracts and their values.

    Args:
        levels: Where the underlyings are.
        calendar: Expiry instants.
        exact_extremes: Whether a day's high and low that a row is begun with are those of every look since the open,
            as its candles hold them. It takes some milliseconds for each expiry: the first picture of a mock does
            without, and looks once a minute.
    """

    def __init__(self, levels: MarketLevels, calendar: MarketCalendar, *, exact_extremes: bool = False) -> None:
        self._levels = levels
        self._time = levels.time
        self._calendar = calendar
        self._exact_extremes = exact_extremes
        self._groups = MockGroups.empty()
        self._group_of: dict[tuple[str, GroupKind, int], int] = {}
        self._rows = MockRows.empty()
        self._row_of: dict[int, int] = {}
        universe = levels.universe
        self._underlying_of_index = {u.index_token: u.name for u in universe.underlyings}
        self._underlying_of_index |= {index.instrument.token: index.name for index in universe.other_indices}
        self._indices = frozenset(self._underlying_of_index.values())
        self._spots: tuple[InstrumentTable | None, Mapping[str, int]] = (None, {})

    # ------------------------------------------------------------------ rows

    def __contains__(self, token: int) -> bool:
        return token in self._row_of

    def __len__(self) -> int:
        return len(self._row_of)

    def row(self, token: int) -> int | None:
        """Return the row of a token, None where it has none."""
        return self._row_of.get(token)

    def ensure(
        self, table: InstrumentTable, tokens: Iterable[int], session: Span, now: float, living: float
    ) -> list[int]:
        """Make contracts rows.

        Args:
            table: Knows the contracts.
            tokens: Which.
            session: That they are begun in.
            now: Instant of their values.
            living: What has expired by this instant cannot be quoted.

        Returns:
            Tokens that cannot be quoted: unknown, expired, or of an underlying without a level.
        """
        fresh = [token for token in dict.fromkeys(tokens) if token not in self._row_of]
        places = [table.row(token) for token in fresh]
        found = [place for place in places if place is not None]
        groups = dict(zip(found, self._groups_for(table, found, now, living), strict=True))
        self._add_rows(table, {place: group for place, group in groups.items() if group is not None}, session, now)
        return [token for token, place in zip(fresh, places, strict=True) if place is None or groups[place] is None]

    def release(self, tokens: Iterable[int]) -> None:
        """Drop rows; unknown tokens are passed over."""
        gone = [row for token in tokens if (row := self._row_of.pop(token, None)) is not None]
        if gone:
            mask = np.ones(len(self._rows), dtype=np.bool_)
            mask[gone] = False
            self._rows.keep(mask)
            self._index_rows()

    def release_expired(self, at: float) -> list[int]:
        """Drop the rows of contracts that have expired by an instant and return their tokens."""
        over = self._groups.expiry[self._rows.group] <= at
        tokens: list[int] = self._rows.token[over].tolist()
        self.release(tokens)
        return tokens

    def everything(self) -> Rows:
        """Return all row numbers."""
        return np.arange(len(self._rows))

    def of_underlying(self, number: int) -> Rows:
        """Return the rows of an underlying."""
        return np.flatnonzero(self._groups.underlying[self._rows.group] == number)

    def words(self, rows: Rows) -> NDArray[np.uint32]:
        """Return uint32[k, 46], copies of rows as the board knows them."""
        return self._rows.words[rows]

    def take_changed(self) -> NDArray[np.uint32]:
        """Return the words of the rows that changed since the last call."""
        changed = np.flatnonzero(~self._rows.shown)
        self._rows.shown[changed] = True
        return self._rows.words[changed]

    def show_all(self) -> None:
        """Let the next `take_changed` return every row."""
        self._rows.shown[:] = False

    def calibrate(self, name: str, expiry: int, volatility: float, session: Span, now: float) -> None:
        """Scale an expiry's volatility so that it has a value at the money now; unknown expiries are passed over."""
        group = self._group_of.get((name, GroupKind.OPTION, expiry))
        if group is None:
            return
        one, at = np.array([group]), np.array([now])
        self._groups.term[one] = 1.0
        years = max(float(self._groups.expiry[group]) - now, 1.0) / YEAR
        present = (float(self._states(one, at)[1][0]) / years) ** 0.5
        self._groups.term[one] = volatility / present
        self.begin(np.flatnonzero(self._rows.group == group), session, now)

    def seed_open_interest(self, units: Mapping[int, int], session: Span, now: float) -> None:
        """Scale the open interest of rows so that it has a value now."""
        known = [
            (row, lots) for token, lots in units.items() if lots > 0 and (row := self._row_of.get(token)) is not None
        ]
        if not known:
            return
        rows, target = np.array([row for row, _ in known]), np.array([lots for _, lots in known], dtype=np.float64)
        group = self._rows.group[rows]
        self._rows.oi_lots[rows] = 1e6
        shape = self._open_interest(rows, group, self._groups.pulse[group]) / 1e6
        self._rows.oi_lots[rows] = target / self._rows.lot[rows] / np.maximum(shape, 1e-6)
        self.begin(rows, session, now)

    def option_state(self, row: int) -> OptionState | None:
        """Return what the model knows of an option, None for what is none or has expired."""
        book, groups = self._rows, self._groups
        group = int(book.group[row])
        years = float(groups.expiry[group] - groups.pulse[group]) / YEAR
        if not book.is_option[row] or years <= 0.0:
            return None
        one = np.array([group])
        log_strike = np.log(book.strike[[row]] / groups.forward[one])
        total = total_volatility(log_strike, groups.theta[one], groups.rho[one], groups.eta[one])
        return OptionState(float(groups.forward[group]), years, float(total[0]) / years**0.5)

    def previous_oi(self, tokens: Iterable[int], opened: float) -> dict[int, int]:
        """Return the open interest at the previous close, units, of the rows among these tokens."""
        rows = np.array([row for token in tokens if (row := self._row_of.get(token)) is not None], dtype=np.intp)
        if not len(rows):
            return {}
        groups = self._rows.group[rows]
        lots = self._open_interest(rows, groups, np.full(len(rows), opened - 1.0))
        return dict(zip(self._rows.token[rows].tolist(), (lots * self._rows.lot[rows]).tolist(), strict=True))

    def name_of(self, instrument: Instrument) -> str:
        """Return the underlying whose path a contract follows."""
        if instrument.expiry is not None:
            return instrument.name
        return self._underlying_of_index.get(instrument.token, instrument.tradingsymbol)

    def names_of(self, tokens: Iterable[int]) -> set[str]:
        """Return the underlyings of those of these contracts that are rows."""
        rows = [row for token in tokens if (row := self._row_of.get(token)) is not None]
        numbers = distinct(self._groups.underlying[self._rows.group[rows]]) if rows else ()
        return {self._levels.names[number].name for number in numbers}

    def _groups_for(self, table: InstrumentTable, places: list[int], now: float, living: float) -> list[int | None]:
        """Groups of a table's rows; None where the underlying has no level or the contract has expired."""
        at = np.array(places, dtype=np.intp)
        expiries, kinds = table.expiries[at].tolist(), table.kinds[at].tolist()
        groups: list[int | None] = []
        for place, expiry, kind in zip(places, expiries, kinds, strict=True):
            if expiry:
                name, what = table.names[place], _KIND_OF[kind]
            else:
                name = self._underlying_of_index.get(int(table.tokens[place]), table.symbols[place])
                what = GroupKind.SPOT
            group = self._group_of.get((name, what, expiry))
            if group is None:
                ends = self._end_of(table, table.segments[place], name, expiry)
                group = self._new_group(name, what, expiry, ends, now)
            groups.append(group if group is not None and self._groups.expiry[group] > living else None)
        return groups

    def _end_of(self, table: InstrumentTable, segment: str, name: str, expiry: int) -> float:
        """Epoch seconds at which a contract expires, infinity for what never does."""
        if not expiry:
            return float("inf")
        if name in self._indices:
            kind = UnderlyingKind.INDEX
        else:
            if self._spots[0] is not table:
                self._spots = table, spot_tokens(table, table.names)
            kind = underlying_kind(table, self._spots[1].get(name))
        return self._calendar.expiry_instant(segment, date.fromordinal(expiry), kind).timestamp()

    def _new_group(self, name: str, kind: GroupKind, expiry: int, end: float, now: float) -> int | None:
        number = self._levels.number(name)
        if number is None:
            return None
        days = (date.fromordinal(expiry) - from_epoch(now).date()).days if expiry else 0
        group = self._group_of[name, kind, expiry] = len(self._groups)
        self._groups.extend(MockGroups.single(number, kind, end, days, self._levels.names[number].traits))
        return group

    def _add_rows(self, table: InstrumentTable, groups: dict[int, int], session: Span, now: float) -> None:
        if not groups:
            return
        places, group = np.array(list(groups), dtype=np.intp), np.array(list(groups.values()), dtype=np.intp)
        owner = self._groups.underlying[group]
        names = self._levels.names
        fresh = MockRows.of(
            table,
            places,
            group,
            centre=np.array([name.level for name in names])[owner],
            step=np.array([name.step for name in names])[owner],
            activity=np.array([name.traits.activity for name in names])[owner],
            seed=self._levels.seed,
        )
        first = len(self._rows)
        self._rows.extend(fresh)
        self._index_rows()
        self.begin(np.arange(first, len(self._rows)), session, now)

    def _index_rows(self) -> None:
        self._row_of = {token: row for row, token in enumerate(self._rows.token.tolist())}

    # ------------------------------------------------------------------ one look

    def update(self, session: Span, at: float) -> None:
        """Look at the prices of the groups whose pulse has come, and write what changed."""
        groups = self._groups
        pulse = np.maximum(np.floor(at / groups.period) * groups.period, session[0])
        due = (pulse > groups.pulse) & (pulse < groups.expiry)
        seen = np.where(np.isinf(groups.pulse), session[0], groups.pulse)
        self._price_groups(np.flatnonzero(due), pulse[due])
        rows = np.flatnonzero(due[self._rows.group])
        if len(rows):
            self._write(rows, *self._values(rows), at)
        if self._exact_extremes and len(skipped := np.flatnonzero(due & (pulse - seen > 1.5 * groups.period))):
            self._take_in_skipped(skipped, seen, at)

    def _take_in_skipped(self, groups: Rows, seen: Floats, at: float) -> None:
        """Let highs and lows be those of the looks too that a large step has passed over."""
        book = self._rows
        rows = np.flatnonzero(np.isin(book.group, groups))
        words = book.words[rows]
        before = words[:, [Word.HIGH, Word.LOW]]
        self._include_extremes(words, rows, seen, at)
        book.words[rows] = words
        book.shown[rows[(words[:, [Word.HIGH, Word.LOW]] != before).any(axis=1)]] = False

    def _price_groups(self, which: Rows, pulse: Floats) -> None:
        groups = self._groups
        groups.pulse[which] = pulse
        groups.forward[which], groups.theta[which] = self._states(which, pulse)

    def _values(self, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Prices in ticks, volume and open interest in lots of rows at their groups' pulses."""
        book, groups = self._rows, self._groups
        group = book.group[rows]
        pulse = groups.pulse[group]
        ticks = self._ticks(rows, group, groups.forward[group], groups.theta[group])
        progress = self._time.progress(groups.pulse)[group]
        return ticks, volume_lots(book.daily[rows], progress, book.phase[rows]), self._open_interest(rows, group, pulse)

    def _write(
        self, rows: Rows, ticks: NDArray[np.int64], volume: NDArray[np.int64], oi: NDArray[np.int64], at: float
    ) -> None:
        """Write what differs into the rows' words."""
        book = self._rows
        traded = volume > np.maximum(book.volume[rows], 0)
        changed = (ticks != book.ticks[rows]) | traded | (oi != book.oi[rows])
        rows, ticks, volume, oi, traded = (column[changed] for column in (rows, ticks, volume, oi, traded))
        book.ticks[rows], book.volume[rows], book.oi[rows] = ticks, volume, oi
        book.shown[rows] = False
        words = book.words[rows]
        price = (ticks * book.wire_tick[rows]).astype(np.uint32)
        words[:, Word.LAST_PRICE] = price
        words[:, Word.HIGH] = np.maximum(words[:, Word.HIGH], price)
        words[:, Word.LOW] = np.minimum(words[:, Word.LOW], price)
        words[:, Word.EXCHANGE_TIMESTAMP] = int(at)
        self._write_trades(words, rows, volume, oi, traded, int(at))
        book.words[rows] = words

    def _write_trades(
        self,
        words: NDArray[np.uint32],
        rows: Rows,
        volume: NDArray[np.int64],
        oi: NDArray[np.int64],
        traded: NDArray[np.bool_],
        at: int,
    ) -> None:
        """Write volume, open interest and book; an index has none of them."""
        book = self._rows
        lot, key = book.lot[rows], book.key[rows]
        units = oi * lot
        words[:, Word.VOLUME] = volume * lot
        words[:, Word.OPEN_INTEREST] = units
        words[:, Word.OI_DAY_HIGH] = np.maximum(words[:, Word.OI_DAY_HIGH], units)
        words[:, Word.OI_DAY_LOW] = np.minimum(words[:, Word.OI_DAY_LOW], units)
        words[traded, Word.LAST_TRADE_TIME] = at
        chance = mixed(key, at)
        words[traded, Word.LAST_QUANTITY] = ((1 + (chance & np.uint64(7)).astype(np.int64)) * lot)[traded]
        extremes = words[:, [Word.OPEN, Word.HIGH, Word.LOW, Word.LAST_PRICE]]
        words[:, Word.AVERAGE_PRICE] = extremes.mean(axis=1)
        fill_book(words[:, Word.DEPTH :], key, chance, book.ticks[rows], book.wire_tick[rows], lot, self._spread(rows))
        resting = 5.0 + 0.02 * oi
        for word, shift in ((Word.BUY_QUANTITY, 16), (Word.SELL_QUANTITY, 32)):
            part = 0.5 + (chance >> np.uint64(shift) & np.uint64(255)).astype(np.float64) / 256.0
            words[:, word] = np.rint(resting * part) * lot
        words[book.is_index[rows], 2:7] = 0
        words[book.is_index[rows], 11:15] = 0
        words[book.is_index[rows], Word.DEPTH :] = 0

    def _spread(self, rows: Rows) -> NDArray[np.int64]:
        """Best offer less best bid in ticks: one or two near the money, wider for what trades little."""
        book = self._rows
        quiet = 1.0 + 40.0 * np.exp(-book.daily[rows] / 20_000.0)
        return np.clip(np.rint(book.ticks[rows] * 0.0008 * quiet), 1, 60).astype(np.int64)

    # ------------------------------------------------------------------ prices at instants

    def _states(self, groups: Rows, at: Floats) -> tuple[Floats, Floats]:
        """Forward (level, for a spot) and total at-the-money variance of groups at instants, each float64[n]."""
        book = self._groups
        spot = book.kind[groups] == GroupKind.SPOT
        instant = at.copy()
        instant[spot] = self._levels.shown_instants(at[spot])
        tau = self._time.business(instant)
        factor, _ = self._levels.timeline.traits_at(at)
        level, volatility = np.empty(len(at)), np.empty(len(at))
        owner = book.underlying[groups]
        for number in distinct(owner).tolist():
            mine = np.flatnonzero(owner == number)
            level[mine], volatility[mine] = self._levels.names[number].path.state(tau[mine], factor[mine])
        years = np.where(spot, 0.0, np.maximum(book.expiry[groups] - at, 1.0) / YEAR)
        forward = level * np.exp(book.carry[groups] * years)
        return forward, (volatility * book.term[groups]) ** 2 * years

    def _ticks(self, rows: Rows, group: Rows, forward: Floats, theta: Floats) -> NDArray[np.int64]:
        book, groups = self._rows, self._groups
        tick = book.tick[rows]
        ticks = np.maximum(np.rint(forward / tick), 1.0).astype(np.int64)
        options = np.flatnonzero(book.is_option[rows])
        if len(options):
            whole = len(options) == len(rows)
            own = rows if whole else rows[options]
            if not whole:
                group, forward, theta, tick = group[options], forward[options], theta[options], tick[options]
            strike = book.strike[own]
            total = total_volatility(np.log(strike / forward), theta, groups.rho[group], groups.eta[group])
            ticks[options] = option_ticks(forward, strike, total, book.is_call[own], tick)
        return ticks

    def _open_interest(self, rows: Rows, group: Rows, at: Floats) -> NDArray[np.int64]:
        """Lots at the last publication before instants; a group publishes all its rows together."""
        book, groups = self._rows, self._groups
        offset = 7.0 * (group % 25)
        step, since = np.divmod(self._time.elapsed(at) + offset, OI_STEP_SECONDS)
        years = np.maximum(groups.expiry[group] - at + since, 0.0) / YEAR
        lots = open_interest_lots(book.oi_lots[rows] * np.exp(-years / _OI_YEARS), step, book.phase[rows])
        return np.where(book.is_spot[rows], 0, np.maximum(lots, 0))

    def _daily_lots(self, rows: Rows, opened: float) -> Floats:
        """Lots of a whole session: less in far expiries and away from the money."""
        book, groups = self._rows, self._groups
        group = book.group[rows]
        years = np.maximum(groups.expiry[group] - opened, 3600.0) / YEAR
        lots = np.where(
            book.is_spot[rows], book.volume_lots[rows], book.volume_lots[rows] * np.exp(-years / _VOLUME_YEARS)
        )
        lots[book.is_index[rows]] = 0.0
        options = np.flatnonzero(book.is_option[rows])
        owner = groups.underlying[group[options]]
        centre = np.array([name.level for name in self._levels.names])[owner]
        volatility = np.array([name.traits.volatility for name in self._levels.names])[owner]
        away = np.abs(np.log(book.strike[rows[options]] / centre)) / (volatility * np.sqrt(years[options]))
        lots[options] *= np.exp(-1.1 * away)
        return lots

    # ------------------------------------------------------------------ beginning a session

    def begin(self, rows: Rows, session: Span, at: float) -> None:
        """Give rows the session's open, previous close and extremes so far, and their values at an instant."""
        if not len(rows):
            return
        book, groups = self._rows, self._groups
        opened, closed = session
        at = min(at, np.nextafter(closed, opened))
        which = distinct(book.group[rows])
        group = book.group[rows]
        prices = []
        for instants in self._looks(which, opened, at):
            self._price_groups(which, instants)
            prices.append(self._ticks(rows, group, groups.forward[group], groups.theta[group]))
        wire = np.array(prices) * book.wire_tick[rows]
        words = book.words[rows]
        words[:] = 0
        words[:, Word.TOKEN] = book.token[rows]
        words[:, Word.CLOSE], words[:, Word.OPEN] = wire[0], wire[1]
        words[:, Word.HIGH], words[:, Word.LOW] = wire[1:].max(axis=0), wire[1:].min(axis=0)
        if self._exact_extremes:
            self._include_extremes(words, rows, np.full(len(groups), opened), at)
        first = self._open_interest(rows, group, np.full(len(rows), opened)) * book.lot[rows]
        words[:, Word.OI_DAY_HIGH] = words[:, Word.OI_DAY_LOW] = first
        book.words[rows] = words
        book.ticks[rows], book.volume[rows], book.oi[rows] = -1, -1, -1
        book.daily[rows] = self._daily_lots(rows, opened)
        self._write(rows, *self._values(rows), at)

    def _looks(self, groups: Rows, opened: float, at: float) -> list[Floats]:
        """Pulses of groups at the previous close, the open, where the level was highest and lowest, and now."""
        before_open, before_close = self._time.session(opened - 1.0)
        instants = np.append(np.arange(opened, at, _EXTREME_STEP), at)
        owner = self._groups.underlying[groups]
        extremes: dict[int, tuple[float, float]] = {}
        for number in distinct(owner).tolist():
            level = self._levels.shown(number, instants)
            extremes[number] = (float(instants[level.argmax()]), float(instants[level.argmin()]))
        highest, lowest = (np.array([extremes[number][side] for number in owner.tolist()]) for side in (0, 1))
        here = [np.full(len(groups), opened), highest, lowest, np.full(len(groups), at)]
        last = np.full(len(groups), before_close - 1.0)
        return [self._pulses(groups, last, before_open), *(self._pulses(groups, look, opened) for look in here)]

    def _include_extremes(self, words: NDArray[np.uint32], rows: Rows, since: Floats, at: float) -> None:
        """Raise highs and lower lows to what the looks up to an instant have seen, from one on for each group."""
        book, groups = self._rows, self._groups
        group = book.group[rows]
        for number in distinct(group).tolist():
            mine = np.flatnonzero(group == number)
            pulses = self._looks_between(number, float(since[number]), at)
            own = np.full(len(pulses), number)
            forward, theta = self._states(own, pulses)
            if groups.kind[number] == GroupKind.OPTION:
                edge = extreme_states(forward, theta)
            else:
                edge = np.array([forward.argmax(), forward.argmin()])
            asked = np.repeat(rows[mine], len(edge))
            ticks = self._ticks(
                asked, np.full(len(asked), number), np.tile(forward[edge], len(mine)), np.tile(theta[edge], len(mine))
            )
            wire = (ticks * book.wire_tick[asked]).reshape(len(mine), len(edge))
            words[mine, Word.HIGH] = np.maximum(words[mine, Word.HIGH], wire.max(axis=1))
            words[mine, Word.LOW] = np.minimum(words[mine, Word.LOW], wire.min(axis=1))

    def _looks_between(self, group: int, start: float, at: float) -> Floats:
        """The instants of a session at which a group's prices are looked at, both ends included."""
        period = float(self._groups.period[group])
        stop = min(np.nextafter(at, np.inf), float(self._groups.expiry[group]))
        return np.append(start, np.arange(np.ceil(start / period) * period, stop, period))

    def _pulses(self, groups: Rows, at: Floats, opened: float) -> Floats:
        """The last pulses of groups at instants of a session, and before their expiries."""
        book = self._groups
        pulse = np.maximum(np.floor(at / book.period[groups]) * book.period[groups], opened)
        return np.asarray(np.minimum(pulse, book.expiry[groups] - 1.0))

    # ------------------------------------------------------------------ history

    def is_index(self, row: int) -> bool:
        """Return whether a row is an index."""
        return bool(self._rows.is_index[row])

    def period(self, row: int) -> float:
        """Return the seconds between two looks at a row's price."""
        return float(self._groups.period[self._rows.group[row]])

    def expiry(self, row: int) -> float:
        """Return the epoch seconds of a row's expiry, inf where it has none."""
        return float(self._groups.expiry[self._rows.group[row]])

    def history(
        self, row: int, pulses: Floats, opened: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return wire price, volume and open interest (units) of one row at pulses of one session, each int64[n]."""
        book, count = self._rows, len(pulses)
        rows = np.full(count, row)
        group = book.group[rows]
        wire = self._ticks(rows, group, *self._states(group, pulses)) * book.wire_tick[row]
        daily = np.full(count, self._daily_lots(np.array([row]), opened)[0])
        volume = volume_lots(daily, self._time.progress(pulses), book.phase[rows]) * book.lot[row]
        return wire, volume, self._open_interest(rows, group, pulses) * book.lot[row]
