"""Standard output and standard error of the commands: whoever reads them may stop, go away, or never have been there.

Commands that end by themselves call `say` and `complain`; those that run for long (`headless`, `simulate`) write
through a `LineWriter`, because a reader that stops must not stop the event loop.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TextIO

from tickertui.process.exit_codes import ExitCode


class OutputFailed(Exception):  # noqa: N818 - it ends a command; it is not an error of the program
    """What a command has to say cannot be written; the text is one sentence, empty where there is nothing to say.

    Attributes:
        code: Exit code of the process.
    """

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


NO_OUTPUT: Final = "standard output is closed; redirect it to /dev/null if nobody is to read it"


def output_failed(error: OSError) -> OutputFailed:
    """Return how a command ends after this error of a write to standard output.

    A reader that has read enough (`| head`) is no news to anyone: nothing is said, and the code is that of a program
    which SIGPIPE ends.
    """
    if isinstance(error, BrokenPipeError):
        return OutputFailed("", 128 + signal.SIGPIPE)
    return OutputFailed(f"standard output cannot be written: {error.strerror or error}", ExitCode.FAILED)


def say(*lines: str, end: str = "\n") -> None:
    """Write lines to standard output, at once: nothing is left for the interpreter to fail at when it ends.

    Args:
        lines: Without their ends.
        end: After each.

    Raises:
        OutputFailed: When they cannot be written.
    """
    stream = sys.stdout
    if not lines:
        return
    if stream is None:
        raise OutputFailed(NO_OUTPUT, ExitCode.FAILED)
    try:
        _write(stream, "".join(line + end for line in lines))
    except OSError as error:
        raise output_failed(error) from None


def complain(sentence: str) -> None:
    """Write a sentence to standard error, if there is one; there is nobody to tell that there is none."""
    # `print` would take standard output in its place.
    if sys.stderr is not None:
        with suppress(OSError):
            _write(sys.stderr, f"{sentence}\n")


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    # A terminal that knows no "±" gets "\xb1", not a traceback.
    data = text.encode(encoding, "backslashreplace")
    try:
        descriptor = stream.fileno()
    except OSError:
        # Not a file: a test that looks at what is said.
        stream.write(data.decode(encoding))
        return
    stream.flush()
    write_whole(descriptor, data)


def write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it, however long that takes, also to a descriptor that another program has made non-blocking.

    Raises:
        OSError: When it cannot be written.
    """
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()


class LineWriter:
    """Writes whole lines to a descriptor, by a thread of its own: who puts them never waits.

    At most `limit` lines wait for a reader. After that the oldest is dropped for each that comes (what is now matters
    more than what was), and where lines are missing one is written that tells how many. A line that is shorter than
    the pipe takes at once (PIPE_BUF, 4 kB on Linux) is there whole or not at all even when the process ends while its
    reader stands still.

    The thread is a daemon's and holds no lock of the interpreter's streams: blocked in a write it does not keep the
    process from ending.

    Args:
        stream: Where to; only its descriptor is used, from `start` on.
        limit: Lines that wait, at most.
    """

    _LOOK_S: Final = 1.0
    """How often an idle writer looks whether its reader has gone."""

    def __init__(self, stream: TextIO, limit: int = 1000) -> None:
        self._stream = stream
        self._descriptor = -1
        self._gap: Callable[[int], str] = "{} lines were dropped".format
        self._limit = limit
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._written = 0
        self._closed = False
        self._error: OSError | None = None
        self._on_error: Callable[[], None] = lambda: None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)

    @property
    def error(self) -> OSError | None:
        """Why nothing is written any more; None while all is well."""
        return self._error

    @property
    def written(self) -> int:
        """Lines that have been written."""
        return self._written

    def start(self, gap: Callable[[int], str]) -> None:
        """Start writing.

        Args:
            gap: Makes the line that tells how many lines were dropped; called in the writer's thread.
        """
        self._gap = gap
        self._descriptor = self._stream.fileno()
        self._thread.start()

    async def wait_for_error(self) -> OSError:
        """Wait until writing has failed, and return why."""
        # `--version` does without them.
        import anyio
        from anyio import from_thread, lowlevel

        failed, token = anyio.Event(), lowlevel.current_token()

        def tell() -> None:
            with suppress(anyio.RunFinishedError):
                from_thread.run_sync(failed.set, token=token)

        with self._changed:
            if self._error is not None:
                return self._error
            self._on_error = tell
        await failed.wait()
        error = self.error
        assert error is not None
        return error

    def put(self, line: str) -> None:
        """Have a line written, without its end; returns at once."""
        with self._changed:
            if self._closed or self._error is not None:
                return
            if len(self._lines) >= self._limit:
                self._lines.popleft()
                self._dropped += 1
            self._lines.append(line)
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Take no more lines, and wait until those that are there are written.

        Args:
            patience: Seconds; a writer that is not done by then is left behind.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(patience)

    def _run(self) -> None:
        try:
            while (line := self._next()) is not None:
                # A record may hold a file name that is no UTF-8.
                write_whole(self._descriptor, f"{line}\n".encode("utf-8", "backslashreplace"))
                self._written += 1
        except OSError as error:
            with self._changed:
                self._error = error
                self._lines.clear()
            self._on_error()

    def _next(self) -> str | None:
        """Wait for the next line to write; None at the end."""
        with self._changed:
            while not self._lines:
                if self._closed:
                    return None
                if not self._changed.wait(self._LOOK_S) and _reader_has_gone(self._descriptor):
                    raise BrokenPipeError
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                return self._gap(dropped)
            return self._lines.popleft()


def _reader_has_gone(descriptor: int) -> bool:
    """Tell without a write: a service whose output nobody will ever read again must not hold its accounts."""
    poll = select.poll()
    # Errors are told unasked.
    poll.register(descriptor, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))
