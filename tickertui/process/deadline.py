"""How the process is told to end, and that it does, whatever hangs.

Called by the foregrounds (`tickertui.commands`, `tickertui.commands.simulate`) and by the engine, once a signal has
asked for the end. A write to a terminal that stands still, a file system that does not answer or a worker thread that
the interpreter joins at its exit hold a process for ever; this does not wait for them.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Final

END_PATIENCE_S: Final = 6.0
"""How long an end in order may take after a signal: services close within a second, containers are killed after ten."""

_LAST_WORDS_S: Final = 1.0
"""How long what is done just before the hard end may take; it may hang too."""

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def stop_signals() -> Sequence[signal.Signals]:
    """Return the signals that ask this process to end: without those that whoever started it wants ignored.

    ``nohup`` ignores SIGHUP, a shell without job control ignores SIGINT of what it starts with ``&``.
    """
    return [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def end_process_within(seconds: float, code: int, last_words: Callable[[], object] | None = None) -> None:
    """From now on the process has this long to end by itself; then it ends, without a flush and without a clean-up.

    Args:
        seconds: From now. Of several calls the first that runs out ends the process.
        code: Exit code where it has to.
        last_words: Done just before, in a thread of its own: the terminal is given back, the log told.
    """

    def end() -> None:
        # Never set: a wait that needs nothing of the loop, nor of what may hang.
        threading.Event().wait(seconds)
        if last_words is not None:
            speaker = threading.Thread(target=last_words, name="last words", daemon=True)
            speaker.start()
            speaker.join(_LAST_WORDS_S)
        os._exit(code)

    # A daemon, so that a process that ends in time does not wait for its own deadline.
    threading.Thread(target=end, name="end of the process", daemon=True).start()
