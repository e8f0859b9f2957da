"""What stands in the middle of a chain without rows: what is missing, why, and which key helps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from tickertui.services.state import AccountState, RuntimeState
from tickertui.tui.actions import hint, key_name
from tickertui.tui.backend import Backend

_OTHER = ("pick-underlying", "other underlying")


def empty_chain_text(
    backend: Backend, runtime: RuntimeState | None, underlying: str, expiry: date | None, keys: Mapping[str, str]
) -> str:
    """Return the notice.

    Args:
        backend: The program.
        runtime: State of the loop, None before the first look.
        underlying: That is wanted.
        expiry: That is wanted, None when there is none.
        keys: The user's own keys by action id.
    """
    day = backend.instruments_day()
    if day is None:
        return f"No instruments yet: the day's list of contracts has not been loaded.{_login_hint(runtime, keys)}"
    if not backend.expiries(underlying):
        return f"There are no options on {underlying} in the list of {day:%d %b %Y}.\n\n{hint(keys, _OTHER)}"
    subscribe = f"{key_name('show-subscriptions', keys)} {key_name('new-rule', keys)}  subscribe it, its cost first"
    ways_out = f"{subscribe}    {hint(keys, _OTHER)}"
    if runtime is None or not runtime.instruments:
        return f"Nothing is subscribed yet.\n\n{ways_out}"
    shown = f"{underlying} {expiry:%d %b}" if expiry else underlying
    contracts = backend.chain(underlying, expiry) if expiry else None
    listed = f"\nThe list of {day:%d %b %Y} has {len(contracts.strikes)} strikes of it." if contracts else ""
    return f"Nothing in your subscriptions asks for {shown} yet.{listed}\n\n{ways_out}"


def _login_hint(runtime: RuntimeState | None, keys: Mapping[str, str]) -> str:
    accounts = runtime.accounts if runtime is not None else ()
    refused = [account.account_id for account in accounts if account.state is AccountState.AUTH_EXPIRED]
    return f"\n\n{' '.join(refused)} needs a login: {key_name('login', keys)}" if refused else ""
