"""The log: one rotating private file, written by a thread of its own; nothing is ever logged to the screen.

`tickertui.commands` opens it around a run. What is in it at which level:

error: what ended a task, a thread or the program, whole; events of that severity.
warning: what is tried again, and why; what was passed over; events of that severity.
info: every event.
debug: every answer of the broker, with how long it took; every start of a task.
"""

from __future__ import annotations

import copy
import logging
import logging.handlers
import os
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from tickertui.market.clock import IST, Clock
from tickertui.process.error_texts import mask_secrets, whole_error

_MAX_BYTES = 10_000_000
_KEPT = 5
_FORMAT = "%(market_time)s %(levelname)-7s %(name)s: %(message)s"
_TALKATIVE: Final = {
    # They say at INFO and DEBUG what holds addresses with tokens in them.
    "websockets": logging.WARNING,
    "urllib3": logging.WARNING,
    "kiteconnect": logging.WARNING,
    "asyncio": logging.WARNING,
    # Says of a retry neither what nor why; `tickertui.kite.client` does.
    "stamina": logging.ERROR,
}


class LogUnavailable(Exception):  # noqa: N818 - the program runs without a log
    """The log file cannot be written; the text is one sentence."""


class _Masked(logging.Formatter):
    """Makes the message of a record in the thread that logs: exceptions whole, without local variables or secrets."""

    def format(self, record: logging.LogRecord) -> str:
        # Another handler's formatter leaves its own text of the exception in the record.
        own = copy.copy(record)
        own.exc_text = None
        return mask_secrets(super().format(own))

    def formatException(self, ei: object) -> str:  # noqa: N802 - the standard library's name
        error = ei[1] if isinstance(ei, tuple) else None
        return whole_error(error).rstrip() if isinstance(error, BaseException) else ""


class _InMarketTime(logging.Filter):
    """Gives each record the time of the market, with its zone.

    Args:
        clock: Now; None for the machine's.
    """

    def __init__(self, clock: Clock | None) -> None:
        super().__init__()
        self._clock = clock

    def filter(self, record: logging.LogRecord) -> bool:
        at = getattr(record, "at", None)
        if not isinstance(at, datetime):
            at = self._clock.now() if self._clock is not None else datetime.fromtimestamp(record.created, IST)
        at = at.astimezone(IST)
        record.market_time = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} IST"
        return True


@contextmanager
def logging_nowhere() -> Iterator[None]:
    """Drop what is logged while the context lasts: the demo writes nothing, and Python would print it on the screen."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


@contextmanager
def logging_to(
    path: Path, level: str, clock: Clock | None = None, told: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Log to a file while the context lasts; an error that leaves the context is in the log.

    The caller of a logger only puts the record into a queue (10 µs); a listener thread writes it.

    Args:
        path: The file; it is created 0600 in a 0700 directory.
        level: debug, info, warning or error.
        clock: Stamps the lines with the market's time; the machine's clock by default.
        told: Errors that are a sentence for the user, and no defect.

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
    handler.setFormatter(_Masked("%(message)s"))
    handler.addFilter(_InMarketTime(clock))
    root = logging.getLogger()
    before, raising = root.level, logging.raiseExceptions
    root.addHandler(handler)
    root.setLevel(level.upper())
    # A full disk must not write tracebacks into the terminal interface.
    logging.raiseExceptions = False
    for name, least in _TALKATIVE.items():
        logging.getLogger(name).setLevel(least)
    listener.start()
    try:
        yield
    except told as error:
        logging.getLogger("tickertui").error("%s", error)
        raise
    except Exception as error:
        logging.getLogger("tickertui").critical("ended by an error\n%s", whole_error(error).rstrip())
        raise
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        listener.stop()
        file.close()
        logging.raiseExceptions = raising
