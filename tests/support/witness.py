"""Between a shell and the program: ``python -m tests.support.witness FILE COMMAND...`` writes how the program ended.

It is neither the session's leader nor touched by the signals that a closed terminal brings; the program inherits none
of that. The file gets the program's process id when it has started, and its exit code when it has ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType


def _pass_over(_number: int, _frame: FrameType | None) -> None:
    """Be a handler: other than SIG_IGN it is not inherited."""


def main() -> None:
    """See the module."""
    # Set aside and renamed: a reader never sees half of it.
    note, command = Path(sys.argv[1]), sys.argv[2:]
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _pass_over)
    program = subprocess.Popen(command)
    _write(note, f"{program.pid}")
    _write(note, f"{program.pid} {program.wait()}")


def _write(note: Path, text: str) -> None:
    aside = note.with_suffix(".new")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, note)


if __name__ == "__main__":
    main()
