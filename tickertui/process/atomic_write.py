"""`replacing`: write a file so that whatever happens there is the old one or the whole new one, never half of one.

Tokens, the column editor's presets, exported subscriptions and restored or copied databases are written through it.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, *, mode: int | None = None) -> Iterator[BinaryIO]:
    """Open a new file beside a path, which takes its place when the block ends; after an error the old one is there.

    Args:
        path: Where the content shall be; a link there is replaced, not followed.
        mode: Permissions of the new file; None for those of the old one, without one those that files usually have.

    Yields:
        The open file; it is on the disk when the block ends.

    Raises:
        OSError: When it cannot be written.
    """
    old_mode = _mode_of(path) if mode is None else None
    draft = _draft_of(path)
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode or 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if old_mode is not None:
                draft.chmod(stat.S_IMODE(old_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink()


def write_atomically(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write a whole file of UTF-8 text; see `replacing`.

    Raises:
        OSError: When it cannot be written.
    """
    with replacing(path, mode=mode) as file:
        file.write(text.encode("utf-8"))


def write_where_it_leads(path: Path, text: str) -> None:
    """Write to a path that somebody has typed: a link stays one, a pipe or device is written to, a file is replaced.

    Raises:
        OSError: When it cannot be written.
    """
    mode = _mode_of(path)
    if mode is None or stat.S_ISREG(mode):
        write_atomically(Path(os.path.realpath(path)), text)
    else:
        path.write_text(text, encoding="utf-8")


def _mode_of(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _draft_of(target: Path) -> Path:
    """Short, for the name of the target may be as long as names can be; no two writers at a time have the same."""
    return target.with_name(f".tickertui-{os.getpid()}-{threading.get_ident()}.part")
