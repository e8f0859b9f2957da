"""`TickerApp`: the Textual application. It shows what a `Backend` tells; it owns no service and starts none.

`tickertui.engine` runs it inside the root task group. Whatever way it ends (quit, SIGTERM, a closed terminal, a
defect), the services are cancelled and awaited there, not here.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

# Textual reads this once, at import: the paint timer's period is half of the delay that a key can meet.
os.environ.setdefault("TEXTUAL_FPS", "120")

from textual import events
from textual.actions import ActionParseResult
from textual.app import SystemCommand
from textual.dom import DOMNode
from textual.message_pump import MessagePump
from textual.notifications import Notify, SeverityLevel
from textual.screen import Screen
from textual.widget import Widget

from tickertui.services.supervision.events import Severity
from tickertui.tui.keys.actions import key_name
from tickertui.tui.look.format import ASCII, UNICODE, GlyphSet
from tickertui.tui.look.themes import DEFAULT_THEME, load_themes, variable_defaults
from tickertui.tui.main.screen import MainScreen
from tickertui.tui.panels.base import PanelScreen
from tickertui.tui.terminal.application import TerminalApplication
from tickertui.tui.terminal.contained import failing_place
from tickertui.tui.terminal.failures import Failure, FailureLog
from tickertui.tui.terminal.responsive_screen import hurry_for
from tickertui.tui.terminal.toasts import LastingNotification
from tickertui.tui.terminal.window_title import WindowTitle
from tickertui.tui.view.backend import Backend
from tickertui.tui.view.options import ScreenOptions

if TYPE_CHECKING:
    from textual.driver import Driver

_log = logging.getLogger(__name__)


class TickerApp(TerminalApplication):
    """The terminal interface.

    Args:
        backend: The program behind the screens.
        options: How the trader wants it.

    Attributes:
        is_asked_to_end: Whether a signal has asked for the end: the driver asks it before it takes the terminal again.
    """

    TITLE = "tickertui"
    CSS_PATH: ClassVar[str] = str(Path(__file__).with_name("app.tcss"))
    ENABLE_COMMAND_PALETTE = True

    def __init__(self, backend: Backend, options: ScreenOptions) -> None:
        super().__init__()
        self.backend = backend
        self.options = options
        self.is_asked_to_end: Callable[[], bool] = bool
        self.glyphs: GlyphSet = ASCII if options.ascii_glyphs else UNICODE
        self.animation_level = "none"
        self._theme_notices: list[str] = []
        loaded, failed = load_themes(options.themes_dir)
        for theme in loaded.values():
            self.register_theme(theme)
        self._theme_notices += [str(failure) for failure in failed]
        wanted = options.theme
        if wanted not in loaded:
            names = ", ".join(sorted(loaded))
            self._theme_notices.append(f"theme {wanted!r} is not there; these are: {names}")
            wanted = DEFAULT_THEME
        self.theme = wanted
        self.set_keymap(dict(options.keymap))
        self.set_class(options.ascii_glyphs, "-ascii")
        self.theme_names: tuple[str, ...] = tuple(loaded)
        self.window_title = WindowTitle(self)
        self.failures = FailureLog(backend.clock)

    def get_driver_class(self) -> type[Driver]:
        """Take our own driver, unless the environment names another (a browser's)."""
        if os.environ.get("TEXTUAL_DRIVER") or sys.platform == "win32":
            return super().get_driver_class()
        from tickertui.tui.terminal.driver import TerminalDriver  # POSIX only

        return TerminalDriver

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give every semantic colour a value, also in Textual's own themes."""
        return variable_defaults()

    def get_default_screen(self) -> MainScreen:
        """The one screen; everything else is a panel over it."""
        return MainScreen(self.backend, self.options, self.failures)

    async def on_event(self, event: events.Event) -> None:
        """Let the answer to a key be painted at once."""
        hurry_for(self, event)
        if isinstance(event, events.Key) and not event.is_forwarded and self.screen_stack:
            top = self.screen_stack[-1]
            if isinstance(top, PanelScreen) and top.hold(event):
                return
        await super().on_event(event)

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key, the palette or a click asks for; an error stays in the pane or panel that it is about."""
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except Exception as error:  # noqa: BLE001 - whatever an action does wrong stays in its pane
            node = default_namespace if isinstance(default_namespace, Widget) else self.screen
            self.contain(node, error, f"the action {action if isinstance(action, str) else action[1]}")
            return True

    def contain(self, node: Widget, error: Exception, doing: str) -> None:
        """Show an error where it happened, as one event and one entry of the log; everything else goes on.

        Args:
            node: The widget or screen.
            error: What was raised.
            doing: ``painting``, ``Click``, ``the action sort``.
        """
        place = failing_place(node)
        if place is None or not (place.is_attached and self.is_running):
            # What is closing has no place on the screen any more; what it held is gone with it.
            _log.info("%s: %s failed after it was closed", type(node).__name__, doing, exc_info=error)
            return
        failure = self.failures.add(place.place_name, doing, error)
        place.fail(failure)
        if failure.is_news:
            self.backend.note("screen", failure.sentence, Severity.ERROR)

    def goes_on_after(self, error: Exception, broken: MessagePump | None) -> bool:
        """Go on after an error that no pane or panel has caught, unless it has stopped a part of the screen for good.

        The same error again and again is none to go on after either.
        """
        main, top = self.screen_stack[0], self.screen_stack[-1]
        if broken is None:
            failure = self.failures.add("the whole screen", "drawing", error)
            if failure.is_plain:
                return False
            if failure.is_news:
                self._tell(failure)
            top.refresh(layout=True)
            return True
        if isinstance(broken, Widget) and broken.screen is not main and isinstance(broken.screen, PanelScreen):
            self.contain(broken.screen, error, "a part of the panel")
            broken.screen.dismiss(None)
            return True
        return False

    def _tell(self, failure: Failure) -> None:
        self.notify(failure.sentence, severity="error", timeout=10, markup=False)
        self.backend.note("screen", failure.sentence, Severity.ERROR)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a notice for a while; see `tickertui.tui.terminal.toasts` for why it is one of ours."""
        seconds = self.NOTIFICATION_TIMEOUT if timeout is None else timeout
        self.post_message(Notify(LastingNotification(message, title, severity, seconds, markup)))

    def on_mount(self) -> None:
        """Name the window, and tell what was wrong with the trader's own files."""
        self.window_title.show(self.title)
        if self._theme_notices:
            self.notify("\n".join(self._theme_notices), title="Themes", severity="warning", timeout=15, markup=False)
        if self.options.notices:
            notice = "\n".join(self.options.notices)
            self.notify(notice, title="Presets", severity="warning", timeout=15, markup=False)

    def watch_title(self, title: str) -> None:
        """Show the title where Textual does not: on the terminal's window."""
        if self.is_running:
            self.window_title.show(title)

    def on_unmount(self) -> None:
        """Give the window its title back."""
        self.window_title.restore()

    def action_command_palette(self) -> None:
        """Show the palette, unless it is open."""
        from tickertui.tui.panels.command_palette import Palette  # a start does without it

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    async def action_quit(self) -> None:
        """Quit by Textual's own key (Ctrl+Q), asking while a live feed runs as the program's key does."""
        main = self.screen_stack[0]
        if isinstance(main, MainScreen):
            main.action_request("quit")
        else:
            self.exit()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Put the registry's actions into the palette, those that do something now, instead of Textual's own.

        Those would quit without asking and offer a second way to a theme, a picture and the keys.
        """
        main = self.screen_stack[0] if self.screen_stack else screen
        if isinstance(main, MainScreen):
            for action in main.runnable():
                yield SystemCommand(
                    f"{action.context}: {action.label}",
                    f"{action.tooltip} ({key_name(action.id, self.options.keymap)})",
                    lambda action_id=action.id: main.run_action_id(action_id),
                )
