"""What stands in the middle of a chain without rows: what is missing, why, and which key helps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import RuntimeState
from tickertui.tui.keys.actions import hint, key_name
from tickertui.tui.view.backend import Backend
from tickertui.tui.view.rule_costs import NO_COSTS, Costs

_OTHER = ("pick-underlying", "other underlying")


def empty_chain_text(
    backend: Backend,
    runtime: RuntimeState | None,
    underlying: str,
    expiry: date | None,
    keys: Mapping[str, str],
    costs: Costs = NO_COSTS,
) -> str:
    """Return the notice.

    Args:
        backend: The program.
        runtime: State of the loop, None before the first look.
        underlying: That is wanted.
        expiry: That is wanted, None when there is none.
        keys: The user's own keys by action id.
        costs: What the rule would cost that the form proposes.
    """
    day = backend.instruments_day()
    if day is None:
        return _without_contracts(runtime, keys)
    if not backend.expiries(underlying):
        return f"There are no options on {underlying} in the list of {day:%d %b %Y}.\n\n{hint(keys, _OTHER)}"
    subscribe = f"{key_name('show-subscriptions', keys)} {key_name('new-rule', keys)}  subscribe it, its cost first"
    ways_out = f"{subscribe}    {hint(keys, _OTHER)}"
    shown = f"{underlying} {expiry:%d %b}" if expiry else underlying
    contracts = backend.chain(underlying, expiry) if expiry else None
    listed = f"\nThe list of {day:%d %b %Y} has {len(contracts.strikes)} strikes of {shown}" if contracts else ""
    listed += f" and options on {len(backend.underlyings()):,} underlyings." if contracts else ""
    facts = f"{listed}{_cost(costs)}{_room(runtime)}"
    if runtime is None or not runtime.instruments:
        return f"Nothing is subscribed yet.{facts}\n\n{ways_out}"
    return f"Nothing in your subscriptions asks for {shown} yet.{facts}\n\n{ways_out}"


def _cost(costs: Costs) -> str:
    """What the rule would cost that the form proposes."""
    text = costs.what_if_text()
    return f"\n{text}" if text else ""


def _room(runtime: RuntimeState | None) -> str:
    accounts = runtime.accounts if runtime is not None else ()
    rooms = ", ".join(f"{account.account_id} {account.room:,}" for account in accounts)
    return f"\nRoom: {rooms}." if rooms else ""


def _without_contracts(runtime: RuntimeState | None, keys: Mapping[str, str]) -> str:
    """No list of contracts: because the first moments pass, or because no account can fetch it."""
    login = _login_hint(runtime, keys)
    what = "No instruments yet: the day's list of contracts has not been loaded."
    why = "" if login else "\nIt comes from the broker and takes a few seconds after the start."
    ways = hint(keys, ("refresh-contracts", "fetch it now"), ("show-health", "what the program is doing"))
    return f"{what}{why}{login}\n\n{ways}"


def _login_hint(runtime: RuntimeState | None, keys: Mapping[str, str]) -> str:
    accounts = runtime.accounts if runtime is not None else ()
    refused = [account.account_id for account in accounts if account.state is AccountState.AUTH_EXPIRED]
    return f"\n\n{' '.join(refused)} needs a login: {key_name('login', keys)}" if refused else ""
