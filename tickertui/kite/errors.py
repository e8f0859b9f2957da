"""What can go wrong with a REST call, as types: `tickertui.kite.client` raises these and nothing else.

The text of each is one sentence for the trader, without a secret. Whether a later attempt may succeed by itself is
`KiteError.retryable`; what the trader has to do stands in the sentence.
"""

# ruff: noqa: N818 - the names say what happened; all of them end on KiteError

from __future__ import annotations

from typing import ClassVar


class KiteError(Exception):
    """The broker did not do what it was asked.

    Attributes:
        account: Account id of the client that asked.
        endpoint: What was asked, in words ("quotes", "history of 256265").
        status: HTTP status of the answer, None when there was none.
        reason: The broker's or the network's own words, without secrets.
        retryable: Whether the same call may succeed later without anybody's doing.
    """

    retryable: ClassVar[bool] = False
    _what: ClassVar[str] = "the broker did not answer the request for {endpoint}"
    _remedy: ClassVar[str] = ""

    def __init__(self, reason: str = "", *, account: str = "", endpoint: str = "", status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.account = account
        self.endpoint = endpoint
        self.status = status

    def __str__(self) -> str:
        sentence = self._what.format(endpoint=self.endpoint or "data")
        if self.status is not None:
            sentence += f" (HTTP {self.status})"
        if self.reason:
            sentence += f": {self.reason.rstrip('. ')}"
        if self._remedy:
            sentence += f"; {self._remedy.format(account=self.account or 'ACCOUNT')}"
        return f"{self.account}: {sentence}" if self.account else sentence


class AuthExpired(KiteError):
    """The session is dead or was never opened: a login is needed and retrying is pointless."""

    _what = "the broker refused the session for {endpoint}"
    _remedy = "log in again with `tickertui login {account}`"


class PermissionDenied(KiteError):
    """The session lives but may not do this: an app without the paid market-data plan, a blocked user."""

    _what = "the broker does not allow this account {endpoint}"
    _remedy = "check that the app of this API key has the market-data plan"


class RateLimited(KiteError):
    """Too many requests.

    Attributes:
        retry_after: Seconds the broker asked to wait, None when it did not say.
    """

    retryable = True
    _what = "the broker limits the requests for {endpoint}"
    _remedy = "it is asked again more slowly; whatever else uses this API key counts too"

    def __init__(
        self,
        reason: str = "",
        *,
        account: str = "",
        endpoint: str = "",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason, account=account, endpoint=endpoint, status=status)
        self.retry_after = retry_after


class BrokerUnavailable(KiteError):
    """The broker's servers are down, or the network does not reach them."""

    retryable = True
    _what = "the broker is not available for {endpoint}"


class BrokerTimeout(KiteError):
    """No answer in time."""

    retryable = True
    _what = "the broker did not answer in time for {endpoint}"


class InvalidRequest(KiteError):
    """The broker says that the request itself is wrong; the same one will never succeed."""

    _what = "the broker rejected the request for {endpoint}"


class UnexpectedAnswer(KiteError):
    """The answer is not what the protocol says: not JSON, other fields, other types."""

    _what = "the broker's answer for {endpoint} is not in the expected form"
