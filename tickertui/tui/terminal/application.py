"""`TerminalApplication`: what the application does with private names of Textual; `TickerApp` is one."""

from __future__ import annotations

from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump
from textual.timer import Timer, TimerCallback
from textual.worker import WorkerFailed

from tickertui.tui.terminal.timers import never_left_out


class TerminalApplication(App[int]):
    """An application whose writes can be followed, that ends whatever the terminal does and prints no secret.

    Attributes:
        fatal_errors: What ended it, if a defect did. It is printed here unless `reports_errors` is False: then whoever
            runs the application reports it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fatal_errors: list[Exception] = []
        self.reports_errors = True

    def _handle_exception(self, error: Exception) -> None:
        """Go on where the application can (`goes_on_after`), else end by the error.

        Textual calls this for timers, layouts and writes too, where its own loops go on; it would end here.
        """
        broken = _stopped_by(error)
        if isinstance(error, WorkerFailed) and isinstance(error.error, Exception):
            error = error.error  # only this has where it happened
        if self.screen_stack and not self._exit and self.goes_on_after(error, broken):
            return
        self.end_by(error)

    def goes_on_after(self, error: Exception, broken: MessagePump | None) -> bool:
        """Tell whether the application goes on after an error that nobody has caught; it has done what that takes.

        Args:
            error: What was raised.
            broken: The part of the screen whose message loop has ended with it, None where all loops go on.
        """
        del error, broken
        return False

    def set_timer(
        self, delay: float, callback: TimerCallback | None = None, *, name: str | None = None, pause: bool = False
    ) -> Timer:
        """Call something later, once and surely; Textual takes one of these to lay out for a new size."""
        return never_left_out(super().set_timer(delay, callback, name=name, pause=pause))

    async def _dispatch_message(self, message: Message) -> None:
        """Handle a message; an error of the application itself is counted, and the third in ten seconds ends it."""
        try:
            await super()._dispatch_message(message)
        except Exception as error:  # noqa: BLE001 - see `tickertui.tui.terminal.contained`
            self._handle_exception(error)

    def end_by(self, error: Exception) -> None:
        """End with an error that the screen cannot go on after: its keyboard is gone, or it fails again and again."""
        self.fatal_errors.append(error)
        super()._handle_exception(error)

    def post_display_hook(self) -> None:
        """End what was written so that the queue of writes tells when a terminal without synchronised output took it.

        Textual's writer takes a write out of its queue before it writes it; only a next one shows that it is at work.
        With synchronised output (mode 2026) the end of the update is that next one.
        """
        if not self._sync_available and self._driver is not None and not self.is_headless:
            self._driver.write("")

    def end(self, code: int) -> None:
        """End with this exit code; nothing more is written to a terminal that is gone."""
        look = getattr(self._driver, "look_whether_it_is_there", None)
        if look is not None:
            look()
        self.exit(code, return_code=code)

    def restore_terminal(self) -> None:
        """Give the terminal back from another thread, when the event loop cannot."""
        restore = getattr(self._driver, "restore_at_once", None)
        if restore is not None:
            restore()

    def _fatal_error(self) -> None:
        """End; print what went wrong without local variables: one of them may be a token."""
        from rich.text import Text

        from tickertui.process.error_texts import whole_error  # a start does without it

        self.bell()
        if self.reports_errors:
            self._exit_renderables.append(Text(whole_error(self.fatal_errors[-1])))
        self._close_messages_no_wait()


def _stopped_by(error: BaseException) -> MessagePump | None:
    """Return the part of the screen whose message loop has ended with an error, None where all loops go on.

    The outermost frame of the traceback is the one that has caught it (Textual 8.2.8: two of them end a loop).
    """
    traceback = error.__traceback__
    if traceback is None or traceback.tb_frame.f_code.co_name not in ("_process_messages_loop", "_pre_process"):
        return None
    pump = traceback.tb_frame.f_locals.get("self")
    return pump if isinstance(pump, MessagePump) else None
