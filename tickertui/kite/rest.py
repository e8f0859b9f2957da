"""One REST call at a time through the broker's own client, in a worker thread; its faults become typed errors.

`tickertui.kite.client` keeps a few `RestLine`s for each account and runs their calls in threads. The official client
crashes with TypeError, KeyError or AttributeError on answers it does not expect and lets the exceptions of
``requests`` through; so the answer itself is kept here and judged by its status, its type and its words.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from tickertui.kite import official
from tickertui.kite.errors import (
    AuthExpired,
    BrokerTimeout,
    BrokerUnavailable,
    InvalidRequest,
    KiteError,
    PermissionDenied,
    RateLimited,
    UnexpectedAnswer,
)
from tickertui.kite.instruments_csv import DumpError
from tickertui.kite.responses import AnswerError
from tickertui.kite.secrets import Secret, redact

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

_TOO_MANY: Final = "too many requests"
_LONGEST_REASON: Final = 200
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_BY_TYPE: Final[dict[str, type[KiteError]]] = {
    # The broker's error_type: ours. What is not here is judged by its HTTP status.
    "TokenException": AuthExpired,
    "TwoFAException": AuthExpired,
    "PermissionException": PermissionDenied,
    "UserException": PermissionDenied,
    "InputException": InvalidRequest,
    "OrderException": InvalidRequest,
    "MarginException": InvalidRequest,
    "HoldingException": InvalidRequest,
    "DataException": BrokerUnavailable,
    "NetworkException": BrokerUnavailable,
}
_BY_STATUS: Final[dict[int, type[KiteError]]] = {401: AuthExpired, 403: AuthExpired, 408: BrokerTimeout}


class RestLine:
    """One official client, used by one thread at a time.

    Args:
        account: Account id, for the errors.
        api_key: Of the account's app.
        root: Address of the API, without a path.
        timeout: Seconds to connect, and between two pieces of an answer.
    """

    def __init__(self, account: str, api_key: str, root: str, timeout: float) -> None:
        self._account = account
        self._api_key = api_key
        self._answer: requests.Response | None = None
        # debug stays off: it logs the Authorization header.
        self._kite = official.load()(api_key, root=root, timeout=timeout)
        session = self._kite.reqsession
        session.hooks["response"].append(self._keep_answer)
        # Without this, a ~/.netrc entry for the host would replace the Authorization header.
        session.auth = _leave_as_it_is
        if urlsplit(root).hostname in _LOOPBACK:
            # A proxy of the environment is for the way out, not for a simulator on this machine.
            session.trust_env = False

    def close(self) -> None:
        """Close the connections that are kept open."""
        session = self._kite.reqsession
        # Its pools close their connections when the last reference is gone: leave no cycle through this object.
        session.hooks["response"].clear()
        session.close()

    def call(
        self, endpoint: str, token: Secret | None, request: Callable[[Any], object], read: Callable[[Any], T]
    ) -> T:
        """Send one request and read its answer.

        Args:
            endpoint: What is asked, in words, for the errors.
            token: Token of the day, None for a call without one.
            request: Gets the official client, returns the data of the answer.
            read: Makes a value of the data.

        Raises:
            KiteError: Whatever goes wrong.
        """
        data, error = self._send(endpoint, token, request)
        if error is None:
            try:
                return read(data)
            except (AnswerError, DumpError) as unread:
                error = self._error(UnexpectedAnswer, endpoint, str(unread), 200)
        # Raised out here, the error carries no other one, whose frames would hold the token and the connection.
        raise error

    def _send(
        self, endpoint: str, token: Secret | None, request: Callable[[Any], object]
    ) -> tuple[object, KiteError | None]:
        """Return the data of the answer, or what went wrong."""
        import requests
        from kiteconnect.exceptions import KiteException

        self._kite.set_access_token(None if token is None else token.reveal())
        try:
            return request(self._kite), None
        except requests.Timeout:
            return None, self._error(BrokerTimeout, endpoint)
        except requests.RequestException as error:
            return None, self._error(BrokerUnavailable, endpoint, _network_words(error))
        except (KiteException, TypeError, KeyError, AttributeError, ValueError, RecursionError):
            if self._answer is None:
                raise
            return None, self._judge(self._answer, endpoint, token)
        finally:
            self._kite.set_access_token(None)
            self._answer = None

    def _keep_answer(self, answer: requests.Response, *_: object, **__: object) -> None:
        self._answer = answer

    def _error(self, kind: type[KiteError], endpoint: str, reason: str = "", status: int | None = None) -> KiteError:
        return kind(reason, account=self._account, endpoint=endpoint, status=status)

    def _judge(self, answer: requests.Response, endpoint: str, token: Secret | None) -> KiteError:
        """Return the error that an answer stands for."""
        status = answer.status_code
        message, error_type = _broker_words(answer)
        reason = redact(message, token, self._api_key)[:_LONGEST_REASON]
        if status == 429 or _TOO_MANY in message.lower():
            retry_after = _seconds(answer.headers.get("Retry-After"))
            return RateLimited(reason, account=self._account, endpoint=endpoint, status=status, retry_after=retry_after)
        kind = _BY_TYPE.get(error_type) or _BY_STATUS.get(status)
        if kind is None:
            if status >= 500:
                kind = BrokerUnavailable
            elif status >= 400:
                kind = InvalidRequest
            else:
                kind = UnexpectedAnswer
        return self._error(kind, endpoint, reason, status)


def _leave_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _broker_words(answer: requests.Response) -> tuple[str, str]:
    """Message and error_type of an answer; what is no JSON object is described instead of quoted."""
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        kind = answer.headers.get("Content-Type", "").partition(";")[0] or "nothing that says what it is"
        return f"it sent {kind} instead of JSON", ""
    if not isinstance(body, dict):
        return "it sent JSON that is not an object", ""
    message, error_type = body.get("message"), body.get("error_type")
    if not isinstance(message, str) or not message:
        message = "" if body.get("status") == "error" else "it sent JSON without data"
    return message, error_type if isinstance(error_type, str) else ""


def _network_words(error: Exception) -> str:
    """Say what is wrong with the network, without the address (a query may hold a token)."""
    cause: BaseException | None = error
    seen = 0
    while cause is not None and seen < 10:
        reason = getattr(cause, "reason", None)
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        nested = next((part for part in (reason, *cause.args) if isinstance(part, BaseException)), None)
        cause, seen = nested or cause.__cause__ or cause.__context__, seen + 1
    return type(error).__name__


def _seconds(text: str | None) -> float | None:
    """Seconds of a Retry-After header; its form with a date is not used by the broker and passed over."""
    return float(text) if text is not None and text.strip().isdecimal() else None
