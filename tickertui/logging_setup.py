"""The log: one rotating private file, written by a thread of its own; nothing is ever logged to the screen."""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAX_BYTES = 10_000_000
_KEPT = 5
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class LogUnavailable(Exception):  # noqa: N818 - the program runs without a log
    """The log file cannot be written; the text is one sentence."""


@contextmanager
def logging_to(path: Path, level: str) -> Iterator[None]:
    """Log to a file while the context lasts.

    The caller of a logger only puts the record into a queue (10 µs); a listener thread formats and writes it.

    Args:
        path: The file; it is created 0600 in a 0700 directory.
        level: debug, info, warning or error.

    Raises:
        LogUnavailable: When the file cannot be opened.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        file = logging.handlers.RotatingFileHandler(path, maxBytes=_MAX_BYTES, backupCount=_KEPT, encoding="utf-8")
    except OSError as error:
        raise LogUnavailable(f"{path}: cannot write the log: {error.strerror}") from None
    file.setFormatter(logging.Formatter(_FORMAT))
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, file)
    handler = logging.handlers.QueueHandler(records)
    root = logging.getLogger()
    before, raising = root.level, logging.raiseExceptions
    root.addHandler(handler)
    root.setLevel(level.upper())
    # A full disk must not write tracebacks into the terminal interface.
    logging.raiseExceptions = False
    # Libraries say at INFO and DEBUG what holds addresses with tokens in them.
    for name in ("websockets", "urllib3", "kiteconnect", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        listener.stop()
        file.close()
        logging.raiseExceptions = raising
