"""`TerminalDriver`: Textual's driver for a real terminal, so that no terminal and no key can end or freeze the program.

`tickertui.tui.app.TickerApp` takes it where Textual would take its own `LinuxDriver`. What is different:

* It writes to the terminal of standard output, never to standard error, which may be a file. A write neither blocks the
  event loop nor fails: a terminal that has gone away takes everything in silence, one that stands still is painted anew
  when it takes something again.
* Bytes that are no UTF-8, and sequences that Textual's parser cannot read, are passed over.
* A terminal that is gone is the end of the process with SIGHUP's code, also where the kernel sends no SIGHUP.
* A SIGCONT starts the threads again only after a suspension. The kernel sends one with every hang-up.
* The size is that of the terminal, whatever ``COLUMNS`` and ``LINES`` say.

It leans on names of Textual's driver that are not public (8.2.8): ``_file``, ``_writer_thread`` and its ``_queue``,
``_key_thread``, ``_sigtstp_application`` and ``_sigcont_application``, ``_get_terminal_size``, ``_patch_lflag``,
``_patch_iflag``, ``_run_input_thread``; of its application ``_handle_exception``. `tests/faults` shows that they hold.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import termios
import tty
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from textual import events
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

if TYPE_CHECKING:
    from io import TextIOWrapper

_LOG: Final = logging.getLogger(__name__)

_LAST_WRITES_S: Final = 2.0
"""How long a terminal that stands still is waited for at the end, for it to take what puts it back in order."""
_LOOK_S: Final = 0.1
"""Between two looks whether there is still something to wait for."""
_PIECE_BYTES: Final = 512
"""Written at once where a write may block: a terminal that is ready for one byte takes these too."""
_UNREADABLE: Final = "\ufffd"
"""What the decoder makes of bytes that are no UTF-8."""
_MOST_COLUMNS, _MOST_LINES = 2_000, 1_000
"""No screen has more; a report of more cells than that came from a keyboard, not from a terminal."""
_RESTORE: Final = (
    "\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
"""What `LinuxDriver.stop_application_mode` writes, the end of an update before it."""
_RETAKE: Final = "\x1b[?1049h\x1b[?25l\x1b[?1004h\x1b[?2004h\x1b[?7l"
HANG_UP_CODE: Final = 128 + signal.SIGHUP


def terminal_problem() -> str | None:
    """Return why there can be no screen here, None when there can.

    A driver that ``TEXTUAL_DRIVER`` names (a browser's, for instance) brings its own screen.
    """
    if os.environ.get("TEXTUAL_DRIVER"):
        return None
    for name, stream in (("standard input", sys.__stdin__), ("standard output", sys.__stdout__)):
        if stream is None or stream.closed:
            return f"{name} is closed"
        if not stream.isatty():
            return f"{name} is not a terminal"
    return None


class TerminalOutput:
    """What the driver writes into: the terminal of a file descriptor. It never raises, and blocks only its own thread.

    Args:
        descriptor: Of a terminal.
        encoding: Of the terminal; what it has no character for becomes a question mark.
        went_away: Called once, in the writing thread, when a write finds the terminal gone.
    """

    def __init__(self, descriptor: int, encoding: str, went_away: Callable[[], None]) -> None:
        self._encoding = encoding
        self._went_away = went_away
        self.gone = False
        self._until: float | None = None
        try:
            # A way of its own to the terminal: not to block is a property of the opened file, which the shell shares.
            self._descriptor = os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._piece = 1 << 16
        except OSError:
            self._descriptor = os.dup(descriptor)
            self._piece = _PIECE_BYTES

    def fileno(self) -> int:
        """Return the descriptor that is written to."""
        return self._descriptor

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def wait_no_longer_than(self, seconds: float | None) -> None:
        """Give up what the terminal has not taken by then; None for never."""
        self._until = None if seconds is None else monotonic() + seconds

    def write(self, text: str) -> int:
        """Write, waiting for a terminal that stands still; what cannot be written is thrown away."""
        left = memoryview(text.encode(self._encoding, "replace"))
        while left and not self.gone and not self._is_late():
            try:
                if select.select([], [self._descriptor], [], _LOOK_S)[1]:
                    left = left[os.write(self._descriptor, left[: self._piece]) :]
            except BlockingIOError:
                continue
            except (OSError, ValueError):
                self.gone = True
                self._went_away()
        return len(text)

    def _is_late(self) -> bool:
        return self._until is not None and monotonic() >= self._until


class TerminalDriver(LinuxDriver):
    """See the module."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        stream = sys.__stdout__
        self._shown_at = stream.fileno() if stream is not None else 1
        self._output = TerminalOutput(self._shown_at, getattr(stream, "encoding", None) or "utf-8", self._go_away)
        self._file = cast("TextIOWrapper[Any]", self._output)
        self._size = size or self._get_terminal_size()
        self._is_on = False
        self._is_ending = False
        self._is_paused = False
        self._has_lost_writes = False

    # ------------------------------------------------------------------ output

    def write(self, data: str) -> None:
        """Let the writing thread write; one that is far behind loses what is painted, and is painted anew later."""
        writer = self._writer_thread
        if writer is None or self._output.gone or (self._is_paused and not self._is_ending):
            return
        while True:
            try:
                writer._queue.put_nowait(data)
            except Full:
                if not self._is_ending:
                    self._lose()
                    return
                # What puts the terminal back in order comes before what would have been painted.
                with suppress(Empty):
                    writer._queue.get_nowait()
            else:
                return

    def _lose(self) -> None:
        """Remember that a write is lost. Nothing else may ever be written, so that no later write can tell."""
        if not self._has_lost_writes:
            self._has_lost_writes = True
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._recover)

    def _recover(self) -> None:
        """Have the screen painted as soon as the terminal has taken what was written before."""
        writer = self._writer_thread
        if writer is None or self._output.gone or self._is_ending or self._is_paused:
            # Whoever takes the terminal again paints everything.
            self._has_lost_writes = False
        elif writer._queue.empty():
            self._has_lost_writes = False
            self._app.refresh()
        else:
            self._loop.call_later(_LOOK_S, self._recover)

    def _paint_anew(self) -> None:
        """Have the whole screen painted."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._app.refresh)

    def close(self) -> None:
        """End the writing thread; a terminal that stands still is given up after a while."""
        self._output.wait_no_longer_than(_LAST_WRITES_S)
        super().close()
        self._writer_thread = None

    # ------------------------------------------------------------------ the terminal's state

    def start_application_mode(self) -> None:
        """Take the terminal, unless we have it."""
        if self._is_on or self._output.gone:
            return
        self._is_ending = False
        self._output.wait_no_longer_than(None)
        super().start_application_mode()  # type: ignore[no-untyped-call]
        # Textual returns without a thread when we are in the background: the process is stopped until `fg`.
        self._is_on = self._writer_thread is not None

    def stop_application_mode(self) -> None:
        """Give the terminal back as it was."""
        self._is_ending = True
        if self._is_on:
            self._is_on = False
            super().stop_application_mode()

    def restore_at_once(self) -> None:
        """Give the terminal back without the event loop and without a thread; for an end that nothing waits for."""
        if self._output.gone or not self._is_foreground():
            return
        self._output.wait_no_longer_than(_LOOK_S)
        if self.attrs_before is not None:
            with suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        self._output.write(_RESTORE)

    def _is_foreground(self) -> bool:
        """Whether the terminal lets us change it; where it does not, the attempt would stop the process."""
        try:
            return os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:
            # Not our controlling terminal, so no one stops us; or gone, so nothing happens.
            return True

    def _get_terminal_size(self) -> tuple[int, int]:
        """Return columns and lines of the terminal itself, of the environment only where it does not know them."""
        try:
            columns, lines = os.get_terminal_size(self._shown_at)
        except (OSError, ValueError):
            columns = lines = 0
        if columns > 0 and lines > 0:
            return columns, lines
        return super()._get_terminal_size()

    # ------------------------------------------------------------------ going away and coming back

    def _go_away(self) -> None:
        """The terminal is gone: the process ends as if the kernel had said so. Called in either thread."""
        self._output.gone = True
        self.exit_event.set()
        with suppress(RuntimeError):  # the loop has ended before
            self._loop.call_soon_threadsafe(lambda: self._app.exit(return_code=HANG_UP_CODE))
        # Services and deadline wait for this one signal; it does not come where ours is no controlling terminal.
        os.kill(os.getpid(), signal.SIGHUP)

    def look_whether_it_is_there(self) -> None:
        """Write nothing more where the terminal is gone (SIGHUP may also be sent by hand, to a living one)."""
        if self._is_gone():
            self._output.gone = True

    def _is_gone(self) -> bool:
        try:
            termios.tcgetattr(self.fileno)
        except (termios.error, OSError, ValueError):
            return True
        return False

    def _sigtstp_application(self, *_: object) -> None:
        """Suspend. A handler interrupts whatever is under way, a write for instance: the event loop does it."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._suspend)

    def _suspend(self) -> None:
        if not self._output.gone:
            super()._sigtstp_application()

    def _sigcont_application(self, *_: object) -> None:
        """Write nothing until the event loop knows whether the terminal is ours."""
        self._is_paused = True
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._go_on)

    def _go_on(self) -> None:
        """Go on after a stop. Only a suspension has taken the threads down; a hang-up sends a SIGCONT as well."""
        self._is_paused = False
        if not self._auto_restart or self._is_gone() or getattr(self._app, "is_asked_to_end", bool)():
            return
        if self._must_signal_resume:
            self.resume_application_mode()
            self._paint_anew()
        elif self._is_on and not self._is_foreground():
            # Continued by `bg`: it would paint over the shell. Of a group without a shell this stops nothing.
            os.kill(os.getpid(), signal.SIGTTOU)
        elif self._is_on:
            self._retake()

    def _retake(self) -> None:
        """Put the terminal into our mode again after a stop that we have not noticed (SIGSTOP), and paint."""
        with suppress(termios.error):
            attributes = termios.tcgetattr(self.fileno)
            attributes[tty.LFLAG] = self._patch_lflag(attributes[tty.LFLAG])
            attributes[tty.IFLAG] = self._patch_iflag(attributes[tty.IFLAG])
            termios.tcsetattr(self.fileno, termios.TCSANOW, attributes)
        self.write(_RETAKE)
        self._enable_mouse_support()
        self._paint_anew()

    # ------------------------------------------------------------------ input

    def _run_input_thread(self) -> None:
        """Read the keyboard; what ends this thread by a defect ends the program, with a code that says so."""
        try:
            self.run_input_thread()
        except Exception as error:  # noqa: BLE001 - a thread: whatever it is, the application has to hear of it
            end_by = getattr(self._app, "end_by", self._app._handle_exception)
            self._app.call_later(end_by, error)

    def run_input_thread(self) -> None:
        """Read keys, pastes, the mouse and the terminal's answers until the application ends."""
        decoder = getincrementaldecoder("utf-8")("replace")
        parser = XTermParser(self._debug)
        while not self.exit_event.is_set():
            try:
                if not select.select([self.fileno], [], [], _LOOK_S)[0]:
                    data = b""
                elif not (data := os.read(self.fileno, 4096)):
                    # The end of the file: of a terminal that is there it is a Ctrl-D while somebody changed its mode.
                    if self._is_gone():
                        return self._go_away()
                    self.exit_event.wait(_LOOK_S)
            except BlockingIOError:
                continue
            except (OSError, ValueError):
                return self._go_away()
            parser = self._take_in(decoder.decode(data), parser)

    def _take_in(self, text: str, parser: XTermParser) -> XTermParser:
        """Hand on what was typed; return the parser to go on with, another one after what it could not read."""
        for character in text or ("",):
            try:
                # Of one character at a time only what cannot be read is lost.
                for message in parser.feed(character) if character else parser.tick():
                    if (readable := _readable(message)) is not None:
                        self.process_message(readable)
            except Exception as error:  # noqa: BLE001 - Textual's parser raises whatever int() and chr() do
                _LOG.warning("passed over what the keyboard sent: %s", type(error).__name__)
                successor = XTermParser(self._debug)
                successor.mouse_pixels = parser.mouse_pixels
                successor.terminal_size = parser.terminal_size
                successor.terminal_pixel_size = parser.terminal_pixel_size
                parser = successor
        return parser

    def process_message(self, message: Message) -> None:
        """Hand a message on; a size that no terminal has is replaced by the true one."""
        if isinstance(message, events.Resize):
            width, height = message.size
            if not (0 < width <= _MOST_COLUMNS and 0 < height <= _MOST_LINES):
                size = Size(*self._get_terminal_size())
                message = events.Resize(size, size)
        super().process_message(message)


def _readable(message: Message) -> Message | None:
    """Return a message without what stands for unreadable bytes, None when nothing is left of it."""
    if isinstance(message, events.Key):
        character = message.character
        if character is not None and (_UNREADABLE in character or not _is_text(character)):
            return None
    elif isinstance(message, events.Paste) and _UNREADABLE in message.text:
        return events.Paste(message.text.replace(_UNREADABLE, ""))
    return message


def _is_text(characters: str) -> bool:
    """Whether they can be written and stored: a half of a surrogate pair cannot."""
    try:
        characters.encode()
    except UnicodeEncodeError:
        return False
    return True
