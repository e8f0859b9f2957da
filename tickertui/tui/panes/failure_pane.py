"""`FailurePane`: what stands in the place of a pane in which something failed: what, where, and which key tries again.

A pane that fails again and again stays away; below the sentence stands what it is about, in its plainest form, made
from the backend alone and by nothing that the pane itself is drawn with. The main screen shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Final

import numpy as np

from tickertui.market.instruments import LEAST_DECIMALS
from tickertui.market.ticks import Source
from tickertui.tui.keys.actions import key_name
from tickertui.tui.look import format as fmt
from tickertui.tui.terminal.failures import RETRY_S, Failure
from tickertui.tui.view.backend import Backend, price_token
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.row_list import Row, Span, heading, row, wrapped

_NEAR: Final = 10
"""Strikes each side of the money of the plain chain."""
_MARKS: Final = {Source.MOCK: "~", Source.SNAPSHOT: "'", Source.REPLAY: "«"}
_EVENTS: Final = 30


class FailurePane(ListPane):
    """The sentence about an error, and a plain view of what cannot be drawn."""

    def show(
        self, failure: Failure, backend: Backend, underlying: str, expiry: date | None, keys: Mapping[str, str]
    ) -> None:
        """Show a failure.

        Args:
            failure: The last one of the pane.
            backend: Where the plain view comes from.
            underlying: That is shown or wanted.
            expiry: That is shown or wanted, None before there is one.
            keys: The user's own keys by action id.
        """
        width = max(self.size.width, 40)
        self.row_list.set_rows(list(failure_rows(failure, backend, underlying, expiry, keys, width)))


def failure_rows(
    failure: Failure,
    backend: Backend,
    underlying: str,
    expiry: date | None,
    keys: Mapping[str, str],
    width: int,
) -> Iterator[Row]:
    """Build the box; the plain view follows once the pane has failed too often."""
    key = key_name("redraw", keys)
    yield heading("")
    yield heading(f" An error in {failure.place}. Everything else goes on.")
    yield from wrapped(f"{failure.at:%H:%M:%S}  {failure.doing} failed: {failure.what}", "error", width=width - 1)
    events = key_name("show-events", keys)
    yield from wrapped(f"at {failure.where}; {events} has it among the events", "quiet", width=width - 1)
    if not failure.is_plain:
        yield from wrapped(
            f"It is tried again by itself within {RETRY_S:.0f} s, by {key} at once.", "text", width=width
        )
        return
    yield from wrapped(
        f"It failed {failure.count} times within ten seconds: this is the plain view. {key} tries again.", "text",
        width=width,
    )  # fmt: skip
    yield heading("")
    plain = _PLAIN.get(failure.place)
    if plain is not None:
        yield from plain(backend, underlying, expiry)


def _chain(backend: Backend, underlying: str, expiry: date | None) -> Iterator[Row]:
    contracts = backend.chain(underlying, expiry) if expiry is not None else None
    if contracts is None or expiry is None:
        yield row("", Span(f" no chain of {underlying}", "quiet"))
        return
    board = backend.board
    spot = board.price_of(board.row(price_token(backend, underlying)))
    yield heading(f" {underlying} {spot if spot == spot else fmt.MISSING}  {expiry:%d %b %Y}  last prices")
    yield row("", Span(f"{'call':>14}{'strike':>12}{'put':>14}", "quiet"))
    strikes = contracts.strikes
    at = int(np.argmin(np.abs(strikes - spot))) if spot == spot and len(strikes) else len(strikes) // 2
    for place in range(max(at - _NEAR, 0), min(at + _NEAR + 1, len(strikes))):
        call, put = (_price(backend, int(t[place])) for t in (contracts.call_tokens, contracts.put_tokens))
        yield row(f"strike:{place}", f"{call:>14}{fmt.strike(float(strikes[place])):>12}{put:>14}")


def _price(backend: Backend, token: int) -> str:
    """Last price of a leg with the mark of where it comes from; a dash where there is none."""
    board = backend.board
    place = board.row(token) if token >= 0 else 0
    price, instrument = board.price_of(place), backend.instrument(token)
    text = fmt.price(price, LEAST_DECIMALS if instrument is None else instrument.decimals)
    return f"{_MARKS.get(board.source_of(place), '')}{text}" if price == price else fmt.MISSING


def _subscriptions(backend: Backend, underlying: str, expiry: date | None) -> Iterator[Row]:
    del underlying, expiry
    for account in backend.runtime().accounts:
        yield row(
            "", f" {account.account_id}  {account.state}  {account.subscribed:,} of {account.desired:,} streaming"
        )
    for status in backend.rules():
        yield row(f"rule:{status.rule.rule_id}", f" {status.rule.describe()}  {status.legs:,} legs")


def _bootstrap(backend: Backend, underlying: str, expiry: date | None) -> Iterator[Row]:
    del underlying, expiry
    progress = backend.bootstrap()
    done = f"{progress.instruments_done:,} of {progress.instruments_total:,} instruments"
    yield row("", f" {progress.state}  {done}  {progress.requests_left:,} requests left")


def _health(backend: Backend, underlying: str, expiry: date | None) -> Iterator[Row]:
    del underlying, expiry
    yield row("", f" loop {backend.runtime().state}  database {backend.health().database_fault or 'ok'}")
    for task in backend.tasks():
        yield row(f"task:{task.name}", f" {task.name}  {task.state}  {task.restarts} restarts  {task.last_error}")


def _events(backend: Backend, underlying: str, expiry: date | None) -> Iterator[Row]:
    del underlying, expiry
    for event in reversed(backend.events()[-_EVENTS:]):
        yield row(f"event:{event.sequence}", f" {event.at:%H:%M:%S} {event.severity} {event.topic} {event.text}")


_PLAIN: Final[Mapping[str, Callable[[Backend, str, date | None], Iterator[Row]]]] = {
    "chain": _chain, "analytics": _chain, "subscriptions": _subscriptions, "bootstrap": _bootstrap,
    "health": _health, "events": _events,
}  # fmt: skip
