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
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from tickertui.frozen import frozen
from tickertui.kite.secrets import Secret
from tickertui.market.clock import IST, Clock
from tickertui.process.atomic_write import write_atomically

LOGIN_ROOT: Final = "https://kite.zerodha.com/connect/login"

_FLUSH: Final = time(6, 0)
"""The broker flushes the tokens of the day before at about this time, IST."""

_BARE_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{8,128}")


class LoginError(Exception):
    """A login cannot go on, or its token cannot be kept; the text is one sentence without a secret."""


def login_url(api_key: str, root: str = LOGIN_ROOT) -> str:
    """Return the address of the broker's login page for an app."""
    return f"{root}?{urlencode({'v': '3', 'api_key': api_key})}"


def parse_redirect(text: str) -> Secret:
    """Return the request token in what the user pasted.

    Args:
        text: The address that the broker sent the browser to, its query, or the bare request token.

    Raises:
        LoginError: When there is none in it. The text is not repeated: it may hold the token.
    """
    pasted = "".join(text.split()).strip("'\"<>")
    if not pasted:
        raise LoginError("nothing was pasted; paste the whole address that the browser was sent to after the login")
    if _BARE_TOKEN.fullmatch(pasted):
        return Secret(pasted)
    status = _parameter(pasted, "status")
    if status not in {"", "success"}:
        raise LoginError("the broker says that the login was not finished; open the login address and try again")
    token = _parameter(pasted, "request_token")
    if not _BARE_TOKEN.fullmatch(token):
        raise LoginError(
            "there is no request_token in what was pasted; paste the whole address that the browser was sent to "
            "after the login, it contains request_token=..."
        )
    return Secret(token)


def _parameter(pasted: str, name: str) -> str:
    """One parameter of a pasted address or query, empty when it is not there."""
    try:
        parts = urlsplit(pasted)
        query = parts.query or parts.fragment or pasted.lstrip("?&#")
        return parse_qs(query).get(name, [""])[0]
    except ValueError:
        return ""


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
