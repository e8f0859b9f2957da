"""A timer that calls once calls, however late it is.

Textual's timers leave out the calls that they are late for, which is right for an interval; a timer of one call leaves
out that one (8.2.8: ``Timer._skip``). The application's own for a new size has 8 ms, on a busy machine less than a
turn of another process between two lines of it; with the call every later size was lost, as one was still waited for.
"""

from __future__ import annotations

from textual.timer import Timer


def never_left_out(timer: Timer) -> Timer:
    """Make a timer of one call do it however late; to be called before the event loop goes on."""
    timer._skip = False
    return timer
