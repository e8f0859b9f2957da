"""What the chain's pickers offer (underlyings, expiries, and contracts as one types), and how one is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from textual.app import App

from tickertui.tui.panels.base import Choice, PickerScreen
from tickertui.tui.panels.leg import name_of
from tickertui.tui.view.backend import Backend
from tickertui.tui.view.frames import ListedExpiry

_FOUND = 20
"""Contracts that a search lists: more would not be read."""


def underlying_choices(backend: Backend) -> Iterator[Choice]:
    """Every underlying of the day with how many expiries it has, and the nearest."""
    for name in backend.underlyings():
        expiries = backend.expiries(name)
        count = f"{len(expiries)} expiries, next" if len(expiries) > 1 else "one expiry,"
        whose = _whose(backend, name, expiries[0].expiry) if expiries else ""
        yield Choice(name, name, f"{count} {expiries[0].expiry:%d %b}{whose}" if expiries else "")


def _whose(backend: Backend, underlying: str, expiry: date) -> str:
    """Exchange and lot of a name that is not the only one of its kind."""
    contracts = backend.chain(underlying, expiry) if backend.explain_name(underlying) else None
    return f"  {contracts.exchange}, lot {contracts.lot_size:,}" if contracts is not None else ""


def expiry_choices(backend: Backend, underlying: str, expiries: Sequence[ListedExpiry]) -> Iterator[Choice]:
    """Every expiry with its cycle, days, strikes, and why it is not on its usual day."""
    for listed in expiries:
        contracts = backend.chain(underlying, listed.expiry)
        strikes = f"{len(contracts.strikes)} strikes" if contracts is not None else ""
        today = "  expires today" if listed.is_today else ""
        text = f"{listed.letter} {listed.expiry:%d %b %Y}  {listed.days:>3}d  {strikes}{today}"
        yield Choice(listed.expiry.isoformat(), text, listed.note)


def contract_choices(backend: Backend, typed: str) -> list[Choice]:
    """The contracts that match what was typed, best first."""
    return [Choice(str(found.token), name_of(found), found.tradingsymbol) for found in backend.search(typed, _FOUND)]


def choose(app: App[object], picker: PickerScreen, take: Callable[[str], None]) -> None:
    """Show a picker; nothing happens when it is closed without a choice."""
    app.push_screen(picker, lambda chosen: take(chosen) if chosen else None)
