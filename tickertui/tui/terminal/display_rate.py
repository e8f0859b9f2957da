"""`DisplayRate`: how fast the display really is, and whether the next frame should wait for the terminal.

A terminal over a slow line takes its output late. Textual queues up to 30 writes and then blocks the event loop, which
would be seconds of delay for every key. So no frame is drawn while the one before is still on its way, and none for as
long again: half of the line stays free for the answers to keys, which would wait behind a frame otherwise. What ticked
in between is merged into the next one.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from textual.app import App

_WINDOW_NS: Final = 5_000_000_000
_LONGEST_REST_NS: Final = 2_000_000_000
"""A line that has stood still for long and is alive again is not left idle for as long."""
_SLOW_SHARE: Final = 0.6
"""The display is called slow when fewer than this share of the wanted frames were drawn."""


def waiting_writes(app: App[Any]) -> int:
    """Return how many writes the terminal has not taken yet; 0 where the driver does not tell.

    Textual keeps them in its writer thread and has no public way to ask (8.2.8: ``LinuxDriver._writer_thread``).
    """
    writer = getattr(app._driver, "_writer_thread", None)
    queue = getattr(writer, "_queue", None)
    return int(queue.qsize()) if queue is not None else 0


class DisplayRate:
    """Counts drawn and merged frames over the last five seconds.

    Args:
        wanted: Frames per second as configured.
    """

    def __init__(self, wanted: float) -> None:
        self.wanted = wanted
        self._drawn: deque[int] = deque()
        self._merged: deque[int] = deque()
        self._late_since: int | None = None
        self._rest_until = 0

    def is_due(self, now_ns: int, waiting: int) -> bool:
        """Note a tick of the display's clock; tell whether a frame is drawn at it, or merged into the next one.

        Args:
            now_ns: Monotonic time.
            waiting: Writes that the terminal has not taken yet.
        """
        if waiting:
            if self._late_since is None:
                self._late_since = self._drawn[-1] if self._drawn else now_ns
        elif self._late_since is not None:
            self._rest_until = now_ns + min(now_ns - self._late_since, _LONGEST_REST_NS)
            self._late_since = None
        due = not waiting and now_ns >= self._rest_until
        self.note(now_ns, drawn=due)
        return due

    def note(self, now_ns: int, *, drawn: bool) -> None:
        """Note a frame that was drawn, or merged into the next one."""
        (self._drawn if drawn else self._merged).append(now_ns)
        for times in (self._drawn, self._merged):
            while times and times[0] <= now_ns - _WINDOW_NS:
                times.popleft()

    @property
    def merged(self) -> int:
        """Frames merged within the window."""
        return len(self._merged)

    @property
    def slow(self) -> float | None:
        """Frames per second that the terminal takes, None while it keeps up."""
        total = len(self._drawn) + len(self._merged)
        if not self._merged or len(self._drawn) >= _SLOW_SHARE * total:
            return None
        return self.wanted * len(self._drawn) / total
