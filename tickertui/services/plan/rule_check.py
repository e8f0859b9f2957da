"""Whether what a trader asks for can be had: its account, its underlying, its dates.

Every way in asks here before it stores anything: the form (`n`), ``subs add`` and ``subs import``. What is stored is
never refused afterwards, as accounts and contracts come and go; the plan says what it cannot serve and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from difflib import get_close_matches

from tickertui.market.subscriptions import ChainRule, RuleError
from tickertui.services.contracts.day_contracts import DayContracts


def check_rule(rule: ChainRule, contracts: DayContracts, accounts: Sequence[str], now: datetime) -> None:
    """Refuse a rule that nothing can come of.

    Args:
        rule: What is asked for.
        contracts: The day's; while there are none, names and listed dates cannot be looked at.
        accounts: Ids of the configured accounts.
        now: Aware, in market time.

    Raises:
        RuleError: With one sentence: what cannot be had, and what can.
    """
    check_account(rule.preferred_account, accounts)
    (rule,) = contracts.resolved([rule])
    if len(contracts) and not contracts.expiries(rule.underlying):
        near = _nearest(rule.underlying, contracts.underlyings())
        raise RuleError(f"no options on {rule.underlying} among the day's contracts{near}")
    over = [expiry for expiry in rule.expiries if _is_over(rule.underlying, expiry, contracts, now)]
    if over:
        days = ", ".join(f"{expiry:%d %b %Y}" for expiry in over)
        raise RuleError(f"{rule.underlying}: {days} {'is' if len(over) == 1 else 'are'} over already")


def check_account(account: str | None, accounts: Sequence[str]) -> None:
    """Refuse an account that the configuration does not have; None, for anywhere, is one.

    Raises:
        RuleError: With the accounts that there are.
    """
    if account is None or account in accounts:
        return
    if not accounts:
        raise RuleError(f"there is no account {account}: none is configured; leave the account out")
    near = _nearest(account, accounts) or f"; there {'is' if len(accounts) == 1 else 'are'} {', '.join(accounts)}"
    raise RuleError(f"there is no account {account} in the configuration{near}")


def _is_over(underlying: str, expiry: date, contracts: DayContracts, now: datetime) -> bool:
    if expiry != now.date():
        return expiry < now.date()
    # Whether today's is over depends on the exchange's closing time, which only a listed chain tells.
    chain = contracts.chain(underlying, expiry)
    return chain is not None and expiry not in contracts.live_expiries(underlying, now)


def _nearest(name: str, known: Sequence[str]) -> str:
    folded = {each.upper(): each for each in known}
    near = get_close_matches(name.upper(), folded, n=1, cutoff=0.6)
    near = near or [each for each in folded if each.startswith(name.upper())][:1]
    return f"; did you mean {folded[near[0]]}?" if near else ""
