"""Locks on small side files: who has the database open, and which terminal streams an account.

The operating system gives such a lock back when its process ends, whatever the way. The file's content only says who
has it; the lock alone decides.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from tickertui.market.clock import IST
from tickertui.store.protocol import Owner


class FileLock:
    """A lock on a file, held until `release` or the end of the process. Two in one process exclude each other too.

    Args:
        path: The side file; it is made where it does not exist, and stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether we have it."""
        return self._descriptor is not None

    def acquire(self, *, shared: bool = False) -> bool:
        """Take it without waiting; False when another has it.

        Raises:
            OSError: When the file cannot be made.
        """
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def write(self, text: str) -> None:
        """Replace the content of the file; only who has the lock does."""
        assert self._descriptor is not None, "only the holder of a lock writes who it is"
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def read(self) -> str:
        """Return the content of the file, also while another has the lock; empty where there is none."""
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def release(self) -> None:
        """Give it back; doing so twice is nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class FileClaim:
    """An account that this process streams (`tickertui.store.protocol.Claim`)."""

    def __init__(self, account: str, lock: FileLock) -> None:
        self._account = account
        self._lock = lock

    @property
    def account(self) -> str:
        """Account id."""
        return self._account

    @property
    def is_held(self) -> bool:
        """Whether it is still ours."""
        return self._lock.is_held

    async def release(self) -> None:
        """Give it back."""
        self._lock.release()


def claim_by_file(folder: Path, account: str, now: datetime) -> FileClaim | Owner:
    """Take an account among the terminals that use one folder, or say who has it.

    Raises:
        OSError: When the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{quote(account, safe='')}.lock")
    if not lock.acquire():
        return _owner_of(lock.read(), now)
    lock.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": now.isoformat()}))
    return FileClaim(account, lock)


def _owner_of(text: str, now: datetime) -> Owner:
    """Read who has a claim; one that has not yet written its name took it just now."""
    try:
        told = json.loads(text)
        return Owner(str(told["host"]), int(told["pid"]), datetime.fromisoformat(told["since"]).astimezone(IST))
    except (ValueError, KeyError, TypeError):
        return Owner(socket.gethostname(), 0, now)
