"""Entry point of ``python -m tickertui`` and of the ``tickertui`` command."""

from __future__ import annotations

import gc
import os
import sys


def main() -> int:
    """Run the command line and return the process exit code."""
    _occupy_standard_descriptors()
    # What the modules make lives as long as the process: looking it through for garbage costs some 7 % of the start
    # and, unfrozen, lengthens every full collection while the market moves.
    gc.disable()
    # numpy's BLAS starts a thread for each further processor when it is loaded, which takes 60 ms of processor time;
    # the one product of matrices here (the gamma profile) has 100 rows.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tickertui.cli import run

    return run(sys.argv[1:], loaded=_collect_from_here)


def _occupy_standard_descriptors() -> None:
    """Put /dev/null where standard input, output or error is closed.

    Else the database or a socket would be opened under that number, and what someone writes to "standard error" would
    go into it. For Python they stay closed: ``sys.stdout`` is None.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken, and those below are not free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


_YOUNG = 10_000
"""Objects made since the last look for garbage that cause the next. Python's 700 cause 40 looks before the first chain
is painted, 20 ms, and find next to nothing: what ticks is in arrays, and the widgets of a frame free themselves."""


def _collect_from_here() -> None:
    gc.freeze()
    gc.set_threshold(_YOUNG)
    gc.enable()


if __name__ == "__main__":
    sys.exit(main())
