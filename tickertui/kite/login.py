"""The daily login: the broker's login page, what it sends the user back with, and the token that it gives.

``tickertui login``, the login dialog and `tickertui.services.accounts.session_orchestrator` use it. The exchange of the
request token itself is a REST call (`tickertui.kite.client.KiteClient.exchange_request_token`).

Source: Kite Connect v3 documentation, user, "Login flow". The access token lives until about 06:00 IST of the next
day; the broker's refusal is the truth, the clock only a hint.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Hashable
from datetime import datetime, time, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from tickertui.frozen import frozen
from tickertui.kite.secrets import Secret
from tickertui.market.clock import IST, Clock
from tickertui.process.atomic_write import write_atomically

LOGIN_ROOT: Final = "https://kite.zerodha.com/connect/login"

_FLUSH: Final = time(6, 0)
"""The broker flushes the tokens of the day before at about this time, IST."""

TOKEN_LENGTH: Final = 32
"""Characters of the broker's request tokens."""
_SHORTEST_TOKEN: Final = 8
_BARE_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{8,128}")
_PLAIN_TOKEN: Final = re.compile(rf"[A-Za-z0-9]{{{TOKEN_LENGTH}}}")
_TOKEN_LETTERS: Final = re.compile(r"[A-Za-z0-9_-]*")
_PARAMETER: Final = "request_token="
_ADDRESS: Final = re.compile(r"https?://")
_STATUS: Final = re.compile(r"(?:^|[?&#;])status=([A-Za-z]+)")


class LoginError(Exception):
    """A login cannot go on, or its token cannot be kept; the text is one sentence without a secret."""


class IncompletePaste(LoginError):  # noqa: N818 - says what is the matter
    """What was pasted holds no whole request token; more of it may."""


def login_url(api_key: str, root: str = LOGIN_ROOT) -> str:
    """Return the address of the broker's login page for an app."""
    return f"{root}?{urlencode({'v': '3', 'api_key': api_key})}"


def parse_redirect(text: str) -> Secret:
    """Return the request token in what the user pasted or piped.

    The whole text is looked through: an address may be wrapped anywhere, also within the token, and stand among other
    words; of several the last one counts. A token that may be cut is not returned.

    Args:
        text: The address that the broker sent the browser to, its query, or the bare request token, on any number of
            lines.

    Raises:
        IncompletePaste: When there is none in it, or not for certain the whole of it; what follows may complete it.
        LoginError: When it says that nothing can come. The text is not repeated: it may hold the token.
    """
    pasted = _Pasted(text)
    if not pasted.joined:
        raise LoginError("nothing was pasted; paste the whole address that the browser was sent to after the login")
    incomplete = IncompletePaste(
        "there is no request_token in what was pasted; paste the whole address that the browser was sent to "
        "after the login, it contains request_token=..."
    )
    for start, stop in pasted.addresses():
        try:
            token = pasted.token_of(start, stop)
        except IncompletePaste as error:
            incomplete = error
            continue
        if token:
            return Secret(token)
    token = pasted.bare_token()
    if token:
        return Secret(token)
    raise incomplete


class _Pasted:
    """A pasted text without its white space, and where that was."""

    def __init__(self, text: str) -> None:
        words = text.split()
        self.joined = "".join(words)
        self._words = words
        self._breaks = list(accumulate(map(len, words)))

    def addresses(self) -> list[tuple[int, int]]:
        """Return [start, stop) of what may be an address or a query, the last one first."""
        starts = sorted({0, *(found.start() for found in _ADDRESS.finditer(self.joined))})
        return list(zip(starts, [*starts[1:], len(self.joined)], strict=True))[::-1]

    def token_of(self, start: int, stop: int) -> str:
        """Return the token of one address, empty where it has none."""
        address = self.joined[start:stop]
        status = _STATUS.search(address)
        if status is not None and not status[1].startswith("success"):
            raise LoginError("the broker says that the login was not finished; open the login address and try again")
        place = address.rfind(_PARAMETER)
        if place < 0:
            return ""
        first = start + place + len(_PARAMETER)
        run = _TOKEN_LETTERS.match(self.joined, first, stop)
        assert run is not None
        return self._whole(first, run.end(), is_delimited=run.end() < stop)

    def _whole(self, first: int, end: int, *, is_delimited: bool) -> str:
        """Return the token that begins somewhere, of which the letters up to ``end`` may be."""
        ends = [place for place in self._breaks if first < place < end] + [end]
        if first + TOKEN_LENGTH in ends:
            return self.joined[first : first + TOKEN_LENGTH]
        token = self.joined[first:end]
        if len(token) < _SHORTEST_TOKEN:
            return ""
        if is_delimited or (len(ends) == 1 and len(token) > TOKEN_LENGTH):
            return token if _BARE_TOKEN.fullmatch(token) else ""
        raise _cut(len(token))

    def bare_token(self) -> str:
        """Return a token that stands by itself, empty where there is none."""
        alone = self.joined.strip("'\"<>")
        if _BARE_TOKEN.fullmatch(alone) and (len(alone) == TOKEN_LENGTH or len(self._words) == 1):
            if len(alone) < TOKEN_LENGTH:
                raise _cut(len(alone))
            return alone
        return next((word for word in reversed(self._words) if _PLAIN_TOKEN.fullmatch(word)), "")


def _cut(letters: int) -> IncompletePaste:
    return IncompletePaste(
        f"the request_token in what was pasted may be cut: it has {letters} characters and nothing follows it, where "
        f"the broker's have {TOKEN_LENGTH}; paste the whole address, on as many lines as it takes"
    )


@frozen
class StoredToken:
    """A day's token.

    Attributes:
        token: The access token.
        user_id: The broker's user it belongs to.
        saved_at: Aware datetime of the login.
    """

    token: Secret
    user_id: str
    saved_at: datetime


class TokenFile:
    """Keeps the day's tokens, one private file for each account.

    Args:
        directory: Made with mode 0700 when it is not there.
        clock: Tells which tokens are of today.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def path(self, account: str) -> Path:
        """Return where the token of an account is kept."""
        return self._directory / f"session-{quote(account, safe='')}.json"

    def load(self, account: str) -> StoredToken | None:
        """Return the token of an account; None when there is none, or one from before the last 06:00.

        Raises:
            LoginError: When others can read the file, or it is damaged; the text says what to do.
        """
        path = self.path(account)
        try:
            # Checked on the open file, so that it cannot be exchanged between the check and the reading.
            with open(path, encoding="utf-8", opener=_open_at_once) as file:
                _require_private(path, os.fstat(file.fileno()))
                document = json.load(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LoginError(f"{path} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise LoginError(f"{path} is damaged; `tickertui login {account}` writes it anew") from None
        stored = _stored(document)
        if stored is None:
            raise LoginError(f"{path} does not hold a token; `tickertui login {account}` writes it anew")
        return stored if stored.saved_at >= self._last_flush() else None

    def stamp(self, account: str) -> Hashable | None:
        """Return what changes with the file of an account, its mode and its owner; None when there is no file.

        What is in the way of asking is a stamp too, so that its coming and going are seen.
        """
        try:
            status = self.path(account).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return error.errno
        return status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns

    def _last_flush(self) -> datetime:
        now = self._clock.now().astimezone(IST)
        flush = datetime.combine(now.date(), _FLUSH, tzinfo=IST)
        return flush if now >= flush else flush - timedelta(days=1)

    def save(self, account: str, token: Secret, user_id: str, at: datetime) -> None:
        """Keep a token; a crash leaves the old file or the new one, never half of one.

        Raises:
            LoginError: When the file cannot be written.
        """
        path = self.path(account)
        document = {"access_token": token.reveal(), "user_id": user_id, "saved_at": at.isoformat()}
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._directory.chmod(0o700)
            write_atomically(path, json.dumps(document), mode=0o600)
        except OSError as error:
            raise LoginError(f"the token cannot be kept in {path}: {error.strerror}") from None

    def delete(self, account: str) -> None:
        """Forget the token of an account; does nothing when there is none."""
        self.path(account).unlink(missing_ok=True)


def _open_at_once(path: str, flags: int) -> int:
    """Open for reading without waiting for a writer, as a pipe in the file's place would."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _require_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise LoginError(f"{path} is not a file; remove it and log in again")
    if os.name == "nt":
        return  # access lists, not mode bits, guard a user's directory there
    if status.st_uid != os.geteuid():
        raise LoginError(f"{path} belongs to another user; remove it and log in again")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        raise LoginError(f"{path} can be read by others (mode {mode:04o}); log in again after `chmod 600` of it")


def _stored(document: object) -> StoredToken | None:
    if not isinstance(document, dict):
        return None
    token, user_id, saved_at = (document.get(key) for key in ("access_token", "user_id", "saved_at"))
    if not (isinstance(token, str) and token and isinstance(user_id, str) and isinstance(saved_at, str)):
        return None
    if not (token.isascii() and token.isprintable() and user_id.isprintable()):
        return None  # it goes into a header, and the user onto the screen
    try:
        instant = datetime.fromisoformat(saved_at)
        local = instant.astimezone(IST)
        local + timedelta(days=2)  # the flush after it must be a date too
    except (ValueError, OverflowError):
        return None
    return StoredToken(Secret(token), user_id, local) if instant.tzinfo is not None else None
