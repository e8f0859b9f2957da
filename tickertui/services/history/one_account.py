"""What is missing of some contracts, asked for through one account until it is there.

`HistoricalBootstrapper.backfill_missing_history` calls it, the method of the original service; the backfill itself
plans for all accounts at once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import anyio

from tickertui.kite.errors import AuthExpired, KiteError, PermissionDenied, RateLimited
from tickertui.market.instruments import Instrument
from tickertui.services.history.failures import FailureBook
from tickertui.services.history.sessions import HistoryWindow, missing_requests
from tickertui.services.history.types import BackfillSettings, BackfillTarget, Request
from tickertui.store.protocol import ContractKey, Span

_LOG: Final = logging.getLogger(__name__)

Ask = Callable[[Request], Awaitable[None]]
"""Asks the broker once and stores the answer; raises a `KiteError`."""


def missing_of(
    window: HistoryWindow, instruments: Sequence[Instrument], coverage: Mapping[ContractKey, Sequence[Span]]
) -> Iterator[Request]:
    """Yield the requests that fill what is missing of contracts.

    Args:
        window: What there must be by now.
        instruments: Contracts.
        coverage: What is complete.
    """
    for instrument in instruments:
        target = BackfillTarget(
            instrument.token, instrument.tradingsymbol, instrument.name, instrument.name, instrument.expiry,
            segment=instrument.segment,
        )  # fmt: skip
        yield from missing_requests(window, target, coverage.get(target.key, ()))


async def ask_for_all(requests: Iterable[Request], ask: Ask, settings: BackfillSettings, failures: FailureBook) -> bool:
    """Ask one request after the other, and return whether all were answered.

    Args:
        requests: What to ask for.
        ask: See `Ask`.
        settings: How often, and with which pauses.
        failures: Keeps what was not answered.

    Raises:
        AuthExpired: When the account has no session any more.
        StoreError: When the store does not take an answer.
    """
    complete = True
    for request in requests:
        try:
            await _until_answered(request, ask, settings, failures)
        except AuthExpired:
            raise
        except PermissionDenied:
            return False
        except KiteError:
            complete = False
    return complete


async def _until_answered(request: Request, ask: Ask, settings: BackfillSettings, failures: FailureBook) -> None:
    """Ask a few times; what is doubtful is left to the next plan."""
    attempts = 0
    while True:
        try:
            await ask(request)
        except AuthExpired:
            raise
        except KiteError as error:
            attempts += 1
            if not error.retryable or attempts >= settings.attempts:
                await failures.add(request.target, error)
                raise
            told = error.retry_after if isinstance(error, RateLimited) else None
            delay = settings.delay(attempts) if told is None else told
            _LOG.warning("asking for candles of %s again in %.1f s: %s", request.target.label, delay, error)
            await anyio.sleep(delay)
        else:
            return
