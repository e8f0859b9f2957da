"""`FailureLog`: what went wrong inside the interface, place by place; the rest of the screen goes on.

`tickertui.tui.terminal.contained` catches errors in painting, reading and handlers and asks here what they mean: the
first ones of a place show an error box there that goes away by itself, the third within ten seconds means its plain
view. Each is written to the log with its traceback; the application makes an event of it.
"""

from __future__ import annotations

import logging
from collections import deque
from datetime import datetime
from pathlib import Path
from traceback import extract_tb
from typing import Final

from tickertui.frozen import frozen
from tickertui.market.clock import Clock
from tickertui.process.error_texts import mask_secrets

RETRY_S: Final = 3.0
"""How long an error box stands before its place is tried again: what was put together from two moments is whole then,
and three boxes fit into the window."""
PLAIN_AFTER: Final = 3
_WINDOW_NS: Final = 10_000_000_000
_SAME_NS: Final = 500_000_000
"""Errors of one place that follow each other this closely are one: a frame that cannot be drawn is tried at 10 Hz."""
_LONGEST: Final = 120
"""Characters of an error's own words that are shown; the log has all of them."""
_PACKAGE: Final = Path(__file__).resolve().parents[1]

_log = logging.getLogger(__name__)


@frozen
class Failure:
    """One error at one place of the screen.

    Attributes:
        place: ``chain``, ``Depth · NIFTY ...``: the pane, panel or line that it happened in.
        doing: ``painting``, ``reading``, ``the key e``.
        what: ``ValueError: date is not in list``.
        where: ``expiry_strip.py:71 in lay_out``: the innermost place in this program.
        at: Wall time.
        count: How many of this place within ten seconds, this one included.
        is_news: Whether it is worth an event: what goes on failing is told three times, then not until it has worked
            for ten seconds.
    """

    place: str
    doing: str
    what: str
    where: str
    at: datetime
    count: int
    is_news: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether the place falls back to its plain view."""
        return self.count >= PLAIN_AFTER

    @property
    def sentence(self) -> str:
        """What, where and when, for a box and for the event."""
        return f"{self.place}: {self.doing} failed: {self.what} ({self.where})"


class FailureLog:
    """Counts failures by place.

    Args:
        clock: Wall and monotonic time.

    Attributes:
        latest: The last failure of each place, by its name, until `forget`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[str, deque[int]] = {}
        self.latest: dict[str, Failure] = {}

    def add(self, place: str, doing: str, error: BaseException) -> Failure:
        """Note an error.

        Args:
            place: Where on the screen.
            doing: What was being done.
            error: What was raised; its traceback goes to the log, without local variables.
        """
        now_ns = self._clock.monotonic_ns()
        times = self._times.setdefault(place, deque())
        while times and times[0] <= now_ns - _WINDOW_NS:
            times.popleft()
        repeats = bool(times) and now_ns - times[-1] < _SAME_NS and place in self.latest
        is_news = not repeats and len(times) < PLAIN_AFTER
        if not repeats:
            times.append(now_ns)
        words = mask_secrets(" ".join(f"{type(error).__name__}: {error}".split()))
        sentence = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
        failure = Failure(place, doing, sentence, _where(error), self._clock.now(), len(times), is_news)
        self.latest[place] = failure
        if is_news:
            _log.error("%s", failure.sentence, exc_info=error)
        return failure

    def forget(self, place: str) -> None:
        """Try a place again: it works until it fails anew."""
        self.latest.pop(place, None)


def _where(error: BaseException) -> str:
    """Return file, line and function of the innermost frame of this program, else of the innermost one."""
    frames = extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    if not frames:
        return "place unknown"
    frame = (own or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
