"""Crashes: an error that nobody handled is written whole to a file that the last line on the terminal names.

`tickertui.cli` runs every command inside `Crashes`; `tickertui.engine` notes there where an end hangs. The demo
promises to write nothing to disk: it says on the terminal what would be in the file.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tickertui.process.exit_codes import ExitCode
from tickertui.process.output import complain

_KEPT_FILES: Final = 20


class Crashes:
    """A context for a command: errors of its threads are kept, and those that leave it end it with a report.

    Args:
        writes: Whether a crash file may be written.
        directory: Gives the folder of crash files; asked only when there is something to write.
    """

    def __init__(self, *, writes: bool, directory: Callable[[], Path]) -> None:
        self._writes = writes
        self._directory = directory
        self._file: Path | None = None
        self._texts: list[str] = []
        self._lock = threading.Lock()
        self._hook_before = threading.excepthook
        self._unraisable_before = sys.unraisablehook

    def __enter__(self) -> Self:
        threading.excepthook = self._of_thread
        sys.unraisablehook = _log_unraisable
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        threading.excepthook = self._hook_before
        sys.unraisablehook = self._unraisable_before
        if kind is None and self._texts:
            self._say("an error in the background was noted")

    def run(self, command: Callable[[], int], told: tuple[type[Exception], ...] = ()) -> int:
        """Run a command; return its exit code, or 1 after an error of the program itself.

        Args:
            command: Gives the exit code.
            told: Errors that are a sentence for the user, which the caller says.
        """
        with self:
            try:
                return command()
            except told:
                raise
            except Exception as error:  # noqa: BLE001 - the last place that can say what happened
                from tickertui.process.error_texts import describe_error, whole_error

                self.note("ended the program", whole_error(error))
                self._say(f"ended by an error of its own: {describe_error(error)}")
                self._texts.clear()
                return ExitCode.FAILED

    def note(self, what: str, text: str) -> None:
        """Put a report into the crash file; of the demo it is kept for the terminal.

        Args:
            what: Which part of the program it is about, and what became of it.
            text: Without secrets.
        """
        with self._lock:
            self._texts.append(text)
            if self._writes:
                try:
                    self._file = self._file or _new_file(self._directory)
                    with self._file.open("a", encoding="utf-8", errors="backslashreplace") as file:
                        file.write(f"{_market_time()} {what}\n\n{text}\n")
                except OSError:
                    self._writes, self._file = False, None

    def _of_thread(self, arguments: threading.ExceptHookArgs) -> None:
        """Keep the error of a thread; nothing goes to standard error, where the screen may be."""
        if arguments.exc_value is None or isinstance(arguments.exc_value, SystemExit):
            return
        import logging

        from tickertui.process.error_texts import whole_error

        name = arguments.thread.name if arguments.thread is not None else "a thread"
        text = whole_error(arguments.exc_value)
        logging.getLogger(__name__).error("thread %r ended by an error\n%s", name, text)
        self.note(f"ended thread {name!r}", text)

    def _say(self, sentence: str) -> None:
        """Write the last lines; the very last one names the file."""
        if self._file is None:
            complain("\n".join(self._texts))
        complain(f"tickertui: {sentence}")
        complain(f"The whole of it: {self._file or 'the lines above; nothing was written to disk'}")


def _log_unraisable(arguments: sys.UnraisableHookArgs) -> None:
    """Log an error that Python could not raise anywhere (of a ``__del__``); nothing goes onto the screen."""
    import logging

    error = arguments.exc_value
    logging.getLogger(__name__).error("%s", arguments.err_msg or "an error while something was freed", exc_info=error)


def _new_file(directory: Callable[[], Path]) -> Path:
    """Make a file for its owner only, where the folder refuses in the temporary one; forget the oldest of many."""
    name = f"crash-{_market_time():%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    try:
        folder = directory()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / name
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        for old in sorted(folder.glob("crash-*.txt"))[:-_KEPT_FILES]:
            old.unlink(missing_ok=True)
    except OSError:
        import tempfile

        file = Path(tempfile.gettempdir()) / f"tickertui-{name}"
        # Somebody else's link of that name is not followed.
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    file.write_text(_about(), encoding="utf-8")
    return file


def _market_time() -> datetime:
    from tickertui.market.clock import IST

    return datetime.now(IST).replace(microsecond=0)


def _about() -> str:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from tickertui import __version__

    lines = [f"tickertui {__version__}", f"Python {platform.python_version()} on {platform.platform()}"]
    for package in ("textual", "anyio", "numpy"):
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return "\n".join(lines) + "\n\n"


def where_threads_stand() -> str:
    """Return the stack of every thread, without local variables."""
    import traceback

    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = sorted(sys._current_frames().items())
    return "\n".join(
        f"thread {names.get(number, number)!r}:\n{''.join(traceback.format_stack(frame))}" for number, frame in stacks
    )
