"""`read_pasted`: what is pasted at a terminal, unseen, or piped, on any number of lines.

``tickertui login`` reads its address so. A terminal's own line editing would give the first line of a paste and leave
the rest to the shell, which runs it and keeps it in its history; and no line of it is longer than 4,096 bytes.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tickertui.process.output import say

_WHOLE_S: Final = 0.3
"""Quiet time after which what is whole is taken: the rest of a paste comes at once."""
_PATIENCE_S: Final = 2.0
"""Quiet time after a line that is not whole: the rest of a paste over a slow connection."""
_AT_ONCE: Final = 65_536
_END: Final = 0x04
_ERASE: Final = (0x08, 0x7F)
_ERASE_ALL: Final = 0x15
_PASTE_MARKS: Final = (b"\x1b[200~", b"\x1b[201~")


def read_pasted(prompt: str, is_whole: Callable[[str], bool]) -> str:
    """Read from standard input until what was pasted or piped has ended.

    At a terminal nothing is echoed, and the end is a line's end after which nothing follows; what follows later does
    not reach the shell. A pipe is read to its end, or until it is quiet once what is wanted is whole.

    Args:
        prompt: Shown at a terminal, once nothing is echoed any more.
        is_whole: Whether a text holds what is wanted.

    Raises:
        KeyboardInterrupt: On Ctrl-C.
    """
    if sys.platform == "win32":
        import getpass

        return getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.read()
    descriptor = sys.stdin.fileno()
    if not os.isatty(descriptor):
        return _piped(descriptor, is_whole)
    with _unseen(descriptor):
        say(prompt, end="")
        try:
            return _typed(descriptor, is_whole)
        finally:
            say("")


def _piped(descriptor: int, is_whole: Callable[[str], bool]) -> str:
    held = b""
    while True:
        chunk = _next_bytes(descriptor, _WHOLE_S if is_whole(_text(held)) else None)
        if not chunk:
            return _text(held)
        held += chunk


def _typed(descriptor: int, is_whole: Callable[[str], bool]) -> str:
    held = bytearray()
    while True:
        text, wait = _text(held), None
        if held.endswith(b"\n"):
            if not text.strip():
                return text
            wait = _WHOLE_S if is_whole(text) else _PATIENCE_S
        chunk = _next_bytes(descriptor, wait)
        if not chunk or not _take(held, chunk):
            return _text(held)


def _take(held: bytearray, chunk: bytes) -> bool:
    """Add what was typed, and do what its keys say; False at the end of input."""
    for byte in chunk:
        if byte == _END:
            return False
        if byte in _ERASE:
            del held[-1:]
        elif byte == _ERASE_ALL:
            held.clear()
        else:
            held.append(byte)
    return True


def _next_bytes(descriptor: int, wait: float | None) -> bytes:
    """Return what comes next, empty at the end or when nothing comes in time."""
    ready, _, _ = select.select([descriptor], [], [], wait)
    return os.read(descriptor, _AT_ONCE) if ready else b""


def _text(held: bytes | bytearray) -> str:
    plain = bytes(held)
    for mark in _PASTE_MARKS:
        plain = plain.replace(mark, b"")
    return plain.decode("utf-8", "replace")


@contextmanager
def _unseen(descriptor: int) -> Iterator[None]:
    """Take every byte as it comes and echo none; what was not read at the end is dropped."""
    import termios

    before = termios.tcgetattr(descriptor)
    mode = termios.tcgetattr(descriptor)
    mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON)
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
