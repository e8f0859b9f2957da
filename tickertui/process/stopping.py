"""How a signal ends the program: `StopRequest` tells the foreground, `SignalWatch` hears the signals.

`tickertui.engine.Engine.run` uses both. The event loop takes no part in hearing a signal: a loop that stands still (a
full pipe, a lock, a disk that does not answer) would never know. The interpreter's own C handler writes the number into
a pipe; a thread reads it, starts the deadline, and passes the wish on to the loop, which usually ends long before that.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, Self

import anyio

from tickertui.process.deadline import END_PATIENCE_S, end_process_within, stop_signals

_END: Final = 0
"""Read from the pipe when the watch is over; no signal has this number."""


class StopRequest:
    """A wish to end, from a signal; the foreground waits for it.

    Attributes:
        code: Exit code that belongs to the wish, 0 without one.
        heard: Whether a signal has come; known before the event loop knows it.
        last_words: Called in a thread when the end in order has taken too long, just before the process is ended
            hard: the foreground's way to give the terminal back.
    """

    def __init__(self) -> None:
        self._event = anyio.Event()
        self.code = 0
        self.heard = False
        self.last_words: Callable[[], object] = _nothing

    def ask(self, code: int) -> None:
        """Ask the foreground to end with this exit code; the first wish is the one that counts."""
        if not self._event.is_set():
            self.code = code
            self._event.set()

    async def wait(self) -> int:
        """Wait for the wish and return the exit code that belongs to it."""
        await self._event.wait()
        return self.code


def _nothing() -> None:
    return None


class SignalWatch:
    """Hears SIGTERM, SIGHUP and SIGINT from entering on; the main thread enters it.

    Args:
        stop: Told of the first of them, by `forward`.
        hung: Called when the end in order has taken too long, before the process is ended: to note where it hangs.
        seconds: From the signal to the hard end.
    """

    def __init__(self, stop: StopRequest, hung: Callable[[], object], seconds: float = END_PATIENCE_S) -> None:
        self._stop = stop
        self._hung = hung
        self._seconds = seconds
        self._numbers = frozenset(stop_signals())
        self._before: dict[signal.Signals, Any] = {}
        self._first: signal.Signals | None = None

    def __enter__(self) -> Self:
        self._heard, self._woken = os.pipe()
        os.set_blocking(self._woken, False)
        self._for_loop, self._from_thread = socket.socketpair()
        self._for_loop.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._caught) for number in self._numbers}
        self._thread = threading.Thread(target=self._listen, name="signal watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._fd_before)
        os.write(self._woken, bytes([_END]))
        self._thread.join()
        if self._first is None:
            for number, handler in self._before.items():
                signal.signal(number, handler)
        else:
            # The process is ending: a second SIGHUP (shell and kernel both send one) must not end it with less to say.
            for number in self._before:
                signal.signal(number, signal.SIG_IGN)
        for descriptor in (self._heard, self._woken):
            os.close(descriptor)
        self._for_loop.close()
        self._from_thread.close()

    async def forward(self) -> None:
        """Wait for the first signal and ask for the end."""
        await anyio.wait_readable(self._for_loop)
        assert self._first is not None
        self._stop.ask(128 + self._first)

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        """Note it, and write it once more: a loop that was given signals by somebody else has its own pipe woken."""
        self._stop.heard = True
        with suppress(OSError):
            os.write(self._woken, bytes([number]))

    def _listen(self) -> None:
        while True:
            for number in os.read(self._heard, 64):
                if number == _END:
                    return
                if self._first is None and number in self._numbers:
                    self._first = signal.Signals(number)
                    end_process_within(self._seconds, 128 + number, self._say_last)
                    self._from_thread.send(bytes([number]))

    def _say_last(self) -> None:
        self._stop.last_words()
        self._hung()
